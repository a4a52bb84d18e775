"""A ladder of rungs, climbed for several seeds: what was measured is kept, tabulated and drawn."""

from __future__ import annotations

import csv
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.common.files import make_folder, write_csv, write_text
from kinema.common.processes import available_cores
from kinema.common.provenance import ORIGIN, origin, software_versions
from kinema.data.synthetic import synthesise
from kinema.errors import ConfigError
from kinema.report.ladder import Bar, draw_ladder
from kinema.video import scan_folder
from kinema.video.manifest import MANIFEST


@dataclass(frozen=True)
class Ladder:
    """Which rungs there are and what is measured on each.

    Attributes:
        rungs: their names, the lowest first.
        setting: the column of what a whole ladder is climbed under, such as the difficulty.
        title: of a table or panel, with ``{}`` for the setting.
        figures: heading of each figure by its column.
        facts: columns that are kept but not tabulated, beside how the row came about.
        bars: what the picture shows.
    """

    rungs: Sequence[str]
    setting: str
    title: str
    figures: Mapping[str, str]
    facts: Sequence[str]
    bars: Sequence[Bar]

    def climb(
        self,
        out: str | Path,
        settings: Sequence[Any],
        seeds: Sequence[int],
        only: Sequence[str],
        measure: Callable[[Path, str, Any, int], dict[str, Any]],
    ) -> list[Path]:
        """Measure every rung under every setting for every seed.

        Rows that ``results.csv`` has already are not made again, so an interrupted call goes on.

        Args:
            out: folder for ``results.csv``, ``results.md`` and ``ladder.png``.
            settings: values of the column ``setting``.
            seeds: one round of the ladder for each.
            only: names of the rungs wanted; empty for all.
            measure: figures and facts of one rung, and :func:`came_from`, from the folder, the rung, the setting and
                the seed.

        Returns:
            The files to look at.

        Raises:
            ConfigError: ``only`` names no rung.
        """
        if unknown := sorted(set(only) - set(self.rungs)):
            raise ConfigError(f"there is no rung {unknown[0]!r}; choose from {', '.join(self.rungs)}")
        out = make_folder(out)
        table = out / "results.csv"
        rows: list[dict[str, Any]] = []
        if table.exists():
            with table.open(newline="", encoding="utf-8") as file:
                rows += csv.DictReader(file)
        done = {(row[self.setting], row["rung"], int(row["seed"])) for row in rows}
        for seed in seeds:
            for setting in settings:
                for rung in only or self.rungs:
                    if (str(setting), rung, seed) in done:
                        continue
                    print(f"kinema: {setting}, seed {seed}: {rung}", file=sys.stderr, flush=True)
                    row = {self.setting: str(setting), "rung": rung, "seed": seed}
                    rows.append({**row, **measure(out, rung, setting, seed)})
                    columns = (*row, *self.figures, *self.facts, *ORIGIN)
                    cells = ([one.get(name, "") for name in columns] for one in self._in_order(rows))
                    write_csv(table, [columns, *cells])
        summary = write_text(out / "results.md", self.markdown(rows))
        picture = draw_ladder(rows, self.rungs, self.setting, self.title, self.bars, out / "ladder.png")
        return [table, summary, picture]

    def _in_order(self, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """By setting, rung and seed; what is no rung of this version comes last."""
        settings = list(dict.fromkeys(row[self.setting] for row in rows))
        rungs = [*self.rungs, *(row["rung"] for row in rows)]
        return sorted(rows, key=lambda r: (settings.index(r[self.setting]), rungs.index(r["rung"]), int(r["seed"])))

    def markdown(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """A table for each setting: mean and standard deviation over the seeds."""
        parts = []
        for setting in dict.fromkeys(row[self.setting] for row in rows):
            parts.append(f"### {self.title.format(setting)}\n")
            parts.append(
                f"| rung | seeds | {' | '.join(self.figures.values())} |\n|---|---|{'---|' * len(self.figures)}"
            )
            for name in self.rungs:
                chosen = [row for row in rows if row[self.setting] == setting and row["rung"] == name]
                if chosen:
                    cells = [mean_and_spread([float(row[figure]) for row in chosen]) for figure in self.figures]
                    parts.append(f"| {name} | {len(chosen)} | {' | '.join(cells)} |")
            parts.append("")
        return "\n".join(parts)


def mean_and_spread(values: Sequence[float]) -> str:
    """The mean, and the standard deviation of several values, for a table."""
    return f"{statistics.mean(values):.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


def make_videos(out: Path, difficulty: str, seed: int, videos: int, part: str = "") -> tuple[Path, Path]:
    """The synthetic videos of a seed, made once, and the manifest of them or of a ``part``, train or test."""
    folder = out / f"videos-{difficulty}-{seed}"
    synthesise(folder, videos=videos, seed=seed, difficulty=difficulty, workers=available_cores())
    manifest = out / "-".join(filter(None, (folder.name, part, MANIFEST)))
    if not manifest.exists():
        scan_folder(folder / part, manifest)
    return folder, manifest


def came_from(settings: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """How a row came about: from settings that decide it, and a folder of synthetic videos."""
    files = [*sorted(folder.rglob("*.mp4")), folder / "labels.csv"]
    return origin(settings, folder, files, software_versions())


def as_name(rung: str) -> str:
    """The name of a rung as part of a folder's."""
    return "".join(c if c.isalnum() else "_" for c in rung)
