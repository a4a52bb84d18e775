"""Hits as files to take away."""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from kinema.common.files import file_name
from kinema.errors import KinemaError
from kinema.serve import media
from kinema.serve.catalog import Catalog

COLUMNS = ("by", "rank", "score", "video", "start", "end", "motion_strength", "window")


def hits_csv(hits: Sequence[Mapping[str, Any]]) -> str:
    """Hits as CSV with the columns :data:`COLUMNS`; times in seconds, strength in widths per second."""
    return _table(COLUMNS, [[hit[name] for name in COLUMNS] for hit in hits])


def clips_zip(catalog: Catalog, hits: Sequence[Mapping[str, Any]]) -> BinaryIO:
    """Hits as MP4 clips in a zip archive, with hits.csv; what could not be cut is named in problems.txt.

    Returns:
        A temporary file, at its beginning; it is gone when it is closed.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 (who sends it closes it)
    problems: list[str] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # video does not compress further
        archive.writestr("hits.csv", hits_csv(hits))
        for hit in hits:
            video = file_name(Path(hit["video"]).with_suffix("").as_posix(), end=True)
            name = f"{hit['by']}-{hit['rank']:02d}-{video}-{hit['start']:.2f}s.mp4"
            try:
                path = catalog.file(catalog.library.window(hit["window"]).path)
                archive.writestr(name, media.cut(path, hit["start"], hit["end"]))
            except KinemaError as error:
                problems.append(f"{name}: {error}\n")
        if problems:
            archive.writestr("problems.txt", "".join(problems))
    file.seek(0)
    return file


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([columns, *rows])
    return text.getvalue()
