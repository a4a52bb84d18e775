"""How a crop has to be made for a classifier that few labels teach, on the clips of a mouse.

    python experiments/crop_framing.py ACTIONS TABLE --out FOLDER [--boxes ...] [--framings ...] [--beside]

ACTIONS/mouse and TABLE are as of few_intervals.py, whose protocol it is: clips are scaled to 270 lines first, and their
features kept in FOLDER. Boxes are those around what moves (`motion`); what GrabCut makes of the places that move
(`grabcut`); and, as a person's or a detector's would be, around the mouse itself, which is the largest bright part of
these dark pictures (`body`). What is cut of a frame is as kinema has it, with a margin on each side in box sides
(`fitted:1`), or a square of so many picture heights around the box's middle, whatever its size (`square:0.65`).
`beside` puts the features of whole frames beside those of the first framing of `motion`.

A line has top-1 and the mean over classes of ten draws with five clips a class; then top-1 and mean over classes of all
35 choices of three recordings to be labelled, asked of every second recording (by which settings may be chosen), and of
the others.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from few_intervals import clips_of, draws, over_classes
from sklearn.linear_model import LogisticRegression

import kinema.data.crops as crops
from kinema.boxes import motion as moving
from kinema.boxes.box import Box, framed
from kinema.boxes.motion import own_motion, small
from kinema.common.vectors import unit
from kinema.common.whitening import Whitening
from kinema.config.windows import Windowing
from kinema.search.classifier import STRENGTH
from kinema.search.embedder import Embedder, open_embedder
from kinema.search.fitting import copied_features, fit_basis, some_places
from kinema.search.windows import WindowReader
from kinema.video import Video

WIDTH, HEIGHT = 480, 270
BRIGHT, OPENING = 70, 9
"""Level from which on a pixel is of the mouse, and pixels that are too thin: its tail."""
LABELLED, COUNT = 3, 5
"""Recordings, and clips a class."""
WHOLE = "whole"

Finder = Callable[[np.ndarray], list[tuple[int, Sequence[float]]]]
"""Frames (T, H, W, 3) uint8 -> numbers of some of them, each with left, top, right and bottom in shares."""


def shrunk(source: Path, target: Path) -> np.ndarray:
    """Write a clip scaled down, without loss, where that is not done yet; return its frames (T, H, W, 3) uint8."""
    if not target.exists():
        with Video(source) as video:
            frames, fps = video.read().frames, video.info.fps
        target.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(target), "w") as container:
            stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001))
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
            for frame in frames:
                less = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(less, format="rgb24").reformat(format="bgr0")))
            container.mux(stream.encode())
    with Video(target) as video:
        return video.read().frames


def body(frames: np.ndarray) -> list[tuple[int, Sequence[float]]]:
    """Around the largest bright part of each frame."""
    found = []
    for number, frame in enumerate(frames):
        grey = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (0, 0), 3)
        bright = cv2.morphologyEx(np.uint8(grey > BRIGHT), cv2.MORPH_OPEN, np.ones((OPENING, OPENING), np.uint8))
        count, _, parts, _ = cv2.connectedComponentsWithStats(bright)
        if count > 1:
            left, top, width, height = parts[1 + parts[1:, 4].argmax(), :4] / [WIDTH, HEIGHT, WIDTH, HEIGHT]
            found.append((number, (left, top, left + width, top + height)))
    return found


def grabcut(frames: np.ndarray) -> list[tuple[int, Sequence[float]]]:
    """Around what GrabCut finds alike in colour to the places that move, and in one piece with most of the motion."""
    shown = frames[np.unique(np.arange(0, len(frames), 25 / 15).round().astype(int))]
    motion = np.mean([own_motion(*two) for two in pairwise([small(frame) for frame in shown])], axis=0)
    box, strong = moving.motion_box(motion), cv2.GaussianBlur(motion, (0, 0), moving.BLUR)
    if box is None:
        return [(0, (0, 0, 1, 1))]
    height, width = motion.shape
    middle = cv2.resize(shown[len(shown) // 2], (width, height), interpolation=cv2.INTER_AREA)
    labels = np.full(motion.shape, cv2.GC_BGD, np.uint8)
    left, right = round(box.left * width), round(box.right * width)
    top, bottom = round(box.top * height), round(box.bottom * height)
    near = slice(max(0, top - 20), bottom + 20), slice(max(0, left - 20), right + 20)
    labels[near] = cv2.GC_PR_BGD
    moves = strong >= max(moving.STIRS, moving.WEAK * float(strong.max()))
    labels[near][moves[near]] = cv2.GC_PR_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(middle, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    inside = np.uint8((labels == cv2.GC_PR_FGD) | (labels == cv2.GC_FGD))
    inside = cv2.morphologyEx(inside, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    count, parts = cv2.connectedComponents(inside)
    if count == 1:
        return [(0, (box.left, box.top, box.right, box.bottom))]
    chosen = parts == 1 + int(np.argmax([strong[parts == part].sum() for part in range(1, count)]))
    columns, rows = np.flatnonzero(chosen.any(0)), np.flatnonzero(chosen.any(1))
    return [(0, (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height))]


FINDERS: dict[str, Finder] = {"body": body, "grabcut": grabcut}


def boxes_of(name: str, clips: dict[Path, np.ndarray], out: Path) -> str:
    """What a crop is called: `motion`, or the file into which boxes were written."""
    if name == "motion":
        return name
    file = out / f"{name}.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "frame", "x0", "y0", "x1", "y1"])
        for path, frames in clips.items():
            for number, sides in FINDERS[name](frames):
                writer.writerow([path, number, *np.multiply(sides, [WIDTH, HEIGHT, WIDTH, HEIGHT]).round(2)])
    return str(file)


def framing(asked: str) -> Callable[..., Box]:
    """What takes the place of :func:`kinema.boxes.box.framed`."""
    kind, _, number = asked.partition(":")

    def fitted(box: Box, shape: tuple[int, int], aspect: float, squeeze: bool) -> Box:
        return framed(box, shape, aspect, squeeze, float(number))

    def square(box: Box, shape: tuple[int, int], aspect: float, squeeze: bool) -> Box:
        across, down = (min(1.0, float(number) * min(shape) / side) for side in shape[::-1])
        left = min(max((box.left + box.right - across) / 2, 0.0), 1 - across)
        top = min(max((box.top + box.bottom - down) / 2, 0.0), 1 - down)
        return Box(left, top, left + across, top + down)

    return {"fitted": fitted, "square": square}[kind]


def whitened(paths: Sequence[Path], embedder: Embedder) -> np.ndarray:
    """The first window of each clip (N, V) as an index of them compares it."""
    reader = WindowReader(embedder.clip, Windowing())
    windows = np.concatenate([next(iter(reader.read(path))).clips for path in paths])
    copies = copied_features(some_places(paths, embedder), embedder, True)
    basis = fit_basis(copies, embedder)
    whitening = Whitening.fit(unit(basis.transform(copies)))
    features = np.concatenate([embedder.features(windows[first : first + 32]) for first in range(0, len(windows), 32)])
    return unit(whitening.transform(unit(basis.transform(features))))


def vectors_of(crop: str | None, name: str, paths: Sequence[Path], out: Path, asked: str | None) -> np.ndarray:
    """As :func:`whitened`, kept in a file, through a framing."""
    kept = out / f"{name}.npy"
    if not kept.exists():
        usual = crops.framed
        crops.framed = usual if asked is None else framing(asked)
        try:
            np.save(kept, whitened(paths, open_embedder("motion", crop=crop)))
        finally:
            crops.framed = usual
    return np.load(kept)


def halves(kinds: np.ndarray, groups: np.ndarray, half: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which clips are labelled, and which are asked for, of every second recording, for all choices of recordings."""
    rng, recordings = np.random.default_rng(0), np.unique(groups)
    for own in combinations(recordings, LABELLED):
        drawn = [rng.permutation(np.flatnonzero((kinds == kind) & np.isin(groups, own)))[:COUNT] for kind in set(kinds)]
        train = np.zeros(len(kinds), bool)
        train[np.concatenate(drawn)] = True
        asked = np.isin(groups, recordings[half::2]) & ~np.isin(groups, own)
        if asked.any():
            yield train, asked


