from __future__ import annotations

import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch.utils.tensorboard  # noqa: F401  # whose modules are not counted

from kinema.training import metrics
from kinema.training.callbacks import Checkpoints
from kinema.training.metrics import FLUSH_SECONDS, METRICS, MetricsWriter, read_metrics


def log(writer: MetricsWriter, steps: range, **more: float) -> None:
    for step in steps:
        writer.write({"loss": 10.0 + step, **more}, step)
    writer.save()


def losses(folder: Path) -> list[tuple[float, float]]:
    return [(row["step"], row["loss"]) for row in read_metrics(folder / "metrics.csv")]


def test_metrics_go_on_where_the_checkpoint_was(tmp_path):
    log(MetricsWriter(tmp_path, 0), range(7))
    resumed = MetricsWriter(tmp_path, 5)
    resumed.save()
    assert losses(tmp_path) == [(step, 10 + step) for step in range(5)]
    log(resumed, range(5, 9), accuracy=0.5)
    assert losses(tmp_path) == [(step, 10 + step) for step in range(9)]
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [row.get("accuracy") for row in rows] == [None] * 5 + [0.5] * 4


@pytest.mark.parametrize("torn", ["14.5", "16,1", "1"])
def test_half_a_row_of_a_killed_run_is_dropped(tmp_path, torn):
    log(MetricsWriter(tmp_path, 0), range(6))
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write(torn)
    log(MetricsWriter(tmp_path, 20), range(20, 21))
    assert losses(tmp_path) == [(step, 10 + step) for step in (0, 1, 2, 3, 4, 5, 20)]


def test_a_new_run_begins_a_new_file(tmp_path):
    log(MetricsWriter(tmp_path, 0), range(6))
    log(MetricsWriter(tmp_path, 0), range(2))
    assert losses(tmp_path) == [(0, 10), (1, 11)]


def test_the_last_rows_are_those_of_the_whole_file(tmp_path):
    writer = MetricsWriter(tmp_path, 0, epoch=5)
    log(writer, range(30))
    writer.write({"data_wait": 0.5}, 29)
    log(writer, range(30, 34), accuracy=0.0)
    rows = [row for row in read_metrics(tmp_path / METRICS) if "loss" in row]
    assert writer.last == rows[-5:]
    with (tmp_path / METRICS).open("a") as file:
        file.write("16,1")  # half a row
    for step, epoch in ((33, 5), (34, 99)):
        resumed = MetricsWriter(tmp_path, step, epoch=epoch)
        resumed.save()
        assert resumed.last == rows[:step][-epoch:]
        log(resumed, range(step, 34), accuracy=0.0)


def test_a_long_file_is_gone_on_with_and_read_without_being_held(tmp_path):
    """By rows in memory at a time: a new column has it written anew, too."""
    count = 20_000
    (tmp_path / METRICS).write_text("loss,step\r\n" + "".join(f"{10.0 + n},{n}\r\n" for n in range(count)))
    tracemalloc.start()
    try:
        resumed = MetricsWriter(tmp_path, count - 5, epoch=9)
        log(resumed, range(count - 5, count), accuracy=0.5)
        assert [row["step"] for row in resumed.last] == list(range(count - 9, count))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert losses(tmp_path) == [(step, 10 + step) for step in range(count)]


def test_rows_are_written_together_and_before_a_checkpoint(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(metrics.time, "monotonic", lambda: clock.now)
    writer = MetricsWriter(tmp_path, 0)
    written = []
    for step in range(6):
        clock.now += FLUSH_SECONDS * 0.45
        writer.write({"loss": float(step)}, step)
        written.append(len(read_metrics(tmp_path / METRICS)))
    assert written == [1, 1, 1, 4, 4, 4]
    trainer = SimpleNamespace(
        first=True,
        metrics=writer,
        save=lambda path: path.write_text(str(len(read_metrics(tmp_path / METRICS)))),
    )
    Checkpoints(tmp_path / "last.ckpt", 1.0)._save(trainer)
    assert (tmp_path / "last.ckpt").read_text() == "6"
