"""A video beside its optical flow: the frame, the flow as colours and as arrows, and how much the motion changes.

What is shown is what training sees with the default clips: flow over a clip's step, on the grid of times on which clips
start. Below lies the motion differential of each field; dots mark the starts that Motion Differential Sampling would
keep of the part that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from kinema.common.files import atomic_path, make_folder
from kinema.config import ClipConfig
from kinema.data.clips import Grid, timeline
from kinema.data.fields import clip_positions, positions_per_step
from kinema.data.synthetic.files import write_video
from kinema.errors import ConfigError, VideoError
from kinema.flow import clip_scores, flow_to_wheel, grid_scores, kept_starts, parse_estimator, wheel_legend
from kinema.report.pictures import PALETTE, draw_arrows, full_speed
from kinema.video import Video, View

CLIP = ClipConfig()
STEP = CLIP.step or 0.125
"""Seconds from the first to the second frame of a field."""
PER_STEP = positions_per_step(CLIP)
FPS = PER_STEP / STEP
"""Fields a second."""
MOMENTS = 4
"""Rows of a sheet."""

_GAP, _HEADING, _CURVE = 8, 24, 150  # pixels: between panels, and the heights of the strips above and below
_ARROWS = 14  # along the shorter side
_INK, _MUTED, _PAPER, _MARK, _LINE = (PALETTE[name][0] for name in ("ink", "muted", "paper", "other", "mscl"))


def show_flow(
    video: str | Path,
    out: str | Path,
    estimator: str = "dis",
    start: float = 0.0,
    seconds: float = 3.0,
    size: int = 192,
) -> Path:
    """Draw a video and its flow into a file. All that is shown is held in memory: some 20 MB a second at 192 pixels.

    Args:
        video: video file.
        out: ``.mp4`` or ``.gif`` for a moving picture at the video's own speed, ``.png`` for a sheet of moments.
        estimator: see :func:`kinema.flow.parse_estimator`.
        start: seconds.
        seconds: how much to show, at most.
        size: shorter side of the frames, pixels; flow is estimated at this size.

    Returns:
        ``out``.

    Raises:
        ConfigError: the suffix, estimator or size will not do, or the video ends before ``start``.
        VideoError: the video cannot be read, or shows too little for flow.
        OutputError: the file cannot be written.
    """
    out = Path(out)
    kind = out.suffix.lower()
    if kind not in (".mp4", ".gif", ".png"):
        raise ConfigError(f"cannot draw flow into {out}: let its name end in .mp4, .gif or .png")
    method = parse_estimator(estimator)
    method.require()
    make_folder(out.parent)  # an unwritable place is better found out before the work than after
    times, frames = _read(video, start, seconds, size)
    board = Board(times, frames, method.estimate(frames, PER_STEP))
    if kind == ".png":
        moments = np.unique(np.linspace(0, len(board) - 1, MOMENTS).round().astype(int)).tolist()
        with atomic_path(out) as temporary:
            Image.fromarray(board.picture(moments)).save(temporary)
        return out
    pictures = (board.picture([index]) for index in range(len(board)))
    if kind == ".mp4":
        write_video(out, pictures, FPS)
        return out
    first, *rest = (Image.fromarray(picture) for picture in pictures)
    with atomic_path(out) as temporary:
        first.save(temporary, save_all=True, append_images=rest, duration=1000 / FPS, loop=0)
    return out


def _read(path: str | Path, start: float, seconds: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) on the grid and frames (T, H, W, 3), up to one step beyond what is to be shown."""
    if not 0 <= start < np.inf:
        raise ConfigError(f"the start of what is shown must be a number of seconds from 0 on, got {start:g}")
    with Video(path, View(short_side=size)) as video:
        line = timeline(video)
        end = min(start + seconds + STEP, line.duration)
        grid = Grid.of(CLIP, line.fps, start, PER_STEP)
        times = grid.times(np.arange(max(0, math.ceil((end - start) / grid.spacing))))
        if not len(times):
            raise ConfigError(f"{path} ends at {line.duration:.2f} s: start before that, not at {start:g} s")
        clip = video.at_times((times + 0.5 / line.fps).tolist())
    shown = int(np.searchsorted(clip.timestamps, clip.timestamps[-1])) + 1  # beyond it the last frame only stays
    if shown <= PER_STEP:
        raise VideoError(path, f"from {start:g} s on it shows no second picture {STEP} s later; flow needs two")
    return times[:shown], clip.frames[:shown]


