"""Measure what grows with a data set and is no index, and print JSON.

    python benchmarks/growth.py scores|metrics|features|page [--videos 1000000] [--windows 1000000] > JSON

All content is generated: what is measured is how it is kept.

* ``scores``: scores of Motion Differential Sampling of ``--videos`` videos, of 20 to 60 positions each: seconds to make
  and keep all; of a save among the first tenth and the last; to read all again; and the largest resident memory.
* ``metrics``: ``metrics.csv`` of ``--videos`` * 0.75 steps with twelve columns: seconds to go on with it after a stop,
  to write it anew with one more column, and to read the last 20,000 rows, as each checkpoint does, and memory.
* ``features``: a store of 512 values of ``--videos`` videos: seconds to keep a thousand, first and last tenth; to read
  all, and a hundred; and memory.
* ``page``: the page's list of ``--windows`` windows in ``--videos`` videos: seconds until it is there, after a video
  was added, and while another asks for it.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from common import surroundings

BATCH = 1000


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds, those of the processor, and what came of it."""
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    return {"s": round(time.perf_counter() - start, 3), "cpu_s": round(time.process_time() - cpu, 3)}, result


def tenths(times: list[float]) -> dict[str, float]:
    """Medians of the first tenth and of the last."""
    count = max(1, len(times) // 10)
    return {"first": round(float(np.median(times[:count])), 4), "last": round(float(np.median(times[-count:])), 4)}


def peak() -> float:
    """The largest resident memory so far, GiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def batches(count: int) -> Iterator[range]:
    yield from (range(at, min(at + BATCH, count)) for at in range(0, count, BATCH))


class Entries:
    """As much of a manifest as scores are kept by."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> SimpleNamespace:
        if place >= self.count:
            raise IndexError(place)
        return SimpleNamespace(path=f"videos/{place:07}.mp4", bytes=place, duration=9.0)


def scores(folder: Path, videos: int) -> dict[str, Any]:
    from kinema.data import mds

    rng, entries, saves = np.random.default_rng(0), Entries(videos), list[float]()
    file, reader, flush = folder / "scores.parquet", SimpleNamespace(recipe="benchmark"), mds.Parts.flush

    def save(parts: mds.Parts) -> None:
        saves.append(timed(lambda: flush(parts))[0]["cpu_s"])

    mds.Parts.flush = save  # type: ignore[method-assign]
    mds.field_scores = lambda *_: torch.from_numpy(rng.random(rng.integers(20, 60), np.float32))
    result: dict[str, Any] = {}
    result["all"], found = timed(lambda: mds.score_videos(reader, entries, "sobel", file))
    result["saves"] = len(saves)
    result["save_cpu_s"] = tenths(saves)
    result["megabytes"] = round(file.stat().st_size / 1e6)
    result["read_again"], again = timed(lambda: mds.score_videos(reader, entries, "sobel", file))
    assert len(saves) == result["saves"] and all(torch.equal(found[n], again[n]) for n in range(0, videos, 997))
    return result


def metrics(folder: Path, videos: int) -> dict[str, Any]:
    from kinema.training.metrics import METRICS, MetricsWriter

    steps, names = int(0.75 * videos), [f"part_{n}" for n in range(10)]
    with (folder / METRICS).open("w", newline="") as file:
        file.write(",".join(["loss", *names, "step"]) + "\r\n")
        for step in range(steps):
            file.write(",".join([f"{(step * n) % 7919 / 7919:.16f}" for n in range(1, 12)]) + f",{step}\r\n")
    before = peak()
    writer = MetricsWriter(folder, steps - 100, epoch=20_000)
    result: dict[str, Any] = {"rows": steps, "megabytes": round((folder / METRICS).stat().st_size / 1e6)}
    result["go_on"] = timed(writer.save)[0]
    row = {"loss": 1.0, "another": 2.0}
    result["another_column"] = timed(lambda: (writer.write(row, steps - 100), writer.save()))[0]
    result["last_rows"], rows = timed(lambda: writer.last)
    return result | {"last": len(rows), "more_gib": round(peak() - before, 2)}


def features(folder: Path, videos: int) -> dict[str, Any]:
    from kinema.evaluation.store import Facts, FeatureStore, Row
    from kinema.evaluation.table import Columns

    store, steps = FeatureStore(folder, {"of": "a benchmark"}), []
    for part in batches(videos):
        values = torch.rand(len(part), 512)
        rows = {f"{n:032x}": Row(values[place].clone(), Facts(9.0, False, False)) for place, n in enumerate(part)}
        steps.append(timed(lambda rows=rows: (store.add(rows), store.flush()))[0])
    result: dict[str, Any] = {"keep_a_thousand_cpu_s": tenths([step["cpu_s"] for step in steps])}
    before = peak()
    names = {f"{n:032x}": n for n in range(videos)}

    def read() -> Columns:
        columns = Columns(range(videos))
        for name, row in store.read(names):
            columns.put(names[name], row)
        return columns

    result["read"], columns = timed(read)
    assert columns.features().shape == (videos, 512)
    result["read a hundred"], rows = timed(lambda: list(store.read({f"{n:032x}" for n in range(100)})))
    return result | {"more_gib": round(peak() - before, 2), "of it features": round(videos * 512 * 4 / 2**30, 2)}


def page(folder: Path, videos: int, windows: int) -> dict[str, Any]:
    from search import build

    from kinema.search import Library, database
    from kinema.search.about import set_about
    from kinema.search.connection import connected, transaction
    from kinema.search.database import FileState
    from kinema.serve.cache import Cache
    from kinema.serve.catalog import Catalog

    build(folder, windows, -(-windows // videos))
    with connected(folder) as db, transaction(db):
        for name, value in {"encoder": "motion", "fingerprint": "0", "mirror": True, "roots": ["/videos"]}.items():
            set_about(db, name, value)
    result: dict[str, Any] = {"videos": videos, "windows": windows}
    catalog = Catalog(Library(folder), Cache(folder / "cache"))
    result["list"] = timed(lambda: catalog.videos("", 0, 50))[0]
    result["list again"] = timed(lambda: catalog.videos("", 0, 50))[0]
    result["about"] = timed(catalog.about)[0]
    with connected(folder) as db, transaction(db):
        database.put_video(db, 0, FileState("/videos/new.mp4", 1, 1, "new"), [], "")
    result["after a video was added"] = timed(lambda: catalog.videos("", 0, 50))[0]
    time.sleep(3)
    with connected(folder) as db, transaction(db):
        database.put_video(db, 0, FileState("/videos/newer.mp4", 1, 1, "newer"), [], "")
    other = threading.Thread(target=lambda: catalog.videos("", 0, 50))
    other.start()
    result["while another asks"] = timed(lambda: catalog.videos("", 0, 50))[0]
    other.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("scores", "metrics", "features", "page"))
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--windows", type=int, default=1_000_000)
    options = parser.parse_args()
    works: Mapping[str, Callable[[Path], dict[str, Any]]] = {
        "scores": lambda folder: scores(folder, options.videos),
        "metrics": lambda folder: metrics(folder, options.videos),
        "features": lambda folder: features(folder, options.videos),
        "page": lambda folder: page(folder, options.videos, options.windows),
    }
    with tempfile.TemporaryDirectory() as name:
        result = surroundings(1, numpy=np.__version__) | works[options.what](Path(name))
    print(json.dumps(result | {"peak_gib": peak()}, indent=2))


if __name__ == "__main__":
    main()
