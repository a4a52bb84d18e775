from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kinema.errors import ConfigError
from kinema.methods.photometric import photometric_loss, smoothness
from kinema.models import DisplacementHead, PrimeMotion, local_cost_volume


def features(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def block(*args: int, **settings: int) -> PrimeMotion:
    torch.manual_seed(0)
    return PrimeMotion(*args, **settings)


@pytest.mark.parametrize(("channels", "reduction", "width"), [(16, 4, 4), (64, 4, 16), (3, 4, 1)])
@pytest.mark.parametrize("pool", [1, 2])
def test_shapes(channels, reduction, width, pool):
    prime = block(channels, reduction, 2, pool=pool)
    motion = prime(features(2, channels, 4, 8, 12))
    assert motion.shape == (2, width, 4, 8 // pool, 12 // pool)
    assert prime.width == width
    assert DisplacementHead(width)(motion, (32, 48)).shape == (2, 2, 3, 32, 48)


def test_it_compares_each_step_with_the_next_and_repeats_the_last():
    prime = block(8, 2, 2).eval()
    with torch.no_grad():
        whole = prime(features(2, 8, 4, 6, 7))
        assert torch.equal(whole[:, :, 3], whole[:, :, 2])
        for step in range(3):
            pair = prime(features(2, 8, 4, 6, 7)[:, :, step : step + 2])
            torch.testing.assert_close(whole[:, :, step], pair[:, :, 0])


def test_the_first_layer_sees_cost_volume_features_and_difference():
    prime = block(8, 2, 1).eval()
    seen = []
    prime.encode[0][0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = features(1, 8, 3, 5, 6)
    prime(x)
    reduced = prime.reduce(x)
    now, after = reduced[:, :, :-1], reduced[:, :, 1:]
    expected = torch.cat((local_cost_volume(now, after, 1), now, after - now), dim=1)
    torch.testing.assert_close(seen[0], expected[0].transpose(0, 1))


def test_kernels_of_the_design():
    prime = block(16)
    assert [layer[0].kernel_size for layer in prime.encode] == [(7, 7), (3, 3), (3, 3)]
    assert prime.encode[0][0].in_channels == 49 + 2 * 4


def test_a_fresh_head_finds_no_motion():
    prime = block(8, 2, 2)
    assert not DisplacementHead(4)(prime(features(1, 8, 3, 6, 6)), (20, 20)).any()


def test_the_displacement_is_in_pixels_of_the_frames():
    head = DisplacementHead(4)
    torch.nn.init.constant_(head.convolution.bias[:1], 0.5)  # half a place to the right everywhere
    torch.nn.init.constant_(head.convolution.bias[1:], -1.0)
    flow = head(torch.zeros(1, 4, 3, 6, 8), (24, 16))
    torch.testing.assert_close(flow[:, 0], torch.full((1, 2, 24, 16), 0.5 * 2))  # 8 places are 16 pixels wide
    torch.testing.assert_close(flow[:, 1], torch.full((1, 2, 24, 16), -1.0 * 4))


def test_a_radius_larger_than_the_grid_is_refused():
    with pytest.raises(ConfigError, match="radius 3 with dilation 1 does not fit feature maps of 3 x 8"):
        block(4, 1, 3, pool=2)(features(1, 4, 2, 6, 16))


@pytest.mark.slow
def test_it_learns_a_shift_from_the_frames_alone():
    """Noise that slides by one or two pixels: the head must tell which way, on noise that it has not seen."""
    shifts = torch.tensor([(2, 0), (-2, 0), (0, 2), (0, -2), (1, 1), (-1, -1), (1, -1), (-1, 1)])

    def clips(seed: int) -> Tensor:
        noise = torch.nn.functional.avg_pool2d(features(8, 3, 22, 22, seed=seed), 3, stride=1)
        moved = [torch.stack([p.roll((int(v) * t, int(u) * t), (1, 2)) for t in (0, 1)], dim=1) for p, (u, v) in
                 zip(noise, shifts, strict=True)]  # fmt: skip
        return (0.5 + 0.4 * torch.stack(moved)).clamp(0, 1)

    prime, head = block(3, 1, 3), DisplacementHead(3)
    optimizer = torch.optim.Adam([*prime.parameters(), *head.parameters()], lr=1e-2)
    for step in range(100):
        batch = clips(step)
        flow = head(prime(batch - 0.5), (20, 20))
        loss = photometric_loss(batch[:, :, :1], batch[:, :, 1:], flow) + 0.05 * smoothness(flow, batch[:, :, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        flow = head(prime(clips(1000) - 0.5), (20, 20))
    truth = shifts.view(8, 2, 1, 1, 1)
    error = (flow - truth)[..., 4:-4, 4:-4].norm(dim=1).mean()
    assert error < 0.5 * truth.float().norm(dim=1).mean()
