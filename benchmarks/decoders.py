"""Compare the decoders: do they give the same frames, and which is quicker? Prints JSON.

    python benchmarks/decoders.py VIDEO ... [--decoder torchcodec] [--repeats 5] [--frames 40] [--same-only] > same.json

``same`` has, for each file, what decodes it (or why PyAV does), and how far frames lie from PyAV's, in levels of 0 to
255: on average, at most, and the average with its sign; at the stored size, and scaled to 112 x 112 pixels. Only the
first ``--frames`` frames are compared. A file that no decoder reads has its error.

``milliseconds`` has the processor's time of both, which take turns, of one file after the other, each opened anew (so
what other programs do, and disks, hardly count): ``spread``, 8
frames over all of a file scaled to 112 pixels, as clips are read for evaluation; ``spread_whole``, the same at the
stored size; ``window``, 16 frames an eighth of a second apart from the middle on, scaled to 112; ``follow``, eight a
second from start to end, scaled to 112, as an index is made. The packets of a file are looked at in the round that
warms up, as in all epochs but the first: ``first`` has ``spread`` with that. One thread decodes.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import in_turns, spread, surroundings

from kinema.errors import KinemaError
from kinema.video import Video, View, find_videos
from kinema.video.by_torchcodec import version
from kinema.video.packets import _packets

SMALL = View(size=(112, 112))
USUAL = "pyav"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path, help="files, or folders of videos")
    parser.add_argument("--decoder", default="torchcodec")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--same-only", action="store_true", help="no times")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    paths = [path for given in options.videos for path in (found(given) if given.is_dir() else [given])]
    result: dict[str, Any] = surroundings(1, torchcodec=version()) | {"platform": platform.machine()}
    result["same"] = {path.name: compared(path, options.decoder, options.frames) for path in paths}
    if not options.same_only:
        result["milliseconds"] = {
            path.name: timed(path, options.decoder, options.repeats)
            for path in paths
            if result["same"][path.name].get("decoded_by") == options.decoder
        }
    print(json.dumps(result, indent=1))


def found(folder: Path) -> list[Path]:
    """The videos of a folder."""
    return [folder / name for name in find_videos(folder)[0]]


def compared(path: Path, decoder: str, frames: int) -> dict[str, Any]:
    """How far the frames of two decoders lie from each other."""
    result: dict[str, Any] = {}
    try:
        for name, view in (("whole", View()), ("scaled", SMALL)):
            with Video(path, view, USUAL) as usual, Video(path, view, decoder) as other:
                times = moments(usual, frames)
                ours, theirs = usual.at_times(times), other.at_times(times)
                result |= {"decoded_by": other.decoded_by, "pixels": other.info.pixel_format, "frames": len(times)}
            away = theirs.frames.astype(np.int16) - ours.frames
            result[name] = {
                "mean": round(float(np.abs(away).mean()), 3),
                "most": int(np.abs(away).max()),
                "signed": round(float(away.mean()), 3),
            }
            result["seconds_off"] = float(np.abs(ours.timestamps - theirs.timestamps).max())
    except KinemaError as error:
        return {"error": str(error)}
    return result


def moments(video: Video, frames: int) -> list[float]:
    """When the first frames come on screen."""
    every = 1 / (video.info.fps or 25)
    return [time for time, _ in islice(video.follow(number * every for number in range(frames)), frames)]


def timed(path: Path, decoder: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of both decoders, by what is read."""
    with Video(path, decoder=USUAL) as video:
        length = max(video.info.duration, 0.1)
    over = [(number + 0.5) * length / 8 for number in range(8)]
    window = [length / 2 + number / 8 for number in range(16)]
    reads: dict[str, tuple[View, Callable[[Video], object]]] = {
        "spread": (SMALL, lambda video: video.at_times(over)),
        "spread_whole": (View(), lambda video: video.at_times(over)),
        "window": (SMALL, lambda video: video.at_times(window)),
        "follow": (SMALL, lambda video: sum(1 for _ in video.follow(every_eighth(length)))),
        "first": (SMALL, lambda video: video.at_times(over)),
    }

    def work(name: str, by: str) -> Callable[[], object]:
        view, read = reads[name]

        def run() -> object:
            if name == "first":
                _packets.cache_clear()
            with Video(path, view, by) as video:
                return read(video)

        return run

    return {
        name: {
            by: spread([1000 * second for second in seconds], 2)
            for by, seconds in in_turns(
                {by: work(name, by) for by in (USUAL, decoder)}, repeats, time.process_time
            ).items()
        }
        for name in reads
    }


def every_eighth(length: float) -> Iterator[float]:
    """Eight times a second."""
    return (number / 8 for number in range(int(8 * length)))


if __name__ == "__main__":
    main()
