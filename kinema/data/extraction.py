"""Optical flow of whole videos into a store, in parallel, resumable."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from kinema.common.addresses import resolved
from kinema.common.cluster import spread
from kinema.common.files import clear_leftovers, write_csv
from kinema.common.progress import track
from kinema.config import ClipConfig, ExtractConfig, FlowConfig
from kinema.data.fields import ClipReader
from kinema.data.loader import Each, make_loader
from kinema.data.on_device import DevicePairs, flow_device, in_threads
from kinema.errors import ConfigError, DataError, KinemaError, OutputError, VideoError, blaming
from kinema.flow import FlowStore
from kinema.video import ManifestEntry, read_manifest, write_manifest
from kinema.video.frame_cache import AnyVideo
from kinema.video.manifest import MANIFEST, UNREADABLE

Result = bool | KinemaError
"""Whether a video's flow was made now or found, or why there is none."""

Pairs = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Flow (N, 2, H, W) between two stacks of frames."""

BATCH = 16
"""Fields that are estimated together on a CPU; a video of any length needs no more memory than these."""

DEVICE_BATCH = 64
"""And on a GPU, which many pixels keep busy."""


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


def extract_flow(
    reader: ClipReader,
    entries: Sequence[ManifestEntry],
    workers: int = 0,
    device: str = "auto",
    cluster: str | None = None,
) -> Extraction:
    """Write the flow of every video to the reader's store; what is there already stays.

    Args:
        reader: whose clips and flow are wanted; it has a store.
        entries: the manifest of all videos.
        workers: processes that share the videos; 0 to work in this one. On a GPU they are threads, which decode and
            pack.
        device: where estimators compute that can choose: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", ...
        cluster: whose machines do the work, all of which see the videos and the store under their names
            (:mod:`kinema.common.cluster`); None for this one.

    Raises:
        ConfigError: the estimator cannot be used on this machine, or not on this device; or there is no such cluster.
        OutputError: another process writes to the store, or a disk is full.
    """
    if cluster is not None:
        with adding(reader, entries) as store:
            shared_out = _on_cluster(cluster, reader, entries, device)
            return summarise(store, entries, track(shared_out, "extracting flow", len(entries)))
    reader.estimator.require()
    where = flow_device(reader.estimator, device)
    with adding(reader, entries) as store:
        results: contextlib.AbstractContextManager[Iterable[Result]]
        if where.type == "cpu":
            videos = Each(partial(_extracted, reader=reader, store=store), entries)
            results = contextlib.nullcontext(make_loader(videos, workers, batch_size=None))
        else:
            pairs = DevicePairs(reader.estimator, where)
            work = partial(_extracted, reader=reader, store=store, pairs=pairs, batch=DEVICE_BATCH)
            results = in_threads(lambda place: work(entries[place]), len(entries), max(1, workers), pairs.stop)
        with results as made:
            return summarise(store, entries, track(made, "extracting flow", len(entries)))


def _on_cluster(cluster: str, reader: ClipReader, entries: Sequence[ManifestEntry], device: str) -> Iterator[Result]:
    """What becomes of each entry, in their order."""
    early: dict[int, Result] = {}
    folders, place = [resolved(reader.folder), Path(reader.flow.cache or "").resolve()], 0
    arguments = folders[0], reader.clip, dataclasses.replace(reader.flow, cache=str(folders[1])), device
    on_gpus = reader.estimator.any_device and device != "cpu"
    for (number, _), found in spread(
        cluster,
        enumerate(entries),
        _extracting,
        arguments,
        shared=folders,
        gpus=on_gpus,
        weigh=lambda item: item[1].frames * item[1].width * item[1].height,
    ):
        early[number] = found
        while place in early:
            yield early.pop(place)
            place += 1


def _extracting(
    folder: Path, clip: ClipConfig, flow: FlowConfig, device: str
) -> Callable[[tuple[int, ManifestEntry]], Result]:
    """What a worker of a cluster does with numbered entries: it writes their flow to the store that all share.

    Raises:
        ConfigError: the estimator cannot be used there.
    """
    reader = ClipReader(folder, clip, flow)
    reader.estimator.require()
    assert reader.store is not None
    work = partial(_extracted, reader=reader, store=reader.store)
    where = flow_device(reader.estimator, device)
    if where.type != "cpu":
        work = partial(work, pairs=DevicePairs(reader.estimator, where), batch=DEVICE_BATCH)
    return lambda item: work(item[1])


@contextlib.contextmanager
def adding(reader: ClipReader, entries: Sequence[ManifestEntry]) -> Iterator[FlowStore]:
    """Be the one that adds to the reader's store, whose manifest then lists these videos as well."""
    store = reader.store
    assert store is not None, "there must be a store to add flow to"
    manifest = store.folder / MANIFEST
    with store.writing():
        clear_leftovers(manifest)
        known = {entry.path: entry for entry in read_manifest(manifest)} if manifest.exists() else {}
        known |= {entry.path: entry for entry in entries}
        write_manifest(sorted(known.values(), key=lambda entry: entry.path), manifest)
        yield store


