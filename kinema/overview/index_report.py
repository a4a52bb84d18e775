"""A report of an index as one HTML file: what it holds, what each class looks like, and when it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from kinema.annotations.budgets import Budget, budgets
from kinema.annotations.interval import by_file
from kinema.common.addresses import address_of
from kinema.common.clock import clock
from kinema.common.progress import track
from kinema.config import overlaid
from kinema.config.requests import ExamplesConfig
from kinema.errors import ConfigError
from kinema.overview.ethogram import Activity, ethogram
from kinema.overview.examples import Examples
from kinema.overview.labelled import LabelledFiles
from kinema.report.pages import MovingPicture, shown, write_page
from kinema.search.about import get_about
from kinema.search.connection import snapshot
from kinema.search.labelled_videos import naming_roots, short_name
from kinema.search.library import Library
from kinema.search.video_windows import by_video

SHORT_SIDE = 80
"""Pixels of moving pictures."""
SHOWN_CLASSES = 100
"""Classes that have moving pictures; the table has all."""
SHOWN_VIDEOS = 1000
"""Videos that have an ethogram."""
OPEN, A_PAGE = 10, 50
"""Videos whose ethograms are open at first, and how many others open together."""
LISTED = 1000
"""Damaged videos that are named."""


class ClassRow(NamedTuple):
    """A class on the page: how much time goes into it, its colour, and examples, each with what is said of it."""

    budget: Budget
    colour: str
    pictures: Sequence[tuple[MovingPicture, str]]


@dataclass(frozen=True)
class Reported:
    """What a report says in short.

    Attributes:
        path: the page.
        videos: with windows.
        seconds: how long they are together, as far as their windows go.
        windows: how many there are.
        budgets: of each class.
        notes: sentences on what was left out.
    """

    path: Path
    videos: int
    seconds: float
    windows: int
    budgets: tuple[Budget, ...]
    notes: tuple[str, ...]


def write_index_report(
    index: str | Path,
    labelled: LabelledFiles,
    out: str | Path,
    config: ExamplesConfig | None = None,
    **settings: Any,
) -> Reported:
    """Write the report; nothing in it is fetched from anywhere.

    Args:
        index: folder of the index.
        labelled: labels of its videos, as :func:`~kinema.overview.labelled.labels_in_index` gives them; there may be
            none.
        out: HTML file to write.
        config: which labels are shown; None for the defaults.
        settings: fields of :class:`~kinema.config.requests.ExamplesConfig` by name, in place of those of ``config``.

    Raises:
        ConfigError: the name of ``out`` is not that of a page.
        DataError: there is no index, or it is damaged.
        OutputError: the page cannot be written.
    """
    if Path(out).suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{out} is to be a page: give it a name that ends in .html")
    library = Library(index)
    known = library.videos()
    with snapshot(library.path) as db:
        activities = sorted(starmap(Activity.of, by_video(db)), key=lambda one: (-one.mean, one.path))
        encoder = get_about(db, "encoder", str) or ""
    seconds = sum(one.seconds for one in activities)
    table = budgets(labelled.intervals, seconds, labelled.colours)
    examples = Examples(labelled, overlaid("report", config or ExamplesConfig(), settings), SHORT_SIDE)
    classes = _classes(labelled, table, examples)
    files = by_file(labelled.intervals)
    named = {path: name for name, path in labelled.paths.items()}
    roots = naming_roots(library.roots, [video.path for video in known])
    drawn = _most_telling(activities, set(named))
    top = _top(activities)
    notes = [*labelled.notes, *(f"passed over: {said}" for said in examples.broken.values())]
    damaged = [(short_name(video.path, roots), video.error) for video in known if video.error]
    gone = [short_name(one.path, roots) for one in activities if address_of(one.path) is None
            and not Path(one.path).exists()]  # fmt: skip
    figures = []
    for one in drawn:
        name = short_name(one.path, roots)
        figures.append((name, one, ethogram(name, one, files.get(named.get(one.path, ""), ()), labelled.colours, top)))
    windows = sum(one.windows for one in activities)
    path = write_page(
        out,
        "index.html.j2",
        title=library.name,
        encoder=Path(encoder).name,
        windowing=library.windowing,
        videos=len(activities),
        seconds=seconds,
        windows=windows,
        labels=len(labelled.intervals),
        labelled_videos=len(files),
        classes=classes,
        shown_classes=SHOWN_CLASSES,
        groups=_groups(figures),
        drawn=len(drawn),
        damaged=damaged[:LISTED],
        damaged_in_all=len(damaged),
        gone=gone[:LISTED],
        gone_in_all=len(gone),
        notes=notes,
        clock=clock,
    )
    return Reported(path, len(activities), seconds, windows, tuple(table), tuple(notes))


def _classes(labelled: LabelledFiles, table: Sequence[Budget], examples: Examples) -> list[ClassRow]:
    """The classes, those first that take the most time."""
    rows = []
    ordered = sorted(table, key=lambda one: (-one.seconds, -one.bouts, one.label))
    for place, budget in enumerate(track(ordered, "Looking at classes")):
        found = examples.of(budget.label) if place < SHOWN_CLASSES else []
        pictures = []
        for one in found:
            said = f"{one.interval.file}, {clock(one.interval.start)} to {clock(one.interval.end)}"
            sure = "" if one.interval.confidence is None else f", confidence {one.interval.confidence:.2f}"
            pictures.append((shown(one.frames), said + sure))
        rows.append(ClassRow(budget, labelled.colours[budget.label], pictures))
    return rows


def _most_telling(activities: Sequence[Activity], labelled: set[str]) -> list[Activity]:
    """The videos that are drawn, in their order: where there are too many, labelled ones rather than others."""
    first = sorted(range(len(activities)), key=lambda place: activities[place].path not in labelled)
    return [activities[place] for place in sorted(first[:SHOWN_VIDEOS])]


def _top(activities: Sequence[Activity]) -> float:
    """The motion strength at the top of all lines, so that videos compare: few parts of videos are above it."""
    if not activities:
        return 1.0
    values = np.concatenate([one.line for one in activities])
    return max(float(np.nanquantile(values, 0.995)), 1e-3)


def _groups(figures: Sequence[tuple[str, Activity, Markup]]) -> list[Sequence[tuple[str, Activity, Markup]]]:
    """The ethograms that are open, and those that open together."""
    edges = [0, *range(OPEN, len(figures), A_PAGE), len(figures)]
    return [figures[first:stop] for first, stop in pairwise(edges) if stop > first]
