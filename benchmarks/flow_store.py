"""Measure the flow store beside what else one could do, and print JSON.

    python benchmarks/flow_store.py [--videos FOLDER] [--repeats 5] [--only PART ...] > flow_store.json

* ``sizes``: bytes of a stored field beside the same field as two JPEG pictures of quality 95 (scaled by its own largest
  component, and with the customary bound of 20 pixels) and as float16; gigabytes an hour of video at some rates; mean
  endpoint errors in pixels of the store and of both kinds of pictures.
* ``reading``: milliseconds to read the fields of a clip from a store, beside estimating them with DIS from frames that
  are decoded already: four fields, one thread, in turns.
* ``extraction``: pairs a second of ``kinema flow extract`` with two processes (decoding, estimating, packing, writing)
  beside two processes that only estimate, on the same frames, in turns; their ratio is the share that counts.

Videos are synthetic, or with ``--videos`` the first of each folder in that one. Medians, least and greatest over the
repeats; the machine should have little else to do, but shares are measured side by side.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import zstandard
from common import in_turns, spread, surroundings

from kinema.config import ExtractConfig
from kinema.data.extraction import BATCH, extract_flow, store_reader
from kinema.data.fields import ClipReader
from kinema.data.synthetic import synthesise
from kinema.flow import set_opencv_threads
from kinema.video import ManifestEntry, find_videos, scan_folder

SIDES = (56, 112, 128, 224)
"""Shorter sides of clips: 56 and 128 are the presets'."""
PARTS = ("sizes", "reading", "extraction")
RATES = (8, 25)
CLIP_FIELDS = 4
PROCESSES = 2


def as_pictures(field: np.ndarray, bound: float) -> tuple[int, np.ndarray]:
    """Bytes of two JPEG pictures, and the field that they give."""
    grey = np.clip(np.round((field + bound) * (255 / (2 * bound))), 0, 255).astype(np.uint8)
    files = [cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, 95])[1] for part in grey]
    back = np.stack([cv2.imdecode(file, cv2.IMREAD_GRAYSCALE) for file in files]).astype(np.float32)
    return sum(map(len, files)), back * (2 * bound / 255) - bound


def some(reader: ClipReader, entries: list[ManifestEntry], each: int) -> list[tuple[ManifestEntry, np.ndarray]]:
    """Grid positions of ``each`` fields of each video, spread over it."""
    return [(e, np.unique(np.linspace(0, reader.field_count(e) - 1, each).astype(int))) for e in entries]


def sizes(videos: Path, entries: list[ManifestEntry], estimator: str, side: int) -> dict[str, Any]:
    def off(found: np.ndarray, field: np.ndarray) -> float:
        return float(np.linalg.norm(found - field, axis=0).mean())

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        reader = store_reader(videos, Path(folder) / "store", ExtractConfig(estimator=estimator, short_side=side))
        assert reader.store is not None
        for entry, positions in some(reader, entries, 4):
            with reader.open(entry) as video:
                fields = reader.estimate(video, entry, positions)
            times = reader.grid(entry).times(positions).tolist()
            flow = reader.store.write(entry.path, "", zip(times, fields, strict=True))
            for row, (field, stored) in enumerate(zip(fields, flow.read(range(len(flow))), strict=True)):
                own, own_back = as_pictures(field, max(float(np.abs(field).max()), 1e-3))
                fixed, fixed_back = as_pictures(field, 20.0)
                taken = float(flow.index["bytes"][row]) + flow.index.itemsize
                errors = off(stored, field), off(own_back, field), off(fixed_back, field)
                rows.append((taken, own, fixed, field.size * 2, *errors))
    means = np.mean(rows, axis=0)
    names = ("store", "jpeg own largest", "jpeg bound 20", "float16")
    return {
        "estimator": estimator,
        "size": list(fields.shape[2:]),
        "fields": len(rows),
        "bytes": {name: round(float(value)) for name, value in zip(names, means, strict=False)},
        "store to jpeg own largest": round(float(means[0] / means[1]), 3),
        "error_px": {name: round(float(value), 4) for name, value in zip(names[:3], means[4:], strict=True)},
        "gigabytes_an_hour": {f"{rate} fields a second": round(float(means[0]) * rate * 3.6e-6, 2) for rate in RATES},
    }


