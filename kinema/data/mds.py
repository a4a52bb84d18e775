"""Motion Differential Sampling: of each video, the clips whose motion changes most (MSCL, section 3.4)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from kinema.common.files import atomic_path
from kinema.common.parts import ROWS, Parts
from kinema.common.progress import track
from kinema.common.provenance import config_sha256
from kinema.data.fields import ClipReader, clip_positions
from kinema.data.loader import Each, make_loader
from kinema.errors import DataError, KinemaError, blaming, words_of
from kinema.flow import clip_scores, grid_scores, kept_starts
from kinema.flow.differential import Variant
from kinema.video import ManifestEntry

CHUNK = 128
"""Fields that are held in memory together, unless two steps have more positions."""

SCHEMA = pa.schema([("key", pa.uint64()), ("check", pa.uint64()), ("scores", pa.list_(pa.float32()))])
"""Of kept scores: two numbers that stand for a video, and the score of each position of its grid."""


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
    return clip_scores(scores, clip_positions(reader.clip, 0).tolist())[: reader.starts(entry)]


class ByVideo(Protocol):
    """Something of each video by its position, found when it is asked for, or why there is none."""

    def __getitem__(self, place: int, /) -> Tensor | KinemaError: ...


class MotionScores:
    """The :func:`field_scores` of videos, in one table, or why there are none.

    Args:
        table: of :data:`SCHEMA`.
        rows: (N,) the row of each video; -1 for none.
        failed: why there are none, by position.
    """

    def __init__(self, table: pa.Table, rows: np.ndarray, failed: Mapping[int, KinemaError]):
        self._scores, self._rows, self._failed = table.column("scores"), rows, failed

    def __getitem__(self, place: int) -> Tensor | KinemaError:
        if place in self._failed:
            return self._failed[place]
        return torch.from_numpy(self._scores[int(self._rows[place])].values.to_numpy().copy())


def score_videos(
    reader: ClipReader, entries: Sequence[ManifestEntry], variant: Variant, file: Path, workers: int = 0
) -> MotionScores:
    """The :func:`field_scores` of every video, kept in a file: only what it lacks is computed, and added to it.

    Args:
        reader: reads the videos' flow.
        entries: the videos.
        variant: the score of a field.
        file: Parquet, with a row of scores for each video; made if missing, and made anew if it was scored otherwise.
            While scores are made they lie in parts beside it.
        workers: processes that share the work; 0 to work in this one.

    Returns:
        The scores of each video, or why there are none: it cannot be read, or the store's flow of it is missing or
        damaged.

    Raises:
        DataError: the file is damaged.
        OutputError: it cannot be written.
    """
    about = {b"made_by": config_sha256({"recipe": reader.recipe, "variant": variant}).encode()}
    parts = Parts[tuple[int, int, Tensor]](file, lambda rows: _table(rows, about))
    earlier = [_read_scores(path, about) for path in (file, *parts.earlier())]
    known = pa.concat_tables([SCHEMA.empty_table(), *(table.replace_schema_metadata() for table in earlier)])
    keys = np.fromiter((half for entry in entries for half in _key(entry)), np.uint64, 2 * len(entries)).reshape(-1, 2)
    rows = _find(known, keys)
    failed: dict[int, KinemaError] = {}
    lacking = np.flatnonzero(rows < 0)
    if len(lacking):
        places, made = lacking.tolist(), len(known)
        each = Each(partial(_scored, reader, entries, variant), places)
        loader = make_loader(each, workers, batch_size=None)
        try:
            for place, scores in zip(places, track(loader, "looking for motion", len(places)), strict=True):
                if isinstance(scores, KinemaError):
                    failed[place] = scores
                else:
                    parts.add((*keys[place].tolist(), scores))
                    rows[place], made = made, made + 1
        finally:  # what is done is kept, whatever stopped it
            parts.flush()
    if parts.tables or parts.earlier():
        known = pa.concat_tables([known, *(table.replace_schema_metadata() for table in parts.tables)])
        with atomic_path(file) as temporary:
            pq.write_table(known.replace_schema_metadata(about), temporary, row_group_size=ROWS)
        parts.finish()
    return MotionScores(known, rows, failed)


@dataclass(eq=False, repr=False)
class Kept:
    """For each video the grid positions, ascending, of the starts whose score lies above the video's median. Of a video
    without scores, the reason for that.

    Attributes:
        reader: whose clips start there.
        entries: the videos.
        scores: from :func:`score_videos`.
    """

    reader: ClipReader
    entries: Sequence[ManifestEntry]
    scores: ByVideo

    def __getitem__(self, place: int) -> Tensor | KinemaError:
        own = self.scores[place]
        if isinstance(own, KinemaError):
            return own
        return kept_starts(start_scores(self.reader, self.entries[place], own))


def _table(rows: Sequence[tuple[int, int, Tensor]], about: Mapping[bytes, bytes]) -> pa.Table:
    key, check, scores = zip(*rows, strict=True)
    values = pa.array([one.numpy() for one in scores], SCHEMA.field("scores").type)
    return pa.table([pa.array(key, pa.uint64()), pa.array(check, pa.uint64()), values], SCHEMA.with_metadata(about))


def _key(entry: ManifestEntry) -> tuple[int, int]:
    """Two numbers that stand for a video and what is known of its file."""
    digest = hashlib.blake2b(os.fsencode(f"{entry.path}:{entry.bytes}:{entry.duration}"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _find(known: pa.Table, keys: np.ndarray) -> np.ndarray:
    """The rows (N,) of a table with the ``keys`` (N, 2); -1 for none."""
    have = np.stack([known.column(name).to_numpy() for name in ("key", "check")], 1)
    order = np.argsort(have[:, 0], kind="stable")
    place = np.searchsorted(have[order, 0], keys[:, 0])
    rows = np.append(order, 0)[place]
    if not len(have):
        return np.full(len(keys), -1)
    return np.where((have[rows] == keys).all(1) & (place < len(have)), rows, -1)


def _scored(reader: ClipReader, entries: Sequence[ManifestEntry], variant: Variant, place: int) -> Tensor | KinemaError:
    entry = entries[place]
    try:
        with blaming(entry.path):
            return field_scores(reader, entry, variant)
    except KinemaError as error:
        return error


def _read_scores(file: Path, about: Mapping[bytes, bytes]) -> pa.Table:
    if not file.exists():
        return SCHEMA.empty_table()
    try:
        with file.open("rb") as opened:
            found = pq.ParquetFile(opened)
            if (found.schema_arrow.metadata or {}).get(b"made_by") != about[b"made_by"]:
                return SCHEMA.empty_table()
            return found.read().cast(SCHEMA)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is damaged: {words_of(error)}; delete it, and the scores are made again") from error