def figures(vectors: np.ndarray, kinds: np.ndarray, tried: Iterator[tuple[np.ndarray, np.ndarray]]) -> str:
    """Top-1 and the mean over classes."""
    values = np.linalg.svd(vectors, full_matrices=False)
    values, found = values[0] * values[1], []
    for train, asked in tried:
        model = LogisticRegression(C=STRENGTH, max_iter=2000, class_weight="balanced").fit(values[train], kinds[train])
        right = model.predict(values[asked]) == kinds[asked]
        found.append((right.mean(), over_classes(right, kinds[asked])))
    return " | ".join(f"{value:.3f}" for value in np.mean(found, axis=0))


def main() -> None:
    """Find boxes, embed, measure and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actions", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--boxes", nargs="+", default=["motion", "grabcut", "body"], choices=["motion", *FINDERS])
    parser.add_argument("--framings", nargs="+", default=["fitted:1", "square:0.65", "square:1"])
    parser.add_argument("--beside", action="store_true", help="whole frames beside the first framing, too")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    folder, known = clips_of(args.actions, args.table, "mouse", args.out)
    paths = [args.out.resolve() / "mouse" / Path(path).relative_to(folder) for path in sorted(known)]
    clips = {target: shrunk(Path(path), target) for path, target in zip(sorted(known), paths, strict=True)}
    kinds, groups = (np.array([known[path][place] for path in sorted(known)]) for place in (0, 1))

    def tell(name: str, vectors: np.ndarray) -> None:
        tried = draws(np.arange(len(kinds)), kinds, groups, COUNT, False), *(halves(kinds, groups, n) for n in (0, 1))
        print(f"| {name} | {' | '.join(figures(vectors, kinds, each) for each in tried)} |", flush=True)

    whole = vectors_of(None, WHOLE, paths, args.out, None)
    tell(WHOLE, whole)
    for boxes in args.boxes:
        crop = boxes_of(boxes, clips, args.out)
        for place, asked in enumerate(args.framings):
            cut = vectors_of(crop, f"{boxes}-{asked}", paths, args.out, asked)
            tell(f"{boxes}, {asked}", cut)
            if args.beside and not place:
                tell(f"{boxes}, {asked}, beside {WHOLE}", unit(np.concatenate([whole, cut], 1)))


if __name__ == "__main__":
    main()
