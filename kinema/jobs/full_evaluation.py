"""A whole evaluation with its files: a protocol to a JSON file, or all of them to JSON, CSV and a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kinema.common.files import make_folder, write_csv, write_json
from kinema.config.requests import EvaluationConfig, Protocol
from kinema.evaluation import Evaluation, RetrievalResult, evaluate
from kinema.evaluation.run import ONLY_OF, kept_beside
from kinema.models.sources import HISTOGRAM, RANDOM

RESULTS, TABLE, PAGE = "results.json", "results.csv", "report.html"

CHEAP = 200
"""Videos up to which baselines are retrieved with, too."""
OF_THE_VIDEOS = ("center_crop", "center_seconds")
"""Settings of clips that say what of the videos is looked at, by whatever encoder."""


def evaluate_and_write(
    protocol: Protocol, run: str | Path, data: str | Path, out: str | Path, config: EvaluationConfig
) -> tuple[Evaluation, list[Path]]:
    """Evaluate one encoder on labelled videos and write down what was found.

    Args:
        protocol: one of them, for a JSON file; or ``all``, for a folder with ``results.json``, ``results.csv`` (a row
            for each figure) and ``report.html``. With these stand the figures of baselines on up to :data:`CHEAP`
            videos.
        run: a run's folder, an encoder file, or ``random``.
        data: the folder of videos.
        out: the file or the folder.
        config: how. By default features are kept beside ``results.json``.

    Returns:
        What was found, and the files to look at.

    Raises:
        KinemaError: as of :func:`kinema.evaluation.evaluate`; or a file cannot be written.
    """
    if protocol != "all":
        return evaluate(protocol, run, data, config, out=out), [Path(out)]
    from kinema.report.evaluation import write_evaluation_page

    folder = make_folder(out)
    config = kept_beside(folder / RESULTS, config)
    evaluation = evaluate("all", run, data, config)
    if "retrieval" in evaluation.results and len(evaluation.labelled) <= CHEAP:
        evaluation = replace(evaluation, baselines=retrieve_with_baselines(evaluation, run, data, config))
    files = [
        write_json(folder / RESULTS, evaluation.to_dict()),
        write_csv(folder / TABLE, figure_rows(evaluation)),
        write_evaluation_page(folder / PAGE, evaluation),
    ]
    return evaluation, files


def retrieve_with_baselines(
    evaluation: Evaluation, run: str | Path, data: str | Path, config: EvaluationConfig
) -> dict[str, RetrievalResult]:
    """Retrieval by what a learned encoder has to beat, on the same videos: by name, without what was evaluated itself.

    That is a histogram of optical flow, and an untrained network that is read out in the same way, where the encoder is
    one of kinema.

    Args:
        evaluation: of the encoder.
        run: what it was opened from.
        data: the folder of videos.
        config: of the evaluation.
    """
    others = {name: None for name, users in ONLY_OF.items() if "retrieval" not in users}
    clip = {name: value for name, value in evaluation.features["clip"].items() if name in OF_THE_VIDEOS}
    asked: dict[str, dict[str, Any]] = {HISTOGRAM: {"clip": clip, "readout": None, "like": None}}
    if "model" in evaluation.encoder["card"]:
        asked[RANDOM] = {"like": run}
    found = {}
    for name, own in asked.items():
        if name != str(run):
            (found[name],) = evaluate("retrieval", name, data, config, **others, **own, seed=0).results.values()
    return {name: result for name, result in found.items() if isinstance(result, RetrievalResult)}


def figure_rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    """The figures of all protocols and baselines as a table with the columns protocol, figure, value and chance."""
    yield ("protocol", "figure", "value", "chance")
    baselines = {f"retrieval by {name}": found for name, found in evaluation.baselines.items()}
    for protocol, result in (*evaluation.results.items(), *baselines.items()):
        for name, *numbers in result.figures():
            yield (protocol, name, *("" if number is None else f"{number:.6f}" for number in numbers))
