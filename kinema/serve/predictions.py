"""What a classifier of the present labels says of whole videos, kept until the labels or the library change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

import numpy as np

from kinema.annotations.bouts import find_bouts
from kinema.search import Classifier, Labels, Library, Window
from kinema.serve.summaries import Runs

KEPT = 16
"""Videos of which what was computed is kept."""
VIDEO = "video"
"""How intervals of the one video that is looked at call it."""

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


def bouts_of(windows: Sequence[Window], classifier: Classifier, shares: np.ndarray) -> Runs:
    """The bouts that a classifier finds in a video, as `kinema label` makes them by default.

    Args:
        windows: of the video, in the order of time.
        classifier: whose classes are meant.
        shares: (N, classes) the probabilities that it gives them.
    """
    starts, ends = (np.array([getattr(window, name) for window in windows], np.float64) for name in ("start", "end"))
    found = find_bouts(VIDEO, starts, ends, shares, classifier.classes)
    columns = [(one.start, one.end, classifier.classes.index(one.label), one.confidence or 0.0) for one in found]
    table = np.array(columns, np.float64).reshape(-1, 4)
    return Runs(table[:, 0], table[:, 1], table[:, 2].astype(np.int64), table[:, 3])
