"""Backbones by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from kinema.errors import ConfigError
from kinema.models.backbone import Backbone
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
    """The names that :func:`create_backbone` knows and that fit a shell pattern such as ``r*_18``, sorted."""
    return sorted(name for name in _MODELS if fnmatchcase(name, pattern))


def create_backbone(name: str, classes: int | None = None, **settings: Any) -> Backbone:
    """An untrained backbone over normalised clips (B, channels, T, H, W).

    Args:
        name: one of :func:`list_models`.
        classes: outputs of its classification layer; None for an encoder without one.
        settings: ``width`` (the published one unless given) and ``channels`` of the input (3); for ``r3d_18`` and
            ``mc3_18`` also ``patch``, the spatial stride of a quick stem.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is no positive whole number.
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
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{setting} of model {name} must be a positive whole number, not {value!r}")
    return _MODELS[name](classes=classes, **settings)
