"""A network that was trained with labels, on new videos: the class of each, or its bouts.

What the network has said of a video is written down as soon as the video is done, beside the file that all come to in
the end; a call that was stopped goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from kinema.annotations.bouts import find_bouts
from kinema.annotations.budgets import budgets
from kinema.annotations.interval import Interval
from kinema.common.progress import make_bar
from kinema.config import BoutConfig, overlaid
from kinema.config.windows import PredictionConfig, Windowing
from kinema.data.crops import check_boxes, described
from kinema.errors import DataError, VideoError
from kinema.jobs.journal import Kept, SaidWindow, place_beside
from kinema.jobs.labelling import Found
from kinema.methods.recognition import load_classifier
from kinema.models.sources import clip_of
from kinema.search.embedder import Embedder
from kinema.search.embedding import Finished, embed_videos
from kinema.search.windows import SeenWindow, WindowReader
from kinema.video import find_videos
from kinema.video.folder import without_videos
from kinema.video.identity import size_and_time

VERSION = 1
"""Of what is kept on the way."""


def predict(
    videos: str | Path,
    run: str | Path,
    out: str | Path,
    bouts: BoutConfig | None,
    config: PredictionConfig | None = None,
    **settings: Any,
) -> Found:
    """What a network finds in videos; of what was done before for the same file, nothing is done again.

    Args:
        videos: a folder, or a video.
        run: the folder of the training.
        out: the file that the labels are for; what is done is kept beside it until :func:`forget`.
        bouts: how they are made; None to give each video as a whole its likeliest class.
        config: how the network is shown the videos; None for the defaults.
        settings: fields of :class:`~kinema.config.windows.PredictionConfig` by name, in place of those of ``config``.

    Raises:
        ConfigError: there is no such setting, or its number is not positive.
        CheckpointError: there is no such network.
        DataError: there are no videos, or none can be read, or boxes are of none of them.
        OutputError: what is done cannot be kept.
    """
    how = overlaid("predict", config or PredictionConfig(), settings)
    network, classes = load_classifier(run)
    clip = clip_of(network.encoder)
    embedder = Embedder(network, clip if how.crop is None else replace(clip, crop=how.crop), str(run), how.device)
    windowing = Windowing(how.length, how.stride)
    reader = WindowReader(embedder.clip, windowing)
    root, paths = videos_at(videos)
    check_boxes(embedder.clip, root, paths)
    about = {"version": VERSION, "network": embedder.fingerprint, "classes": classes, "windowing": asdict(windowing)}
    if embedder.clip.crop is not None:
        about["crop"] = described(embedder.clip)["crop"]

    def said(windows: Sequence[SeenWindow]) -> list[SaidWindow]:
        if not windows:
            return []
        shares = embedder.means(windows)
        return [SaidWindow(window.start, window.end, one) for window, one in zip(windows, shares, strict=True)]

    notes: dict[str, str] = {}
    states = {}
    for path in paths:
        try:
            states[path] = size_and_time(path)
        except VideoError as error:
            notes[str(path)] = f"unreadable: {error.path}: {error.reason}"
    held: dict[int, list[SaidWindow]] = {}
    intervals: list[Interval] = []
    seconds, count = 0.0, 0
    with Kept(out, about) as kept:
        todo = [path for path, state in states.items() if not kept.has(path, state)]
        with make_bar() as progress:
            task = progress.add_task("Labelling videos", total=len(states), completed=len(states) - len(todo))
            for number, item in embed_videos(todo, reader, said, batch_size=how.batch_size, workers=how.workers):
                if not isinstance(item, Finished):
                    held.setdefault(number, []).append(item)
                    continue
                path, windows = todo[number], held.pop(number, [])
                if item.error and not windows:  # not kept: it may be readable when the next call goes on
                    notes[str(path)] = f"unreadable: {path}: {item.error}"
                else:
                    kept.add(path, states[path], windows, item.error)
                progress.advance(task)
        for path, windows, fault in kept.read(states):
            if fault:
                notes[str(path)] = f"partial: {path}: {fault}"
            if not windows:
                continue
            try:
                intervals += _found(path.relative_to(root).as_posix(), windows, classes, bouts)
            except DataError as refused:
                notes[str(path)] = f"left out: {refused}"
                continue
            count, seconds = count + 1, seconds + max(window.end for window in windows)
    if not count:
        raise DataError(f"no video of {videos} can be read ({next(iter(notes.values()))}); see `kinema scan`")
    ordered = sorted(intervals, key=lambda one: (one.file, one.start))
    names = budgets(ordered, seconds, classes if bouts is None else ())
    return Found(tuple(ordered), tuple(names), count, seconds, tuple(notes[path] for path in sorted(notes)))


def forget(out: str | Path) -> None:
    """Delete what :func:`predict` kept for a file that has been written."""
    place_beside(out).unlink(missing_ok=True)


def videos_at(videos: str | Path) -> tuple[Path, list[Path]]:
    """The folder that names are relative to, and the videos in it; or those of a video.

    Raises:
        DataError: there are none.
    """
    path = Path(videos)
    if path.is_file():
        return path.parent, [path]
    paths, others = find_videos(path)
    if not paths:
        raise DataError(without_videos(path, others))
    return path, paths


def _found(
    file: str, windows: Sequence[SaidWindow], classes: Sequence[str], config: BoutConfig | None
) -> list[Interval]:
    shares = np.stack([window.shares for window in windows])
    starts, ends = (np.array([getattr(window, name) for window in windows]) for name in ("start", "end"))
    if config is not None:
        return find_bouts(file, starts, ends, shares, classes, config)
    mean = shares.mean(0)
    best = int(mean.argmax())
    return [Interval(file, 0.0, float(ends.max()), classes[best], None, float(min(1.0, mean[best])))]
