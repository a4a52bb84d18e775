"""What the page shows of videos: short moving pictures, the same under their flow, strips of frames, cut clips."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from kinema.boxes.box import Box
from kinema.data.clips import NEVER, timeline
from kinema.data.synthetic.files import encode_video
from kinema.errors import VideoError, blaming
from kinema.flow import create_estimator
from kinema.report.pictures import animated_webp, flow_overlay
from kinema.video import Video, View

Kind = Literal["clip", "flow"]

FPS = 12.0
"""Frames per second of moving pictures."""
LONGEST = 6.0
"""Seconds of a moving picture, at most."""
SIDE = 192
"""Shorter side in pixels that moving pictures have about."""
LONG_SIDE = 1024
"""Longer side in pixels that they have at most."""
STRIP_FRAMES, STRIP_HEIGHT = 16, 72
CUT_SECONDS, CUT_SIDE, WATCHED_SIDE = 60.0, 1080, 480
"""Length and shorter side in pixels that a cut clip has at most, and the side of one to be watched on the page."""


@dataclass(frozen=True)
class Footage:
    """Length in seconds, frames per second, and size in pixels of a video."""

    duration: float
    fps: float
    width: int
    height: int


def footage(path: str | Path) -> Footage:
    """What a video holds.

    Raises:
        VideoError: it cannot be read.
    """
    with blaming(path), Video(path) as video:
        length = timeline(video)
        return Footage(length.duration, length.fps, video.info.width, video.info.height)


def outlined(frames: np.ndarray, box: Box | None) -> np.ndarray:
    """Frames (T, H, W, 3) uint8 with a bright line in a dark one around a part of the picture."""
    if box is None or box.whole:
        return frames
    height, width = frames.shape[1:3]
    left, top = round(box.left * (width - 1)), round(box.top * (height - 1))
    right, bottom = round(box.right * (width - 1)), round(box.bottom * (height - 1))
    drawn = np.ascontiguousarray(frames).copy()
    for frame in drawn:
        cv2.rectangle(frame, (left, top), (right, bottom), (0, 0, 0), 3)
        cv2.rectangle(frame, (left, top), (right, bottom), (255, 210, 60), 1)
    return drawn


def still(thumbnail: bytes, box: Box | None) -> bytes:
    """A thumbnail, JPEG, with what was cut of it outlined."""
    if box is None or box.whole:
        return thumbnail
    frame = np.asarray(Image.open(io.BytesIO(thumbnail)).convert("RGB"))
    buffer = io.BytesIO()
    Image.fromarray(outlined(frame[None], box)[0]).save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def moving(path: str | Path, start: float, end: float, kind: Kind = "clip", box: Box | None = None) -> bytes:
    """A part of a video as an endless animated WebP, as it is or, of kind "flow", under its optical flow; with what was
    cut of it outlined.

    Raises:
        VideoError: it cannot be read, ends before the part, or is too narrow for flow.
    """
    with blaming(path):
        with Video(path) as video:
            _reach(video, start)
            short, long = sorted((video.info.width, video.info.height))
        seconds = min(max(end - start, 2 / FPS), LONGEST)
        times = start + np.arange(round(seconds * FPS) + (kind == "flow")) / FPS
        side = max(1, min(short, SIDE, LONG_SIDE * short // long))
        with Video(path, View(short_side=side)) as video:
            frames = video.at_times((times + 0.5 / FPS).tolist()).frames
        scale = max(1, min(SIDE // short, LONG_SIDE // long))
        if kind == "flow":
            estimator = create_estimator("dis")
            if min(frames.shape[1:3]) < estimator.minimum_side:
                raise VideoError(path, "its frames are too narrow for optical flow")
            frames = flow_overlay(frames, estimator.estimate(frames), scale)
            scale = 1
        return animated_webp(outlined(frames, box), FPS, scale, quality=60)


def strip(path: str | Path, start: float = 0.0, end: float = NEVER) -> bytes:
    """Frames at equal distances from ``start`` to ``end`` seconds, or all of it, side by side in one WebP picture.

    Raises:
        VideoError: it cannot be read, or ends before the part.
    """
    with blaming(path), Video(path) as video:
        _reach(video, start)
        step = max(0.0, min(end, timeline(video).duration) - start) / STRIP_FRAMES
        shown = [video.at_times([start + (n + 0.5) * step]).frames[0] for n in range(STRIP_FRAMES)]
    height, width = shown[0].shape[:2]
    size = max(1, round(min(width / height, 2) * STRIP_HEIGHT)), STRIP_HEIGHT
    picture = Image.fromarray(np.hstack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in shown]))
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=70)
    return buffer.getvalue()


def cut(path: str | Path, start: float, end: float, side: int = CUT_SIDE) -> bytes:
    """A part of a video as an MP4 file without sound; no longer than :data:`CUT_SECONDS`.

    Args:
        path: the video.
        start: seconds.
        end: seconds.
        side: pixels of the shorter side, at most.

    Raises:
        VideoError: it cannot be read, or ends before the part.
    """
    with blaming(path):
        with Video(path) as video:
            _reach(video, start)
            fps, whole = timeline(video).fps, min(video.info.width, video.info.height)
        step, length = 1 / fps, min(end - start, CUT_SECONDS)
        with Video(path, View(short_side=min(whole, side))) as video:
            times = (start + (n + 0.5) * step for n in range(max(1, round(length * fps))))
            even = (frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2] for _, frame in video.follow(times))
            return encode_video(even, fps)


def _reach(video: Video, start: float) -> None:
    """Make sure that a video has something to show at ``start`` seconds."""
    if start < timeline(video).duration:
        return
    end = float(video.at_times([NEVER]).timestamps[-1]) + 1 / timeline(video).fps
    if start >= end:
        raise VideoError(
            video.info.path,
            f"it ends after {end:.1f} s, before the part that was asked for; where another file has taken its place, "
            "run `kinema index` again",
        )
