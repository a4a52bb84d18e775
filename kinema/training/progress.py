"""Where a training is, told while it runs: a bar over the whole of it, or a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import MappingProxyType

from kinema.common.clock import clock
from kinema.common.progress import make_bar
from kinema.methods.progressive import ProgressiveSchedule
from kinema.training.callbacks import Callback
from kinema.training.trainer import Trainer

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
