"""Reproducing the results that come with kinema."""

from __future__ import annotations

from pathlib import Path

from kinema.common.files import make_folder
from kinema.errors import ReproductionError


def reproduce(name: str, out: str, recipes: str | None = None, record: bool = False) -> None:
    """Make an encoder whose figures are recorded anew, judge it, and compare.

    Args:
        name: of the result, such as mscl-0, or motion, the encoder that comes with kinema; kinema reproduce --list
            lists them.
        out: folder for videos and runs; what an earlier call left there is used.
        recipes: YAML file of recipes, with the figures in a CSV file beside it; those that come with kinema by default.
        record: write the figures into the CSV file instead of comparing them.
    """
    from kinema.jobs.reproducing import record as record_row
    from kinema.jobs.reproducing import reproduce
    from kinema.results.recipes import recipes_with, rows_path

    file = Path(recipes) if recipes else recipes_with(name)
    if record:
        make_folder(rows_path(file).parent)  # an unwritable place is better found out before the work than after
        row = record_row(name, out, file)
        figures = ", ".join(f"{key} {'-' if value is None else f'{value:.4f}'}" for key, value in row.figures.items())
        print(f"{name}: {figures}", rows_path(file), sep="\n")
        return
    found = reproduce(name, out, file)
    print(found.table())
    if found.off:
        raise ReproductionError(found.sentence())
    print(found.sentence())


def list_recipes(recipes: str | None = None) -> None:
    """List the results that can be reproduced, and how each is made.

    Args:
        recipes: YAML file of recipes; those that come with kinema by default.
    """
    import json

    from kinema.results.recipes import READY, SYNTHETIC, read_recipes, read_rows, rows_path

    for file in [Path(recipes)] if recipes else [SYNTHETIC, READY]:
        rows = read_rows(rows_path(file))
        for recipe in read_recipes(file).values():
            settings = f" with {json.dumps(recipe.settings)}" if recipe.settings else ""
            known = "recorded" if recipe.name in rows else "not recorded"
            made = f"{recipe.method}, preset {recipe.preset}{settings}"
            print(f"{recipe.name:14}{known:14}{recipe.videos} {recipe.difficulty} videos, seed {recipe.seed}: {made}")
