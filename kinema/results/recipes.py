"""Results as data: how each encoder of a table is made and judged, and what was measured of it.

Recipes are a YAML file, measured rows a CSV file beside it of the same stem. ``kinema/results`` holds those of kinema.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from kinema.common.files import write_csv
from kinema.common.provenance import ORIGIN
from kinema.errors import ConfigError, DataError, words_of
from kinema.presets import DEFAULT_PRESET

SYNTHETIC = Path(str(resources.files("kinema"))) / "results" / "synthetic.yaml"
"""The recipes of the encoders that kinema compares."""
READY = SYNTHETIC.with_name("ready.yaml")
"""Those of the encoders that come with kinema."""

RANDOM, SUPERVISED = "random", "supervised"
METHODS = (RANDOM, "mscl", "moco", "hcml", "mscl+hcml", SUPERVISED)

FIGURES = {
    "motion_share": "motion share",
    "motion_r1": "R@1 by motion",
    "appearance_r1": "R@1 by appearance",
    "probe": "probe",
    "few_label": "few labels",
}
"""What is measured of every encoder, by column: its heading. All are shares from 0 to 1."""


@dataclass(frozen=True)
class Recipe:
    """How one encoder is made and judged.

    Attributes:
        name: of its row, such as ``mscl-0``.
        encoder: name of the encoder, which several seeds share.
        method: one of ``METHODS``.
        preset: the settings to begin with.
        settings: those on top, nested as in a file of settings.
        seed: of the videos, the weights and the clips.
        videos: number of synthetic videos, training and test together.
        difficulty: of the videos.
        drawing: other settings of the videos by name, as of :class:`~kinema.config.synthesis.SynthConfig`.
        clips: clips per video, whose features are averaged.
        per_class: labelled videos of each class, where labels are few.
        tolerance: by figure, how far it may lie from the row's.
    """

    name: str
    encoder: str
    method: str
    preset: str
    settings: Mapping[str, Any]
    seed: int
    videos: int
    difficulty: str
    drawing: Mapping[str, Any]
    clips: int
    per_class: int
    tolerance: Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """What was measured of one encoder.

    Attributes:
        name: of the recipe.
        figures: by column; None where a figure is undefined.
        facts: hashes, commit and versions, by column.
    """

    name: str
    figures: Mapping[str, float | None]
    facts: Mapping[str, str]


def read_recipes(path: str | Path = SYNTHETIC) -> dict[str, Recipe]:
    """The recipes of a file by name, an encoder's seeds one after another.

    Raises:
        ConfigError: the file cannot be read, or does not say what a recipe needs.
    """
    try:
        told = {"drawing": {}, **yaml.safe_load(Path(path).read_text(encoding="utf-8"))}
        encoders, seeds, tolerance = (told.pop(key) for key in ("encoders", "seeds", "tolerance"))
        found = {}
        for encoder, own in encoders.items():
            own = {"preset": DEFAULT_PRESET, "settings": {}, **own}
            allowed = {**tolerance, **own.pop("tolerance", {})}
            for seed in seeds:
                name = f"{encoder}-{seed}"
                found[name] = Recipe(name=name, encoder=encoder, seed=seed, tolerance=allowed, **told, **own)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        said = words_of(error)
        raise ConfigError(f"{path} holds no recipes ({said}); write it as kinema/results/synthetic.yaml is") from error
    for recipe in found.values():
        if recipe.method not in METHODS:
            raise ConfigError(
                f"{path}: {recipe.encoder} has the method {recipe.method!r}; choose one of {', '.join(METHODS)}"
            )
        if recipe.tolerance.keys() != FIGURES.keys():
            raise ConfigError(f"{path}: the tolerance of {recipe.encoder} must name just {', '.join(FIGURES)}")
    return found


def recipes_with(name: str) -> Path:
    """The file of those that come with kinema that has a recipe of this name; the first if none has it."""
    found = (path for path in (SYNTHETIC, READY) if name in _names(read_recipes(path)))
    return next(found, SYNTHETIC)


def choose(name: str, recipes: Mapping[str, Recipe]) -> Recipe:
    """The recipe of a name; an encoder's name alone means that of its first seed.

    Raises:
        ConfigError: there is none; the message names near ones.
    """
    if name in (names := _names(recipes)):
        return names[name]
    near = difflib.get_close_matches(name.lower(), recipes)
    advice = f"did you mean {' or '.join(near)}?" if near else "kinema reproduce --list lists them"
    raise ConfigError(f"there is no recipe {name!r}: {advice}")


def _names(recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """The recipes by the names that they may be called by."""
    return {recipe.encoder: recipe for recipe in reversed(list(recipes.values()))} | dict(recipes)


def rows_path(recipes: str | Path = SYNTHETIC) -> Path:
    """The CSV file with the rows of a file of recipes."""
    return Path(recipes).with_suffix(".csv")


def read_rows(path: str | Path) -> dict[str, Row]:
    """The measured rows of a CSV file by name; none if there is no such file.

    Raises:
        DataError: it cannot be read, or lacks a column.
    """
    if not Path(path).exists():
        return {}
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            return {row["name"]: _row(row) for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); restore it, or record its rows anew") from error


def write_rows(path: str | Path, rows: Iterable[Row], order: Sequence[str]) -> Path:
    """Write measured rows, those that ``order`` names first and as it has them; figures have four places.

    Raises:
        OutputError: the file cannot be written.
    """
    places = {name: place for place, name in enumerate(order)}
    table: list[tuple[str, ...]] = [("name", *FIGURES, *ORIGIN)]
    for row in sorted(rows, key=lambda row: places.get(row.name, len(places))):
        figures = ("" if row.figures[name] is None else f"{row.figures[name]:.4f}" for name in FIGURES)
        table.append((row.name, *figures, *(row.facts[name] for name in ORIGIN)))
    return write_csv(path, table)


def _row(cells: Mapping[str, str]) -> Row:
    figures = {name: float(cells[name]) if cells[name] else None for name in FIGURES}
    return Row(cells["name"], figures, {name: cells[name] for name in ORIGIN})
