"""Backbones of timm, torchvision and transformers, to be trained: built from their settings, with random weights.

timm's look at single frames. Trained weights of these libraries are opened as encoders instead
(:mod:`kinema.models.sources`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from kinema.common.extras import needed_for
from kinema.errors import ConfigError
from kinema.models.adapted import Adapted, Layout
from kinema.models.backbone import Backbone

STAGES = 4
"""As many as most networks have; the hierarchy and the pyramid want three."""


def timm_backbone(name: str, channels: int = 3, classes: int | None = None, **parameters: Any) -> Backbone:
    """One of timm's networks, which sees every frame for itself: convolutional ones, Swin's and plain ViTs.

    Args:
        name: as ``timm.list_models()`` has it.
        channels: of its input.
        classes: of a classification layer; None for none.
        parameters: for ``timm.create_model``.

    Raises:
        ConfigError: timm is not installed, knows no such network, or names no stages of it.
    """
    try:
        import timm
    except ImportError as error:
        raise ConfigError(f"timm:{name} needs timm: pip install timm") from error
    forbidden = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir"} & set(
        parameters
    )
    if forbidden or not timm.is_model(name):  # an encoder's file names it: nothing is to be fetched or unpickled
        near = difflib.get_close_matches(name, timm.list_models())
        advice = f"did you mean {near[0]}?" if near else "choose one of timm.list_models()"
        raise ConfigError(
            f"timm:{name} is built with random weights: leave out {min(forbidden)}"
            if forbidden
            else f"timm has no network {name!r}: {advice}"
        )
    usual = {"dynamic_img_size": True} if name.startswith(("vit_", "deit_")) else {}  # for frames of any size
    network = timm.create_model(name, in_chans=channels, num_classes=0, **{**usual, **parameters})
    info = getattr(network, "feature_info", None)
    if not info:
        raise ConfigError(f"timm:{name} names no stages: choose another of its networks, or write a backbone of yours")
    modules = dict(network.named_modules())
    found = {stage["module"]: stage for stage in info if stage["module"] in modules}
    alike = len({stage["reduction"] for stage in found.values()}) == 1  # a transformer's blocks
    stages = {path: found[path]["num_chs"] for path in (_evenly(list(found)) if alike else list(found)[-STAGES:])}
    side = getattr(getattr(network, "patch_embed", None), "patch_size", (1, 1))
    layout = Layout(
        frames=True,
        last="NHWC" in str(getattr(network, "output_fmt", "")),
        patch=(1, *side),
        before=getattr(network, "num_prefix_tokens", 0),
    )
    return Adapted(f"timm:{name}", network, _features, stages, layout, classes=classes)


def torchvision_backbone(name: str, channels: int = 3, classes: int | None = None, **parameters: Any) -> Backbone:
    """One of torchvision's video Swin transformers.

    Args:
        name: ``swin3d_t``, ``swin3d_s`` or ``swin3d_b``.
        channels: of its input.
        classes: of a classification layer; None for none.
        parameters: for torchvision's function.

    Raises:
        ConfigError: torchvision is not installed, or it is another network.
    """
    with needed_for(f"torchvision:{name}"):
        from torchvision.models import video
    if not name.startswith("swin3d_") or not hasattr(video, name):
        raise ConfigError(
            f"torchvision:{name} cannot be trained: choose swin3d_t, swin3d_s or swin3d_b; the others that it has for "
            "video are kinema's own without torchvision: before the name, but for mvit"
        )
    network = getattr(video, name)(weights=None, **parameters)
    network.head = nn.Identity()
    first = network.patch_embed.proj
    if channels != first.in_channels:
        network.patch_embed.proj = nn.Conv3d(channels, first.out_channels, first.kernel_size, first.stride)
    stages = {f"features.{2 * number}": first.out_channels * 2**number for number in range(STAGES)}
    return Adapted(f"torchvision:{name}", network, _call, stages, Layout(last=True), classes=classes)


KINDS = {"videomae": (0, False), "vivit": (1, False), "timesformer": (1, True)}
"""Video transformers of Hugging Face's by kind: tokens before those of places, and whether time is inside."""


def transformers_backbone(name: str, channels: int = 3, classes: int | None = None, **parameters: Any) -> Backbone:
    """A video transformer of Hugging Face's ``transformers``.

    Args:
        name: its kind: ``videomae``, ``vivit`` or ``timesformer``.
        channels: of its input.
        classes: of a classification layer; None for none.
        parameters: settings of its configuration, such as ``num_frames``, ``image_size`` and ``hidden_size``.

    Raises:
        ConfigError: transformers is not installed, the kind is another, or the configuration has no such setting.
    """
    if name not in KINDS:
        raise ConfigError(f"transformers:{name} cannot be trained: choose {', '.join(KINDS)}, or write a backbone")
    with needed_for(f"transformers:{name}"):
        from transformers import AutoConfig, AutoModel
    known = AutoConfig.for_model(name).to_dict()
    if unknown := [parameter for parameter in parameters if parameter not in known]:
        raise ConfigError(f"transformers:{name} has no setting {unknown[0]!r}: it knows {', '.join(sorted(known))}")
    usual = {"use_mean_pooling": False} if "use_mean_pooling" in known else {}
    config = AutoConfig.for_model(name, **usual, num_channels=channels, **parameters)
    with needed_for(f"transformers:{name}"):  # what it imports, it imports late
        network = AutoModel.from_config(config)
    depth = config.num_hidden_layers
    blocks = next(
        path for path, part in network.named_modules() if isinstance(part, nn.ModuleList) and len(part) == depth
    )
    paths = [*(f"{blocks}.{number}" for number in range(depth - 1)), "layernorm"]
    tubelet = getattr(config, "tubelet_size", 1)
    side = getattr(config, "patch_size", 1)
    patch = tuple(tubelet) if isinstance(tubelet, list | tuple) else (tubelet, side, side)
    before, time_inside = KINDS[name]
    layout = Layout(patch=patch, before=before, time_inside=time_inside)
    clip = (config.num_frames, config.image_size, config.image_size)
    stages = dict.fromkeys(_evenly(paths), config.hidden_size)
    return Adapted(f"transformers:{name}", network, _pixels, stages, layout, clip, classes)


LIBRARIES: dict[str, Callable[..., Backbone]] = {
    "timm": timm_backbone,
    "torchvision": torchvision_backbone,
    "transformers": transformers_backbone,
}
"""By what stands before the colon in a backbone's name."""


def _evenly(paths: list[str]) -> list[str]:
    """Some of a network's parts, at equal distances, with the last."""
    count = min(STAGES, len(paths))
    return [paths[(number + 1) * len(paths) // count - 1] for number in range(count)]


def _features(network: nn.Module, frames: Tensor) -> None:
    network.forward_features(frames)  # type: ignore[operator]


def _call(network: nn.Module, clips: Tensor) -> None:
    network(clips)


def _pixels(network: nn.Module, clips: Tensor) -> None:
    network(pixel_values=clips.transpose(1, 2))
