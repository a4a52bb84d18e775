"""Whole videos in memory, for those who read the same short videos again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kinema.video.clip import Clip
from kinema.video.reader import Video
from kinema.video.screen import TOLERANCE
from kinema.video.view import View


class HeldVideo:
    """A video whose frames lie in memory; what :meth:`at_times` returns is what that of a :class:`Video` does.

    Args:
        whole: all frames of the video.
    """

    def __init__(self, whole: Clip):
        self.whole = whole

    def __enter__(self) -> HeldVideo:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def at_times(self, seconds: Sequence[float]) -> Clip:
        """Return the frame on screen at each time; see :meth:`Video.at_times`.

        Raises:
            ValueError: no times, or one that is not finite.
        """
        times = np.asarray(seconds, np.float64)
        if times.ndim != 1 or not times.size or not np.isfinite(times).all():
            raise ValueError(f"expected one or more finite times, got {seconds}")
        places = self.whole.timestamps
        chosen = np.searchsorted(places, times - TOLERANCE).clip(max=len(places) - 1)
        chosen -= (places[chosen] > times + TOLERANCE) & (chosen > 0)
        past = times.max() > places[-1]
        return Clip(self.whole.frames[chosen], places[chosen], self.whole.path, self.whole.warning if past else "")


AnyVideo = Video | HeldVideo


class Shelf:
    """Opens videos, and holds the frames of as many as there is room for.

    Args:
        mebibytes: room for frames; a video that no longer fits is decoded whenever it is read.
    """

    def __init__(self, mebibytes: int):
        self.room = mebibytes << 20
        self._held: dict[tuple[Path, View], HeldVideo] = {}

    def open(self, path: Path, view: View, frames: int) -> AnyVideo:
        """Open a video, and decode it whole if there is room for it.

        Args:
            path: the file; it must not change as long as it is held.
            view: how its frames are cut and scaled.
            frames: how many it has.

        Raises:
            VideoError: it cannot be read.
        """
        held = self._held.get((path, view))
        if held is not None:
            return held
        video = Video(path, view)
        if not self.room:
            return video
        with contextlib.ExitStack() as unwanted:
            unwanted.callback(video.close)
            if frames * video.at_times([0.0]).frames.nbytes > self.room:
                unwanted.pop_all()
                return video
            held = HeldVideo(video.read())
        self.room = max(0, self.room - held.whole.frames.nbytes)
        self._held[path, view] = held
        return held
