"""A batch in parts, one after another: gradient accumulation under losses that look at the whole batch.

Adding up the gradients of small batches is another training wherever examples are compared with each other. So what the
network makes of all parts is put together, the losses are taken of that, and each part's pass is computed anew when the
gradient comes back to it, as in GradCache (Gao et al., 2021). One part's activations are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from kinema.models.hierarchy import MotionFeatures
from kinema.models.short_conv import present_convolutions

LEVEL = "motion "
"""Before the number of a level, where its motion features are among other features by name."""


def in_parts(
    network: nn.Module, look: Callable[[Tensor], Mapping[str, Tensor]], clips: Tensor, parts: int
) -> dict[str, Tensor]:
    """What a network makes of a batch, with gradient; batch statistics are those of each part.

    Args:
        network: whose running statistics must not follow a part a second time.
        look: the pass through it: clips (B, ...) to features (B, ...) by name, those that a loss looks at and no more.
        clips: (N, ...), with N a multiple of ``parts``.
        parts: how many; 1 for an ordinary pass.
    """
    if parts == 1:
        return dict(look(clips))

    def look_alone(part: Tensor) -> Mapping[str, Tensor]:
        torch.clear_autocast_cache()  # with its own copy of the weights a part's gradient is added in single precision
        return look(part)

    as_now = present_convolutions()

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _once_more(network, as_now)

    found = [checkpoint(look_alone, part, use_reentrant=False, context_fn=contexts) for part in clips.chunk(parts)]
    return {name: torch.cat([features[name] for features in found]) for name in found[0]}


def with_motion(
    network: nn.Module, look: Callable[[Tensor, MotionFeatures], Mapping[str, Tensor]], clips: Tensor, parts: int
) -> tuple[dict[str, Tensor], MotionFeatures]:
    """As :func:`in_parts`, with the motion features of all parts, which ``look`` is given to fill."""
    if parts == 1:
        motion = MotionFeatures()
        return dict(look(clips, motion)), motion

    def flat(part: Tensor) -> dict[str, Tensor]:
        motion = MotionFeatures()
        return {**look(part, motion), **{f"{LEVEL}{level}": z for level, z in motion.levels.items()}}

    found = in_parts(network, flat, clips, parts)
    levels = {name: found.pop(name) for name in list(found) if name.startswith(LEVEL)}
    return found, MotionFeatures({int(name.removeprefix(LEVEL)): z for name, z in levels.items()})


@contextmanager
def _once_more(network: nn.Module, convolutions: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Within the block, running statistics are followed in copies, which are thrown away."""
    followed = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    kept = [dict(module._buffers) for module in followed]
    try:
        for module in followed:
            module._buffers.update({name: None if b is None else b.clone() for name, b in module._buffers.items()})
        with convolutions():
            yield
    finally:
        for module, buffers in zip(followed, kept, strict=True):
            module._buffers.update(buffers)
