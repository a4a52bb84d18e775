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
    signals_given_back,
)
from kinema.training.module import TrainingModule
from kinema.training.telling import Telling


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock.now)
    return clock


class FakeTrainer:
    """As much of a trainer as the callbacks ask for; saves its step."""

    is_global_zero = True
    loggers = ()

    def __init__(self, step: int = 0):
        self.global_step = step
        self.saved: list[int] = []
        self.strategy = SimpleNamespace(reduce_boolean_decision=lambda decision, all: decision)

    def save_checkpoint(self, path: Path) -> None:
        Path(path).write_text(f"step {self.global_step}")
        self.saved.append(self.global_step)

    def step(self, *watchers) -> None:
        for watcher in watchers:
            watcher.on_train_batch_start(self, None, None, 0)
        self.global_step += 1
        for watcher in watchers:
            watcher.on_train_batch_end(self, None, None, None, 0)


# checkpoints


def test_a_checkpoint_every_few_minutes_and_at_the_end(tmp_path, clock):
    trainer, watcher = FakeTrainer(), Checkpoints(tmp_path / "last.ckpt", minutes=2, end=12)
    clock.now += 1000  # of preparations, before training
    with signals_given_back():
        watcher.on_train_start(trainer, None)
        for _ in range(10):
            clock.now += 50
            trainer.step(watcher)
    assert trainer.saved == [3, 6, 9]
    trainer.step(watcher)
    assert trainer.saved == [3, 6, 9]
    trainer.step(watcher)
    assert trainer.saved == [3, 6, 9, 12]
    assert (tmp_path / "last.ckpt").read_text() == "step 12"


def test_the_disk_is_full_and_the_earlier_checkpoint_stays_whole(tmp_path):
    def half(path: Path) -> None:
        Path(path).write_text("hal")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    trainer, watcher = FakeTrainer(2), Checkpoints(tmp_path / "last.ckpt", minutes=2, end=3)
    trainer.step(watcher)
    trainer.save_checkpoint = half
    with pytest.raises(OutputError, match=r"cannot write .*last\.ckpt: No space left on device; choose a folder"):
        trainer.step(watcher)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("last.ckpt", "step 3")]


