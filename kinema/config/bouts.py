"""Settings of bouts: how probabilities of windows become stretches of time with a class."""

from __future__ import annotations

from dataclasses import dataclass, fields

from kinema.errors import ConfigError

MOST_SMOOTHED = 1000
"""Bins that are averaged over, at most: what is longer than so many steps asks for longer steps."""


@dataclass(frozen=True)
class BoutConfig:
    """How the probabilities of a video's windows become bouts.

    Attributes:
        step: seconds of a bin of the time axis; a bin has the mean of the probabilities of all windows over its middle.
        smooth: seconds over which bins are averaged, half of them before and half after, up to :data:`MOST_SMOOTHED`
            steps; 0 to leave them as they are.
        enter: probability from which on a bin belongs to its likeliest class, whatever came before; 0 to 1.
        leave: probability below which a bout ends, if no other class enters before; at most as high as enter.
        gap: seconds between two bouts of a class, with no other class in between, that are closed.
        shortest: seconds that a bout lasts at least; shorter ones are dropped, once gaps are closed.

    Raises:
        ConfigError: a number is out of range.
    """

    step: float = 0.1
    smooth: float = 0.5
    enter: float = 0.5
    leave: float = 0.4
    gap: float = 0.3
    shortest: float = 0.3

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < float("inf"):
                raise ConfigError(f"{field.name} of bouts must be a number from 0 on, not {value:g}")
        if self.step < 1e-3:
            raise ConfigError(f"step of bouts must be a millisecond or more, not {self.step:g} s")
        if self.smooth > MOST_SMOOTHED * self.step:
            raise ConfigError(
                f"bouts are smoothed over {self.smooth:g} s, more than {MOST_SMOOTHED} steps of {self.step:g} s; "
                "smooth less, or make step longer"
            )
        if not 0 < self.leave <= self.enter <= 1:
            raise ConfigError(
                f"bouts are entered at a probability of {self.enter:g} and left below {self.leave:g}: leave must lie "
                "above 0, and enter between leave and 1"
            )
