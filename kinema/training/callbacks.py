"""What happens around the training steps: checkpoints, stopping on request, what is measured, and what is told."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Any

from kinema.common.clock import clock
from kinema.common.files import atomic_path
from kinema.common.processes import anywhere, is_first
from kinema.common.progress import make_bar
from kinema.data.left_out import Broken
from kinema.errors import TrainingError
from kinema.methods.progressive import ProgressiveSchedule

if TYPE_CHECKING:
    from kinema.training.trainer import Trainer

CHECKPOINT = "last.ckpt"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(TrainingError):
    """The user asked to stop; a checkpoint was left."""

    status = 130  # as a shell reports an interrupted command
    shared = True


class Callback:
    """What happens around the steps of a training: nothing, where it has no say."""

    def on_start(self, trainer: Trainer) -> None:
        """The first step of this call is about to come."""

    def before_step(self, trainer: Trainer) -> None:
        """The batch of a step has come."""

    def after_step(self, trainer: Trainer) -> None:
        """A step was taken, and counted."""

    def on_end(self, trainer: Trainer, error: BaseException | None) -> None:
        """The last step was taken, or an error has ended the training between two steps or within one."""

    def state_dict(self) -> dict[str, Any]:
        """What of it belongs into a checkpoint."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""


class Checkpoints(Callback):
    """Writes ``last.ckpt`` every few minutes, at the end, when videos break, and when the user asks to stop.

    The first Ctrl-C (or SIGTERM) lets the step finish, saves and stops; the second stops at once.

    Args:
        path: the checkpoint.
        minutes: between two checkpoints.
        keep: writes what belongs to a checkpoint; called after each, in one of several processes.
    """

    def __init__(self, path: Path, minutes: float, keep: Callable[[], None] = lambda: None):
        self.path = path
        self.minutes = minutes
        self.keep = keep
        self._last = time.monotonic()
        self._asked = False
        self._before: dict[int, Any] = {}

    def on_start(self, trainer: Trainer) -> None:
        """Listen to the signals."""
        self._last = time.monotonic()
        with contextlib.suppress(ValueError):  # in another thread, which gets no signals
            self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        if is_first():
            print("\nstopping after this step (once more: at once, without a checkpoint)", file=sys.stderr)

    def after_step(self, trainer: Trainer) -> None:
        """Save if it is time to, or if asked to stop; and stop then, unless the training is done.

        Raises:
            Stopped: asked to stop.
        """
        due = time.monotonic() - self._last > 60 * self.minutes or trainer.step == trainer.end
        stopping, due = anywhere(self._asked, due)
        if stopping or due:
            self._save(trainer)
        if stopping and trainer.step < trainer.end:
            raise Stopped(f"stopped at step {trainer.step}; {self.path} is kept: go on with --resume")

    def on_end(self, trainer: Trainer, error: BaseException | None) -> None:
        """Save if videos end the training, between two steps in every process; signals do what they did before."""
        if isinstance(error, Broken) and trainer.step > 0:
            self._save(trainer)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _save(self, trainer: Trainer) -> None:
        if trainer.first:
            if trainer.metrics is not None:  # the rows before a checkpoint are on the disk when it is
                trainer.metrics.save()
            with atomic_path(self.path) as temporary:
                trainer.save(temporary)
            self.keep()
        anywhere(True)  # all wait here: who ends before that is written has the others ended, where torchrun began them
        self._last = time.monotonic()


class Loading(Callback):
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

    def before_step(self, trainer: Trainer) -> None:
        """Data has come."""
        now = time.monotonic()
        if self._mark is not None and trainer.step % trainer.module.plan.steps_per_epoch:
            self.waited += now - self._mark
        self._mark = now

    def after_step(self, trainer: Trainer) -> None:
        """The step is done; log the share when an epoch is."""
        now = time.monotonic()
        assert self._mark is not None
        self.worked += now - self._mark
        self._mark = now
        if trainer.step % trainer.module.plan.steps_per_epoch == 0:
            trainer.write({"data_wait": self.share}, trainer.step - 1)


SECONDS = 30.0
"""Between two lines."""


class Telling(Callback):
    """Shows the step, the loss and the time left for the whole training.

    On a terminal it is a bar; elsewhere a line every :data:`SECONDS`, and when a phase or the training ends.

    Args:
        schedule: the training's phases; None for one that has none.
        beside: facts that are told beside those of the step, as they are then.
    """

    def __init__(
        self, schedule: ProgressiveSchedule | None = None, beside: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        self.schedule = schedule
        self.beside = beside
        self.bar = make_bar("loss")

    def on_start(self, trainer: Trainer) -> None:
        """Start the clock."""
        self._began = self._said = time.monotonic()
        self._first = trainer.step
        if trainer.first and not self.bar.disable:
            self.bar.start()
            self.bar.add_task("training", total=trainer.end, completed=self._first, loss="")

    def after_step(self, trainer: Trainer) -> None:
        """Move the bar, or say a line if it is time to."""
        if not trainer.first:
            return
        step, facts = trainer.step, trainer.module.facts
        phase = "" if self.schedule is None else self.schedule.phases[self.schedule.number(step - 1)].name
        if not self.bar.disable:
            found = "".join(f", {name} {value:.3f}" for name, value in self.beside.items())
            doing, loss = f"training {phase}".strip(), f"loss {facts['loss']:.3f}{found}"
            self.bar.update(self.bar.task_ids[0], completed=step, description=doing, loss=loss)
            return
        now = time.monotonic()
        ended = self.schedule is not None and self.schedule.number(step) != self.schedule.number(step - 1)
        if step == trainer.end or ended or now - self._said >= SECONDS:
            left = (trainer.end - step) * (now - self._began) / (step - self._first)
            self._said = now
            facts = {**facts, **self.beside}
            print(_line(f"{step}/{trainer.end}", phase, facts, left), file=sys.stderr, flush=True)

    def on_end(self, trainer: Trainer, error: BaseException | None) -> None:
        """Let the bar stand as it is."""
        self.bar.stop()


def _line(step: str, phase: str, facts: Mapping[str, float], left: float) -> str:
    within = f" (phase {phase!r})" if phase else ""
    told = sorted((name, value) for name, value in facts.items() if name not in ("momentum", "phase"))
    words = ", ".join(f"{name} {value:.3f}" for name, value in told)
    return f"step {step}{within}: {words}; {clock(left)} left"
