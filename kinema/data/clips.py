"""Where clips lie in a video: the one place that turns a :class:`~kinema.config.ClipConfig` into times and a view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from kinema.config import ClipConfig
from kinema.errors import ConfigError

if TYPE_CHECKING:
    from kinema.video import ManifestEntry, Video, VideoInfo, View

NEVER = 1e9
"""Seconds: later than any video's end."""

MISSING = -1
"""In place of the number of a frame that a video is too short for."""


@dataclass(frozen=True)
class Timeline:
    """Length in seconds and frames per second of a video, both positive."""

    duration: float
    fps: float


Timed: TypeAlias = "Timeline | VideoInfo | ManifestEntry"
"""What has a length and a frame rate."""


def timeline(video: Video, shown: float | None = None) -> Timeline:
    """The length of an open video: as its header says, or up to the last frame where the header is silent or wrong, as
    it is where the file's clock jumps.

    Args:
        video: the video.
        shown: when its last frame came on screen, in seconds, where the header has proved wrong.
    """
    info = video.info
    fps = info.fps if info.fps > 0 else 25.0
    if shown is None and info.duration > 0 and video.steady:
        return Timeline(info.duration, fps)
    last = float(video.at_times([NEVER]).timestamps[-1]) if shown is None else shown
    return Timeline(last + 1 / fps, fps)


def clip_view(config: ClipConfig) -> View:
    """How frames are cut and scaled while they are read: the central crop first, then the shorter side, or all of it
    squeezed to the clip's size; larger where a part of it will be what the encoder sees (:mod:`kinema.data.crops`)."""
    from kinema.video import View

    if config.crop is not None:
        from kinema.data.crops import reading_side

        return View(crop=config.center_crop, short_side=reading_side(config), enlarge=False)
    if config.squeeze:
        return View(crop=config.center_crop, size=config.size)
    return View(crop=config.center_crop, short_side=config.short_side)


def step_seconds(config: ClipConfig, fps: float) -> float:
    """Seconds between two frames of a clip, in a video of ``fps`` frames per second.

    Raises:
        ConfigError: neither or both of ``step`` and ``step_frames`` are set, or not positive.
    """
    if (config.step is None) == (config.step_frames is None):
        raise ConfigError("a clip needs either step (seconds) or step_frames (frames of the file), not both or neither")
    step = config.step if config.step is not None else (config.step_frames or 0) / fps
    if not step > 0:
        raise ConfigError(f"the step between a clip's frames must be positive, not {step}")
    return step


def paced(config: ClipConfig, pace: int) -> ClipConfig:
    """The same clips with their step multiplied."""
    step, frames = config.step, config.step_frames
    return replace(config, step=step and step * pace, step_frames=frames and frames * pace)


def span(config: ClipConfig, fps: float, extra: float = 0) -> float:
    """Seconds from the first to the last frame of a clip of ``config.frames + extra`` frames."""
    return (config.frames + extra - 1) * step_seconds(config, fps)


def usable_part(config: ClipConfig, info: Timed) -> tuple[float, float]:
    """Earliest and latest second that clips may ask for: of the whole video, or of its central ``center_seconds``.

    Both lie in the middle of a frame's time on screen, not at its beginning: containers round timestamps (Matroska to
    milliseconds), and a time just before a rounded one would show the frame before.
    """
    length = info.duration if config.center_seconds is None else min(info.duration, config.center_seconds)
    begin = (info.duration - length) / 2 + 0.5 / info.fps
    return begin, max(begin, begin + length - 1 / info.fps)


def start_range(config: ClipConfig, info: Timed, extra: float = 0) -> tuple[float, float]:
    """Earliest and latest start, in seconds, of a clip that lies within the usable part.

    Both are the same where the part is no longer than a clip; the clip then holds the last frame
    (:func:`is_short` says whether it does).
    """
    begin, end = usable_part(config, info)
    return begin, max(begin, end - span(config, info.fps, extra))


