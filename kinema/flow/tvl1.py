"""TV-L1 optical flow in PyTorch, for many pairs at once, on any device.

Follows Zach, Pock and Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow" (DAGM 2007), and the account
of it by Sánchez, Meinhardt-Llopis and Facciolo, "TV-L1 Optical Flow Estimation" (IPOL 2013), with the image gradient of
Wedel et al., "An Improved Algorithm for TV-L1 Optical Flow" (2009). :mod:`kinema.flow.duality` has the scheme itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.common.processes import on_a_core_each
from kinema.errors import ConfigError
from kinema.flow.base import FlowEstimator
from kinema.flow.duality import linearise, minimise, picture_gradient

SMALLEST_SCALE = 16
"""Pixels: no scale's shorter side is below it."""

CHUNK_PIXELS = {"cpu": 1 << 16}
"""Pixels of the pairs that are worked on together, by type of device; at least one pair. On a CPU few, so that they
stay in its cache."""
_MANY_PIXELS = 1 << 24  # other devices: about 4 GiB


@dataclass(frozen=True)
class TVL1(FlowEstimator):
    """TV-L1 (Zach et al., DAGM 2007): sharp at motion edges, slower than DIS; ``docs/flow.md`` has the figures.

    Defaults are OpenCV's but for two: ``scale_step`` (0.8 there), since a longer step reaches larger motion with as
    many scales and is cheaper, and ``outer_iterations`` (10 there), since more than one cost several times as much for
    a few per cent of accuracy.

    Attributes:
        tau: time step of the dual's iteration, above 0; converges up to 0.25.
        lambda_: weight of the data against smoothness, above 0, for grey levels from 0 to 255; larger is less smooth.
        theta: how far the two halves of the scheme may differ, above 0, pixels; smaller is tighter and slower.
        scales: levels of the pyramid, at least 1; fewer are used where one would be below 16 pixels.
        warps: how often the second frame is warped on each scale, at least 1.
        epsilon: a pair stops when its vectors change by no more per iteration (root mean square), pixels, at least 0.
        inner_iterations: iterations between two median filterings, at least 1.
        outer_iterations: rounds of median filtering and inner iterations for each warp, at least 1.
        scale_step: size of a scale relative to the next finer one, 0.25 to 0.95.
        median_filtering: side of the median filter's window: 1 (none), 3 or 5.
    """

    name: ClassVar[str] = "tvl1"
    any_device: ClassVar[bool] = True
    tau: float = 0.25
    lambda_: float = 0.15
    theta: float = 0.3
    scales: int = 5
    warps: int = 5
    epsilon: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 1
    scale_step: float = 0.5
    median_filtering: int = 5

    def __post_init__(self) -> None:
        for setting in ("tau", "lambda_", "theta"):
            self._require(setting, float, lambda value: 0 < value < math.inf, "a number above 0")
        self._require("epsilon", float, lambda value: 0 <= value < math.inf, "a number of at least 0")
        self._require("scale_step", float, lambda value: 0.25 <= value <= 0.95, "a number from 0.25 to 0.95")
        for setting in ("scales", "warps", "inner_iterations", "outer_iterations"):
            self._require(setting, int, lambda value: value >= 1, "a whole number of at least 1")
        self._require("median_filtering", int, lambda value: value in (1, 3, 5), "1 (none), 3 or 5")

    def _require(self, setting: str, kind: type, allowed: Callable[[Any], bool], wanted: str) -> None:
        value = getattr(self, setting)
        kinds = (int, float) if kind is float else int
        if isinstance(value, bool) or not isinstance(value, kinds) or not allowed(value):
            raise ConfigError(f"TV-L1 {setting} must be {wanted}, got {value!r}")

    @property
    def minimum_side(self) -> int:
        """The coarsest scale's shorter side."""
        return SMALLEST_SCALE

    def _estimate(self, first: Tensor, second: Tensor) -> Tensor:
        count, height, width = first.shape
        chunk = max(1, CHUNK_PIXELS.get(first.device.type, _MANY_PIXELS) // (height * width))
        threads = torch.get_num_threads() if first.device.type == "cpu" else 1
        chunk = min(chunk, math.ceil(count / threads)) or 1
        starts = range(0, count, chunk)
        flow = first.new_empty((count, 2, height, width), dtype=torch.float32)

        def work(start: int) -> None:
            part = slice(start, start + chunk)
            flow[part] = self._coarse_to_fine(first[part].float(), second[part].float())

        if first.device.type == "cpu":
            on_a_core_each(work, starts)
        else:
            for start in starts:
                work(start)
        return flow

    def _coarse_to_fine(self, first: Tensor, second: Tensor) -> Tensor:
        """``(N, 2, H, W)`` from float32 ``(N, H, W)``."""
        pyramid = [(first, second)]
        for size in self._sizes(*first.shape[1:])[1:]:
            pyramid.append(tuple(_scaled(frames, size, antialias=True) for frames in pyramid[-1]))  # type: ignore[arg-type]
        u = first.new_zeros((2, len(first), *pyramid[-1][0].shape[1:]))
        for first, second in reversed(pyramid):
            (height, width), (old_height, old_width) = first.shape[1:], u.shape[2:]
            u = torch.stack([_scaled(u[0], (height, width)), _scaled(u[1], (height, width))])
            u[0] *= width / old_width
            u[1] *= height / old_height
            p = u.new_zeros((2, *u.shape))
            from_, to = (torch.cat((frames[:, None], picture_gradient(frames)), 1) for frames in (first, second))
            for _ in range(self.warps):
                minimise(u, p, linearise(from_, to, u), self)
        return u.transpose(0, 1)

    def _sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of each scale, finest first."""
        sizes = [(height, width)]
        while len(sizes) < self.scales:
            height, width = (round(side * self.scale_step) for side in (height, width))
            if min(height, width) < SMALLEST_SCALE:
                break
            sizes.append((height, width))
        return sizes


def _scaled(fields: Tensor, size: tuple[int, int], antialias: bool = False) -> Tensor:
    """``(N, H, W)`` to another height and width, bilinearly."""
    return F.interpolate(fields[:, None], size=size, mode="bilinear", align_corners=False, antialias=antialias)[:, 0]
