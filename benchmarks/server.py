"""Measure an index on a server that several processes write while others search, and print JSON.

    python benchmarks/server.py ADDRESS [--windows 1000000] [--writers 2] [--searchers 10] [--queries 300] > server.json

ADDRESS is of a schema where no index is yet (``postgresql://...?schema=measured``); what is made there stays. The
windows are those of ``benchmarks/search.py``, 100 to a video; each writer puts a share of the videos in as fast as it
can, as `kinema index` does: a video a transaction, sealed now and then. Each searcher asks once a second, with what is
typical of the library.

* ``build``: seconds until the last writer has ended, and until the approximate index is at its end; windows a second of
  all writers; processor time of a writer's window, and of the server's processes for one where they run on this
  machine; what the database takes on disk, and the copy of the segments that each machine has which searches.
* ``query_ms_meanwhile``, ``query_ms``: of all searchers while it is written; of one query after another afterwards,
  with half of the windows allowed by strength, and with one video in a hundred by its path; ``p99`` beside the spread.
* ``recall_at_10``, ``top_1``: shares of the ten nearest, and of the nearest, that comparing with every vector finds.
* ``update_ms``: to put a video of 20 windows into the full index, and to delete one.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import suppress
from functools import partial
from typing import Any

import faiss
import numpy as np
import psutil
import torch
from common import surroundings
from common.meanwhile import Ask, written_while_searched
from search import CHUNK, SIZES, drawn, timed, truth, updates, videos, with_p99

from kinema.search import Filters, approximate, database
from kinema.search.connection import connected, snapshot, store_of, transaction
from kinema.search.database import condition
from kinema.search.ranking import Ranker

PER_VIDEO = 100
"""Windows."""


def write(index: str, chunks: list[int], windows: int) -> None:
    """Put the videos of some chunks in."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    since, path = 0, store_of(index).path
    with connected(index) as db:
        for first in chunks:
            for state, content in videos(first, min(CHUNK, windows - first), PER_VIDEO):
                with transaction(db):
                    database.put_video(db, 0, state, content, "")
                since += PER_VIDEO
                if since > approximate.EXACT:
                    approximate.grow(db, path)
                    since = 0


def search(index: str, number: int, queries: np.ndarray) -> Ask:
    """What the searcher of a number asks."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    ranker = Ranker(store_of(index).path)

    def ask(times: int) -> bool:
        query = queries[(number + 7 * times) % len(queries)]
        found = ranker.nearest(query, "motion", 10, condition(Filters()), False)
        if found:
            ranker.typical(query[None], "motion")
        return bool(found)

    return ask


def server_of(index: str) -> psutil.Process | None:
    """The server's first process, where it runs on this machine."""
    with connected(index) as db:
        number = db.execute("SELECT pg_backend_pid()").fetchone()[0]
    with suppress(psutil.Error):
        process = psutil.Process(number)
        return process.parent() if process.name() == "postgres" else None
    return None


def used(server: psutil.Process | None) -> float:
    """Seconds of processor time of a server's processes, those that have ended too."""
    total = 0.0
    for process in [] if server is None else [server, *server.children()]:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
            total += times.children_user + times.children_system if process == server else 0.0
    return total


def build(index: str, windows: int, writers: int, searchers: int, queries: np.ndarray) -> dict[str, Any]:
    with connected(index) as db, db.writing():
        database.create_tables(db, {})
    chunks = list(range(0, windows, CHUNK))
    server = server_of(index)
    cpu = used(server)
    measured = written_while_searched(
        [partial(write, index, chunks[number::writers], windows) for number in range(writers)],
        [partial(search, index, number, queries) for number in range(searchers)],
    )
    written = used(server) - cpu
    finishing = time.perf_counter()
    with connected(index) as db, db.alone(wait=True):
        approximate.refresh(db, store_of(index).path)
    ended = time.perf_counter()
    with snapshot(index) as db:
        size = db.execute("SELECT pg_database_size(current_database())").fetchone()[0]
    copies = sum(path.stat().st_size for path in store_of(index).beside.glob("*.faiss"))
    return {
        "adding_s": round(measured.seconds, 1),
        "finishing_s": round(ended - finishing, 1),
        "windows_a_second": round(windows / measured.seconds),
        "cpu_ms_a_window": {
            "writers": round(1e3 * measured.cpu / windows, 4),
            "server, searches too": round(1e3 * written / windows, 4),
        },
        "database_gb": round(size / 1e9, 2),
        "copies_gb": round(copies / 1e9, 2),
        "searches": len(measured.times),
        "query_ms_meanwhile": with_p99(measured.times),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--searchers", type=int, default=10)
    parser.add_argument("--queries", type=int, default=300)
    options = parser.parse_args()
    queries = drawn("motion", options.queries, 10**8)
    result = surroundings(2, numpy=np.__version__, faiss=faiss.__version__)
    result |= {"windows": options.windows, "values": SIZES}
    result |= {"writers": options.writers, "searchers": options.searchers}
    result["build"] = build(options.address, options.windows, options.writers, options.searchers, queries)
    path = store_of(options.address).path
    ranker, rows = Ranker(path), {}
    for label, filters in (
        ("all", Filters()),
        ("half by strength", Filters(min_strength=0.5)),
        ("a hundredth by path", Filters(path="*00.mp4")),
    ):
        rows[label], found = timed(lambda v, f=filters: ranker.nearest(v, "motion", 10, condition(f), False), queries)
        if label == "all":
            answers = [[(hit.path, hit.window.start) for hit in hits] for hits in found]
    result["query_ms"] = rows
    nearest = [
        [(f"/videos/{(number - 1) // PER_VIDEO:06}.mp4", float((number - 1) % PER_VIDEO)) for number in numbers]
        for numbers in truth(path, options.windows, queries).tolist()
    ]
    shares = [len(set(a) & set(b)) / 10 for a, b in zip(answers, nearest, strict=True)]
    result["recall_at_10"] = round(float(np.mean(shares)), 4)
    result["top_1"] = float(np.mean([a[:1] == b[:1] for a, b in zip(answers, nearest, strict=True)]))
    result["update_ms"] = updates(path, 20)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
