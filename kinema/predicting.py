"""A network that was trained with labels, on new videos: the class of each, or its bouts.

What the network has said of a video is written down as soon as the video is done, beside the file that all come to in
the end; a call that was stopped goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kinema.annotations.bouts import find_bouts
from kinema.annotations.budgets import Budget, budgets
from kinema.annotations.interval import Interval
from kinema.config import BoutConfig
from kinema.errors import DataError, VideoError
from kinema.files import make_folder, writing
from kinema.locking import locked
from kinema.methods.recognition import load_classifier
from kinema.models.sources import clip_of
from kinema.progress import make_bar
from kinema.search.embedding import Embedder, Finished, embed_videos
from kinema.search.windowing import Windowing
from kinema.search.windows import SeenWindow, WindowReader
from kinema.video import find_videos
from kinema.video.folder import without_videos
from kinema.video.identity import size_and_time

VERSION = 1
"""Of what is kept on the way."""


@dataclass(frozen=True)
class Predicted:
    """What a network found in videos.

    Attributes:
        intervals: bouts, or each video as a whole, by video and time, with confidence.
        budgets: how much time goes into each class.
        videos: how many could be read.
        seconds: how long they are together, as far as their windows go.
        notes: lines on videos that could not be read, or not to their end.
    """

    intervals: tuple[Interval, ...]
    budgets: tuple[Budget, ...]
    videos: int
    seconds: float
    notes: tuple[str, ...]


class SaidWindow(NamedTuple):
    """A window, and the probability of each class."""

    start: float
    end: float
    shares: np.ndarray


def predict(
    videos: str | Path,
    run: str | Path,
    out: str | Path,
    config: BoutConfig | None,
    *,
    length: float | None = None,
    stride: float | None = None,
    batch_size: int = 64,
    workers: int | None = None,
    device: str = "auto",
) -> Predicted:
    """What a network finds in videos; of what was done before for the same file, nothing is done again.

    Args:
        videos: a folder, or a video.
        run: the folder of the training.
        out: the file that the labels are for; what is done is kept beside it until :func:`forget`.
        config: how bouts are made; None to give each video as a whole its likeliest class.
        length: seconds of a window; None for what a clip spans.
        stride: seconds from one window to the next; None for half a window.
        batch_size: windows per forward pass.
        workers: threads that decode; None for as many as there are cores, at most 16.
        device: "auto", "cpu", "cuda:1", ...

    Raises:
        CheckpointError: there is no such network.
        DataError: there are no videos, or none can be read.
        OutputError: what is done cannot be kept.
    """
    network, classes = load_classifier(run)
    embedder = Embedder(network, clip_of(network.encoder), str(run), device)
    windowing = Windowing(length, stride)
    reader = WindowReader(embedder.clip, windowing)
    root, paths = _videos(Path(videos))
    about = {"version": VERSION, "network": embedder.fingerprint, "classes": classes, "windowing": asdict(windowing)}

    def said(windows: Sequence[SeenWindow]) -> list[SaidWindow]:
        if not windows:
            return []
        shares = embedder.features(np.concatenate([window.clips for window in windows]))
        shares = shares.reshape(len(windows), -1, shares.shape[1]).mean(1)
        return [SaidWindow(window.start, window.end, one) for window, one in zip(windows, shares, strict=True)]

    notes: dict[str, str] = {}
    states = {}
    for path in paths:
        try:
            states[path] = size_and_time(path)
        except VideoError as error:
            notes[str(path)] = f"unreadable: {error.path}: {error.reason}"
    held: dict[int, list[SaidWindow]] = {}
    intervals: list[Interval] = []
    seconds, count = 0.0, 0
    with _Kept(out, about) as kept:
        todo = [path for path, state in states.items() if not kept.has(path, state)]
        with make_bar() as progress:
            task = progress.add_task("Labelling videos", total=len(states), completed=len(states) - len(todo))
            for number, item in embed_videos(todo, reader, said, batch_size=batch_size, workers=workers):
                if not isinstance(item, Finished):
                    held.setdefault(number, []).append(item)
                    continue
                kept.add(todo[number], states[todo[number]], held.pop(number, []), item.error)
                progress.advance(task)
        for path, windows, fault in kept.read(states):
            if fault:
                notes[str(path)] = f"{'partial' if windows else 'unreadable'}: {path}: {fault}"
            if not windows:
                continue
            try:
                intervals += _found(path.relative_to(root).as_posix(), windows, classes, config)
            except DataError as refused:
                notes[str(path)] = f"left out: {refused}"
                continue
            count, seconds = count + 1, seconds + max(window.end for window in windows)
    if not count:
        raise DataError(f"no video of {videos} can be read ({next(iter(notes.values()))}); see `kinema scan`")
    ordered = sorted(intervals, key=lambda one: (one.file, one.start))
    names = budgets(ordered, seconds, classes if config is None else ())
    return Predicted(tuple(ordered), tuple(names), count, seconds, tuple(notes[path] for path in sorted(notes)))


def forget(out: str | Path) -> None:
    """Delete what :func:`predict` kept for a file that has been written."""
    _place(out).unlink(missing_ok=True)


def _place(out: str | Path) -> Path:
    return Path(out).with_name(f".{Path(out).name}.windows.jsonl")


def _videos(path: Path) -> tuple[Path, list[Path]]:
    """The folder that names are relative to, and the videos."""
    if path.is_file():
        return path.parent, [path]
    paths, others = find_videos(path)
    if not paths:
        raise DataError(without_videos(path, others))
    return path, paths


def _found(
    file: str, windows: Sequence[SaidWindow], classes: Sequence[str], config: BoutConfig | None
) -> list[Interval]:
    shares = np.stack([window.shares for window in windows])
    starts, ends = (np.array([getattr(window, name) for window in windows]) for name in ("start", "end"))
    if config is not None:
        return find_bouts(file, starts, ends, shares, classes, config)
    mean = shares.mean(0)
    best = int(mean.argmax())
    return [Interval(file, 0.0, float(ends.max()), classes[best], None, float(min(1.0, mean[best])))]


class _Kept:
    """What was said of videos, a line of JSON each, after one that says by what; of another network all is forgotten.

    One process at a time may have it open. What was kept ends at the first line that is damaged, or half of one, as a
    kill leaves it.

    Args:
        out: the file that labels are for.
        about: what made it.

    Raises:
        OutputError: another process has it open, or it cannot be written.
    """

    def __init__(self, out: str | Path, about: dict[str, Any]):
        self._out, self._path, self._about = out, _place(out), about
        self._known: dict[str, tuple[int, int]] = {}
        self._open = ExitStack()

    def __enter__(self) -> _Kept:
        make_folder(self._path.parent)
        busy = f"another process finds what goes into {self._out}: wait until it ends, or name another --out"
        with writing(self._path), self._open:
            self._open.enter_context(locked(self._path.with_suffix(".lock"), busy))
            end = len(self._head())
            for line in self._lines():
                end += len(line.raw)
                self._known[line.file] = line.state
            self._file = self._open.enter_context(self._path.open("r+b" if self._known else "wb"))
            self._file.truncate(end if self._known else 0)
            self._file.seek(0, 2)
            if not self._known:
                self._write(self._head())
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        with writing(self._path):
            self._open.close()

    def has(self, path: Path, state: tuple[int, int]) -> bool:
        """Whether a video is done that is as it was."""
        return self._known.get(str(path)) == state

    def add(self, path: Path, state: tuple[int, int], windows: Sequence[SaidWindow], error: str) -> None:
        """Keep what was said of a video."""
        times = [[window.start, window.end] for window in windows]
        shares = [[round(float(value), 6) for value in window.shares] for window in windows]
        self._write(_as_line({"file": str(path), "state": state, "times": times, "shares": shares, "error": error}))

    def read(self, states: dict[Path, tuple[int, int]]) -> Iterator[tuple[Path, list[SaidWindow], str]]:
        """What was said of videos as they are now."""
        wanted = {str(path): path for path in states}
        for line in self._lines():
            path = wanted.get(line.file)
            if path is not None and line.state == states[path]:
                del wanted[line.file]
                yield path, line.windows, line.error

    def _write(self, line: bytes) -> None:
        with writing(self._path):
            self._file.write(line)
            self._file.flush()

    def _head(self) -> bytes:
        return _as_line(self._about)

    def _lines(self) -> Iterator[_Line]:
        """Those that are whole, up to the first that is not."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            if file.readline() != self._head():
                return
            for raw in file:
                line = _line(raw, len(self._about["classes"]))
                if line is None:
                    return
                yield line


class _Line(NamedTuple):
    raw: bytes
    file: str
    state: tuple[int, int]
    windows: list[SaidWindow]
    error: str


def _as_line(value: dict[str, Any]) -> bytes:
    return (json.dumps(value) + "\n").encode()


def _line(raw: bytes, classes: int) -> _Line | None:
    """What a line says; None if it is damaged, or half a line."""
    if not raw.endswith(b"\n"):
        return None
    try:
        value = json.loads(raw)
        times = np.array(value["times"], np.float64).reshape(-1, 2)
        shares = np.array(value["shares"], np.float32).reshape(-1, classes)
        size, time = value["state"]
        windows = [SaidWindow(a, b, said) for (a, b), said in zip(times.tolist(), shares, strict=True)]
        return _Line(raw, str(value["file"]), (int(size), int(time)), windows, str(value["error"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
