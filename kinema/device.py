"""Where to compute."""

from __future__ import annotations

import torch

from kinema.errors import ConfigError


def find_device(name: str) -> torch.device:
    """The device of that name, once something has been put on it.

    Args:
        name: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", ...

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
