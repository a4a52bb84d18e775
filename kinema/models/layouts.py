"""Published checkpoints: where their encoder's weights lie, what they are called there, and what the network saw.

A layout is a way to name the weights of a network; a source is who publishes them: at which prefix, in which layout,
trained on what colours and clips. A new one is a line in a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kinema.config import ClipConfig
from kinema.models.normalise import HALF, IMAGENET, KINETICS, Colours

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """Names of a family of networks.

    Attributes:
        anchor: the name of the first convolution, by which the layout is recognised.
        models: backbones of kinema that it may be.
        width: the name, after renaming, of a weight with as many elements as the network's width.
        rules: patterns of names and what they become, one after another; every other name stays.
        classifier: how the names of the classification layer begin, after renaming.
        skip: patterns of names that hold a weight for the second time.
        mend: what else has to be done to the renamed weights.
    """

    anchor: str
    models: tuple[str, ...]
    width: str
    rules: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = ()
    classifier: str = "fc."
    skip: str | None = None
    mend: Callable[[Weights], Weights] | None = None

    def rename(self, name: str) -> str:
        """The name that kinema gives a weight."""
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name

    def translate(self, weights: Mapping[str, Tensor]) -> Weights:
        """An encoder's weights under kinema's names, those that are there twice once."""
        renamed = {
            self.rename(name): value
            for name, value in weights.items()
            if self.skip is None or not re.match(self.skip, name)
        }
        return renamed if self.mend is None else self.mend(renamed)


def _torchvisions_eps(weights: Weights) -> Weights:
    """Norms of eps 1e-5 for a network whose norms have 1e-3: the scale makes up for it, exactly in evaluation."""
    mended = dict(weights)
    for name, variance in weights.items():
        scale = name.removesuffix("running_var") + "weight"
        if name.endswith(".running_var") and scale in weights:
            mended[scale] = weights[scale] * torch.sqrt((variance + 1e-3) / (variance + 1e-5))
    return mended


_S3D_PLACES = {"Conv_1a": 0, "Conv_2b": 2, "Conv_2c": 3, "Mixed_3b": 5, "Mixed_3c": 6}
_S3D_PLACES |= {f"Mixed_4{letter}": 8 + index for index, letter in enumerate("bcdef")}
_S3D_PLACES |= {"Mixed_5b": 14, "Mixed_5c": 15}

VIDEO_RESNET = Layout("stem.0.weight", ("r3d_18", "mc3_18", "r2plus1d_18"), "layer1.0.conv1.1.weight")
FRAME_RESNET = Layout("conv1.weight", ("resnet18", "resnet50"), "bn1.weight")
S3D = Layout("features.0.0.0.weight", ("s3d",), "features.0.0.1.weight", classifier="classifier.")
SLOW = Layout("blocks.0.conv.weight", ("slowonly_r50",), "blocks.0.norm.weight", classifier="blocks.5.")

COCLR_S3D = Layout(
    anchor="Conv_1a.conv1.weight",
    models=S3D.models,
    width=S3D.width,
    rules=(
        *((rf"^{name}\.", f"features.{place}.") for name, place in _S3D_PLACES.items()),
        (r"\.conv([12])\.", lambda found: f".{int(found[1]) - 1}.0."),  # separable
        (r"\.bn([12])\.", lambda found: f".{int(found[1]) - 1}.1."),
        (r"\.conv\.", ".0."),
        (r"\.bn\.", ".1."),
        (r"\.branch0\.0\.", ".branch0."),  # a sequence of one
    ),
    classifier=S3D.classifier,
    skip=r"block\d\.",  # the same modules once more
    mend=_torchvisions_eps,
)

PYSLOWFAST = Layout(
    anchor="s1.pathway0_stem.conv.weight",
    models=SLOW.models,
    width=SLOW.width,
    rules=(
        (r"^s1\.pathway0_stem\.conv\.", "blocks.0.conv."),
        (r"^s1\.pathway0_stem\.bn\.", "blocks.0.norm."),
        (r"^s([2-5])\.pathway0_res(\d+)\.", lambda found: f"blocks.{int(found[1]) - 1}.res_blocks.{found[2]}."),
        (r"\.branch1\.", ".branch1_conv."),
        (r"\.branch1_bn\.", ".branch1_norm."),
        (r"\.branch2\.([abc])\.", r".branch2.conv_\1."),
        (r"\.branch2\.([abc])_bn\.", r".branch2.norm_\1."),
        (r"^head\.projection\.(weight|bias)$", r"blocks.5.proj.\1"),
        (r"^head\.", "blocks.5."),
    ),
    classifier=SLOW.classifier,
)


@dataclass(frozen=True)
class Source:
    """Who publishes checkpoints.

    Attributes:
        name: for reports and cards.
        prefix: what stands before an encoder's names.
        layout: the names behind it.
        colours: mean and deviation of its input.
        clip: how its authors tested it.
    """

    name: str
    prefix: str
    layout: Layout
    colours: Colours
    clip: ClipConfig

    def fits(self, names: Mapping[str, Tensor]) -> bool:
        """Whether a checkpoint holds an encoder of this source."""
        return self.prefix + self.layout.anchor in names


_MSCL = ClipConfig(frames=8, step=None, step_frames=16, short_side=128, size=(112, 112))
_COCLR = ClipConfig(frames=32, step=None, step_frames=1, short_side=146, size=(128, 128))
_SLOW = ClipConfig(frames=8, step=8 / 30, short_side=256, size=(256, 256))
_RESNET = ClipConfig(frames=16, step=1 / 15, short_side=128, size=(112, 112))
_S3D = ClipConfig(frames=128, step=1 / 15, short_side=256, size=(224, 224))
_FRAMES = ClipConfig(frames=8, step=0.25, short_side=256, size=(224, 224))  # ours: they were made for pictures

SOURCES = (
    Source("MSCL's released code", "recognizer.encoder_q.", VIDEO_RESNET, IMAGENET, _MSCL),
    Source("MSCL's released code, fine-tuned", "backbone.", VIDEO_RESNET, IMAGENET, _MSCL),
    Source("CoCLR", "encoder_q.0.", COCLR_S3D, IMAGENET, _COCLR),
    Source("CoCLR, fine-tuned", "backbone.", COCLR_S3D, IMAGENET, _COCLR),
    Source("PySlowFast", "", PYSLOWFAST, HALF, _SLOW),
    Source("PySlowFast, contrastive", "backbone.", PYSLOWFAST, HALF, _SLOW),
    Source("PyTorchVideo", "", SLOW, HALF, _SLOW),
    Source("torchvision", "", VIDEO_RESNET, KINETICS, _RESNET),
    Source("torchvision", "", S3D, KINETICS, _S3D),
    Source("torchvision", "", FRAME_RESNET, IMAGENET, _FRAMES),
)


def source_of(weights: Mapping[str, Tensor]) -> Source | None:
    """Whose checkpoint this is; None if it is nobody's that we know."""
    return next((source for source in SOURCES if source.fits(weights)), None)
