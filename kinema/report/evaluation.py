"""An evaluation's page: one HTML file with the figures of all protocols, examples to watch and maps of the features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from kinema.annotations.agreement import confusion as counted
from kinema.data.labels import LabelledSet
from kinema.evaluation.diagnosis import DiagnosisResult, Sight
from kinema.evaluation.outcome import Evaluation
from kinema.evaluation.probe import ProbeResult
from kinema.evaluation.retrieval import RetrievalResult
from kinema.report.evaluation_plots import confusion_matrix, few_label_curve, order_bars, pair_bars, retrieval_bars
from kinema.report.pages import MovingPicture, in_words, moving_picture, write_page
from kinema.report.pictures import PALETTE
from kinema.report.plots import LabelStyle, embedding_map, figure_svg, label_styles, project

EXAMPLES, NEIGHBOURS = 6, 5
MAP_POINTS = 500
MAP_CLASSES = 24
"""Classes with a style of their own on a map; the others share one."""
MATRIX_CLASSES = 40
"""Rows of a confusion matrix at most: those of the classes that are most often mistaken."""
OTHER = "others"


@dataclass(frozen=True)
class Shown:
    """A video of an example: its label, its appearance if that is known, and what it looks like."""

    label: str
    appearance: str | None
    picture: MovingPicture


@dataclass(frozen=True)
class Map:
    """The features, coloured by one kind of label."""

    title: str
    styles: Mapping[str, LabelStyle]
    figure: Markup


def write_evaluation_page(path: str | Path, evaluation: Evaluation) -> Path:
    """Write the page of an evaluation by all protocols as one self-contained HTML file; return its path.

    Raises:
        OutputError: the file cannot be written.
        VideoError: a video that is shown as an example cannot be read any more.
    """
    results = evaluation.results
    diagnosis = results.get("diagnosis")
    sights = _sights(diagnosis) if isinstance(diagnosis, DiagnosisResult) else {}
    retrieval = results.get("retrieval")
    found = retrieval if isinstance(retrieval, RetrievalResult) else None
    name = evaluation.encoder["name"]
    return write_page(
        path,
        "evaluation.html.j2",
        evaluation=evaluation,
        name=name,
        headline=headline(evaluation),
        results=results,
        charts=_charts(evaluation, sights),
        matrix_classes=MATRIX_CLASSES,
        retrieved={} if found is None else {name: found, **evaluation.baselines},
        examples=[] if found is None else _examples(evaluation, found),
        maps=_maps(evaluation, found),
        points=min(MAP_POINTS, len(evaluation.labelled) if found is None else len(found.queries)),
    )


def headline(evaluation: Evaluation) -> str:
    """What was found, in a sentence."""
    name, results = evaluation.encoder["name"], evaluation.results
    diagnosis, retrieval = results.get("diagnosis"), results.get("retrieval")
    if isinstance(diagnosis, DiagnosisResult) and diagnosis.appearance is not None:
        motion, appearance = diagnosis.motion, diagnosis.appearance
        return (
            f"{name} finds the same motion for {motion.r1:.0%} of {diagnosis.queries} videos and the same appearance "
            f"for {appearance.r1:.0%}; guessing finds {motion.chance:.0%} and {appearance.chance:.0%}."
        )
    if isinstance(retrieval, RetrievalResult):
        return (
            f"{name} finds a video of the same class for {retrieval.plain.recall[1]:.0%} of {len(retrieval.queries)} "
            f"videos; guessing finds {retrieval.chance:.0%}."
        )
    return f"What {name} has learned"


def _sights(diagnosis: DiagnosisResult) -> dict[str, Sight]:
    sights = {"motion": diagnosis.motion, "appearance": diagnosis.appearance}
    return {aspect: sight for aspect, sight in sights.items() if sight is not None}


def _charts(evaluation: Evaluation, sights: Mapping[str, Sight]) -> dict[str, Markup]:
    """The charts of what was measured, by name."""
    charts: dict[str, Markup] = {}
    if sights:
        told = ", ".join(f"same {aspect} {sight.r1:.0%}" for aspect, sight in sights.items())
        charts["retrieval"] = figure_svg(retrieval_bars(sights), f"Bar chart of retrieval: {told}.")
        told = "; ".join(
            f"{aspect} " + ", ".join(f"{order} {share:.0%}" for order, share in sight.probe.items())
            for aspect, sight in sights.items()
        )
        charts["orders"] = figure_svg(order_bars(sights), f"Bar chart of the probe by order of frames: {told}.")
    results: dict[Any, Any] = dict(evaluation.results)
    if "few-label" in results and results["few-label"].sizes:
        told = ", ".join(f"{size.size} {size.top1:.0%}" for size in results["few-label"].sizes)
        charts["few_label"] = figure_svg(few_label_curve(results["few-label"]), f"Top-1 with labels for {told}.")
    if "pairs" in results:
        told = ", ".join(f"{pair.first} or {pair.second} {pair.accuracy:.0%}" for pair in results["pairs"].pairs)
        charts["pairs"] = figure_svg(pair_bars(results["pairs"]), f"Bar chart of accuracy within pairs: {told}.")
    if "probe" in results:
        shares, names = confusion(results["probe"], evaluation.labelled)
        charts["confusion"] = figure_svg(confusion_matrix(shares, names), "Confusion matrix of the linear probe.")
    return charts


def confusion(probe: ProbeResult, labelled: LabelledSet) -> tuple[np.ndarray, list[str]]:
    """Shares (C, C) of the videos of each class (rows) that the probe took for each, and the names of the classes.

    With more than :data:`MATRIX_CLASSES` classes, those are given that are most often mistaken, in their order.
    """
    table = counted(labelled.labels[probe.queries], np.array(probe.predicted), len(labelled.classes))
    asked = table.sum(1)
    mistaken = asked - table.diagonal()
    chosen = np.sort(np.argsort(-mistaken, kind="stable")[:MATRIX_CLASSES])
    shares = table / np.maximum(asked, 1)[:, None]
    return shares[np.ix_(chosen, chosen)], [labelled.classes[index] for index in chosen]


def _examples(evaluation: Evaluation, found: RetrievalResult) -> list[tuple[Shown, list[Shown]]]:
    """A query of some classes, spread over all, and its nearest videos."""
    labelled, appearance = evaluation.labelled, evaluation.appearance
    shown: dict[int, Shown] = {}

    def show(video: int) -> Shown:
        if video not in shown:
            looks = None if appearance is None else appearance.classes[appearance.labels[video]]
            picture = moving_picture(labelled.paths[video])
            shown[video] = Shown(labelled.classes[labelled.labels[video]], looks, picture)
        return shown[video]

    first: dict[int, int] = {}
    for row, query in enumerate(found.queries):
        first.setdefault(int(labelled.labels[query]), row)
    rows = [first[label] for label in sorted(first)]
    chosen = [rows[place] for place in np.unique(np.linspace(0, len(rows) - 1, EXAMPLES).round().astype(int))]
    neighbours = found.plain.neighbours
    return [(show(found.queries[row]), [show(video) for video in neighbours[row][:NEIGHBOURS]]) for row in chosen]


def _maps(evaluation: Evaluation, found: RetrievalResult | None) -> list[Map]:
    """Maps of the queries (of all videos, if there was no retrieval), by label and by appearance."""
    asked = np.arange(len(evaluation.labelled)) if found is None else np.array(found.queries)
    chosen = np.sort(np.random.default_rng(0).permutation(asked)[:MAP_POINTS])
    if len(chosen) < 5:
        return []
    points = project(evaluation.values[chosen].numpy())
    tables = {evaluation.data["label_column"]: evaluation.labelled}
    if evaluation.appearance is not None:
        tables[evaluation.data["appearance_column"]] = evaluation.appearance
    maps = []
    for title, table in tables.items():
        names = [table.classes[label] for label in table.labels[chosen]]
        common = {name for name, _ in Counter(names).most_common(MAP_CLASSES)}
        names = [name if name in common else OTHER for name in names]
        styles = label_styles([name for name in names if name in common])
        if OTHER in names and OTHER not in common:
            styles = {OTHER: LabelStyle(PALETTE["rule"][0], "o", "●"), **styles}
        told = f"Map of {len(chosen)} videos coloured by {in_words(title)}."
        maps.append(Map(title, styles, figure_svg(embedding_map(points, names, styles), told)))
    return maps
