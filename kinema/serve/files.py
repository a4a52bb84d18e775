"""What can be taken away from the page, and labels that are brought to it, over HTTP."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kinema.annotations import FORMATS, Interval, read_intervals, write_intervals
from kinema.annotations.files import KINDS
from kinema.common.files import file_name
from kinema.errors import ConfigError, DataError, KinemaError
from kinema.search import Labels
from kinema.search.labelled_videos import IndexedVideos
from kinema.serve import media
from kinema.serve import requests as read
from kinema.serve.catalog import Catalog
from kinema.serve.labelling import Asked, Labelling
from kinema.serve.responses import Json, attached
from kinema.serve.uploads import shown_name

MOST_IMPORTED = 32 << 20
"""Bytes of a file of labels."""
COLUMNS = ("by", "rank", "score", "video", "start", "end", "motion_strength", "window")
"""What a file of hits says of each; times in seconds, strength in widths per second."""
NOTES = "X-Notes"
"""The header that says, as JSON, what a format could not hold."""


class Files:
    """Hits, labels and classifiers as files.

    Args:
        catalog: the library.
        labels: its labels.
        labelling: what is asked of them.
    """

    def __init__(self, catalog: Catalog, labels: Labels, labelling: Labelling):
        self._catalog, self._labels, self._labelling = catalog, labels, labelling

    def routes(self) -> list[Route]:
        """What can be asked for; they go before those of the labels themselves."""
        return [
            Route("/api/export/{kind}", self._export, methods=["POST"]),
            Route("/api/labels/formats", self._formats, methods=["GET"]),
            Route("/api/labels/export", self._export_labels, methods=["POST"]),
            Route("/api/labels/import", self._import_labels, methods=["POST"]),
        ]

    async def _export(self, request: Request) -> Response:
        makers: dict[str, Callable[[Asked], Response]] = {
            "hits.csv": lambda asked: attached("hits.csv", "text/csv", _as_csv(self._hits(asked)).encode()),
            "clips.zip": self._clips,
            "classifier.safetensors": self._saved,
        }
        make = makers.get(request.path_params["kind"])
        if make is None:
            raise ConfigError("there is no such file; use the page's buttons")
        return await run_in_threadpool(make, await read.question(request))

    def _clips(self, asked: Asked) -> Response:
        """Hits as MP4 clips in a zip archive, with hits.csv; what could not be cut is named in problems.txt."""
        hits, problems = self._hits(asked), list[str]()
        file = tempfile.TemporaryFile()  # noqa: SIM115 (gone when it is closed, as when all of it has been sent)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # video does not compress further
            archive.writestr("hits.csv", _as_csv(hits))
            for hit in hits:
                video = file_name(Path(hit["video"]).with_suffix("").as_posix(), end=True)
                name = f"{hit['by']}-{hit['rank']:02d}-{video}-{hit['start']:.2f}s.mp4"
                try:
                    path = self._catalog.file(self._catalog.library.window(hit["window"]).path)
                    archive.writestr(name, media.cut(path, hit["start"], hit["end"]))
                except KinemaError as error:
                    problems.append(f"{name}: {error}\n")
            if problems:
                archive.writestr("problems.txt", "".join(problems))
        file.seek(0)
        return attached("clips.zip", "application/zip", iter(lambda: file.read(1 << 16), b""))

    def _saved(self, asked: Asked) -> Response:
        with tempfile.TemporaryDirectory() as folder:
            path = self._labelling.classifier().save(Path(folder, "classifier.safetensors"))
            return attached(path.name, "application/octet-stream", path.read_bytes())

    def _hits(self, asked: Asked) -> list[dict[str, Any]]:
        """The hits that the page names; what it says of them is looked up again."""
        hits, ranks = [], {"motion": 0, "appearance": 0}
        for by, number, start, end, score in read.hits(asked):
            ranks[by] += 1
            window = self._catalog.library.window(number)
            row = (by, ranks[by], score, self._catalog.name(window.path), start, end, window.strength, number)
            hits.append(dict(zip(COLUMNS, row, strict=True)))
        return hits

    def _formats(self, request: Request) -> Response:
        kinds = [{"name": one.name, "title": one.title, "suffix": one.suffix} for one in FORMATS.values()]
        return Json({"formats": kinds})

    async def _export_labels(self, request: Request) -> Response:
        return await run_in_threadpool(self._labels_as, await read.question(request))

    def _labels_as(self, asked: Asked) -> Response:
        """All labels in a format; in a zip archive where it holds one video a file."""
        chosen = FORMATS[read.chosen(asked, "to", tuple(FORMATS))]
        videos = self._videos()
        intervals = self._labels.intervals(videos)
        if not intervals:
            raise DataError("there are no labels to export; label something first")
        name = f"labels{chosen.suffix}" if chosen.suffix.startswith(".") else chosen.suffix
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder, "labels" if chosen.single else name)
            try:
                files = write_intervals(target, intervals, chosen.name, videos)
            except KinemaError as error:
                raise type(error)(str(error).replace(f"{folder}/", "")) from error
            if chosen.single:
                name = "labels.zip"
                with zipfile.ZipFile(Path(folder, name), "w", zipfile.ZIP_DEFLATED) as archive:
                    for file in files:
                        archive.write(file, file.relative_to(target).as_posix())
            answer = attached(name, "application/octet-stream", Path(folder, name).read_bytes())
        answer.headers[NOTES] = json.dumps(videos.notes)
        return answer

    async def _import_labels(self, request: Request) -> Response:
        refusal = f"the file has more than {MOST_IMPORTED >> 20} MiB; bring it in by `kinema labels import`"
        asked, body = request.query_params, await read.body_of(request, MOST_IMPORTED, refusal)
        fps = None if not asked.get("fps") else read.number(asked["fps"], "frame rate") or None
        name, kind = shown_name(asked.get("name", "")), asked.get("from") or None
        by = asked.get("by") or None
        return await run_in_threadpool(self._imported, body, name, kind, fps, by)

    def _imported(self, content: bytes, name: str, kind: str | None, fps: float | None, by: str | None) -> Response:
        videos = self._videos(fps)
        done = self._labels.add_intervals(_read(content, name, kind, videos), by, videos)
        told = {"made": done.version, "added": done.added, "already": done.already}
        return Json({**self._labelling.told(), **told, "notes": list(dict.fromkeys(videos.notes))})

    def _videos(self, fps: float | None = None) -> IndexedVideos:
        """The library's videos; what is said of them names no path."""
        videos = IndexedVideos(self._catalog.library.path, fps)
        videos.searched = "the library"
        return videos


def _as_csv(hits: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(hits)
    return text.getvalue()


def _read(content: bytes, name: str, kind: str | None, videos: IndexedVideos) -> list[Interval]:
    """The intervals of a file that was sent; its own name alone is in what is said of it."""
    if "nwb" in (kind, KINDS.get(Path(name).suffix.lower())):  # its library is not for files of strangers
        raise DataError(f"{name} may be NWB, which is brought in by `kinema labels import` alone")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        try:
            path.write_bytes(content)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "its name cannot be written"
            raise DataError(f"{name} cannot be taken in: {reason}; give it a plain name") from error
        try:
            return read_intervals(path, kind, videos)[1]
        except KinemaError as error:
            raise type(error)(str(error).replace(f"{folder}/", "")) from error
