"""The charts of an evaluation's page, in the colours of :data:`kinema.report.pictures.PALETTE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from kinema.evaluation.diagnosis import Sight
from kinema.evaluation.few_label import FewLabelResult
from kinema.evaluation.pairs import PairsResult
from kinema.report.pages import in_words
from kinema.report.pictures import PALETTE
from kinema.report.plots import bare_figure

INK, MUTED, RULE, PAPER = (PALETTE[name][0] for name in ("ink", "muted", "rule", "paper"))
ASPECTS = {"motion": PALETTE["mscl"][0], "appearance": PALETTE["moco"][0]}
"""Colours of what a video shows."""
NUMBERED = 16
"""Classes up to which the cells of a confusion matrix hold numbers."""


def retrieval_bars(sights: Mapping[str, Sight]) -> Figure:
    """Draw R@1 by aspect, with a line at what guessing reaches."""
    figure, axes = bare_figure(4.4, 0.5 + 0.45 * len(sights))
    for row, (aspect, sight) in enumerate(sights.items()):
        axes.barh(row, sight.r1, 0.62, color=ASPECTS[aspect])
        axes.plot([sight.chance] * 2, [row - 0.42, row + 0.42], color=INK, linewidth=1.2, linestyle=(0, (2, 1.5)))
        axes.text(max(sight.r1, sight.chance) + 0.02, row, f"{sight.r1:.0%}", va="center", color=INK, fontsize=10)
    axes.set_yticks(range(len(sights)), [f"same {aspect}" for aspect in sights], fontsize=10)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def order_bars(sights: Mapping[str, Sight]) -> Figure:
    """Draw the probe's top-1 by aspect, a bar for each order of the frames."""
    figure, axes = bare_figure(4.4, 2.5)
    width = 0.76 / len(sights)
    for number, (aspect, sight) in enumerate(sights.items()):
        for place, share in enumerate(sight.probe.values()):
            at = place + (number - (len(sights) - 1) / 2) * width
            axes.bar(at, share, 0.92 * width, color=ASPECTS[aspect])
            axes.plot(
                [at - width / 2, at + width / 2], [sight.chance] * 2, color=INK, linewidth=1, linestyle=(0, (2, 1.5))
            )
            axes.text(
                at, max(share, sight.chance) + 0.015, f"{share:.0%}", ha="center", va="bottom", color=INK, fontsize=8
            )
    orders = list(next(iter(sights.values())).probe)
    axes.set_xticks(range(len(orders)), orders, fontsize=10)
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    _shares(axes)
    return figure


def few_label_curve(result: FewLabelResult) -> Figure:
    """Draw top-1 over the number of labels, each draw as a dot and the mean as a line."""
    figure, axes = bare_figure(4.4, 2.5)
    places = range(len(result.sizes))
    for place, size in zip(places, result.sizes, strict=True):
        axes.plot([place] * len(size.by_draw), size.by_draw, ".", color=ASPECTS["motion"], alpha=0.5, markersize=5)
        axes.text(place + 0.06, size.top1, f"{size.top1:.0%}", va="top", color=INK, fontsize=9)
    axes.plot(places, [size.top1 for size in result.sizes], color=ASPECTS["motion"], linewidth=1.6)
    axes.axhline(result.chance, color=INK, linewidth=1, linestyle=(0, (2, 1.5)))
    axes.set_xticks(places, [size.size for size in result.sizes], fontsize=9)
    axes.set_xlim(-0.3, len(result.sizes) - 0.6)
    axes.set_xlabel("labelled videos", color=MUTED, fontsize=9)
    _shares(axes)
    return figure


def pair_bars(result: PairsResult) -> Figure:
    """Draw the accuracy within each pair, from the line of guessing."""
    figure, axes = bare_figure(6.4, 0.6 + 0.32 * len(result.pairs))
    for row, pair in enumerate(result.pairs):
        axes.barh(row, pair.accuracy - result.chance, 0.66, left=result.chance, color=ASPECTS["motion"])
        axes.text(
            max(pair.accuracy, result.chance) + 0.01, row, f"{pair.accuracy:.0%}", va="center", color=INK, fontsize=9
        )
    names = [f"{in_words(pair.first)} | {in_words(pair.second)}" for pair in result.pairs]
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.invert_yaxis()
    axes.axvline(result.chance, color=INK, linewidth=1)
    axes.set_xlim(min(0.4, *(pair.accuracy - 0.05 for pair in result.pairs)), 1.06)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def confusion_matrix(shares: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw (C, C) shares, 0 to 1, of the videos of each true class (rows) that were taken for another (columns)."""
    count = len(names)
    side = min(9.0, 2.2 + 0.42 * count)
    figure, axes = bare_figure(side, side * 0.86)
    colour = to_rgb(ASPECTS["motion"])
    for row, column in np.argwhere(shares > 0).tolist():
        share = float(shares[row, column])
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=(*colour, share), edgecolor="none"))
        if count <= NUMBERED and share >= 0.005:
            shown = PAPER if share > 0.55 else INK
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=shown, fontsize=8)
    size = 9 if count <= NUMBERED else 6
    labels = [in_words(name) for name in names]
    axes.set_xticks(range(count), labels, rotation=90, fontsize=size)
    axes.set_yticks(range(count), labels, fontsize=size)
    axes.tick_params(length=0, labelcolor=INK)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    axes.set_xlabel("taken for", color=MUTED, fontsize=9)
    axes.set_ylabel("is", color=MUTED, fontsize=9)
    axes.spines[:].set_visible(True)
    return figure


def _shares(axes: Axes) -> None:
    axes.set_ylim(0, 1.08)
    axes.set_yticks([0, 0.5, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
