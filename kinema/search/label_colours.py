"""Colours of classes of labels."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kinema.errors import ConfigError

PALETTE = (
    "#0078b4",
    "#e07700",
    "#00a569",
    "#a54b78",
    "#a578ff",
    "#78692d",
    "#ff4b5a",
    "#b42da5",
    "#789687",
)
"""Chosen one after another, each as far from those before it as can be, also for eyes that lack the cones for red or
green. Their luminances stand out of a white page and of a black one: a contrast of at least 3."""


def next_colour(used: Iterable[str]) -> str:
    """The first colour of the palette that is used least."""
    counts = dict.fromkeys(PALETTE, 0)
    for colour in used:
        if colour in counts:
            counts[colour] += 1
    return min(PALETTE, key=lambda colour: counts[colour])


def checked_colour(colour: object) -> str:
    """A colour as ``#rrggbb`` in small letters.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(colour, str) or not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise ConfigError(f"{str(colour)[:40]!r} is no colour; write one as #rrggbb, such as {PALETTE[0]}")
    return colour.lower()
