"""How much time goes into what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kinema.annotations.interval import Interval


@dataclass(frozen=True)
class Budget:
    """How much time goes into a class.

    Attributes:
        label: the class.
        seconds: of all its bouts.
        share: of all the time there is, 0 to 1; None if there is none.
        bouts: how many.
        mean: seconds of a bout; None without one.
    """

    label: str
    seconds: float
    share: float | None
    bouts: int
    mean: float | None


def budgets(intervals: Iterable[Interval], seconds: float, classes: Iterable[str] = ()) -> list[Budget]:
    """The budget of each class, by name.

    Args:
        intervals: of all videos.
        seconds: how long these last.
        classes: that are told of too where they have no bout.
    """
    lengths: dict[str, list[float]] = {label: [] for label in classes}
    for one in intervals:
        lengths.setdefault(one.label, []).append(one.end - one.start)
    return [
        Budget(label, sum(found), sum(found) / seconds if seconds > 0 else None, len(found),
               sum(found) / len(found) if found else None)
        for label, found in sorted(lengths.items())
    ]  # fmt: skip
