"""Two Ray nodes on this machine against the machine itself, on the same cores; print JSON.

    python benchmarks/cluster.py FOLDER [--works scan index extraction balance] [--share 1] [--repeats 2] > cluster.json

FOLDER is made, and filled with synthetic videos of 128 pixels and four seconds. ``scan``, ``index`` (by ``motion``) and
``extraction`` (DIS) are done of few and of many of them, in turns by this process with all cores, as without
``--cluster``, and by two nodes that have half of the cores each. What one video more costs is the difference, so that
what begins a cluster, or loads an encoder, does not count; it is in ``few``. ``throughput`` is the cluster's share of
the local one, by the clock and by processor seconds of all processes, Ray's own included: where the machine has other
work beside, the latter says more.

``balance`` scans 10,000 tiny files and one of an hour on the two nodes, and gives the share of the time, from the first
item to the last, in which each node had nothing in hand.

``--share`` makes all of it as many times smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from common import surroundings

from kinema.common.cluster import spread
from kinema.common.processes import available_cores
from kinema.config import ExtractConfig
from kinema.data.extraction import extract_flow, store_reader
from kinema.data.synthetic import synthesise
from kinema.data.synthetic.files import write_video
from kinema.search import Library
from kinema.video import scan_folder
from kinema.video.scan import scan_file, size_of

FEW = 4
MANY = {"scan": 2000, "index": 204, "extraction": 200}
BEGUN, FIRST = "begun", 60  # an index of so many videos, to which others are added
TINY, HOUR = 10_000, 3600
RATE = 15  # frames a second of the long file


@contextmanager
def two_nodes() -> Iterator[str]:
    """The address of a cluster of two nodes with half of the cores each."""
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    half = max(1, available_cores() // 2)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": half, "include_dashboard": False})
    made.add_node(num_cpus=half)
    try:
        yield made.address
    finally:
        made.shutdown()


class Meter:
    """Counts the processor seconds of this process and of all that it has begun; Ray's do not hand theirs on when they
    end, so each is asked ten times a second."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float], float] = {}
        threading.Thread(target=self._watch, daemon=True).start()

    def read(self) -> float:
        """Seconds so far."""
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                self._seen[process.pid, process.create_time()] = sum(process.cpu_times()[:2])
        return sum(list(self._seen.values()))  # which the other thread may add to

    def _watch(self) -> None:
        while True:
            self.read()
            time.sleep(0.1)


def scan(videos: Path, out: Path, cluster: str | None) -> None:
    scan_folder(videos, out / "manifest.parquet", cluster=cluster, progress=False)


def index(videos: Path, out: Path, cluster: str | None) -> None:
    shutil.copytree(videos.parent / BEGUN, out / "index")
    Library(out / "index").add(videos, cluster=cluster)


def extraction(videos: Path, out: Path, cluster: str | None) -> None:
    entries = list(scan_folder(videos, videos.with_suffix(".parquet"), progress=False))
    reader = store_reader(videos, out / "store", ExtractConfig(estimator="dis", short_side=112))
    extract_flow(reader, entries, available_cores(), cluster=cluster)


WORKS: dict[str, Callable[[Path, Path, str | None], None]] = {"scan": scan, "index": index, "extraction": extraction}


def linked(sources: list[Path], folder: Path, count: int) -> Path:
    """A folder of so many files, which are those of ``sources`` again and again."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        with suppress(FileExistsError):
            os.link(sources[number % len(sources)], folder / f"{number:05}.mp4")
    return folder


def measured(
    work: Callable[[Path, Path, str | None], None], videos: Path, out: Path, cluster: str | None, meter: Meter
) -> np.ndarray:
    """Seconds and processor seconds."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    begun, used = time.perf_counter(), meter.read()
    work(videos, out, cluster)
    return np.array([time.perf_counter() - begun, meter.read() - used])


