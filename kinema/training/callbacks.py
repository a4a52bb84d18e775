"""What happens around the training steps: checkpoints, stopping on request, and what is measured."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L

from kinema.data.left_out import Broken
from kinema.errors import TrainingError
from kinema.files import atomic_path
from kinema.processes import is_first
from kinema.training.module import TrainingModule

CHECKPOINT = "last.ckpt"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(TrainingError):
    """The user asked to stop; a checkpoint was left."""

    status = 130  # as a shell reports an interrupted command
    shared = True


@contextlib.contextmanager
def signals_given_back() -> Iterator[None]:
    """Let whatever happens inside, Lightning's own doings included, not change what signals do afterwards."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # in another thread
            for number, handler in handlers.items():
                signal.signal(number, handler)


class Checkpoints(L.Callback):
    """Writes ``last.ckpt`` every few minutes, at the end, when videos break, and when the user asks to stop.

    The first Ctrl-C (or SIGTERM) lets the step finish, saves and stops; the second stops at once.

    Args:
        path: the checkpoint.
        minutes: between two checkpoints.
        end: the step after which this call ends.
        keep: writes what belongs to a checkpoint; called after each, in one of several processes.
    """

    def __init__(self, path: Path, minutes: float, end: int, keep: Callable[[], None] = lambda: None):
        self.path = path
        self.minutes = minutes
        self.end = end
        self.keep = keep
        self._last = time.monotonic()
        self._asked = self._stopping = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen to the signals, in place of Lightning, which would end the process without a word."""
        self._last = time.monotonic()
        with contextlib.suppress(ValueError):  # in another thread, which gets no signals
            for number in SIGNALS:
                signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        if is_first():
            print("\nstopping after this step (once more: at once, without a checkpoint)", file=sys.stderr)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time to, or if asked to stop."""
        due = time.monotonic() - self._last > 60 * self.minutes or trainer.global_step >= self.end
        self._stopping = trainer.strategy.reduce_boolean_decision(self._asked, all=False)
        if self._stopping or trainer.strategy.reduce_boolean_decision(due, all=False):
            self._save(trainer)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Stop if asked to.

        Raises:
            Stopped: asked to stop.
        """
        if self._stopping:
            raise Stopped(f"stopped at step {trainer.global_step}; {self.path} is kept: go on with --resume")

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Save if it is the videos that end the training: it stands between two steps then, in every process."""
        if isinstance(exception, Broken) and trainer.global_step > 0:
            self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        for logger in trainer.loggers:  # the rows before a checkpoint are on the disk when it is
            logger.save()
        if trainer.is_global_zero:
            with atomic_path(self.path) as temporary:  # Lightning's own temporary file may be on another disk
                trainer.save_checkpoint(temporary)
            self.keep()
        else:
            trainer.save_checkpoint(self.path)  # takes part, but writes nothing
        self._last = time.monotonic()


class Loading(L.Callback):
    """Measures how long training waits for data.

    The first batch of each epoch is left out: it waits for the loader to begin.
    """

    def __init__(self) -> None:
        self.waited = self.worked = self.earlier = 0.0
        self._mark: float | None = None

    @property
    def seconds(self) -> float:
        """Time spent in training steps and waiting for them, earlier calls of the same run included."""
        return self.waited + self.worked

    @property
    def share(self) -> float:
        """Share of the time spent waiting for data, from 0 to 1."""
        return self.waited / self.seconds if self.seconds else 0.0

    def state_dict(self) -> dict[str, float]:
        """The times, for the checkpoint."""
        return {"waited": self.waited, "worked": self.worked}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on counting from an earlier call."""
        self.waited, self.worked = state_dict["waited"], state_dict["worked"]
        self.earlier = self.seconds

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget when the last step ended."""
        self._mark = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Data has come."""
        now = time.monotonic()
        if self._mark is not None:
            self.waited += now - self._mark
        self._mark = now

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The step is done; log the share when an epoch is."""
        now = time.monotonic()
        assert self._mark is not None and isinstance(pl_module, TrainingModule)
        self.worked += now - self._mark
        self._mark = now
        if trainer.global_step % pl_module.plan.steps_per_epoch == 0:
            pl_module.write({"data_wait": self.share}, trainer.global_step - 1)
