"""What a classifier of the present labels says of whole videos, kept until the labels or the library change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from kinema.annotations.bouts import find_bouts
from kinema.annotations.interval import Interval
from kinema.common.last_used import LastUsed
from kinema.search import Classifier, Labels
from kinema.search.video_windows import ComparedVideo, VideoWindows
from kinema.serve.catalog import Catalog
from kinema.serve.summaries import Runs


class Predictions:
    """A classifier of the labels that there are, and what it says.

    Args:
        catalog: the library, which may grow meanwhile.
        labels: what it is trained on, anew whenever they have changed.
    """

    def __init__(self, catalog: Catalog, labels: Labels):
        self._catalog, self._labels = catalog, labels
        self._examples: LastUsed[dict[int, str]] = LastUsed(2)
        self._classifiers: LastUsed[Classifier | None] = LastUsed(2)

    def version(self) -> tuple[int, int]:
        """Of library and labels; what was computed of others is out of date."""
        return self._catalog.library.state, self._labels.version()

    def classifier(self) -> Classifier | None:
        """That of the present labels; None where there are not two classes."""
        return self._classifiers.get(self.version(), lambda: self.without(()))

    def without(self, windows: Iterable[int]) -> Classifier | None:
        """One that has not seen the labels of some windows; None where the others are not of two classes."""
        left_out = set(windows)
        examples = self._examples.get(self.version(), self._labels.examples)
        used = {number: name for number, name in examples.items() if number not in left_out}
        return self._catalog.library.train_classifier(used) if len(set(used.values())) > 1 else None

    def bouts(self, windows: VideoWindows, classifier: Classifier) -> list[Interval]:
        """The bouts that a classifier finds in a video, of which all windows are given."""
        return _bouts(windows, self._catalog.shares(classifier, windows.ids.tolist()), classifier)

    def bouts_compared(self, video: ComparedVideo, classifier: Classifier) -> list[Interval]:
        """The same of a video that is known as it is compared, by a classifier of the same state of the library."""
        return _bouts(video.windows, classifier.predict_compared(video.vectors), classifier)

    def warm(self) -> None:
        """Do ahead what else the first answer waits for: the libraries that train a classifier, and training it."""
        import sklearn.linear_model  # noqa: F401

        self.classifier()

    def labelled(self) -> dict[str, list[tuple[float, float]]]:
        """Onsets and offsets of all labels, by the path of the video."""
        return {
            video.path: [(label.start, label.end) for label in self._labels.of_video(video.first)[1]]
            for video in self._labels.videos()
        }


def called(windows: VideoWindows) -> str:
    """How intervals of a video call it, whose path may hold what no name may: by the number of its first window."""
    return str(windows.ids[0])


def _bouts(windows: VideoWindows, shares: np.ndarray, classifier: Classifier) -> list[Interval]:
    return find_bouts(called(windows), windows.starts, windows.ends, shares, classifier.classes)


def runs_of(bouts: Sequence[Interval], classes: Sequence[str]) -> Runs:
    """The bouts of one video, for its timeline."""
    columns = [(one.start, one.end, classes.index(one.label), one.confidence or 0.0) for one in bouts]
    table = np.array(columns, np.float64).reshape(-1, 4)
    return Runs(table[:, 0], table[:, 1], table[:, 2].astype(np.int64), table[:, 3])
