"""CPU seconds that ``kinema synth`` takes a video, files included, in one process.

usage: python benchmarks/synthesis.py [--videos 100] [--size 64] [--frames 48]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import get_args

import av
import numpy as np
from common import surroundings

from kinema.config.synthesis import Set
from kinema.data.synthetic import synthesise


def measure(difficulty: str, videos: int, size: int, frames: int) -> float:
    """CPU seconds a video, those of writing the files included."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        synthesise(Path(folder) / "videos", videos=videos, difficulty=difficulty, size=size, frames=frames, fps=30)
        return (time.process_time() - start) / videos


def main() -> None:
    """Parse, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("videos", 100), ("size", 64), ("frames", 48)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = vars(parser.parse_args())
    seconds = {difficulty: round(measure(difficulty, **asked), 4) for difficulty in get_args(Set)}
    print(
        json.dumps(
            {**surroundings(1, numpy=np.__version__, av=av.__version__), **asked, "cpu_seconds_a_video": seconds},
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
