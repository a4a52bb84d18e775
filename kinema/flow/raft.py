"""RAFT optical flow (Teed and Deng, ECCV 2020): torchvision's network, with weights that lie on this machine already.

torchvision is optional (``pip install "kinema[raft]"``) and imported on first use. Weights are never downloaded here.
"""

from __future__ import annotations

import functools
import pickle
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from kinema.common.extras import needed_for
from kinema.common.tensors import read_weights
from kinema.errors import CheckpointError, ConfigError
from kinema.flow.base import FlowEstimator

HUB_FILES = {"large": "raft_large_C_T_SKHT_V2-ff5fadd5.pth", "small": "raft_small_C_T_V2-01064c6d.pth"}
"""The files of torchvision's default weights, as torch hub calls them in its cache."""

MULTIPLE = 8
"""The network halves a frame three times, so that sides have to be multiples of it."""

_CORRELATIONS = 1 << 28  # numbers in the volumes of the pairs that are worked on together: 1 GiB; at least one pair


@dataclass(frozen=True)
class RAFT(FlowEstimator):
    """RAFT (Teed and Deng, ECCV 2020): a network that learned from films with true flow; wants a GPU.

    Needs torchvision and weights; runs on the device of the frames. A store of flow knows the weights by their path.

    Attributes:
        model: "large" or "small".
        weights: a file of weights for torchvision's raft_large or raft_small (safetensors, or a state dict that torch
            saved; only weights are read); None for torchvision's default ones in torch hub's cache.
    """

    name: ClassVar[str] = "raft"
    any_device: ClassVar[bool] = True
    colour: ClassVar[bool] = True
    model: str = "large"
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.model not in HUB_FILES:
            raise ConfigError(f"unknown RAFT model {self.model!r}: choose one of {', '.join(HUB_FILES)}")

    @property
    def minimum_side(self) -> int:
        """At an eighth of it the correlations' coarsest level has two places left."""
        return 128

    @property
    def file(self) -> Path:
        """Where the weights are looked for."""
        return Path(self.weights) if self.weights else Path(torch.hub.get_dir(), "checkpoints", HUB_FILES[self.model])

    def missing(self) -> str:
        """What this estimator lacks on this machine and where to get it, in one sentence; empty if it can be used."""
        try:
            with needed_for("raft"):
                _torchvision()
        except ConfigError as error:
            return str(error)
        if self.file.is_file():
            return ""
        if self.weights:
            return f"raft finds no weights at {self.file}: name the file that holds them"
        network = f"raft_{self.model}"
        fetch = f"from torchvision.models.optical_flow import {network}; {network}(weights='DEFAULT')"
        return (
            f"raft finds no weights at {self.file}: name a file with the parameter weights, or let torchvision fetch "
            f'its own once with python -c "{fetch}"'
        )

    def _estimate(self, first: Tensor, second: Tensor) -> Tensor:
        state = self.file.stat()
        network = _network(self.model, self.file, (state.st_size, state.st_mtime_ns), first.device)
        count, height, width = first.shape[:3]
        cells = -(-height // MULTIPLE) * -(-width // MULTIPLE)
        chunk = max(1, _CORRELATIONS // cells**2)
        flow = torch.empty((count, 2, height, width), device=first.device)
        for start in range(0, count, chunk):
            part = slice(start, start + chunk)
            flow[part] = _cropped(network(_padded(first[part]), _padded(second[part]))[-1], height, width)
        return flow


def _padded(levels: Tensor) -> Tensor:
    """Levels ``(N, H, W, 3)`` as ``(N, 3, H', W')`` from -1 to 1, edges repeated so that :data:`MULTIPLE` divides."""
    pictures = levels.permute(0, 3, 1, 2).float() / 127.5 - 1
    down, right = (-side % MULTIPLE for side in levels.shape[1:3])
    return F.pad(pictures, (right // 2, right - right // 2, down // 2, down - down // 2), mode="replicate")


def _cropped(flow: Tensor, height: int, width: int) -> Tensor:
    top, left = (flow.shape[-2] - height) // 2, (flow.shape[-1] - width) // 2
    return flow[..., top : top + height, left : left + width]


def _torchvision() -> Any:
    return import_module("torchvision.models.optical_flow")


@functools.lru_cache(maxsize=2)
def _network(model: str, file: Path, state: tuple[int, int], device: torch.device) -> nn.Module:
    """The network in evaluation mode; ``state`` (size and time of change) makes a file that was replaced another."""
    name = f"raft_{model}"
    network = getattr(_torchvision(), name)(weights=None, progress=False)
    try:
        weights = read_weights(file)
    except (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        raise CheckpointError(f"{file} is damaged or holds more than weights: copy or fetch it again") from error
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file} holds no weights of torchvision's {name}: name a file that does") from error
    return network.requires_grad_(False).eval().to(device)
