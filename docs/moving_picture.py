"""Make the moving picture of the README: what a search finds by motion and by appearance among generated videos.

kinema synth VIDEOS --videos 1000
kinema index VIDEOS --index INDEX --mirror false
python docs/moving_picture.py VIDEOS INDEX

The queries are the first test videos of three movements, whatever they find.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np

from kinema.common.files import atomic_path
from kinema.report.pictures import animated_webp
from kinema.search import Library
from kinema.video import Video, View

SIDE, GAP, HEAD = 92, 6, 26
ROWS, HITS = 3, 4
FRAMES, FPS = 18, 12
INK, PAPER = (36, 41, 47), 255


def main() -> None:
    """Search and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=Path)
    parser.add_argument("index", type=Path)
    options = parser.parse_args()
    library = Library(options.index)
    with (options.videos / "labels.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "test"]
    chosen = list({row["motion"]: row["file"] for row in reversed(rows)}.values())[::-1][:ROWS]
    lines = []
    for file in chosen:
        query = options.videos / file
        motion, appearance = library.search_all(query, top=HITS)
        lines.append([query, *(Path(hit.path) for answer in (motion, appearance) for hit in answer.hits)])
    wide = (1 + 2 * HITS) * (SIDE + GAP) + 3 * GAP
    board = np.full((FRAMES, HEAD + ROWS * (SIDE + GAP), wide, 3), PAPER, np.uint8)
    for column, words in ((0, "clip"), (1, "what moves like it"), (1 + HITS, "what looks like it")):
        for frame in board:
            place = (_left(column) + 1, HEAD - 9)
            cv2.putText(frame, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.48, INK, 1, cv2.LINE_AA)
    for row, line in enumerate(lines):
        top = HEAD + row * (SIDE + GAP)
        for column, path in enumerate(line):
            left = _left(column)
            board[:, top : top + SIDE, left : left + SIDE] = _frames(path)
    target = Path(__file__).parent / "images" / "search.webp"
    with atomic_path(target) as temporary:
        temporary.write_bytes(animated_webp(board, FPS, scale=1, quality=30))
    print(f"{target}: {board.shape[2]} x {board.shape[1]}, {target.stat().st_size >> 10} KiB")


def _left(column: int) -> int:
    return column * (SIDE + GAP) + GAP * ((column > 0) + (column > HITS))


def _frames(path: Path) -> np.ndarray:
    with Video(path, View(short_side=SIDE)) as video:
        times = np.arange(FRAMES) / FPS
        frames = video.at_times((times % max(video.info.duration, 1 / FPS)).tolist()).frames
    top, left = (frames.shape[1] - SIDE) // 2, (frames.shape[2] - SIDE) // 2
    return frames[:, top : top + SIDE, left : left + SIDE]


if __name__ == "__main__":
    main()
