from __future__ import annotations

import dataclasses
import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_videos import FPS, frame_numbers
from torch import Tensor
from torch.utils.data import DataLoader

from kinema.config import AugmentConfig, ClipConfig, FlowConfig, SamplingConfig
from kinema.data.extraction import extract_flow
from kinema.data.fields import ClipReader
from kinema.data.loader import make_loader
from kinema.data.pairs import Batch, ClipPairs, collate, random_box
from kinema.data.plan import Plan
from kinema.data.sampler import Draw, EpochSampler
from kinema.flow import create_estimator, flip_flow
from kinema.flow.quantise import LARGEST_STEP

CLIP = ClipConfig(frames=4, step=2 / FPS, short_side=64, size=(32, 32))
WHOLE = AugmentConfig(min_area=1.0, aspect=1.0)
CROPPED = AugmentConfig(min_area=0.5)
NAMES = ("slide", "back", "count")


@pytest.fixture
def pairs(folder, entries):
    """Make pairs of the three known videos."""

    def make(augment=WHOLE, clip=CLIP, with_flow=True, kept=None, sampling=None, with_key=True, **flow) -> ClipPairs:
        reader, videos = ClipReader(folder, clip, FlowConfig(**flow)), [entries[name] for name in NAMES]
        if reader.store is not None:
            extract_flow(reader, videos)
        return ClipPairs(videos, reader, sampling or SamplingConfig(), augment, with_flow, kept, with_key=with_key)

    return make


def draws(video: int, count: int) -> list[Draw]:
    return [Draw(video, (0, 0, number)) for number in range(count)]


def same(first: Batch, second: Batch) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# what an example is


def test_what_an_example_holds(pairs):
    example = pairs(CROPPED)[Draw(1, (0, 0, 0))]
    assert example["video"] == 1
    for name in ("query", "key"):
        assert (example[name].shape, example[name].dtype) == ((3, 4, 32, 32), torch.uint8)
        assert (example[f"{name}_flow"].shape, example[f"{name}_flow"].dtype) == ((2, 2, 32, 32), torch.float16)
    assert example["flow_seconds"] == pytest.approx(2 / FPS)


def test_without_keys_an_example_is_the_query_and_its_flow(pairs):
    sampling = SamplingConfig(key_shift=1.0)
    for draw in draws(1, 3):
        alone, paired = pairs(sampling=sampling, with_key=False)[draw], pairs(sampling=sampling)[draw]
        assert set(alone) == {"video", "query", "query_flow", "flow_seconds"}
        assert all(torch.equal(alone[name], paired[name]) for name in alone)


def test_held_frames_change_nothing(pairs, monkeypatch):
    plain, held = pairs(CROPPED), pairs(CROPPED)
    held.reader = ClipReader(held.reader.folder, CLIP, FlowConfig(), hold_mib=64)
    for draw in [Draw(video, (0, 0, number)) for video in range(3) for number in range(3)]:
        assert same(plain[draw], held[draw])
    monkeypatch.setattr("kinema.video.frame_cache.Video", None)  # no file is opened again
    held[Draw(2, (0, 0, 9))]


def test_an_example_is_a_pure_function_of_its_draw(pairs):
    wanted = [*draws(0, 3), *draws(1, 2)]
    first = pairs(CROPPED, sampling=SamplingConfig(key_shift=1.0))
    other = pickle.loads(pickle.dumps(first))
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002, the global generator must not matter
    forth = {draw: first[draw] for draw in wanted}
    back = {draw: other[draw] for draw in reversed(wanted)}
    assert all(same(forth[draw], back[draw]) for draw in wanted)
    assert not any(same(forth[a], forth[b]) for a in wanted for b in wanted if a != b)


