"""A picture of an ablation: one bar per rung, one dot per seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kinema.common.files import atomic_path


@dataclass(frozen=True)
class Bar:
    """One of the bars of every rung.

    Attributes:
        column: of the rows, from 0 to 1.
        label: in the legend.
        colour: as matplotlib takes it.
    """

    column: str
    label: str
    colour: str


def draw_ladder(
    rows: Sequence[Mapping[str, Any]],
    rungs: Sequence[str],
    setting: str,
    title: str,
    bars: Sequence[Bar],
    path: str | Path,
) -> Path:
    """Draw some figures of every rung, a panel for each setting; return the picture's path.

    Args:
        rows: with the columns ``rung``, ``setting`` and those of the bars, one for each seed.
        rungs: their names, from the lowest to the highest; those without a row are left out.
        setting: the column by which rows go to panels.
        title: of a panel, with ``{}`` for its setting.
        bars: what is drawn for each rung.
        path: PNG file to write.
    """
    rungs = [name for name in rungs if any(row["rung"] == name for row in rows)]
    values = list(dict.fromkeys(row[setting] for row in rows))
    figure = Figure(figsize=(5.2 * max(1, len(values)) + 1.5, 0.42 * len(rungs) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, max(1, len(values)), sharey=True, squeeze=False)[0]
    height = 0.76 / len(bars)
    for panel, value in zip(panels, values, strict=False):
        for place, name in enumerate(rungs):
            chosen = [row for row in rows if row[setting] == value and row["rung"] == name]
            for number, bar in enumerate(bars):
                measured = [float(row[bar.column]) for row in chosen]
                at = place + (number - (len(bars) - 1) / 2) * height
                if measured:
                    panel.barh(at, mean(measured), 0.95 * height, color=bar.colour, alpha=0.75)
                    panel.plot(measured, [at] * len(measured), "k.", markersize=4)
        panel.set(title=title.format(value), xlim=(0, 1), yticks=range(len(rungs)), yticklabels=rungs)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    figure.legend(
        handles=[panels[0].barh([0], [0], color=bar.colour, label=bar.label) for bar in bars],
        loc="outside lower center",
        ncols=len(bars),
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return Path(path)
