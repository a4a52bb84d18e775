"""What waits to be worked on, in an order that leaves no machine with a long video at the end."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

AHEAD = 1 << 14
"""Items that are taken ahead, to be compared."""
SHARE = 10
"""An item is large if it is more than this part of what each worker still has to do."""

MOST = 256
"""Small items that are handed out together at most."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Bundle:
    """Items that are handed out together.

    Attributes:
        numbers: of the items.
        weight: of all of them; 0 of what was put back.
        large: whether it is one large item.
    """

    numbers: tuple[int, ...]
    weight: float
    large: bool


class Pile(Generic[Item]):
    """Items that come in the order in which they are given, except for large ones, which come before others.

    Large are those over which other workers might wait at the end: a worker has one of them alone, and begins early.

    Args:
        items: taken as there is room.
        weigh: how much work an item is, in any unit.
        workers: that share the items.

    Attributes:
        workers: likewise, and may be changed.
        held: the items that are not done, by number.
    """

    def __init__(self, items: Iterable[Item], weigh: Callable[[Item], float], workers: int):
        self._coming, self._weigh, self.workers = enumerate(items), weigh, workers
        self._waiting: dict[int, float] = {}  # weights, by number
        self._heaviest: list[tuple[float, int]] = []  # negative weights and numbers, some of them taken meanwhile
        self._again = deque[int]()
        self._total, self._ended = 0.0, False
        self.held: dict[int, Item] = {}

    def __len__(self) -> int:
        """How many wait, of those that were taken ahead."""
        self._fill()
        return len(self._again) + len(self._waiting)

    @property
    def large(self) -> bool:
        """Whether what comes next is large."""
        self._fill()
        return not self._again and self._large() is not None

    def take(self, most: float = 0.0) -> Bundle:
        """The next item; or, where those that come next are small, as many as weigh no more than ``most`` together.

        They are :attr:`held` until they are :meth:`done`.
        """
        self._fill()
        if self._again:
            return Bundle((self._again.popleft(),), 0.0, large=False)
        large = self._large()
        numbers = [next(iter(self._waiting)) if large is None else large]
        weight = self._remove(numbers[0])
        while large is None and len(numbers) < MOST and len(self) and not self.large:
            following = next(iter(self._waiting))
            together = weight + self._waiting[following]
            if together > most or together * SHARE * self.workers > self._total:
                break
            numbers.append(following)
            weight += self._remove(following)
        return Bundle(tuple(numbers), weight, large=large is not None)

    def put_back(self, number: int) -> None:
        """Let somebody take an item again, alone."""
        self._again.append(number)

    def done(self, number: int) -> Item:
        """Forget an item, and return it."""
        return self.held.pop(number)

    def _remove(self, number: int) -> float:
        weight = self._waiting.pop(number)
        self._total -= weight
        return weight

    def _fill(self) -> None:
        while not self._ended and len(self._waiting) < AHEAD:
            new = next(self._coming, None)
            if new is None:
                self._ended = True
                return
            number, self.held[number] = new
            weight = self._weigh(new[1])
            self._waiting[number] = weight
            self._total += weight
            heapq.heappush(self._heaviest, (-weight, number))

    def _large(self) -> int | None:
        """The heaviest item, if it is large."""
        while self._heaviest and self._heaviest[0][1] not in self._waiting:
            heapq.heappop(self._heaviest)
        if not self._heaviest:
            return None
        weight, number = self._heaviest[0]
        return number if -weight * SHARE * self.workers > self._total else None
