"""Snippets of each class in a folder: a moving grid, a still sheet of all classes, clips, and a table of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from kinema.common.files import atomic_path, file_name, file_names, refuse_present, write_csv
from kinema.common.progress import track
from kinema.config import overlaid
from kinema.config.requests import ExamplesConfig
from kinema.errors import DataError, KinemaError, blaming
from kinema.overview.examples import TILE, Example, Examples, contact_sheet, moving_grid, part_shown
from kinema.overview.labelled import LabelledFiles

SHEET = "contact_sheet"
TABLE = "snippets.csv"
COLUMNS = ("class", "place", "video", "start", "end", "confidence", "grid", "clip")
ROWS = 100
"""Classes of one contact sheet; more of them have several."""
_PLACE_OF_CLIPS = "clips"


@dataclass(frozen=True)
class Snippets:
    """What was written of a class.

    Attributes:
        label: the class.
        labels: how many there are of it.
        examples: how many of them are shown.
        videos: how many videos these are of.
        grid: the moving picture, or None where no video could be read.
    """

    label: str
    labels: int
    examples: int
    videos: int
    grid: Path | None


def write_snippets(
    labelled: LabelledFiles,
    out: str | Path,
    config: ExamplesConfig | None = None,
    *,
    clips: bool = False,
    **settings: Any,
) -> tuple[list[Snippets], list[str]]:
    """Write snippets of each class to a folder that is not there yet, all of it or nothing.

    ``CLASS.webp`` is a moving grid of examples of a class, ``contact_sheet.png`` a still picture of all classes, and
    ``snippets.csv`` says which labels are shown. Signs that file names cannot hold are replaced.

    Args:
        labelled: the labels.
        out: the folder.
        config: which labels are shown; None for the defaults.
        clips: whether to cut each example out of its video, too, as ``clips/CLASS/VIDEO_START-END.mp4``.
        settings: fields of :class:`~kinema.config.requests.ExamplesConfig` by name, in place of those of ``config``.

    Returns:
        What was written of each class, and sentences on what could not be.

    Raises:
        DataError: no video can be read.
        OutputError: the folder is there, or cannot be written.
    """
    refuse_present(out)
    examples = Examples(labelled, overlaid("snippets", config or ExamplesConfig(), settings), TILE[1])
    names = file_names(labelled.colours)
    notes: list[str] = []
    done: list[Snippets] = []
    with atomic_path(out) as folder:
        try:
            folder.mkdir()
            rows: list[tuple[object, ...]] = [COLUMNS]
            shown: dict[str, list[Example]] = {}
            for label in track(labelled.colours, "Looking at classes"):
                found = examples.of(label)
                grid = f"{names[label]}.webp" if found else ""
                if found:
                    with blaming(found[0].path):
                        pictures = moving_grid(found)
                    (folder / grid).write_bytes(pictures)
                    shown[label] = [_still(one) for one in found]
                for place, one in enumerate(found, 1):
                    clip = _cut(one, folder, names[label], notes) if clips else ""
                    row = one.interval
                    said = "" if row.confidence is None else row.confidence
                    rows.append((label, place, row.file, row.start, row.end, said, grid, clip))
                videos = len({one.path for one in found})
                target = Path(out) / grid if found else None
                done.append(Snippets(label, len(labelled.of(label)), len(found), videos, target))
            if not shown:
                raise DataError(f"no video of the labels can be read: {next(iter(examples.broken.values()))}")
            _write_sheets(shown, folder)
            write_csv(folder / TABLE, rows)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    notes = [*(f"passed over: {said}" for said in examples.broken.values()), *notes]
    return done, notes + _renamed(names)


def _still(one: Example) -> Example:
    """What a sheet needs of an example, so that not all frames are held until it is written."""
    middle = len(one.frames) // 2
    return Example(one.interval, one.path, one.frames[middle : middle + 1].copy())


def _write_sheets(shown: dict[str, list[Example]], folder: Path) -> None:
    rows, number = iter(shown.items()), 0
    while part := dict(islice(rows, ROWS)):
        ending = f"-{number // ROWS + 1}" if number else ""
        contact_sheet(part, number + 1).save(folder / f"{SHEET}{ending}.png", optimize=True)
        number += len(part)


def _cut(one: Example, folder: Path, home: str, notes: list[str]) -> str:
    """Cut an example out of its video; return the clip's path in the folder, or nothing if that cannot be done."""
    from kinema.serve.media import CUT_SECONDS, cut

    start, end = part_shown(one.interval, CUT_SECONDS)
    if one.interval.end - one.interval.start > CUT_SECONDS:
        notes.append(f"of {one.interval.label!r} in {one.interval.file} only the middle {CUT_SECONDS:g} s are a clip")
    video = file_name(PurePosixPath(one.interval.file).with_suffix("").as_posix(), end=True)
    target = folder / _PLACE_OF_CLIPS / home / f"{video}_{start:.2f}-{end:.2f}.mp4"
    number = 1
    while target.exists():  # of two subjects, or of two paths that are alike as names
        number += 1
        target = target.with_name(f"{video}_{start:.2f}-{end:.2f}-{number}.mp4")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.write_bytes(cut(one.path, start, end))
    except KinemaError as error:
        notes.append(f"no clip: {error}")
        return ""
    return target.relative_to(folder).as_posix()


def _renamed(names: dict[str, str]) -> list[str]:
    odd = [f"{label!r} is {name}" for label, name in names.items() if label != name]
    return [f"in names of files {', '.join(odd[:3])}{' and so on' if len(odd) > 3 else ''}"] if odd else []
