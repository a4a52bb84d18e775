"""A flow store to and from the formats in which others keep flow: pairs of grey pictures, and .flo files.

A folder for each video, named as it is but without suffix. Pictures are ``flow_x_00001.jpg`` and ``flow_y_00001.jpg``,
counted from 1, whose grey levels from 0 to 255 stand for components from minus to plus a bound, in pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from kinema.common.files import write_bytes
from kinema.common.progress import track
from kinema.data.extraction import Extraction, add_flow, adding, summarise
from kinema.data.fields import ClipReader
from kinema.errors import DataError
from kinema.flow.container import open_video_flow
from kinema.flow.files import read_flow, write_flow
from kinema.flow.store import SUFFIX, read_recipe, stored_names
from kinema.video import ManifestEntry

PICTURES = ("flow_x_*.jpg", "flow_y_*.jpg")


def import_fields(folder: str | Path, reader: ClipReader, entries: Sequence[ManifestEntry], bound: float) -> Extraction:
    """Write the flow of every video to the reader's store, from files that lie in a folder; what is there stays.

    Args:
        folder: holds a folder for each video.
        reader: says at what times fields begin; it has a store.
        entries: the videos.
        bound: pixels.

    Raises:
        DataError: two videos would have one folder.
        OutputError: another process writes to the store, or the disk is full.
    """
    folders = _folders([entry.path for entry in entries])

    def fields(entry: ManifestEntry) -> Iterator[tuple[float, np.ndarray]]:
        files = _files(Path(folder) / folders[entry.path], reader.field_count(entry))
        times = reader.grid(entry).times(np.arange(len(files))).tolist()
        return zip(times, (_read(names, bound) for names in files), strict=True)

    with adding(reader, entries) as store:
        results = (add_flow(reader, store, entry, fields) for entry in track(entries, "importing flow", len(entries)))
        return summarise(store, entries, results)


def _folders(names: Iterable[str]) -> dict[str, Path]:
    """The folder of each video's files, relative to the folder of all."""
    folders = {name: Path(name).with_suffix("") for name in names}
    owners = {folder: name for name, folder in folders.items()}
    for name, folder in folders.items():
        if owners[folder] != name:
            raise DataError(f"{name} and {owners[folder]} would share the folder {folder}: rename or move one of them")
    return folders


def _files(folder: Path, count: int) -> list[tuple[Path, ...]]:
    """The file or files of each field, in order."""
    numbered = [{_number(path): path for path in folder.glob(pattern)} for pattern in PICTURES]
    if not any(numbered):
        numbered = [{_number(path): path for path in folder.glob("*.flo")}]
    numbers = sorted(numbered[0])
    if not numbers or any(sorted(files) != numbers for files in numbered):
        raise DataError(
            f"{folder} holds no .flo files, and no pairs of flow_x_*.jpg and flow_y_*.jpg: copy all of them"
        )
    if numbers != list(range(numbers[0], numbers[0] + count)):
        raise DataError(
            f"{folder} holds {len(numbers)} fields from number {numbers[0]} to {numbers[-1]}, but {count} in a row "
            "were expected: name the step that they were made with"
        )
    return [tuple(files[number] for files in numbered) for number in numbers]


def _number(path: Path) -> int:
    """The last number in a file's name, 0 where there is none."""
    return int((re.findall(r"\d+", path.stem) or ["0"])[-1])


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
        DataError: there is no store, it is damaged, or two videos would have one folder.
        OutputError: the disk is full or the folder unwritable.
    """
    read_recipe(store)
    folders = _folders(stored_names(store))
    for name, folder in track(folders.items(), "exporting flow", len(folders)):
        flow = open_video_flow(Path(store) / f"{name}{SUFFIX}")
        for row in range(len(flow)):
            _write(Path(out) / folder, row + 1, flow.read([row])[0], format, bound)
        yield Path(out) / folder


def _write(folder: Path, number: int, field: np.ndarray, format: Literal["jpg", "flo"], bound: float) -> None:
    import cv2

    if format == "flo":
        write_flow(folder / f"flow_{number:05d}.flo", field)
        return
    grey = np.clip(np.round((field + bound) * (255 / (2 * bound))), 0, 255).astype(np.uint8)
    for axis, component in zip("xy", grey, strict=True):
        write_bytes(folder / f"flow_{axis}_{number:05d}.jpg", cv2.imencode(".jpg", component)[1].tobytes())
