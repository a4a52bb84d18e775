from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.flow import (
    FRA_ANGLES,
    crop_resize,
    crop_resize_flow,
    flip_flow,
    magnitude,
    resize_flow,
    rotate_flow,
    scale_flow,
)

few = settings(max_examples=25, deadline=None)
angles = st.floats(-10, 10)
seeds = st.integers(0, 2**31)


def random_flow(seed: int = 0, shape: tuple[int, ...] = (3, 2, 4, 9, 11), dtype=torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def random_boxes(seed: int, count: int, height: int, width: int) -> Tensor:
    """Boxes inside the frame, sides from half of it upwards."""
    draw = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    sides = (0.5 + 0.5 * draw[:, 2:]) * torch.tensor([height, width])
    return torch.cat((draw[:, :2] * (torch.tensor([height, width]) - sides), sides), dim=1)


# rotation


def test_rotation_closed_form():
    right = torch.tensor([[[1.0], [0.0]]])
    torch.testing.assert_close(rotate_flow(right, math.pi / 2), torch.tensor([[[0.0], [1.0]]]))  # right turns to down
    torch.testing.assert_close(rotate_flow(right, math.pi), -right)


def test_rotation_takes_an_angle_per_clip():
    flow = random_flow()
    turned = rotate_flow(flow, torch.tensor([0.0, 0.5, -2.0]))
    for clip, angle in enumerate((0.0, 0.5, -2.0)):
        torch.testing.assert_close(
            turned[clip : clip + 1], rotate_flow(flow[clip : clip + 1], angle), rtol=1e-6, atol=1e-6
        )


def test_rotation_keeps_its_precision_under_autocast():
    flow = random_flow(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(rotate_flow(flow, 0.7), rotate_flow(flow.double(), 0.7).float())


@few
@given(angles, seeds)
def test_rotation_is_undone_by_its_opposite_and_keeps_lengths(angle, seed):
    flow = random_flow(seed)
    turned = rotate_flow(flow, angle)
    torch.testing.assert_close(rotate_flow(turned, -angle), flow)
    torch.testing.assert_close(magnitude(turned), magnitude(flow))


@few
@given(angles, angles)
def test_rotations_add(first, second):
    flow = random_flow()
    torch.testing.assert_close(rotate_flow(rotate_flow(flow, first), second), rotate_flow(flow, first + second))


def test_fra_angles_never_come_near_no_rotation():
    assert pytest.approx([0.2 * math.pi * k for k in range(1, 9)]) == FRA_ANGLES
    assert all(math.cos(angle) < math.cos(0.19 * math.pi) for angle in FRA_ANGLES)


# flip


def test_flip_moves_the_vector_and_negates_u():
    flow = torch.zeros(2, 2, 1, 2, 3)
    flow[:, :, 0, 1, 0] = torch.tensor([5.0, 7.0])
    flipped = flip_flow(flow, torch.tensor([True, False]))
    assert flipped[0, :, 0, 1, 2].tolist() == [-5.0, 7.0]
    assert flipped[0].abs().sum() == 12
    assert torch.equal(flipped[1], flow[1])


@few
@given(seeds, st.lists(st.booleans(), min_size=3, max_size=3))
def test_flip_twice_is_nothing(seed, mask):
    flow = random_flow(seed)
    assert torch.equal(flip_flow(flip_flow(flow, torch.tensor(mask)), torch.tensor(mask)), flow)


@few
@given(angles)
def test_a_mirror_reverses_the_sense_of_rotation(angle):
    flow, all_of_them = random_flow(), torch.ones(3, dtype=torch.bool)
    mirrored_after = flip_flow(rotate_flow(flow, angle), all_of_them)
    torch.testing.assert_close(rotate_flow(flip_flow(flow, all_of_them), -angle), mirrored_after)


# resize


def test_resize_scales_each_component_by_its_own_factor():
    flow = torch.stack((torch.full((2, 3, 8, 10), 4.0), torch.full((2, 3, 8, 10), -6.0)), dim=1)
    resized = resize_flow(flow, (4, 30))
    assert resized.shape == (2, 2, 3, 4, 30)
    torch.testing.assert_close(resized[:, 0], torch.full((2, 3, 4, 30), 12.0))
    torch.testing.assert_close(resized[:, 1], torch.full((2, 3, 4, 30), -3.0))


def test_resize_is_antialiased():
    fine = torch.zeros(1, 2, 1, 32, 32)
    fine[:, 0, 0, :, ::4] = 4.0  # one column in four moves; the mean motion is one pixel
    coarse = resize_flow(fine, (32, 8))
    torch.testing.assert_close(coarse[0, 0, 0, :, 1:-1], torch.full((32, 6), 0.25))


# crop


def slow_crop_resize(x: Tensor, boxes: Tensor, size: tuple[int, int], flip: Tensor) -> Tensor:
    """Bilinear sampling written out pixel by pixel."""
    out = x.new_zeros(*x.shape[:3], *size)
    height, width = x.shape[-2:]

    def neighbours(position: float, pixels: int) -> list[tuple[int, float]]:
        position = min(max(position - 0.5, 0.0), pixels - 1.0)
        low = min(int(position), pixels - 2)
        return [(low, low + 1 - position), (low + 1, position - low)]

    for b, (top, left, box_height, box_width) in enumerate(boxes.tolist()):
        for i in range(size[0]):
            for j in range(size[1]):
                target = size[1] - 1 - j if flip[b] else j
                for row, row_weight in neighbours(top + (i + 0.5) * box_height / size[0], height):
                    for column, weight in neighbours(left + (j + 0.5) * box_width / size[1], width):
                        out[b, :, :, i, target] += row_weight * weight * x[b, :, :, row, column]
    return out


@pytest.mark.parametrize("size", [(5, 7), (12, 9)])
def test_crop_agrees_with_the_slow_reference(size):
    x = random_flow(1, (4, 3, 2, 9, 11))
    boxes = random_boxes(2, 4, 9, 11)
    boxes[3] = torch.tensor([-2.0, 5.0, 6.0, 9.0])  # hangs over two edges, which then repeat
    flip = torch.tensor([True, False, True, False])
    torch.testing.assert_close(crop_resize(x, boxes, size, flip), slow_crop_resize(x, boxes, size, flip))


def test_the_whole_frame_at_its_own_size_is_unchanged():
    x = random_flow(0, (2, 3, 4, 8, 10))
    whole = torch.tensor([[0.0, 0, 8, 10]]).expand(2, 4)
    torch.testing.assert_close(crop_resize(x, whole, (8, 10)), x)
    torch.testing.assert_close(crop_resize_flow(x[:, :2], whole, (8, 10)), x[:, :2])


def test_a_crop_at_whole_pixels_is_a_slice():
    x = random_flow(0, (1, 3, 4, 8, 10))
    cut = crop_resize(x, torch.tensor([[2.0, 3, 5, 6]]), (5, 6))
    torch.testing.assert_close(cut, x[..., 2:7, 3:9])


def test_halving_takes_the_mean_of_the_covered_pixels():
    x = random_flow(0, (2, 3, 2, 8, 12))
    halved = crop_resize(x, torch.tensor([[0.0, 0, 8, 12]]).expand(2, 4), (4, 6))
    torch.testing.assert_close(halved, F.avg_pool3d(x, (1, 2, 2)))


def test_uint8_frames_come_back_in_the_unit_interval():
    pixels = torch.randint(0, 256, (2, 3, 4, 8, 8), dtype=torch.uint8)
    boxes = random_boxes(0, 2, 8, 8)
    cut = crop_resize(pixels, boxes, (6, 6))
    assert cut.dtype == torch.float32
    torch.testing.assert_close(cut, crop_resize(pixels.float() / 255, boxes, (6, 6)))
    assert 0 <= cut.min() <= cut.max() <= 1


@few
@given(seeds)
def test_crop_commutes_with_the_mirror(seed):
    height, width = 9, 11
    flow, boxes = random_flow(seed, (3, 2, 2, height, width)), random_boxes(seed, 3, height, width)
    yes = torch.ones(3, dtype=torch.bool)
    mirrored = boxes.clone()
    mirrored[:, 1] = width - boxes[:, 1] - boxes[:, 3]
    after = crop_resize_flow(flow, boxes, (6, 7), yes)
    torch.testing.assert_close(crop_resize_flow(flip_flow(flow, yes), mirrored, (6, 7)), after)
    torch.testing.assert_close(flip_flow(crop_resize_flow(flow, boxes, (6, 7)), yes), after)


def test_cropped_vectors_are_scaled_by_the_factors_of_the_crop():
    flow = torch.ones(2, 2, 1, 20, 40)
    boxes = torch.tensor([[2.0, 3.0, 10.0, 20.0], [0.0, 0.0, 20.0, 40.0]])
    cut = crop_resize_flow(flow, boxes, (20, 10), torch.tensor([False, True]))
    torch.testing.assert_close(cut, torch.tensor([[0.5, 2.0], [-0.25, 1.0]])[:, :, None, None, None].expand_as(cut))


def picture(x: Tensor, y: Tensor) -> Tensor:
    """A smooth scene that can be looked up anywhere, so that warping it is exact."""
    return torch.sin(x / 5 + 0.3) * torch.cos(y / 6) + torch.sin((x + 2 * y) / 11)


@pytest.mark.parametrize("flipped", [False, True])
@few
@given(seed=seeds)
def test_cropped_flow_still_warps_the_cropped_frames(flipped, seed):
    height, width, size = 48, 64, (40, 44)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    u, v = 3 * torch.sin(y / 20) + 0.05 * x, 2 * torch.cos(x / 25)
    second, first = picture(x, y), picture(x + u, y + v)  # the pixel of the first frame lies at + flow in the second
    boxes, flip = random_boxes(seed, 1, height, width), torch.tensor([flipped])
    frames = crop_resize(torch.stack((first, second))[None, None], boxes, size, flip)[0, 0]
    flow = crop_resize_flow(torch.stack((u, v))[None, :, None], boxes, size, flip)[0, :, 0]

    rows, columns = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    to_x, to_y = columns + flow[0], rows + flow[1]
    inside = (to_x > 1) & (to_x < size[1] - 1) & (to_y > 1) & (to_y < size[0] - 1)
    grid = torch.stack((2 * to_x / size[1] - 1, 2 * to_y / size[0] - 1), dim=-1)[None]
    warped = F.grid_sample(frames[1][None, None], grid, align_corners=False)[0, 0]
    error = (warped - frames[0]).abs()[inside]
    assert inside.float().mean() > 0.6
    assert error.mean() < 0.01  # of a picture that spans four units
    assert (frames[1] - frames[0]).abs()[inside].mean() > 10 * error.mean()


# scale


def test_scale_is_one_per_clip_so_changes_of_speed_stay():
    flow = random_flow(0, (2, 2, 4, 16, 16))
    speeds = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=flow.dtype).reshape(1, 1, 4, 1, 1)
    scaled = scale_flow(10 * speeds * flow / magnitude(flow))
    torch.testing.assert_close(magnitude(scaled), (speeds / 4).expand(2, 1, 4, 16, 16))


def test_scale_shrugs_off_wild_vectors_and_leaves_stillness_still():
    flow = torch.ones(1, 2, 2, 32, 32)
    flow[..., :4, :8] = 100.0
    assert scale_flow(flow)[..., 10:, 10:].sub(math.sqrt(0.5)).abs().max() < 1e-6
    noise = 1e-3 * random_flow(0, (1, 2, 2, 16, 16))
    assert magnitude(scale_flow(noise)).max() < 0.02


def test_scaled_flow_does_not_depend_on_the_unit_of_length():
    flow = 5 * random_flow(0, (3, 2, 4, 16, 16))
    torch.testing.assert_close(scale_flow(flow), scale_flow(3 * flow))


# gradients


def test_gradients():
    flow = random_flow(0, (2, 2, 2, 4, 5)).requires_grad_()
    angle = torch.tensor([0.3, -1.0], dtype=torch.float64, requires_grad=True)
    boxes, flip = random_boxes(0, 2, 4, 5), torch.tensor([True, False])
    assert torch.autograd.gradcheck(rotate_flow, (flow, angle))
    assert torch.autograd.gradcheck(lambda f: flip_flow(f, flip), flow)
    assert torch.autograd.gradcheck(lambda f: resize_flow(f, (3, 7)), flow)
    assert torch.autograd.gradcheck(lambda f: crop_resize_flow(f, boxes, (3, 6), flip), flow)