def reading(videos: Path, entries: list[ManifestEntry], side: int, repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        config = ExtractConfig(estimator="dis", parameters=None, short_side=side)
        reader = store_reader(videos, Path(folder) / "store", config)
        assert reader.store is not None
        extract_flow(reader, entries)
        clips = []
        for entry in entries:
            positions = np.arange(CLIP_FIELDS) * 2
            with reader.open(entry) as video:
                times = reader.grid(entry).times(np.append(positions, positions + 1))
                frames = video.at_times(times.tolist()).frames
            clips.append((entry, positions, frames[:CLIP_FIELDS], frames[CLIP_FIELDS:]))
        works: dict[str, Callable[[], object]] = {
            "store": lambda: [reader.fields(entry, positions) for entry, positions, _, _ in clips],
            "dis": lambda: [reader.estimator.pairs(one, other) for _, _, one, other in clips],
        }
        times_taken = in_turns(works, repeats)
    ms = {name: [1e3 * seconds / len(clips) for seconds in took] for name, took in times_taken.items()}
    share = statistics.median(a / b for a, b in zip(ms["store"], ms["dis"], strict=True))
    size = list(frames.shape[1:3])
    return {"size": size, **{f"{name}_ms": spread(took) for name, took in ms.items()}, "store to dis": round(share, 3)}


def estimate_only(reader: ClipReader, clips: list[np.ndarray], part: int) -> None:
    """What one process of an extraction estimates, and nothing else."""
    torch.set_num_threads(1)
    for frames in clips[part::PROCESSES]:
        for start in range(0, len(frames) - 1, BATCH):
            batch = frames[start : start + BATCH + 1]
            reader.estimator.pairs(batch[:-1], batch[1:])


def extraction(
    videos: Path, entries: list[ManifestEntry], estimator: str, seconds: float, repeats: int
) -> dict[str, Any]:
    """Of the central ``seconds`` of each video."""
    config = ExtractConfig(estimator=estimator, center_seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        reader = store_reader(videos, Path(folder) / "frames", config)
        clips = []
        for entry in entries:
            with reader.open(entry) as video:
                positions = np.arange(reader.field_count(entry) + 1)
                clips.append(video.at_times(reader.grid(entry).times(positions).tolist()).frames)
        count = sum(len(frames) - 1 for frames in clips)
        attempts = iter(range(1 << 30))

        def whole() -> None:
            target = store_reader(videos, Path(folder) / str(next(attempts)), config)
            assert extract_flow(target, entries, workers=PROCESSES).made == len(entries)

        def alone() -> None:
            fork = multiprocessing.get_context("fork")
            processes = [fork.Process(target=estimate_only, args=(reader, clips, part)) for part in range(PROCESSES)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()

        took = in_turns({"extraction": whole, "estimator": alone}, repeats)
    share = [b / a for a, b in zip(took["extraction"], took["estimator"], strict=True)]
    return {
        "estimator": estimator,
        "size": list(clips[0].shape[1:3]),
        "videos": len(entries),
        "pairs": count,
        **{f"{name}_pairs_a_second": spread([count / seconds for seconds in times]) for name, times in took.items()},
        "share_of_the_estimators_speed": spread(share),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, help="folder of videos; synthetic ones by default")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each measurement (5)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="what to measure (all)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    set_opencv_threads(1)  # its threads do not outlive a fork
    with tempfile.TemporaryDirectory() as folder:
        if options.videos is None:
            synthesise(Path(folder), videos=6, difficulty="hard", size=256, frames=49, fps=25.0)
        videos = options.videos or Path(folder) / "train"
        firsts = {path.parent: path for path in reversed(find_videos(videos)[0])} if options.videos else {}
        names = {path.relative_to(videos).as_posix() for path in firsts.values()}
        entries = [entry for entry in scan_folder(videos) if not names or entry.path in names]
        versions = {"opencv": cv2.__version__, "numpy": np.__version__, "zstandard": zstandard.__version__}
        cases = [("dis", 64), ("dis", 112), ("dis", 256), ("tvl1", 112), ("tvl1", 256)]
        parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "sizes": lambda: [sizes(videos, entries, estimator, side) for estimator, side in cases],
            "reading": lambda: [reading(videos, entries, side, options.repeats) for side in SIDES],
            "extraction": lambda: [
                extraction(videos, entries, "tvl1", 0.4, options.repeats),
                extraction(videos, entries, "dis", 2.0, options.repeats),
            ],
        }
        result = {
            **surroundings(PROCESSES, **versions),
            "videos": {"count": len(entries), "real": options.videos is not None},
            **{name: parts[name]() for name in options.only},
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
