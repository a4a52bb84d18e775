"""Fill the tables of these pages from the results that come with kinema.

A table stands between ``<!-- TABLE of RESULTS -->`` and ``<!-- end -->``, where RESULTS is the stem of a file in
``kinema/results``. Of recipes TABLE is ``figures`` (mean and standard deviation over the seeds) or ``tolerances``; of a
ladder's ``results.csv`` it is the setting that it was climbed under: what stands in the first column.

Usage: python docs/fill_tables.py
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from kinema.common.files import write_text
from kinema.jobs.ablation import hcml, mscl
from kinema.jobs.ablation.ladder import mean_and_spread
from kinema.results.recipes import FIGURES, SYNTHETIC, Recipe, Row, read_recipes, read_rows, rows_path

PAGES = Path(__file__).parent
PLACE = re.compile(r"(<!-- (\w+) of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEADINGS = {
    **mscl.FIGURES,
    **hcml.FIGURES,
    "retrieval_r1": "retrieval R@1",
    "centred_r1": "centred R@1",
    "probe": "probe",
}
"""Of the ladders' figures, by column."""


def main() -> None:
    """Fill every page."""
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (filled := PLACE.sub(_fill, text)) != text:
            print(write_text(page, filled))


def _fill(place: re.Match[str]) -> str:
    recipes = SYNTHETIC.with_name(f"{place[3]}.yaml")
    if recipes.exists():
        table = TABLES[place[2]](read_recipes(recipes).values(), read_rows(rows_path(recipes)))
    else:
        table = _ladder(rows_path(recipes), place[2])
    return place[1] + table + place[4]


def _ladder(path: Path, setting: str) -> str:
    """A row for each rung."""
    with path.open(newline="", encoding="utf-8") as file:
        rungs: dict[str, list[dict[str, str]]] = {}
        for row in csv.DictReader(file):
            if next(iter(row.values())) == setting:
                rungs.setdefault(row["rung"], []).append(row)
    figures = [name for name in HEADINGS if name in next(iter(rungs.values()))[0]]
    lines = [
        [rung, str(len(rows)), *(mean_and_spread([float(row[name]) for row in rows]) for name in figures)]
        for rung, rows in rungs.items()
    ]
    return _table(["rung", "seeds", *(HEADINGS[name] for name in figures)], lines)


def _figures(recipes: Iterable[Recipe], rows: dict[str, Row]) -> str:
    """A row for each encoder of which at least one seed is measured."""
    encoders: dict[str, list[Row]] = {}
    for recipe in recipes:
        if recipe.name in rows:
            encoders.setdefault(recipe.encoder, []).append(rows[recipe.name])
    lines = []
    for encoder, measured in encoders.items():
        columns = [[row.figures[name] for row in measured] for name in FIGURES]
        known = [[value for value in column if value is not None] for column in columns]
        lines.append([encoder, str(len(measured)), *(mean_and_spread(values) if values else "-" for values in known)])
    return _table(["encoder", "seeds", *FIGURES.values()], lines)


def _tolerances(recipes: Iterable[Recipe], rows: dict[str, Row]) -> str:
    """A row for each encoder."""
    found = {recipe.encoder: [f"{recipe.tolerance[name]:g}" for name in FIGURES] for recipe in recipes}
    return _table(["encoder", *FIGURES.values()], [[encoder, *cells] for encoder, cells in found.items()])


def _table(heading: list[str], lines: list[list[str]]) -> str:
    rows = [heading, ["---"] * len(heading), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows).replace("| --- ", "|---").replace("|--- |", "|---|")


TABLES: dict[str, Callable[[Iterable[Recipe], dict[str, Row]], str]] = {"figures": _figures, "tolerances": _tolerances}


if __name__ == "__main__":
    main()
