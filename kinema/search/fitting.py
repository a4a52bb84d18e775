"""What the motion of windows is compared by, learned from augmented copies of some of the library's own windows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import numpy as np

from kinema.common.processes import one_product_thread
from kinema.common.progress import track
from kinema.common.vectors import unit
from kinema.common.whitening import Basis, Whitening
from kinema.data.clips import clip_view, span, start_range, timeline, uniform_starts
from kinema.data.nuisance import nuisance_views
from kinema.errors import DataError, KinemaError
from kinema.search.embedder import Embedder
from kinema.search.embedding import usual_workers
from kinema.search.sampling import evenly
from kinema.search.store import Database
from kinema.video import Video

VALUES = 512
"""Of a vector that an index keeps, at most."""
WINDOWS = 64
"""Windows that basis and whitening are fitted to, at most."""
RUN = 3
"""Of them that follow one another, since to decode one is to decode most of the next."""
COPIES = 3
"""Of each of them, the window itself among them."""
LEAST = 8
"""Windows that a whitening is fitted to, at least; fewer know too little of what does not count."""
BATCH = 32
"""Clips per forward pass."""

Place = tuple[str, float]
"""A video and the second at which a window of it starts."""


def some_places(paths: Sequence[Path], embedder: Embedder) -> list[Place]:
    """Places of windows, spread evenly over videos that are not indexed yet; those that cannot be read have none."""

    def starts(path: Path) -> list[Place]:
        try:
            with Video(path, view=clip_view(embedder.clip)) as video:
                found = timeline(video)
                earliest, latest = start_range(embedder.clip, found)
                count = int(2 * (latest - earliest) / span(embedder.clip, found.fps)) + 1  # as an index cuts it
                return [(str(path), float(start)) for start in uniform_starts(embedder.clip, found, count)]
        except KinemaError:  # the index will say what is wrong with it
            return []

    with ThreadPoolExecutor(usual_workers()) as team:
        chosen = [paths[place] for place in evenly(len(paths), WINDOWS)]
        found = [place for places in team.map(starts, chosen) for place in places]
    return _runs(found)


def indexed_places(db: Database) -> list[Place]:
    """Places of windows, spread evenly over an index."""
    query = "SELECT path, start FROM windows JOIN videos ON windows.video = videos.id ORDER BY windows.id"
    found = db.execute(query).fetchall()
    return _runs(found)


def copied_features(places: Sequence[Place], embedder: Embedder, mirror: bool) -> np.ndarray:
    """Features (:data:`COPIES`, N, D) of the windows at ``places`` and of copies of them, but for those that cannot be
    read; with ``mirror`` every second one is a mirror image, so that left and right hardly count."""

    def copies(run: Sequence[tuple[int, Place]]) -> np.ndarray | None:
        number, (path, _) = run[0]
        starts = [start for _, (_, start) in run]
        try:
            with Video(path, view=clip_view(embedder.clip)) as video:
                seen = nuisance_views(video, starts, embedder.clip, COPIES, (0, number), itself=True)
        except KinemaError:
            return None
        if mirror:
            seen[:, 1::2] = seen[:, 1::2, :, :, ::-1].copy()
        return seen.reshape(-1, *seen.shape[2:])

    together = [list(same) for _, same in groupby(enumerate(places), key=lambda numbered: numbered[1][0])]
    runs = [same[first : first + RUN] for same in together for first in range(0, len(same), RUN)]
    features: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    with ThreadPoolExecutor(usual_workers()) as team:
        for seen in track(team.map(copies, runs), "learning what does not count", len(runs)):
            if seen is not None:
                waiting.append(seen)
            if sum(map(len, waiting)) >= BATCH:
                features.append(embedder.features(np.concatenate(waiting)))
                waiting = []
    if waiting:
        features.append(embedder.features(np.concatenate(waiting)))
    if not features:
        return np.zeros((COPIES, 0, 0), np.float32)
    return np.concatenate(features).reshape(-1, COPIES, features[0].shape[1]).transpose(1, 0, 2)


def _runs(found: Sequence[Place]) -> list[Place]:
    """Up to :data:`WINDOWS` of the windows of some videos, in runs that are spread evenly."""
    if len(found) <= WINDOWS:
        return list(found)
    firsts = evenly(len(found) // RUN, WINDOWS // RUN) * RUN
    return [found[first + place] for first in firsts for place in range(RUN)]


def fit_basis(features: np.ndarray, embedder: Embedder) -> Basis:
    """A basis for the vectors of an index, fitted to :func:`copied_features` of some of its videos."""
    if not features.size:
        features = embedder.features(np.zeros((1, embedder.clip.frames, *embedder.clip.size, 3), np.uint8))[None]
    with one_product_thread():
        return Basis.fit(unit(features).reshape(-1, features.shape[2]), VALUES)


def fit_whitening(features: np.ndarray, basis: Basis) -> Whitening | None:
    """A whitening of vectors in a basis, fitted to :func:`copied_features`; None of too few windows."""
    if features.shape[1] < LEAST:
        return None
    try:
        with one_product_thread():
            return Whitening.fit(unit(basis.transform(features)))
    except DataError:  # a library of still pictures
        return None
