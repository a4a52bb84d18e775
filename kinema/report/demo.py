"""The demo's report: one HTML file that shows what a video encoder learned, with nothing to fetch from anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from kinema import __version__
from kinema.files import write_text
from kinema.report.pages import FPS, MovingPicture, moving_picture, pages, read_frames
from kinema.report.pictures import animation, colour_wheel, figure_svg, flow_view, still
from kinema.report.plots import (
    METHOD_NAMES,
    LabelStyle,
    accuracy_curve,
    embedding_map,
    label_styles,
    loss_curves,
    loss_terms,
    project,
    result_bars,
)

MAP_POINTS = 300


@dataclass(frozen=True)
class LabelledVideo:
    """A video file and what is known of it; encoders never saw these labels."""

    path: Path
    motion: str
    scene: str
    shape: str = ""


@dataclass(frozen=True)
class Query:
    """A video and the most similar others by each method, nearest first."""

    video: LabelledVideo
    found: Mapping[str, Sequence[LabelledVideo]]


@dataclass(frozen=True)
class DemoContent:
    """Everything the demo's report tells; methods are called ``random``, ``moco`` and ``mscl``.

    Attributes:
        results: as in ``results.json``: ``methods`` (method to ``motion_r1``, ``scene_r1``, ``shape_r1`` and
            ``motion_probe``, shares in [0, 1]), ``seconds``, ``clips_seen`` (by each trained method) and ``seeds``.
        chance: what guessing reaches on ``motion``, ``scene`` and ``shape``, in [0, 1]; with ``lmcl_accuracy`` also
            on matching time steps.
        test_videos: how many questions each share in ``results`` stands on; gives the standard errors.
        curves: method to the rows of its ``metrics.csv``, for the trained methods.
        queries: a few test videos with their neighbours under every method.
        features: method to (N, D) features of the same N videos.
        points: those N videos.
        samples: videos to show with their optical flow.
        commands: what to type to make this report again.
        folder: where the demo's ``videos`` and the run ``mscl`` lie, as it is typed.
        environment: versions and machine, name to value.
    """

    results: Mapping[str, Any]
    chance: Mapping[str, float]
    test_videos: int
    curves: Mapping[str, Sequence[Mapping[str, float]]]
    queries: Sequence[Query]
    features: Mapping[str, np.ndarray]
    points: Sequence[LabelledVideo]
    samples: Sequence[LabelledVideo]
    commands: Sequence[str]
    folder: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Measure:
    """One column of the table of results."""

    key: str
    chance: str
    title: str
    term: str
    meaning: str


MEASURES = (
    Measure(
        "motion_r1",
        "motion",
        "Finds the same motion",
        "motion R@1",
        "the most similar video it finds moves the same way, whatever it looks like",
    ),
    Measure(
        "scene_r1",
        "scene",
        "Finds the same scene",
        "scene R@1",
        "the most similar video it finds has the same kind of background, however it moves",
    ),
    Measure(
        "shape_r1",
        "shape",
        "Finds the same shape",
        "shape R@1",
        "the most similar video it finds shows an object of the same shape",
    ),
    Measure(
        "motion_probe",
        "motion",
        "Motion can be read off",
        "motion probe",
        "a linear classifier, trained with labels on top of the frozen encoder, names the motion rightly",
    ),
)


def write_demo_report(path: str | Path, content: DemoContent) -> Path:
    """Write the report of a demo as one self-contained HTML file; return its path.

    Raises:
        OutputError: the file cannot be written.
        VideoError: one of the videos to show cannot be read.
    """
    results = content.results
    styles = {
        aspect: label_styles([getattr(point, aspect) for point in content.points]) for aspect in ("motion", "scene")
    }
    page = (
        pages()
        .get_template("demo.html.j2")
        .render(
            content=content,
            environment={"kinema": __version__, **content.environment},
            names=METHOD_NAMES,
            measures=MEASURES,
            methods=results["methods"],
            verdict=verdict(content),
            errors={
                method: {m.key: standard_error(scores[m.key], content.test_videos) for m in MEASURES}
                for method, scores in results["methods"].items()
            },
            bars={measure.key: _bars(content, measure) for measure in MEASURES},
            losses={method: _losses(method, rows) for method, rows in content.curves.items()},
            terms=loss_terms([row for rows in content.curves.values() for row in rows]),
            accuracy=_accuracy(content),
            pictures=_pictures(content.queries),
            flows=[(video, _flow_picture(video)) for video in content.samples],
            wheel=colour_wheel(),
            styles=styles,
            maps=_maps(content, styles),
        )
    )
    return write_text(path, page)


def standard_error(share: float, trials: int) -> float:
    """Return the standard error of a share of ``trials`` independent questions."""
    return float(np.sqrt(share * (1 - share) / trials))


def verdict(content: DemoContent) -> str:
    """Say in two sentences how MSCL and RGB MoCo compare on motion and on scene, as far as the figures bear it out."""
    moco, mscl = content.results["methods"]["moco"], content.results["methods"]["mscl"]

    def clearly_more(key: str, first: Mapping[str, float], second: Mapping[str, float]) -> bool:
        errors = [standard_error(scores[key], content.test_videos) for scores in (first, second)]
        return first[key] - second[key] > 2 * math.hypot(*errors)

    motion = "In this run MSCL is not clearly better than RGB MoCo at finding the same motion."
    if clearly_more("motion_r1", mscl, moco):
        times = mscl["motion_r1"] / max(moco["motion_r1"], 1 / content.test_videos)
        motion = f"MSCL is right about the motion {times:.1f} times as often as RGB MoCo."
    scenes = f"{moco['scene_r1']:.0%} of its answers against {mscl['scene_r1']:.0%} of MSCL's"
    if clearly_more("scene_r1", moco, mscl):
        return f"{motion} RGB MoCo goes by the scenery instead: {scenes} show the same kind of scene."
    return f"{motion} RGB MoCo does not lean on the scenery more than MSCL does: {scenes} show the same kind of scene."


def _bars(content: DemoContent, measure: Measure) -> Markup:
    scores = {method: values[measure.key] for method, values in content.results["methods"].items()}
    chance = content.chance[measure.chance]
    told = ", ".join(f"{METHOD_NAMES[method]} {score:.0%}" for method, score in scores.items())
    description = f"Bar chart of {measure.term}: {told}; chance {chance:.0%}."
    return figure_svg(result_bars(scores, chance, content.test_videos), description)


def _losses(method: str, rows: Sequence[Mapping[str, float]]) -> Markup:
    figure = loss_curves(rows, loss_terms(rows))
    return figure_svg(figure, f"Losses of {METHOD_NAMES[method]} over the steps of its training.")


def _accuracy(content: DemoContent) -> Markup | None:
    rows = content.curves["mscl"]
    logged = [row["lmcl_accuracy"] for row in rows if "lmcl_accuracy" in row]
    if not logged:
        return None
    figure = accuracy_curve(rows, content.chance.get("lmcl_accuracy"))
    return figure_svg(
        figure, f"Accuracy of matching moments, from {logged[0]:.0%} at first to {logged[-1]:.0%} at last."
    )


def _maps(content: DemoContent, styles: Mapping[str, Mapping[str, LabelStyle]]) -> dict[str, dict[str, Markup]]:
    """Return method to aspect (``motion``, ``scene``) to a map of the features."""
    count = len(content.points)
    chosen = np.random.default_rng(0).permutation(count)[:MAP_POINTS]
    maps: dict[str, dict[str, Markup]] = {}
    for method, features in content.features.items():
        points = project(features[chosen])
        maps[method] = {}
        for aspect, style in styles.items():
            labels = [getattr(content.points[i], aspect) for i in chosen]
            description = f"Map of {len(chosen)} videos as {METHOD_NAMES[method]} sees them, coloured by {aspect}."
            maps[method][aspect] = figure_svg(embedding_map(points, labels, style), description)
    return maps


def _pictures(queries: Iterable[Query]) -> dict[Path, MovingPicture]:
    """Return a small moving picture of every video that ``queries`` name."""
    pictures: dict[Path, MovingPicture] = {}
    for query in queries:
        for video in (query.video, *(found for answers in query.found.values() for found in answers)):
            if video.path not in pictures:
                pictures[video.path] = moving_picture(video.path)
    return pictures


def _flow_picture(video: LabelledVideo) -> MovingPicture:
    """Return a video beside itself under its optical flow."""
    from kinema.flow import create_estimator

    frames = read_frames(video.path)
    shown = flow_view(frames, create_estimator("dis").estimate(frames))
    return MovingPicture(animation(shown, FPS, scale=1), still(shown[len(shown) // 2], scale=1))