@pytest.mark.parametrize("stored", [False, True])
def test_workers_change_nothing(pairs, tmp_path, stored):
    def batches(workers: int) -> list[Batch]:
        data = pairs(CROPPED, cache=str(tmp_path / "store") if stored else None)
        sampler = EpochSampler(Plan(3, 2, 2, 1, 1, 3), 0)
        return list(make_loader(data, workers, batch_size=2, sampler=sampler, collate_fn=collate))

    alone, shared = batches(0), batches(2)
    assert len(alone) == len(shared) == 3
    assert all(same(a, b) for a, b in zip(alone, shared, strict=True))
    assert alone[0]["query"].shape == (2, 3, 4, 32, 32)


def test_moco_sees_the_same_clips_as_mscl(pairs):
    for draw in draws(0, 3):
        with_flow, without = pairs(CROPPED)[draw], pairs(CROPPED, with_flow=False)[draw]
        assert set(without) == {"video", "query", "key"}
        assert all(torch.equal(without[name], with_flow[name]) for name in without)


# where clips start


def starts(example: Batch) -> tuple[int, int]:
    """Grid positions of query and key in the video that counts, where positions are frames."""
    query, key = (frame_numbers(example[name].permute(1, 2, 3, 0).numpy()) for name in ("query", "key"))
    for numbers in (query, key):
        assert np.diff(numbers).tolist() == [2, 2, 2]
    return query[0], key[0]


def test_without_a_shift_query_and_key_are_the_same_clip(pairs):
    found = [starts(pairs()[draw]) for draw in draws(2, 60)]
    assert all(query == key for query, key in found)
    queries = {query for query, _ in found}
    assert min(queries) < 4
    assert max(queries) > 27
    example = pairs()[draws(0, 1)[0]]
    assert torch.equal(example["query"], example["key"])
    assert torch.equal(example["query_flow"], example["key_flow"])
    cropped = pairs(CROPPED)[draws(0, 1)[0]]
    assert not torch.equal(cropped["query"], cropped["key"])  # each is cut by itself


@pytest.mark.parametrize(("shift", "reach"), [(0.5, 4), (1.0, 8)])
def test_the_key_starts_within_the_shift(pairs, shift, reach):
    found = [starts(pairs(sampling=SamplingConfig(key_shift=shift))[draw]) for draw in draws(2, 80)]
    differences = [key - query for query, key in found]
    assert max(differences) == -min(differences) == reach
    assert len(set(differences)) > reach
    assert all(0 <= start <= 31 for pair in found for start in pair)


def test_clips_start_where_they_may(pairs):
    kept = [torch.tensor([0]), torch.tensor([0]), torch.tensor([3, 4, 12, 30])]
    data = pairs(kept=kept, sampling=SamplingConfig(key_shift=1.0))
    found = [starts(data[draw]) for draw in draws(2, 40)]
    assert {query for query, _ in found} == {3, 4, 12, 30}
    assert {key for _, key in found} <= {3, 4, 12, 30}
    assert {key for query, key in found if query == 30} == {30}  # no other is in reach


def test_paces_spread_a_clip_over_more_of_its_video(pairs):
    """Of 40 frames with a step of two: the last clip of pace 3 starts at frame 21, and of pace 7 none fits."""
    data = pairs(sampling=SamplingConfig(paces=(1, 3, 7), key_shift=1.0))
    found: dict[int, set[int]] = {}
    for draw in draws(2, 50):
        for name in ("query", "key"):
            numbers = frame_numbers(data[draw][name].permute(1, 2, 3, 0).numpy())
            (step,) = set(np.diff(numbers).tolist())
            found.setdefault(step, set()).add(numbers[0])
    assert found.keys() == {2, 6}
    assert max(found[2]) > 27
    assert min(found[6]) < 3 and 15 < max(found[6]) <= 40 - 3 * 6 - 1


def test_a_pace_of_one_draws_what_was_drawn_before_there_were_paces(pairs):
    for draw in draws(0, 3):
        assert same(pairs(CROPPED)[draw], pairs(CROPPED, sampling=SamplingConfig(paces=(1,)))[draw])


def test_the_flow_of_a_quick_clip_spans_what_it_does_at_a_pace_of_one(pairs):
    example = pairs(sampling=SamplingConfig(paces=(3,)))[Draw(0, (0, 0, 0))]
    assert medians(example["query_flow"]) == pytest.approx([2 * 2 / 2, -1 * 2 / 2], abs=0.1)
    assert example["flow_seconds"] == pytest.approx(2 / FPS)


