"""Backbones by name, with published weights or without."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from kinema.errors import CheckpointError, ConfigError
from kinema.models.backbone import Backbone
from kinema.models.published import Published, fill, read_published
from kinema.models.resnet2d import resnet18, resnet50
from kinema.models.resnet3d import mc3_18, r2plus1d_18, r3d_18
from kinema.models.s3d import S3D
from kinema.models.slowonly import SlowOnly

_MODELS: dict[str, Callable[..., Backbone]] = {
    "mc3_18": mc3_18,
    "r2plus1d_18": r2plus1d_18,
    "r3d_18": r3d_18,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "s3d": S3D,
    "slowonly_r50": SlowOnly,
}


def list_models(pattern: str = "*") -> list[str]:
    """The names that :func:`create_model` knows and that fit a shell pattern such as ``r*_18``, sorted."""
    return sorted(name for name in _MODELS if fnmatchcase(name, pattern))


def create_model(
    name: str,
    pretrained: str | Path | None = None,
    *,
    classes: int | None = None,
    partial: bool = False,
    **settings: Any,
) -> Backbone:
    """A backbone over normalised clips (B, channels, T, H, W).

    Args:
        name: one of :func:`list_models`.
        pretrained: a file of published weights (``docs/weights.md`` lists whose), with the same settings; None for
            random ones.
        classes: outputs of its classification layer; None for an encoder without one.
        partial: load what matches of ``pretrained`` where not everything does.
        settings: ``width`` (the published one unless given) and ``channels`` of the input (3); for ``r3d_18`` and
            ``mc3_18`` also ``patch``, the spatial stride of a quick stem; for ``r3d_18`` and ``r2plus1d_18``
            ``keep_time``, true for last stages that do not halve the time steps.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is no positive whole number (``keep_time``: neither
            true nor false).
        CheckpointError: the weights are missing, damaged, of a layout that kinema does not know, or do not match.
    """
    if name not in _MODELS:
        near = difflib.get_close_matches(name.lower(), _MODELS)
        advice = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(list_models())}"
        raise ConfigError(f"unknown model {name!r}: {advice}")
    known = inspect.signature(_MODELS[name]).parameters
    for setting, value in {"classes": classes, **settings}.items():
        if setting not in known:
            raise ConfigError(f"model {name} has no setting {setting!r}: it knows {', '.join(known)}")
        if value is None and known[setting].default is None:
            continue
        if isinstance(known[setting].default, bool):
            if not isinstance(value, bool):
                raise ConfigError(f"{setting} of model {name} must be true or false, not {value!r}")
        elif not isinstance(value, int) or value < 1:
            raise ConfigError(f"{setting} of model {name} must be a positive whole number, not {value!r}")
    network = _MODELS[name](classes=classes, **settings)
    if pretrained is not None:
        fill(network, read_published(pretrained), partial)
    return network


def matching_model(published: Published) -> tuple[str, dict[str, Any]]:
    """The model whose names and shapes come nearest to published weights, and its settings.

    Raises:
        CheckpointError: the file lacks the weights that say how wide the network is.
    """
    layout, weights = published.source.layout, published.weights
    first, measure = weights.get(layout.rename(layout.anchor)), weights.get(layout.width)
    if first is None or measure is None or first.ndim < 4:
        raise CheckpointError(f"{published.path} does not say how wide its network is; it lacks {layout.width}")
    side = first.shape[-1]
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    for name in layout.models:
        settings: dict[str, Any] = {"width": len(measure), "channels": first.shape[1]}
        if side != 7 and "patch" in inspect.signature(_MODELS[name]).parameters:
            settings["patch"] = side // 2
        with torch.device("meta"):
            shapes = {n: v.shape for n, v in create_model(name, **settings).state_dict().items()}
        same = sum(n in shapes and v.shape == shapes[n] for n, v in weights.items())
        found.setdefault(same, (name, settings))
    return found[max(found)]
