"""Encoders in from others' files, and out in others' formats."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

from kinema.commands.evaluation import checked_settings
from kinema.common.files import make_folder
from kinema.config import ReadoutConfig, overlaid
from kinema.errors import ConfigError


def weights(file: str, out: str | None = None, partial: bool = False) -> None:
    """Say what a file of weights holds, and make an encoder of kinema of it.

    Args:
        file: published weights, a run's folder or an encoder file.
        out: folder to write the encoder and its card to; none by default.
        partial: take what matches where not all of the network's weights are in the file.
    """
    from kinema.models import load_encoder
    from kinema.models.hub import save_pretrained

    if out is not None:
        make_folder(out)
    encoder = load_encoder(file, partial)
    print(encoder.report or f"{file} (kinema): an encoder, complete")
    model = {name: value for name, value in encoder.card["model"].items() if value is not None}
    print(", ".join(f"{name} {model[name]}" for name in ("backbone", "width", "patch", "input") if name in model))
    for path in [] if out is None else save_pretrained(encoder, out):
        print(path)


def export(
    format: Literal["onnx", "torch", "hub"],
    run: str,
    out: str,
    readout: dict[str, Any] | None = None,
    repo: str | None = None,
    private: bool = False,
    from_checkpoint: bool = False,
) -> None:
    """Write an encoder in a format of others.

    Args:
        format: onnx; torch, a program of torch.export; or hub, a folder as the Hugging Face Hub wants it.
        run: a run's folder, an encoder file or published weights; for onnx and torch whatever `kinema evaluate` takes.
        out: file to write, for hub a folder.
        readout: settings of the readout in place of the encoder's, such as --readout.stage layer3.
        repo: with hub, OWNER/NAME to push it to as well.
        private: with hub, whether a new repository is private.
        from_checkpoint: take the encoder out of the run's last checkpoint instead of the encoder beside it.
    """
    if format != "hub" and (repo is not None or private):
        raise ConfigError(f"repo and private belong to the format hub, not to {format}: leave them out")
    asked = None if readout is None else checked_settings(ReadoutConfig, readout)
    make_folder(out if format == "hub" else Path(out).parent)
    with tempfile.TemporaryDirectory() as folder:
        chosen = _of_checkpoint(run, Path(folder)) if from_checkpoint else run
        if format == "hub":
            _to_hub(chosen, out, asked, repo, private)
            return
        from kinema.evaluation.gather import open_asked
        from kinema.models.export import export_onnx, export_torch

        opened, clip = open_asked(chosen, asked)
        print((export_onnx if format == "onnx" else export_torch)(opened.module, clip, out))


def _of_checkpoint(run: str, folder: Path) -> str:
    """A file in ``folder`` with the encoder of a run's checkpoint."""
    from kinema.models import save_encoder
    from kinema.training.fitted import encoder_from_checkpoint

    encoder = encoder_from_checkpoint(run)
    return str(save_encoder(encoder, folder / f"{Path(run).name}.safetensors", encoder.card))


def _to_hub(run: str, out: str, readout: dict[str, Any] | None, repo: str | None, private: bool) -> None:
    from kinema.models import load_encoder
    from kinema.models.hub import push_to_hub, save_pretrained

    encoder = load_encoder(run)
    if readout is not None:
        encoder.read_by(overlaid("readout", encoder.readout, readout))
    for path in save_pretrained(encoder, out, repo):
        print(path)
    if repo is not None:
        print(push_to_hub(encoder, repo, private))
