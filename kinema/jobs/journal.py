"""What a network has said of the windows of videos, kept while the file that all come to is not written yet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kinema.common.files import make_folder, writing
from kinema.common.locking import locked


class SaidWindow(NamedTuple):
    """A window, and the probability of each class."""

    start: float
    end: float
    shares: np.ndarray


def place_beside(out: str | Path) -> Path:
    """Where it is kept what goes into a file in the end."""
    return Path(out).with_name(f".{Path(out).name}.windows.jsonl")


class Kept:
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
        self._out, self._path = out, place_beside(out)
        self._head, self._classes = _as_line(about), len(about["classes"])
        self._known: dict[str, tuple[int, int]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Kept:
        make_folder(self._path.parent)
        busy = f"another process finds what goes into {self._out}: wait until it ends, or name another --out"
        with writing(self._path), self._open:
            self._open.enter_context(locked(self._path.with_suffix(".lock"), busy))
            end = len(self._head)
            for line in self._lines():
                end += len(line.raw)
                self._known[line.file] = line.state
            self._file = self._open.enter_context(self._path.open("r+b" if self._known else "wb"))
            self._file.truncate(end if self._known else 0)
            self._file.seek(0, 2)
            if not self._known:
                self._write(self._head)
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

    def _lines(self) -> Iterator[_Line]:
        """Those that are whole, up to the first that is not."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            if file.readline() != self._head:
                return
            for raw in file:
                line = _line(raw, self._classes)
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
