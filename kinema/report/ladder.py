"""A picture of an ablation: one bar per rung, one dot per seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kinema.files import atomic_path


def draw_ladder(rows: Sequence[Mapping[str, Any]], names: Sequence[str], path: str | Path) -> Path:
    """Draw motion and scene R@1 of every rung, a panel for each difficulty; return the picture's path.

    Args:
        rows: with ``difficulty``, ``rung``, ``motion_r1`` and ``scene_r1``, one for each seed.
        names: the rungs from the lowest to the highest.
        path: PNG file to write.
    """
    difficulties = list(dict.fromkeys(row["difficulty"] for row in rows))
    figure = Figure(figsize=(5.2 * max(1, len(difficulties)) + 1.5, 0.42 * len(names) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, max(1, len(difficulties)), sharey=True, squeeze=False)[0]
    for panel, difficulty in zip(panels, difficulties, strict=False):
        for place, name in enumerate(names):
            chosen = [row for row in rows if row["difficulty"] == difficulty and row["rung"] == name]
            for column, colour, shift in (("motion_r1", "#2b6cb0", -0.19), ("scene_r1", "#b7791f", 0.19)):
                values = [float(row[column]) for row in chosen]
                if values:
                    panel.barh(place + shift, mean(values), 0.36, color=colour, alpha=0.75)
                    panel.plot(values, [place + shift] * len(values), "k.", markersize=4)
        panel.set(title=f"{difficulty} set", xlabel="R@1", xlim=(0, 1), yticks=range(len(names)), yticklabels=names)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    figure.legend(
        handles=[panels[0].barh([0], [0], color=c, label=t) for c, t in (("#2b6cb0", "motion"), ("#b7791f", "scene"))],
        loc="outside lower center",
        ncols=2,
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return Path(path)