# geometry


def medians(flow: Tensor) -> list[float]:
    return flow.float().flatten(1).median(dim=1).values.tolist()


@pytest.mark.parametrize(("flip", "sign"), [(0.0, 1), (1.0, -1)])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_known_motion_comes_out_scaled_by_the_crop(pairs, monkeypatch, flip, sign, ratio):
    box = torch.tensor([8.0, 10.0, 40.0, 48.0])  # top, left, height, width
    monkeypatch.setattr("kinema.data.pairs.random_box", lambda *_: box)
    data = pairs(dataclasses.replace(WHOLE, flip=flip), step_ratio=ratio)
    example = data[Draw(0, (0, 0, 0))]
    u, v = 2 * 2 * ratio, 2 * -1 * ratio
    for name in ("query_flow", "key_flow"):
        assert medians(example[name]) == pytest.approx([sign * u * 32 / 48, v * 32 / 40], abs=0.1)


@pytest.mark.parametrize("frames", [1, 3])
def test_flow_over_frames_of_the_file(pairs, frames):
    example = pairs(step_frames=frames)[Draw(0, (0, 0, 0))]
    assert medians(example["query_flow"]) == pytest.approx([2 * frames / 2, -frames / 2], abs=0.1)
    assert example["flow_seconds"] == pytest.approx(frames / FPS)


def test_the_flow_of_a_cut_clip_is_that_of_its_cut_frames(pairs):
    """Random boxes and flips: flow estimated anew from the frames that came out agrees with the flow that came out."""
    data = pairs(dataclasses.replace(CROPPED, flip=0.5), dataclasses.replace(CLIP, size=(48, 48)))
    rightwards = []
    for draw in draws(0, 6):
        example = data[draw]
        for name in ("query", "key"):
            frames = example[name].permute(1, 2, 3, 0).numpy()
            again = create_estimator("dis").pairs(frames[::2], frames[1::2])
            estimated = medians(torch.from_numpy(again).transpose(0, 1))
            assert medians(example[f"{name}_flow"]) == pytest.approx(estimated, abs=0.2)
            rightwards.append(estimated[0] > 0)
    assert set(rightwards) == {True, False}


def test_a_flip_mirrors_the_frames_and_negates_u(pairs):
    for draw in draws(1, 2):
        plain = pairs(CROPPED)[draw]
        flipped = pairs(dataclasses.replace(CROPPED, flip=1.0))[draw]
        assert (flipped["query"].flip(-1).int() - plain["query"].int()).abs().max() <= 1
        expected = flip_flow(plain["query_flow"].float()[None], torch.tensor([True]))[0]
        torch.testing.assert_close(flipped["query_flow"].float(), expected, rtol=1e-3, atol=1e-2)


def test_the_whole_frame_at_its_own_size_is_the_decoded_frame(pairs, folder, entries):
    clip = dataclasses.replace(CLIP, size=(64, 64))
    data = pairs(clip=clip, kept=[torch.tensor([5])] * 3)
    example = data[Draw(0, (0, 0, 0))]
    with data.reader.open(entries["slide"]) as video:
        frames, flow = data.reader.frames_and_flow(video, entries["slide"], 5)
    assert torch.equal(example["query"], torch.from_numpy(frames).permute(3, 0, 1, 2))
    fields = torch.from_numpy(flow).transpose(0, 1)
    torch.testing.assert_close(example["query_flow"].float(), fields, rtol=1e-3, atol=1e-2)


