"""Parts of videos, named as addresses of the web name them: ``clip.mp4#t=1.5,3.25`` is what lies between two seconds.

The form is that of the temporal dimension of W3C's *Media Fragments URI 1.0*. Whoever reads a video takes one, so that
labels of stretches of videos are labels of videos. A file that is really called so is that file.
"""

from __future__ import annotations

import math
import os
import re
from typing import NamedTuple

from kinema.errors import VideoError

FRAGMENT = re.compile(r"(.+)#t=(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)", re.DOTALL)


class Fragment(NamedTuple):
    """A part of a video.

    Attributes:
        path: of the whole video.
        start: seconds from its first frame.
        end: seconds, after ``start``.
    """

    path: str
    start: float
    end: float

    def __str__(self) -> str:
        return f"{self.path}#t={in_decimals(self.start)},{in_decimals(self.end)}"


def named_part(name: str) -> Fragment | None:
    """The part that a name means by itself, relative to whatever folder; None for whole videos."""
    found = FRAGMENT.fullmatch(name)
    if found is None:
        return None
    start, end = float(found[2]), float(found[3])
    return Fragment(found[1], start, end) if start < end < math.inf else None


def fragment_of(path: str | os.PathLike[str]) -> Fragment | None:
    """The part that a path names; None for whole videos, and for files that are called so.

    Raises:
        VideoError: it names a part of a video that is there, but not by two times, the earlier first.
    """
    name = os.fspath(path)
    found = named_part(name)
    if "#t=" not in name or os.path.lexists(name):
        return None
    if found is None and os.path.lexists(name.rpartition("#t=")[0]):
        raise VideoError(name, "a part is two times in seconds, the earlier first, as in clip.mp4#t=1.5,3.25")
    return found


def whole_of(path: str | os.PathLike[str]) -> str:
    """The path of the video that ``path`` is, or names a part of."""
    found = fragment_of(path)
    return os.fspath(path) if found is None else found.path


def in_decimals(seconds: float) -> str:
    """Seconds to the microsecond, without zeros at the end."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")
