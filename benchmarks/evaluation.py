"""What an evaluation costs beside the decoding and the encoder's work that it cannot do without; JSON.

    python benchmarks/evaluation.py [--videos N] [--repeats N] [--workers N] > evaluation.json

Synthetic videos, an untrained encoder of the tiny preset, retrieval with ten clips a video. In turns: reading the clips
of all videos and nothing else; the encoder on as many clips that are in memory already, and nothing else; the whole
evaluation from the files to the figures, its features written to a store on the way; and the same again with the store
that it left. ``whole to parts`` is the time of the whole over the sum of the first two; where a process decodes while
the encoder computes it can be below 1. Seconds: median, least and greatest of the repeats.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
from common import in_turns, spread, surroundings
from torch import Tensor

from kinema.data.loader import make_loader
from kinema.data.synthetic import synthesise
from kinema.evaluation import evaluate
from kinema.evaluation.looks import Uniform
from kinema.evaluation.reading import ClipsOfVideos, Read
from kinema.models import random_encoder
from kinema.models.passes import features_of
from kinema.models.sources import clip_of

CLIPS, BATCH = 10, 6
HELD = 10
"""Batches that are kept in memory for the encoder; it sees them again and again."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=1000, help="videos (1000)")
    parser.add_argument("--repeats", type=int, default=3, help="repeats of each measurement (3)")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode (1)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoder = random_encoder()
    with tempfile.TemporaryDirectory() as folder:
        videos = Path(folder) / "videos"
        synthesise(videos, videos=options.videos, workers=2)
        paths = sorted(videos.glob("t*/*.mp4"))

        look = Uniform(CLIPS)

        def loader():
            data = ClipsOfVideos(paths, clip_of(encoder), [(look,)] * len(paths))
            return make_loader(data, options.workers, batch_size=BATCH, collate_fn=list)

        held: list[Tensor] = []
        for batch in loader():
            held.append(torch.cat([read.shown[look].clips.flatten(0, 1) for read in batch if isinstance(read, Read)]))
            if len(held) == HELD:
                break
        attempts = iter(range(1 << 30))

        def decode() -> None:
            assert sum(len(batch) for batch in loader()) == len(paths)

        def forward() -> None:
            for number in range(-(-len(paths) // BATCH)):
                features_of(encoder, held[number % len(held)], torch.device("cpu"))

        def whole(cache: str) -> None:
            cached = Path(folder) / cache
            evaluate(
                "retrieval",
                "random",
                videos,
                labels=videos / "labels.csv",
                label_column="motion",
                workers=options.workers,
                cache=cached,
            )

        works = {
            "decoding": decode,
            "encoder": forward,
            "whole": lambda: whole(f"cache{next(attempts)}"),
            "again": lambda: whole("cache0"),
        }
        took = in_turns(works, options.repeats)
    parts = [a + b for a, b in zip(took["decoding"], took["encoder"], strict=True)]
    result = {
        **surroundings(1 + options.workers),
        "videos": len(paths),
        "clips_per_video": CLIPS,
        "workers": options.workers,
        **{f"{name}_s": spread(seconds, 2) for name, seconds in took.items()},
        "whole to parts": spread([a / b for a, b in zip(took["whole"], parts, strict=True)]),
        "again to whole": spread([a / b for a, b in zip(took["again"], took["whole"], strict=True)]),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
