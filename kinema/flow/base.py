"""What every optical-flow estimator offers, whatever it computes with.

All of them return float32 flow in pixels, channel 0 rightwards (u) and channel 1 downwards (v): the pixel at (x, y) of
the frame that it starts from is found at (x + u, y + v) of the other.

Frames are numpy arrays or torch tensors, uint8 or floating point from 0 to 1, grey ``(..., H, W)`` or RGB
``(..., H, W, 3)``: a last axis of size 3 always means colour (a frame three pixels wide is too small for any
estimator). The flow is of the frames' kind, a tensor's on the tensor's device.

Estimators are frozen dataclasses of plain values. They hold no OpenCV object and no tensor, so they can be pickled into
data-loader workers, and compared with the recipe of a store by their :attr:`~FlowEstimator.parameters`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from kinema.errors import ConfigError
from kinema.flow.frames import Frames, like, to_grey, to_levels


class FlowEstimator(ABC):
    """What every estimator offers. Subclasses are frozen dataclasses that implement :meth:`_estimate` for a batch."""

    name: ClassVar[str]
    colour: ClassVar[bool] = False
    """Whether :meth:`_estimate` takes RGB; grey otherwise."""
    any_device: ClassVar[bool] = False
    """Whether it computes where its frames are; on the CPU otherwise."""

    @classmethod
    def create(cls, **parameters: Any) -> Self:
        """The estimator with its defaults overridden by ``parameters``.

        Raises:
            ConfigError: a parameter or its value is unknown; the message lists what exists.
        """
        known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for parameter in parameters:
            if parameter not in known:
                knows = f"it knows {', '.join(known)}" if known else "it has none"
                raise ConfigError(f"flow estimator {cls.name} has no parameter {parameter!r}: {knows}")
        return cls(**parameters)

    @property
    def parameters(self) -> dict[str, Any]:
        """All settings that change the result, as plain values."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    @property
    @abstractmethod
    def minimum_side(self) -> int:
        """The smallest height and width in pixels that the method can handle."""

    def missing(self) -> str:
        """What this estimator lacks on this machine and where to get it, in one sentence; empty if it can be used."""
        return ""

    def require(self) -> None:
        """Refuse to go on with an estimator that cannot be used here, before any work is done.

        Raises:
            ConfigError: what :meth:`missing` says.
        """
        if reason := self.missing():
            raise ConfigError(reason)

    def estimate(self, frames: Frames, step: int = 1, backward: bool = False) -> Frames:
        """Flow from each frame of a clip to the one ``step`` frames later, or back.

        Args:
            frames: ``(T, H, W)`` grey or ``(T, H, W, 3)`` RGB, or a batch of clips: the same after ``(B,)``; uint8, or
                floating point from 0 to 1. Colour comes last: ``(B, 3, H, W)`` is a batch of three grey frames each.
            step: frames from one to the other, at least 1.
            backward: from the later frame to the earlier one instead.

        Returns:
            ``(T - step, 2, H, W)`` or ``(B, T - step, 2, H, W)`` float32, pixels per ``step`` frames; field t belongs
            to frames t and t + step. Array for array, tensor for tensor, on the tensor's device; without gradient.

        Raises:
            ConfigError: frames are of another shape or type, hold values out of range or not finite, are below
                :attr:`minimum_side` or too few for the step; or the estimator lacks something on this machine.
        """
        levels = self._levels(frames, batches=True)
        single = levels.ndim == (4 if self.colour else 3)
        clips = levels[None] if single else levels
        if isinstance(step, bool) or not isinstance(step, int) or step < 1:
            raise ConfigError(f"the step of a flow must be a whole number of frames, at least 1, got {step!r}")
        if clips.shape[1] <= step:
            raise ConfigError(f"flow over a step of {step} needs at least {step + 1} frames, got {clips.shape[1]}")
        first, second = clips[:, :-step], clips[:, step:]
        if backward:
            first, second = second, first
        flow = self._flow(first.flatten(0, 1), second.flatten(0, 1)).unflatten(0, first.shape[:2])
        return like(frames, flow[0] if single else flow)

    def pairs(self, first: Frames, second: Frames) -> Frames:
        """Flow from each frame of ``first`` to the frame of ``second`` at the same index.

        Args:
            first: ``(N, H, W)`` grey or ``(N, H, W, 3)`` RGB; uint8, or floating point from 0 to 1.
            second: the same shape; a tensor on the same device.

        Returns:
            ``(N, 2, H, W)`` float32, pixels; as for :meth:`estimate`.

        Raises:
            ConfigError: shapes differ; or as for :meth:`estimate`.
        """
        one, other = self._levels(first), self._levels(second)
        if one.shape != other.shape or one.device != other.device:
            raise ConfigError(
                f"flow needs two stacks of frames of one size on one device, got {tuple(first.shape)} on {one.device} "
                f"and {tuple(second.shape)} on {other.device}: scale, crop or move them alike before"
            )
        return like(first, self._flow(one, other))

    def prepare(self, frames: Frames) -> Frames:
        """Frames as this estimator looks at them, grey or RGB; saves work where a frame belongs to several pairs.

        Args:
            frames: ``(N, H, W)`` or ``(N, H, W, 3)``, as for :meth:`pairs`.

        Returns:
            What :meth:`pairs` makes the same flow of: uint8 as uint8, other types as float32 from 0 to 1.

        Raises:
            ConfigError: as for :meth:`estimate`.
        """
        levels = self._levels(frames)
        return like(frames, levels if levels.dtype == torch.uint8 else levels / 255)

    @torch.no_grad()
    def _flow(self, first: Tensor, second: Tensor) -> Tensor:
        self.require()
        flow = self._estimate(first, second)
        height, width = first.shape[1:3]
        if flow.shape != (len(first), 2, height, width) or flow.dtype != torch.float32:
            raise ConfigError(
                f"flow estimator {self.name} made {flow.dtype} of {tuple(flow.shape)} from {len(first)} pairs of "
                f"{height} x {width} frames: let it make torch.float32 of {(len(first), 2, height, width)}"
            )
        return flow

    @abstractmethod
    def _estimate(self, first: Tensor, second: Tensor) -> Tensor:
        """Float32 flow ``(N, 2, H, W)``, on any device, of frames of one device that are large enough.

        They are ``(N, H, W)`` grey, each contiguous, or ``(N, H, W, 3)`` where :attr:`colour` is set; levels from 0 to
        255 in uint8 or float32.
        """

    def _levels(self, frames: Frames, batches: bool = False) -> Tensor:
        """Checked frames as levels from 0 to 255, grey or RGB as :attr:`colour` wants; leading axes stay."""
        levels = to_levels(frames)
        coloured = levels.ndim > 0 and levels.shape[-1] == 3
        if not 1 <= levels.ndim - (3 if coloured else 2) <= (2 if batches else 1):
            wanted = "(T, H, W) or (T, H, W, 3), or these after (B,)" if batches else "(N, H, W) or (N, H, W, 3)"
            raise ConfigError(f"flow needs frames of shape {wanted}, got {tuple(levels.shape)}")
        height, width = levels.shape[-3:-1] if coloured else levels.shape[-2:]
        if min(height, width) < self.minimum_side:
            raise ConfigError(
                f"{self.name} needs frames of at least {self.minimum_side} x {self.minimum_side} pixels, "
                f"got {width} x {height}: scale them up or choose another estimator"
            )
        if self.colour:
            return levels if coloured else levels[..., None].expand(*levels.shape, 3)
        return to_grey(levels) if coloured else levels
