"""Bodies in space and what is seen of them: a view turns joints into outlines, and outlines are painted far ones first.

A body has axes of its own: forwards, to its left, up, with the origin on the ground below it and its own height or
length as the unit. On the stage lengths are short sides of the frame, x rightwards and y downwards from its top left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

Array = np.ndarray
Colour = tuple[int, int, int]

_SUBPIXEL_BITS = 4
_ROUND = 6
"""Corners of each round end of a limb."""


@dataclass
class Part:
    """Something with one outline, and marks upon it.

    Attributes:
        outline: (T, N, 2), where the corners are on the stage.
        colour: RGB.
        depth: (T,) or one number; what has less is painted later.
        marks: outlines (T, M, 4, 2) on top, each set with its colour.
        convex: convex outlines are filled faster.
    """

    outline: Array
    colour: Colour
    depth: Array | float = 0.0
    marks: list[tuple[Array, Colour]] = field(default_factory=list)
    convex: bool = True


@dataclass(frozen=True)
class View:
    """Where a body stands and from where it is seen.

    Attributes:
        x: stage, of the body's origin.
        ground: stage, of the body's origin downwards.
        scale: stage lengths of one unit of the body.
        yaw: (T,) or one number: where it faces, 0 to the right, pi/2 to the camera.
        elevation: of the camera above the horizon in radians; pi/2 looks straight down.
    """

    x: float
    ground: float
    scale: float
    yaw: Array | float = 0.0
    elevation: float = 0.0

    def project(self, points: Array) -> tuple[Array, Array]:
        """Points (T, ..., 3) of the body to the stage (T, ..., 2), and their depths (T, ...)."""
        extra = (slice(None),) + (None,) * (points.ndim - 2)
        yaw = np.broadcast_to(self.yaw, points.shape[:1])[extra]
        f, left, up = points[..., 0], points[..., 1], points[..., 2]
        right = f * np.cos(yaw) + left * np.sin(yaw)
        near = f * np.sin(yaw) - left * np.cos(yaw)
        size = self.scale / np.clip(1 - 0.2 * near, 0.6, 2)
        down = near * math.sin(self.elevation) - up * math.cos(self.elevation)
        depth = -near * math.cos(self.elevation) - up * math.sin(self.elevation)
        return np.stack([self.x + size * right, self.ground + size * down], axis=-1), depth


def turned(joints: Mapping[str, Array], turn: Array, forward: Array, aside: Array | float = 0.0) -> dict[str, Array]:
    """Joints (T, 3) of a body that has turned to its left, and gone ahead and to the left."""
    cos, sin = np.cos(turn), np.sin(turn)
    return {
        name: np.stack([cos * f - sin * left + forward, sin * f + cos * left + aside, up], -1)
        for name, (f, left, up) in ((name, joint.T) for name, joint in joints.items())
    }


def capsule(start: Array, end: Array, start_radius: Array | float, end_radius: Array | float) -> Array:
    """Outlines (T, N, 2) of limbs from ``start`` to ``end``, both (T, 2), with round ends."""
    across = end - start
    angle = np.arctan2(across[:, 1], across[:, 0])[:, None]
    turn = np.linspace(-math.pi / 2, math.pi / 2, _ROUND)
    ends = []
    for centre, radius, flip in ((end, end_radius, 0.0), (start, start_radius, math.pi)):
        a = angle + flip + turn
        r = np.broadcast_to(radius, len(start))[:, None, None]
        ends.append(centre[:, None] + r * np.stack([np.cos(a), np.sin(a)], axis=-1))
    return np.concatenate(ends, axis=1)


def disc(centre: Array, radius: Array | float, stretch: float = 1.0, angle: Array | float = 0.0) -> Array:
    """Outlines (T, N, 2) of ellipses around ``centre`` (T, 2), ``stretch`` times as long along ``angle``."""
    turn = np.linspace(0, 2 * math.pi, 16, endpoint=False)
    radius, angle = (np.broadcast_to(v, len(centre))[:, None] for v in (radius, angle))
    u, v = stretch * radius * np.cos(turn), radius * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    return centre[:, None] + np.stack([cos * u - sin * v, sin * u + cos * v], axis=-1)


def patches(start: Array, end: Array, radius: Array | float, places: Array, size: Array, spin: Array | float) -> Array:
    """Marks (T, M, 4, 2) on a limb: ``places`` (M, 2) along it from 0 to 1 and around it in radians.

    ``size`` (M, 2) is half their extent along (shares of the limb) and across (shares of its radius); ``spin`` (T,)
    turns the limb around itself, which takes marks out of sight.
    """
    along = (end - start)[:, None]
    length = np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    normal = np.stack([-along[..., 1], along[..., 0]], axis=-1) / length
    around = places[:, 1] + np.broadcast_to(spin, len(start))[:, None]
    facing = np.maximum(np.cos(around), 0)
    radius = np.broadcast_to(radius, len(start))[:, None]
    middle = (radius * np.sin(around) * 0.85)[..., None] * normal
    half = (radius * size[:, 1] * facing)[..., None] * normal
    low, high = (start[:, None] + (places[:, :1] + sign * size[:, :1]) * along + middle for sign in (-1, 1))
    return np.stack([low - half, low + half, high + half, high - half], axis=2)


def paint(canvas: Array, parts: Sequence[Part], views: Array, unit: float) -> None:
    """Paint parts into all frames in place.

    Args:
        canvas: (T, H, W, 3) uint8.
        parts: painted in the order of their depth, or as given where that is equal.
        views: (T, 2, 3), takes stage coordinates to where the camera shows them.
        unit: pixels of one stage length.
    """
    if not parts:
        return
    depth = np.stack([np.broadcast_to(part.depth, len(canvas)) for part in parts], axis=1)
    order = np.argsort(-depth, axis=1, kind="stable")
    placed = [(_place(p.outline, views, unit), [(_place(m, views, unit), c) for m, c in p.marks]) for p in parts]
    for t, frame in enumerate(canvas):
        for k in order[t]:
            outline, marks = placed[k]
            if parts[k].convex:
                cv2.fillConvexPoly(frame, outline[t], parts[k].colour, cv2.LINE_AA, _SUBPIXEL_BITS)
            else:
                cv2.fillPoly(frame, [outline[t]], parts[k].colour, cv2.LINE_AA, _SUBPIXEL_BITS)
            for corners, colour in marks:
                cv2.fillPoly(frame, list(corners[t]), colour, cv2.LINE_AA, _SUBPIXEL_BITS)


def _place(points: Array, views: Array, unit: float) -> Array:
    """Stage coordinates to OpenCV's fixed point numbers, which count from the middle of the first pixel."""
    extra = (slice(None),) + (None,) * (points.ndim - 2)
    x, y = points[..., 0], points[..., 1]
    placed = [views[:, i, 0][extra] * x + views[:, i, 1][extra] * y + views[:, i, 2][extra] for i in (0, 1)]
    pixels = np.clip(np.stack(placed, axis=-1) * unit - 0.5, -2000, 4000)
    return np.rint(pixels * 2**_SUBPIXEL_BITS).astype(np.int32, order="C")
