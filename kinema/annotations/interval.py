"""What all formats come down to: an interval of a video with a label."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote

from kinema.errors import DataError

Key = TypeVar("Key", bound=Hashable)

LATEST = 1e10
"""Seconds, some three hundred years: what is later is no time of a video, but a number of another kind, or damage."""


@dataclass(frozen=True)
class Interval:
    """A stretch of a video, or a point in time where ``end == start``, and what happens there.

    Attributes:
        file: the video's path, posix style.
        start: seconds from the video's first frame, from 0 on.
        end: seconds, not before ``start``, at most :data:`LATEST`.
        label: the class, one line of text without spaces around it.
        subject: who does it, or None.
        confidence: from 0 to 1 where a program gave the label, or None.

    Raises:
        DataError: a value is none of these.
    """

    file: str
    start: float
    end: float
    label: str
    subject: str | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        for name in ("start", "end", "confidence"):
            number = getattr(self, name)
            if number is not None and type(number) is not float:  # whole ones, or NumPy's, which no format takes
                object.__setattr__(self, name, float(number))
        for name, text in (("video", self.file), ("label", self.label), ("subject", self.subject)):
            if text is not None and (not text or text != text.strip()):
                raise DataError(f"a {name} is {text!r}; give it a name, without spaces around it")
            if text is not None and _has_control_characters(text):
                raise DataError(f"the {name} {text!r} has control characters in it; name it in one line of plain text")
        what = f"an interval of {self.label!r} in {self.file}"
        if not (abs(self.start) <= LATEST and abs(self.end) <= LATEST):  # nor are they, if they are no numbers
            raise DataError(f"{what} goes from {self.start:g} to {self.end:g}, which are no times; write seconds")
        if self.end < self.start:
            raise DataError(f"{what} ends at {self.end:g} s, before it begins at {self.start:g} s; swap or mend them")
        if self.start < 0:
            raise DataError(
                f"{what} begins at {self.start:g} s, before the video does; times count from its first frame"
            )
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise DataError(f"{what} has the confidence {self.confidence:g}; it goes from 0 to 1")

    @classmethod
    def of(
        cls, file: Any, start: Any, end: Any, label: Any, subject: Any = None, confidence: float | None = None
    ) -> Interval:
        """An interval of what a file says: paths and addresses become posix paths, and spaces around names go.

        Raises:
            DataError: a value is missing or no such thing.
        """
        if label is None or isinstance(label, dict | list):
            raise DataError(f"a label of {file} is {label!r}; give it a name")
        who = str(subject).strip() if subject is not None else ""
        return cls(posix(file), float(start), float(end), str(label).strip(), who or None, confidence)


@lru_cache(maxsize=4096)
def _has_control_characters(text: str) -> bool:
    """Kept, since the same names come up again and again; halves of surrogates count, which are no UTF-8."""
    return any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text)


def posix(file: Any) -> str:
    """A path or ``file:`` address of any system as a posix path.

    Raises:
        DataError: it is no text, or empty.
    """
    if not isinstance(file, str) or not file.strip():
        raise DataError("a label names no video; name the file that it belongs to")
    path = file.strip()
    if path.startswith("file:"):
        path = "/" + unquote(path[5:]).lstrip("/")
        if path[2:3] == ":":  # a drive of Windows
            path = path[1:]
    path = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]+://", "", path)  # of a server, which is kept as a folder
    return str(PurePosixPath(path.replace("\\", "/")))


def lanes(intervals: Iterable[tuple[Key, float, float]]) -> list[int]:
    """A lane for each interval, so that those of one key and one lane do not overlap: as few lanes as that takes.

    Args:
        intervals: key, start and end of each, sorted by start and end.
    """
    ends: dict[Key, list[float]] = {}
    found = []
    for key, start, end in intervals:
        free = ends.setdefault(key, [])
        lane = next((place for place, until in enumerate(free) if until <= start), len(free))
        free[lane:] = [end, *free[lane + 1 :]]
        found.append(lane)
    return found


def by_file(intervals: Iterable[Interval]) -> dict[str, list[Interval]]:
    """The intervals of each video, in their order."""
    found: dict[str, list[Interval]] = {}
    for one in intervals:
        found.setdefault(one.file, []).append(one)
    return found


def frames_of(start: float, end: float, fps: float) -> tuple[int, int]:
    """The first frame of an interval, counted from 0, and the one after its last; at least one lies between.

    Both lie within a frame of the times that are asked for.
    """
    first, stop = round(start * fps), round(end * fps)
    if stop <= first:
        first = math.floor(start * fps + 1e-6)
        stop = first + 1
    return first, stop
