"""Measure what a training costs before its first step, and a scan, as folders grow; print JSON.

    python benchmarks/manifest.py FOLDER [--lines 5000000] [--files 100000] > manifest.json

FOLDER is made and filled with some tiny videos. For ``training``, a manifest lists them by as many paths as there are
lines (folders that link to themselves give one file many names), and ``kinema pretrain`` takes one step with it:
processor seconds after the imports, of all processes; the peak of the main process and the private memory of a
loader's, beside those with 1,000 lines. For ``scan``, hard links of a video of three frames are scanned twice, 1,000
and ``--files`` of them: the peaks of memory, and the processor seconds of the second scan, which finds nothing new.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import surroundings

from kinema.data.synthetic.files import write_video
from kinema.video import Manifest, scan_folder
from kinema.video.manifest import SCHEMA

DOORS = "abcdefgh"
"""Folders in each folder, all of which are that folder: eight names for each step of a path."""
FEW = 1000
BATCH = 200_000


def make_videos(folder: Path, count: int = 8, frames: int = 40) -> None:
    """A few videos of noise, in a folder of which paths lead back into it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (frames, 48, 64, 3), np.uint8)
        write_video(folder / f"{number}.mp4", noise, 16.0)
    for door in DOORS:
        with suppress(FileExistsError):
            (folder / door).symlink_to(".")


def write_lines(folder: Path, lines: int, path: Path) -> None:
    """A manifest of so many lines, each another name of one of the videos."""
    entry = replace(next(iter(scan_folder(folder / "only"))), path="")
    row = Manifest.of([entry]).table
    files = sorted(folder.glob("*.mp4"))
    depth = 13  # 8 ** 13 names
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for first in range(0, lines, BATCH):
            count = min(BATCH, lines - first)
            names = [name(number, depth, files[number % len(files)].name) for number in range(first, first + count)]
            sizes = np.array([file.stat().st_size for file in files])[np.arange(first, first + count) % len(files)]
            columns = {field.name: row.column(field.name).take(pa.array(np.zeros(count, np.int8))) for field in SCHEMA}
            columns |= {"path": pa.array(names, pa.binary()), "bytes": pa.array(sizes)}
            writer.write_table(pa.table(columns, SCHEMA))


def name(number: int, depth: int, file: str) -> bytes:
    """The ``number``-th of the paths to a file."""
    return "/".join([DOORS[number >> 3 * step & 7] for step in range(depth)] + [file]).encode()


def train(folder: Path, manifest: Path, out: Path) -> dict[str, float]:
    """Take one step; in a process of its own."""
    from kinema.config import PretrainConfig
    from kinema.presets import settings_on
    from kinema.training import pretrain

    settings = {
        "steps": 1,
        "clip": {"frames": 8, "short_side": 32, "size": [32, 32]},
        "trainer": {"workers": 2, "batch_size": 4, "accelerator": "cpu", "threads": 1},
        "model": {"width": 8},
    }
    config = settings_on("tiny", PretrainConfig, settings)
    loaders: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
                with suppress(OSError, ProcessLookupError):
                    loaders.append(private(int(child)))

    begun, watcher = processor_seconds(), threading.Thread(target=watch)
    watcher.start()
    pretrain(folder, out, config, method="moco", manifest=manifest)
    ended.set()
    watcher.join()
    return {
        "cpu_s": round(processor_seconds() - begun, 2),
        "peak_mib": peak_mib(),
        "loader_private_mib": round(max(loaders, default=0) / 1024, 1),
    }


def private(process: int) -> int:
    """KiB that a process shares with no other."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private"))


def processor_seconds() -> float:
    return sum(time_.ru_utime + time_.ru_stime for time_ in map(resource.getrusage, (0, -1)))


def peak_mib() -> float:
    """Of this process, since it began (``ru_maxrss`` would count its parent's)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def scan(folder: Path, out: Path) -> dict[str, float]:
    """Scan a folder; in a process of its own."""
    begun, start = processor_seconds(), time.perf_counter()
    scan_folder(folder, out)
    return {
        "cpu_s": round(processor_seconds() - begun, 2),
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mib": peak_mib(),
    }


def alone(work: str, *paths: Path) -> dict[str, float]:
    """One of the works above in a process of its own."""
    words = [sys.executable, __file__, str(paths[0]), "--work", work, *map(str, paths[1:])]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lines", type=int, default=5_000_000, help="of the manifest (5000000)")
    parser.add_argument("--files", type=int, default=100_000, help="that are scanned (100000)")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.folder
    if options.work:
        work, *paths = options.work
        print(json.dumps({"train": train, "scan": scan}[work](folder, *map(Path, paths))))
        return
    result: dict[str, Any] = {"training": {}, "scan": {}}
    videos = folder / "videos"
    make_videos(videos)
    make_videos(videos / "only", 1)
    for lines in (FEW, options.lines):
        manifest = folder / f"{lines}.parquet"
        write_lines(videos, lines, manifest)
        result["training"][lines] = alone("train", videos, manifest, folder / f"run-{lines}-{time.time_ns()}")
    few, many = result["training"].values()
    for memory in ("peak", "loader_private"):
        grown = (many[f"{memory}_mib"] - few[f"{memory}_mib"]) * 2**20
        result["training"][f"{memory}_bytes_a_line"] = round(grown / max(1, options.lines - FEW), 1)
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    write_video(folder / "tiny.mp4", noise, 16.0)
    for files in (FEW, options.files):
        many_files = folder / f"files-{files}"
        for number in range(files):
            part = many_files / f"{number // 1000:03}"
            part.mkdir(parents=True, exist_ok=True)
            if number % 1000 == 0:  # a file has only so many links
                shutil.copy(folder / "tiny.mp4", part / "000.mp4")
            with suppress(FileExistsError):
                os.link(part / "000.mp4", part / f"{number % 1000:03}.mp4")
        out = folder / f"files-{files}-{time.time_ns()}.parquet"
        result["scan"][files] = {"first": alone("scan", many_files, out), "again": alone("scan", many_files, out)}
    print(json.dumps(result | surroundings(1, pyarrow=pa.__version__), indent=2))


if __name__ == "__main__":
    main()
