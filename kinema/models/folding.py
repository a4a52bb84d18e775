"""Normalisation that costs nothing at inference: batch norms drawn into the convolutions before them."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kinema.models.patch_conv import PatchConv3d

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
