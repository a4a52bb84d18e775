"""What was made lately, kept for whoever asks for it next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LastUsed(Generic[Value]):
    """The values that were used last, by what they were made of; threads may share one.

    Args:
        count: how many.
    """

    def __init__(self, count: int):
        self._count = count
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def look(self, key: Hashable) -> Value | None:
        """The value of a key, if there is one."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value as the one that was used last."""
        with self._lock:
            self._put(key, value)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made where there is none; one at a time is made."""
        with self._lock:
            return self._put(key, self._values[key] if key in self._values else make())

    def _put(self, key: Hashable, value: Value) -> Value:
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._count:
            self._values.popitem(last=False)
        return value
