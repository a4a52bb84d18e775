"""Reading videos for encoders: every video is opened once, whatever is to be seen of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from kinema.common.addresses import shown
from kinema.common.provenance import config_sha256
from kinema.config import ClipConfig
from kinema.data.clips import Timeline, clip_view, is_short, mark_missing, timeline
from kinema.data.crops import cropping
from kinema.errors import KinemaError, VideoError, blaming
from kinema.evaluation.looks import Draw, Look
from kinema.evaluation.store import Facts, fingerprint

if TYPE_CHECKING:
    from kinema.video import Video

EARLY = 3.0
"""Frames that may be missing at the end before a video counts as shorter than its header says; many miss one or two."""


@dataclass(frozen=True)
class Shown:
    """What an encoder is shown of a video.

    Attributes:
        clips: (variants, n, T, H, W, 3) uint8.
        weights: (n,) float32, of which sum 1 is each clip's share in the mean; None where clips are not averaged.
    """

    clips: Tensor
    weights: Tensor | None

    def features(self, outputs: Tensor) -> Tensor:
        """(variants * n, D) of the clips, one after another -> (variants, D), or (variants * n, D) without a mean."""
        if self.weights is None:
            return outputs
        # no product of matrices, which autocast would round to bfloat16
        return (self.weights[:, None] * outputs.unflatten(0, self.clips.shape[:2])).sum(1)


@dataclass(frozen=True)
class Read:
    """One video as it leaves a worker: what is shown of it by each look, and what else reading told."""

    shown: Mapping[Look, Shown]
    facts: Facts


class ClipsOfVideos(Dataset[Read | str]):
    """The clips of each video, read in one go from a file opened once; or why it cannot be used.

    Args:
        paths: the video files.
        config: the clips' geometry.
        looks: of each video, how it is looked at.
    """

    def __init__(self, paths: Sequence[str | Path], config: ClipConfig, looks: Sequence[Sequence[Look]]):
        self.paths = [shown(path) for path in paths]
        self.config = config
        self.looks = looks

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> Read | str:
        from kinema.video import Video

        path, looks = self.paths[position], self.looks[position]
        try:
            with blaming(path), Video(path, view=clip_view(self.config)) as video:
                found = timeline(video)
                shown, missing, last = self._read(video, found, looks, path)
                early = missing > EARLY / found.fps
                if early:
                    found = timeline(video, last)
                    shown, _, _ = self._read(video, found, looks, path)
        except VideoError as error:
            return str(error)
        except KinemaError as error:
            return f"{path}: {error}"
        return Read(shown, Facts(found.duration, is_short(self.config, found), early))

    def _read(
        self, video: Video, found: Timeline, looks: Sequence[Look], path: str
    ) -> tuple[dict[Look, Shown], float, float]:
        """What is shown, how long before the last time asked for the last frame came, and when that was."""
        draws = {look: _draw(look, path) for look in looks}
        times = {look: look.times(self.config, found, draws[look]) for look in looks}
        distinct = np.unique(np.concatenate([each.ravel() for each in times.values()]))
        clip = video.at_times(distinct.tolist())
        _, frame = np.unique(clip.timestamps, return_inverse=True)  # several times may show one frame
        first = np.unique(frame, return_index=True)[1]
        crop = cropping(self.config, path, video.info)
        shown = {}
        for look in looks:
            rows, weights = first[frame[np.searchsorted(distinct, times[look])]], None
            if self.config.stretch:
                rows = mark_missing(rows, times[look])
            if look.averaged:
                rows, counts = np.unique(rows, axis=0, return_counts=True)
                weights = torch.from_numpy(counts / counts.sum()).float()
            frames = clip.frames
            if crop is not None:
                frames, rows, owners = crop.clips(frames, clip.timestamps, rows, look.averaged)
                if weights is not None:
                    weights = weights[owners] / torch.from_numpy(np.bincount(owners)[owners])
            clips = look.show(frames, rows, self.config.size, draws[look])
            shown[look] = Shown(torch.from_numpy(clips), weights)
        return shown, float(distinct[-1] - clip.timestamps[-1]), float(clip.timestamps[-1])


def _draw(look: Look, path: str) -> Draw:
    """Numbers that belong to a look and to what a file holds, or to its name where that is not known."""
    return tuple(bytes.fromhex(config_sha256({**look.spec(), "file": fingerprint(path) or Path(path).name})))
