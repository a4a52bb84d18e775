from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from kinema.data.synthetic.files import write_video
from kinema.errors import CheckpointError, ConfigError, VideoError
from kinema.search import Library
from kinema.serve import media, worker
from kinema.serve.worker import Guarded, Worker


@pytest.fixture(scope="module")
def guarded(library: Library) -> Iterator[Guarded]:
    process = Guarded(library.path)
    yield process
    process.close()


def test_embeds_as_the_library_does_and_tells_how_far_it_is(guarded: Guarded, library: Library) -> None:
    clip = library.windows()[0].path
    steps = guarded.follow("embed", clip, 0.1, 0.6)
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as stop:
            embedded = stop.value
            break
    expected = library.embed(clip, 0.1, 0.6)
    assert embedded.query == expected.query
    assert told == [0.1, expected.query.end]
    for way, vector in expected.vectors.items():
        np.testing.assert_allclose(embedded.vectors[way], vector, atol=1e-5)


def test_pictures_are_those_of_this_process(guarded: Guarded, library: Library) -> None:
    clip = library.windows()[0].path
    assert guarded.ask("strip", clip) == media.strip(clip)
    assert guarded.ask("probe", clip) == media.footage(clip)


def test_a_file_that_is_no_video_is_named_and_the_process_lives(guarded: Guarded, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    before = guarded._process
    with pytest.raises(VideoError, match="it is not a video"):
        guarded.ask("probe", str(tmp_path / "text.mp4"))
    with pytest.raises(ConfigError, match="is empty"):
        guarded.ask("embed", "x.mp4", 2.0, 1.0)
    assert guarded._process is before and before is not None and before.is_alive()


def test_a_decoder_that_hangs_costs_one_answer(library: Library) -> None:
    guarded = Guarded(library.path)
    clip = library.windows()[0].path
    try:
        assert guarded.ask("probe", clip).duration > 0
        assert guarded._process is not None and guarded._process.pid is not None
        os.kill(guarded._process.pid, signal.SIGSTOP)
        guarded._patience = 1
        with pytest.raises(VideoError, match="nothing came of it in 1 s"):
            guarded.ask("probe", clip)
        guarded._patience = 60
        assert guarded.ask("probe", clip).duration > 0
    finally:
        guarded.close()


def test_a_crash_in_the_middle_is_one_sentence(
    library: Library, tmp_path: Path, moving_picture: Callable[[Path], Path]
) -> None:
    clip = moving_picture(tmp_path / "long.mp4")
    guarded = Guarded(library.path)
    try:
        guarded.ask("warm")
        steps = guarded.follow("embed", str(clip), 0.0, 1e9)
        next(steps), next(steps)  # the first windows have been read
        assert guarded._process is not None and guarded._process.pid is not None
        os.kill(guarded._process.pid, signal.SIGKILL)
        with pytest.raises(VideoError, match="the decoder broke down over it"):
            list(steps)
    finally:
        guarded.close()


def test_who_stops_following_ends_the_work(
    library: Library, tmp_path: Path, moving_picture: Callable[[Path], Path]
) -> None:
    clip = moving_picture(tmp_path / "long.mp4")
    guarded = Guarded(library.path)
    try:
        steps = guarded.follow("embed", str(clip), 0.0, 1e9)
        next(steps)
        steps.close()
        assert guarded._process is None
        assert guarded.ask("probe", str(clip)).duration > 10
    finally:
        guarded.close()


@pytest.fixture
def moving_picture() -> Callable[[Path], Path]:
    """Writes a video that is long enough for several batches of windows."""

    def make(path: Path) -> Path:
        rng = np.random.default_rng(0)
        write_video(path, (rng.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(1200)), fps=16.0)
        return path

    return make


def test_too_many_pixels_and_too_long_are_refused(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, clip = Worker(library), library.windows()[0].path
    monkeypatch.setattr(worker, "MAX_PIXELS", 32 * 32 - 1)
    with pytest.raises(VideoError, match="frames of 32x32 are too large; scale it"):
        inside.probe(print, clip)
    monkeypatch.setattr(worker, "MAX_PIXELS", 32 * 32)
    monkeypatch.setattr(worker, "MAX_SECONDS", 0.7)
    with pytest.raises(VideoError, match=r"longer than .* minutes; cut the part"):
        inside.probe(print, clip)


def test_opening_a_file_cannot_take_all_memory() -> None:
    with pytest.raises(MemoryError), worker._bounded_memory():
        np.empty(worker.HEADROOM + (1 << 28), np.uint8)
    assert np.empty(worker.HEADROOM + (1 << 28), np.uint8).nbytes > worker.HEADROOM, "afterwards it may again"


def test_a_missing_encoder_is_named(library: Library, tmp_path: Path) -> None:
    guarded = Guarded(library.path, str(tmp_path / "none"))
    try:
        with pytest.raises(CheckpointError, match="there is no encoder at"):
            guarded.ask("warm")
    finally:
        guarded.close()
