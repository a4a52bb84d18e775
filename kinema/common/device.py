"""Where to compute."""

from __future__ import annotations

import torch

from kinema.errors import ConfigError


def find_device(name: str) -> torch.device:
    """The device of that name, once something has been put on it.

    Args:
        name: "auto" (a GPU of CUDA's if there is one), "cpu", "cuda", "cuda:1", "mps" (Apple's GPU, by name
            alone, since PyTorch lacks some operations there), ...

    Raises:
        ConfigError: there is no such device here.
    """
    try:
        return torch.empty(
            0, device=("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
        ).device
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        raise ConfigError(
            f"there is no device {name!r} here ({str(error).splitlines()[0]}); use auto or cpu"
        ) from error


def find_devices(names: str) -> list[torch.device]:
    """Several devices at once.

    Args:
        names: "auto" (every GPU, or the CPU where there is none), or one or several names with commas between them.

    Raises:
        ConfigError: there is no such device here.
    """
    if names == "auto" and torch.cuda.device_count() > 1:
        names = ",".join(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    return [find_device(name.strip()) for name in names.split(",")]
