"""An ethogram: what happens when in a video, a lane for each class, below a line of how much moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from kinema.annotations.interval import Interval
from kinema.common.clock import clock
from kinema.search.video_windows import VideoWindows

BINS = 200
"""Points of the line of motion strength."""
STEPS = 1000
"""Parts of a video's length by which bouts are drawn; what is shorter is one part long, so that it is seen."""
TICKS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
"""Seconds that may lie between marks on the axis of time; whole numbers of days beyond."""
MOST_TICKS = 6
_NAME, _LANE, _GAP, _LINE, _AXIS = 15, 11, 5, 36, 18
"""Pixels: height of a name, of a lane below it, between lanes, of the line of strength, of the axis."""


@dataclass(frozen=True)
class Activity:
    """How much moves in a video, briefly.

    Attributes:
        path: of the video.
        windows: how many there are.
        seconds: up to the end of its last window.
        mean: motion strength of its windows, widths of the frame per second.
        line: (N,) float32 the mean strength in equal parts of ``seconds``, N at most :data:`BINS`; NaN where no
            window lies.
    """

    path: str
    windows: int
    seconds: float
    mean: float
    line: np.ndarray

    @classmethod
    def of(cls, path: str, windows: VideoWindows) -> Activity:
        """That of a video's windows."""
        seconds, count = float(windows.ends.max()), len(windows)
        bins = min(BINS, count)
        middles = (windows.starts + windows.ends) / 2
        places = np.clip(bins * middles / max(seconds, 1e-9), 0, bins - 1).astype(int)
        sums, counts = np.bincount(places, windows.strengths, bins), np.bincount(places, minlength=bins)
        with np.errstate(invalid="ignore"):
            line = (sums / counts).astype(np.float32)
        return cls(path, count, seconds, float(windows.strengths.mean()), line)


def ethogram(
    name: str, activity: Activity, intervals: Iterable[Interval], colours: Mapping[str, str], top: float
) -> Markup:
    """A video's ethogram as one SVG element, as wide as its place; its text stays as large as other text.

    Args:
        name: the video's.
        activity: how much moves in it.
        intervals: its labels.
        colours: of classes, in the order of lanes; those that the video lacks have none.
        top: the motion strength at the top of the line.
    """
    found = list(intervals)
    length = max([activity.seconds, 1e-3, *(one.end for one in found)])
    lanes = {label: part for label in colours if (part := [one for one in found if one.label == label])}
    height = _NAME + _LINE + _GAP + len(lanes) * (_NAME + _LANE + _GAP) + _AXIS
    told = ", ".join(f"{label} {_counted(part)}" for label, part in lanes.items()) or "no labels"
    parts = [
        Markup('<svg class="ethogram" width="100%" height="{}" role="img" aria-label="{}">').format(
            height, f"{name}, {clock(length)}: {told}"
        ),
        _grid(length, height),
        _text(0, _NAME - 4, f"motion strength, up to {top:.2g} widths per second"),
        _stretched(_NAME, _LINE, _line(activity, length, top)),
    ]
    at = _NAME + _LINE + _GAP
    for label, part in lanes.items():
        parts.append(_text(0, at + _NAME - 4, f"{label} ({_counted(part)})"))
        parts.append(_stretched(at + _NAME, _LANE, _bars(part, length, colours[label])))
        at += _NAME + _LANE + _GAP
    return Markup("").join([*parts, Markup("</svg>")])


def spans(intervals: Iterable[Interval], length: float) -> list[tuple[int, int]]:
    """First step and the one after the last, of :data:`STEPS`, in which there is an interval; what overlaps is one."""
    found: list[tuple[int, int]] = []
    for one in sorted(intervals, key=lambda one: one.start):
        first = min(STEPS - 1, int(STEPS * one.start / length))
        stop = min(STEPS, max(first + 1, round(STEPS * one.end / length)))
        if found and first < found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((first, stop))
    return found


def ticks(length: float) -> list[float]:
    """Seconds at which the axis is marked, from 0 on: few, and round."""
    step: float = next((one for one in TICKS if length / one <= MOST_TICKS), 0)
    if not step:
        step = 86400.0 * max(1, -(-length // (86400 * MOST_TICKS)))
    return [number * step for number in range(int(length / step + 1e-9) + 1)]


def _counted(part: Sequence[Interval]) -> str:
    seconds = sum(one.end - one.start for one in part)
    return f"{len(part)} bout{'s' * (len(part) != 1)}, {clock(seconds)}"


def _grid(length: float, height: int) -> Markup:
    lines = []
    for at in ticks(length):
        x = f"{100 * at / length:.2f}%"
        anchor = "start" if not at else "end" if at > 0.95 * length else "middle"
        lines.append(f'<line x1="{x}" x2="{x}" y1="{_NAME}" y2="{height - _AXIS}"/>')
        lines.append(f'<text x="{x}" y="{height - 4}" text-anchor="{anchor}">{clock(at)}</text>')
    return Markup("".join(lines))


def _text(x: int, y: int, said: str) -> Markup:
    return Markup('<text x="{}" y="{}">{}</text>').format(x, y, said)


def _stretched(top: int, height: int, drawn: str) -> Markup:
    """What is drawn on a ground of :data:`STEPS` by ``height``, stretched to the whole width."""
    return Markup(
        f'<svg y="{top}" width="100%" height="{height}" viewBox="0 0 {STEPS} {height}" preserveAspectRatio="none">'
        f'<path class="ground" d="M0 {height}H{STEPS}"/>{drawn}</svg>'
    )


def _line(activity: Activity, length: float, top: float) -> str:
    count, drawn, pen = len(activity.line), "", False
    for place, value in enumerate(activity.line.tolist()):
        if value != value:  # no window lies here
            pen = False
            continue
        x = STEPS * activity.seconds * (place + 0.5) / count / length
        y = _LINE - 1 - (_LINE - 2) * min(1.0, value / top)
        drawn += f"{'L' if pen else 'M'}{x:.0f} {y:.1f}" + ("" if pen else "h1")
        pen = True
    return f'<path class="strength" d="{drawn}"/>'


def _bars(part: Sequence[Interval], length: float, colour: str) -> str:
    drawn = "".join(f"M{first} 0h{stop - first}v{_LANE}H{first}z" for first, stop in spans(part, length))
    return f'<path fill="{escape(colour)}" d="{drawn}"/>'
