"""Optical flow of whole videos into a store, in parallel, resumable, in shards."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from kinema.config import ClipConfig, ExtractConfig, FlowConfig
from kinema.data.fields import ClipReader
from kinema.data.loader import make_loader
from kinema.errors import ConfigError, DataError, KinemaError, OutputError, VideoError
from kinema.files import write_text
from kinema.progress import track
from kinema.provenance import quick_sha256
from kinema.video import ManifestEntry, Video, write_manifest

MANIFEST = "manifest.csv"

BATCH = 16
"""Fields that are estimated together; a video of any length needs no more memory than these."""


@dataclass(frozen=True)
class Extraction:
    """What an extraction did.

    Attributes:
        made: videos whose flow was written now.
        found: videos whose flow was there already.
        failures: path and reason of the others.
        report: the file that lists the failures; None where there were none.
    """

    made: int
    found: int
    failures: list[tuple[str, str]]
    report: Path | None


def store_reader(videos: str | Path, store: str | Path, config: ExtractConfig) -> ClipReader:
    """A reader of a folder of videos whose flow goes to a store.

    Raises:
        ConfigError: the settings contradict each other, or the store was made with others.
        DataError, OutputError: see :class:`~kinema.flow.FlowStore`.
    """
    if config.step is not None and config.step_frames is not None:
        raise ConfigError("a step is given by step (seconds) or by step_frames (frames), not by both")
    for name in ("step", "step_frames", "step_ratio", "short_side", "center_seconds"):
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise ConfigError(f"{name} must be above 0, not {value}")
    clip = ClipConfig(
        step=config.step,
        step_frames=config.step_frames or (1 if config.step is None else None),
        short_side=config.short_side,
        center_crop=config.center_crop,
        center_seconds=config.center_seconds,
    )
    flow = FlowConfig(config.estimator, config.parameters, config.step_ratio, cache=str(store))
    return ClipReader(videos, clip, flow)


def parse_shard(text: str) -> tuple[int, int]:
    """``i/n`` as two numbers, from 1/n to n/n.

    Raises:
        ConfigError: it is something else.
    """
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts) or not 1 <= int(parts[0]) <= int(parts[1]):
        raise ConfigError(f"a shard is i/n with i from 1 to n, such as 2/8, not {text!r}")
    return int(parts[0]), int(parts[1])


def extract_flow(
    reader: ClipReader, entries: Sequence[ManifestEntry], shard: tuple[int, int] = (1, 1), workers: int = 0
) -> Extraction:
    """Write the flow of every video to the reader's store; what is there already stays.

    Args:
        reader: whose clips and flow are wanted; it has a store.
        entries: the manifest of all videos, in the same order for every shard.
        shard: (i, n): take every n-th video, beginning with the i-th.
        workers: processes that share the videos; 0 to work in this one.

    Raises:
        ConfigError: no video can have flow with these settings, such as a frame too small for the estimator.
        OutputError: another process writes the same shard, or the disk is full.
    """
    store = reader.store
    assert store is not None, "extraction needs a reader with a store"
    number, count = shard
    mine = entries[number - 1 :: count]
    report = store.folder / ("failures.csv" if count == 1 else f"failures-{number}-of-{count}.csv")
    with store.writing(shard):
        write_manifest(entries, store.folder / MANIFEST)
        results = []
        loader = make_loader(_Videos(reader, mine), workers, batch_size=None)
        for result in track(loader, "extracting flow", len(mine)):
            if result.startswith(_FATAL):
                raise OutputError(result.removeprefix(_FATAL))
            results.append(result)
        failures = [
            (entry.path, reason) for entry, reason in zip(mine, results, strict=True) if reason not in (_MADE, _FOUND)
        ]
        if failures:
            table = io.StringIO()
            csv.writer(table, lineterminator="\n").writerows([("path", "error"), *failures])
            write_text(report, table.getvalue())
        else:
            report.unlink(missing_ok=True)
    made, found = results.count(_MADE), results.count(_FOUND)
    return Extraction(made, found, failures, report if failures else None)


def missing_flow(reader: ClipReader, entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
    """The videos of which the reader's store holds nothing."""
    assert reader.store is not None
    return [entry for entry in entries if not reader.store.path(entry.path).exists()]


_MADE, _FOUND, _FATAL = "made", "found", "fatal: "


class _Videos(Dataset[str]):
    """Extracts a video when it is asked for, and says how that went."""

    def __init__(self, reader: ClipReader, entries: Sequence[ManifestEntry]):
        self.reader, self.entries = reader, entries

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> str:
        try:
            return self._extract(self.entries[index])
        except OutputError as error:
            return _FATAL + str(error)
        except VideoError as error:
            return error.reason
        except KinemaError as error:
            return str(error)

    def _extract(self, entry: ManifestEntry) -> str:
        reader, store = self.reader, self.reader.store
        assert store is not None
        if entry.error and not entry.frames:
            return entry.error
        try:
            video = quick_sha256(reader.folder / entry.path)
        except OSError as error:
            raise VideoError(reader.folder / entry.path, (error.strerror or str(error)).lower()) from error
        if store.has(entry.path, video):
            return _FOUND
        count = reader.field_count(entry)
        if count == 0:
            raise DataError(f"{entry.duration:.3f} s are too short for one step of flow")
        with reader.open(entry) as opened:
            store.write(entry.path, video, self._fields(opened, entry, count))
        return _MADE

    def _fields(self, video: Video, entry: ManifestEntry, count: int) -> Iterator[tuple[float, np.ndarray]]:
        times = self.reader.grid(entry).times(np.arange(count))
        for start in range(0, count, BATCH):
            positions = np.arange(start, min(start + BATCH, count))
            yield from zip(times[positions].tolist(), self.reader.estimate(video, entry, positions), strict=True)
