"""The charts of a report: matplotlib figures in the colours of :data:`kinema.report.pictures.PALETTE`, also as SVG."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kinema.report.pictures import PALETTE, themed

METHOD_NAMES = {"random": "Untrained", "moco": "RGB MoCo", "mscl": "MSCL", "motion": "motion"}
"""What a reader is told instead of the name on the command line."""

INK, MUTED, RULE = (PALETTE[name][0] for name in ("ink", "muted", "rule"))
LOSSES = {
    "loss": ("sum", INK),
    "loss_rgb": ("pictures ↔ pictures", PALETTE["moco"][0]),
    "loss_flow": ("flow ↔ flow", "#2a9d76"),
    "loss_rgb2flow": ("pictures → flow", "#c9699f"),
    "loss_flow2rgb": ("flow → pictures", "#d99a17"),
    "loss_lmcl": ("moment ↔ moment (LMCL)", PALETTE["mscl"][0]),
}
"""Column of metrics.csv to what a reader is told and a colour."""

LABEL_COLOURS = (
    "#d1495b",
    "#3a86c8",
    "#3f9e5a",
    "#d98324",
    "#8a63c9",
    "#14a3a3",
    "#b8912b",
    "#d667a8",
    "#7f8694",
    "#7fae2e",
    "#a4673f",
    "#5b7ff0",
)
MARKERS = {"o": "●", "s": "■", "^": "▲", "D": "◆"}


@dataclass(frozen=True)
class LabelStyle:
    """How the points of one label look on a map: a colour, matplotlib's marker and the same marker as a character."""

    colour: str
    marker: str
    symbol: str


