"""A flow store to and from the formats in which others keep flow: pairs of grey pictures, and .flo files.

A folder for each video, named as it is but without suffix. Pictures are ``flow_x_00001.jpg`` and ``flow_y_00001.jpg``,
counted from 1, whose grey levels from 0 to 255 stand for components from minus to plus a bound, in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from kinema.data.extraction import MANIFEST, Extraction
from kinema.data.fields import ClipReader
from kinema.errors import DataError
from kinema.files import atomic_path
from kinema.flow.container import open_video_flow
from kinema.flow.files import read_flow, write_flow
from kinema.flow.store import read_recipe
from kinema.progress import track
from kinema.provenance import quick_sha256
from kinema.video import ManifestEntry, write_manifest

PICTURES = ("flow_x_*.jpg", "flow_y_*.jpg")


def import_fields(folder: str | Path, reader: ClipReader, entries: Sequence[ManifestEntry], bound: float) -> Extraction:
    """Write the flow of every video to the reader's store, from files that lie in a folder.

    Args:
        folder: holds a folder for each video.
        reader: says at what times fields begin; it has a store.
        entries: the videos.
        bound: pixels.

    Raises:
        OutputError: another process writes to the store, or the disk is full.
    """
    store = reader.store
    assert store is not None, "flow is imported into a store"
    made, found, failures = 0, 0, []
    with store.writing():
        write_manifest(entries, store.folder / MANIFEST)
        for entry in track(entries, "importing flow", len(entries)):
            try:
                video = quick_sha256(reader.folder / entry.path)
                if store.has(entry.path, video):
                    found += 1
                    continue
                files = _files(Path(folder) / Path(entry.path).with_suffix(""), reader.field_count(entry))
                times = reader.grid(entry).times(np.arange(len(files))).tolist()
                store.write(entry.path, video, zip(times, (_read(names, bound) for names in files), strict=True))
                made += 1
            except (DataError, OSError) as error:
                failures.append((entry.path, str(error)))
    return Extraction(made, found, failures, None)


def _files(folder: Path, count: int) -> list[tuple[Path, ...]]:
    """The file or files of each field, in order."""
    flo = sorted(folder.glob("*.flo"))
    pictures = [sorted(folder.glob(pattern)) for pattern in PICTURES]
    found: list[tuple[Path, ...]] = [(path,) for path in flo] or list(zip(*pictures, strict=False))
    if not found or len({len(part) for part in pictures}) > 1:
        raise DataError(f"{folder} holds no .flo files, and no pairs of flow_x_*.jpg and flow_y_*.jpg")
    if len(found) < count:
        raise DataError(f"{folder} holds {len(found)} fields, {count} were expected; were they made with other steps?")
    return found[:count]


def _read(files: tuple[Path, ...], bound: float) -> np.ndarray:
    import cv2

    if len(files) == 1:
        return read_flow(files[0])[0]
    components = []
    for path in files:
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise DataError(f"{path} is damaged or no picture: make it again")
        components.append(picture.astype(np.float32) * (2 * bound / 255) - bound)
    if components[0].shape != components[1].shape:
        raise DataError(f"{files[0]} and {files[1]} differ in size: make them again")
    return np.stack(components)


def export_fields(store: str | Path, out: str | Path, format: Literal["jpg", "flo"], bound: float) -> Iterator[Path]:
    """Write the flow of every video of a store as files; yield each video's folder when it is written.

    Args:
        store: its folder.
        out: folder to write.
        format: ``jpg`` for pairs of pictures, ``flo`` for exact files.
        bound: pixels; longer components are cut.

    Raises:
        DataError: there is no store, or it is damaged.
        OutputError: the disk is full or the folder unwritable.
    """
    read_recipe(store)
    files = sorted(Path(store).rglob("*.flow"))
    for path in track(files, "exporting flow", len(files)):
        flow = open_video_flow(path)
        folder = Path(out) / path.relative_to(store).with_suffix("").with_suffix("")
        for row in range(len(flow)):
            _write(folder, row + 1, flow.read([row])[0], format, bound)
        yield folder


def _write(folder: Path, number: int, field: np.ndarray, format: Literal["jpg", "flo"], bound: float) -> None:
    import cv2

    if format == "flo":
        write_flow(folder / f"flow_{number:05d}.flo", field)
        return
    grey = np.clip(np.round((field + bound) * (255 / (2 * bound))), 0, 255).astype(np.uint8)
    for axis, component in zip("xy", grey, strict=True):
        with atomic_path(folder / f"flow_{axis}_{number:05d}.jpg") as temporary:
            temporary.write_bytes(cv2.imencode(".jpg", component)[1].tobytes())
