"""Measure how busy indexing keeps the encoder, and print JSON.

    python benchmarks/embedding.py [--encoder RUN] [--videos FOLDER] [--crop motion] [--repeats 3] > embedding.json

Windows a second of indexing a folder of videos, beside the same work in parts: decoding alone (threads that cut videos
into windows, with their motion strength and thumbnails) and the encoder alone (the same windows, already in memory,
with their appearance descriptors), each with all cores. The three take turns. ``share_of_slower`` is indexing's rate
over that of the slower part: 1 where that part is never kept waiting, which it can only be where the encoder has a
device of its own. ``share_of_sum`` is the time of both parts, one after the other, over indexing's: 1 where nothing is
lost on cores that they share. Without options the encoder is an untrained one of the tiny preset's size, and the videos
are 120 synthetic ones.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import torch
from common import in_turns, spread, surroundings

from kinema.data.synthetic import synthesise
from kinema.models import random_encoder, save_encoder
from kinema.search import Library
from kinema.search.embedding import usual_workers
from kinema.search.windows import WindowReader
from kinema.video import find_videos

BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder")
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--count", type=int, default=120, help="videos, at most")
    parser.add_argument("--crop", help="what windows are cut around; whole frames by default")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    threads = usual_workers()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.videos is None:
            synthesise(folder / "made", videos=options.count)
        (folder / "videos").mkdir()
        for number, path in enumerate(find_videos(options.videos or folder / "made")[0][: options.count]):
            (folder / "videos" / f"{number:05}{path.suffix}").symlink_to(path.resolve())
        if options.encoder is None:
            encoder = random_encoder()
            options.encoder = save_encoder(encoder, folder / "encoder.safetensors", encoder.card)
        attempts = itertools.count()
        library = Library(folder / "first", options.encoder, crop=options.crop)
        embedder, paths = library.embedder, sorted((folder / "videos").iterdir())
        reader = WindowReader(embedder.clip, library.windowing)
        windows = [window for path in paths for window in reader.read(path)]

        def whole() -> None:
            made = Library(folder / str(next(attempts)), options.encoder, crop=options.crop)
            assert made.add(folder / "videos", batch_size=BATCH).windows == len(windows)

        def decoding() -> None:
            with ThreadPoolExecutor(threads) as pool:
                assert sum(pool.map(lambda path: sum(1 for _ in reader.read(path)), paths)) == len(windows)

        def encoding() -> None:
            for start in range(0, len(windows), BATCH):
                embedder(windows[start : start + BATCH])

        cv2.setNumThreads(1)
        ways = {"indexing": whole, "decoding": decoding, "encoder": encoding}
        took = in_turns(ways, options.repeats)
    turns = list(zip(*took.values(), strict=True))
    slower = [max(decoded, encoded) / indexed for indexed, decoded, encoded in turns]
    both = [(decoded + encoded) / indexed for indexed, decoded, encoded in turns]
    rates = {part: spread([len(windows) / seconds for seconds in times], 1) for part, times in took.items()}
    print(
        json.dumps(
            surroundings(torch.get_num_threads(), opencv=cv2.__version__)
            | {"videos": len(paths), "windows": len(windows), "decoding_threads": threads}
            | {"windows_per_second": rates, "share_of_slower": spread(slower), "share_of_sum": spread(both)},
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
