"""From probabilities of windows to bouts: stretches of time with a class.

Windows overlap, so their probabilities are averaged onto a time axis of equal bins first. Bins are smoothed; a class is
entered at one probability and left below a lower one (a Schmitt trigger), so that what hovers does not flicker; short
gaps are closed, short bouts dropped, and gaps that this opens closed again. At most one class is on at a time.

Everything is done as windows come, with a bounded delay, and by additions in an order that does not depend on how many
come at once: a stream has to the bit the bouts that the same windows have as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from kinema.annotations.interval import Interval
from kinema.annotations.time_axis import TimeAxis
from kinema.config import BoutConfig
from kinema.errors import DataError

BACKGROUND = "background"
"""The class of what is none of the others; it has no bouts."""
MOST_BINS = 1_000_000
"""Of a window; one that has more lasts for days, or is damaged."""
ROUNDING = 1e-9
"""Seconds by which sums of steps may miss what they are compared with."""


class BoutFinder:
    """The bouts of one video, while its windows come.

    Args:
        file: the video, as intervals name it.
        classes: of the probabilities, in their order; :data:`BACKGROUND` may be among them.
        config: how bouts are made.
    """

    def __init__(self, file: str, classes: Sequence[str], config: BoutConfig | None = None):
        self._file, self._classes = file, tuple(classes)
        self._config = config or BoutConfig()
        self._half = round(self._config.smooth / self._config.step) // 2
        self._restart()

    def add(self, starts: np.ndarray, ends: np.ndarray, shares: np.ndarray) -> list[Interval]:
        """Take further windows; return the bouts that nothing later can change.

        Args:
            starts: (N,) seconds, in the order of time, none before those of earlier calls.
            ends: (N,) seconds.
            shares: (N, classes) probabilities.

        Raises:
            DataError: a window is far too long for such small steps.
            ValueError: windows are not in the order of time.
        """
        starts, ends = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
        if not len(starts):
            return []
        if starts[0] < self._latest or (np.diff(starts) < 0).any():
            raise ValueError("windows must come in the order of time")
        step = self._config.step
        if (ends - starts).max() > MOST_BINS * step:
            raise DataError(f"{self._file} has a window of {(ends - starts).max():g} s; give bouts a larger step")
        reached = np.maximum.accumulate(np.append(self._end, ends))
        apart = self._config.gap + (2 * self._half + 2) * step  # nothing reaches over so long a pause
        breaks = np.flatnonzero(starts - reached[:-1] > apart)
        found: list[Interval] = []
        for first, stop in zip([0, *breaks], [*breaks, len(starts)], strict=True):
            if first in breaks and self._end > -inf:
                found += self.finish()
            if stop > first:
                found += self._take(starts[first:stop], ends[first:stop], np.asarray(shares[first:stop], np.float64))
        return found

    def finish(self) -> list[Interval]:
        """The bouts that are left at the end of the video."""
        if self._end == -inf:
            return []
        found = [self._interval(run) for run in self._advance(self._axis.stop + self._half, over=True)]
        self._restart()
        return found

    def _restart(self) -> None:
        self._latest, self._end, self._begin = -inf, -inf, 0.0
        self._axis = TimeAxis(0, len(self._classes))
        self._state = -1
        self._open: _Run | None = None
        self._closers = _Closer(self._config), _Closer(self._config)
        self._sums = np.zeros(len(self._classes))

    def _take(self, starts: np.ndarray, ends: np.ndarray, shares: np.ndarray) -> list[Interval]:
        """Windows without a long pause between them."""
        first = np.ceil(starts / self._config.step - 0.5).astype(np.int64)
        stop = np.ceil(ends / self._config.step - 0.5).astype(np.int64)
        if self._end == -inf:
            self._begin = float(starts[0])
            self._axis = TimeAxis(int(first[0]), len(self._classes))
            self._next = int(first[0])
        self._axis.put(first, stop, shares)
        self._latest, self._end = float(starts[-1]), max(self._end, float(ends.max()))
        return [self._interval(run) for run in self._advance(int(first[-1]))]

    def _advance(self, final: int, over: bool = False) -> list[_Run]:
        """Bouts that are sure when bins below ``final`` get no more windows; ``over`` when nothing follows at all."""
        finished: list[_Run] = []
        stop = final - self._half
        if stop > self._next:
            values = self._axis.smoothed(self._next, stop, self._half)
            self._axis.drop(stop - self._half)
            for run in self._runs(values):
                finished += self._close(run)
            self._next = stop
        if over and self._open is not None:
            run, self._open = self._open, None
            finished += self._close(replace(run, stop=self._next, after=float(self._sums[run.label])))
        horizon = inf if over else float(self._next if self._open is None else self._open.first)
        first, second = self._closers
        for run in first.advance(horizon):
            finished += self._keep(run)
        finished += second.advance(horizon if first.held is None else first.held.first)
        return finished

    def _runs(self, values: np.ndarray) -> list[_Run]:
        """Runs of bins of one class that end in ``values`` (bins, classes), which begin at the bin ``_next``."""
        states = self._states(values)
        sums = np.cumsum(np.concatenate([self._sums[None], values]), axis=0)
        self._sums = sums[-1]
        before = -1 if self._open is None else self._open.label
        edges = np.flatnonzero(np.diff(states, prepend=before))
        found: list[_Run] = []
        for edge in edges.tolist():
            if self._open is not None:
                run, self._open = self._open, None
                found.append(replace(run, stop=self._next + edge, after=float(sums[edge, run.label])))
            if (label := int(states[edge])) >= 0:
                self._open = _Run(label, self._next + edge, float(sums[edge, label]))
        return found

    def _states(self, values: np.ndarray) -> np.ndarray:
        """(bins,) the class that is on in each bin; -1 for none."""
        config, places = self._config, np.arange(len(values))
        best = values.argmax(1)
        entering = values[places, best] >= config.enter
        entered = np.maximum.accumulate(np.where(entering, places, -1))
        label = np.where(entered >= 0, best[entered], self._state)
        below = ~entering & (values[places, label] < config.leave)
        left = np.maximum.accumulate(np.where(below, places, -1))
        states = np.where(left <= entered, label, -1)
        self._state = int(states[-1])
        background = self._classes.index(BACKGROUND) if BACKGROUND in self._classes else -1
        return np.where(states == background, -1, states)

    def _close(self, run: _Run) -> list[_Run]:
        return [kept for closed in self._closers[0].push(run) for kept in self._keep(closed)]

    def _keep(self, run: _Run) -> list[_Run]:
        lasts = (run.stop - run.first) * self._config.step
        return self._closers[1].push(run) if lasts >= self._config.shortest - ROUNDING else []

    def _interval(self, run: _Run) -> Interval:
        start, end = run.first * self._config.step, run.stop * self._config.step
        start, end = max(start, self._begin, 0.0), min(end, self._end)
        sure = min(1.0, max(0.0, (run.after - run.before) / (run.stop - run.first)))
        return Interval(self._file, start, max(start, end), self._classes[run.label], None, sure)


def find_bouts(
    file: str,
    starts: np.ndarray,
    ends: np.ndarray,
    shares: np.ndarray,
    classes: Sequence[str],
    config: BoutConfig | None = None,
) -> list[Interval]:
    """All bouts of a video, in the order of time; see :class:`BoutFinder` for the arguments."""
    finder = BoutFinder(file, classes, config)
    return finder.add(starts, ends, shares) + finder.finish()


@dataclass(frozen=True)
class _Run:
    """Bins of one class from ``first`` to before ``stop``, and the sums of that class's probability over all bins
    before its first and its end; the latter two are not known while it goes on."""

    label: int
    first: int
    before: float
    stop: int = 0
    after: float = 0.0


class _Closer:
    """Makes one of runs of a class that lie at most a gap apart."""

    def __init__(self, config: BoutConfig):
        self._config = config
        self.held: _Run | None = None

    def push(self, run: _Run) -> list[_Run]:
        """Take the next run; return what it shows to be over."""
        before, self.held = self.held, run
        if before is None:
            return []
        if before.label == run.label and not self._beyond(before, run.first):
            self.held = replace(run, first=before.first, before=before.before)
            return []
        return [before]

    def advance(self, horizon: float) -> list[_Run]:
        """What is over when no later run begins before the bin ``horizon``."""
        if self.held is None or not self._beyond(self.held, horizon):
            return []
        before, self.held = self.held, None
        return [before]

    def _beyond(self, run: _Run, bin: float) -> bool:
        return (bin - run.stop) * self._config.step > self._config.gap + ROUNDING