def test_a_store_changes_nothing_beyond_its_precision(pairs, tmp_path):
    for draw in draws(0, 3):
        estimated, stored = pairs(CROPPED)[draw], pairs(CROPPED, cache=str(tmp_path / "store"))[draw]
        assert torch.equal(estimated["query"], stored["query"])
        assert not torch.equal(estimated["query_flow"], stored["query_flow"])
        error = (estimated["query_flow"] - stored["query_flow"]).abs().max()
        assert error <= LARGEST_STEP / 2 * 1.1 + 5e-3  # float16, and crops that enlarge a little


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    frame=st.tuples(st.integers(16, 80), st.integers(16, 80)),
    size=st.tuples(st.integers(16, 64), st.integers(16, 64)),
    area=st.floats(0.1, 1),
    aspect=st.floats(1, 1.5),
)
def test_random_boxes(seed, frame, size, area, aspect):
    augment = AugmentConfig(min_area=area, aspect=aspect)
    top, left, height, width = random_box(frame, size, augment, np.random.default_rng(seed)).tolist()
    assert top >= 0 and left >= 0 and height > 0 and width > 0
    assert top + height <= frame[0] + 1e-4
    assert left + width <= frame[1] + 1e-4
    largest = min(frame[0] * size[1] / size[0], frame[1]) * min(frame[1] * size[0] / size[1], frame[0])
    assert height * width <= largest * aspect + 1e-2
    assert height * width >= min(area, (area / aspect) ** 0.5) * largest - 1e-2  # a box as wide as the frame is cut off
    distortion = width / height * size[0] / size[1]
    if height < frame[0] - 1e-3 and width < frame[1] - 1e-3:
        assert 1 / aspect - 1e-4 <= distortion <= aspect + 1e-4


def test_boxes_go_everywhere():
    rng = np.random.default_rng(0)
    boxes = torch.stack([random_box((64, 64), (48, 48), AugmentConfig(min_area=0.25), rng) for _ in range(400)])
    areas = boxes[:, 2] * boxes[:, 3] / 64**2
    assert areas.min() < 0.27
    assert areas.max() > 0.93
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    assert centres.mean(dim=0).tolist() == pytest.approx([32, 32], abs=1.5)
    whole = random_box((48, 96), (32, 32), WHOLE, rng)
    assert whole[[0, 2, 3]].tolist() == pytest.approx([0, 48, 48])


# what cannot be read


BREAKS = {
    "no such file": lambda path: path.unlink(),
    "bytes when it was scanned, and has": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "it is a named pipe, not a file": lambda path: (path.unlink(), os.mkfifo(path)),
    "it is not a video": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("words", BREAKS)
def test_a_video_that_breaks_is_named_beside_the_rest_of_its_batch(folder, entries, tmp_path, words):
    for name in ("slide", "back"):
        shutil.copy(folder / f"{name}.mp4", tmp_path)
    reader = ClipReader(tmp_path, CLIP, FlowConfig())
    data = ClipPairs([entries["slide"], entries["back"]], reader, SamplingConfig(), CROPPED, with_flow=True)
    sampler = EpochSampler(Plan(2, 1, 2, 1, 1, 1), 0)
    loader = DataLoader(data, 2, sampler=sampler, collate_fn=collate)
    whole = next(iter(loader))
    assert "failed" not in whole
    BREAKS[words](tmp_path / "back.mp4")
    (batch,) = loader
    ((slot, unread),) = batch["failed"].items()
    assert whole["video"][slot] == unread.video == 1
    assert words in unread.reason and str(tmp_path / "back.mp4") in unread.reason
    assert batch["video"].tolist() == [0] and torch.equal(batch["query"][0], whole["query"][1 - slot])


@pytest.mark.parametrize("workers", [0, 1])
def test_flow_that_is_damaged_or_missing_is_named(pairs, tmp_path, workers):
    data = pairs(CROPPED, cache=str(tmp_path / "store"))
    path = tmp_path / "store" / "back.mp4.flow"
    flow = bytearray(path.read_bytes())
    for place in range(20, len(flow) // 2, 50):
        flow[place] ^= 64
    for content, words in ((flow, "is damaged"), (None, "there is no flow at")):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        batches = list(make_loader(data, workers, batch_size=1, sampler=draws(1, 6), collate_fn=collate))
        found = [unread.reason for batch in batches for unread in batch.get("failed", {}).values()]
        assert found
        assert all(words in error and str(path) in error for error in found)