def result_bars(scores: Mapping[str, float], chance: float, trials: int) -> Figure:
    """Draw one measure of several methods as horizontal bars.

    Args:
        scores: method to share of right answers, in [0, 1].
        chance: the share that guessing reaches, drawn as a dashed line.
        trials: questions asked; the whiskers span one standard error to either side.
    """
    figure, axes = bare_figure(4.4, 1.6)
    for row, (method, score) in enumerate(scores.items()):
        error = np.sqrt(score * (1 - score) / trials)
        axes.barh(row, score, height=0.66, color=PALETTE[method][0])
        axes.plot([score - error, score + error], [row, row], color=INK, linewidth=1)
        axes.text(score + error + 0.025, row, f"{score:.0%}", va="center", color=INK, fontsize=10)
    axes.axvline(chance, color=INK, linewidth=1, linestyle=(0, (3, 2)))
    axes.text(chance + 0.012, -0.68, f"chance {chance:.0%}", ha="left", va="center", color=MUTED, fontsize=8)
    axes.set_yticks(range(len(scores)), [METHOD_NAMES[method] for method in scores], fontsize=10)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_xlim(0, 1.16)
    axes.set_ylim(len(scores) - 0.5, -0.9)
    axes.set_xticks([0, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.spines["left"].set_visible(False)
    return figure


def loss_terms(rows: Sequence[Mapping[str, float]]) -> dict[str, tuple[str, str]]:
    """Return name and colour of every loss term that the rows of a metrics.csv hold; of the sum where it holds none."""
    columns = {name: None for row in rows for name in row if name.startswith("loss_")} or {"loss": None}
    spare = iter(LABEL_COLOURS)
    return {
        column: LOSSES.get(column) or (column.removeprefix("loss_").replace("_", " "), next(spare))
        for column in columns
    }


def loss_curves(rows: Sequence[Mapping[str, float]], terms: Mapping[str, tuple[str, str]]) -> Figure:
    """Draw the loss terms of a training over its steps.

    Args:
        rows: one per logged step, with ``step`` and the losses.
        terms: as from :func:`loss_terms`.
    """
    figure, axes = bare_figure(3.6, 2.6)
    for column, (_, colour) in terms.items():
        _curve(axes, rows, column, colour)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("training step", color=MUTED, fontsize=9)
    return figure


def accuracy_curve(rows: Sequence[Mapping[str, float]], chance: float | None) -> Figure:
    """Draw how often MSCL matches a moment of the pictures with the same moment of the flow, over the steps."""
    figure, axes = bare_figure(3.6, 2.6)
    _curve(axes, rows, "lmcl_accuracy", PALETTE["mscl"][0])
    if chance is not None:
        axes.axhline(chance, color=INK, linewidth=1, linestyle=(0, (3, 2)))
        axes.annotate(
            f"chance {chance:.0%}",
            (1, chance),
            (0, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            color=MUTED,
            fontsize=9,
        )
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("training step", color=MUTED, fontsize=9)
    return figure


def project(features: np.ndarray) -> np.ndarray:
    """Lay (N, D) features out in the plane with t-SNE on cosine distances; the same input gives the same (N, 2) map."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(features) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, metric="cosine", init="pca", max_iter=600, random_state=0)
    with threadpool_limits(limits=1):  # on so few points threads only wait for one another
        return tsne.fit_transform(np.asarray(features, dtype=np.float64))


def label_styles(labels: Sequence[str]) -> dict[str, LabelStyle]:
    """Give each distinct label, in sorted order, a colour and a marker that tell it apart from the others."""
    shapes = list(MARKERS.items())
    return {
        label: LabelStyle(LABEL_COLOURS[i % len(LABEL_COLOURS)], *shapes[(i + i // len(LABEL_COLOURS)) % len(shapes)])
        for i, label in enumerate(sorted(set(labels)))
    }


def embedding_map(points: np.ndarray, labels: Sequence[str], styles: Mapping[str, LabelStyle]) -> Figure:
    """Draw (N, 2) points, each in the style of its label."""
    figure = Figure(figsize=(3, 3))
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(RULE)
    names = np.asarray(labels)
    for label, style in styles.items():
        chosen = points[names == label]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=13, color=style.colour, marker=style.marker, linewidths=0)
    return figure


def bare_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure, so many inches wide and high, and its only axes, with two quiet edges."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[:].set_color(RULE)
    axes.tick_params(colors=RULE, labelcolor=MUTED, labelsize=9, width=0.8)
    return figure, axes


def figure_svg(figure: Figure, description: str) -> Markup:
    """Return a figure as an SVG element to stand inside a page.

    Colours of :data:`PALETTE` turn into the page's variables, so one drawing serves light and dark paper; text stays
    text, in the page's font.

    Args:
        figure: drawn with the light colours of :data:`PALETTE`.
        description: what somebody who cannot see the figure is told.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "kinema"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    source = themed(buffer.getvalue())
    root = ElementTree.fromstring(source)
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag.endswith(("}metadata", "}style"))]:
            parent.remove(child)
    # Several figures share one page, so the names of their parts must differ from figure to figure.
    prefix = "f" + hashlib.sha256((source + description).encode(errors="surrogateescape")).hexdigest()[:8]
    used = set(re.findall(r"#([\w.-]+)[\")]", source))
    for element in root.iter():
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        if attributes.get("id", "") not in used:
            attributes.pop("id", None)
        elif "id" in attributes:
            attributes["id"] = f"{prefix}-{attributes['id']}"
        for key in ("href", "clip-path"):
            if key in attributes:
                attributes[key] = attributes[key].replace("#", f"#{prefix}-")
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = attributes
    width, height = figure.get_size_inches() * 72
    root.attrib = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "class": "figure",
        "role": "img",
        "aria-label": description,
        "style": f"max-width: {width * 1.35:.0f}px",
    }
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _curve(axes: Axes, rows: Sequence[Mapping[str, float]], name: str, colour: str) -> None:
    """Draw the logged values faintly and their running mean, over a twentieth of the training, firmly."""
    logged = [(row["step"], row[name]) for row in rows if name in row and np.isfinite(row[name])]
    if not logged:
        return
    steps, values = np.array(logged, dtype=float).T
    reach = len(values) // 40
    sums = np.cumsum(np.insert(values, 0, 0.0))
    low = np.clip(np.arange(len(values)) - reach, 0, None)
    high = np.clip(np.arange(len(values)) + reach + 1, None, len(values))
    axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.3)
    axes.plot(steps, (sums[high] - sums[low]) / (high - low), color=colour, linewidth=1.8)
