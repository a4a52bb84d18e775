"""Where subjects were in videos, as other tools found them: boxes by frame or by second."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np

from kinema.boxes.box import Box
from kinema.errors import DataError, VideoError

OUTLIERS = 0.05
"""Share of a window's boxes that may reach beyond its box on each side: trackers jump."""
NEAR = 0.5
"""Seconds from a window at which a box still says where the subject is in it, where there is none within."""
FEWEST = 2
"""Keypoints that a pose must have to say where its subject is."""
SPARE = 2
"""Frames that boxes may go on after a video's end: headers miscount by as much, and some tools count from 1."""


@dataclass(frozen=True)
class Found:
    """The boxes of one video in one file.

    Attributes:
        video: its name as the file has it: the end of a path, with or without its extension.
        moments: (N,) float64 numbers of frames from 0, or seconds.
        sides: (N, 4) float64 left, top, right and bottom in pixels of the video as it is displayed.
        subjects: (N,) names; empty where there are none.
        seconds: whether moments are seconds.
    """

    video: str
    moments: np.ndarray
    sides: np.ndarray
    subjects: Sequence[str]
    seconds: bool = False

    @classmethod
    def of(
        cls, video: str, rows: Iterable[tuple[float, Sequence[float] | np.ndarray, str]], seconds: bool = False
    ) -> Found:
        """Boxes that come one by one, at least one: the moment of each, its four sides, and its subject."""
        moments, sides, subjects = zip(*rows, strict=True)
        return cls(video, np.array(moments, np.float64), np.array(sides, np.float64), subjects, seconds)


@dataclass(frozen=True)
class VideoBoxes:
    """The boxes of an open video.

    Attributes:
        times: (N,) float64 seconds, ascending.
        sides: (N, 4) float64 left, top, right and bottom in shares of the picture, from 0 to 1.
        subjects: (N,) names.
    """

    times: np.ndarray
    sides: np.ndarray
    subjects: np.ndarray

    def within(self, shape: tuple[int, int], center: tuple[int, int]) -> VideoBoxes:
        """The same in shares of the central ``center`` (height, width in pixels) of pictures of a ``shape``."""
        ratio = np.array([shape[1] / center[1], shape[0] / center[0]] * 2)
        return VideoBoxes(self.times, ((self.sides - 0.5) * ratio + 0.5).clip(0, 1), self.subjects)

    def since(self, start: float) -> VideoBoxes:
        """The same for the part of the video that begins at ``start`` seconds."""
        return VideoBoxes(self.times - start, self.sides, self.subjects)

    def between(self, start: float, end: float) -> dict[str, Box]:
        """The box of each subject that is seen from ``start`` to ``end`` seconds: around where it was, or, where there
        is no box in between, around the nearest one within :data:`NEAR`."""
        found = {}
        for subject in sorted(set(self.subjects.tolist())):
            own = self.subjects == subject
            away = np.maximum(np.maximum(start - self.times[own], self.times[own] - end), 0)
            if away.min() > NEAR:
                continue
            sides = self.sides[own][away <= away.min()]
            left, top = np.quantile(sides[:, :2], OUTLIERS, axis=0).tolist()
            right, bottom = np.quantile(sides[:, 2:], 1 - OUTLIERS, axis=0).tolist()
            if left < right and top < bottom:  # not one that lies beside a central crop
                found[str(subject)] = Box(left, top, right, bottom)
        return found


