"""Video transformers of Hugging Face's ``transformers``: VideoMAE, TimeSformer, V-JEPA 2."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from kinema.common.extras import needed_for
from kinema.config import ClipConfig
from kinema.errors import CheckpointError, ConfigError
from kinema.models.normalise import IMAGENET, Normalise


class Family(NamedTuple):
    """What the files of a kind of model do not say, or say under names of their own.

    Attributes:
        frames: the setting that holds the frames per clip.
        size: the setting that holds the side of a frame in pixels.
        step: seconds between two frames, as its authors sampled.
        pixels: the argument that takes clips.
        pooled: ``mean`` of all tokens, or ``first`` where a token stands for the clip.
        arguments: further ones.
    """

    frames: str
    size: str
    step: float
    pixels: str = "pixel_values"
    pooled: str = "mean"
    arguments: dict[str, Any] = {}  # noqa: RUF012, only read


FAMILIES = {
    "videomae": Family("num_frames", "image_size", 4 / 30),  # every fourth frame of Kinetics-400
    "timesformer": Family("num_frames", "image_size", 32 / 30, pooled="first"),  # every thirty-second frame
    "vjepa2": Family("frames_per_clip", "crop_size", 1 / 4, "pixel_values_videos", arguments={"skip_predictor": True}),
}

PROCESSORS = ("preprocessor_config.json", "video_preprocessor_config.json")


class Transformer(nn.Module):
    """A video transformer from normalised clips (B, 3, T, H, W) to features (B, D)."""

    def __init__(self, network: nn.Module, family: Family):
        super().__init__()
        self.network = network
        self.family = family

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, D)."""
        tokens = self.network(**{self.family.pixels: clips.transpose(1, 2)}, **self.family.arguments).last_hidden_state
        return tokens.mean(dim=1) if self.family.pooled == "mean" else tokens[:, 0]


def open_transformer(folder: Path) -> tuple[nn.Module, dict[str, Any], ClipConfig]:
    """A video transformer in a folder that ``save_pretrained`` wrote.

    Frames, size and colours come from the folder's own settings.

    Returns:
        The module from clips to features, its card, and its clips.

    Raises:
        ConfigError: transformers is not installed or cannot be imported, or the model is of another kind.
        CheckpointError: the folder holds no model, a damaged one, or not all of its weights.
    """
    config = _read(folder / "config.json")
    if config is None:
        raise CheckpointError(f"{folder} holds no config.json; name a folder of kinema or transformers, or OWNER/NAME")
    kind = config.get("model_type")
    if kind not in FAMILIES:
        raise ConfigError(
            f"{folder} holds a model of the kind {kind!r}, which kinema does not know: it knows {', '.join(FAMILIES)}; "
            "wrap it in a module:function of yours"
        )
    network = _load(folder)
    family, settings = FAMILIES[kind], network.config
    frames, side = getattr(settings, family.frames), getattr(settings, family.size)
    height, width = (side, side) if isinstance(side, int) else side
    found = (_read(folder / name) for name in PROCESSORS)
    processor: dict[str, Any] = next((values for values in found if values is not None), {})
    mean, std = IMAGENET
    if processor.get("do_normalize", True):
        mean, std = processor.get("image_mean", mean), processor.get("image_std", std)
    else:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    short = _side(processor.get("size"))
    clip = ClipConfig(frames=frames, step=family.step, short_side=short or height, size=(height, width))
    card = {"config": config, "transformers": version("transformers")}
    return nn.Sequential(Normalise(mean, std), Transformer(network, family)), card, clip


def _load(folder: Path) -> nn.Module:
    with needed_for(str(folder)):
        from transformers import AutoModel
        from transformers.utils import logging
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # weights of a decoder or classifier that is not wanted are no news
    logging.disable_progress_bar()
    try:
        with needed_for(str(folder)):  # what it imports, it imports late
            network, report = AutoModel.from_pretrained(folder, output_loading_info=True, local_files_only=True)
    except ConfigError:
        raise
    except Exception as error:  # transformers names no error of its own
        raise CheckpointError(f"{folder} cannot be loaded ({str(error).splitlines()[0]}); fetch it again") from error
    finally:
        logging.set_verbosity(level)
    missing = sorted(report["missing_keys"])
    if missing:
        raise CheckpointError(f"{folder} lacks {len(missing)} weights of its model, first {missing[0]}; fetch it again")
    return network


def _read(path: Path) -> dict[str, Any] | None:
    """A file of settings; None if there is none."""
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged or no JSON ({error}); fetch it again") from error
    return values if isinstance(values, dict) else None


def _side(size: Any) -> int | None:
    """The shorter side that a processor scales frames to."""
    if isinstance(size, dict):
        sides = [size[name] for name in ("shortest_edge", "height", "width") if name in size]
        return min(sides) if sides else None
    return size if isinstance(size, int) else None
