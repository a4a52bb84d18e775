"""What LanceDB would be as an index that several write and search, as JSON, beside ``benchmarks/server.py``.

    pip install lancedb
    python experiments/vector_stores.py PLACE [--windows 50000] [--writers 2] [--searchers 2] [--queries 100] > JSON

PLACE is a folder, which stands for object storage, or ``s3://bucket/folder`` (``AWS_ENDPOINT_URL`` for a server of your
own); the table ``measured`` is made there anew. The vectors are those of ``benchmarks/search.py``, a hundred to a
commit, as those of a video are. The first writer also merges what has been written and lets the index follow, each time
as many windows as a segment of ours has have come, and makes it anew when there are twice as many as when it was made.
Each searcher asks once a second, of the latest state.

* ``build``: windows a second of all writers, their processor time for one (of all threads, which are LanceDB's), and
  seconds that the index takes to follow at the end; how often LanceDB gave a write up over those of the other writer,
  which was tried again; what lies on disk, earlier states included.
* ``query_ms_meanwhile``, ``query_ms``: while it is written; one after another afterwards, and with one video in a
  hundred by its path, with ``p99``.
* ``recall_at_10``: the share of the ten nearest that is found.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import lancedb
import numpy as np
import pyarrow as pa

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from common import surroundings
from common.meanwhile import Ask, written_while_searched
from search import CHUNK, SIZES, drawn, ten_nearest, timed, with_p99

T = TypeVar("T")
PER_VIDEO, SEGMENT = 100, 20_000
GROUP, SAMPLES = 1000, 64
"""Windows in a group of the index when it is made, and how many of each its middle is found from."""
PROBES, REFINE = 8, 8
"""Groups that are looked at, 8,000 to 16,000 windows (an index of ours: 8,000); eighty are then compared in full."""
SCHEMA = pa.schema([("id", pa.int64()), ("path", pa.string()), ("v", pa.list_(pa.float32(), SIZES["motion"]))])


def opened(place: str) -> Any:
    """The table, of which each question sees the latest state."""
    from datetime import timedelta

    return lancedb.connect(place, read_consistency_interval=timedelta(0)).open_table("measured")


def rows(first: int, vectors: np.ndarray) -> pa.Table:
    """Windows of a video, numbered from ``first`` on."""
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    paths = [f"/videos/{first // PER_VIDEO:06}.mp4"] * len(vectors)
    return pa.Table.from_arrays([pa.array(range(first, first + len(vectors))), pa.array(paths), column], schema=SCHEMA)


def insist(work: Callable[[], T]) -> tuple[T, int]:
    """Do what others may be in the way of until it is done; what came of it, and how often it was given up."""
    for given_up in range(1000):
        try:
            return work(), given_up
        except RuntimeError as error:
            if not any(word in str(error) for word in ("concurrent", "onflict")):
                raise
    raise RuntimeError("given up a thousand times")


def follow(table: Any, made_of: int) -> int:
    """Merge what has been written, and let the index cover it.

    Its groups stay what they were found to be, so it is made anew when there are twice as many windows; return of how
    many it was made.
    """
    windows = table.count_rows()
    if windows >= 2 * made_of:
        groups = max(1, windows // GROUP)
        table.create_index(
            metric="dot", vector_column_name="v", index_type="IVF_SQ", num_partitions=groups, sample_rate=SAMPLES
        )
        made_of = windows
    table.optimize()
    return made_of


def write(place: str, number: int, writers: int, windows: int) -> tuple[int, int]:
    """Put every ``writers``-th chunk in; say what the index was made of, and how often work was given up."""
    table, since, given_up, made_of = opened(place), 0, 0, 0
    for first in range(number * CHUNK, windows, writers * CHUNK):
        vectors = drawn("motion", min(CHUNK, windows - first), first)
        for at in range(0, len(vectors), PER_VIDEO):
            video = rows(first + at, vectors[at : at + PER_VIDEO])
            given_up += insist(lambda video=video: table.add(video))[1]
            since += PER_VIDEO * writers
            if number == 0 and since >= SEGMENT:
                made_of, times = insist(partial(follow, table, made_of))
                since, given_up = 0, given_up + times
    return made_of, given_up


def nearest(table: Any, query: np.ndarray, where: str = "") -> list[int]:
    """The numbers of the ten nearest, nearest first."""
    asked = table.search(query, vector_column_name="v").metric("dot").nprobes(PROBES).refine_factor(REFINE)
    asked = asked.where(where, prefilter=True) if where else asked
    return [row["id"] for row in asked.select(["id", "_distance"]).limit(10).to_list()]


def search(place: str, number: int, queries: np.ndarray) -> Ask:
    """What the searcher of a number asks."""
    table = opened(place)
    return lambda times: bool(nearest(table, queries[(number + 7 * times) % len(queries)]))


def build(place: str, windows: int, writers: int, searchers: int, queries: np.ndarray) -> dict[str, Any]:
    """Write all windows while others search."""
    measured = written_while_searched(
        [partial(write, place, number, writers, windows) for number in range(writers)],
        [partial(search, place, number, queries) for number in range(searchers)],
    )
    finishing = time.perf_counter()
    follow(opened(place), measured.results[0][0])
    result = {
        "windows_a_second": round(windows / measured.seconds),
        "writers_cpu_ms_a_window": round(1e3 * measured.cpu / windows, 4),
        "given_up": sum(given_up for _, given_up in measured.results),
        "finishing_s": round(time.perf_counter() - finishing, 1),
    }
    if "://" not in place:
        result["disk_gb"] = round(
            sum(path.stat().st_size for path in Path(place).rglob("*") if path.is_file()) / 1e9, 3
        )
    return result | {"searches": len(measured.times), "query_ms_meanwhile": with_p99(measured.times)}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place")
    parser.add_argument("--windows", type=int, default=50_000)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--searchers", type=int, default=2)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    queries = drawn("motion", options.queries, 10**8)
    lancedb.connect(options.place).create_table("measured", schema=SCHEMA, mode="overwrite")
    result = surroundings(2, lancedb=lancedb.__version__)
    result |= {name: getattr(options, name) for name in ("windows", "writers", "searchers")}
    result["build"] = build(options.place, options.windows, options.writers, options.searchers, queries)
    table = opened(options.place)
    assert table.count_rows() == options.windows, "nothing that a writer has put in is lost"
    all_of, found = timed(lambda query: nearest(table, query), queries)
    few, _ = timed(lambda query: nearest(table, query, "path LIKE '%00.mp4'"), queries)
    result["query_ms"] = {"all": all_of, "a hundredth by path": few}
    numbers = ten_nearest(options.windows, queries)
    shares = [len(set(one) & set(true)) / 10 for one, true in zip(found, numbers.tolist(), strict=True)]
    result["recall_at_10"] = round(float(np.mean(shares)), 4)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