@dataclass(frozen=True)
class Tracks:
    """All boxes of a file, or of a folder of files.

    Attributes:
        source: the file or folder.
        videos: by the name that the file has for a video.
        sha256: of what they hold.
    """

    source: str
    videos: Mapping[str, Found] = field(repr=False)
    sha256: str = ""

    @classmethod
    def of(cls, source: str, found: Iterable[Found]) -> Tracks:
        """Boxes of several files.

        Raises:
            DataError: two are of one video, or there is none.
        """
        videos: dict[str, Found] = {}
        digest = hashlib.sha256()
        for one in found:
            if one.video in videos:
                raise DataError(f"{source} has boxes of {one.video} twice; keep those that count")
            videos[one.video] = one
            digest.update(repr((one.video, list(one.subjects), one.seconds)).encode())
            digest.update(one.moments.tobytes() + one.sides.tobytes())
        if not videos:
            raise DataError(f"{source} holds no boxes")
        return cls(source, videos, digest.hexdigest())

    def name_of(self, path: str | Path) -> str | None:
        """The name under which the boxes of a video are kept; None where there are none.

        Of several that fit, the longest.
        """
        whole = PurePath(path)
        ends = dict.fromkeys((whole.name, whole.stem))
        alike = [name for end in ends for name in self._by_last_part.get(end, ())]
        fitting = [name for name in alike if _ends_with(whole, PurePath(name))]
        return max(fitting, key=len) if fitting else None

    def has_boxes_of(self, path: str | Path) -> bool:
        """Whether there is a box of a video; poses may all be unsure."""
        name = self.name_of(path)
        return name is not None and len(self.videos[name].moments) > 0

    @cached_property
    def _by_last_part(self) -> Mapping[str, list[str]]:
        """The names of videos by the last part of each, so that not every video is compared with every name."""
        found: dict[str, list[str]] = {}
        for name in self.videos:
            found.setdefault(PurePath(name).name, []).append(name)
        return found

    def boxes(self, path: str, fps: float, duration: float, shape: tuple[int, int]) -> VideoBoxes:
        """The boxes of a video.

        Args:
            path: the file.
            fps: frames per second; 0 if that is not known.
            duration: seconds; 0 if that is not known.
            shape: height and width in pixels.

        Raises:
            VideoError: there are none, or they are of another video: later than it lasts, or beside the picture.
        """
        name = self.name_of(path)
        if name is None or not self.has_boxes_of(path):
            raise VideoError(path, f"{self.source} has no boxes of it; add them, or leave the video out")
        found = self.videos[name]
        fps = fps if fps > 0 else 25.0
        times = found.moments if found.seconds else (found.moments + 0.5) / fps
        last = int(times.argmax())
        if duration > 0 and times[last] > duration + SPARE / fps:
            moment = f"{found.moments[last]:g} s" if found.seconds else f"frame {found.moments[last]:.9g}"
            lasts = f"{duration:.3g} s" if found.seconds else f"{round(duration * fps)} frames"
            raise VideoError(
                path, f"{self.source} has boxes of it at {moment}, and it has {lasts}: are they of another video?"
            )
        scale = np.array([shape[1], shape[0]] * 2, np.float64)
        sides = found.sides / scale
        beside = (sides[:, :2] >= 1).any(1) | (sides[:, 2:] <= 0).any(1)
        if beside.any():
            where = ", ".join(f"{side:g}" for side in found.sides[beside][0].tolist())
            raise VideoError(
                path,
                f"{self.source} has a box of it ({where}) beside its picture of {shape[1]}x{shape[0]} pixels: boxes "
                "are in pixels of the video as it is displayed",
            )
        order = np.argsort(times, kind="stable")
        subjects = np.array(found.subjects, dtype=str)
        return VideoBoxes(times[order], sides.clip(0, 1)[order], subjects[order])


def boxes_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The boxes around keypoints.

    Args:
        points: (N, K, 2) x and y in pixels; NaN where one was not found.

    Returns:
        (M,) which of N have enough of them, and (M, 4) left, top, right and bottom, a pixel wide and high at least.
    """
    seen = np.isfinite(points).all(2)
    kept = np.flatnonzero(seen.sum(1) >= FEWEST)
    found = points[kept]
    low = np.where(seen[kept][..., None], found, np.inf).min(1) if len(kept) else np.zeros((0, 2))
    high = np.where(seen[kept][..., None], found, -np.inf).max(1) if len(kept) else np.zeros((0, 2))
    return kept, np.concatenate([low, np.maximum(high, low + 1)], 1)


def _ends_with(path: PurePath, name: PurePath) -> bool:
    """Whether a path is that of a video which goes by a name: its last parts, with or without the extension."""
    parts, wanted = path.parts[-len(name.parts) :], name.parts
    return parts == wanted or (*parts[:-1], PurePath(parts[-1]).stem) == wanted
