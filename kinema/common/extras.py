"""What comes with kinema's extras alone, and the one sentence for whoever lacks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kinema.errors import ConfigError

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
        ConfigError: a module of an extra is not installed.
    """
    try:
        yield
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        if not any(module in modules for modules in EXTRAS.values()):
            raise
        other = f", or {otherwise}" if otherwise else ""
        raise ConfigError(f"{what} needs {module}: {remedy(module)}{other}") from error
