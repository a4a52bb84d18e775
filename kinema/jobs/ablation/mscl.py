"""What each part of MSCL brings: the ladder from a random encoder to the whole method."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from kinema.config import MSCLConfig, PretrainConfig
from kinema.config.synthesis import LadderConfig
from kinema.evaluation import extract_features
from kinema.jobs.ablation.ladder import Ladder, as_name, came_from, make_videos
from kinema.jobs.synthetic_comparison import CLIPS, compare, read_labels
from kinema.methods import settings_for
from kinema.methods.masked import PYRAMID_CHANNELS
from kinema.models import load_encoder, random_encoder
from kinema.report.ladder import Bar
from kinema.training import pretrain
from kinema.training.resuming import deciding, deciding_untrained

RANDOM = "random"
FIGURES = {
    "motion_r1": "motion R@1",
    "scene_r1": "scene R@1",
    "shape_r1": "shape R@1",
    "motion_probe": "motion probe",
}
BESIDE = {"tubelet contrast": "tubelet", "masked motion modelling": "masked"}
"""Rungs beside the ladder, and by which method."""
FACTS = ("steps", "clips_seen", "seconds", "data_wait")
BARS = (Bar("motion_r1", "motion R@1", "#2b6cb0"), Bar("scene_r1", "scene R@1", "#b7791f"))


def rungs(config: PretrainConfig) -> dict[str, PretrainConfig]:
    """The trained rungs by name, each with one more part of MSCL switched on (its ablation study).

    Weights are those of ``config``; what is zero there gets the weight 1 on its rung. The lowest rung sees raw frames
    instead of the input that ``config`` names: what contrast on RGB learns if nothing points it to motion. The dense
    objectives, which are ours, begin anew from "+ LMCL", and dense motion prediction is there by itself as well; these
    rungs alone have the pyramid in the encoder. FRA at clip level is there in our order and in that of the authors'
    code; "+ MDS" goes on in ours.
    """
    channels = config.model.pyramid or PYRAMID_CHANNELS
    full = config.mscl
    moco = full.rgb_only()
    cross = dataclasses.replace(moco, rgb=full.rgb, flow=full.flow or 1.0, cross=full.cross or 1.0)
    local = dataclasses.replace(cross, lmcl=full.lmcl or 1.0)
    negatives = dataclasses.replace(local, fra_negatives=True)
    clips = dataclasses.replace(negatives, fra_clips=full.fra_clips or 1.0)
    enqueued = dataclasses.replace(clips, fra_after_enqueue=True)
    motion = dataclasses.replace(local, motion=full.motion or 1.0, motion_stabilised=full.motion_stabilised)
    boundaries = dataclasses.replace(motion, motion_boundaries=True)
    dense = dataclasses.replace(boundaries, dense_lmcl=full.dense_lmcl or 1.0)
    alone = dataclasses.replace(boundaries, rgb=0.0, flow=0.0, cross=0.0, lmcl=0.0)

    def rung(mscl: MSCLConfig, mds: bool = False) -> PretrainConfig:
        sampling = dataclasses.replace(config.sampling, mds=None)
        if mds:
            sampling = dataclasses.replace(sampling, mds=config.sampling.mds or "vectors", paces=(1,))
        model = dataclasses.replace(config.model, pyramid=channels if mscl.dense else None)
        return dataclasses.replace(config, mscl=mscl, sampling=sampling, model=model)

    bare = rung(moco)
    raw = dataclasses.replace(bare, model=dataclasses.replace(bare.model, input="rgb"))
    return {
        "RGB MoCo, raw frames": raw,
        "RGB MoCo": bare,
        "+ flow and cross-modal": rung(cross),
        "+ LMCL": rung(local),
        "+ FRA negatives in LMCL": rung(negatives),
        "+ FRA at clip level": rung(clips),
        "+ FRA at clip level, keys enqueued first": rung(enqueued),
        "+ MDS": rung(clips, mds=True),
        "+ LMCL and dense motion prediction": rung(motion),
        "+ motion boundaries": rung(boundaries),
        "+ dense LMCL": rung(dense),
        "dense motion prediction alone": rung(alone),
    }


def beside(config: PretrainConfig) -> dict[str, PretrainConfig]:
    """Rungs of other methods than MSCL, which :data:`BESIDE` names, as far as ``config`` goes for them."""
    plain = dataclasses.replace(config, sampling=dataclasses.replace(config.sampling, mds=None))
    return {rung: settings_for(method, plain) for rung, method in BESIDE.items()}


def ablate_mscl(out: str | Path, config: PretrainConfig, asked: LadderConfig) -> list[Path]:
    """Train and evaluate every rung of the ladder for every seed, on synthetic videos.

    All rungs have the same number of steps on the same videos; a seed decides the videos too. What was measured is not
    measured again, so an interrupted call goes on. Two other methods stand beside the ladder.

    Args:
        out: folder for videos, runs, ``results.csv``, ``results.md`` and ``ladder.png``.
        config: settings of every rung but for the parts that it switches off.
        asked: the videos, the seeds and the rungs.

    Returns:
        The files to look at.

    Raises:
        ConfigError: ``asked.only`` names no rung.
    """
    trained = rungs(config) | beside(config)

    def measure(out: Path, rung: str, difficulty: str, seed: int) -> dict[str, Any]:
        folder, manifest = make_videos(out, difficulty, seed, asked.videos, "train")
        settings = dataclasses.replace(trained.get(rung, config), seed=seed)
        plain, facts = dataclasses.asdict(settings), dict[str, Any]()
        if rung == RANDOM:
            encoder = random_encoder(settings.model, seed, readout=settings.readout)
            decided = deciding_untrained(plain)
        else:
            run = out / f"{difficulty}-{seed}-{as_name(rung)}"
            method = BESIDE.get(rung, "mscl")
            words: dict[str, Any] = {"method": method, "preset": "tiny", "manifest": manifest, "resume": True}
            card = pretrain(folder / "train", run, settings, **words).card
            facts = {name: card["training"][name] for name in FACTS}
            encoder = load_encoder(run)
            decided = deciding(plain, PretrainConfig, hierarchical=False)
            decided |= {"method": method} if rung in BESIDE else {}
        labelled = read_labels(folder)
        clip = settings.readout.clip(settings.clip)
        features = extract_features({rung: encoder}, labelled["motion"].paths, clip, clips=CLIPS, workers=0)
        return {**compare(features[rung], labelled), **facts, **came_from(decided, folder)}

    ladder = Ladder((RANDOM, *trained), "difficulty", "{} set", FIGURES, FACTS, BARS)
    return ladder.climb(out, [asked.difficulty], asked.seeds, asked.only, measure)
