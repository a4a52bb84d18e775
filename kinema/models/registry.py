"""Backbones by name, with published weights or without."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import torch

from kinema.common.registry import Registry
from kinema.config import ModelConfig
from kinema.errors import CheckpointError, ConfigError, first_line
from kinema.models.backbone import Backbone
from kinema.models.from_function import find_function
from kinema.models.libraries import LIBRARIES
from kinema.models.published import Published, fill, read_published
from kinema.models.resnet2d import resnet18, resnet50
from kinema.models.resnet3d import mc3_18, r2plus1d_18, r3d_18
from kinema.models.s3d import S3D
from kinema.models.slowonly import SlowOnly

Factory = Callable[..., Backbone]
Made = TypeVar("Made", bound=Factory)

BACKBONES: Registry[Factory] = Registry(
    "model",
    "kinema.backbones",
    {
        "mc3_18": mc3_18,
        "r2plus1d_18": r2plus1d_18,
        "r3d_18": r3d_18,
        "resnet18": resnet18,
        "resnet50": resnet50,
        "s3d": S3D,
        "slowonly_r50": SlowOnly,
    },
    Backbone,
    made=True,
)

COUNTS = ("classes", "channels", "width", "patch")
"""Settings that are positive whole numbers, whoever's the backbone is."""


def register_backbone(name: str) -> Callable[[Made], Made]:
    """A decorator: know a backbone by a name from now on, in this process.

    What is decorated is a class derived from :class:`~kinema.models.Backbone`, or a function that gives one. It takes
    ``channels``, ``classes`` and whatever else ``model.parameters`` may say of it, by name. A package offers one to all
    processes by an entry point of that name in the group ``kinema.backbones``.

    Raises:
        ConfigError: the name is another's, or none; or what is decorated is no backbone.
    """
    return BACKBONES.register(name)


def list_models(pattern: str = "*") -> list[str]:
    """The names that :func:`create_model` knows and that fit a shell pattern such as ``r*_18``, sorted."""
    return sorted(name for name in BACKBONES.names() if fnmatchcase(name, pattern))


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
        name: one of :func:`list_models`; ``timm:NAME``, ``torchvision:NAME`` or ``transformers:KIND``, with random
            weights (:mod:`kinema.models.libraries`); or ``module:function``, a backbone's class on Python's path, or a
            function there that is annotated to return one.
        pretrained: a file of published weights (``docs/weights.md`` lists whose), with the same settings; None for
            random ones.
        classes: outputs of its classification layer; None for an encoder without one.
        partial: load what matches of ``pretrained`` where not everything does.
        settings: ``width`` (the published one unless given) and ``channels`` of the input (3); for ``r3d_18`` and
            ``mc3_18`` also ``patch``, the spatial stride of a quick stem; for ``r3d_18`` and ``r2plus1d_18``
            ``keep_time``, true for last stages that do not halve the time steps. Backbones of others have their own.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is no positive whole number (``keep_time``: neither
            true nor false).
        CheckpointError: the weights are missing, damaged, of a layout that kinema does not know, or do not match.
    """
    factory, asked = factory_of(name), {"classes": classes, **settings}
    known = inspect.signature(factory).parameters
    free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    for setting, value in asked.items():
        if setting not in known and free and setting in ("width", "patch", "keep_time"):
            raise ConfigError(f"model {name} has no setting {setting!r}: leave model.{setting} out, or set it to null")
        if setting not in known and not free:
            raise ConfigError(f"model {name} has no setting {setting!r}: it knows {', '.join(known)}")
        usual = known[setting].default if setting in known else None
        if value is None and usual is None:
            continue
        if isinstance(usual, bool):
            if not isinstance(value, bool):
                raise ConfigError(f"{setting} of model {name} must be true or false, not {value!r}")
        elif setting in COUNTS and (not isinstance(value, int) or value < 1):
            raise ConfigError(f"{setting} of model {name} must be a positive whole number, not {value!r}")
    network = factory(**asked) if BACKBONES.is_own(name) else _made(name, factory, **asked)
    if pretrained is not None:
        fill(network, read_published(pretrained), partial)
    return network


def factory_of(name: str) -> Factory:
    """What makes the backbone of a name, whose arguments are its settings; errors as of :func:`create_model`."""
    library, colon, rest = name.partition(":")
    if not colon:
        return BACKBONES.get(name)
    if library in LIBRARIES:
        return functools.partial(LIBRARIES[library], rest)
    place = library.split(".")
    if place[0] in sys.stdlib_module_names or place[-1] == "__main__":  # nobody's backbones, and imports that do things
        raise ConfigError(f"{name} is no backbone: name a module of yours")
    found = find_function(name, "a module on PYTHONPATH", "one that gives a backbone")
    if not _gives_backbones(found):
        raise ConfigError(f"{name} does not say that it gives a backbone: let it be one's class, or end in -> Backbone")
    return found


def has_own_backbone(model: Mapping[str, Any]) -> bool:
    """Whether the backbone that plain settings of a model name is kinema's."""
    return BACKBONES.is_own(model.get("backbone", ModelConfig().backbone))


def narrow(model: ModelConfig) -> ModelConfig:
    """The settings of a network that is quickly tried out and has the same grids; one of others stays as it is."""
    return replace(model, width=4) if BACKBONES.is_own(model.backbone) else model


def _gives_backbones(found: Callable[..., Any]) -> bool:
    """Whether a class or function says so by itself: an encoder's file may name any function, and not all are safe."""
    kind = found if inspect.isclass(found) else inspect.get_annotations(found, eval_str=True).get("return")
    return inspect.isclass(kind) and issubclass(kind, Backbone)


def _made(name: str, factory: Factory, **settings: Any) -> Backbone:
    try:
        network = factory(**settings)
    except ConfigError:
        raise
    except Exception as error:  # it is not ours
        raise ConfigError(f"model {name} cannot be made ({type(error).__name__}: {first_line(error)})") from error
    if not isinstance(network, Backbone):
        raise ConfigError(f"model {name} is a {type(network).__name__}; let it be a kinema.models.Backbone")
    if problem := _incomplete(network):
        raise ConfigError(f"model {name} {problem} (kinema.models.Backbone)")
    return network


def _incomplete(network: Backbone) -> str:
    """What a backbone has not said of itself; empty if all."""
    if lacking := [name for name in inspect.get_annotations(Backbone) if not hasattr(network, name)]:
        return f"does not say its {' and '.join(lacking)}: set them when it is made"
    if not network.stage_widths or list(network.stage_modules) != list(network.stage_widths):
        return "names other stages in stage_modules than in stage_widths, or none: name each in both, from low to high"
    parts = dict(network.named_modules())
    for path in (*network.chain, *network.stage_modules.values()):
        if path not in parts:
            return f"has no submodule {path!r}: name its own in chain and stage_modules"
    return ""


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
        if side != 7 and "patch" in inspect.signature(BACKBONES.get(name)).parameters:
            settings["patch"] = side // 2
        with torch.device("meta"):
            shapes = {n: v.shape for n, v in create_model(name, **settings).state_dict().items()}
        same = sum(n in shapes and v.shape == shapes[n] for n, v in weights.items())
        found.setdefault(same, (name, settings))
    return found[max(found)]
