"""The optical-flow estimators there are, by name; :mod:`kinema.flow.base` says what all of them offer.

OpenCV spreads one pair over all cores by default. Data-loader workers are parallel already: let each of them call
:func:`set_opencv_threads` with 1, or they fight for the cores. The setting belongs to the process, not to an estimator,
and does not change the result.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from kinema.common.registry import Registry
from kinema.errors import ConfigError
from kinema.flow.base import FlowEstimator
from kinema.flow.frames import to_bytes
from kinema.flow.raft import RAFT
from kinema.flow.tvl1 import TVL1

Estimator = TypeVar("Estimator", bound=FlowEstimator)

DIS_PRESETS = ("ultrafast", "fast", "medium")


@dataclass(frozen=True)
class DIS(FlowEstimator):
    """Dense inverse search (Kroeger et al., ECCV 2016), OpenCV's implementation.

    OpenCV picks the finest pyramid level by preset and changes it without a word on small frames, so that a 112-pixel
    frame gets a coarser field than a 64-pixel one; here it is explicit. On real scenes scaled to 64 x 64 (true motion
    0.99 pixels on average) the default is off by 0.36 pixels at about 1.0 ms a pair on one core, "fast" and "medium" by
    0.32 at 2.3 and 2.9 ms, ``finest_scale=1`` by 0.52 at 0.2 ms; at 112 x 112 (motion 1.74) the default is off by 0.68
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

    def _estimate(self, first: Tensor, second: Tensor) -> Tensor:
        import cv2

        scale = self.finest_scale
        if scale is None:
            scale = 0 if min(first.shape[1:]) < 96 else 1
        search = cv2.DISOpticalFlow.create(DIS_PRESETS.index(self.preset))
        search.setFinestScale(scale)
        return _each(lambda a, b: search.calc(a, b, None), first, second)  # type: ignore[call-overload]


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

    def _estimate(self, first: Tensor, second: Tensor) -> Tensor:
        import cv2

        settings = (0.5, self.levels, self.window, self.iterations, 5, 1.1, 0)
        estimate = cv2.calcOpticalFlowFarneback
        return _each(lambda a, b: estimate(a, b, None, *settings), first, second)  # type: ignore[call-overload]


def _each(method: Callable[[np.ndarray, np.ndarray], np.ndarray], first: Tensor, second: Tensor) -> Tensor:
    """``(N, 2, H, W)`` from what one of OpenCV's methods makes of each pair: ``(H, W, 2)``."""
    flow = np.empty((len(first), 2, *first.shape[1:]), np.float32)
    for target, one, other in zip(flow, to_bytes(first), to_bytes(second), strict=True):
        target[:] = method(one, other).transpose(2, 0, 1)
    return torch.from_numpy(flow)


ESTIMATORS: Registry[type[FlowEstimator]] = Registry(
    "flow estimator", "kinema.estimators", {kind.name: kind for kind in (DIS, Farneback, RAFT, TVL1)}, FlowEstimator
)


def register_estimator(kind: type[Estimator]) -> type[Estimator]:
    """A decorator: know a flow estimator by its ``name`` from now on, in this process.

    A package offers one to all processes by an entry point of that name in the group ``kinema.estimators``.

    Raises:
        ConfigError: the name is another's, or none; or what is decorated is no estimator.
    """
    return ESTIMATORS.register(getattr(kind, "name", ""))(kind)


def list_estimators() -> list[str]:
    """The names that :func:`create_estimator` knows."""
    return sorted(ESTIMATORS.names())


def describe_estimators() -> str:
    """A few lines for people on each estimator: what it is, its settings with their defaults, what it lacks here."""
    lines = []
    for name in list_estimators():
        try:
            kind = ESTIMATORS.get(name)
        except ConfigError as error:  # of another package
            lines += [name, f"  not available: {error}"]
            continue
        summary = (kind.__doc__ or "").split("\n\n")[0]
        lines += [name, f"  {' '.join(summary.split())}"]
        lines += [f"  {field.name} = {field.default!r}" for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
        missing = kind().missing()
        lines.append(f"  not available: {missing}" if missing else "  available")
    return "\n".join(lines)


def create_estimator(name: str = "dis", **parameters: Any) -> FlowEstimator:
    """The estimator of that name, with its defaults overridden by ``parameters``.

    Raises:
        ConfigError: the name, a parameter or its value is unknown, and the message lists what exists; or a package
            offers the estimator by another name than its own, by which stores of its flow know it.
    """
    kind = ESTIMATORS.get(name)
    if (own := getattr(kind, "name", None)) != name:
        raise ConfigError(
            f"the flow estimator {name!r} has the name {own!r} for itself: its package has to offer it as that"
        )
    return kind.create(**parameters)


def parse_estimator(text: str) -> FlowEstimator:
    """The estimator that a command line names: ``tvl1``, or with settings, ``dis:preset=medium:finest_scale=0``.

    Raises:
        ConfigError: as for :func:`create_estimator`, or a setting without a value.
    """
    name, *settings = text.split(":")
    parameters: dict[str, Any] = {}
    for setting in settings:
        parameter, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"the flow estimator {text!r} gives {setting!r} no value: write {setting}=VALUE")
        try:
            parameters[parameter] = ast.literal_eval(value)
        except (ValueError, SyntaxError):  # a word
            parameters[parameter] = value
    return create_estimator(name, **parameters)


def set_opencv_threads(count: int = 1) -> None:
    """Let OpenCV use ``count`` threads in this process; data-loader workers want one."""
    import cv2

    cv2.setNumThreads(count)
