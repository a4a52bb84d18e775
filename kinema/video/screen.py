"""Which frame is on screen at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from kinema.video.view import Pixels

Frame = TypeVar("Frame")
TOLERANCE = 1e-6
"""Seconds by which a frame may come on screen too late and still count, against rounding."""


def on_screen(
    frames: Iterable[tuple[float, Frame]],
    times: Iterable[float],
    convert: Callable[[Frame], Pixels],
    end: Callable[[], float] | None = None,
) -> Iterator[tuple[float, Pixels]]:
    """What is on screen at each of ascending ``times``, of frames that come one after the other.

    Args:
        frames: times in seconds, ascending, and frames; before the first of them it is taken to be on screen too.
        times: seconds, ascending.
        convert: makes pixels of a frame; only frames that are wanted are converted.
        end: asked when ``frames`` have ended: when the last of them goes off screen; None for at once.

    Yields:
        When the frame came on screen, and its pixels.
    """
    coming = iter(frames)
    shown = next(coming, None)
    if shown is None:
        return
    upcoming, converted = next(coming, None), None
    for time in times:
        while upcoming is not None and upcoming[0] <= time + TOLERANCE:
            shown, upcoming, converted = upcoming, next(coming, None), None
        if upcoming is None and time >= (shown[0] if end is None else end()):
            return
        if converted is None:
            converted = convert(shown[1])
        yield shown[0], converted
