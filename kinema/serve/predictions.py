"""What a classifier of the present labels says of whole videos, kept until the labels or the library change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from kinema.search import Classifier, Labels, Library, Window
from kinema.serve.summaries import Runs

KEPT = 16
"""Videos of which what was computed is kept."""

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """The last few values that were made, by what they were made of; threads may share one, and make one at a time."""

    def __init__(self, count: int = KEPT):
        self._count = count
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made where there is none."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
                while len(self._values) > self._count:
                    self._values.popitem(last=False)
            self._values.move_to_end(key)
            return self._values[key]


class Predictions:
    """A classifier of the labels that there are, and what it says.

    Args:
        library: may grow meanwhile.
        labels: what it is trained on, anew whenever they have changed.
    """

    def __init__(self, library: Library, labels: Labels):
        self._library, self._labels = library, labels
        self._classifiers: Kept[Classifier | None] = Kept(2)

    def version(self) -> tuple[int, int]:
        """Of library and labels; what was computed of others is out of date."""
        return self._library.state, self._labels.version()

    def classifier(self) -> Classifier | None:
        """That of the present labels; None where there are not two classes."""
        return self._classifiers.get(self.version(), self._train)

    def _train(self) -> Classifier | None:
        examples = self._labels.examples()
        if len(set(examples.values())) < 2:
            return None
        return self._library.train_classifier(examples)


def runs_of(windows: list[Window], shares: np.ndarray) -> Runs:
    """The stretches of a video in which one class is the most probable.

    Where windows overlap, each speaks for the time that is nearer to its middle than to that of the others.

    Args:
        windows: of a video, in the order of time, at least one.
        shares: (N, classes) probabilities.
    """
    starts, ends = (np.array([getattr(window, name) for window in windows]) for name in ("start", "end"))
    centres = (starts + ends) / 2
    between = (centres[1:] + centres[:-1]) / 2
    apart = starts[1:] > ends[:-1]  # a part that could not be read lies between
    begins = np.concatenate([starts[:1], np.where(apart, starts[1:], between)])
    stops = np.concatenate([np.where(apart, ends[:-1], between), ends[-1:]])
    best = shares.argmax(1)
    first = np.flatnonzero(np.concatenate([[True], (best[1:] != best[:-1]) | apart]))
    last = np.append(first[1:], len(best)) - 1
    means = np.add.reduceat(shares.max(1), first, dtype=np.float64) / (last - first + 1)
    return Runs(begins[first], stops[last], best[first], means)
