"""What a library answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kinema.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

By = Literal["motion", "appearance"]
"""What is compared: how things move, or what they look like."""

DOUBTFUL = 2.0
"""Spreads above what is typical of the library, below which a hit may be no more than the nearest of many."""
MOST = 1e12
"""Seconds, or widths per second, that a filter names at most."""


@dataclass(frozen=True)
class Window:
    """A stretch of an indexed video.

    Attributes:
        id: its number in the library; never given to another one.
        path: the video, absolute.
        start: seconds from the video's first frame.
        end: seconds.
        strength: how much moves: the mean length of the flow, in widths of the frame per second.
    """

    id: int
    path: str
    start: float
    end: float
    strength: float


@dataclass(frozen=True)
class Hit:
    """A place that was found: a window, and those beside it that overlap it and were found too.

    Attributes:
        score: cosine of the best window with the query, -1 to 1.
        start: seconds; of the earliest window.
        end: seconds; of the latest window.
        window: the best window.
    """

    score: float
    start: float
    end: float
    window: Window

    @property
    def path(self) -> str:
        """The video, absolute."""
        return self.window.path


@dataclass(frozen=True)
class Query:
    """What was asked for.

    Attributes:
        path: the video.
        start: seconds.
        end: seconds.
        strength: as of a :class:`Window`; the mean over the query's windows.
        windows: how many windows it was cut into; their unit vectors are averaged.
    """

    path: str
    start: float
    end: float
    strength: float
    windows: int


@dataclass(frozen=True)
class EmbeddedQuery:
    """A query that has been read, to be searched with as often as wanted.

    Attributes:
        query: what was asked for.
        vectors: (Q, D) float32 of length 1 for each way to compare: those of the query's windows.
    """

    query: Query
    vectors: Mapping[By, np.ndarray]


@dataclass(frozen=True)
class Answer:
    """What a search found.

    Attributes:
        query: what was asked for.
        by: what was compared.
        hits: best first.
        warnings: sentences for the user, such as that nothing moves in the query.
        seconds: from the query's vector to the hits; reading and embedding the query is not in it.
        typical: the median score in the library, of stretches as long as the query.
        spread: 1.4826 times the median distance of scores from it, which of a normal distribution is the standard
            deviation.
    """

    query: Query
    by: By
    hits: tuple[Hit, ...]
    warnings: tuple[str, ...]
    seconds: float
    typical: float
    spread: float

    def outstanding(self, hit: Hit) -> float:
        """By how many times the spread a hit is above what is typical of the library."""
        return (hit.score - self.typical) / self.spread

    @property
    def notes(self) -> tuple[str, ...]:
        """The warnings, and whether even the best hit is doubtful."""
        if not self.hits or self.outstanding(self.hits[0]) >= DOUBTFUL:
            return self.warnings
        doubt = f"nothing stands out of the library by {self.by}: these are the nearest, and may be unlike the query"
        return *self.warnings, doubt


@dataclass(frozen=True)
class Filters:
    """Which windows may be found; None leaves a side open.

    Attributes:
        path: pattern with ``*`` and ``?`` for the video's absolute path, such as ``*/2024/*.mp4``.
        after: windows that start at this second of their video or later.
        before: windows that end at this second of their video or earlier.
        min_strength: widths per second; windows that move at least so much.
        max_strength: widths per second.

    Raises:
        ConfigError: a number is none.
    """

    path: str | None = None
    after: float | None = None
    before: float | None = None
    min_strength: float | None = None
    max_strength: float | None = None

    def __post_init__(self) -> None:
        for name in ("after", "before", "min_strength", "max_strength"):
            value = getattr(self, name)
            if value is not None and not -MOST <= value <= MOST:
                raise ConfigError(f"the filter {name} is no number that a video can have; write another or none")


@dataclass(frozen=True)
class IndexedVideo:
    """A video of the library.

    Attributes:
        path: absolute.
        windows: how many there are of it.
        error: why it cannot be read, or what of it is missing; empty if all is well.
        first: the number of a window of it; None if there is none.
    """

    path: str
    windows: int
    error: str = ""
    first: int | None = None


@dataclass(frozen=True)
class Added:
    """What :meth:`~kinema.search.Library.add` did with a folder.

    Attributes:
        new: videos indexed for the first time.
        changed: videos whose content is another than before.
        moved: videos that lie elsewhere than before, recognised by their content.
        deleted: videos that are gone.
        unchanged: videos that are as before.
        problems: the folder's videos that cannot be read, or not to their end, and why.
        windows: windows embedded now.
        seconds: wall time.
        waiting: seconds of it spent waiting for frames.
        whitened: whether the library's windows are enough to learn from what does not count between them.
        remade: files of the approximate index that were damaged or gone, and were made anew.
    """

    new: int
    changed: int
    moved: int
    deleted: int
    unchanged: int
    problems: tuple[IndexedVideo, ...]
    windows: int
    seconds: float
    waiting: float
    whitened: bool
    remade: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = ("new", "changed", "moved", "deleted", "unchanged")
        said = ", ".join(f"{getattr(self, name)} {name}" for name in counts)
        return f"{said}; {self.windows} windows embedded in {self.seconds:.1f} s"
