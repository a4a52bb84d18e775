"""From the description of a video with bodies to its frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.figures.bodies import Array, paint
from kinema.data.synthetic.figures.camera import develop, move_camera
from kinema.data.synthetic.figures.cast import FIGURE_MOTIONS, KINDS
from kinema.data.synthetic.figures.palettes import PALETTES
from kinema.data.synthetic.figures.scenery import draw_scenery
from kinema.data.synthetic.figures.stage import Act, Scenery, Stage, show_backdrop
from kinema.data.synthetic.render import Member

OVERSAMPLE = 2
"""Pictures are drawn this many times larger than the frame, with smooth edges, and averaged down."""

FORMATS = (0.5625, 0.625, 0.75, 1.0, 1.0, 1.25, 1.3333, 1.6, 1.7778)
"""Breadth by height of the frames, each as likely."""


@dataclass(frozen=True)
class FigureSpec(Member):
    """A video with bodies, whose ``motion`` is a label in ``FIGURE_MOTIONS`` and whose ``scene`` is in ``SCENES``.

    Attributes:
        palette: a family of colours, in ``PALETTES``.
        camera: a kind of camera, in ``CAMERAS``.
    """

    palette: str
    camera: str

    @property
    def labels(self) -> dict[str, str]:
        """Column to value; ``kind`` says who moves."""
        kind, _ = FIGURE_MOTIONS[self.motion]
        own = {"motion": self.motion, "scene": self.scene, "palette": self.palette, "camera": self.camera}
        return {"kind": kind, **own}


def render_figures(spec: FigureSpec, size: int = 64, frames: int = 32, fps: float = 16) -> Array:
    """Draw the video that ``spec`` describes.

    Args:
        spec: what to draw.
        size: the shorter side in pixels; the longer is drawn from ``FORMATS``, and even.
        frames: how many.
        fps: frames a second.

    Returns:
        (frames, height, width, 3) uint8 RGB.
    """
    movement, look, surroundings, operator, sensor = (spec.rng(purpose) for purpose in range(5))
    shape = operator.choice(FORMATS)
    height, width = (round(size * side / 2) * 2 for side in (max(1, 1 / shape), max(1, shape)))
    stage = Stage(width / size, height / size, OVERSAMPLE * size, np.arange(frames) / fps)
    scenery = draw_scenery(spec.scene, stage, surroundings)
    kind, motion = FIGURE_MOTIONS[spec.motion]
    act = KINDS[kind].stages(motion, stage, PALETTES[spec.palette], movement, look)
    if act.surface is not None:
        act.surface(scenery.image)
        scenery.modes, scenery.shades = act.modes, act.shades  # a close-up leaves no room for leaves that tremble
        scenery.parts = []
    else:
        _set_off(scenery, act, surroundings)
    views = move_camera(spec.camera, stage, operator)
    canvas = np.empty((frames, OVERSAMPLE * height, OVERSAMPLE * width, 3), np.uint8)
    show_backdrop(stage, scenery, views, canvas)
    paint(canvas, scenery.parts, views, stage.unit)
    paint(canvas, act.parts, views, stage.unit)
    return develop(canvas, (height, width), stage.times, sensor)


def _set_off(scenery: Scenery, act: Act, rng: np.random.Generator) -> None:
    """Dull the backdrop, and mostly make it darker or brighter than the bodies before it, so that they are seen."""
    image = scenery.image.astype(np.float32)
    middle = image.mean(axis=(0, 1))
    image = middle + rng.uniform(0.25, 1) * (image - middle)
    bodies = np.mean([np.mean(part.colour) for part in act.parts])
    apart, wanted = bodies - middle.mean(), rng.uniform(40, 100)
    if abs(apart) < wanted and rng.random() < 0.85:
        image += bodies + (wanted if bodies < 127 else -wanted) - middle.mean()
    scenery.image = np.clip(image, 0, 255).astype(np.uint8)
