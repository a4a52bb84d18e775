"""Optical flow as a tool of its own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

from jsonargparse.typing import NonNegativeInt, PositiveFloat

from kinema.config import ExtractConfig
from kinema.errors import DataError

if TYPE_CHECKING:
    from kinema.data.extraction import Extraction
    from kinema.video import ManifestEntry


def list_estimators() -> None:
    """List the estimators of optical flow, with their settings and what they need."""
    from kinema.flow.estimators import describe_estimators

    print(describe_estimators())


def extract(
    videos: str,
    out: str,
    config: ExtractConfig,
    manifest: str | None = None,
    shard: str = "1/1",
    workers: NonNegativeInt | None = None,
) -> None:
    """Write the optical flow of every video of a folder to a store that training reads; interrupt and resume at will.

    Args:
        videos: folder of videos, searched with all folders in it.
        out: folder of the store; what it holds already is kept.
        config: all settings.
        manifest: what `kinema scan` wrote of the folder; it is scanned now by default.
        shard: i/n takes every n-th video, beginning with the i-th, so that n machines share the work.
        workers: processes; as many as there are cores by default, 0 to work in this one.
    """
    from kinema.data.extraction import extract_flow, parse_shard, store_reader

    part = parse_shard(shard)
    reader = store_reader(videos, out, config)
    entries = _entries(videos, manifest)
    _tell(extract_flow(reader, entries, part, (os.cpu_count() or 1) if workers is None else workers), videos, out)


def import_flow(
    folder: str,
    videos: str,
    out: str,
    config: ExtractConfig,
    bound: PositiveFloat = 20.0,
    manifest: str | None = None,
) -> None:
    """Put flow that other tools extracted into a store: folders of flow_x_*.jpg and flow_y_*.jpg, or of .flo files.

    Args:
        folder: for each video a/b.mp4 it holds a folder a/b with one file, or one pair of files, for each field.
        videos: the folder of the videos themselves.
        out: folder of the store; what it holds already is kept.
        config: how the flow was made, as training will be told.
        bound: pixels that the ends of a picture's range of grey levels stand for.
        manifest: what `kinema scan` wrote of the videos; they are scanned now by default.
    """
    from kinema.data.exchange import import_fields
    from kinema.data.extraction import store_reader

    reader = store_reader(videos, out, config)
    _tell(import_fields(folder, reader, _entries(videos, manifest), bound), folder, out)


def export_flow(store: str, out: str, format: Literal["jpg", "flo"] = "jpg", bound: PositiveFloat = 20.0) -> None:
    """Write a store's flow in the field's own formats: a folder for each video.

    Args:
        store: what `kinema flow extract` wrote.
        out: folder to write.
        format: jpg writes flow_x_00001.jpg and flow_y_00001.jpg, ...; flo writes flow_00001.flo, ..., exact.
        bound: pixels that the ends of a picture's range of grey levels stand for; longer components are cut.
    """
    from kinema.data.exchange import export_fields

    for path in export_fields(store, out, format, bound):
        print(path)


def _entries(videos: str, manifest: str | None) -> list[ManifestEntry]:
    from kinema.video import read_manifest, scan_folder

    return scan_folder(videos) if manifest is None else read_manifest(manifest)


def _tell(done: Extraction, source: str, out: str) -> None:
    for path, reason in done.failures[:20]:
        print(f"left out: {path}: {reason}", file=sys.stderr)
    if done.failures and not done.made + done.found:
        path, reason = done.failures[0]
        raise DataError(f"nothing of {source} has flow in {out} now (the first is {path}: {reason})")
    print(f"{out}: {done.made} videos added, {done.found} found, {len(done.failures)} left out")
    if done.report:
        print(done.report)