def summarise(store: FlowStore, entries: Sequence[ManifestEntry], results: Iterable[Result]) -> Extraction:
    """Count what became of each video, and report the failures in the store's folder.

    Raises:
        OutputError: what stopped one of them, such as a full disk, would stop the others too.
    """
    report = store.folder / "failures.csv"
    made, found, failures = 0, 0, []
    for entry, result in zip(entries, results, strict=True):
        if isinstance(result, OutputError):
            raise result
        if isinstance(result, KinemaError):
            failures.append((entry.path, result.reason if isinstance(result, VideoError) else str(result)))
        elif result:
            made += 1
        else:
            found += 1
    if failures:
        write_csv(report, [("path", "error"), *failures])
    else:
        report.unlink(missing_ok=True)
    return Extraction(made, found, failures, report if failures else None)


def _extracted(
    entry: ManifestEntry, *, reader: ClipReader, store: FlowStore, pairs: Pairs | None = None, batch: int = BATCH
) -> Result:
    """Write the flow of a video, and say how that went."""

    def fields(entry: ManifestEntry) -> Iterator[tuple[float, np.ndarray]]:
        with blaming(entry.path), reader.open(entry) as video:
            yield from video_fields(reader, video, entry, pairs, batch)

    return add_flow(reader, store, entry, fields)


def add_flow(
    reader: ClipReader,
    store: FlowStore,
    entry: ManifestEntry,
    fields: Callable[[ManifestEntry], Iterable[tuple[float, np.ndarray]]],
) -> Result:
    """Write the flow of a video to the store, unless it is there; say how that went.

    Args:
        reader: finds the video.
        store: to write to.
        entry: the video.
        fields: gives its flow, as :meth:`FlowStore.write` takes it; called where it is wanted.
    """
    try:
        if entry.status == UNREADABLE:
            raise VideoError(entry.path, entry.error)
        fingerprint = reader.fingerprint(entry)
        if store.has(entry.path):
            store.open(entry.path, fingerprint)
            return False
        store.write(entry.path, fingerprint, fields(entry))
        return True
    except KinemaError as error:
        return error  # raised in a worker it would come out as a traceback


def video_fields(
    reader: ClipReader, video: AnyVideo, entry: ManifestEntry, pairs: Pairs | None = None, batch: int = BATCH
) -> Iterator[tuple[float, np.ndarray]]:
    """All flow fields of an open video: seconds, ascending, and (2, H, W) float32 in pixels.

    Each frame is decoded once, in the order of time, and no more are held than a batch needs.

    Args:
        reader: says which fields there are.
        video: to read.
        entry: that of the video.
        pairs: estimates; the reader's estimator by default.
        batch: fields that are estimated together.

    Raises:
        DataError: the video is too short for a single one.
        VideoError: it cannot be read on.
    """
    count, grid = reader.field_count(entry), reader.grid(entry)
    pairs = pairs or reader.estimator.pairs
    if count == 0:
        raise DataError(f"{entry.duration:.3f} s are too short for one step of flow")
    frames: dict[float, np.ndarray] = {}
    for first in range(0, count, batch):
        begins = grid.times(np.arange(first, min(first + batch, count)))
        asked = np.round(np.stack((begins, begins + reader.flow_seconds(entry))), 6)
        frames = {time: frames[time] for time in np.unique(asked).tolist() if time in frames}
        new = [time for time in np.unique(asked).tolist() if time not in frames]
        frames.update(zip(new, reader.estimator.prepare(video.at_times(new).frames), strict=True))
        one, other = (np.stack([frames[time] for time in times]) for times in asked.tolist())
        yield from zip(begins.tolist(), pairs(one, other), strict=True)
