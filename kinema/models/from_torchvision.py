"""torchvision's video models, by torchvision."""

from __future__ import annotations

import difflib
from typing import Any

from torch import nn

from kinema.common.extras import needed_for
from kinema.config import ClipConfig
from kinema.errors import ConfigError
from kinema.models.normalise import Normalise

SAMPLING = {"s3d": (128, 15.0), "mvit": (16, 7.5), "swin3d": (32, 15.0), "": (16, 15.0)}
"""Frames per clip and per second at which torchvision's documentation measured its models, by how their names begin."""

CLASSIFIERS = ("fc", "classifier", "head")
"""What its models call their last layer."""


def open_torchvision(spec: str) -> tuple[nn.Module, dict[str, Any], ClipConfig]:
    """One of torchvision's video models without its classifier.

    Args:
        spec: ``MODEL``, with its best weights, or ``MODEL@WEIGHTS``, such as ``r3d_18@KINETICS400_V1``.

    Returns:
        The module from clips to features, its card, and clips at the size of the weights' own transforms.

    Raises:
        ConfigError: torchvision cannot be imported, or knows no such model or weights, or cannot fetch them.
    """
    name, _, wanted = spec.partition("@")
    with needed_for(f"torchvision:{spec}", "name a file with its weights"):
        from torchvision import __version__, models
    known = models.list_models(module=models.video)
    _refuse_unknown(name, known, "torchvision has no video model")
    versions = list(models.get_model_weights(name).__members__)
    wanted = wanted or "DEFAULT"
    _refuse_unknown(wanted, versions, f"torchvision's {name} has no weights")
    weights = models.get_model_weights(name)[wanted]
    try:
        network = models.get_model(name, weights=weights)
    except OSError as error:  # of the download
        raise ConfigError(f"the weights of torchvision:{spec} cannot be fetched ({error}); try again later") from error
    for layer in CLASSIFIERS:
        if hasattr(network, layer):
            setattr(network, layer, nn.Identity())
    transforms = weights.transforms()
    frames, rate = next(sampling for start, sampling in SAMPLING.items() if name.startswith(start))
    height, width = transforms.crop_size
    clip = ClipConfig(frames=frames, step=1 / rate, short_side=min(transforms.resize_size), size=(height, width))
    module = nn.Sequential(Normalise(transforms.mean, transforms.std), network)
    return module, {"weights": weights.name, "torchvision": __version__}, clip


def _refuse_unknown(name: str, known: list[str], complaint: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known)
        advice = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(known)}"
        raise ConfigError(f"{complaint} {name!r}: {advice}")
