"""Frames and optical flow of clips, from a video file or a flow store.

Clips start on a grid of times, so that their flow fields can be kept and met again: two starts to a step where it is
given in seconds, and one on each frame where it is counted in frames. The fields of a clip that starts at grid position
i lie at i, i + 2 P, i + 4 P, ... with P positions to a step.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kinema.config import ClipConfig, FlowConfig, TrainConfig
from kinema.data.clips import Grid, clip_view, paced, span, start_range, step_seconds, usable_part
from kinema.data.crops import cropping
from kinema.errors import DataError, VideoError
from kinema.flow import FlowEstimator, FlowStore, create_estimator
from kinema.video import ManifestEntry, Shelf
from kinema.video.frame_cache import AnyVideo
from kinema.video.identity import quick_content_sha256, size_and_time
from kinema.video.manifest import OK


def positions_per_step(clip: ClipConfig) -> int:
    """How many grid positions lie between two frames of a clip."""
    return 2 if clip.step_frames is None else clip.step_frames


def flow_steps(clip: ClipConfig, flow: FlowConfig, fps: float) -> float:
    """Time between the two frames of a flow field, in steps of a clip, in a video of ``fps`` frames per second."""
    return flow.step_ratio if flow.step_frames is None else flow.step_frames / fps / step_seconds(clip, fps)


def clip_positions(clip: ClipConfig, start: int, pace: int = 1) -> np.ndarray:
    """Grid positions (T,) of the frames of the clip that starts at grid position ``start``, of ``pace`` times its
    step."""
    return start + pace * positions_per_step(clip) * np.arange(clip.frames)


def flow_positions(clip: ClipConfig, start: int, pace: int = 1) -> np.ndarray:
    """Grid positions (T/2,) of a clip's flow fields: at every second frame.

    The flow encoder of the released code has a stem of temporal kernel 1 and stride 2, so it never looks at the others.
    """
    return clip_positions(clip, start, pace)[::2]


def shortest_video(config: TrainConfig, fps: float) -> float:
    """Seconds that a video of ``fps`` frames a second must last for a training to draw a clip of it, with its flow."""
    pace = min(config.sampling.paces)
    return span(paced(config.clip, pace), fps, flow_steps(config.clip, config.flow, fps) / pace)


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
        self.store = FlowStore(flow.cache, self.recipe) if flow.cache else None

    @property
    def recipe(self) -> dict[str, Any]:
        """All that the numbers of a flow field depend on, but for the video and the moment; plain values."""
        clip = self.clip
        return {
            "estimator": self.estimator.name,
            **{f"parameters.{name}": value for name, value in self.estimator.parameters.items()},
            "center_crop": clip.center_crop,
            "center_seconds": clip.center_seconds,
            **({"squeezed": clip.size} if clip.squeeze else {"short_side": clip.short_side}),
            "step": clip.step,
            "step_frames": clip.step_frames,
            "step_ratio": self.flow.step_ratio,
            **({} if self.flow.step_frames is None else {"flow_step_frames": self.flow.step_frames}),
        }

    def open(self, entry: ManifestEntry) -> AnyVideo:
        """The video of an entry, cut and scaled as clips are.

        Raises:
            VideoError: it cannot be read (any more), or has changed since it was scanned.
        """
        path = os.path.join(self.folder, entry.path)
        size, _ = size_and_time(path)
        if entry.bytes and size != entry.bytes:
            raise VideoError(path, f"it had {entry.bytes} bytes when it was scanned, and has {size} now")
        return self.shelf.open(self.folder / entry.path, clip_view(self.clip), entry.frames)

    def fingerprint(self, entry: ManifestEntry) -> str:
        """What tells the file of an entry from another of the same name.

        Raises:
            VideoError: it cannot be read (any more).
        """
        path = os.path.join(self.folder, entry.path)  # as text: asked for each clip, and a Path takes its time
        return _fingerprint(path, size_and_time(path))

    def grid(self, entry: ManifestEntry) -> Grid:
        """The times at which clips of this video start, and flow fields lie."""
        return Grid.of(self.clip, entry.fps, usable_part(self.clip, entry)[0], positions_per_step(self.clip))

    def starts(self, entry: ManifestEntry, pace: int = 1) -> int:
        """How many clips of ``pace`` times the step start on the grid of this video so that they, and the frame behind
        each flow field, lie within it; at least one at a pace of 1, else 0 or less where none fits."""
        grid = self.grid(entry)
        first, last = start_range(self.clip, entry, extra=flow_steps(self.clip, self.flow, entry.fps))
        fit = int((last - first) / grid.spacing + 1e-6) + 1
        return fit - (pace - 1) * (self.clip.frames - 1) * grid.per_step

    def field_count(self, entry: ManifestEntry) -> int:
        """Grid positions from the first at which a flow field lies within the video; 0 where none does.

        All fields of all clips are among them, whatever their length; the last may end half a frame late, as the clip
        of a video that is just as long as one may, and another half where steps are counted in frames, whose middle is
        then meant.
        """
        begin, end = usable_part(self.clip, entry)
        grid = self.grid(entry)
        room = end - begin - self.flow_seconds(entry) + 0.5 / entry.fps
        return int(room / grid.spacing + 1e-6) + 1 if room >= 0 else 0

    def frames(self, video: AnyVideo, entry: ManifestEntry, start: int, pace: int = 1, subject: int = 0) -> np.ndarray:
        """The frames (T, H, W, 3) uint8 of the clip that starts at grid position ``start``, of ``pace`` times the
        step; where clips are cut around subjects, around the one whose number, over and over, is ``subject``."""
        times = self.grid(entry).times(clip_positions(self.clip, start, pace))
        return self._cut(entry, _shown(video, entry, times), times, subject)

    def frames_and_flow(
        self, video: AnyVideo, entry: ManifestEntry, start: int, pace: int = 1, subject: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """The frames (T, H, W, 3) uint8, as of :meth:`frames`, and flow (T/2, 2, H, W) float32 of a clip; field s
        begins at frame 2s."""
        fields = flow_positions(self.clip, start, pace)
        if self.store is None:
            return self._estimate(video, entry, clip_positions(self.clip, start, pace), fields, subject)
        frames, flow = self.frames(video, entry, start, pace), self.fields(entry, fields)
        if frames.shape[1:3] != flow.shape[2:]:
            raise DataError(
                f"flow of {entry.path} in the store {self.flow.cache} is {flow.shape[3]} x {flow.shape[2]} pixels, its "
                f"frames are {frames.shape[2]} x {frames.shape[1]}: extract it at the size of training"
            )
        return frames, flow

    def fields(self, entry: ManifestEntry, positions: np.ndarray) -> np.ndarray:
        """Flow (N, 2, H, W) float32 at grid positions, in pixels per flow step, from the store or estimated now.

        Raises:
            VideoError: the video cannot be read.
            DataError: the store's flow of it is missing, damaged, or of the video as it was before it changed.
        """
        if self.store is not None:
            flow = self.store.open(entry.path, self.fingerprint(entry))
            return flow.read(flow.rows(self.grid(entry).times(positions)))
        with self.open(entry) as video:
            return self.estimate(video, entry, positions)

    def estimate(self, video: AnyVideo, entry: ManifestEntry, positions: np.ndarray) -> np.ndarray:
        """Flow (N, 2, H, W) float32 at grid positions of an open video, of whole frames, estimated now."""
        return self._estimate(video, entry, positions, positions)[1]

    def flow_seconds(self, entry: ManifestEntry) -> float:
        """Seconds between the two frames of a flow field of this video."""
        return step_seconds(self.clip, entry.fps) * flow_steps(self.clip, self.flow, entry.fps)

    def _cut(self, entry: ManifestEntry, frames: np.ndarray, times: np.ndarray, subject: int | None) -> np.ndarray:
        """The part of ascending frames around one of the subjects, the whole picture of None, as clips show it."""
        if self.clip.crop is None:
            return frames
        crop = cropping(self.clip, self.folder / entry.path, entry)
        assert crop is not None
        return crop.cut(
            frames, crop.whole(frames.shape[1:3]) if subject is None else crop.one_of(frames, times, subject)
        )

    def _estimate(
        self,
        video: AnyVideo,
        entry: ManifestEntry,
        shown: np.ndarray,
        positions: np.ndarray,
        subject: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames at grid positions ``shown``, and flow from ``positions`` to where things are a flow step later."""
        grid = self.grid(entry)
        begin = grid.times(positions)
        end = begin + self.flow_seconds(entry)
        asked = np.round(np.concatenate((grid.times(shown), begin, end)), 6)
        times, place = np.unique(asked, return_inverse=True)
        frames = self._cut(entry, _shown(video, entry, times), times, subject)[place]
        first, second = frames[len(shown) : -len(end)], frames[-len(end) :]
        return frames[: len(shown)], self.estimator.pairs(first, second)


def _shown(video: AnyVideo, entry: ManifestEntry, times: np.ndarray) -> np.ndarray:
    """The frames (T, H, W, 3) uint8 at times within a video.

    Raises:
        VideoError: frames are missing that were there when the video was scanned.
    """
    clip = video.at_times(times.tolist())
    if clip.warning and entry.status == OK:
        raise VideoError(clip.path, f"{clip.warning}, and all was well when it was scanned")
    return clip.frames


@lru_cache(maxsize=1 << 16)  # of a large data set; computed once by each process
def _fingerprint(name: str, _state: tuple[int, int]) -> str:
    return quick_content_sha256(name)
