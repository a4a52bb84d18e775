"""What pgvector would cost an index on a server, as JSON: writing with an HNSW index there, and searching it.

    python experiments/pgvector.py ADDRESS [--windows 40000] [--queries 100] > pgvector.json

ADDRESS is of a server on this machine that has the extension (``postgresql://...``); the table ``measured`` is made
anew. The vectors are those of ``benchmarks/search.py``, a hundred to a transaction as those of a video are, by two
writers at once. Processor time is that of the server's processes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import psycopg

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from search import drawn, with_p99
from server import used

AT_ONCE = 100


def written(vector: np.ndarray) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(f'{value:.6f}' for value in vector.tolist())}]"


def write(address: str, vectors: np.ndarray, first: int) -> None:
    """Put vectors in, numbered from ``first`` on."""
    with psycopg.connect(address) as db:
        for at in range(0, len(vectors), AT_ONCE):
            rows = [(first + at + n, written(one)) for n, one in enumerate(vectors[at : at + AT_ONCE])]
            db.cursor().executemany("INSERT INTO measured VALUES (%s, %s::halfvec)", rows)
            db.commit()


def searched(db: psycopg.Connection, queries: np.ndarray, truth: np.ndarray) -> dict[str, object]:
    """Times of queries, and the share of the true ten nearest (Q, 10) that is found."""
    times, shares = [], []
    for query, nearest in zip(queries, truth, strict=True):
        start = time.perf_counter()
        asked = "SELECT id FROM measured ORDER BY v <#> %s::halfvec LIMIT 80"
        found = [row[0] for row in db.execute(asked, (written(query),))][:10]
        times.append(1e3 * (time.perf_counter() - start))
        shares.append(len(set(found) & set(nearest.tolist())) / 10)
    return {"query_ms": with_p99(times), "recall_at_10": round(float(np.mean(shares)), 3)}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--windows", type=int, default=40_000)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    vectors, queries = drawn("motion", options.windows, 0), drawn("motion", options.queries, 10**8)
    truth = np.argsort(-queries @ vectors.T, axis=1)[:, :10]
    result: dict[str, object] = {"windows": options.windows}
    with psycopg.connect(options.address, autocommit=True) as db:
        server = psutil.Process(db.info.backend_pid).parent()
        db.execute("CREATE EXTENSION IF NOT EXISTS vector")
        (result["pgvector"],) = db.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        for kind, index in (
            ("plain", None),
            ("HNSW", "USING hnsw (v halfvec_ip_ops)"),
        ):
            db.execute("DROP TABLE IF EXISTS measured")
            db.execute("CREATE TABLE measured (id BIGINT PRIMARY KEY, v halfvec(512))")
            if index is not None:
                db.execute(f"CREATE INDEX ON measured {index}")
            began, cpu, half = time.perf_counter(), used(server), options.windows // 2
            with ThreadPoolExecutor(2) as team:
                list(team.map(write, [options.address] * 2, [vectors[:half], vectors[half:]], [0, half]))
            took = time.perf_counter() - began
            row = {"windows_a_second": round(options.windows / took)}
            row["server_cpu_ms_a_window"] = round(1e3 * (used(server) - cpu) / options.windows, 3)
            if index is not None:
                db.execute("SET hnsw.ef_search = 100")
                row |= searched(db, queries, truth)
            result[kind] = row
        began, cpu = time.perf_counter(), used(server)
        db.execute("DROP INDEX measured_v_idx")
        db.execute("SET maintenance_work_mem = '512MB'")
        db.execute(f"CREATE INDEX ON measured USING ivfflat (v halfvec_ip_ops) WITH (lists = {options.windows // 200})")
        row = {"build_server_cpu_ms_a_window": round(1e3 * (used(server) - cpu) / options.windows, 3)}
        lists = options.windows // 200
        db.execute(f"SET ivfflat.probes = {min(lists, 40)}")  # 8,000 vectors, as an index of ours looks at
        result["IVFFlat, built afterwards"] = row | searched(db, queries, truth)
        db.execute("DROP TABLE measured")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
