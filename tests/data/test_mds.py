from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_videos import FPS
from torch import Tensor

from kinema.config import ClipConfig, FlowConfig
from kinema.data import mds
from kinema.data.extraction import extract_flow
from kinema.data.fields import ClipReader, clip_positions
from kinema.data.mds import Kept, field_scores, score_videos, start_scores
from kinema.errors import DataError, OutputError, VideoError
from kinema.flow import grid_scores, motion_differential, set_opencv_threads
from kinema.flow.quantise import LARGEST_STEP

CLIP = ClipConfig(frames=4, step=2 / FPS, short_side=32, size=(32, 32))


@pytest.fixture
def reader(folder) -> ClipReader:
    return ClipReader(folder, CLIP, FlowConfig())


@pytest.fixture
def videos(entries) -> list:
    return [entries["back"], entries["slide"]]


def scores_of_starts(reader: ClipReader, entry, variant: str) -> Tensor:
    return start_scores(reader, entry, field_scores(reader, entry, variant))


def forbid_scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_):
        raise AssertionError("a video was scored")

    monkeypatch.setattr(mds, "field_scores", never)


# what is scored


def test_the_score_of_a_start_is_the_mean_over_the_fields_of_its_clip(reader, entries):
    entry = entries["back"]
    scores = scores_of_starts(reader, entry, "sobel")
    assert scores.shape == (reader.starts(entry),) == (32,)
    for start in (0, 7, 31):
        flow = reader.fields(entry, clip_positions(CLIP, start))
        expected = motion_differential(torch.from_numpy(flow), "sobel").mean()
        torch.testing.assert_close(scores[start], expected, rtol=1e-4, atol=1e-5)


def test_change_is_measured_between_fields_that_follow_each_other_in_a_clip(reader, entries):
    entry = entries["back"]
    flow = torch.from_numpy(reader.fields(entry, np.arange(38)))
    even = motion_differential(flow[::2])  # fields of clips that start at even positions
    scores = scores_of_starts(reader, entry, "vectors")
    for start in (0, 8, 16):
        torch.testing.assert_close(scores[start], even[start // 2 : start // 2 + 4].mean(), rtol=1e-4, atol=1e-5)


class KnownFlow:
    """A reader of a video of random fields, which notes how many it was asked for at once."""

    def __init__(self, count: int, per_step: int):
        self.flow = torch.randn(count, 2, 6, 6, generator=torch.Generator().manual_seed(count))
        self.per_step, self.asked = per_step, []

    def field_count(self, _):
        return len(self.flow)

    def grid(self, _):
        return self

    def fields(self, _, positions):
        self.asked.append(len(positions))
        return self.flow[positions].numpy()


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 40),
    per_step=st.integers(1, 7),
    chunk=st.integers(1, 20),
    variant=st.sampled_from(["vectors", "wheel", "sobel"]),
)
def test_chunks_score_as_the_whole(count, per_step, chunk, variant):
    known = KnownFlow(count, per_step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mds, "CHUNK", chunk)
        found = field_scores(known, None, variant)
    torch.testing.assert_close(found, grid_scores(known.flow, per_step, variant), rtol=1e-5, atol=1e-6)
    assert max(known.asked, default=0) <= max(chunk, 2 * per_step) + per_step


@pytest.mark.parametrize("variant", ["vectors", "wheel"])
def test_clips_around_a_sudden_reversal_are_kept(reader, entries, variant):
    """The video turns back at frame 20; a clip from position s has fields from frames s to s + 6, each to 2 later."""
    fields = field_scores(reader, entries["back"], variant)
    scores = start_scores(reader, entries["back"], fields)
    (kept,) = Kept(reader, [entries["back"]], [fields])
    turning = set(range(14, 20))  # some of its fields go right, and some left
    assert turning <= set(kept.tolist())
    assert int(scores.argmax()) in turning
    assert scores[list(turning)].min() > 2 * scores.median()
    assert len(kept) <= 16
    assert kept.tolist() == sorted(kept.tolist())


def test_starts_of_each_video_by_its_own_median(reader, videos):
    fields = [field_scores(reader, video, "vectors") for video in videos]
    for video, own, starts in zip(videos, fields, Kept(reader, videos, fields), strict=True):
        scores = start_scores(reader, video, own)
        assert starts.tolist() == [i for i, score in enumerate(scores) if score > scores.median()]


# what is kept


def test_scores_are_kept_and_only_missing_ones_are_added(reader, entries, videos, tmp_path, monkeypatch):
    file = tmp_path / "scores" / "mds.parquet"
    first = score_videos(reader, videos[:1], "vectors", file)
    scored = []
    score = mds.field_scores

    def spy(reader, entry, variant):
        scored.append(entry.path)
        return score(reader, entry, variant)

    monkeypatch.setattr(mds, "field_scores", spy)
    both = score_videos(reader, [*reversed(videos)], "vectors", file)
    assert scored == ["slide.mp4"]
    assert torch.equal(both[1], first[0])
    assert pq.read_metadata(file).num_rows == 2 and [path.name for path in file.parent.iterdir()] == [file.name]
    forbid_scoring(monkeypatch)
    before = file.stat()
    again = score_videos(reader, videos, "vectors", file)
    assert torch.equal(again[0], both[1]) and torch.equal(again[1], both[0])
    assert file.stat() == before


