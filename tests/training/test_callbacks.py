from __future__ import annotations

import errno
import os
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from kinema.config import HCMLConfig
from kinema.errors import OutputError
from kinema.methods import ProgressiveSchedule
from kinema.training import callbacks
from kinema.training.callbacks import (
    Checkpoints,
    Loading,
    Stopped,
    Telling,
)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock.now)
    return clock


class FakeTrainer:
    """As much of a trainer as the callbacks ask for, in epochs of three steps; saves its step."""

    first = True
    metrics = None

    def __init__(self, step: int = 0, facts=None, end: int = 99):
        self.step, self.end = step, end
        self.module = SimpleNamespace(plan=SimpleNamespace(steps_per_epoch=3), facts=facts)
        self.saved: list[int] = []
        self.written: list[tuple[dict[str, float], int]] = []

    def save(self, path: Path) -> None:
        Path(path).write_text(f"step {self.step}")
        self.saved.append(self.step)

    def write(self, facts, step) -> None:
        self.written.append((facts, step))

    def take(self, *watchers) -> None:
        for watcher in watchers:
            watcher.before_step(self)
        self.step += 1
        for watcher in watchers:
            watcher.after_step(self)


# checkpoints


def test_a_checkpoint_every_few_minutes_and_at_the_end(tmp_path, clock):
    trainer, watcher = FakeTrainer(end=12), Checkpoints(tmp_path / "last.ckpt", minutes=2)
    clock.now += 1000  # of preparations, before training
    watcher.on_start(trainer)
    for _ in range(10):
        clock.now += 50
        trainer.take(watcher)
    watcher.on_end(trainer, None)
    assert trainer.saved == [3, 6, 9]
    trainer.take(watcher)
    assert trainer.saved == [3, 6, 9]
    trainer.take(watcher)
    assert trainer.saved == [3, 6, 9, 12]
    assert (tmp_path / "last.ckpt").read_text() == "step 12"


def test_the_disk_is_full_and_the_earlier_checkpoint_stays_whole(tmp_path):
    def half(path: Path) -> None:
        Path(path).write_text("hal")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    trainer, watcher = FakeTrainer(2, end=3), Checkpoints(tmp_path / "last.ckpt", minutes=2)
    trainer.take(watcher)
    trainer.save, trainer.end = half, 4
    with pytest.raises(OutputError, match=r"cannot write .*last\.ckpt: No space left on device; choose a folder"):
        trainer.take(watcher)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("last.ckpt", "step 3")]


def test_only_the_first_process_writes(tmp_path):
    trainer, watcher = FakeTrainer(2, end=3), Checkpoints(tmp_path / "last.ckpt", minutes=2)
    trainer.first = False
    trainer.take(watcher)
    assert not trainer.saved and not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_after_the_step_and_stops(tmp_path, number, capsys):
    trainer, watcher = FakeTrainer(end=99), Checkpoints(tmp_path / "last.ckpt", minutes=60)
    handler = signal.getsignal(number)
    watcher.on_start(trainer)
    trainer.take(watcher)
    os.kill(os.getpid(), number)
    assert trainer.saved == []
    with pytest.raises(Stopped, match="stopped at step 2") as stopped:
        trainer.take(watcher)
    assert trainer.saved == [2]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    watcher.on_end(trainer, stopped.value)
    assert stopped.value.status == 130
    assert signal.getsignal(number) is handler
    assert capsys.readouterr().err.count("stopping after this step") == 1


def test_another_process_was_asked_to_stop(tmp_path, monkeypatch):
    trainer, watcher = FakeTrainer(end=99), Checkpoints(tmp_path / "last.ckpt", minutes=60)
    monkeypatch.setattr(callbacks, "anywhere", lambda asked, *due: [True, *due])
    with pytest.raises(Stopped):
        trainer.take(watcher)


def test_training_in_another_thread_leaves_signals_alone(tmp_path):
    problems: list[BaseException] = []

    def train() -> None:
        try:
            watcher = Checkpoints(tmp_path / "last.ckpt", 1)
            watcher.on_start(FakeTrainer())
            watcher.on_end(FakeTrainer(), None)
        except BaseException as problem:
            problems.append(problem)

    handler = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert not problems
    assert signal.getsignal(signal.SIGINT) is handler


# loading


def train(loading: Loading, clock, waits: list[float], work: float, trainer: FakeTrainer) -> None:
    for wait in waits:
        clock.now += wait
        loading.before_step(trainer)
        clock.now += work
        trainer.step += 1
        loading.after_step(trainer)


def test_waiting_is_all_time_between_steps_but_for_the_first_of_an_epoch(clock):
    loading, trainer = Loading(), FakeTrainer()
    assert loading.share == 0
    train(loading, clock, [30, 1, 2], 9, trainer)
    assert (loading.waited, loading.worked) == (3, 27)
    assert trainer.written == [({"data_wait": pytest.approx(0.1)}, 2)]
    train(loading, clock, [30, 0, 3], 8, trainer)
    assert (loading.waited, loading.worked, loading.seconds) == (6, 51, 57)


def test_time_goes_on_after_a_resume(clock):
    first, second = Loading(), Loading()
    train(first, clock, [0, 1], 2, FakeTrainer())
    second.load_state_dict(first.state_dict())
    train(second, clock, [30, 3], 4, FakeTrainer(1))  # whose first batch is waited for in the middle of an epoch
    assert (second.earlier, second.seconds, second.waited) == (5, 16, 4)


# words for the user


def told(telling: Telling, clock, steps: int, seconds: float, start: int = 0, end: int = 100) -> None:
    """Take so many steps of so many seconds each."""
    trainer = FakeTrainer(start, {"loss": 2.5, "momentum": 0.99, "lmcl_accuracy": 0.25}, end)
    telling.on_start(trainer)
    for _ in range(steps):
        clock.now += seconds
        trainer.take(telling)
    telling.on_end(trainer, None)


def test_a_line_now_and_then_where_there_is_no_terminal(clock, capsys):
    told(Telling(), clock, 50, 1.0, start=50)
    assert capsys.readouterr().err.splitlines() == [
        "step 80/100: lmcl_accuracy 0.250, loss 2.500; 0:20.0 left",
        "step 100/100: lmcl_accuracy 0.250, loss 2.500; 0:00.0 left",
    ]


def test_a_line_at_the_end_of_each_phase(clock, capsys):
    schedule = ProgressiveSchedule(HCMLConfig(levels=1), 20)
    told(Telling(schedule), clock, 20, 0.5, end=20)
    lines = [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["step 6/20 (phase 'prime')", "step 12/20 (phase 'level 1')", "step 20/20 (phase 'all')"]


def test_a_bar_over_the_whole_training_on_a_terminal(clock, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as rich asks for
    telling = Telling()
    told(telling, clock, 30, 1.0, start=50)
    (task,) = telling.bar.tasks
    assert (task.total, task.completed, task.description) == (100, 80, "training")
    shown = capsys.readouterr().err
    assert "80/100" in shown and "loss 2.500" in shown and "step 80/100" not in shown


def test_one_of_several_processes_tells(clock, capsys):
    telling, trainer = Telling(), FakeTrainer(0, {"loss": 1.0}, end=1)
    trainer.first = False
    telling.on_start(trainer)
    trainer.take(telling)
    assert capsys.readouterr().err == ""