def test_only_the_first_process_writes_but_all_take_part(tmp_path):
    trainer, watcher = FakeTrainer(2), Checkpoints(tmp_path / "last.ckpt", minutes=2, end=3)
    trainer.is_global_zero = False
    took_part = []
    trainer.save_checkpoint = took_part.append
    trainer.step(watcher)
    assert took_part == [tmp_path / "last.ckpt"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_after_the_step_and_stops_before_the_next(tmp_path, number, capsys):
    trainer, watcher = FakeTrainer(), Checkpoints(tmp_path / "last.ckpt", minutes=60, end=99)
    handler = signal.getsignal(number)
    with signals_given_back():
        watcher.on_train_start(trainer, None)
        trainer.step(watcher)
        os.kill(os.getpid(), number)
        assert trainer.saved == []
        trainer.step(watcher)
        assert trainer.saved == [2]
        with pytest.raises(Stopped, match="stopped at step 2") as stopped:
            trainer.step(watcher)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert stopped.value.status == 130
    assert signal.getsignal(number) is handler
    assert capsys.readouterr().err.count("stopping after this step") == 1


def test_another_process_was_asked_to_stop(tmp_path):
    trainer, watcher = FakeTrainer(), Checkpoints(tmp_path / "last.ckpt", minutes=60, end=99)
    trainer.strategy.reduce_boolean_decision = lambda decision, all: not all
    trainer.step(watcher)
    with pytest.raises(Stopped):
        trainer.step(watcher)


def test_training_in_another_thread_leaves_signals_alone(tmp_path):
    problems: list[BaseException] = []

    def train() -> None:
        try:
            with signals_given_back():
                Checkpoints(tmp_path / "last.ckpt", 1, 99).on_train_start(FakeTrainer(), None)
        except BaseException as problem:
            problems.append(problem)

    handler = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert not problems
    assert signal.getsignal(signal.SIGINT) is handler


# loading


class FakeModule(TrainingModule):
    """A module in epochs of three steps that remembers what it was to log."""

    def __init__(self) -> None:
        self.written: list[tuple[dict[str, float], int]] = []

    plan = SimpleNamespace(steps_per_epoch=3)

    def write(self, facts, step):
        self.written.append((facts, step))


def epoch(loading: Loading, clock, waits: list[float], work: float, module: FakeModule) -> None:
    trainer = FakeTrainer()
    loading.on_train_epoch_start(trainer, module)
    for wait in waits:
        clock.now += wait
        loading.on_train_batch_start(trainer, module, None, 0)
        clock.now += work
        trainer.global_step += 1
        loading.on_train_batch_end(trainer, module, None, None, 0)


def test_waiting_is_all_time_between_steps_but_for_the_first_of_an_epoch(clock):
    loading, module = Loading(), FakeModule()
    assert loading.share == 0
    epoch(loading, clock, [30, 1, 2], 9, module)
    assert (loading.waited, loading.worked) == (3, 27)
    assert module.written == [({"data_wait": pytest.approx(0.1)}, 2)]
    epoch(loading, clock, [30, 0, 3], 8, module)
    assert (loading.waited, loading.worked, loading.seconds) == (6, 51, 57)


def test_time_goes_on_after_a_resume(clock):
    first, second = Loading(), Loading()
    epoch(first, clock, [0, 1], 2, FakeModule())
    second.load_state_dict(first.state_dict())
    epoch(second, clock, [0, 3], 4, FakeModule())
    assert (second.earlier, second.seconds, second.waited) == (5, 16, 4)


# words for the user


def told(telling: Telling, clock, steps: int, seconds: float, start: int = 0) -> None:
    """Take so many steps of so many seconds each."""
    trainer = FakeTrainer(start)
    telling.on_train_start(trainer, None)
    for _ in range(steps):
        clock.now += seconds
        trainer.global_step += 1
        facts = {"loss": 2.5, "momentum": 0.99, "lmcl_accuracy": 0.25}
        telling.on_train_batch_end(trainer, SimpleNamespace(facts=facts), None, None, 0)
    telling.on_train_end(trainer, None)


def test_a_line_now_and_then_where_there_is_no_terminal(clock, capsys):
    told(Telling(end=100), clock, 50, 1.0, start=50)
    assert capsys.readouterr().err.splitlines() == [
        "step 80/100: lmcl_accuracy 0.250, loss 2.500; 0:20.0 left",
        "step 100/100: lmcl_accuracy 0.250, loss 2.500; 0:00.0 left",
    ]


def test_a_line_at_the_end_of_each_phase(clock, capsys):
    schedule = ProgressiveSchedule(HCMLConfig(levels=1), 20)
    told(Telling(20, schedule), clock, 20, 0.5)
    lines = [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["step 6/20 (phase 'prime')", "step 12/20 (phase 'level 1')", "step 20/20 (phase 'all')"]


def test_a_bar_over_the_whole_training_on_a_terminal(clock, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as rich asks for
    telling = Telling(end=100)
    told(telling, clock, 30, 1.0, start=50)
    (task,) = telling.bar.tasks
    assert (task.total, task.completed, task.description) == (100, 80, "training")
    shown = capsys.readouterr().err
    assert "80/100" in shown and "loss 2.500" in shown and "step 80/100" not in shown


def test_one_of_several_processes_tells(clock, capsys):
    telling, trainer = Telling(end=1), FakeTrainer()
    trainer.is_global_zero = False
    telling.on_train_start(trainer, None)
    trainer.global_step = 1
    telling.on_train_batch_end(trainer, SimpleNamespace(facts={"loss": 1.0}), None, None, 0)
    assert capsys.readouterr().err == ""
