"""Which windows labels make examples of a class: those that labels of it alone cover more than half of.

Labels that begin and end with a window, as those of hits do, decide by themselves: windows overlap, and the label of
one covers much of its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinema.search import values
from kinema.search.label_acts import Label
from kinema.search.results import Window
from kinema.search.sampling import spread_out
from kinema.search.store import Database
from kinema.search.video_windows import video_windows

LEAST = 0.5
"""The share of a window that labels of a class have to cover more than."""
EXACT = 1e-6
"""Seconds that are no difference."""
MOMENT = 1e-6
"""Seconds that a label without length counts for where it keeps a window from being doubtful."""

_NEAR = 1e-4
"""Seconds around a beginning in which all lie that are taken for it."""

Span = tuple[float, float, str]
"""Start and end in seconds, and class."""


@dataclass(frozen=True)
class LabelledWindow:
    """What a window is labelled.

    Attributes:
        classes: those that it is of, sorted.
        labels: those that begin and end with it.
    """

    classes: tuple[str, ...]
    labels: tuple[Label, ...]


def classes_of(windows: np.ndarray, labels: Sequence[Span]) -> list[tuple[str, ...]]:
    """The classes that each window is of, sorted: those of labels that begin and end with it, or, where there are none,
    those that cover more than half of it.

    Args:
        windows: (N, 2) start and end in seconds.
        labels: start, end and class of each.
    """
    if not labels:
        return [()] * len(windows)
    names = np.array([name for _, _, name in labels])
    spans = np.array([label[:2] for label in labels])
    least = LEAST * (windows[:, 1] - windows[:, 0]) + EXACT
    found: dict[int, set[str]] = {}
    for name in dict.fromkeys(names.tolist()):
        mine = spans[(names == name) & (spans[:, 1] > spans[:, 0])]
        for place in np.flatnonzero(covered(windows, mine) > least).tolist() if len(mine) else ():
            found.setdefault(place, set()).add(name)
    own: dict[tuple[float, float], set[str]] = {}
    for start, end, name in labels:
        own.setdefault(_place(start, end), set()).add(name)
    begins = np.unique(spans[:, 0])
    near = np.minimum(np.searchsorted(begins, windows[:, 0] - _NEAR), len(begins) - 1)
    for place in np.flatnonzero(np.abs(begins[near] - windows[:, 0]) <= _NEAR).tolist():
        exactly = own.get(_place(*windows[place].tolist()))
        if exactly is not None:
            found[place] = exactly
    told: list[tuple[str, ...]] = [()] * len(windows)
    for place, classes in found.items():
        told[place] = tuple(sorted(classes))
    return told


def covered(windows: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """(N,) seconds of each of the windows (N, 2) that lie within some of the spans (M, 2)."""
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.concatenate([[True], spans[1:, 0] > reach[:-1]])  # where a span begins that no earlier one touches
    starts, ends = spans[first, 0], reach[np.concatenate([first[1:], [True]])]
    lengths = np.concatenate([[0.0], np.cumsum(ends - starts)])
    edges = np.array([starts, ends]).ravel("F")
    up_to = np.array([lengths[:-1], lengths[1:]]).ravel("F")
    within = np.interp(windows.reshape(-1), edges, up_to).reshape(windows.shape)
    return within[:, 1] - within[:, 0]


def labelled(windows: Sequence[Window], labels: Sequence[Label]) -> list[LabelledWindow]:
    """What windows of one video are labelled by the labels of its content."""
    spans = np.array([(window.start, window.end) for window in windows]).reshape(-1, 2)
    names = classes_of(spans, [(label.start, label.end, label.label) for label in labels])
    exactly: dict[tuple[float, float], list[Label]] = {}
    for label in labels:
        exactly.setdefault(_place(label.start, label.end), []).append(label)
    places = (_place(window.start, window.end) for window in windows)
    return [
        LabelledWindow(classes, tuple(exactly.get(place, ()))) for classes, place in zip(names, places, strict=True)
    ]


def by_content(db: Database, numbers: Sequence[int]) -> dict[str, list[Window]]:
    """The windows with these numbers that there are, by the contents of their videos."""
    found: dict[str, list[Window]] = {}
    query = f"""SELECT sha256, windows.id, path, start, "end", strength
                FROM windows JOIN videos ON windows.video = videos.id
                WHERE windows.id {values.among(map(int, numbers))}"""
    for content, *row in db.execute(query):
        found.setdefault(values.text(content), []).append(values.window(row))
    return found


def examples(db: Database, labels: Mapping[str, Sequence[Span]]) -> dict[int, str]:
    """The windows that are of one class alone, by number, with that class.

    Args:
        db: the database of an index.
        labels: start, end and class of the labels of each content. Of copies of a video the first counts.
    """
    found: dict[int, str] = {}
    query = "SELECT path FROM videos WHERE sha256 = ? ORDER BY path LIMIT 1"
    for content, spans in labels.items():
        path = db.execute(query, (content,)).fetchone()
        if path is None:
            continue
        windows = video_windows(db, *path)
        classes = classes_of(np.stack([windows.starts, windows.ends], axis=1), spans)
        found |= {
            number: names[0] for number, names in zip(windows.ids.tolist(), classes, strict=True) if len(names) == 1
        }
    return found


def margins(shares: np.ndarray) -> np.ndarray:
    """(N,) how much likelier the best class is than the second, of probabilities (N, classes), at least two classes."""
    best = np.partition(shares, -2, axis=1)
    return best[:, -1] - best[:, -2]


def most_doubtful(
    windows: Sequence[Window], shares: np.ndarray, labelled: Mapping[str, Sequence[tuple[float, float]]], count: int
) -> list[int]:
    """Where one more label would teach a classifier most: the places among ``windows`` of those that it is least sure
    of, by the margin between their two best classes.

    They are spread over videos (:func:`~kinema.search.sampling.spread_out`), and sorted by the margin.

    Args:
        windows: of the library, in any order.
        shares: (N, classes) the probabilities that the classifier gives them.
        labelled: onset and offset in seconds of what is labelled already, by the video's path; windows that overlap it
            are passed over.
        count: how many, at most.
    """
    by_path: dict[str, list[int]] = {}
    for place, window in enumerate(windows):
        by_path.setdefault(window.path, []).append(place)
    taken = np.zeros(len(windows), bool)
    for path, parts in labelled.items():
        if parts and (places := by_path.get(path)):
            times = np.array([(windows[place].start, windows[place].end) for place in places])
            taken[places] = covered(times, np.array([(start, max(end, start + MOMENT)) for start, end in parts])) > 0
    ranked = np.argsort(margins(shares), kind="stable")
    return spread_out(ranked[~taken[ranked]].tolist(), windows, count)


def nearest_window(db: Database, path: str, at: float) -> Window:
    """The window of a video, which has some, whose middle is nearest to a second."""
    query = """SELECT windows.id, path, start, "end", strength FROM windows JOIN videos ON windows.video = videos.id
               WHERE path = ? ORDER BY abs((start + "end") / 2 - ?), start LIMIT 1"""
    return values.window(db.execute(query, (path, at)).fetchone())


def _place(start: float, end: float) -> tuple[float, float]:
    """What a window and the labels that begin and end with it have in common."""
    return round(start, 5), round(end, 5)
