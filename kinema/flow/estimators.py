"""Optical-flow estimators: from two frames to the displacement of every pixel.

All of them read 8-bit frames and return ``(N, 2, H, W)`` float32 pixels, channel 0 rightwards (u) and channel 1
downwards (v): the pixel at (x, y) of the first frame is found at (x + u, y + v) of the second.

Estimators are frozen dataclasses of plain values. They hold no OpenCV object, so they can be pickled into data-loader
workers, compared, and hashed into cache keys by their :attr:`~FlowEstimator.parameters`.

OpenCV spreads one pair over all cores by default. Data-loader workers are parallel already: let each of them call
:func:`set_opencv_threads` with 1, or they fight for the cores. The setting belongs to the process, not to an estimator,
and does not change the result.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kinema.errors import ConfigError

DIS_PRESETS = ("ultrafast", "fast", "medium")


class FlowEstimator(ABC):
    """What every estimator offers. Subclasses are frozen dataclasses that implement :meth:`_estimate`."""

    name: ClassVar[str]

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
        return self._all(self._grey(first), self._grey(second))

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
        return self._all(grey[:-1], grey[1:])

    def _all(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        flow = np.empty((len(first), 2, *first.shape[1:]), np.float32)
        for index, field in enumerate(self._estimate(first, second)):
            flow[index] = field.transpose(2, 0, 1)
        return flow

    @abstractmethod
    def _estimate(self, first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
        """Yield one ``(H, W, 2)`` field for each pair of grey ``(N, H, W)`` frames."""

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


@dataclass(frozen=True)
class DIS(FlowEstimator):
    """Dense inverse search (Kroeger et al., ECCV 2016), OpenCV's implementation.

    OpenCV picks the finest pyramid level by preset and changes it without a word on small frames, so that a 112-pixel
    frame gets a coarser field than a 64-pixel one; here it is explicit. On real scenes scaled to 64 x 64 (true motion
    0.99 pixels on average) the default is off by 0.36 pixels at about 1.0 ms a pair on one core, "fast" and "medium" by
    0.32 at 2.3 and 2.9 ms, ``finest_scale=1`` by 0.53 at 0.2 ms; at 112 x 112 (motion 1.74) the default is off by 0.68
    at 0.8 ms (``benchmarks/flow_ops.py``).

    Attributes:
        preset: "ultrafast" (sparse patches, no variational refinement), "fast" or "medium" (dense patches).
        finest_scale: halvings of the resolution at which the search stops, 0 to 2; its field is scaled up. None: 0 for
            frames whose shorter side is below 96 pixels, else 1.
    """

    name: ClassVar[str] = "dis"
    preset: str = "ultrafast"
    finest_scale: int | None = None

    def __post_init__(self) -> None:
        if self.preset not in DIS_PRESETS:
            raise ConfigError(f"unknown DIS preset {self.preset!r}: choose one of {', '.join(DIS_PRESETS)}")
        if self.finest_scale not in (None, 0, 1, 2):
            raise ConfigError(f"DIS finest_scale must be 0, 1, 2 or None, got {self.finest_scale!r}")

    @property
    def minimum_side(self) -> int:
        """Below it OpenCV's pyramid has no level left for the 8-pixel patches and would read outside the frame."""
        return 24 * 2**self.finest_scale if self.finest_scale else 12

    def _estimate(self, first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
        import cv2

        scale = self.finest_scale
        if scale is None:
            scale = 0 if min(first.shape[1:]) < 96 else 1
        search = cv2.DISOpticalFlow.create(DIS_PRESETS.index(self.preset))
        search.setFinestScale(scale)
        for a, b in zip(first, second, strict=True):
            yield search.calc(a, b, None)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Farneback(FlowEstimator):
    """Polynomial expansion (Farnebäck, SCIA 2003), OpenCV's implementation: smooth fields, blurred at motion edges.

    Attributes:
        levels: levels of the pyramid, each half as large as the one before.
        window: side of the averaging window, pixels; larger is smoother and stands more noise.
        iterations: refinements on each level.
    """

    name: ClassVar[str] = "farneback"
    levels: int = 3
    window: int = 9
    iterations: int = 3

    def __post_init__(self) -> None:
        for setting, value in self.parameters.items():
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"Farneback {setting} must be a whole number of at least 1, got {value!r}")

    @property
    def minimum_side(self) -> int:
        """The polynomials are fitted to neighbourhoods of five pixels."""
        return 5

    def _estimate(self, first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
        import cv2

        settings = (0.5, self.levels, self.window, self.iterations, 5, 1.1, 0)
        for a, b in zip(first, second, strict=True):
            yield cv2.calcOpticalFlowFarneback(a, b, None, *settings)  # type: ignore[call-overload]


_ESTIMATORS: dict[str, type[FlowEstimator]] = {kind.name: kind for kind in (DIS, Farneback)}


def list_estimators() -> list[str]:
    """The names that :func:`create_estimator` knows."""
    return sorted(_ESTIMATORS)


def create_estimator(name: str = "dis", **parameters: Any) -> FlowEstimator:
    """The estimator of that name, with its defaults overridden by ``parameters``.

    Raises:
        ConfigError: the name, a parameter or its value is unknown; the message lists what exists.
    """
    if name not in _ESTIMATORS:
        raise ConfigError(f"unknown flow estimator {name!r}: choose one of {', '.join(list_estimators())}")
    kind = _ESTIMATORS[name]
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for parameter in parameters:
        if parameter not in known:
            raise ConfigError(f"flow estimator {name} has no parameter {parameter!r}: it knows {', '.join(known)}")
    return kind(**parameters)


def set_opencv_threads(count: int = 1) -> None:
    """Let OpenCV use ``count`` threads in this process; data-loader workers want one."""
    import cv2

    cv2.setNumThreads(count)
