"""What the library holds, in the page's words: videos by number and short name, folders, the map."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.addresses import shown
from kinema.common.processes import one_product_thread
from kinema.errors import ConfigError, DataError, KinemaError
from kinema.search import Answer, Classifier, Filters, Hit, IndexedVideo, Library, Window
from kinema.search.labelled_videos import short_name
from kinema.search.sampling import evenly, spread_out
from kinema.serve import media
from kinema.serve.cache import Cache
from kinema.serve.guard import real_file
from kinema.serve.listing import Listing

MAP_POINTS = 3000
"""Windows that the map shows, at most."""
PRINCIPAL = 50
"""Principal components that the map is drawn from."""
AT_A_TIME = 2_000
"""Windows that are classified at a time: few enough to stay in a processor's cache."""
CLASSIFIED = 200_000
"""Windows that a classifier's predictions are counted over, at most."""
SAMPLES = 8
"""Videos that the page offers to begin with."""
SURE = 12
"""Windows of each class, the surest, that are shown."""


class Catalog:
    """A library as the page shows it. Videos are called by the number of their first window: no request names a path.

    Args:
        library: may grow meanwhile.
        cache: where the map is kept.
    """

    def __init__(self, library: Library, cache: Cache):
        self.library = library
        self._cache = cache
        self._listing = Listing(library)
        self._mapping = threading.Lock()  # drawing it takes seconds, once

    def name(self, path: str) -> str:
        """A video's path below its indexed folder, which comes first where there are several."""
        return short_name(path, self._listing.seen().roots)  # for thousands at a time, so as last seen

    def file(self, path: str) -> Path:
        """Where an indexed video lies.

        Raises:
            DataError: it is gone, or outside of the indexed folders.
        """
        return real_file(path, self._listing.roots(self.library.state) or self._listing.now().roots)

    def about(self) -> dict[str, Any]:
        """What the page has to know of the library."""
        now = self._listing.now()
        strengths = [window.strength for window in self.library.sample(2000)]
        return {
            "name": self.library.name,
            "videos": len(now.readable),
            "windows": sum(video.windows for _, video in now.readable),
            "folders": list(now.folders),
            "mirror": self.library.mirror,
            "samples": [_listed(*now.readable[place]) for place in evenly(len(now.readable), SAMPLES)],
            "strongest": float(np.quantile(strengths, 0.99)) if strengths else 0.0,
            "problems": [{"name": self.name(video.path), "error": video.error} for video in now.videos if video.error],
        }

    def videos(self, text: str, offset: int, count: int) -> dict[str, Any]:
        """A page of the videos whose name contains ``text``, whatever its case."""
        found = [(name, video) for name, video in self._listing.now().readable if text.lower() in name.lower()]
        return {"total": len(found), "videos": [_listed(*one) for one in found[offset : offset + count]]}

    def filters(self, asked: Mapping[str, Any]) -> Filters:
        """The filters that the page sends.

        Raises:
            ConfigError: there is no such folder, or a number is none.
        """
        folder, pattern = str(asked.get("folder") or ""), None
        if folder:
            if folder not in self._listing.now().folders:
                raise ConfigError("there is no such folder in the library; choose one of the list")
            whole = shown(self._listing.now().folders[folder])
            pattern = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in whole) + "/*"
        numbers = {name: asked.get(name) for name in ("after", "before", "min_strength", "max_strength")}
        if not all(value is None or type(value) in (int, float) for value in numbers.values()):
            raise ConfigError("a filter is a number; clear it or write one")
        return Filters(pattern, **numbers)

    def length(self, window: Window) -> float:
        """Seconds of a window's video; as far as the index knows it where it cannot be read."""
        try:
            return media.footage(self.file(window.path)).duration
        except KinemaError:
            return float(self.library.video_windows(window.path).ends.max())

    def hit(self, answer: Answer, hit: Hit) -> dict[str, Any]:
        """A hit for the page; ``gone`` says why its video cannot be shown, if so."""
        return {
            **self.window(hit.window),
            "score": round(hit.score, 4),
            "outstanding": round(answer.outstanding(hit), 1),
            "start": hit.start,
            "end": hit.end,
        }

    def window(self, window: Window) -> dict[str, Any]:
        """A window for the page."""
        try:
            self.file(window.path)
            gone = ""
        except DataError as error:
            gone = str(error)
        return {
            "id": window.id,
            "name": self.name(window.path),
            "start": window.start,
            "end": window.end,
            "strength": round(window.strength, 4),
            "gone": gone,
        }

    def map(self) -> dict[str, Any]:
        """The library in two dimensions: `points`, each a window, x and y from 0 to 1, and motion strength."""
        with self._mapping:
            return json.loads(self._cache.get(("map", MAP_POINTS, self.library.state), self._draw_map))

    def _draw_map(self) -> bytes:
        windows = self.library.sample(MAP_POINTS)
        places = project(self.library.vectors([window.id for window in windows]))
        points = [
            [window.id, round(x, 4), round(y, 4), round(window.strength, 3)]
            for window, (x, y) in zip(windows, places.tolist(), strict=True)
        ]
        return json.dumps({"points": points, "total": self.library.count()}).encode()

    def classified(self, classifier: Classifier) -> dict[str, Any]:
        """What a classifier says of the library: how many windows of each class, the surest, and the map's points."""
        windows = self.library.sample(CLASSIFIED)
        shares = self.shares(classifier, [window.id for window in windows])
        best, surely = shares.argmax(1), shares.max(1)
        classes = []
        for number, name in enumerate(classifier.classes):
            of_class = np.flatnonzero(best == number)
            ranked = of_class[np.argsort(-surely[of_class], kind="stable")].tolist()
            surest = [
                {**self.window(windows[n]), "share": round(float(surely[n]), 3)}
                for n in spread_out(ranked, windows, SURE)
            ]
            classes.append({"name": name, "windows": len(of_class), "surest": surest})
        points = self.library.sample(MAP_POINTS)
        predicted = {
            window.id: [int(share.argmax()), round(float(share.max()), 3)]
            for window, share in zip(points, self.shares(classifier, [window.id for window in points]), strict=True)
        }
        return {"classes": classes, "windows": len(windows), "predicted": predicted}

    def shares(self, classifier: Classifier, ids: Sequence[int]) -> np.ndarray:
        """(N, classes) probabilities of windows, by their numbers."""
        parts = [ids[at : at + AT_A_TIME] for at in range(0, len(ids), AT_A_TIME)]
        with one_product_thread():
            shares = [classifier.predict(self.library.vectors(part)) for part in parts]
        return np.concatenate([np.zeros((0, len(classifier.classes)), np.float32), *shares])


def _listed(name: str, video: IndexedVideo) -> dict[str, Any]:
    return {"id": video.first, "name": name}


def project(vectors: np.ndarray) -> np.ndarray:
    """Places (N, 2) from 0 to 1 of vectors (N, D) of length 1, neighbours close together: t-SNE.

    It begins with the two principal components and with no chance in it: the same vectors give the same map.
    """
    if len(vectors) < 4:
        return np.stack([np.linspace(0, 1, len(vectors) + 2)[1:-1], np.full(len(vectors), 0.5)], axis=1)
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    centred = vectors - vectors.mean(0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    main = centred @ axes[:, -1 : -PRINCIPAL - 1 : -1]
    first = 1e-4 * main[:, :2] / max(float(main[:, 0].std()), 1e-9)
    with threadpool_limits(1):  # else its threads wait for each other on a busy machine
        method = TSNE(perplexity=min(30, (len(vectors) - 1) / 3), init=first, max_iter=500, random_state=0, n_jobs=1)
        places = method.fit_transform(main)
    low, high = places.min(0), places.max(0)
    return (places - low) / np.maximum(high - low, 1e-9)
