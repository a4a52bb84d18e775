"""What comes with kinema's extras alone, and the one sentence for whoever lacks it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from kinema.errors import ConfigError, words_of

EXTRAS = {
    "train": ("tensorboard",),
    "search": ("faiss",),
    "cluster": ("ray",),
    "storage": ("s3fs",),
    "server": ("psycopg",),
    "serve": ("starlette", "uvicorn"),
    "report": ("matplotlib",),
    "hf": ("transformers",),
    "hub": ("huggingface_hub",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "raft": ("torchvision",),
    "nwb": ("pynwb",),
    "pose": ("h5py",),
    "torchcodec": ("torchcodec",),
}
"""The modules that each extra brings."""
UNFIT = re.compile("operator torchvision::|PyTorch and torchvision were compiled")
"""What torchvision says where it is for another PyTorch, or for another CUDA."""


def remedy(module: str) -> str:
    """The command that installs the extra with that module."""
    extra = next(extra for extra, modules in EXTRAS.items() if module in modules)
    return f'pip install "kinema[{extra}]"'


@contextmanager
def needed_for(what: str, otherwise: str = "") -> Iterator[None]:
    """Around imports of what an extra brings.

    Args:
        what: needs it, as the sentence begins.
        otherwise: what else can be done.

    Raises:
        ConfigError: a module of an extra is not installed, or torchvision is and does not load.
    """
    other = f", or {otherwise}" if otherwise else ""
    try:
        yield
    except (ImportError, RuntimeError) as error:
        if unfit := unfit_torchvision(error):
            raise ConfigError(f"{what} imports torchvision, and {unfit}{other}") from error
        module = (getattr(error, "name", "") or "").partition(".")[0]
        if not any(module in modules for modules in EXTRAS.values()):
            raise
        raise ConfigError(f"{what} needs {module}: {remedy(module)}{other}") from error


def unfit_torchvision(error: BaseException) -> str:
    """Say that torchvision was built for another PyTorch, which it tells by an operator that nobody asked for.

    pip does not see it: PyTorch for the CPU alone and torchvision for CUDA have the versions that each other wants.

    Args:
        error: what importing torchvision raised, or transformers, which imports it where it is, raised of that.

    Returns:
        What is wrong with "torchvision, and", with the way out; empty where the error says something else.
    """
    cause: BaseException | None = error
    seen: set[int] = set()  # causes and contexts may go round in a circle
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, RuntimeError) and UNFIT.search(str(cause)):
            words = words_of(cause)
            return f"that here is for another PyTorch ({words}): install torchvision anew from where PyTorch came"
        cause = cause.__cause__ or cause.__context__
    return ""
