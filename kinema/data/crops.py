"""Clips that are cut around a subject: one box for all frames of a clip, so that its motion stays the subject's own.

What a box shows takes the place of the whole frame, and is scaled as whole frames are otherwise, so all that comes
after (augmentation, copies, central cuts) does not know of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.boxes.box import LEAST, MOTION, WHOLE, Box, Place, cut, framed
from kinema.boxes.files import check_tracks, open_tracks
from kinema.boxes.motion import box_settings, motion_box, own_motion, small
from kinema.config import ClipConfig
from kinema.data.clips import MISSING
from kinema.video.clip import VideoInfo
from kinema.video.fragment import fragment_of

if TYPE_CHECKING:
    from kinema.boxes.tracks import VideoBoxes
    from kinema.video.manifest import ManifestEntry


def described(config: ClipConfig) -> dict[str, Any]:
    """A clip's geometry as plain values, for recipes of what is kept: without :attr:`~ClipConfig.crop` where there is
    none, as it was before there was one, and with how boxes are found, or what their files hold, where there is.

    Raises:
        DataError: the files of boxes cannot be read.
    """
    said = asdict(config)
    if config.crop is None:
        del said["crop"]
    else:
        held = MOTION if config.crop == MOTION else open_tracks(config.crop).sha256
        said["crop"] = {"boxes": held, **box_settings()}
    return said


def check_boxes(config: ClipConfig, folder: Path, videos: Iterable[Path] | None = None) -> None:
    """Refuse clips that are cut around boxes which are of none of the videos, before anything is begun.

    Args:
        config: of the clips.
        folder: of the videos.
        videos: which of them are wanted; None for all that it holds.

    Raises:
        DataError: the files of boxes cannot be read, or have none of any video.
        ConfigError: what reads them is not installed.
    """
    if config.crop not in (None, MOTION):
        check_tracks(config.crop, folder, videos)


def shown_size(config: ClipConfig) -> tuple[int, int]:
    """Height and width in pixels to which a box is scaled, before the encoder's size is cut from its middle."""
    if config.squeeze or config.short_side is None:
        return config.size
    scale = max(1.0, config.short_side / min(config.size))
    return round(config.size[0] * scale), round(config.size[1] * scale)


def reading_side(config: ClipConfig) -> int:
    """Shorter side in pixels at which frames are read, so that the smallest box still fills what is shown of it."""
    return math.ceil(max(shown_size(config)) / LEAST)


@dataclass(frozen=True)
class Cropping:
    """Finds what is cut of the clips of a video, and cuts it.

    Attributes:
        config: of the clips.
        boxes: of the video; None to find what moves.
    """

    config: ClipConfig
    boxes: VideoBoxes | None = None

    def places(self, frames: np.ndarray, times: np.ndarray) -> list[Place]:
        """What is cut of a clip: one place for each subject that is seen, at least one.

        Args:
            frames: (T, H, W, 3) uint8, read whole.
            times: (T,) seconds.
        """
        motion = None
        if self.boxes is None and len(frames) > 1:
            grey = [small(frame) for frame in frames]
            moves = [own_motion(one, other) for one, other in pairwise(grey)]
            motion = np.mean(moves, axis=0)
        return self.placed(motion, float(times[0]), float(times[-1]), frames.shape[1:3])

    def placed(self, motion: np.ndarray | None, start: float, end: float, shape: tuple[int, ...]) -> list[Place]:
        """As :meth:`places`, where it is known what moves.

        Args:
            motion: (h, w) as of :func:`~kinema.boxes.motion.motion_box`; None where nothing does, or it does not count.
            start: seconds of the first frame.
            end: of the last.
            shape: height and width of the frames.
        """
        if self.boxes is not None:
            subjects = self.boxes.between(start, end)
            if subjects:
                return [Place(self._framed(box, shape), subject) for subject, box in subjects.items()]
        elif motion is not None and (box := motion_box(motion)) is not None:
            return [Place(self._framed(box, shape))]
        return [self.whole(shape)]

    def one_of(self, frames: np.ndarray, times: np.ndarray, number: int) -> Place:
        """As :meth:`places`, of one of the video's subjects; of another where that one is not seen."""
        places = self.places(frames, times)
        subjects = [] if self.boxes is None else sorted(set(self.boxes.subjects.tolist()))
        wanted = subjects[number % len(subjects)] if subjects else ""
        return next((place for place in places if place.subject == wanted), places[0])

    def whole(self, shape: tuple[int, ...]) -> Place:
        """All of pictures of a height and width, as far as their proportions allow."""
        return Place(WHOLE if self.config.squeeze else self._framed(WHOLE, shape))

    def cut(self, frames: np.ndarray, place: Place) -> np.ndarray:
        """Frames (T, H, W, 3) uint8 -> (T, *:func:`shown_size`, 3)."""
        return cut(frames, place.box, shown_size(self.config))

    def clips(
        self, frames: np.ndarray, times: np.ndarray, rows: np.ndarray, every: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cut clips of some frames.

        Args:
            frames: (F, H, W, 3) uint8.
            times: (F,) seconds.
            rows: (n, T) which of them each clip shows, or :data:`~kinema.data.clips.MISSING`.
            every: whether a clip with several subjects becomes several clips; otherwise it is the first one's.

        Returns:
            (G, *:func:`shown_size`, 3) uint8 frames, (m, T) which of them each clip shows, and (m,) the clip of
            ``rows`` that it is.
        """
        made, shown, owners, total = [], [], [], 0
        for number, row in enumerate(rows):
            kept = row != MISSING
            distinct, order = np.unique(row[kept], return_inverse=True)
            places = self.places(frames[distinct], times[distinct])
            for place in places if every else places[:1]:
                made.append(self.cut(frames[distinct], place))
                renumbered = np.full(row.shape, MISSING)
                renumbered[kept] = total + order
                shown.append(renumbered)
                owners.append(number)
                total += len(distinct)
        return np.concatenate(made), np.stack(shown), np.array(owners)

    def _framed(self, box: Box, shape: tuple[int, ...]) -> Box:
        height, width = self.config.size
        return framed(box, (shape[0], shape[1]), width / height, self.config.squeeze)


def cropping(
    config: ClipConfig, path: str | Path | None = None, known: VideoInfo | ManifestEntry | None = None
) -> Cropping | None:
    """How clips of a video are cut; None where they are not.

    Args:
        config: of the clips.
        path: the video; None of a camera, whose clips are cut around what moves.
        known: of the video.

    Raises:
        DataError: the files of boxes cannot be read.
        VideoError: they have none of the video, or those of another one.
    """
    if config.crop is None:
        return None
    if config.crop == MOTION or path is None or known is None:
        return Cropping(config)
    whole = known.width, known.height
    if known.rotation % 180 and not isinstance(known, VideoInfo):
        whole = known.height, known.width  # a manifest has them as they are stored
    width, height = (min(sides) for sides in zip(config.center_crop or whole, whole, strict=True))
    part = fragment_of(path)
    video, lasts = (str(path), known.duration) if part is None else (part.path, 0.0)  # as long as nobody has looked
    found = open_tracks(config.crop).boxes(video, known.fps, lasts, whole[::-1])
    if part is not None:
        found = found.since(part.start)
    return Cropping(config, found.within(whole[::-1], (height, width)))
