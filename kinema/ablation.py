"""What each part of MSCL brings: the ladder from a random encoder to the whole method, over several seeds."""

from __future__ import annotations

import csv
import dataclasses
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinema.config import MSCLConfig, PretrainConfig
from kinema.data.synthetic import synthesise
from kinema.errors import ConfigError
from kinema.evaluation import extract_features
from kinema.files import atomic_path, make_folder, write_text
from kinema.models import load_encoder, random_encoder
from kinema.report.ladder import draw_ladder
from kinema.synthetic_comparison import CLIPS, LABELS, compare, read_labels
from kinema.training import pretrain
from kinema.video import scan_folder, write_manifest
from kinema.video.manifest import MANIFEST

RANDOM = "random"
FIGURES = (*(f"{label}_r1" for label in LABELS), "motion_probe")
COLUMNS = ("difficulty", "rung", "seed", *FIGURES, "steps", "clips_seen", "seconds", "data_wait")


def ladder(config: PretrainConfig) -> dict[str, PretrainConfig]:
    """The trained rungs by name, each with one more part of MSCL switched on (its ablation study).

    Weights are those of ``config``; what is zero there gets the weight 1 on its rung. The lowest rung sees raw frames
    instead of the input that ``config`` names: what contrast on RGB learns if nothing points it to motion.
    """
    full = config.mscl
    moco = full.rgb_only()
    cross = dataclasses.replace(moco, rgb=full.rgb, flow=full.flow or 1.0, cross=full.cross or 1.0)
    local = dataclasses.replace(cross, lmcl=full.lmcl or 1.0)
    negatives = dataclasses.replace(local, fra_negatives=True)
    clips = dataclasses.replace(negatives, fra_clips=full.fra_clips or 1.0)

    def rung(mscl: MSCLConfig, mds: bool = False) -> PretrainConfig:
        sampling = dataclasses.replace(config.sampling, mds=(config.sampling.mds or "vectors") if mds else None)
        return dataclasses.replace(config, mscl=mscl, sampling=sampling)

    raw = dataclasses.replace(rung(moco), model=dataclasses.replace(config.model, input="rgb"))
    return {
        "RGB MoCo, raw frames": raw,
        "RGB MoCo": rung(moco),
        "+ flow and cross-modal": rung(cross),
        "+ LMCL": rung(local),
        "+ FRA negatives in LMCL": rung(negatives),
        "+ FRA at clip level": rung(clips),
        "+ MDS": rung(clips, mds=True),
    }


def ablate(
    out: str | Path,
    config: PretrainConfig,
    *,
    difficulty: str = "default",
    videos: int = 1500,
    seeds: Sequence[int] = (0, 1, 2),
    only: Sequence[str] = (),
) -> list[Path]:
    """Train and evaluate every rung of the ladder for every seed, on synthetic videos.

    All rungs see the same number of clips of the same videos; a seed decides the videos too. Rows that ``results.csv``
    has already are not made again, so an interrupted call goes on.

    Args:
        out: folder for videos, runs, ``results.csv``, ``results.md`` and ``ladder.png``.
        config: settings of every rung but for the parts that it switches off.
        difficulty: of the videos.
        videos: number of them, a fifth for testing.
        seeds: one round of the ladder for each.
        only: names of the rungs wanted; empty for all.

    Returns:
        The files to look at.

    Raises:
        ConfigError: ``only`` names no rung.
    """
    rungs = ladder(config)
    names = [RANDOM, *rungs]
    if unknown := sorted(set(only) - set(names)):
        raise ConfigError(f"there is no rung {unknown[0]!r}; choose from {', '.join(names)}")
    out = make_folder(out)
    table = out / "results.csv"
    rows = _read(table)
    done = {(row["difficulty"], row["rung"], int(row["seed"])) for row in rows}
    for seed in seeds:
        for name in only or names:
            if (difficulty, name, seed) in done:
                continue
            print(f"kinema ablate: {difficulty}, seed {seed}: {name}", file=sys.stderr, flush=True)
            settings = dataclasses.replace(rungs.get(name, config), seed=seed)
            figures = _climb(out, name, settings, difficulty, videos)
            rows.append({"difficulty": difficulty, "rung": name, "seed": seed, **figures})
            _write(table, rows)
    summary = write_text(out / "results.md", markdown(rows, names))
    return [table, summary, draw_ladder(rows, names, out / "ladder.png")]


def _climb(out: Path, name: str, config: PretrainConfig, difficulty: str, videos: int) -> dict[str, Any]:
    """The figures of one rung for one seed."""
    folder = out / f"videos-{difficulty}-{config.seed}"
    synthesise(folder, videos, config.seed, difficulty, workers=os.cpu_count() or 1)
    facts: dict[str, Any] = {}
    if name == RANDOM:
        encoder = random_encoder(config.model, config.seed)
    else:
        manifest = out / f"{folder.name}-{MANIFEST}"
        if not manifest.exists():
            write_manifest(scan_folder(folder / "train"), manifest)
        run = out / f"{difficulty}-{config.seed}-{''.join(c if c.isalnum() else '_' for c in name)}"
        card = pretrain(folder / "train", run, config, preset="tiny", manifest=manifest, resume=True).card
        facts = {key: card["training"][key] for key in ("steps", "clips_seen", "seconds", "data_wait")}
        encoder = load_encoder(run)
    labelled = read_labels(folder)
    features = extract_features({name: encoder}, labelled["motion"].paths, config.clip, clips=CLIPS, workers=0)
    return {**compare(features, labelled)[0][name], **facts}


def markdown(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """A table for each difficulty: mean and standard deviation over the seeds."""
    parts = []
    for difficulty in dict.fromkeys(row["difficulty"] for row in rows):
        parts.append(f"### {difficulty} set\n")
        parts.append("| rung | seeds | motion R@1 | scene R@1 | shape R@1 | motion probe |\n|---|---|---|---|---|---|")
        for name in names:
            chosen = [row for row in rows if row["difficulty"] == difficulty and row["rung"] == name]
            if chosen:
                cells = [mean_and_spread([float(row[figure]) for row in chosen]) for figure in FIGURES]
                parts.append(f"| {name} | {len(chosen)} | {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


def mean_and_spread(values: Sequence[float]) -> str:
    """The mean, and the standard deviation of several values, for a table."""
    return f"{statistics.mean(values):.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
