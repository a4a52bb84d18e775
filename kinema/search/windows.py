"""A video as windows: overlapping stretches of time, each with the clips an encoder sees of it and how much moves.

All windows of a video lie on one grid of times, a clip's step apart, so that each frame is decoded, scaled and compared
with the one before it once, whatever the overlap, and no more than a window's frames are held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np

from kinema.boxes.box import WHOLE, Place, cut
from kinema.boxes.motion import own_motion, small
from kinema.config import ClipConfig
from kinema.config.windows import Windowing
from kinema.data.clips import Grid, center_cut, clip_view, span, step_seconds, stretched
from kinema.data.crops import Cropping, cropping, shown_size
from kinema.errors import ConfigError, blaming
from kinema.video import Video, View

FLOW_SIDE = 32
"""Shorter side in pixels of the frames on which motion strength is measured."""
PATCH_STRIDE = 6
"""Pixels from one patch of the search to the next. With OpenCV's own 4 the mean speed of real and generated windows is
the same to a tenth (0.1 % in the median), for 1.7 times the time, and every frame of every video is measured."""
JPEG_QUALITY = 80
FLATTEST = 16
"""How many times longer than the other a thumbnail's longer side may be: JPEG ends at 65,500 pixels."""
LONGEST = 86_400.0
"""Seconds of a window."""
LONGEST_STILL = 10.0
"""Seconds of a picture that stays on screen that are cut into windows: slides and damaged clocks have hours of them."""