class Board:
    """Draws the moments of a video and its flow.

    Args:
        times: (T,) seconds of the frames.
        frames: (T, H, W, 3) uint8.
        flow: (F, 2, H, W) float32 from the first F frames, pixels.
    """

    def __init__(self, times: np.ndarray, frames: np.ndarray, flow: np.ndarray):
        self.times, self.frames, self.flow = times[: len(flow)], frames[: len(flow)], flow
        self.fastest = full_speed(flow)
        self.height, self.width = frames.shape[1:3]
        legend = wheel_legend(max(25, self.height // 4)).permute(1, 2, 0)
        self._legend = (255 * legend).byte().numpy()
        self._letters = max(10, min(14, self.width // 20))  # pixels
        self._font = ImageFont.load_default(self._letters)
        self._heading = self._headed()
        self._strip, self._cursor = self._curve()

    def __len__(self) -> int:
        return len(self.flow)

    def picture(self, moments: Sequence[int]) -> np.ndarray:
        """The panels of each moment in a row, above the curve with a cursor at each: (H', W', 3) uint8, even sides."""
        strip = self._strip.copy()
        for moment in moments:
            top, bottom, columns = self._cursor
            strip[top:bottom, round(columns[moment])] = (20, 20, 20)
        rows = [self._panels(moment) for moment in moments]
        blank = np.full((_GAP, *strip.shape[1:]), self._heading[0, 0], np.uint8)
        whole = np.vstack([self._heading, *(part for row in rows for part in (row, blank)), strip])
        return np.pad(whole, [(0, side % 2) for side in whole.shape[:2]] + [(0, 0)], mode="edge")

    def _panels(self, moment: int) -> np.ndarray:
        """The frame, its flow as colours with their key, and as arrows."""
        frame, field = self.frames[moment], torch.from_numpy(self.flow[moment])
        colours = flow_to_wheel(field[None], max_magnitude=self.fastest)[0].permute(1, 2, 0)
        coloured = Image.fromarray((255 * colours).byte().numpy())
        corner = tuple(side - self._legend.shape[0] - 3 for side in (self.width, self.height))
        coloured.paste(Image.fromarray(self._legend), corner)
        pale = Image.fromarray(128 + frame // 2)
        speed = np.hypot(*self.flow[moment])
        spacing = max(4, min(self.height, self.width) // _ARROWS)
        draw_arrows(pale, self.flow[moment] / np.maximum(speed, self.fastest), spacing=spacing)
        first = Image.fromarray(frame)
        label = f"{self.times[moment]:.2f} s"
        pen = ImageDraw.Draw(first)
        pen.rectangle((0, 0, pen.textlength(label, font=self._font) + 7, self._letters + 5), fill=_PAPER)
        pen.text((3, 1), label, fill=_INK, font=self._font)
        return _side_by_side([first, coloured, pale])

    def _headed(self) -> np.ndarray:
        texts = ("video", f"flow (full: {self.fastest:.1f} px)", "as arrows")
        panels = [Image.new("RGB", (self.width, _HEADING), _PAPER) for _ in texts]
        for panel, text in zip(panels, texts, strict=True):
            ImageDraw.Draw(panel).text((0, 5), text, fill=_INK, font=self._font)
        return _side_by_side(panels)

    def _curve(self) -> tuple[np.ndarray, tuple[int, int, np.ndarray]]:
        """The motion differential over time, drawn once; and the rows and, by moment, the column of the cursor."""
        scores = grid_scores(torch.from_numpy(self.flow), PER_STEP)
        offsets = clip_positions(CLIP, 0).tolist()
        kept = np.empty(0, int)
        if len(scores) > offsets[-1]:
            kept = kept_starts(clip_scores(scores, offsets)).numpy()
        size = (self._heading.shape[1] / 100, _CURVE / 100)
        figure = Figure(figsize=size, dpi=100, facecolor=_PAPER, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot(facecolor=_PAPER)
        axes.plot(self.times, scores, color=_LINE, linewidth=1.5)
        axes.plot(self.times[kept], scores[kept], "o", color=_MARK, markersize=4)
        marks = "dots: kept starts" if len(kept) else f"no clip of {CLIP.frames} frames fits"
        axes.set_title(f"motion differential, px; {marks}", fontsize=8, color=_INK, loc="left")
        axes.set_xlabel("seconds", fontsize=8, color=_MUTED)
        axes.tick_params(labelsize=7, colors=_MUTED)
        axes.set_ylim(0, 1.1 * max(float(scores.max()), 1e-3))
        axes.spines[["top", "right"]].set_visible(False)
        canvas.draw()
        strip = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        ends = axes.transAxes.transform([(0, 0), (0, 1)])[:, 1]
        columns = axes.transData.transform(np.stack([self.times, 0 * self.times], 1))[:, 0]
        bottom, top = (round(len(strip) - end) for end in ends)
        return strip, (top, bottom, columns.clip(0, strip.shape[1] - 1))


def _side_by_side(panels: Sequence[Image.Image]) -> np.ndarray:
    gap = Image.new("RGB", (_GAP, panels[0].height), _PAPER)
    return np.hstack([np.asarray(part) for panel in panels for part in (gap, panel)] + [np.asarray(gap)])
