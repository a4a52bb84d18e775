"""Which settings two parts of one run must have in common, and what decides its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from kinema.common.provenance import differing
from kinema.config import LENGTHS, MaskedConfig, ReadoutConfig, TrainConfig, TubeletConfig
from kinema.errors import CheckpointError, KinemaError

MACHINE = ("stop_after", "workers", "hold_mib", "threads", "checkpoint_minutes", "keep_every", "max_bad_share")
"""Settings of the trainer that may change from one part of a run to the next."""

PROCESSES = ("devices", "nodes")
"""Those of which the product alone counts, which is in the checkpoint."""

UNTRAINED = ("seed", "clip", "model", "readout")
"""What of the settings of a training decides an encoder that is not trained."""

LATER = {
    "": ("parameters",),
    "augment": ("still_texture", "fading", "flicker", "rolling_light", "shake", "sensor_noise"),
    "clip": ("squeeze", "stretch", "crop"),
    "flow": ("step_frames",),
    "model": ("keep_time", "pyramid", "colours", "parameters"),
    "mscl": (
        "fra_after_enqueue",
        "shuffle",
        "motion",
        "motion_boundaries",
        "motion_stabilised",
        "dense_lmcl",
        "dense_cells",
    ),
    "readout": tuple(field.name for field in fields(ReadoutConfig)),
    "masked": tuple(field.name for field in fields(MaskedConfig)),
    "sampling": ("paces",),
    "trainer": ("accumulate", "sync_batchnorm"),
    "tubelet": tuple(field.name for field in fields(TubeletConfig)),
}
"""Settings that are newer than recorded results, whose fingerprints their defaults leave as they were."""


def deciding(settings: Mapping[str, Any], kind: type[TrainConfig], hierarchical: bool) -> dict[str, Any]:
    """What of a run's settings decides what comes out of it, by dotted name: of the trainer, the size of batches and of
    their parts, and whose batch statistics count; of what is newer than recorded results nothing unless it is another
    than the usual.

    Args:
        settings: of a ``kind``, as plain values; those that an older version did not know have their defaults.
        kind: of the settings.
        hierarchical: whether the settings of HCML play a part.
    """
    flat, usual = _flat(settings, kind), _flat({}, kind)
    decide = {f"trainer.{name}" for name in ("batch_size", "accumulate", "sync_batchnorm")}
    idle = {name for name in flat if name.startswith("trainer.")} - decide
    idle |= {name for name in LENGTHS if flat[name] is None}
    later = {f"{part}.{name}".strip(".") for part, names in LATER.items() for name in names}
    idle |= {name for name in later & flat.keys() if flat[name] == usual[name]}
    return {name: value for name, value in flat.items() if name not in idle and _plays(name, hierarchical)}


def deciding_untrained(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What of a training's settings decides an encoder that is not trained, by name."""
    usual = asdict(TrainConfig())

    def plays(part: str, name: str, value: Any) -> bool:
        return name not in LATER.get(part, ()) or value != usual[part][name]

    decided = {
        part: {name: value for name, value in inner.items() if plays(part, name, value)}
        if isinstance(inner, Mapping)
        else inner
        for part, inner in ((part, settings[part]) for part in UNTRAINED)
    }
    return {part: inner for part, inner in decided.items() if inner != {}}


@contextmanager
def opened_checkpoint(path: Path) -> Iterator[dict[str, Any]]:
    """What a checkpoint holds, as far as it is looked at; nothing in it is executed.

    Raises:
        CheckpointError: the file, or what is looked for inside, is damaged or missing.
    """
    try:
        yield torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except KinemaError:
        raise
    except Exception as error:  # torch names no error for a damaged file: zip, pickle and key errors all occur
        raise CheckpointError(f"{path} is damaged or no checkpoint of kinema; delete it to begin anew") from error


def check_checkpoint(
    path: Path, config: TrainConfig, identity: Mapping[str, str], hierarchical: bool, processes: int = 1
) -> int:
    """The step of a checkpoint that fits the settings and the number of processes.

    Raises:
        CheckpointError: it is damaged, or was made by another method or number of processes, of other data or with
            other settings.
    """
    with opened_checkpoint(path) as state:
        step, made_as = int(state["global_step"]), dict(state["identity"])
        found = common_settings(state["config"], type(config), hierarchical)
        began = int(state.get("processes") or state["config"]["trainer"]["devices"] or processes)
    for name, value in identity.items():
        if (made := made_as.get(name, "none")) != value:
            raise CheckpointError(
                f"{path} was made with the {name} {made}, not {value}; use the same, or another folder"
            )
    if began != processes:
        raise CheckpointError(
            f"{path} was made by {_processes(began)}, each with its own part of every batch, and this would be "
            f"{_processes(processes)}; go on with trainer.devices x trainer.nodes of {began}, or begin anew in another "
            "folder"
        )
    if others := differing(found, common_settings(asdict(config), type(config), hierarchical)):
        raise CheckpointError(
            f"{path} was made with other settings ({'; '.join(others[:5])}); use the same, or another folder"
        )
    return step


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"


def common_settings(settings: Mapping[str, Any], kind: type[TrainConfig], hierarchical: bool) -> dict[str, Any]:
    """What two parts of one run have in common, and all its processes: settings by dotted name, as JSON would hold
    them, but for those that may differ, or play no part.

    Args:
        settings: of a ``kind``, as plain values; those that an older version did not know have their defaults.
        kind: of the settings.
        hierarchical: whether the settings of HCML play a part.
    """
    flat = _flat(settings, kind)
    free = {f"trainer.{name}" for name in (*MACHINE, *PROCESSES)} | {
        name for name in flat if name.startswith("readout.")
    }
    if not (hierarchical and flat["hcml.progressive"]):
        free |= set(LENGTHS)  # where phases follow one another, a longer training would have begun with other phases
        flat["length"] = "in steps" if flat["epochs"] is None else "in epochs"  # which decides the order of clips
    return {name: value for name, value in flat.items() if name not in free and _plays(name, hierarchical)}


def _plays(name: str, hierarchical: bool) -> bool:
    return hierarchical or not name.startswith("hcml.")


def _flat(settings: Mapping[str, Any], kind: type[TrainConfig]) -> dict[str, Any]:
    """Settings by dotted name, as JSON would hold them, on top of the defaults."""
    flat: dict[str, Any] = {}
    for values in (asdict(kind()), settings):
        for name, value in values.items():
            inner = value if isinstance(value, dict) else {"": value}
            for key, setting in inner.items():
                flat[f"{name}.{key}".strip(".")] = list(setting) if isinstance(setting, tuple) else setting
    flat["flow.cache"] = bool(flat["flow.cache"])  # where it lies is free; whether flow was rounded is not
    return flat
