"""From videos to features: every video is decoded once, for all encoders, while they compute.

With a cache nothing is computed twice: features of videos that are done survive a kill, and the rest is made in
the very batches that it would have been made in, so that the outcome is the same to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.common.addresses import shown
from kinema.common.cluster import ask, connected
from kinema.common.processes import available_cores
from kinema.common.progress import track
from kinema.config import ClipConfig
from kinema.config.requests import Precision
from kinema.data.crops import described
from kinema.data.loader import explaining, make_loader
from kinema.errors import DataError, first_few
from kinema.evaluation.batches import Made, Seeing, Wanted, arithmetic, see_on_cluster
from kinema.evaluation.looks import Uniform
from kinema.evaluation.table import FeatureTable, Seen
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
        waiting: seconds of it spent waiting for frames; on a cluster, of all its workers together.
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
    cluster: str | None = None,
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
        cluster: whose machines read and compute, all of which see the videos under their names
            (:mod:`kinema.common.cluster`); None for this one.

    Raises:
        DataError: some files cannot be read, or are too small for the clip's size; all were tried, and the sentence
            names the first of them. Or an encoder's features are not finite; the sentence names it and the first video.
        ConfigError: ``clips`` is not positive, or there is no such ``device`` here; or no such cluster, or one whose
            machines compute in several ways.
        OutputError: the cache cannot be written.
    """
    if not encoders or not paths:
        raise ValueError("extract_features needs at least one encoder and one video")
    began, waiting = time.perf_counter(), 0.0
    usual = Uniform(clips)
    asked = {name: given if isinstance(given, Seen) else Seen(given, usual) for name, given in encoders.items()}
    failed: dict[int, str] = {}
    with nullcontext() if cluster is None else connected(cluster):
        if cluster is None:
            how = arithmetic(device, precision)
        else:
            how = ask(cluster, arithmetic, device, precision, gpus=device != "cpu")
        recipe = {"clip": described(clip), "precision": how.precision, "device": how.device.type, **in_recipes()}
        table = FeatureTable(asked, paths, cache, recipe)
        missing = table.missing().items()
        todo = [Wanted(position, shown(paths[position]), tuple(names)) for position, names in missing]
        size = max(1, batch_size // clips)
        batches = [todo[first : first + size] for first in range(0, len(todo), size)]
        see = Seeing(asked, clip, how, batch_size)
        if cluster is None:
            made = _see_here(see, batches, workers)
        else:
            made = see_on_cluster(cluster, see, batches, device, precision)
        with table, explaining():
            for found in track(made, "Reading videos", total=len(batches)) if todo else ():
                failed |= found.failed
                waiting += found.waited
                for name, features in found.features.items():
                    table.add(name, {place: found.facts[place] for place in features}, list(features.values()))
    if failed:
        first, *_ = order = sorted(failed)
        unreadable = first_few([Path(paths[position]).name for position in order])
        raise DataError(
            f"{len(failed)} of {len(paths)} videos cannot be used: {unreadable} (the first: {failed[first]}); "
            "repair them or take them out of the labels"
        )
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


def _see_here(see: Seeing, batches: Sequence[Sequence[Wanted]], workers: int | None) -> Iterator[Made]:
    """What comes of batches, in their order, while processes of this machine read ahead."""
    todo = [video for batch in batches for video in batch]
    loader = make_loader(
        see.clips(todo),
        workers=min(available_cores() - 1, 8, len(todo)) if workers is None else workers,
        batch_size=len(batches[0]),
        collate_fn=list,
        generator=torch.Generator(),  # the loader seeds its workers from it, and so leaves the global state alone
    )
    begun = time.perf_counter()
    for batch, reads in zip(batches, loader, strict=True):
        yield see(batch, reads, time.perf_counter() - begun)
        begun = time.perf_counter()
