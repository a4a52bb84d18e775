"""The timeline of a video, over HTTP: summaries of a stretch of it at the level of zoom, and where to label next."""

from __future__ import annotations

from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kinema.common.last_used import LastUsed
from kinema.errors import ConfigError, KinemaError
from kinema.search import EmbeddedQuery, Window
from kinema.search.labelled_windows import margins, most_doubtful
from kinema.search.video_windows import ComparedVideo, VideoWindows
from kinema.serve import media
from kinema.serve import requests as read
from kinema.serve.catalog import Catalog
from kinema.serve.predictions import Predictions, runs_of
from kinema.serve.responses import Json
from kinema.serve.searching import Searching
from kinema.serve.summaries import Runs, summary, visible

KEPT = 16
"""Videos of which what was computed is kept."""
MOST_BINS = 4096
"""Bins of a summary, at most: more than a screen has pixels side by side, with what lies beside it."""
ASKED = 20_000
"""Windows of the library that are asked for doubt, at most: drawn evenly."""
NEXT = 24
"""Doubtful places that are named at a time."""


class Timeline:
    """What the page draws below a video's player.

    Args:
        catalog: the library.
        searching: knows the queries that were embedded.
        predictions: what the classifier of the present labels says.
    """

    def __init__(self, catalog: Catalog, searching: Searching, predictions: Predictions):
        self._catalog, self._searching, self._predictions = catalog, searching, predictions
        self._windows: LastUsed[VideoWindows] = LastUsed(KEPT)
        self._compared: LastUsed[ComparedVideo] = LastUsed(1)  # of hours they take tens of MB
        self._similarities: LastUsed[tuple[VideoWindows, np.ndarray]] = LastUsed(KEPT)
        self._runs: LastUsed[tuple[tuple[str, ...], Runs]] = LastUsed(KEPT)
        self._doubtful: LastUsed[list[dict[str, Any]]] = LastUsed(2)

    def routes(self) -> list[Route]:
        """What can be asked for."""
        return [
            Route("/api/timeline/{number:digits}", self._about, methods=["GET"]),
            Route("/api/timeline/{number:digits}/strength", self._strength, methods=["GET"]),
            Route("/api/timeline/{number:digits}/similarity", self._similarity, methods=["GET"]),
            Route("/api/timeline/{number:digits}/predicted", self._predicted, methods=["GET"]),
            Route("/api/doubtful", self._next, methods=["GET"]),
        ]

    def _about(self, request: Request) -> Response:
        window = self._catalog.library.window(read.window(request))
        windows = self._windows_of(window)
        first = self._catalog.library.window(int(windows.ids[0]))
        told = {**self._catalog.window(first), "fps": 0.0, "windows": len(windows), "whole": False}
        told["duration"] = float(windows.ends.max())
        try:
            path = self._catalog.file(window.path)
            footage = media.footage(path)
            told |= {"duration": footage.duration, "fps": footage.fps, "whole": path.is_file()}
        except KinemaError as error:
            told["gone"] = told["gone"] or str(error).replace(window.path, told["name"])
        return Json(told)

    def _strength(self, request: Request) -> Response:
        window = self._catalog.library.window(read.window(request))
        windows, (start, end, bins) = self._windows_of(window), _stretch(request)
        strongest = float(np.quantile(windows.strengths, 0.995))
        return Json({**summary(windows, windows.strengths, start, end, bins), "most": round(strongest, 4)})

    def _similarity(self, request: Request) -> Response:
        window, (start, end, bins) = self._catalog.library.window(read.window(request)), _stretch(request)
        key, query = self._searching.known(request.query_params)
        held = (self._catalog.library.state, window.path, key)
        similar = self._similarities.get(held, lambda: self._similar(window, query))
        return Json(summary(*similar, start, end, bins))

    def _predicted(self, request: Request) -> Response:
        window, (start, end, bins) = self._catalog.library.window(read.window(request)), _stretch(request)
        version = self._predictions.version()
        names, runs = self._runs.get((window.path, version), lambda: self._runs_of(window))
        return Json({"names": names, "bouts": visible(runs, start, end, bins), "version": version[1]})

    def _next(self, request: Request) -> Response:
        return Json({"places": self._doubtful.get(self._predictions.version(), self._doubted)})

    # what is kept

    def _windows_of(self, window: Window) -> VideoWindows:
        key = self._catalog.library.state, window.path
        return self._windows.get(key, lambda: self._catalog.library.video_windows(window.path))

    def _compared_of(self, window: Window) -> ComparedVideo:
        key = self._catalog.library.state, window.path
        return self._compared.get(key, lambda: self._catalog.library.compared_video(window.path))

    def _similar(self, window: Window, query: EmbeddedQuery) -> tuple[VideoWindows, np.ndarray]:
        video = self._compared_of(window)
        return video.windows, self._catalog.library.outstanding(query, video)

    def _runs_of(self, window: Window) -> tuple[tuple[str, ...], Runs]:
        classifier = self._predictions.classifier()
        if classifier is None:
            none = np.zeros(0)
            return (), Runs(none, none, none.astype(np.int64), none)
        return classifier.classes, runs_of(
            self._predictions.bouts_compared(self._compared_of(window), classifier), classifier.classes
        )

    def _doubted(self) -> list[dict[str, Any]]:
        classifier = self._predictions.classifier()
        if classifier is None:
            raise ConfigError("what is doubtful a classifier says: label a few places with two or more names first")
        windows = self._catalog.library.sample(ASKED)
        shares = self._catalog.shares(classifier, [window.id for window in windows])
        chosen = most_doubtful(windows, shares, self._predictions.labelled(), NEXT)
        places = []
        for place, margin in zip(chosen, margins(shares[chosen]).tolist(), strict=True):
            second, first = np.argsort(shares[place], kind="stable")[-2:].tolist()
            between = [classifier.classes[first], classifier.classes[second]]
            places.append({**self._catalog.window(windows[place]), "between": between, "margin": round(margin, 4)})
        return places


def _stretch(request: Request) -> tuple[float, float, int]:
    """From which second to which, in how many bins.

    Raises:
        ConfigError: the stretch is empty, or there are no bins or too many.
    """
    asked = request.query_params
    start, end = read.number(asked.get("from", 0), "beginning"), read.number(asked.get("to"), "end")
    bins = int(read.number(asked.get("bins"), "number of bins"))
    if end <= start:
        raise ConfigError("the stretch is empty; let its end come after its beginning")
    if not 1 <= bins <= MOST_BINS:
        raise ConfigError(f"a summary has 1 to {MOST_BINS} bins; ask for as many as there is room for")
    return start, end, bins
