"""Measure an index of many windows, and print JSON.

    python benchmarks/search.py [--windows 1000000] [--videos 50000] [--queries 300] [--threads 2] [--asked] > JSON

Vectors are synthetic: points around 2,000 kinds of movement in 24 dimensions, lifted into 512, with noise in all;
queries are drawn alike and are not in the index. Appearance vectors are made the same way with the 192 values that real
ones have. Windows do not overlap, so that a hit is a window.

* ``build``: seconds to add all windows, video by video, sealing segments on the way, to bring the approximate index to
  its end, and both together, and the processor time of that, which other work on the machine does not lengthen, for all
  and for a window early and late; the process's largest resident memory. With ``--asked`` another process searches
  twice a second meanwhile: the times of its answers, with what is typical of the library.
* ``query_ms``: of one query after another, from the vector to the hits with their videos: snapshot, approximate index,
  true cosines, merging. Alone, with half of the windows allowed by their strength, and with one video in a hundred by
  its path. ``p99`` beside the spread.
* ``recall_at_10``, ``top_1``: shares of the ten nearest, and of the nearest, that comparing with every vector finds.
* ``update_ms``: to put a video of 20 windows into the full index, to note that it lies elsewhere, and to delete it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from common import spread, surroundings

from kinema.common.vectors import unit
from kinema.search import Filters, approximate, database
from kinema.search.comparing import comparison
from kinema.search.connection import connected, store_of, transaction
from kinema.search.database import FileState, condition
from kinema.search.embedder import EmbeddedWindow
from kinema.search.ranking import Ranker
from kinema.search.segments import covered

SIZES = {"motion": 512, "appearance": 192}
LATENT, KINDS, CHUNK = 24, 2000, 20_000


def drawn(by: str, count: int, draw: int) -> np.ndarray:
    """(count, D) vectors of length 1; the same for the same ``draw``."""
    world = np.random.default_rng(len(by))
    centres = world.standard_normal((KINDS, LATENT), np.float32)
    lift = world.standard_normal((LATENT, SIZES[by]), np.float32) / LATENT**0.5
    rng = np.random.default_rng([draw, len(by)])
    points = centres[rng.integers(KINDS, size=count)] + 0.5 * rng.standard_normal((count, LATENT), np.float32)
    return unit(points @ lift + 0.1 * rng.standard_normal((count, SIZES[by]), np.float32))


def videos(first: int, count: int, length: int) -> Iterator[tuple[FileState, list[EmbeddedWindow]]]:
    """Windows ``first`` to ``first + count`` of the library, in videos of ``length`` windows."""
    vectors = {by: drawn(by, count, first) for by in SIZES}
    strength = np.random.default_rng(first).random(count)
    for at in range(0, count, length):
        name = f"/videos/{(first + at) // length:06}.mp4"
        windows = [
            EmbeddedWindow(float(n), n + 1.0, float(strength[at + n]), vectors["motion"][at + n],
                           vectors["appearance"][at + n], b"")
            for n in range(min(length, count - at))
        ]  # fmt: skip
        yield FileState(name, 1, 1, name), windows


def build(folder: Path, windows: int, length: int, rate: float = float("inf")) -> dict[str, Any]:
    """Write all windows as `kinema index` does: a video a transaction, sealed now and then."""
    began, cpu, count, sealed = time.perf_counter(), time.process_time(), 0, 0
    steps: list[float] = []
    with connected(folder) as db:
        database.create_tables(db, {})
        for first in range(0, windows, CHUNK):
            start = time.process_time()
            for state, content in videos(first, min(CHUNK, windows - first), length):
                with transaction(db):
                    database.put_video(db, 0, state, content, "")
                count += len(content)
                if count - sealed > approximate.EXACT:
                    approximate.grow(db, folder)
                    sealed = count
                time.sleep(max(0.0, began + count / rate - time.perf_counter()))
            steps.append(time.process_time() - start)
        added = time.perf_counter()
        approximate.refresh(db, folder)
        segments = len(covered(db).segments)
    ended = time.perf_counter()
    tenth = max(1, len(steps) // 10)
    return {
        "adding_s": round(added - began, 1),
        "finishing_s": round(ended - added, 1),
        "all_s": round(ended - began, 1),
        "all_cpu_s": round(time.process_time() - cpu, 1),
        "cpu_ms_a_window": {
            "second tenth": round(1e3 * sum(steps[tenth : 2 * tenth]) / (tenth * CHUNK), 4),
            "last tenth": round(1e3 * sum(steps[-tenth:]) / (tenth * CHUNK), 4),
        },
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "disk_gb": {
            kind: round(sum(path.stat().st_size for path in folder.glob(f"*.{kind}")) / 1e9, 2)
            for kind in ("sqlite", "faiss")
        },
        "segments": segments,
    }


def ask_meanwhile(folder: str, every: float, queries: np.ndarray, pipe: Connection) -> None:
    """Search an index that grows, in a process of its own, until told to stop; send the times in milliseconds."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    ranker, times, cpu = Ranker(Path(folder)), list[float](), time.process_time()
    while not pipe.poll(every) or not times:
        if not store_of(folder).exists():
            continue
        query, start = queries[len(times) % len(queries)], time.perf_counter()
        hits = ranker.nearest(query, "motion", 10, condition(Filters()), False)
        if hits:
            ranker.typical(query[None], "motion")
            times.append(1e3 * (time.perf_counter() - start))
    pipe.send((times, time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def built_while_asked(
    folder: Path, windows: int, length: int, queries: np.ndarray, rate: float = float("inf")
) -> dict[str, Any]:
    """Build the index while another process asks twice a second."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    asking = context.Process(target=ask_meanwhile, args=(str(folder), 0.5, queries, theirs))
    asking.start()
    result = build(folder, windows, length, rate)
    pipe.send("stop")
    times, cpu, gib = pipe.recv()
    asking.join()
    searcher = {"cpu_ms_a_query": round(1e3 * cpu / len(times), 1), "peak_gib": round(gib, 2)}
    return result | {"query_ms_meanwhile": with_p99(times), "searcher": searcher}


def truth(folder: Path, windows: int, queries: np.ndarray) -> np.ndarray:
    """(queries, 10) numbers of the nearest windows of an index, nearest first; the first window is 1."""
    with connected(folder) as db:
        return 1 + ten_nearest(windows, queries, lambda vectors: comparison(db)("motion", vectors))


def ten_nearest(
    windows: int, queries: np.ndarray, compared: Callable[[np.ndarray], np.ndarray] = lambda vectors: vectors
) -> np.ndarray:
    """(queries, 10) numbers from 0 of the nearest of the windows that are drawn, nearest first, by the inner products
    of what ``compared`` makes of vectors."""
    best, numbers = np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
    asked = compared(queries)
    for first in range(0, windows, CHUNK):
        vectors = compared(drawn("motion", min(CHUNK, windows - first), first))
        best = np.concatenate([best, asked @ vectors.T], 1)
        ids = np.broadcast_to(first + np.arange(len(vectors)), (len(queries), len(vectors)))
        numbers = np.concatenate([numbers, ids], 1)
        order = np.argsort(-best, 1, kind="stable")[:, :10]
        best, numbers = np.take_along_axis(best, order, 1), np.take_along_axis(numbers, order, 1)
    return numbers


def timed(work: Callable[[np.ndarray], Any], queries: np.ndarray) -> tuple[dict[str, Any], list[Any]]:
    times, answers = [], []
    for query in [queries[0], *queries]:
        start = time.perf_counter()
        answers.append(work(query))
        times.append(1e3 * (time.perf_counter() - start))
    return with_p99(times[1:]), answers[1:]


def with_p99(times: list[float]) -> dict[str, Any] | None:
    """None of no times: whoever wrote had ended before anybody had an answer."""
    return spread(times) | {"p99": round(float(np.quantile(times, 0.99)), 3)} if times else None


def updates(folder: Path, repeats: int) -> dict[str, Any]:
    put, moved, deleted = [], [], []
    with connected(folder) as db:
        for number in range(repeats):
            ((state, windows),) = videos(10**9 + 20 * number, 20, 20)
            for times, work in (
                (put, lambda state=state, windows=windows: database.put_video(db, 0, state, windows, "")),
                (moved, lambda state=state: database.restate_video(db, state.path, replace(state, path="/moved"))),
                (deleted, lambda: database.drop_videos(db, ["/moved"])),
            ):
                start = time.perf_counter()
                with transaction(db):
                    work()
                times.append(1e3 * (time.perf_counter() - start))
    return {"put": spread(put), "move": spread(moved), "delete": spread(deleted)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--videos", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--asked", action="store_true", help="by another process, twice a second, while it is built")
    parser.add_argument("--rate", type=float, default=float("inf"), help="windows a second; as many as can be written")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    queries = drawn("motion", options.queries, 10**8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = surroundings(options.threads, numpy=np.__version__, faiss=faiss.__version__)
        result |= {"windows": options.windows, "videos": options.videos, "values": SIZES}
        asked = folder, options.windows, -(-options.windows // options.videos)
        result["build"] = (
            built_while_asked(*asked, queries, options.rate) if options.asked else build(*asked, options.rate)
        )
        ranker, rows = Ranker(folder), {}
        for label, filters in (
            ("all", Filters()),
            ("half by strength", Filters(min_strength=0.5)),
            ("a hundredth by path", Filters(path="*00.mp4")),
        ):
            rows[label], found = timed(
                lambda v, f=filters: ranker.nearest(v, "motion", 10, condition(f), False), queries
            )
            if label == "all":
                answers = [[hit.window.id for hit in hits] for hits in found]
        result["query_ms"] = rows
        nearest = truth(folder, options.windows, queries)
        shares = [len(set(a) & set(b)) / 10 for a, b in zip(answers, nearest.tolist(), strict=True)]
        result["recall_at_10"] = round(float(np.mean(shares)), 4)
        result["top_1"] = float(np.mean([a[:1] == b[:1] for a, b in zip(answers, nearest.tolist(), strict=True)]))
        result["update_ms"] = updates(folder, 20)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
