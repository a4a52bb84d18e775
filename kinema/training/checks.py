"""What settings of a training must fulfil."""

from __future__ import annotations

import math
from operator import attrgetter

import torch

from kinema.config import FinetuneConfig, Motion, PretrainConfig, TrainConfig
from kinema.data.clips import span
from kinema.errors import ConfigError, refuse
from kinema.flow import create_estimator
from kinema.methods.base import SETTINGS
from kinema.methods.hcml import try_hierarchy
from kinema.methods.registry import METHODS, create_method
from kinema.models import build_encoder
from kinema.models.registry import narrow

FEWEST_STEPS, SENSIBLE_STEPS = 200, 500
"""Steps below which a pretraining from scratch learns next to nothing, and as many as are sensible at the least.

Ours, by trial with the preset tiny, whose steps have 32 clips. On a folder of 179 real clips 70 steps gave a precision
at 10 of 0.198, an untrained encoder 0.193. On the default synthetic videos (docs/results.md) MSCL's R@1 of motion is
about 0.5 after 222 steps (6 epochs) and 0.75 after 518; untrained it is 0.13."""

SMALLEST = {
    0: ("seed", "trainer.workers", "trainer.hold_mib"),
    1: (
        *("steps", "epochs", "sampling.clips_per_video", "flow.step_frames", "augment.aspect"),
        *(f"trainer.{name}" for name in ("accumulate", "devices", "nodes", "threads", "stop_after", "keep_every")),
        *(f"model.{name}" for name in ("width", "flow_width", "embedding", "pyramid")),
    ),
    2: ("trainer.batch_size",),
}
"""The settings that are at least so large, where they are given."""


def too_short(steps: int) -> str:
    """A sentence about a pretraining from scratch that is too short to learn; empty for one that is long enough.

    Args:
        steps: that it has.
    """
    if steps >= FEWEST_STEPS:
        return ""
    return (
        f"{steps} steps are too few to learn from scratch: the encoder will hardly be better than an untrained one; "
        f"some {SENSIBLE_STEPS} are sensible (--steps {SENSIBLE_STEPS})"
    )


def check_remaining(out: object, done: int, steps: int) -> str:
    """A sentence about a training that goes on where nothing is left of it to do; empty where something is.

    Args:
        out: folder of the run.
        done: steps that it has had.
        steps: that it is to have in all.

    Raises:
        ConfigError: it has had more; its encoder would be told to be one of fewer steps.
    """
    if done > steps:
        raise ConfigError(
            f"{out} has had {done} steps, more than the {steps} that are asked for; give as many or more to go on, "
            "or choose another folder"
        )
    return (
        f"{out} has had all of its {steps} steps: nothing is left to train; give more to go on" if done == steps else ""
    )


def check_pretraining(config: PretrainConfig, method: str = "mscl") -> None:
    """Refuse settings that cannot work with a method, before any work is done.

    Raises:
        ConfigError: says which setting, and what it may be.
    """
    kind = METHODS.get(method)
    _check_training(config, kind.needs_flow(config))
    kind.check(config)
    if not METHODS.is_own(method):
        with torch.random.fork_rng(devices=[]):
            create_method(method, config)
    elif config.parameters:
        raise ConfigError(
            f"{SETTINGS}parameters are for methods of other packages, and {method} is kinema's: leave them out"
        )


def check_finetuning(config: FinetuneConfig, motion: Motion) -> None:
    """Refuse settings that cannot work, before any work is done.

    Raises:
        ConfigError: says which setting, and what it may be.
    """
    _check_training(config, uses_flow=False)
    refuse(
        {
            "dropout must lie between 0 and 1": 0 <= config.dropout < 1,
            "label_smoothing must lie between 0 and 1": 0 <= config.label_smoothing < 1,
            "clips must be at least 1": config.clips >= 1,
        },
        SETTINGS,
    )
    if motion == "hcml":
        try_hierarchy(config)


def _check_training(config: TrainConfig, uses_flow: bool) -> None:
    clip, trainer, paces = config.clip, config.trainer, config.sampling.paces
    whole = clip.crop is None or config.flow.cache is None
    refuse(
        {
            "say either steps or epochs, not both": config.steps is None or config.epochs is None,
            "flow of a store (flow.cache) is of whole frames: leave it or clip.crop out": whole,
        },
        SETTINGS,
    )
    span(clip, 30.0)
    estimator = create_estimator(config.flow.estimator, **(config.flow.parameters or {}))
    for least, names in SMALLEST.items():
        for name in names:
            value = attrgetter(name)(config)
            if value is not None and value < least:
                raise ConfigError(f"{SETTINGS}{name} must be at least {least}, not {value:g}")
    scaled = "size" if clip.squeeze else "short_side"
    side = min(clip.size) if clip.squeeze else math.inf if clip.short_side is None else clip.short_side
    uses_flow = uses_flow or config.sampling.mds is not None
    if uses_flow:
        estimator.require()
    flow_side = estimator.minimum_side if uses_flow else 0
    part = trainer.batch_size / trainer.accumulate
    checks = {
        f"trainer.accumulate must cut trainer.batch_size into equal parts of 2 clips or more, not {trainer.batch_size} "
        f"into {trainer.accumulate}": part >= 2 and part.is_integer(),
        "clip.frames must be even and at least 4": clip.frames % 2 == 0 and clip.frames >= 4,
        "clip.size must be at least 16 pixels a side": min(clip.size) >= 16,
        "clip.short_side must be at least 16 pixels": side >= 16,
        f"clip.{scaled} must be at least {flow_side} pixels for this flow estimator": side >= flow_side,
        "flow.step_ratio must lie above 0 and not above 1": 0 < config.flow.step_ratio <= 1,
        "flow.step_frames is for flow that is estimated while training: set flow.cache to null, or use step_ratio": (
            config.flow.step_frames is None or config.flow.cache is None
        ),
        "sampling.paces must be one or several whole numbers from 1, each once": (
            len(paces) > 0 and min(paces) >= 1 and len(set(paces)) == len(paces)
        ),
        "sampling.mds scores clips at a pace of 1: set sampling.paces to [1], or mds to null": (
            config.sampling.mds is None or paces == (1,)
        ),
        "augment.min_area must lie above 0 and not above 1": 0 < config.augment.min_area <= 1,
        "optimizer.lr must be positive": config.optimizer.lr > 0,
        "optimizer.drops are epochs, so the training must be set in epochs, not in steps": (
            not config.optimizer.drops or config.epochs is not None
        ),
        f"optimizer.drops must be ascending epochs below {config.epochs}": list(config.optimizer.drops)
        == sorted({drop for drop in config.optimizer.drops if 0 < drop < (config.epochs or 0)}),
    }
    checks |= {
        f"augment.{name} must be at least 0 and below 1, not {getattr(config.augment, name):g}": (
            0 <= getattr(config.augment, name) < 1
        )
        for name in ("still_texture", "fading", "flicker", "rolling_light", "sensor_noise")
    }
    checks["augment.shake must be at least 0"] = config.augment.shake >= 0
    refuse(checks, SETTINGS)
    _check_readout(config)


def _check_readout(config: TrainConfig) -> None:
    """Try the readout on a black clip, in a network that is narrow but has the same grids."""
    clip = config.readout.clip(config.clip)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            encoder = build_encoder(narrow(config.model), readout=config.readout).eval()
            encoder(torch.zeros(1, 3, clip.frames, *clip.size))
        except ConfigError as error:
            raise ConfigError(f"settings: {error}") from error
