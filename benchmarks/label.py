"""Measure a classifier on all windows of an index, and of a stream, and print JSON.

    python benchmarks/label.py [--windows 1000000] [--classes 6] [--threads 1] [--videos FOLDER] > label.json

Vectors are generated: in each video a class that changes now and then, each class around a direction of its own, in 512
values with noise; windows of 1.6 s, one every 0.8 s, 100 to a video, whitened by a map as full as that of a real index.
The index is written by one process, without an approximate index, and labelled by another, whose memory is measured.

* ``teaching``: processor seconds to train on the labels of 20 videos and to hold these out, with bouts.
* ``labelling``: processor and wall seconds for all windows: reading, whitening, probabilities, bouts; and the process's
  largest resident memory. ``by_frame`` is the agreement with the true classes, so that it is seen to do its work.
* ``stream``: with ``--videos``, processor seconds to index a folder's videos, what an index learns once left out, and
  to watch each of them with the classifier and its bouts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import surroundings

from kinema.annotations import Interval
from kinema.annotations.agreement import compare
from kinema.common.vectors import unit
from kinema.common.whitening import Whitening
from kinema.config.windows import AddingConfig
from kinema.jobs.labelling import label_library, teach
from kinema.search import Library, database, fitting
from kinema.search.about import set_about, set_map
from kinema.search.adding import bring_up_to_date
from kinema.search.comparing import MIRROR, WHITENING
from kinema.search.connection import connected, transaction
from kinema.search.database import FileState
from kinema.search.embedder import EmbeddedWindow
from kinema.search.watching import LiveBouts
from kinema.search.windows import WindowReader

VALUES, APPEARANCE, PER_VIDEO, STRIDE, LENGTH = 512, 192, 100, 0.8, 1.6
POOL = 20_000
"""Draws of noise, of which every window has one."""


def true_classes(number: int, classes: int) -> np.ndarray:
    """(PER_VIDEO,) the class of each window of a video."""
    rng = np.random.default_rng(number)
    return np.repeat(rng.integers(classes, size=PER_VIDEO), rng.integers(3, 12, size=PER_VIDEO))[:PER_VIDEO]


def videos(windows: int, classes: int) -> Iterator[tuple[FileState, list[EmbeddedWindow]]]:
    """The videos of the index."""
    centres = np.random.default_rng(10**6).standard_normal((classes, VALUES), np.float32)
    pool = np.random.default_rng(10**6 + 1).standard_normal((POOL, VALUES + APPEARANCE), np.float32)
    for number in range(windows // PER_VIDEO):
        noise = pool[np.random.default_rng(number).integers(POOL, size=PER_VIDEO)]
        motion = unit(centres[true_classes(number, classes)] + 2 * noise[:, :VALUES])
        appearance = unit(noise[:, VALUES:])
        name = f"/videos/{number:06}.mp4"
        yield (
            FileState(name, 1, 1, name),
            [
                EmbeddedWindow(STRIDE * at, STRIDE * at + LENGTH, 0.1, motion[at], appearance[at], b"")
                for at in range(PER_VIDEO)
            ],
        )


def build(folder: Path, windows: int, classes: int) -> None:
    """Write the index."""
    copies = np.random.default_rng(1).standard_normal((4, 256, VALUES))
    about = {
        "encoder": "motion",
        "fingerprint": "generated",
        "windowing": {"length": None, "stride": None},
        MIRROR: True,
    }
    with connected(folder) as db:
        database.create_tables(db, {**about, "roots": ["/videos"]})
        set_map(db, WHITENING, Whitening.fit(copies).to_bytes())
        for state, content in videos(windows, classes):
            with transaction(db):
                database.put_video(db, 0, state, content, "")


def truth(number: int, classes: int) -> list[Interval]:
    """The true bouts of a video; windows overlap, so each stands for the half around its middle."""
    kinds = true_classes(number, classes)
    edges = np.flatnonzero(np.diff(kinds, prepend=-1, append=-1))
    ends = STRIDE * np.arange(PER_VIDEO + 1) + (LENGTH - STRIDE) / 2
    ends[0], ends[-1] = 0, STRIDE * (PER_VIDEO - 1) + LENGTH
    return [
        Interval(f"{number:06}.mp4", float(ends[first]), float(ends[stop]), f"class {kinds[first]}")
        for first, stop in pairwise(edges.tolist())
    ]


def label(folder: str, windows: int, classes: int, threads: int, done: Any) -> None:
    """Teach and label, in a process of its own."""
    torch.set_num_threads(threads)
    library, begun = Library(folder), time.process_time()
    taught = teach(library, [one for number in range(20) for one in truth(number, classes)])
    teaching = time.process_time() - begun
    cpu, wall = time.process_time(), time.perf_counter()
    found = label_library(library, taught.classifier)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    some = {f"{number:06}.mp4" for number in range(20, min(120, windows // PER_VIDEO))}
    known = [one for number in range(20, 20 + len(some)) for one in truth(number, classes)]
    agreed = compare(known, [one for one in found.intervals if one.file in some])
    done.put(
        {
            "teaching": {"examples": sum(taught.examples.values()), "cpu_s": round(teaching, 1)},
            "labelling": {
                "cpu_s": round(cpu, 1),
                "wall_s": round(wall, 1),
                "peak_gib": round(peak, 2),
                "bouts": len(found.intervals),
                "by_frame": agreed.frame_accuracy and round(agreed.frame_accuracy, 3),
            },
        }
    )


def stream(folder: Path, source: Path) -> dict[str, Any]:
    """Processor time of indexing and of watching the same videos."""
    fitting.WINDOWS = 8  # what an index learns once is not measured
    library = Library(folder, "motion")
    library.add(source)
    paths = [video.path for video in library.videos() if video.windows]
    kinds = ("odd", "even")
    classifier = library.train_classifier({window.id: kinds[window.id % 2] for window in library.sample(200)})
    again = Library(folder.with_name("again"), "motion")
    again.path.mkdir()
    reader, cpu = WindowReader(library.embedder.clip, library.windowing), time.process_time()
    with connected(again.path) as db:
        database.create_tables(db, {MIRROR: True})
        set_about(db, "whitened", 10**9)  # what is learned once is not of the windows
        cpu = time.process_time()
        bring_up_to_date(db, again.path, source.resolve(), library.embedder, reader, AddingConfig())
        indexing = time.process_time() - cpu
    cpu, windows = time.process_time(), 0
    for path in paths:
        live = LiveBouts(path)
        for seen in library.watch(path, classifier):
            live.add(seen)
            windows += 1
        live.finish()
    watching = time.process_time() - cpu
    return {
        "windows": windows,
        "indexing_cpu_ms_a_window": round(1e3 * indexing / windows, 2),
        "watching_cpu_ms_a_window": round(1e3 * watching / windows, 2),
        "times": round(watching / indexing, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--videos", type=Path)
    options = parser.parse_args()
    result = surroundings(options.threads, numpy=np.__version__) | {"windows": options.windows}
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        if options.windows:
            folder = Path(name, "index")
            folder.mkdir()
            build(folder, options.windows, options.classes)
            done = context.Queue()
            process = context.Process(
                target=label, args=(str(folder), options.windows, options.classes, options.threads, done)
            )
            process.start()
            result |= done.get()
            process.join()
        if options.videos is not None:
            result["stream"] = stream(Path(name, "real"), options.videos)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
