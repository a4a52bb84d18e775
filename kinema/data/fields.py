"""Frames and optical flow of clips, from a video file or the flow cache.

Clips start on a grid of times, two starts to a step, so that their flow fields can be kept and met again: the fields of
a clip that starts at grid position i lie at i, i + 2, i + 4, ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinema.config import ClipConfig, FlowConfig
from kinema.data.clips import clip_view, start_range, step_seconds
from kinema.flow import FlowEstimator, create_estimator
from kinema.flow.cache import FlowCache, flow_key, video_fingerprint
from kinema.video import AnyVideo, ManifestEntry, Shelf

STARTS_PER_STEP = 2
SEGMENT = 32
"""Grid positions whose flow is estimated and cached together."""


@dataclass(frozen=True)
class Grid:
    """The times at which clips of one video may start.

    Attributes:
        first: seconds of the first start.
        spacing: seconds between two starts.
        starts: number of starts; at least one, for a video that is just as long as a clip.
        fps: frames per second where steps are counted in frames, so that every time is to be the middle of a frame's.
    """

    first: float
    spacing: float
    starts: int
    fps: float | None = None

    def times(self, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """Seconds of grid positions, which may lie beyond the last start: clips extend there."""
        times = self.first + self.spacing * np.asarray(positions)
        return times if self.fps is None else (np.floor(times * self.fps + 1e-6) + 0.5) / self.fps


def clip_positions(clip: ClipConfig, start: int) -> np.ndarray:
    """Grid positions (T,) of the frames of the clip that starts at grid position ``start``."""
    return start + STARTS_PER_STEP * np.arange(clip.frames)


def flow_positions(clip: ClipConfig, start: int) -> np.ndarray:
    """Grid positions (T/2,) of a clip's flow fields: at every second frame.

    The flow encoder of the released code has a stem of temporal kernel 1 and stride 2, so it never looks at the others.
    """
    return clip_positions(clip, start)[::2]


class ClipReader:
    """Reads the frames and flow of clips on a video's grid; holds no open file, so that workers can share it.

    Args:
        folder: what the paths of manifest entries are relative to.
        clip: geometry of the clips.
        flow: how flow is made.
        hold_mib: memory, in MiB, for frames of videos that are read again and again.
    """

    def __init__(self, folder: str | Path, clip: ClipConfig, flow: FlowConfig, hold_mib: int = 0):
        self.folder = Path(folder)
        self.clip = clip
        self.flow = flow
        self.shelf = Shelf(hold_mib)
        self.estimator: FlowEstimator = create_estimator(flow.estimator, **(flow.parameters or {}))
        self.cache = FlowCache(flow.cache) if flow.cache else None

    def open(self, entry: ManifestEntry) -> AnyVideo:
        """The video of an entry, cut and scaled as clips are.

        Raises:
            VideoError: it cannot be read (any more).
        """
        return self.shelf.open(self.folder / entry.path, clip_view(self.clip), entry.frames)

    def grid(self, entry: ManifestEntry) -> Grid:
        """Where clips of this video may start so that they, and the frame behind each flow field, lie within it."""
        first, last = start_range(self.clip, entry, extra=self.flow.step_ratio)
        spacing = step_seconds(self.clip, entry.fps) / STARTS_PER_STEP
        fps = entry.fps if self.clip.step_frames is not None else None
        return Grid(first, spacing, int((last - first) / spacing + 1e-6) + 1, fps)

    def frames(self, video: AnyVideo, entry: ManifestEntry, start: int) -> np.ndarray:
        """The frames (T, H, W, 3) uint8 of the clip that starts at grid position ``start``."""
        return video.at_times(self.grid(entry).times(clip_positions(self.clip, start)).tolist()).frames

    def frames_and_flow(self, video: AnyVideo, entry: ManifestEntry, start: int) -> tuple[np.ndarray, np.ndarray]:
        """The frames (T, H, W, 3) uint8 and flow (T/2, 2, H, W) float32 of a clip; field s leads on from frame 2s."""
        if self.cache is None:
            return self._estimate(video, entry, clip_positions(self.clip, start), flow_positions(self.clip, start))
        return self.frames(video, entry, start), self.fields(video, entry, flow_positions(self.clip, start))

    def fields(self, video: AnyVideo, entry: ManifestEntry, positions: np.ndarray) -> np.ndarray:
        """Flow (N, 2, H, W) float32 at grid positions, in pixels per flow step."""
        if self.cache is None:
            return self._estimate(video, entry, positions, positions)[1]
        segments = {number: self._segment(video, entry, number) for number in np.unique(positions // SEGMENT)}
        return np.stack([segments[p // SEGMENT][p % SEGMENT] for p in positions])

    def key(self, entry: ManifestEntry, positions: np.ndarray) -> str:
        """What the flow at these grid positions has in a cache, different as soon as it may be another."""
        grid = self.grid(entry)
        return flow_key(
            video=video_fingerprint(self.folder / entry.path, self.folder),
            estimator=self.estimator,
            view=self.clip,
            step=round(self._flow_seconds(grid), 6),
            segment=np.round(grid.times(positions), 6).tolist(),
        )

    def _flow_seconds(self, grid: Grid) -> float:
        """Seconds between the two frames of a flow field."""
        return grid.spacing * STARTS_PER_STEP * self.flow.step_ratio

    def _segment(self, video: AnyVideo, entry: ManifestEntry, number: int) -> np.ndarray:
        assert self.cache is not None
        grid = self.grid(entry)
        end = grid.starts + STARTS_PER_STEP * (self.clip.frames - 1)
        positions = np.arange(number * SEGMENT, min((number + 1) * SEGMENT, end))
        return self.cache.get_or_compute(
            self.key(entry, positions), lambda: self._estimate(video, entry, positions, positions)[1]
        )

    def _estimate(
        self, video: AnyVideo, entry: ManifestEntry, shown: np.ndarray, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames at grid positions ``shown``, and flow from ``positions`` to where things are a flow step later."""
        grid = self.grid(entry)
        begin = grid.times(positions)
        end = begin + self._flow_seconds(grid)
        asked = np.round(np.concatenate((grid.times(shown), begin, end)), 6)
        times, place = np.unique(asked, return_inverse=True)
        frames = video.at_times(times.tolist()).frames[place]
        first, second = frames[len(shown) : -len(end)], frames[-len(end) :]
        return frames[: len(shown)], self.estimator.pairs(first, second)
