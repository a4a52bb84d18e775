"""How time is spent, by hand-made labels and by predicted bouts, and how far the two agree; over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kinema.annotations.agreement import compare
from kinema.annotations.bouts import BACKGROUND
from kinema.annotations.budgets import budgets
from kinema.annotations.interval import Interval
from kinema.common.last_used import LastUsed
from kinema.search import Labels
from kinema.search.sampling import evenly
from kinema.search.video_windows import VideoWindows
from kinema.serve import requests as read
from kinema.serve.catalog import CLASSIFIED, Catalog
from kinema.serve.predictions import Predictions, called
from kinema.serve.responses import Json

PARTS = 5
"""Parts of the labelled videos, each of which is predicted by what the labels of the others teach."""


class Budgets:
    """What becomes of the time of a video, and of the library.

    Args:
        catalog: the library.
        labels: what people have said.
        predictions: what the classifier says.
    """

    def __init__(self, catalog: Catalog, labels: Labels, predictions: Predictions):
        self._catalog, self._labels, self._predictions = catalog, labels, predictions
        self._kept: LastUsed[dict[str, Any]] = LastUsed(16)

    def routes(self) -> list[Route]:
        """What can be asked for."""
        return [
            Route("/api/timeline/{number:digits}/budget", self._video, methods=["GET"]),
            Route("/api/budget", self._library, methods=["GET"]),
        ]

    def _video(self, request: Request) -> Response:
        window = self._catalog.library.window(read.window(request))
        key = self._predictions.version(), window.path
        return Json(self._kept.get(key, lambda: self._told([window.path], [window.path])))

    def _library(self, request: Request) -> Response:
        key = self._predictions.version(), ""
        return Json(self._kept.get(key, self._of_library))

    def _of_library(self) -> dict[str, Any]:
        videos = [video for video in self._catalog.library.videos() if video.windows]
        windows = sum(video.windows for video in videos)
        most = len(videos) if windows <= CLASSIFIED else max(1, len(videos) * CLASSIFIED // windows)
        drawn = [videos[place].path for place in evenly(len(videos), most).tolist()]
        labelled = self._predictions.labelled()
        return self._told(sorted({*drawn, *labelled}), sorted(labelled))

    def _told(self, paths: Sequence[str], labelled: Sequence[str]) -> dict[str, Any]:
        """The budgets of some videos, and the agreement on those of them that are labelled."""
        hand: dict[str, list[Interval]] = {}
        found: list[Interval] = []
        lengths: dict[str, float] = {}
        seconds = 0.0
        classifier = self._predictions.classifier()
        for path in paths:
            windows = self._catalog.library.video_windows(path)
            if not len(windows):  # it has gone meanwhile
                continue
            seconds += lengths.setdefault(path, float(windows.ends[-1]))
            hand[path] = self._hand(windows)
            if classifier is not None:
                found += self._predictions.bouts(windows, classifier)
        made = [one for intervals in hand.values() for one in intervals]
        names = sorted({one.label for one in (*made, *found)} | set(classifier.classes if classifier else ()))
        return {
            "videos": len(hand),
            "seconds": round(seconds, 3),
            "hand": _rows(made, sum(lengths[path] for path, intervals in hand.items() if intervals), names),
            "predicted": _rows(found, seconds, names) if classifier else None,
            "agreement": self._agreement({path: hand[path] for path in labelled if hand.get(path)}),
        }

    def _hand(self, windows: VideoWindows) -> list[Interval]:
        labels = self._labels.of_video(int(windows.ids[0]))[1]
        return [Interval(called(windows), one.start, one.end, one.label, one.subject) for one in labels]

    def _agreement(self, hand: dict[str, list[Interval]]) -> dict[str, Any] | None:
        """How bouts agree with the labels of each video, from its first label to its last.

        Each part of the videos is predicted by a classifier that has not seen their labels, where the others' suffice.
        """
        if self._predictions.classifier() is None or not hand:
            return None
        paths = list(hand)
        ours: list[Interval] = []
        theirs: list[Interval] = []
        lengths: dict[str, float] = {}
        learned = 0
        for part in range(min(PARTS, len(paths))):
            mine = paths[part::PARTS]
            windows = {path: self._catalog.library.video_windows(path) for path in mine}
            classifier = self._predictions.without(one for path in mine for one in windows[path].ids.tolist())
            learned += len(mine) * (classifier is None)
            classifier = classifier or self._predictions.classifier()
            assert classifier is not None
            for path in mine:
                start, end = min(one.start for one in hand[path]), max(one.end for one in hand[path])
                ours += _within(hand[path], start, end)
                theirs += _within(self._predictions.bouts(windows[path], classifier), start, end)
                lengths[called(windows[path])] = end - start
        found = compare(ours, theirs, lengths)
        told = found.to_dict()
        return {name: told[name] for name in ("kappa", "frame_f1", "bout_f1", "videos", "seconds", "classes")} | {
            "learned": learned
        }


def _rows(intervals: Sequence[Interval], seconds: float, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"name": one.label, "seconds": one.seconds, "share": one.share, "bouts": one.bouts, "mean": one.mean}
        for one in budgets(intervals, seconds, names)
    ]


def _within(intervals: Iterable[Interval], start: float, end: float) -> list[Interval]:
    """What of intervals lies between two times, which count from the first; what is none of the classes is left out."""
    return [
        Interval(one.file, max(one.start, start) - start, min(one.end, end) - start, one.label)
        for one in intervals
        if one.start <= end and one.end >= start and one.label != BACKGROUND
    ]
