"""What every optical-flow estimator offers, whatever it computes with.

All of them read 8-bit frames and return ``(N, 2, H, W)`` float32 pixels, channel 0 rightwards (u) and channel 1
downwards (v): the pixel at (x, y) of the first frame is found at (x + u, y + v) of the second.

Estimators are frozen dataclasses of plain values. They hold no OpenCV object and no tensor, so they can be pickled into
data-loader workers, compared, and hashed into cache keys by their :attr:`~FlowEstimator.parameters`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from kinema.errors import ConfigError


class FlowEstimator(ABC):
    """What every estimator offers. Subclasses are frozen dataclasses that implement :meth:`_estimate` for a batch."""

    name: ClassVar[str]

    @classmethod
    def create(cls, **parameters: Any) -> Self:
        """The estimator with its defaults overridden by ``parameters``.

        Raises:
            ConfigError: a parameter or its value is unknown; the message lists what exists.
        """
        known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for parameter in parameters:
            if parameter not in known:
                raise ConfigError(
                    f"flow estimator {cls.name} has no parameter {parameter!r}: it knows {', '.join(known)}"
                )
        return cls(**parameters)

    @property
    def parameters(self) -> dict[str, Any]:
        """All settings that change the result, as plain values."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    @property
    @abstractmethod
    def minimum_side(self) -> int:
        """The smallest height and width in pixels that the method can handle."""

    def pairs(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Flow from each frame of ``first`` to the frame of ``second`` at the same index.

        Args:
            first: uint8 ``(N, H, W)`` grey or ``(N, H, W, 3)`` RGB.
            second: the same shape and type.

        Returns:
            ``(N, 2, H, W)`` float32, pixels.

        Raises:
            ConfigError: shapes differ, are none of these, or are below :attr:`minimum_side`; or not 8-bit.
        """
        if first.shape != second.shape:
            raise ConfigError(
                f"flow needs two stacks of frames of one size, got {first.shape} and {second.shape}: "
                "scale or crop them alike before"
            )
        return self._estimate(self._grey(first), self._grey(second))

    def sequence(self, frames: np.ndarray) -> np.ndarray:
        """Flow from each of T + 1 frames to the next.

        Args:
            frames: uint8 ``(T + 1, H, W, 3)`` RGB or ``(T + 1, H, W)`` grey.

        Returns:
            ``(T, 2, H, W)`` float32, pixels per step between two frames.

        Raises:
            ConfigError: as for :meth:`pairs`, or fewer than two frames.
        """
        grey = self._grey(frames)
        if len(grey) < 2:
            raise ConfigError(f"flow of a sequence needs two frames or more, got {len(grey)}")
        return self._estimate(grey[:-1], grey[1:])

    @abstractmethod
    def _estimate(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Float32 flow ``(N, 2, H, W)`` of grey uint8 frames ``(N, H, W)``, contiguous and large enough."""

    def _grey(self, frames: np.ndarray) -> np.ndarray:
        import cv2

        colour = frames.ndim == 4 and frames.shape[-1] == 3
        if frames.dtype != np.uint8 or not (colour or frames.ndim == 3):
            raise ConfigError(
                f"flow needs uint8 frames of shape (N, H, W) or (N, H, W, 3), got {frames.dtype} {frames.shape}"
            )
        height, width = frames.shape[1:3]
        if min(height, width) < self.minimum_side:
            raise ConfigError(
                f"{self.name} {self.parameters} needs frames of at least {self.minimum_side} x {self.minimum_side} "
                f"pixels, got {width} x {height}: scale them up or choose another estimator"
            )
        if not colour:
            return np.ascontiguousarray(frames)
        grey = np.empty(frames.shape[:3], np.uint8)
        for source, target in zip(frames, grey, strict=True):
            cv2.cvtColor(source, cv2.COLOR_RGB2GRAY, dst=target)
        return grey
