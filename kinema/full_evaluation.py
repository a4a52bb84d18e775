"""A whole evaluation with its files: a protocol to a JSON file, or all of them to JSON, CSV and a page."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from kinema.evaluation import Evaluation, evaluate
from kinema.evaluation.outcome import Protocol
from kinema.evaluation.run import CACHE
from kinema.files import make_folder, write_json, write_text

RESULTS, TABLE, PAGE = "results.json", "results.csv", "report.html"


def evaluate_and_write(
    protocol: Protocol, run: str | Path, data: str | Path, out: str | Path, **settings: Any
) -> tuple[Evaluation, list[Path]]:
    """Evaluate one encoder on labelled videos and write down what was found.

    Args:
        protocol: one of them, for a JSON file; or ``all``, for a folder with ``results.json``, ``results.csv`` (a row
            for each figure) and ``report.html``.
        run: a run's folder, an encoder file, or ``random``.
        data: the folder of videos.
        out: the file or the folder.
        settings: as of :func:`kinema.evaluation.evaluate`. By default features are kept beside ``results.json``.

    Returns:
        What was found, and the files to look at.

    Raises:
        KinemaError: as of :func:`kinema.evaluation.evaluate`; or a file cannot be written.
    """
    if protocol != "all":
        return evaluate(protocol, run, data, out=out, **settings), [Path(out)]
    from kinema.report.evaluation import write_evaluation_page

    folder = make_folder(out)
    settings["cache"] = settings.get("cache") or folder / CACHE
    evaluation = evaluate("all", run, data, **settings)
    files = [
        write_json(folder / RESULTS, evaluation.to_dict()),
        write_text(folder / TABLE, figures_csv(evaluation)),
        write_evaluation_page(folder / PAGE, evaluation),
    ]
    return evaluation, files


def figures_csv(evaluation: Evaluation) -> str:
    """The figures of all protocols as a table with the columns protocol, figure, value and chance."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("protocol", "figure", "value", "chance"))
    for protocol, result in evaluation.results.items():
        for figure, value, chance in result.figures():
            writer.writerow(
                (protocol, figure, *("" if number is None else f"{number:.6f}" for number in (value, chance)))
            )
    return table.getvalue()
