"""Measure an index with many labels, and print JSON.

    python benchmarks/labels.py [--labels 100000] [--videos 1000] [--repeats 30] > labels.json

An index of ``--videos`` videos of an hour, each with 100 windows, one every two seconds, and labels of 20 classes and 5
seconds at random places: a half of them in the first video, whose timeline is the slowest to draw.

* ``import_ms``: to take all labels in, as one change; and to undo and redo that.
* ``answer_ms``: what the page asks for, through its server but without a network: the state with its classes; the
  labels of the first video between two seconds, and all that are given at once; what 48 windows are labelled, and those
  of the map; a page of a class. ``cpu`` is the median of processor time, which other work does not lengthen.
* ``change_ms``: to add a label, to move one, to split one, to undo; each with the answer that the page gets.
* ``class_ms``: to rename a class, and to merge it with another, which changes each of its labels.
* ``examples_ms``: to find the windows that are examples for a classifier.
* ``export_ms``: to write all labels into a CSV file; and ``history_ms``, to list the changes.
* ``disk_mb``: of the file of labels; ``memory_gib``: the largest resident memory, before anything was taken in and at
  the end.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import spread, surroundings
from starlette.testclient import TestClient

from kinema.annotations import Interval, write_intervals
from kinema.config import ModelConfig
from kinema.data.synthetic.files import write_video
from kinema.models import random_encoder, save_encoder
from kinema.search import Labels, Library, database
from kinema.search.connection import connected, transaction
from kinema.search.database import FileState
from kinema.search.embedder import EmbeddedWindow
from kinema.serve import create_app

PAGE = "http://127.0.0.1:7860"
HOUR, CLASSES, PER_VIDEO = 3600.0, 20, 100


def make_index(folder: Path, videos: int) -> Library:
    """An index made by a real encoder of one real video, with windows of many others written as `kinema index` does."""
    model = ModelConfig(width=4)
    clip = {"frames": 4, "step": 0.125, "short_side": 32, "size": [32, 32]}
    encoder = random_encoder(model, seed=0)
    save_encoder(encoder, folder / "encoder.safetensors", {**encoder.card, "clip": clip})
    rng = np.random.default_rng(0)
    (folder / "videos").mkdir()
    write_video(folder / "videos" / "real.mp4", rng.integers(0, 255, (16, 32, 32, 3), np.uint8), fps=16.0)
    library = Library(folder / "index", folder / "encoder.safetensors")
    library.add(folder / "videos")
    motion, appearance = (library.vectors([1], by)[0] for by in ("motion", "appearance"))
    with connected(library.path) as db:
        for number in range(videos):
            path = str((folder / "videos").resolve() / f"{number:06}.mp4")
            windows = [EmbeddedWindow(2.0 * n, 2.0 * n + 4, 0.1, motion, appearance, b"") for n in range(PER_VIDEO)]
            with transaction(db):
                database.put_video(db, 0, FileState(path, 1, 1, f"content {number}"), windows, "")
    return library


def drawn(labels: int, videos: int) -> list[Interval]:
    """Labels at random places, a half of them in the first video."""
    rng = np.random.default_rng(1)
    where = np.where(rng.random(labels) < 0.5, 0, rng.integers(videos, size=labels))
    starts, kinds = rng.uniform(0, HOUR - 5, labels), rng.integers(CLASSES, size=labels)
    return [
        Interval(f"{video:06}.mp4", start, start + 5, f"class {kind}")
        for video, start, kind in zip(where.tolist(), starts.round(6).tolist(), kinds.tolist(), strict=True)
    ]


Times = tuple[float, float]


def peak() -> float:
    """The largest resident memory so far, GiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def timed(work: Callable[[], Any]) -> tuple[Times, Any]:
    """Milliseconds, those of the processor, and what came of it."""
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    return (1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - cpu)), result


def summed(times: list[Times]) -> dict[str, Any]:
    """The spread of times, and the median of the processor's."""
    return spread([wall for wall, _ in times], 1) | {"cpu": round(statistics.median(cpu for _, cpu in times), 1)}


def repeated(repeats: int, work: Callable[[], Any]) -> dict[str, Any]:
    """The times of several calls, after one that is not counted."""
    work()
    return summed([timed(work)[0] for _ in range(repeats)])


def asked(page: TestClient, first: int, repeats: int) -> dict[str, Any]:
    """The times of what the page asks for."""

    def get(**parameters: Any) -> Callable[[], Any]:
        return lambda: page.get("/api/labels", params=parameters).raise_for_status().json()

    some = ",".join(str(first + n) for n in range(48))
    ways = {
        "state": get(),
        "a video from 1,000 to 1,060 s": get(video=first, start=1000, end=1060),
        "a video, the first 5,000": get(video=first),
        "48 windows": get(windows=some),
        "the map's windows": get(windows="map"),
        "a page of a class": get(**{"class": "class 3"}),
    }
    return {name: repeated(repeats, way) for name, way in ways.items()}


def changed(page: TestClient, first: int, repeats: int) -> dict[str, Any]:
    """The times of changes, with the answers that the page gets."""

    def act(*acts: dict[str, Any]) -> dict[str, Any]:
        return page.post("/api/labels", json={"acts": acts}).raise_for_status().json()

    times: dict[str, list[Times]] = {"add": [], "move": [], "split": [], "undo": []}
    for number in range(repeats):
        place = {"video": first, "class": "class 1"}
        took, said = timed(lambda at=number, place=place: act({"act": "add", **place, "start": at, "end": at + 9}))
        times["add"].append(took)
        label = said["labels"][0]
        move = {"act": "change", "id": label["id"], "version": label["version"], "end": number + 8}
        took, said = timed(lambda move=move: act(move))
        times["move"].append(took)
        split = {**move, "version": said["labels"][0]["version"], "end": number + 4}
        more = {"act": "add", **place, "start": number + 4, "end": number + 8}
        times["split"].append(timed(lambda split=split, more=more: act(split, more))[0])
        times["undo"].append(timed(lambda: page.post("/api/labels/undo", json={}).raise_for_status())[0])
    return {name: summed(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = make_index(folder, options.videos)
        intervals = drawn(options.labels, options.videos)
        result = surroundings(1, numpy=np.__version__) | {"labels": options.labels, "videos": options.videos}
        memory = [peak()]
        labels = Labels(library.path)
        imported, _ = timed(lambda: labels.add_intervals(intervals))
        works = {"import": imported, "undo": timed(labels.undo)[0], "redo": timed(labels.redo)[0]}
        result["import_ms"] = {name: summed([took]) for name, took in works.items()}
        first = next(video.first for video in library.videos() if video.path.endswith("000000.mp4"))
        with TestClient(create_app(library.path), base_url=PAGE, headers={"Origin": PAGE}) as page:
            result["answer_ms"] = asked(page, first, options.repeats)
            result["change_ms"] = changed(page, first, options.repeats)
        result["class_ms"] = {
            "rename": summed([timed(lambda: labels.rename("class 5", "another"))[0]]),
            "merge": summed([timed(lambda: labels.rename("another", "class 6"))[0]]),
        }
        took, found = timed(labels.examples)
        result["examples_ms"] = summed([took]) | {"found": len(found)}
        result["export_ms"] = summed([timed(lambda: write_intervals(folder / "labels.csv", labels.intervals()))[0]])
        result["history_ms"] = summed([timed(labels.history)[0]])
        result["memory_gib"] = [*memory, peak()]
        result["disk_mb"] = round(labels.path.stat().st_size / 1e6, 1)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
