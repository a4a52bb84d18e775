"""Encoders for inference: in small passes, of which a CPU computes one on each of its cores; batch norms folded."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kinema.common.precision import autocast_for
from kinema.common.processes import on_a_core_each
from kinema.models.resnet3d import PatchConv3d

PIXELS_AT_ONCE = 600_000
"""Of all frames of a pass on a CPU: the memory of larger ones comes from the system anew each time, which takes as long
as the pass; small ones have as much to do around the arithmetic as in it."""


def features_of(encoder: nn.Module, clips: Tensor, device: torch.device, coarse: bool = True) -> Tensor:
    """The features (N, D) float32 of clips, on ``device``; a GPU may still be computing them.

    On a CPU the passes are split over as many threads as PyTorch has for this one. Each has passes of its own and no
    part in others': to share out every operation of networks as small as ours costs more in waiting than it gains. What
    a pass has in it does not depend on how many threads there are, since the last bits of what comes of it depend on
    that.

    Args:
        encoder: from (B, 3, T, H, W) with values from 0 to 1 to (B, D); in evaluation mode, on ``device``.
        clips: (N, T, H, W, 3) uint8, one or more.
        device: where the encoder computes.
        coarse: whether bfloat16 is allowed, where it is quick.
    """

    def run(part: Tensor) -> Tensor:
        autocast = autocast_for(device) if coarse else nullcontext()
        with torch.inference_mode(), autocast:  # settings of a thread
            # in the order in which encoders look at them, while they are bytes
            output: Tensor = encoder(part.to(device).permute(0, 4, 1, 2, 3).contiguous().float().div_(255))
            return output.float()

    def run_alike(part: Tensor) -> Tensor:
        """As of two, of a single clip, whose convolutions on one thread PyTorch has no quick way for."""
        return run(part) if len(part) > 1 else run(part.expand(2, *part.shape[1:]))[:1]

    if device.type != "cpu":
        return run(clips)
    most = max(2, PIXELS_AT_ONCE // math.prod(clips.shape[1:4]))
    return torch.cat(on_a_core_each(run_alike, clips.tensor_split(math.ceil(len(clips) / most))))


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Modules in evaluation mode; in the end each of their parts is in the mode that it was in."""
    modes = {part: part.training for module in modules for part in module.modules()}
    try:
        for module in modules:
            module.eval()
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, PatchConv3d)
"""By their very type: a subclass may compute its weights anew in each step."""


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """A copy of a network for inference alone, with the same outputs but for rounding.

    Every batch norm with running statistics that follows a convolution in an :class:`torch.nn.Sequential` becomes part
    of that convolution's weights; whatever else there is stays as it is.

    Args:
        module: any network; it is not changed.

    Returns:
        The copy, in evaluation mode. It is not to be trained, nor its weights to be saved: they are others.
    """
    folded = copy.deepcopy(module).eval()
    for chain in [part for part in folded.modules() if type(part).forward is nn.Sequential.forward]:
        for (name, first), (following, second) in pairwise(list(chain.named_children())):
            hooked = any(part._forward_pre_hooks or part._forward_hooks for part in (first, second))
            if type(first) not in CONVOLUTIONS or hooked or not isinstance(second, _BatchNorm):
                continue
            if second.running_mean is not None:
                assert isinstance(first, nn.Conv2d | nn.Conv3d)
                setattr(chain, name, fuse_conv_bn_eval(first, second))
                setattr(chain, following, nn.Identity())
    return folded
