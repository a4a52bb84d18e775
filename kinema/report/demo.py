"""The demo's report: one HTML file that shows what a video encoder learned, with nothing to fetch from anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from kinema import __version__
from kinema.config import POOLED, ReadoutConfig
from kinema.report.demo_content import MEASURES, SHOWN, DemoContent, LabelledVideo, Measure, PeopleContent, Query
from kinema.report.pages import MovingPicture, moving_picture, read_frames, shown, write_page
from kinema.report.pictures import colour_wheel, flow_view
from kinema.report.plots import (
    METHOD_NAMES,
    LabelStyle,
    accuracy_curve,
    embedding_map,
    figure_svg,
    label_styles,
    loss_curves,
    loss_terms,
    project,
    result_bars,
)

MAP_POINTS = 300


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
    return write_page(
        path,
        "demo.html.j2",
        content=content,
        environment={"kinema": __version__, **content.environment},
        names=METHOD_NAMES,
        measures=MEASURES,
        methods=results["methods"],
        headline={method: ways[SHOWN] for method, ways in results["methods"].items()},
        readout=readout_in_words(content),
        shown=SHOWN,
        verdict=verdict(content),
        error=standard_error,
        bars={measure.key: _bars(content, measure) for measure in MEASURES},
        people_bars={key: _people_bars(content.people, key) for key in ("motion", "scene")},
        right={method: _right_first(content.queries, method) for method in results["methods"]},
        people_right={method: _right_first(content.people.queries, method) for method in content.people.methods},
        options=_as_options(results["readout"]),
        losses={method: _losses(method, rows) for method, rows in content.curves.items()},
        terms=loss_terms([row for rows in content.curves.values() for row in rows]),
        accuracy=_accuracy(content),
        pictures=_pictures([*content.queries, *content.people.queries]),
        flows=[(video, _flow_picture(video)) for video in content.samples],
        wheel=colour_wheel(),
        styles=styles,
        maps=_maps(content, styles),
    )


def standard_error(share: float, trials: int) -> float:
    """Return the standard error of a share of ``trials`` independent questions."""
    return float(np.sqrt(share * (1 - share) / trials))


def verdict(content: DemoContent) -> str:
    """Say in two sentences how MSCL and RGB MoCo compare on motion and on scene, as far as the figures bear it out."""
    moco, mscl = (content.results["methods"][method][SHOWN] for method in ("moco", "mscl"))

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


def readout_in_words(content: DemoContent) -> str:
    """Say in a few words what of the networks is compared."""
    readout = content.results["readout"]
    if readout["stage"] == POOLED:
        return "the last stage averaged over time and place"
    time, height, width = readout["grid"]
    cells = f"averaged over {time} × {height} × {width} cells of time, height and width"
    return f"the stage {readout['stage']}, {cells}, so that it keeps when and where things move"


def _as_options(readout: Mapping[str, Any]) -> str:
    """What of a readout is not the usual, as options of a training."""
    usual = asdict(ReadoutConfig())

    def told(value: Any) -> str:
        return f"[{','.join(map(str, value))}]" if isinstance(value, (list, tuple)) else str(value).lower()

    return " ".join(f"--readout.{name} {told(value)}" for name, value in readout.items() if value != usual[name])


def _bars(content: DemoContent, measure: Measure) -> Markup:
    scores = {method: ways[SHOWN][measure.key] for method, ways in content.results["methods"].items()}
    return _drawn_bars(measure.term, scores, content.chance[measure.chance], content.test_videos)


def _people_bars(people: PeopleContent, label: str) -> Markup:
    scores = {method: ways[SHOWN][f"{label}_r1"] for method, ways in people.methods.items()}
    return _drawn_bars(f"{label} R@1 on people", scores, people.chance[label], people.videos)


def _drawn_bars(term: str, scores: Mapping[str, float], chance: float, trials: int) -> Markup:
    told = ", ".join(f"{METHOD_NAMES[method]} {score:.0%}" for method, score in scores.items())
    return figure_svg(result_bars(scores, chance, trials), f"Bar chart of {term}: {told}; chance {chance:.0%}.")


def _right_first(queries: Sequence[Query], method: str) -> int:
    """Of how many queries the nearest video shows the same motion."""
    return sum(query.found[method][0].motion == query.video.motion for query in queries)


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
    return shown(flow_view(frames, create_estimator("dis").estimate(frames)))
