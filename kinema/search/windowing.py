"""How videos are cut into windows."""

from __future__ import annotations

from dataclasses import dataclass

from kinema.errors import ConfigError


@dataclass(frozen=True)
class Windowing:
    """How videos are cut into windows.

    Attributes:
        length: seconds of a window; None for what a clip spans. A longer window holds several clips, end to end, whose
            features are averaged: a clip is never slowed down or sped up.
        stride: seconds from one window to the next; None for half a window.

    Both are rounded to whole steps of the clip.

    Raises:
        ConfigError: a number is not positive.
    """

    length: float | None = None
    stride: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("length", self.length), ("stride", self.stride)):
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"the {name} of windows must be a positive number of seconds, not {value:g}")
