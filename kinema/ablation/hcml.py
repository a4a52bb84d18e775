"""What each part of HCML brings to recognition with few labels: the ladder of its design."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kinema.ablation.ladder import Ladder, as_name, make_videos
from kinema.config import FinetuneConfig, Motion
from kinema.finetuning import finetune
from kinema.report.ladder import Bar

FIGURES = {"top1": "top-1", "mean_class": "mean over classes"}
FACTS = ("steps", "seconds")
BARS = (Bar("top1", "top-1", "#2b6cb0"),)


def rungs(config: FinetuneConfig) -> dict[str, tuple[Motion, FinetuneConfig]]:
    """The rungs by name: which motion losses, and the settings.

    The whole method is as ``config`` has it, in phases; every other rung takes away one part of it, or builds it up.
    """
    whole = config.hcml

    def rung(**changes: Any) -> tuple[Motion, FinetuneConfig]:
        return "hcml", dataclasses.replace(config, hcml=dataclasses.replace(whole, **changes))

    def up_to(levels: int) -> tuple[Motion, FinetuneConfig]:
        return rung(levels=levels, shares=None)

    lower = {f"levels 1 to {n}" if n > 1 else "level 1": up_to(n) for n in range(1, whole.levels)}
    return {
        "no motion block": ("none", config),
        "block without its losses": rung(photometric=0.0, contrast=0.0, progressive=False, shares=None),
        "prime motion alone": up_to(0),
        **lower,
        "HCML": rung(progressive=True),
        "all at once": rung(progressive=False, shares=None),
        "without fusion": rung(fusion=False),
        "without spatial negatives": rung(spatial=False),
        "without temporal negatives": rung(temporal=False),
        "without negatives of other videos": rung(videos=False),
    }


def ablate_hcml(
    out: str | Path,
    config: FinetuneConfig,
    *,
    difficulty: str = "hard",
    videos: int = 1500,
    per_class: Sequence[int] = (10, 50),
    seeds: Sequence[int] = (0, 1, 2),
    only: Sequence[str] = (),
) -> list[Path]:
    """Train every rung of the ladder with few labels for every seed, on synthetic videos.

    All rungs are trained on the same videos for the same number of epochs; a seed decides the videos too. What was
    measured is not measured again, so an interrupted call goes on.

    Args:
        out: folder for videos, runs, ``results.csv``, ``results.md`` and ``ladder.png``.
        config: settings of every rung but for the parts that it switches off.
        difficulty: of the videos.
        videos: number of them, a fifth for testing.
        per_class: numbers of labelled videos of each class.
        seeds: one round of the ladder for each.
        only: names of the rungs wanted; empty for all.

    Returns:
        The files to look at.

    Raises:
        ConfigError: ``only`` names no rung.
    """
    trained = rungs(config)

    def measure(out: Path, rung: str, labelled: int, seed: int) -> dict[str, Any]:
        folder, manifest = make_videos(out, difficulty, seed, videos)
        motion, settings = trained[rung]
        run = out / f"{labelled}-{seed}-{as_name(rung)}"
        found = finetune(
            folder,
            run,
            dataclasses.replace(settings, seed=seed),
            labels=folder / "labels.csv",
            label_column="motion",
            per_class=labelled,
            motion=motion,
            preset="tiny",
            manifest=manifest,
            resume=True,
        )
        training = json.loads((run / "card.json").read_text())["training"]
        return {name: found.results[name] for name in FIGURES} | {name: training[name] for name in FACTS}

    title = f"{difficulty} set, {{}} labelled videos a class"
    ladder = Ladder(tuple(trained), "per_class", title, FIGURES, FACTS, BARS)
    return ladder.climb(out, list(per_class), seeds, only, measure)
