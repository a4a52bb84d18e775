"""What each part of HCML brings to recognition with few labels: the ladder of its design."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from kinema.config import FinetuneConfig, Motion, PretrainConfig, TrainConfig
from kinema.config.synthesis import HCMLLadderConfig
from kinema.jobs.ablation.ladder import Ladder, as_name, came_from, make_videos
from kinema.jobs.finetuning import finetune
from kinema.methods import settings_for
from kinema.presets import settings_on
from kinema.report.ladder import Bar
from kinema.training import pretrain
from kinema.training.resuming import deciding

FIGURES = {"top1": "top-1", "mean_class": "mean over classes"}
FACTS = ("steps", "seconds")
BARS = (Bar("top1", "top-1", "#2b6cb0"),)
PRESET = "tiny"

FIRST: dict[str, str] = {
    "RGB MoCo first, without labels": "moco",
    "MSCL first, without labels": "mscl",
    "HCML first, without labels": "hcml",
}
"""Rungs that begin with another training, and by which method."""


def rungs(config: FinetuneConfig) -> dict[str, tuple[Motion, FinetuneConfig]]:
    """The rungs by name: which motion losses, and the settings.

    The whole method is as ``config`` has it, in phases; the others take away one part of it, or build it up. The last
    have a method without labels first, and train what came of that with labels alone.
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
        **dict.fromkeys(FIRST, ("none", config)),
    }


def ablate_hcml(out: str | Path, config: FinetuneConfig, asked: HCMLLadderConfig) -> list[Path]:
    """Train every rung of the ladder with few labels for every seed, on synthetic videos.

    All rungs are trained on the same labelled videos for the same number of epochs; the last have seen all training
    videos before, without labels and as many clips of them. A seed decides the videos too. What was measured is not
    measured again, so an interrupted call goes on.

    Args:
        out: folder for videos, runs, ``results.csv``, ``results.md`` and ``ladder.png``.
        config: settings of every rung but for the parts that it switches off.
        asked: the videos, the labels, the seeds and the rungs.

    Returns:
        The files to look at.

    Raises:
        ConfigError: ``asked.only`` names no rung.
    """
    trained = rungs(config)

    def measure(out: Path, rung: str, labelled: int, seed: int) -> dict[str, Any]:
        folder, manifest = make_videos(out, asked.difficulty, seed, asked.videos)
        motion, settings = trained[rung]
        settings = dataclasses.replace(settings, seed=seed)
        plain = dataclasses.asdict(settings)
        decided = {"per_class": labelled, **deciding(plain, FinetuneConfig, motion == "hcml")}
        weights = None
        if method := FIRST.get(rung):
            weights = out / f"{method}-{asked.difficulty}-{seed}"
            _, part = make_videos(out, asked.difficulty, seed, asked.videos, "train")
            unlabelled = _without_labels(settings, asked.unlabelled_epochs // (1 if method == "hcml" else 2))
            pretrain(folder / "train", weights, unlabelled, method=method, preset=PRESET, manifest=part, resume=True)
            first = dataclasses.asdict(settings_for(method, unlabelled))
            decided["first"] = {"method": method, **deciding(first, PretrainConfig, method == "hcml")}
        run = out / f"{labelled}-{seed}-{as_name(rung)}"
        found = finetune(
            folder,
            run,
            settings,
            labels=folder / "labels.csv",
            label_column="motion",
            per_class=labelled,
            motion=motion,
            weights=weights,
            preset=PRESET,
            manifest=manifest,
            resume=True,
        )
        training = json.loads((run / "card.json").read_text(encoding="utf-8"))["training"]
        figures = {name: found.results[name] for name in FIGURES}
        return figures | {name: training[name] for name in FACTS} | came_from(decided, folder)

    title = f"{asked.difficulty} set, {{}} labelled videos a class"
    ladder = Ladder(tuple(trained), "per_class", title, FIGURES, FACTS, BARS)
    return ladder.climb(out, list(asked.per_class), asked.seeds, asked.only, measure)


def _without_labels(config: FinetuneConfig, epochs: int) -> PretrainConfig:
    """The same settings for a training without labels, with the preset's own of flow and losses."""
    shared = {field.name: getattr(config, field.name) for field in dataclasses.fields(TrainConfig)}
    preset = settings_on(PRESET, PretrainConfig, {})
    return dataclasses.replace(preset, **{**shared, "steps": None, "epochs": epochs, "flow": preset.flow})
