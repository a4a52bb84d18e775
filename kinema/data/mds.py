"""Motion Differential Sampling: of each video, the clips whose motion changes most (MSCL, section 3.4)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.data import Dataset

from kinema.data.fields import ClipReader, clip_positions
from kinema.data.loader import make_loader
from kinema.errors import DataError, KinemaError, blaming
from kinema.flow import clip_scores, grid_scores, kept_starts
from kinema.flow.differential import Variant
from kinema.progress import track
from kinema.provenance import config_sha256
from kinema.tensors import read_tensors, write_tensors
from kinema.video import ManifestEntry

CHUNK = 128
"""Fields that are held in memory together, unless two steps have more positions."""

SAVED_EVERY = 60.0
"""Seconds after which scores are written to their file."""


def field_scores(reader: ClipReader, entry: ManifestEntry, variant: Variant) -> Tensor:
    """How much motion changes at each position of a video's grid.

    Args:
        reader: reads the video's flow.
        entry: the video.
        variant: the score of a field, see :func:`kinema.flow.motion_differential`.

    Returns:
        (positions,), 0 or more.

    Raises:
        VideoError: the video cannot be read.
        DataError: the store's flow of it is missing or damaged.
    """
    count, per_step = reader.field_count(entry), reader.grid(entry).per_step
    scores = torch.zeros(count)
    chunk = max(CHUNK // per_step, 2) * per_step
    for start in range(0, count, chunk):
        before = min(start, per_step)  # change is measured between fields that follow each other in a clip
        positions = np.arange(start - before, min(start + chunk, count))
        flow = torch.from_numpy(reader.fields(entry, positions))
        scores[start : start + chunk] = grid_scores(flow, per_step, variant)[before:]
    return scores


def start_scores(reader: ClipReader, entry: ManifestEntry, scores: Tensor) -> Tensor:
    """The score of the clip at each start of a video's grid, (starts,), from its :func:`field_scores`."""
    return clip_scores(scores, clip_positions(reader.clip, 0).tolist())[: reader.grid(entry).starts]


def score_videos(
    reader: ClipReader, entries: Sequence[ManifestEntry], variant: Variant, file: Path, workers: int = 0
) -> list[Tensor | KinemaError]:
    """The :func:`field_scores` of every video, kept in a file: only what it lacks is computed, and added to it.

    Args:
        reader: reads the videos' flow.
        entries: the videos.
        variant: the score of a field.
        file: safetensors, one (positions,) tensor for each video; made if missing, and made anew if it was scored
            otherwise.
        workers: processes that share the work; 0 to work in this one.

    Returns:
        The scores of each video, or why there are none: it cannot be read, or the store's flow of it is missing or
        damaged.

    Raises:
        DataError: the file is damaged.
        OutputError: it cannot be written.
    """
    made_by = config_sha256({"recipe": reader.recipe, "variant": variant})
    known = _read_scores(file, made_by)
    names = {entry.path: f"{entry.path}:{entry.bytes}:{entry.duration}" for entry in entries}
    lacking = [entry for entry in entries if names[entry.path] not in known]
    failed: dict[str, KinemaError] = {}
    if lacking:
        loader = make_loader(_Scores(reader, lacking, variant), workers, batch_size=None)
        saved = time.monotonic()
        try:
            for entry, scores in zip(lacking, track(loader, "looking for motion", len(lacking)), strict=True):
                if isinstance(scores, KinemaError):
                    failed[entry.path] = scores
                else:
                    known[names[entry.path]] = scores
                if time.monotonic() - saved > SAVED_EVERY:
                    write_tensors(file, known, {"made_by": made_by})
                    saved = time.monotonic()
        finally:  # what is done is kept, whatever stopped it
            write_tensors(file, known, {"made_by": made_by})
    return [failed[entry.path] if entry.path in failed else known[names[entry.path]] for entry in entries]


def sample_by_motion(
    reader: ClipReader, entries: Sequence[ManifestEntry], scores: Sequence[Tensor | KinemaError]
) -> list[Tensor | KinemaError]:
    """For each video the grid positions, ascending, of the starts whose score lies above the video's median.

    Of a video without scores, the reason for that.

    Args:
        reader: whose clips start there.
        entries: the videos.
        scores: from :func:`score_videos`.
    """
    return [
        own if isinstance(own, KinemaError) else kept_starts(start_scores(reader, entry, own))
        for entry, own in zip(entries, scores, strict=True)
    ]


class _Scores(Dataset[Tensor | KinemaError]):
    def __init__(self, reader: ClipReader, entries: Sequence[ManifestEntry], variant: Variant):
        self.reader, self.entries, self.variant = reader, entries, variant

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Tensor | KinemaError:
        try:
            with blaming(self.entries[index].path):
                return field_scores(self.reader, self.entries[index], self.variant)
        except KinemaError as error:
            return error


def _read_scores(file: Path, made_by: str) -> dict[str, Tensor]:
    if not file.exists():
        return {}
    try:
        scores, about = read_tensors(file)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{file} is damaged: {error}; delete it, and the scores are made again") from error
    return scores if about.get("made_by") == made_by else {}