@dataclass(frozen=True)
class Grid:
    """Times at equal distances in a video: those of a clip, those at which clips of a training may start, with its flow
    fields, and those of an index's windows.

    Attributes:
        first: seconds of the first.
        spacing: seconds from one to the next.
        per_step: positions from one frame of a clip to the next.
        fps: frames per second where steps are counted in frames, so that every time is to be the middle of a frame's.
    """

    first: float
    spacing: float
    per_step: int = 1
    fps: float | None = None

    @classmethod
    def of(cls, config: ClipConfig, fps: float, first: float, per_step: int = 1) -> Grid:
        """A clip's step apart, or a ``per_step``-th of it, in a video of ``fps`` frames per second."""
        return cls(first, step_seconds(config, fps) / per_step, per_step, fps if config.step_frames else None)

    def times(self, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """Seconds of positions, which may lie beyond the end of the video."""
        times = self.first + self.spacing * np.asarray(positions)
        return times if self.fps is None else (np.floor(times * self.fps + 1e-6) + 0.5) / self.fps

    def on(self, start: float = 0.0) -> Iterator[float]:
        """One after the other, without an end, of the part of a video that begins at ``start``."""
        return (start + self.first + number * self.spacing for number in count())


def uniform_starts(config: ClipConfig, info: Timed, clips: int) -> np.ndarray:
    """(clips,) starts in seconds, from the earliest to the latest at equal distances; one clip: the middle."""
    earliest, latest = start_range(config, info)
    return np.linspace(earliest, latest, clips) if clips > 1 else np.array([(earliest + latest) / 2])


def is_short(config: ClipConfig, info: Timed) -> bool:
    """Whether the usable part is shorter than a clip by more than half a frame, so that a frame must be held."""
    begin, end = usable_part(config, info)
    return end - begin < span(config, info.fps) - 0.5 / info.fps


def clip_times(config: ClipConfig, start: float, info: Timed) -> np.ndarray:
    """(frames,) float64: the times in seconds of a clip that starts at ``start``.

    Times never pass the end of the usable part: a clip that is longer holds the part's last frame. A clip counted in
    frames of the file starts in the middle of the frame that is on screen at ``start``.
    """
    times = Grid.of(config, info.fps, start).times(np.arange(config.frames))
    return np.minimum(times, max(times[0], usable_part(config, info)[1]))


def uniform_times(config: ClipConfig, info: Timed, clips: int) -> np.ndarray:
    """(clips, T) float64: the times in seconds of clips that start at :func:`uniform_starts`."""
    return np.stack([clip_times(config, start, info) for start in uniform_starts(config, info, clips)])


def stretched(frames: np.ndarray, count: int) -> np.ndarray:
    """Frames (n, ...) uint8 slowed down to ``count`` of them, each a mixture of the two that it lies between.

    Without the mixture most frames would repeat the one before, and nothing would move in them.
    """
    places = np.linspace(0, len(frames) - 1, count)
    before = places.astype(int)
    after = np.minimum(before + 1, len(frames) - 1)
    share = (places - before).astype(np.float32).reshape(-1, *[1] * (frames.ndim - 1))
    mixed: np.ndarray = (frames[before] * (1 - share) + frames[after] * share).round().astype(np.uint8)
    return mixed


def mark_missing(rows: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Which frames (n, T) clips show at their times (n, T), with :data:`MISSING` in place of those whose time is that
    of the frame before, as it is where a video is too short."""
    marked = rows.copy()
    marked[:, 1:][np.diff(times, axis=1) <= 0] = MISSING
    return marked


def clips_of(frames: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The clips (n, T, ...) of frames (F, ...) uint8.

    Args:
        frames: of a video.
        rows: (n, T) which of them each clip shows; one with some that are :data:`MISSING` is the others, slowed down.
    """
    clips = frames[rows]
    for number in np.flatnonzero((rows == MISSING).any(axis=1)):
        clips[number] = stretched(frames[rows[number][rows[number] != MISSING]], rows.shape[1])
    return clips


def center_cut(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The central ``size`` (height, width) of frames (..., H, W, C); all of them where they were squeezed to it.

    Raises:
        ConfigError: the frames are smaller than that.
    """
    height, width = frames.shape[-3:-1]
    if height < size[0] or width < size[1]:
        raise ConfigError(
            f"a frame scaled to {height}x{width} is smaller than the clip's size {size[0]}x{size[1]} (height x width); "
            "raise short_side or lower size"
        )
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return frames[..., top : top + size[0], left : left + size[1], :]