def compared(name: str, sources: list[Path], folder: Path, repeats: int, share: int, address: str) -> dict[str, Any]:
    """What a video more costs, here and on the cluster."""
    many = max(2 * FEW, MANY[name] // share)
    folders = {count: linked(sources, folder / f"{name}-{count}", count) for count in (FEW, many)}
    if name == "index" and not (folder / BEGUN).exists():  # which has fitted its whitening, on one machine in any case
        Library(folder / BEGUN, "motion").add(linked(sources, folder / "begun-videos", FIRST))
    if name == "extraction":
        for videos in folders.values():  # its manifest, which is no part of the work
            scan_folder(videos, videos.with_suffix(".parquet"), progress=False)
    found: dict[str, dict[int, list[np.ndarray]]] = {}
    meter = Meter()
    for _ in range(repeats):
        for where, cluster in (("local", None), ("cluster", address)):
            for count, videos in folders.items():
                took = measured(WORKS[name], videos, folder / "out", cluster, meter)
                found.setdefault(where, {}).setdefault(count, []).append(took)
    said: dict[str, Any] = {"videos": many}
    costs = {}
    for where, by_count in found.items():
        few, all_of = (np.median(by_count[count], axis=0) for count in (FEW, many))
        costs[where] = (all_of - few) / (many - FEW)
        said[where] = {
            "few_s": round(float(few[0]), 2),
            "many_s": round(float(all_of[0]), 2),
            "ms_a_video": round(1e3 * float(costs[where][0]), 2),
            "processor_ms_a_video": round(1e3 * float(costs[where][1]), 2),
        }
    ratio = costs["local"] / costs["cluster"]
    return said | {"throughput": round(float(ratio[0]), 3), "throughput_by_processor": round(float(ratio[1]), 3)}


class Timed:
    """Work of a worker with the node that it was done on, and its times."""

    def __init__(self, root: Path):
        import ray

        self._root, self._node = root, ray.get_runtime_context().get_node_id()

    def __call__(self, item: tuple[int, Path]) -> tuple[str, float, float]:
        """The node, and when it began and ended."""
        begun = time.time()
        scan_file(item[1], self._root)
        return self._node, begun, time.time()


def write_long(path: Path, seconds: int) -> None:
    """A video of noise that moves, of so many seconds."""
    picture = np.random.default_rng(0).integers(0, 256, (96, 256, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(seconds * RATE):
            at = number // RATE % 128
            frame = np.ascontiguousarray(picture[:, at : at + 128])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def balance(folder: Path, share: int, address: str) -> dict[str, Any]:
    """How long each node has nothing to do."""
    videos = folder / "uneven"
    if not videos.exists():
        videos.mkdir(parents=True)
        write_video(folder / "tiny.mp4", np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8), 16.0)
        linked([folder / "tiny.mp4"], videos / "a", TINY // share)
        write_long(videos / "z.mp4", HOUR // share)  # which a folder lists last
    files = sorted(videos.rglob("*.mp4"))
    times: dict[str, list[tuple[float, float]]] = {}
    for (_, path), (node, begun, ended) in spread(address, enumerate(files), Timed, [videos], weigh=size_of):
        times.setdefault(node, []).append((begun, ended))
        if path.name == "z.mp4":
            long = ended - begun
    everything = [moment for spans in times.values() for span in spans for moment in span]
    first, last = min(everything), max(everything)
    cores, whole = max(1, available_cores() // 2), last - first
    return {
        "files": len(files),
        "seconds": round(whole, 1),
        "the_long_one_s": round(long, 1),
        "idle_before_the_first": [round((min(b for b, _ in spans) - first) / whole, 4) for spans in times.values()],
        "idle_after_the_last": [round((last - max(e for _, e in spans)) / whole, 4) for spans in times.values()],
        "idle_in_all": [round(1 - sum(e - b for b, e in spans) / whole / cores, 4) for spans in times.values()],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--works", nargs="+", choices=[*WORKS, "balance"], default=[*WORKS, "balance"])
    parser.add_argument("--share", type=int, default=1, help="of the videos, one in so many (1)")
    parser.add_argument("--repeats", type=int, default=2, help="of each (2)")
    options = parser.parse_args()
    source = options.folder / "source"
    if not source.exists():
        synthesise(source, videos=64, size=128, frames=64, fps=16.0)
    sources, result = sorted(source.rglob("*.mp4")), {}
    for name in options.works:
        with two_nodes() as address:
            if name == "balance":
                result[name] = balance(options.folder, options.share, address)
            else:
                result[name] = compared(name, sources, options.folder, options.repeats, options.share, address)
    print(json.dumps(result | surroundings(available_cores()), indent=2))


if __name__ == "__main__":
    main()