@dataclass(frozen=True)
class Layout:
    """Where the windows of one video lie, on a grid of times that are a clip's step apart.

    Attributes:
        grid: the times.
        frames: times in a window.
        stride: times from one window to the next.
        clips: (clips, T) which frames of a window make up its clips.
    """

    grid: Grid
    frames: int
    stride: int
    clips: np.ndarray

    @classmethod
    def of(cls, clip: ClipConfig, windowing: Windowing, fps: float) -> Layout:
        """The layout for a video of ``fps`` frames per second.

        Raises:
            ConfigError: windows are shorter than a clip, or longer than a day.
        """
        if (windowing.length or 0) > LONGEST:
            raise ConfigError(f"windows of {windowing.length:g} s are longer than a day: lower the length")
        step = step_seconds(clip, fps)
        frames = clip.frames if windowing.length is None else round(windowing.length / step)
        if frames < clip.frames:
            needed = span(clip, fps) + step
            raise ConfigError(
                f"windows of {windowing.length:g} s are shorter than the encoder's clip, which spans {needed:.3g} s: "
                "raise the length"
            )
        stride = max(1, frames // 2 if windowing.stride is None else round(windowing.stride / step))
        starts = np.linspace(0, frames - clip.frames, frames // clip.frames).round().astype(int)
        grid = Grid.of(clip, fps, min(0.5 / fps, 0.5 * step))
        return cls(grid, frames, stride, starts[:, None] + np.arange(clip.frames))


@dataclass(frozen=True)
class SeenWindow:
    """What is to be known of a window before an encoder has looked at it.

    Attributes:
        start: seconds from the video's first frame.
        end: seconds.
        clips: (clips, T, H, W, 3) uint8, what the encoder sees.
        strength: mean length of the flow, in widths of the frame per second.
        short: the video ends before the window, which was slowed down, or its last frame repeated.
        thumbnail: the middle frame as JPEG, whole.
        place: what was cut of the frames, and whose box it is; None where clips are of whole frames.
    """

    start: float
    end: float
    clips: np.ndarray
    strength: float
    short: bool
    thumbnail: bytes
    place: Place | None = None

    @property
    def middle(self) -> np.ndarray:
        """The middle frame (H, W, 3) uint8 as the encoder sees it."""
        clip = self.clips[len(self.clips) // 2]
        return clip[len(clip) // 2]


def _thumbnail(frame: np.ndarray, shape: tuple[int, int]) -> bytes:
    """A frame as JPEG in the proportions of ``shape`` (height, width), but no flatter than :data:`FLATTEST`."""
    short = min(frame.shape[:2])
    width, height = (min(side, FLATTEST * short) for side in View(short_side=short).scaled(shape[1], shape[0]))
    if frame.shape[:2] != (height, width):
        frame = cv2.resize(frame, (width, height))
    frame = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    made, content = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not made:  # who reads says of which video
        raise ValueError(f"JPEG holds no frame of {width} x {height} pixels")
    return content.tobytes()


@dataclass
class _Frame:
    pixels: np.ndarray  # (H, W, 3), scaled, not yet cut to the encoder's size
    small: np.ndarray  # (h, w) grey, for flow
    before: np.ndarray  # of the frame before; of a video's first, its own
    speed: float | None = None  # mean flow from the frame before, widths per second; None until a window has asked
    motion: np.ndarray | None = None  # where it moves by itself from the frame before, where that is asked for


class WindowReader:
    """Reads windows.

    Args:
        clip: what the encoder was trained on; its ``center_seconds`` is not looked at.
        windowing: length and stride.

    Raises:
        ConfigError: windows are shorter than a clip, whatever the video.
    """

    def __init__(self, clip: ClipConfig, windowing: Windowing):
        self.clip, self.windowing = clip, windowing
        if clip.step is not None:  # else it depends on the video's frame rate
            self.layout(0)

    def read(self, path: str | Path, start: float = 0.0, end: float = float("inf")) -> Generator[SeenWindow, None, str]:
        """The windows of a video, or of the part of it from ``start`` to ``end`` seconds, in the order of time.

        Of a part that is shorter than a window there is one, whose last frame is held.

        Returns:
            When the windows have come to an end: what was wrong on the way; empty if nothing was.

        Raises:
            VideoError: the file cannot be read.
            ConfigError: its frames are smaller than the clip's size, or windows shorter than a clip.
        """
        with blaming(path), Video(path, view=clip_view(self.clip)) as video:
            info = video.info
            layout, crop = self.layout(info.fps), cropping(self.clip, path, info)
            shown = video.follow(takewhile(lambda time: time < end, layout.grid.on(start)))
            shape = info.height, info.width
            yield from self.cut((pixels for _, pixels in shown), layout, start, shape, crop)
            return video.shortfall if start <= 0 and end == float("inf") else video.damage

    def layout(self, fps: float) -> Layout:
        """The layout for a video of ``fps`` frames per second; 0 if that is not known."""
        return Layout.of(self.clip, self.windowing, fps if fps > 0 else 25.0)

    def cut(
        self,
        frames: Iterable[np.ndarray],
        layout: Layout,
        start: float = 0.0,
        shape: tuple[int, int] | None = None,
        crop: Cropping | None = None,
    ) -> Iterator[SeenWindow]:
        """The windows of scaled frames (H, W, 3) at the times of a layout's grid, the first at ``start`` seconds.

        With a ``crop`` there is a window for each subject that is seen, which follow one another.

        Thumbnails have the proportions of ``shape`` (height, width) where frames are squeezed; None where they are not.
        Where one frame (the same array) stays on screen, there are none after :data:`LONGEST_STILL` of it.
        """
        held: deque[_Frame] = deque(maxlen=layout.frames)
        since, first = 0, True  # frames since the latest window ended; whether there is none yet
        number, stays = 0, 0  # and for how many times of the grid the latest frame has been on screen
        still = layout.frames + LONGEST_STILL / layout.grid.spacing
        for number, frame in enumerate(_in_grey(frames, crop is not None and crop.boxes is None), 1):
            stays = stays + 1 if held and frame.pixels is held[-1].pixels else 1
            held.append(frame)
            since += 1
            if number == layout.frames or (not first and since == layout.stride):
                if stays <= still:
                    yield from self._windows(
                        held, layout, start + (number - layout.frames) * layout.grid.spacing, shape, crop
                    )
                since, first = 0, False
        if first and held:
            yield from self._windows(held, layout, start, shape, crop)
        elif since > layout.stride / 2 and stays <= still:  # the end belongs to a window too
            yield from self._windows(held, layout, start + (number - layout.frames) * layout.grid.spacing, shape, crop)

    def _strength(self, frames: Sequence[_Frame], step: float) -> float:
        """Mean speed of frames ``step`` seconds apart, each against the one before; each is measured only once."""
        new = [frame for frame in frames if frame.speed is None]
        if new:
            search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
            search.setFinestScale(0)
            search.setPatchStride(PATCH_STRIDE)
            flow = np.stack([search.calc(frame.before, frame.small, None) for frame in new])  # type: ignore[call-overload]
            lengths = np.sqrt(np.einsum("nhwc,nhwc->nhw", flow, flow))  # np.hypot is several times as slow
            for frame, speed in zip(new, lengths.mean((1, 2)).tolist(), strict=True):
                frame.speed = speed / frame.small.shape[1] / step
        speeds = [frame.speed for frame in frames if frame.speed is not None]
        return sum(speeds) / len(speeds) if speeds else 0.0

    def _windows(
        self,
        held: deque[_Frame],
        layout: Layout,
        start: float,
        shape: tuple[int, int] | None,
        crop: Cropping | None,
    ) -> Iterator[SeenWindow]:
        frames = np.stack([frame.pixels for frame in held])
        strength, end = self._strength(list(held)[1:], layout.grid.spacing), start + len(held) * layout.grid.spacing
        shown = frames[len(frames) // 2]
        if crop is None:
            thumbnail = _thumbnail(shown, shape if self.clip.squeeze and shape is not None else shown.shape[:2])
            clips = self._clips(frames, layout)
            yield SeenWindow(start, end, clips, strength, len(held) < layout.frames, thumbnail)
            return
        moved = [frame.motion for frame in list(held)[1:] if frame.motion is not None]
        motion = np.mean(moved, axis=0) if moved else None
        small_view = View(short_side=min(shown_size(self.clip)), enlarge=False)
        width, height = small_view.scaled(shown.shape[1], shown.shape[0])
        thumbnail = _thumbnail(cut(frames[len(frames) // 2][None], WHOLE, (height, width))[0], (height, width))
        for place in crop.placed(motion, start, end, shown.shape[:2]):
            clips = self._clips(crop.cut(frames, place), layout)
            yield SeenWindow(start, end, clips, strength, len(held) < layout.frames, thumbnail, place)

    def _clips(self, frames: np.ndarray, layout: Layout) -> np.ndarray:
        """(clips, T, *size, 3) of a window's frames, of which some may be missing at the end."""
        missing = layout.frames - len(frames)
        if missing and self.clip.stretch:
            frames = stretched(frames, layout.frames)
        elif missing:
            frames = np.concatenate([frames, np.repeat(frames[-1:], missing, 0)])
        return center_cut(frames, self.clip.size)[layout.clips]


def _in_grey(frames: Iterable[np.ndarray], places: bool = False) -> Iterator[_Frame]:
    """Frames with what their speed is measured on; a frame that stays on screen has not moved.

    With ``places`` they say where something moves too.
    """
    before: _Frame | None = None
    earlier: np.ndarray | None = None
    for pixels in frames:
        if before is not None and pixels is before.pixels:
            before = _Frame(pixels, before.small, before.small, 0.0)
            before.motion = None if earlier is None else np.zeros_like(earlier)
        else:
            grey = _small(pixels)
            before = _Frame(pixels, grey, grey if before is None else before.small)
            if places:
                now = small(pixels)
                before.motion = None if earlier is None else own_motion(earlier, now)
                earlier = now
        yield before


def _small(pixels: np.ndarray) -> np.ndarray:
    """Grey, the shorter side :data:`FLOW_SIDE` pixels, the longer no more than four times that."""
    height, width = pixels.shape[:2]
    scale = FLOW_SIDE / min(height, width)
    size = (min(round(width * scale), 4 * FLOW_SIDE), min(round(height * scale), 4 * FLOW_SIDE))
    return cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
