"""From videos to features: every video is decoded once, for all encoders, while they compute.

With a cache nothing is computed twice: features of videos that are done survive a kill, and the rest is made in
the very batches that it would have been made in, so that the outcome is the same to the last bit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from kinema.config import ClipConfig
from kinema.data.clips import Timeline, center_cut, clip_times, clip_view, is_short, timeline, uniform_starts
from kinema.data.labels import first_few
from kinema.data.loader import make_loader
from kinema.device import find_device
from kinema.errors import ConfigError, DataError, KinemaError, VideoError, blaming
from kinema.evaluation.store import Facts
from kinema.evaluation.table import FeatureTable
from kinema.precision import autocast_for, quick_bfloat16
from kinema.progress import track

if TYPE_CHECKING:
    from kinema.video import Video

Precision = Literal["auto", "32"]
"""``auto``: bfloat16 autocast where it helps on the device; ``32``: single precision."""

EARLY = 3.0
"""Frames that may be missing at the end before a video counts as shorter than its header says; many miss one or two."""


@dataclass(frozen=True)
class Features:
    """The features of some videos under one or several encoders, and what happened on the way.

    Attributes:
        values: (N, D) float32 on the CPU, by the encoder's name; the mean over the video's clips.
        clip: the geometry of the clips.
        clips: clips per video.
        precision: as asked for.
        duration: seconds of video, of all files together.
        short: positions of the videos that are shorter than a clip, whose last frame was held.
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
            "feature": "mean of the encoder's pooled output over clips at equal distances, central crop",
            "clips": self.clips,
            "clip": asdict(self.clip),
            "precision": self.precision,
        }


@dataclass(frozen=True)
class Read:
    """One video as it leaves a worker: its clips (clips, T, H, W, 3) uint8, and what else reading told."""

    position: int
    clips: Tensor
    facts: Facts


@dataclass(frozen=True)
class Unread:
    """A video that cannot be used, and why."""

    position: int
    error: str


class ClipsOfVideos(Dataset[Read | Unread]):
    """The uniformly spaced clips of each video, read in one go from a file opened once.

    Args:
        paths: the video files.
        config: the clips' geometry.
        clips: how many of each video.
    """

    def __init__(self, paths: Sequence[str | Path], config: ClipConfig, clips: int):
        self.paths = [str(path) for path in paths]
        self.config = config
        self.clips = clips

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> Read | Unread:
        from kinema.video import Video

        try:
            path = self.paths[position]
            with blaming(path), Video(path, view=clip_view(self.config)) as video:
                found = timeline(video)
                clips, missing, shown = self._clips(video, found)
                early = missing > EARLY / found.fps
                if early:
                    found = timeline(video, shown)
                    clips, _, _ = self._clips(video, found)
        except VideoError as error:
            return Unread(position, str(error))
        except KinemaError as error:
            return Unread(position, f"{self.paths[position]}: {error}")
        return Read(position, torch.from_numpy(clips), Facts(found.duration, is_short(self.config, found), early))

    def _clips(self, video: Video, found: Timeline) -> tuple[np.ndarray, float, float]:
        """Clips (clips, T, H, W, 3), how long before the last time asked for the last frame came, and when that was."""
        starts = uniform_starts(self.config, found, self.clips)
        times = np.stack([clip_times(self.config, start, found) for start in starts])
        distinct, order = np.unique(times, return_inverse=True)
        clip = video.at_times(distinct.tolist())
        frames = center_cut(clip.frames, self.config.size)
        return frames[order.reshape(times.shape)], float(distinct[-1] - clip.timestamps[-1]), float(clip.timestamps[-1])


def extract_features(
    encoders: Mapping[str, nn.Module],
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
    """The features of ``paths`` under each of ``encoders``, which all see the same clips.

    Args:
        encoders: by name; each maps (B, 3, T, H, W) in [0, 1] to (B, D). They are put into evaluation mode meanwhile.
        paths: the video files.
        clip: the clips' geometry.
        clips: clips per video, at equal distances from the first possible to the last.
        batch_size: clips per forward pass (at least those of one video).
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
    if clips < 1:
        raise ConfigError(f"features need at least one clip a video, not {clips}; ten are usual")
    began, on = time.perf_counter(), find_device(device)
    coarse = precision == "auto" and quick_bfloat16(on)
    recipe = {"clip": asdict(clip), "clips": clips, "precision": "bfloat16" if coarse else "32", "device": on.type}
    table = FeatureTable(encoders, paths, cache, recipe)
    todo, running = table.missing()
    loader = make_loader(
        ClipsOfVideos([paths[position] for position in todo], clip, clips),
        workers=min((os.cpu_count() or 1) - 1, 8, len(todo)) if workers is None else workers,
        batch_size=max(1, batch_size // clips),
        collate_fn=list,
        generator=torch.Generator(),  # the loader seeds its workers from it, and so leaves the global state alone
    )
    failed: list[tuple[int, str]] = []
    waiting, asked = 0.0, time.perf_counter()
    autocast = autocast_for(on) if coarse else nullcontext()
    with table, _evaluating(encoders, on), torch.inference_mode(), autocast:
        for batch in track(loader, "Reading videos", total=len(loader)) if todo else ():
            waiting += time.perf_counter() - asked
            failed += [(todo[read.position], read.error) for read in batch if isinstance(read, Unread)]
            good = [read for read in batch if isinstance(read, Read)]
            if good:
                inputs = to_input(torch.stack([read.clips for read in good]), on)
                facts = {todo[read.position]: read.facts for read in good}
                for name in running:
                    outputs = encoders[name](inputs).float().cpu()
                    table.add(name, facts, outputs.unflatten(0, (len(good), clips)).mean(1))
            asked = time.perf_counter()
    _refuse_unreadable(failed, paths)
    values, seen = table.finished()
    return Features(
        values=values,
        clip=clip,
        clips=clips,
        precision=precision,
        duration=sum(facts.duration for facts in seen),
        short=tuple(position for position, facts in enumerate(seen) if facts.short),
        early=tuple(position for position, facts in enumerate(seen) if facts.early),
        seconds=time.perf_counter() - began,
        waiting=waiting,
        read=len(todo),
    )


def to_input(clips: Tensor, device: torch.device) -> Tensor:
    """(V, clips, T, H, W, 3) uint8 -> (V * clips, 3, T, H, W) float in [0, 1]."""
    return clips.to(device).flatten(0, 1).permute(0, 4, 1, 2, 3).float().div_(255)


@contextmanager
def _evaluating(encoders: Mapping[str, nn.Module], device: torch.device) -> Iterator[None]:
    """Encoders on ``device`` and in evaluation mode; their former mode comes back at the end."""
    modes = {module: module.training for encoder in encoders.values() for module in encoder.modules()}
    try:
        for encoder in encoders.values():
            encoder.to(device).eval()
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _refuse_unreadable(failed: Sequence[tuple[int, str]], paths: Sequence[str | Path]) -> None:
    if failed:
        names = first_few([Path(paths[position]).name for position, _ in failed])
        raise DataError(
            f"{len(failed)} of {len(paths)} videos cannot be used: {names} (the first: {failed[0][1]}); "
            "repair them or take them out of the labels"
        )
