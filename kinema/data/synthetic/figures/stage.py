"""What a video is put together from: a stage, a backdrop that may deform, and parts before it.

Lengths are short sides of the frame; the origin is its top left corner, y points downwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from kinema.data.synthetic.figures.bodies import Array, Part

MARGIN = 0.15
"""The backdrop goes on this far beyond the frame on all sides; what a camera sees farther out is mirrored."""


@dataclass(frozen=True)
class Stage:
    """The frame and the times of a video.

    Attributes:
        width: of the frame; 1 where it is no wider than high.
        height: of the frame.
        unit: pixels of one stage length on the canvas.
        times: (T,) seconds.
    """

    width: float
    height: float
    unit: float
    times: Array

    @property
    def backdrop(self) -> tuple[int, int]:
        """Height and width of a backdrop in pixels."""
        height, width = (round((side + 2 * MARGIN) * self.unit) for side in (self.height, self.width))
        return height, width

    def grid(self) -> tuple[Array, Array]:
        """Stage coordinates x, y of a backdrop's pixels, float32."""
        height, width = self.backdrop
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        return (x + 0.5) / self.unit - MARGIN, (y + 0.5) / self.unit - MARGIN

    def corners(self, points: Array) -> Array:
        """Stage coordinates (..., 2) to whole pixels of a backdrop."""
        return np.rint((np.asarray(points) + MARGIN) * self.unit).astype(np.int32)


@dataclass
class Scenery:
    """A backdrop and how it moves by itself.

    Attributes:
        image: (H, W, 3) uint8.
        modes: fields (H, W, 2) of displacements on the stage, each with how strong it is over time (T,).
        shades: fields (H, W) of brightness, each with how strong it is over time (T,).
        parts: small things that move before it.
    """

    image: Array
    modes: list[tuple[Array, Array]] = field(default_factory=list)
    shades: list[tuple[Array, Array]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)


@dataclass
class Act:
    """What happens on a stage: bodies before the backdrop, or something painted on it that deforms with it.

    Attributes:
        parts: bodies.
        surface: paints on the backdrop's image, in place.
        modes: as those of ``Scenery``.
        shades: as those of ``Scenery``.
    """

    parts: list[Part] = field(default_factory=list)
    surface: Callable[[Array], None] | None = None
    modes: list[tuple[Array, Array]] = field(default_factory=list)
    shades: list[tuple[Array, Array]] = field(default_factory=list)


def show_backdrop(stage: Stage, scenery: Scenery, views: Array, canvas: Array) -> None:
    """Show the backdrop through the camera in all frames of ``canvas`` (T, H, W, 3) uint8.

    ``views`` (T, 2, 3) take stage coordinates to where the camera shows them.
    """
    height, width = canvas.shape[1:3]
    x, y = stage.grid()
    grid = np.stack([(x + MARGIN) * stage.unit - 0.5, (y + MARGIN) * stage.unit - 0.5])
    modes = [(m.transpose(2, 0, 1) * np.float32(stage.unit), amounts) for m, amounts in scenery.modes]
    for t, frame in enumerate(canvas):
        image = scenery.image
        if modes:
            where = grid.copy()
            for mode, amounts in modes:
                where -= mode * float(amounts[t])
            image = cv2.remap(image, where[0], where[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        if scenery.shades:
            gain = np.ones_like(scenery.shades[0][0])
            for shade, amounts in scenery.shades:
                gain += shade * float(amounts[t])
            image = np.clip(image * gain[..., None], 0, 255).astype(np.uint8)
        view = views[t].copy()
        # from pixels of the backdrop to those of the canvas; OpenCV counts from the middle of the first one
        view[:, 2] = stage.unit * (view[:, 2] - MARGIN * view[:, :2].sum(axis=1)) + 0.5 * (view[:, :2].sum(axis=1) - 1)
        cv2.warpAffine(image, view, (width, height), dst=frame, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
