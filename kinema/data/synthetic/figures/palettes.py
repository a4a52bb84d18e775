"""Colours: families that are told apart, and those of skin."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.figures.bodies import Colour


@dataclass(frozen=True)
class Palette:
    """Ranges that a family's colours are drawn from, each from 0 to 1; hue goes round."""

    hue: tuple[float, float]
    saturation: tuple[float, float]
    value: tuple[float, float]

    def colour(self, rng: np.random.Generator) -> Colour:
        """One of the family, RGB."""
        return _rgb(rng.uniform(*self.hue), rng.uniform(*self.saturation), rng.uniform(*self.value))


PALETTES: Mapping[str, Palette] = {
    "bright": Palette((0, 1), (0.6, 1), (0.7, 1)),
    "pastel": Palette((0, 1), (0.15, 0.4), (0.75, 1)),
    "dark": Palette((0, 1), (0.1, 0.7), (0.1, 0.4)),
    "earth": Palette((0.03, 0.14), (0.25, 0.7), (0.2, 0.8)),
    "cold": Palette((0.45, 0.7), (0.2, 0.8), (0.2, 0.9)),
    "warm": Palette((-0.1, 0.1), (0.3, 0.9), (0.3, 1)),
    "grey": Palette((0, 1), (0, 0.1), (0.1, 0.95)),
    "any": Palette((0, 1), (0, 1), (0.08, 1)),
}
"""Name of a family: its colours."""


def skin(rng: np.random.Generator) -> Colour:
    """Any colour that skin has."""
    return _rgb(rng.uniform(0.02, 0.1), rng.uniform(0.2, 0.6), rng.uniform(0.25, 0.97))


def darker(colour: Colour, factor: float) -> Colour:
    """The colour times ``factor``; lighter where it is above 1."""
    red, green, blue = (min(255, round(factor * c)) for c in colour)
    return red, green, blue


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * c) for c in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return red, green, blue
