"""What a run keeps of its encoder on the way: one every so often, and the best by a figure that is measured of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kinema.common.files import make_folder
from kinema.config import ReadoutConfig
from kinema.errors import KinemaError
from kinema.models.encoder import VideoEncoder
from kinema.models.passes import evaluating
from kinema.models.weights import save_encoder
from kinema.training.callbacks import Callback
from kinema.training.trainer import Trainer

BEST = "best.safetensors"
ENCODERS = "encoders"
"""Folder of the encoders that are kept on the way."""


@dataclass(frozen=True)
class Monitor:
    """A figure of merit that is measured while an encoder is trained.

    Attributes:
        measure: from the encoder, in evaluation mode and with the run's readout, to the figure; the larger the better.
        every: steps from one measurement to the next; the last step is measured as well.
        name: of the figure, in the log.
    """

    measure: Callable[[VideoEncoder], float]
    every: int
    name: str = "monitor"


class Keeping(Callback):
    """Keeps encoders in ``encoders``, measures them, and keeps the best in ``best.safetensors``.

    The encoder of a step is the same whether the run was stopped before or not, and so are its figure and the best one.

    Args:
        out: the run's folder.
        every: steps from one encoder that is kept to the next; None to keep none.
        monitor: what is measured; None for nothing.
        readout: of the trained encoder.
        describe: gives the encoder's card as it is now.
    """

    def __init__(
        self,
        out: Path,
        every: int | None,
        monitor: Monitor | None,
        readout: ReadoutConfig,
        describe: Callable[[], dict[str, Any]],
    ):
        self.out = out
        self.every = every
        self.monitor = monitor
        self.readout = readout
        self.describe = describe
        self.best: dict[str, float] | None = None
        self.newest: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        """The best figure so far and its step, for the checkpoint."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from them."""
        self.best = state_dict["best"]

    def after_step(self, trainer: Trainer) -> None:
        """Measure and keep, where it is time to; one of several processes does."""
        step = trainer.step
        if not trainer.first:
            return
        encoder = trainer.module.method.trained_encoder()
        if self.monitor is not None and (step % self.monitor.every == 0 or step == trainer.end):
            self._measure(self.monitor, encoder, trainer)
        if self.every is not None and step % self.every == 0:
            make_folder(self.out / ENCODERS)
            save_encoder(encoder, self.out / ENCODERS / f"step-{step:06}.safetensors", self.describe())

    def _measure(self, monitor: Monitor, encoder: VideoEncoder, trainer: Trainer) -> None:
        step, before, card = trainer.step, encoder.readout, encoder.card
        try:  # in evaluation mode, and read out in the run's way; afterwards it and the generators are as before
            with torch.random.fork_rng(devices=[]), evaluating(encoder.read_by(self.readout)):
                value = float(monitor.measure(encoder))
        except KinemaError as error:  # which is no reason to lose a training
            print(f"\n{monitor.name} is not known at step {step}: {error}", file=sys.stderr, flush=True)
            return
        finally:
            encoder.read_by(before)
            encoder.card = card
        self.newest[monitor.name] = value
        trainer.write(self.newest, step - 1)
        if self.best is None or value > self.best[monitor.name]:
            self.best = {monitor.name: value, "step": step}
            save_encoder(encoder, self.out / BEST, {**self.describe(), "monitor": self.best})
