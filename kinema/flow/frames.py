"""What estimators of optical flow take for frames: arrays or tensors, bytes or shares, grey or RGB, made one kind."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from kinema.errors import ConfigError

Frames = TypeVar("Frames", np.ndarray, Tensor)

LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to a grey level (ITU-R BT.601), as in OpenCV."""

_SLACK = 1e-4  # by how much resampling may have carried a share beyond 0 or 1


def to_levels(frames: np.ndarray | Tensor) -> Tensor:
    """Frames as a contiguous tensor of levels from 0 to 255: bytes as they are, shares from 0 to 1 as float32.

    Args:
        frames: uint8, or floating point from 0 to 1; any shape.

    Returns:
        The same shape, on the same device; not copied where it need not be.

    Raises:
        ConfigError: it is neither array nor tensor, of another type, or holds values that are not finite or not from
            0 to 1.
    """
    if isinstance(frames, list | tuple):
        sizes = ", ".join(sorted({str(tuple(np.shape(frame))) for frame in frames})[:3])
        raise ConfigError(
            f"flow needs frames in one array or tensor, got a {type(frames).__name__} of frames of shape {sizes}: "
            "scale or crop them alike and stack them"
        )
    if isinstance(frames, np.ndarray) and (frames.dtype == np.uint8 or frames.dtype.kind == "f"):
        kind = np.uint8 if frames.dtype == np.uint8 else np.float32
        levels = torch.from_numpy(np.require(frames, kind, ["C", "W"]))
    elif isinstance(frames, Tensor) and (frames.dtype == torch.uint8 or frames.is_floating_point()):
        levels = frames.detach().contiguous()
    else:
        raise ConfigError(
            f"flow needs frames of type uint8, or floating point from 0 to 1, in an array or tensor, got "
            f"{getattr(frames, 'dtype', type(frames).__name__)}: convert them"
        )
    if levels.dtype == torch.uint8 or not levels.numel():
        return levels
    levels = levels.float()
    least, greatest = (float(value) for value in levels.aminmax())
    if not (np.isfinite(least) and np.isfinite(greatest)):
        raise ConfigError("flow got frames with values that are not finite: mend or leave out these frames")
    if least < -_SLACK or greatest > 1 + _SLACK:
        raise ConfigError(
            f"flow needs floating-point frames with values from 0 to 1, got {least:g} to {greatest:g}: "
            "scale them, or pass bytes as uint8"
        )
    return levels * 255


def to_grey(levels: Tensor) -> Tensor:
    """RGB levels ``(..., H, W, 3)`` as grey levels ``(..., H, W)``."""
    if levels.dtype == torch.uint8 and levels.device.type == "cpu" and levels.numel():
        import cv2  # several times as quick as torch

        tall = levels.numpy().reshape(-1, levels.shape[-2], 3)
        return torch.from_numpy(cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY)).view(levels.shape[:-1])
    return levels.float() @ levels.new_tensor(LUMA, dtype=torch.float32)


def to_bytes(levels: Tensor) -> np.ndarray:
    """Levels as an array of uint8 in main memory, rounded where they are not whole."""
    if levels.dtype != torch.uint8:
        levels = levels.round().clamp(0, 255).byte()
    return levels.cpu().numpy()


def like(frames: Frames, result: Tensor) -> Frames:
    """A result as what ``frames`` are: an array, or a tensor on their device."""
    return result.cpu().numpy() if isinstance(frames, np.ndarray) else result.to(frames.device)
