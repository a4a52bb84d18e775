"""What a search is asked with, and what is to be said beside its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from kinema.boxes.box import MOTION
from kinema.common.addresses import resolved, shown
from kinema.common.clock import clock
from kinema.common.storage import exists
from kinema.config import ClipConfig
from kinema.errors import ConfigError
from kinema.search.results import By, EmbeddedQuery, Hit, Query, Window

if TYPE_CHECKING:
    from kinema.search.embedder import Embedder
    from kinema.search.windows import WindowReader

WAYS: tuple[By, ...] = get_args(By)
BATCH = 8
"""Windows of a query per forward pass: few, so that there is progress to tell."""
STILL = 0.01
"""Widths per second; a query that moves less has next to no motion to search by."""


def embed_clip(
    clip: str | Path,
    start: float | None,
    end: float | None,
    embedder: Embedder,
    reader: WindowReader,
    progress: Callable[[float], None] | None = None,
) -> EmbeddedQuery:
    """Read a clip, or the part of it from ``start`` to ``end`` seconds, and give it the vectors that searches compare.

    Args:
        clip: a video file.
        start: seconds; None for the beginning.
        end: seconds; None for the end.
        embedder: gives windows their vectors.
        reader: cuts the clip into windows.
        progress: told now and then up to which second the file has been read.

    Raises:
        ConfigError: the part is empty.
        VideoError: the clip cannot be read.
    """
    start, end = bounds(start, end)
    kept: dict[By, list[np.ndarray]] = {way: [] for way in WAYS}
    strengths: list[float] = []
    last = 0.0
    seen = reader.read(clip, start, end)
    while batch := embedder(list(islice(seen, BATCH))):
        for way in WAYS:
            kept[way] += [getattr(window, way) for window in batch]
        strengths += [window.strength for window in batch]
        last = batch[-1].end
        if progress is not None:
            progress(last)
    if not strengths:
        raise ConfigError(f"{shown(clip)} ends before {clock(start)}: start earlier")
    query = Query(shown(resolved(clip)), start, last, float(np.mean(strengths)), len(strengths))
    return EmbeddedQuery(query, {way: np.stack(kept[way]) for way in WAYS})


def query_clip(clip: ClipConfig, path: str | Path) -> ClipConfig:
    """How a query is cut: as the library is, but around what moves where files of boxes have none of it."""
    from kinema.boxes.files import open_tracks

    if clip.crop in (None, MOTION) or open_tracks(clip.crop).name_of(resolved(path)) is not None:
        return clip
    return replace(clip, crop=MOTION)


def bounds(start: float | None, end: float | None) -> tuple[float, float]:
    """Start and end of a part in seconds, where None leaves a side open.

    Raises:
        ConfigError: the part is empty.
    """
    first, last = start or 0.0, float("inf") if end is None else end
    if not 0 <= first < last:
        raise ConfigError(f"the part from {clock(first)} to {clock(last)} is empty: let the end come after the start")
    return first, last


def part_of(windows: Sequence[Window], start: float, end: float) -> list[Window]:
    """Those of a video's windows of which more than half lies in a part of it; else the one of which most does.

    Raises:
        ConfigError: the part begins after the last window.
    """
    shared = [min(window.end, end) - max(window.start, start) for window in windows]
    if max(shared) <= 0:
        raise ConfigError(f"{windows[0].path} ends before {clock(start)}: start earlier")
    chosen = [w for w, common in zip(windows, shared, strict=True) if common > 0.5 * (w.end - w.start) + 1e-6]
    return chosen or [windows[int(np.argmax(shared))]]


def warnings_about(query: Query, by: By, hits: Sequence[Hit], top: int, own: bool) -> tuple[str, ...]:
    """What should be known beside the hits: a query without motion, files that are gone, fewer hits than asked for.

    Args:
        query: what was asked for.
        by: what was compared.
        hits: what was found.
        top: how many hits were asked for.
        own: whether there are windows of the query's own video that the filters allow, and that were left out.
    """
    said = []
    if by == "motion" and query.strength < STILL:
        said.append(
            f"next to nothing moves in {query.path} ({query.strength:.3f} widths per second), so that its motion "
            "says little; choose a part that moves, or search by appearance"
        )
    gone = sorted(path for path in {hit.path for hit in hits} if _gone(path))
    if gone:
        said.append(
            f"{gone[0]} {f'and {len(gone) - 1} other hits are' if gone[1:] else 'is'} no longer there; run "
            "`kinema index` again"
        )
    if own and not hits:
        said.append(
            f"{query.path} itself, and copies of it, are all that the search allows; ask for a part of it, and for "
            "other places in it (--own)"
        )
    elif not hits:
        said.append("the library has nothing that the search allows; widen its filters, or index more videos")
    elif len(hits) < top:
        said.append(f"the library has only {len(hits)} places that the search allows")
    return tuple(said)


def _gone(path: str) -> bool:
    try:
        return not exists(path)
    except OSError:  # of a storage that does not say; the answer is there without it
        return False
