"""Motion Differential Sampling: of each video, the clips whose motion changes most (MSCL, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from kinema.data.fields import STARTS_PER_STEP, ClipReader, clip_positions
from kinema.data.loader import make_loader
from kinema.errors import VideoError
from kinema.flow import FlowCache, cache_key, clip_scores, kept_starts, motion_differential
from kinema.flow.differential import Variant
from kinema.progress import track
from kinema.video import ManifestEntry


def start_scores(reader: ClipReader, entry: ManifestEntry, variant: Variant) -> Tensor:
    """How much motion changes in the clip at each start of a video's grid; kept beside the flow where that is cached.

    Args:
        reader: reads the video's flow.
        entry: the video.
        variant: the score of a field, see :func:`kinema.flow.motion_differential`.

    Returns:
        (starts,), 0 or more.

    Raises:
        VideoError: the video cannot be read.
    """
    grid, positions = reader.grid(entry), clip_positions(reader.clip, 0)
    count = grid.starts + int(positions[-1])

    def compute() -> np.ndarray:
        with reader.open(entry) as video:
            flow = torch.from_numpy(reader.fields(video, entry, np.arange(count)))
        scores = torch.zeros(count)
        for phase in range(STARTS_PER_STEP):  # change is measured between fields that follow each other in a clip
            scores[phase::STARTS_PER_STEP] = motion_differential(flow[phase::STARTS_PER_STEP], variant)
        return clip_scores(scores, positions.tolist()).numpy()

    if reader.cache is None:
        return torch.from_numpy(compute())
    key = cache_key(flow=reader.key(entry, np.arange(count)), clip=reader.clip, scores=variant)
    return torch.from_numpy(FlowCache(reader.cache.folder, "float32").get_or_compute(key, compute))


class _Scores(Dataset[Tensor | str]):
    def __init__(self, reader: ClipReader, entries: Sequence[ManifestEntry], variant: Variant):
        self.reader, self.entries, self.variant = reader, entries, variant

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Tensor | str:
        try:
            return start_scores(self.reader, self.entries[index], self.variant)
        except VideoError as error:
            return error.reason


def sample_by_motion(
    reader: ClipReader, entries: Sequence[ManifestEntry], variant: Variant, workers: int = 0
) -> list[Tensor]:
    """For each video the grid positions, ascending, of the starts whose score lies above the video's median.

    Raises:
        VideoError: a video cannot be read.
    """
    loader = make_loader(_Scores(reader, entries, variant), workers, batch_size=None)
    kept = []
    for entry, scores in zip(entries, track(loader, "looking for motion", len(entries)), strict=True):
        if isinstance(scores, str):
            raise VideoError(reader.folder / entry.path, scores)
        kept.append(kept_starts(scores))
    return kept