@pytest.mark.parametrize("change", ["variant", "recipe", "video"])
def test_what_was_scored_otherwise_is_scored_again(reader, folder, videos, tmp_path, change):
    file = tmp_path / "mds.parquet"
    score_videos(reader, videos[:1], "vectors", file)
    variant, told = "vectors", videos[0]
    if change == "variant":
        variant = "sobel"
    elif change == "recipe":
        reader = ClipReader(folder, dataclasses.replace(CLIP, short_side=48), FlowConfig())
    else:
        told = dataclasses.replace(told, duration=1.5)
    (found,) = score_videos(reader, [told], variant, file)
    torch.testing.assert_close(found, field_scores(reader, told, variant))


@pytest.mark.timeout(60)
def test_workers_and_the_store_change_nothing(reader, folder, videos, tmp_path):
    set_opencv_threads(2)  # which must not keep the workers waiting
    stored = ClipReader(folder, CLIP, FlowConfig(cache=str(tmp_path / "store")))
    extract_flow(stored, videos)
    now, later = (
        [score_videos(r, videos, "vectors", tmp_path / f"{n}{workers}", workers) for workers in (0, 2)]
        for n, r in enumerate((reader, stored))
    )
    for alone, shared in (now, later):
        assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))
    for estimated, read in zip(now[0], later[0], strict=True):
        torch.testing.assert_close(estimated, read, rtol=0, atol=LARGEST_STEP / 2)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_video_that_cannot_be_read_is_named_and_the_others_scores_are_kept(
    reader, entries, tmp_path, workers, monkeypatch
):
    gone, file = dataclasses.replace(entries["back"], path="gone.mp4"), tmp_path / "mds.parquet"
    scores, reason = score_videos(reader, [entries["slide"], gone], "vectors", file, workers)
    assert isinstance(reason, VideoError) and "gone.mp4" in str(reason)
    kept, again = Kept(reader, [entries["slide"], gone], [scores, reason])
    assert again is reason and len(kept)
    forbid_scoring(monkeypatch)
    (kept_score,) = score_videos(reader, [entries["slide"]], "vectors", file)
    assert torch.equal(kept_score, scores)


SCORE = """
import sys
from kinema.config import ClipConfig, FlowConfig
from kinema.common import parts
from kinema.data import mds
from kinema.data.fields import ClipReader
from kinema.video import scan_folder
folder, file, stop = sys.argv[1:]
score, parts.SECONDS = mds.field_scores, -1.0
def stopping(reader, entry, variant):
    if entry.path == "slide.mp4":
        exec(stop)
    return score(reader, entry, variant)
mds.field_scores = stopping
reader = ClipReader(folder, ClipConfig(frames=4, step=2 / 16, short_side=32, size=(32, 32)), FlowConfig())
mds.score_videos(reader, scan_folder(folder), "vectors", mds.Path(file))
"""


@pytest.mark.parametrize("stop", ["import os; os.kill(os.getpid(), 9)", "raise KeyboardInterrupt"])
def test_scoring_that_was_stopped_keeps_what_it_did(reader, folder, entries, tmp_path, monkeypatch, stop):
    file = tmp_path / "mds.parquet"
    done = subprocess.run(
        [sys.executable, "-c", SCORE, str(folder), str(file), stop], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode in (-signal.SIGKILL, -signal.SIGINT, 130)
    three, scored, score = [entries[name] for name in ("back", "count", "slide")], [], mds.field_scores
    monkeypatch.setattr(mds, "field_scores", lambda *asked: scored.append(asked[1].path) or score(*asked))
    for found, entry in zip(score_videos(reader, three, "vectors", file), three, strict=True):
        assert torch.equal(found, score(reader, entry, "vectors"))
    assert scored == ["slide.mp4"]
    forbid_scoring(monkeypatch)
    score_videos(reader, three, "vectors", file)


def test_a_damaged_file_of_scores_and_one_that_cannot_be_written(reader, videos, tmp_path):
    file = tmp_path / "mds.parquet"
    file.write_text("no scores")
    with pytest.raises(DataError, match=r"mds\.parquet is damaged: .*; delete it, and the scores are made again"):
        score_videos(reader, videos, "vectors", file)
    assert file.read_text() == "no scores"
    with pytest.raises(OutputError, match="Not a directory"):
        score_videos(reader, videos, "vectors", file / "below")


def test_the_table_finds_each_video_among_many(reader, videos, tmp_path):
    """A slow reference: a dictionary."""
    rng, entries = np.random.default_rng(0), [dataclasses.replace(videos[0], path=f"{n}.mp4") for n in range(500)]
    scores = {entry.path: torch.from_numpy(rng.random(int(rng.integers(1, 9)), np.float32)) for entry in entries}
    shown = [entries[n] for n in rng.permutation(500)[:300]]
    table = mds._table([(*mds._key(entry), scores[entry.path]) for entry in shown], {})
    keys = np.array([mds._key(entry) for entry in entries], np.uint64)
    rows = mds._find(table, keys)
    known = {entry.path for entry in shown}
    assert [row >= 0 for row in rows] == [entry.path in known for entry in entries]
    found = mds.MotionScores(table, rows, {})
    assert all(torch.equal(found[n], scores[e.path]) for n, e in enumerate(entries) if e.path in known)
    assert (mds._find(mds.SCHEMA.empty_table(), keys) == -1).all()
