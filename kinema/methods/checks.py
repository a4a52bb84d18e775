"""What the settings of methods must fulfil; each check raises a ConfigError that says which does not."""

from __future__ import annotations

from kinema.config import ClipConfig, HCMLConfig, MaskedConfig, ModelConfig, MSCLConfig, TubeletConfig
from kinema.errors import refuse

SETTINGS = "settings: "
"""How the sentence about a setting begins."""


def check_mscl(mscl: MSCLConfig, model: ModelConfig) -> None:
    """Those of MSCL, and what they ask of the encoder."""
    weights = ("rgb", "flow", "cross", "lmcl", "fra_clips", "motion", "dense_lmcl")
    checks = {
        f"mscl.{name} must be at least 0, not {getattr(mscl, name):g}": getattr(mscl, name) >= 0
        for name in ("queue", *weights)
    }
    checks |= {
        "mscl.temperature must be positive": mscl.temperature > 0,
        "mscl.momentum must lie between 0 and 1": 0 <= mscl.momentum <= 1,
        "mscl.rgb, cross, lmcl, fra_clips, motion or dense_lmcl must be above 0, or the RGB encoder learns nothing": (
            any((mscl.rgb, mscl.cross, mscl.lmcl, mscl.fra_clips, mscl.dense))
        ),
        "mscl.motion and mscl.dense_lmcl look at the encoder's pyramid: set model.pyramid": (
            model.pyramid is not None or not mscl.dense
        ),
        "model.pyramid learns from mscl.motion and mscl.dense_lmcl alone: set one of them above 0, or model.pyramid to "
        "null": (model.pyramid is None or mscl.dense),
        "mscl.motion_boundaries and motion_stabilised need mscl.motion above 0": (
            mscl.motion > 0 or not (mscl.motion_boundaries or mscl.motion_stabilised)
        ),
        "mscl.dense_cells must be at least 2": mscl.dense_cells >= 2,
        "mscl.fra_negatives needs mscl.lmcl above 0": not mscl.fra_negatives or mscl.lmcl > 0,
        "mscl.fra_after_enqueue needs mscl.fra_clips above 0 and a queue": (
            not mscl.fra_after_enqueue or (mscl.fra_clips > 0 and mscl.queue > 0)
        ),
        "mscl: without a queue there must be batch_negatives": mscl.queue > 0 or mscl.batch_negatives,
    }
    refuse(checks, SETTINGS)


def check_hcml(config: HCMLConfig) -> None:
    """Those of HCML's losses."""
    checks = {
        "hcml.temperature must be positive": config.temperature > 0,
        "hcml.deltas must be one or several numbers from 1": bool(config.deltas) and min(config.deltas) >= 1,
        "hcml.places must be at least 1 and hcml.others at least 0": config.places >= 1 and config.others >= 0,
        "hcml.photometric, smoothness and contrast must not be negative": (
            min(config.photometric, config.smoothness, config.contrast) >= 0
        ),
    }
    refuse(checks, SETTINGS)


def check_tubelet(config: TubeletConfig) -> None:
    """Those of tubelets."""
    smallest, largest = config.size
    checks = {
        "tubelet.count must be at least 1 and tubelet.turns at least 0": config.count >= 1 and config.turns >= 0,
        "tubelet.size must be two shares above 0 and not above 1, the smaller first": 0 < smallest <= largest <= 1,
        "tubelet.scale must be at least 1": config.scale >= 1,
        "tubelet.angle and tubelet.shear must not be negative": min(config.angle, config.shear) >= 0,
    }
    refuse(checks, SETTINGS)


def check_masked(config: MaskedConfig, clip: ClipConfig) -> None:
    """Those of masked motion modelling, for clips of that geometry."""
    most = (clip.frames, *clip.size)
    fits = len(config.cells) == 3 and all(1 <= cells <= side for cells, side in zip(config.cells, most, strict=True))
    checks = {
        "masked.share must lie above 0 and below 1": 0 < config.share < 1,
        f"masked.cells must be three numbers (time, height, width) from 1 to {most}, not {config.cells}": fits,
    }
    refuse(checks, SETTINGS)
