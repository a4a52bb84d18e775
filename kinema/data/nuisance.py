"""Copies of a window of a video that show the same motion otherwise: what features should not tell (ours).

A copy is seen from a little beside, nearer or farther, quicker or slower, a moment earlier or later, in other light.
All copies of a window come from one decoding; they are affine warps of frames that have the encoder's scale already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from kinema.config import ClipConfig
from kinema.data.clips import center_cut, clip_times, clips_of, mark_missing, timeline, usable_part
from kinema.data.crops import cropping

if TYPE_CHECKING:
    from kinema.video import Video

SHIFT = 0.08
"""Largest shift, as a share of the clip's sides."""
SCALE = 0.12
"""Largest logarithm of the scale."""
ASPECT = 0.05
"""Largest logarithm of the factor by which width outgrows height."""
TEMPO = 0.2
"""Largest logarithm of the step between frames, over the clip's."""
START = 0.1
"""Largest displacement in time, as a share of the clip's length."""
LIGHT = 0.2
"""Largest logarithm of the gain, and of the contrast."""


@dataclass(frozen=True)
class Nuisance:
    """How one copy differs from its window; the default does not.

    Attributes:
        shift: to the right and down, as shares of the clip's width and height.
        scale: logarithm of how much larger things look.
        aspect: logarithm of how much wider than high.
        tempo: logarithm of the step between frames, over the clip's.
        start: displacement in time, as a share of the clip's length.
        gain: logarithm of the factor on all values.
        contrast: logarithm of the factor on the values' distances from their mean.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 0.0
    aspect: float = 0.0
    tempo: float = 0.0
    start: float = 0.0
    gain: float = 0.0
    contrast: float = 0.0

    def times(self, times: np.ndarray, earliest: float, latest: float) -> np.ndarray:
        """The times (T,) in seconds of the window -> those of the copy, held where the video ends."""
        middle, length = (times[0] + times[-1]) / 2, times[-1] - times[0]
        return np.clip(middle + self.start * length + (times - middle) * np.exp(self.tempo), earliest, latest)

    def frames(self, frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Whole frames (T, H, W, 3) uint8 -> the copy (T, *size, 3) uint8; outside the frame its edge goes on."""
        (height, width), (rows, columns) = frames.shape[1:3], size
        wide, high = np.exp(-self.scale - self.aspect / 2), np.exp(-self.scale + self.aspect / 2)
        # the middle of what the encoder sees of a frame, on the grid of whole pixels on which it is cut
        x, y = (width - columns) // 2 + (columns - 1) / 2, (height - rows) // 2 + (rows - 1) / 2
        x, y = x - self.shift[0] * columns, y - self.shift[1] * rows
        warp = np.array([[wide, 0, x - wide * (columns - 1) / 2], [0, high, y - high * (rows - 1) / 2]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = np.stack(
            [cv2.warpAffine(f, warp, (columns, rows), flags=how, borderMode=cv2.BORDER_REPLICATE) for f in frames]
        )
        mean, contrast = seen.mean(), np.exp(self.contrast)
        levels = np.exp(self.gain) * (mean + contrast * (np.arange(256) - mean))
        return np.round(levels).clip(0, 255).astype(np.uint8)[seen]


def draw_nuisance(seed: Sequence[int], strength: float = 1.0) -> Nuisance:
    """A copy's differences, the same for the same seed.

    Args:
        seed: whole numbers from 0, such as (seed, position of the window, number of the copy).
        strength: factor on all of them; at 0 the copy is the window.
    """
    right, down, scale, aspect, tempo, start, gain, contrast = np.random.default_rng(list(seed)).uniform(
        -strength, strength, 8
    )
    return Nuisance(
        shift=(SHIFT * right, SHIFT * down),
        scale=SCALE * scale,
        aspect=ASPECT * aspect,
        tempo=TEMPO * tempo,
        start=START * start,
        gain=LIGHT * gain,
        contrast=LIGHT * contrast,
    )


def nuisance_views(
    video: Video,
    starts: Sequence[float],
    clip: ClipConfig,
    copies: int,
    seed: Sequence[int] = (0,),
    strength: float = 1.0,
    *,
    itself: bool = False,
) -> np.ndarray:
    """Copies of the clips that start at ``starts``, from one decoding.

    Args:
        video: open, with the view of the clip (:func:`kinema.data.clips.clip_view`).
        starts: seconds, of S windows, near each other if memory counts: all their frames are held at once.
        clip: the clip's geometry.
        copies: how many of each, K.
        seed: whole numbers from 0 that tell the first window from others; the last goes up by 1 with each window.
            Copies are told apart by their number.
        strength: factor on all differences; at 0 every copy is the clip itself.
        itself: whether the first of each is the clip as it is.

    Returns:
        (S, K, T, H, W, 3) uint8.

    Raises:
        VideoError: the video cannot be decoded there.
        ConfigError: its frames are smaller than the clip's size.
    """
    found, info = timeline(video), video.info
    crop = cropping(clip, info.path, info)
    begin, end = usable_part(clip, found)
    drawn, wanted = [], []
    for number, start in enumerate(starts, seed[-1]):
        times = clip_times(clip, start, found)
        for copy in range(copies):
            plain = itself and copy == 0
            drawn.append(Nuisance() if plain else draw_nuisance((*seed[:-1], number, copy), strength))
            wanted.append(drawn[-1].times(times, min(begin, times[0]), max(end, times[-1])))
    times = np.stack(wanted)
    distinct, order = np.unique(times, return_inverse=True)
    read = video.at_times(distinct.tolist())
    frames, order = read.frames, order.reshape(times.shape)
    rows = mark_missing(order, times) if clip.stretch else order
    if crop is not None:
        frames, rows, _ = crop.clips(frames, read.timestamps, rows, every=False)
    center_cut(frames[:1], clip.size)  # refuses frames that are too small
    shown = clips_of(frames, rows)
    seen = np.stack([nuisance.frames(part, clip.size) for nuisance, part in zip(drawn, shown, strict=True)])
    return seen.reshape(len(starts), copies, *seen.shape[1:])
