"""From videos to features: every video is decoded once, for all encoders, while they compute.

With a cache nothing is computed twice: features of videos that are done survive a kill, and the rest is made in
the very batches that it would have been made in, so that the outcome is the same to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.config import ClipConfig
from kinema.config.requests import Precision
from kinema.data.crops import described
from kinema.data.loader import explaining, make_loader
from kinema.device import find_device
from kinema.errors import DataError, first_few
from kinema.evaluation.looks import Uniform
from kinema.evaluation.reading import ClipsOfVideos, Read, Unread
from kinema.evaluation.table import FeatureTable, Seen
from kinema.models.modes import evaluating
from kinema.models.passes import features_of
from kinema.precision import quick_bfloat16
from kinema.processes import available_cores
from kinema.progress import track
from kinema.video.decoders import in_recipes


@dataclass(frozen=True)
class Features:
    """The features of some videos under one or several encoders, and what happened on the way.

    Attributes:
        values: (N, D) float32 on the CPU, by the encoder's name; the mean over the video's clips. (n, variants, D) of
            one whose look gives several features of each of n videos.
        clip: the geometry of the clips.
        clips: clips per video.
        precision: as asked for.
        duration: seconds of video, of all files together.
        short: positions of the videos that are shorter than a clip, which was slowed down or its last frame held.
        early: positions of the videos that end before their header says; their clips lie in what there is.
        seconds: wall time.
        waiting: seconds of it spent waiting for frames.
        read: videos that were read now; the features of the others were in the cache.
    """

    values: dict[str, Tensor] = field(repr=False)
    clip: ClipConfig
    clips: int
    precision: Precision
    duration: float
    short: tuple[int, ...]
    early: tuple[int, ...]
    seconds: float
    waiting: float
    read: int

    def __getitem__(self, name: str) -> Tensor:
        return self.values[name]

    def spec(self) -> dict[str, Any]:
        """How the features were made, for a result file."""
        return {
            "feature": "mean of the encoder's output over clips at equal distances, central crop",
            "clips": self.clips,
            "clip": described(self.clip),
            "precision": self.precision,
        }


def extract_features(
    encoders: Mapping[str, nn.Module | Seen],
    paths: Sequence[str | Path],
    clip: ClipConfig,
    *,
    clips: int = 10,
    batch_size: int = 64,
    workers: int | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    cache: str | Path | None = None,
) -> Features:
    """The features of ``paths`` under each of ``encoders``, from one decoding.

    Args:
        encoders: by name; each maps (B, 3, T, H, W) in [0, 1] to (B, D). They are put into evaluation mode meanwhile.
            One that is to look at videos in a way of its own comes as a :class:`~kinema.evaluation.table.Seen`.
        paths: the video files.
        clip: the clips' geometry.
        clips: clips per video, at equal distances from the first possible to the last; those that show the same frames
            are computed once.
        batch_size: clips at a time; a CPU computes them in smaller passes (:mod:`kinema.models.passes`).
        workers: processes that decode; None for one less than there are cores (at most 8), 0 to decode in this process.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", ...
        precision: whether autocast is allowed.
        cache: folder of a store of features (:mod:`kinema.evaluation.store`) to read from and to add to; None for none.

    Raises:
        DataError: some files cannot be read, or are too small for the clip's size; all were tried, and the sentence
            names the first of them. Or an encoder's features are not finite; the sentence names it and the first video.
        ConfigError: ``clips`` is not positive, or there is no such ``device`` here.
        OutputError: the cache cannot be written.
    """
    if not encoders or not paths:
        raise ValueError("extract_features needs at least one encoder and one video")
    began, on = time.perf_counter(), find_device(device)
    coarse = precision == "auto" and quick_bfloat16(on)
    usual = Uniform(clips)
    asked = {name: given if isinstance(given, Seen) else Seen(given, usual) for name, given in encoders.items()}
    precise = "bfloat16" if coarse else "32"
    recipe = {"clip": described(clip), "precision": precise, "device": on.type, **in_recipes()}
    table = FeatureTable(asked, paths, cache, recipe)
    missing = table.missing()
    todo = list(missing)
    looks = [tuple(dict.fromkeys(asked[name].look for name in names)) for names in missing.values()]
    loader = make_loader(
        ClipsOfVideos([paths[position] for position in todo], clip, looks),
        workers=min(available_cores() - 1, 8, len(todo)) if workers is None else workers,
        batch_size=max(1, batch_size // clips),
        collate_fn=list,
        generator=torch.Generator(),  # the loader seeds its workers from it, and so leaves the global state alone
    )
    failed: list[tuple[int, str]] = []
    waiting, begun = 0.0, time.perf_counter()
    with (
        table,
        _evaluating([seen.encoder for seen in asked.values()], on),
        explaining(),
    ):
        for batch in track(loader, "Reading videos", total=len(loader)) if todo else ():
            waiting += time.perf_counter() - begun
            failed += [(todo[read.position], read.error) for read in batch if isinstance(read, Unread)]
            good = {todo[read.position]: read for read in batch if isinstance(read, Read)}
            for name, seen in asked.items():
                reads = {position: read for position, read in good.items() if name in missing[position]}
                if reads:
                    made = _features(seen, list(reads.values()), on, batch_size, coarse)
                    table.add(name, {position: read.facts for position, read in reads.items()}, made)
            begun = time.perf_counter()
    _refuse_unreadable(failed, paths)
    values, duration, short, early = table.finished()
    return Features(
        values=values,
        clip=clip,
        clips=clips,
        precision=precision,
        duration=duration,
        short=short,
        early=early,
        seconds=time.perf_counter() - began,
        waiting=waiting,
        read=len(todo),
    )


def _features(seen: Seen, reads: Sequence[Read], device: torch.device, batch_size: int, coarse: bool) -> list[Tensor]:
    """Of each video (D,), or (variants, D) where a look has several.

    Those with several are computed a video at a time, so that no other video has a part in how they are rounded.
    """
    shown = [read.shown[seen.look] for read in reads]
    several = seen.look.variants > 1
    groups = [part.clips.flatten(0, 1) for part in shown]
    inputs = groups if several else [torch.cat(groups)]
    outputs = [
        torch.cat([features_of(seen.encoder, part, device, coarse).cpu() for part in group.split(batch_size)])
        for group in inputs
    ]
    each = torch.cat(outputs).split([len(group) for group in groups])
    values = [part.features(output) for part, output in zip(shown, each, strict=True)]
    return values if several else [value[0] for value in values]


@contextmanager
def _evaluating(encoders: Sequence[nn.Module], device: torch.device) -> Iterator[None]:
    """Encoders on ``device`` and in evaluation mode; their former mode comes back at the end."""
    with evaluating(*encoders):
        for encoder in encoders:
            encoder.to(device)
        yield


def _refuse_unreadable(failed: Sequence[tuple[int, str]], paths: Sequence[str | Path]) -> None:
    if failed:
        names = first_few([Path(paths[position]).name for position, _ in failed])
        raise DataError(
            f"{len(failed)} of {len(paths)} videos cannot be used: {names} (the first: {failed[0][1]}); "
            "repair them or take them out of the labels"
        )
