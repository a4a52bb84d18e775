"""Pairs of frames whose flow is known, in the three layouts in which they come.

* A folder of scene folders, each with ``frame10.png``, ``frame11.png`` and ``flow10.flo``, and perhaps the masks
  ``occlusions.png`` and ``invalid.png`` (Middlebury's names, Sintel's masks).
* KITTI's layout: ``image_2/000000_10.png`` and ``_11.png``; ``flow_occ/000000_10.png`` has the flow of all pixels,
  ``flow_noc`` that of those seen in both frames.
* A CSV file with the columns ``first``, ``second`` and ``truth``, and perhaps ``occlusions`` and ``invalid``: files
  relative to the CSV file's folder, empty where there is none.

In a mask every pixel that is not black is marked.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinema.errors import DataError
from kinema.flow.files import read_flow

SCENE = ("frame10.png", "frame11.png", "flow10.flo")
MASKS = ("occlusions", "invalid")


@dataclass(frozen=True)
class TrueFlow:
    """A pair of frames and its true flow.

    Attributes:
        first: ``(H, W, 3)`` uint8 RGB.
        second: the same shape.
        flow: ``(2, H, W)`` float32, pixels, from the first to the second.
        valid: ``(H, W)`` bool, where the flow is known.
        occluded: ``(H, W)`` bool, what the second frame does not show; None where nothing tells.
    """

    first: np.ndarray
    second: np.ndarray
    flow: np.ndarray
    valid: np.ndarray
    occluded: np.ndarray | None = None


@dataclass(frozen=True)
class Scene:
    """Where a pair of frames and its true flow lie.

    Attributes:
        name: what it is called in results.
        first, second: pictures.
        truth: file of flow.
        occlusions: mask of what the second frame does not show.
        invalid: mask of where the flow is not known.
        visible: file of flow that is valid only where the second frame shows the pixel too, in place of a mask.
    """

    name: str
    first: Path
    second: Path
    truth: Path
    occlusions: Path | None = None
    invalid: Path | None = None
    visible: Path | None = None

    def read(self) -> TrueFlow:
        """Read all its files.

        Raises:
            DataError: one is missing or damaged, is of another size than the flow, or no vector is known.
        """
        flow, valid = read_flow(self.truth)
        size = valid.shape
        first, second = (_picture(path, "RGB", size) for path in (self.first, self.second))
        occluded = None
        if self.invalid:
            valid = valid & ~_mask(self.invalid, size)
        if self.occlusions:
            occluded = _mask(self.occlusions, size)
        elif self.visible:
            _, seen = read_flow(self.visible)
            if seen.shape != size:
                raise _other_size(self.visible, seen.shape, size)
            occluded = ~seen
        if not valid.any():
            raise DataError(f"{self.truth} knows the flow of no pixel: leave the scene {self.name} out")
        return TrueFlow(first, second, flow, valid, occluded)


def find_scenes(truth: str | Path) -> list[Scene]:
    """All pairs with true flow of a folder or CSV file, by name; see the top of this module for the layouts.

    Raises:
        DataError: there is no such folder or file, or it holds no scene.
    """
    truth = Path(truth)
    if truth.suffix.lower() == ".csv":
        scenes = _listed(truth)
    elif not truth.is_dir():
        raise DataError(f"there is no folder or CSV file {truth}; name one that holds frames with true flow")
    elif (truth / "image_2").is_dir():
        scenes = _kitti(truth)
    else:
        folders = sorted(folder for folder in truth.iterdir() if any((folder / name).exists() for name in SCENE))
        scenes = [_scene(folder) for folder in folders]
    if not scenes:
        raise DataError(
            f"{truth} holds no scene with true flow: expected folders with frame10.png, frame11.png and flow10.flo, "
            "KITTI's image_2 and flow_occ, or a CSV file with the columns first, second and truth"
        )
    return scenes


def _scene(folder: Path) -> Scene:
    masks = {name: folder / f"{name}.png" for name in MASKS if (folder / f"{name}.png").exists()}
    return Scene(folder.name, *(folder / name for name in SCENE), **masks)


def _kitti(folder: Path) -> list[Scene]:
    everywhere = folder / "flow_occ"
    truths = sorted((everywhere if everywhere.is_dir() else folder / "flow_noc").glob("*_10.png"))
    scenes = []
    for truth in truths:
        name = truth.stem.removesuffix("_10")
        first, second = (folder / "image_2" / f"{name}_{number}.png" for number in (10, 11))
        seen = folder / "flow_noc" / truth.name
        both = truth.parent == everywhere and seen.exists()
        scenes.append(Scene(name, first, second, truth, visible=seen if both else None))
    return scenes


def _listed(table: Path) -> list[Scene]:
    needed = ("first", "second", "truth")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            rows, columns = list(reader), reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {table}: {error}; give a CSV file in UTF-8") from error
    if not set(needed) <= set(columns) <= {*needed, *MASKS}:
        raise DataError(
            f"{table} has the columns {', '.join(columns) or '(none)'}: expected {', '.join(needed)}, and perhaps "
            f"{' and '.join(MASKS)}"
        )

    def scene(row: dict[str, str]) -> Scene:
        files = {column: table.parent / row[column] for column in (*needed, *MASKS) if row.get(column)}
        if missing := [column for column in needed if column not in files]:
            raise DataError(f"{table} has a row without {missing[0]}: name a file there or leave the row out")
        return Scene(name=row["first"], **files)

    return [scene(row) for row in rows]


def _picture(path: Path, mode: str, size: tuple[int, ...]) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            pixels = np.array(picture.convert(mode))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged or no picture"
        raise DataError(f"cannot read {path}: {reason}; copy it again") from error
    if pixels.shape[:2] != size:
        raise _other_size(path, pixels.shape, size)
    return pixels


def _mask(path: Path, size: tuple[int, ...]) -> np.ndarray:
    return _picture(path, "L", size) > 0


def _other_size(path: Path, shape: tuple[int, ...], size: tuple[int, ...]) -> DataError:
    return DataError(f"{path} has {shape[1]} x {shape[0]} pixels, the true flow {size[1]} x {size[0]}; pair them anew")
