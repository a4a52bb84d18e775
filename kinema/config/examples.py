"""Settings of examples: which labels of a class are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jsonargparse.typing import PositiveInt

Order = Literal["confident", "random"]
"""In which order labels are looked at."""


@dataclass(frozen=True)
class ExamplesConfig:
    """Which labels stand for their class.

    Attributes:
        count: examples of a class, spread over its videos.
        order: confident (the most confident first; those that people gave before all others), or random.
        seed: of the random order.
    """

    count: PositiveInt = 6
    order: Order = "confident"
    seed: int = 0
