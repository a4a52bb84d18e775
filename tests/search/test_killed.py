"""Killing `kinema index` at any time costs nothing but the videos it was at."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import forked
import numpy as np
import pytest

from kinema.data.synthetic.files import write_video
from kinema.search import Library
from kinema.search.connection import store_of


def many_videos(folder: Path, count: int) -> Path:
    """Videos of 1 to 3 seconds, and some files that are none."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        picture = rng.integers(0, 255, (32, 48, 3), np.uint8)
        frames = (np.roll(picture, n * (number % 5), 1) for n in range(16 + 32 * (number % 2)))
        write_video(folder / f"{number:03}.mp4", frames, 16.0)
    (folder / "words.mp4").write_text("no video")
    return folder


def start(folder: Path, index: Path, encoder: Path) -> BaseProcess:
    words = ["index", folder, "--index", index, "--encoder", encoder, "--batch_size", 4]
    return forked.start(words, index.with_suffix(".log"))


def state(index: Path) -> dict[tuple[str, float], tuple[float, float, np.ndarray]]:
    library = Library(index)
    windows = library.windows()
    vectors = library.vectors([window.id for window in windows])
    return {(w.path, w.start): (w.end, w.strength, v) for w, v in zip(windows, vectors, strict=True)}


def killed_and_rerun(folder: Path, encoder: Path, tmp_path: Path, kills: int) -> None:
    whole, often = tmp_path / "whole", tmp_path / "often"
    assert forked.ended(forked.start(["--version"], tmp_path / "log")) == 0  # from here on processes start at once
    began = time.perf_counter()
    assert forked.ended(start(folder, whole, encoder)) == 0
    usual = time.perf_counter() - began
    chance = random.Random(1)
    died = 0
    for _ in range(kills):
        process = start(folder, often, encoder)
        if chance.random() < 0.7:  # most of the time goes by before the first window: let some kills come after it
            while process.is_alive() and not (often / "windows.sqlite").exists():
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.3 * usual))
        else:
            time.sleep(chance.uniform(0, usual))
        process.kill()
        died += forked.ended(process) == -signal.SIGKILL
        if (often / "windows.sqlite").exists() and died:
            complete = {video.path: video.windows for video in _videos(often)}
            expected = {video.path: video.windows for video in Library(whole).videos()}
            assert complete.items() <= expected.items()  # a video is there in full or not at all
    assert died
    assert forked.ended(start(folder, often, encoder)) == 0, often.with_suffix(".log").read_text()
    one, other = state(whole), state(often)
    assert one.keys() == other.keys() and len(one) == Library(often).count()
    for place, (end, strength, vector) in one.items():
        assert other[place][:2] == (end, strength)
        np.testing.assert_allclose(other[place][2], vector, atol=1e-5)
    for mine, theirs in zip(Library(whole).videos(), Library(often).videos(), strict=True):
        assert replace(mine, first=None) == replace(theirs, first=None)  # numbers go by which video was done first
    for library in (Library(whole), Library(often)):
        numbers: dict[str, list[int]] = {}
        for window in library.windows():
            numbers.setdefault(window.path, []).append(window.id)
        assert {v.path: v.first for v in library.videos() if v.windows} == {p: min(ids) for p, ids in numbers.items()}


def _videos(index: Path):
    return Library(index).videos() if store_of(index).exists() else []


@pytest.mark.slow
def test_a_killed_index_goes_on(encoder, tmp_path):
    killed_and_rerun(many_videos(tmp_path / "videos", 30), encoder, tmp_path, kills=2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_index_killed_ten_times_is_the_one_never_killed(encoder, tmp_path):
    killed_and_rerun(many_videos(tmp_path / "videos", 200), encoder, tmp_path, kills=10)
