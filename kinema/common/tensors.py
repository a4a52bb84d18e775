"""Named tensors to files and back; nothing in a file is executed on reading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from kinema.common.files import write_bytes


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], about: dict[str, str]) -> None:
    """Write a safetensors file, atomically.

    Args:
        path: the file.
        tensors: by name, wherever they are.
        about: words in the file's header.

    Raises:
        OutputError: the file cannot be written.
    """
    content = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, metadata=about)
    write_bytes(path, content)  # safetensors' own writer has an error of its own for a full disk


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, on the CPU, and the words in its header.

    Raises:
        SafetensorError: it is damaged or of another kind.
        OSError: it cannot be read.
    """
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        return tensors, file.metadata() or {}


def read_about(path: str | Path) -> dict[str, str]:
    """The words in a safetensors file's header; errors as of :func:`read_tensors`."""
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors file or one of PyTorch's, of which nothing but weights is read.

    Raises:
        Exception: whatever either library raises for a file that is damaged or holds more than weights.
    """
    if path.suffix == ".safetensors":
        return load_file(path)
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
