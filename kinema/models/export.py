"""Encoders to the formats of other runtimes: ONNX, and programs of ``torch.export``."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from kinema.common.extras import needed_for
from kinema.common.files import atomic_path
from kinema.config import ClipConfig
from kinema.errors import ConfigError, first_line


def export_torch(encoder: nn.Module, clip: ClipConfig, path: str | Path) -> Path:
    """Write an encoder as a program of ``torch.export``, which ``torch.export.load(path).module()`` runs.

    Args:
        encoder: from clips (B, 3, T, H, W) with values from 0 to 1 to features (B, D).
        clip: T, H and W, which are fixed; B is not.
        path: the file, usually ``.pt2``.

    Raises:
        ConfigError: torch cannot export it.
        OutputError: the file cannot be written.
    """
    with _quietly(), _explained(path, "torch.export"):
        program = torch.export.export(encoder.eval(), (_clips(clip),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    with atomic_path(path) as temporary:
        torch.export.save(program, temporary)
    return Path(path)


def export_onnx(encoder: nn.Module, clip: ClipConfig, path: str | Path) -> Path:
    """Write an encoder as an ONNX file with the input ``clips`` and the output ``features``; arguments and errors as of
    :func:`export_torch`.

    Raises:
        ConfigError: a module of ``kinema[onnx]`` is not installed, or torch cannot export it.
        OutputError: the file cannot be written.
    """
    with needed_for(str(path)):
        import onnx  # noqa: F401, the exporter needs both
        import onnxscript  # noqa: F401
    with _quietly(), _explained(path, "ONNX"):
        program = torch.onnx.export(
            encoder.eval(),
            (_clips(clip),),
            dynamo=True,
            verbose=False,
            input_names=["clips"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    assert program is not None
    with atomic_path(path) as temporary:
        program.save(str(temporary))
    return Path(path)


def _clips(clip: ClipConfig) -> Tensor:
    """Two clips to trace with: torch takes a batch of one for a constant."""
    return torch.rand(2, 3, clip.frames, *clip.size, generator=torch.Generator().manual_seed(0))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporters' words, which are not for users."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.inference_mode(False):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _explained(path: str | Path, format: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the exporters raise whatever they meet
        reason = first_line(error, type(error).__name__)
        raise ConfigError(f"{path} cannot be made: this encoder has no form in {format} ({reason})") from error
