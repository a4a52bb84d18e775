"""What the page can ask. Videos are called by numbers of windows, uploads by tokens; nothing by a path."""

from __future__ import annotations

import json
import tempfile
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from kinema.errors import ConfigError, KinemaError, VideoError
from kinema.search import Answer, EmbeddedQuery, Window
from kinema.serve import asked as read
from kinema.serve import exports, media
from kinema.serve.catalog import Catalog
from kinema.serve.uploads import Uploads
from kinema.serve.worker import MAX_SECONDS, Guarded

TOP, MOST_TOP = 12, 60
LISTED = 48
"""Videos that are listed at a time."""
REMEMBERED = 32
"""Embedded queries that are kept, so that another filter costs no second reading."""
WHOLE = 1e9
"""Seconds; later than the end of any video."""
KEPT = {"Cache-Control": "private, max-age=3600"}
WRONG = "something went wrong; the terminal in which the page was started says what"


class Routes:
    """The answers.

    Args:
        catalog: the library.
        worker: reads uploads and embeds.
        uploads: where they lie.
        cache: where pictures lie that were made once.
    """

    def __init__(self, catalog: Catalog, worker: Guarded, uploads: Uploads, cache: media.Cache):
        self._catalog, self._worker, self._uploads, self._cache = catalog, worker, uploads, cache
        self._embedding = threading.Lock()
        self._embedded: OrderedDict[tuple[Any, ...], EmbeddedQuery] = OrderedDict()

    def all(self) -> list[Route]:
        """The routes, beside the page's own files."""
        get, post = ["GET"], ["POST"]
        return [
            Route("/api/library", self._about, methods=get),
            Route("/api/videos", self._videos, methods=get),
            Route("/api/map", self._map, methods=get),
            Route("/api/source/window/{number:int}", self._indexed, methods=get),
            Route("/api/uploads", self._upload, methods=post),
            Route("/api/uploads/{token}", self._forget, methods=["DELETE"]),
            Route("/api/search", self._search, methods=post),
            Route("/api/classify", self._classify, methods=post),
            Route("/api/export/{kind}", self._export, methods=post),
            Route("/media/window/{number:int}/{kind}", self._window_picture, methods=get),
            Route("/media/upload/{token}/{kind}", self._upload_picture, methods=get),
        ]

    # the library

    def _about(self, request: Request) -> Response:
        return JSONResponse({**self._catalog.about(), "max_upload": self._uploads.limit})

    def _videos(self, request: Request) -> Response:
        asked = request.query_params
        offset = int(read.number(asked.get("offset", 0), "offset"))
        return JSONResponse(self._catalog.videos(asked.get("text", "")[:200], offset, LISTED))

    def _map(self, request: Request) -> Response:
        return JSONResponse(self._catalog.map())

    def _indexed(self, request: Request) -> Response:
        window = self._window(request)
        seen = media.footage(self._catalog.file(window.path))
        return JSONResponse({**self._catalog.window(window), "duration": seen.duration, "fps": seen.fps})

    def _window(self, request: Request) -> Window:
        return self._catalog.library.window(int(read.number(request.path_params["number"], "window")))

    # pictures

    def _window_picture(self, request: Request) -> Response:
        window = self._window(request)
        kind = request.path_params["kind"]
        if kind == "still":
            return Response(self._catalog.library.thumbnail(window), media_type="image/jpeg", headers=KEPT)
        path = self._catalog.file(window.path)
        status = path.stat()
        key: tuple[Any, ...] = (str(path), status.st_size, status.st_mtime_ns)
        if kind == "strip":
            return _webp(self._cache.get((*key, kind), lambda: media.strip(path)))
        start, end = read.part(request, window.start, window.end)
        shown = read.picture_kind(kind)
        return _webp(self._cache.get((*key, kind, start, end), lambda: media.moving(path, start, end, shown)))

    def _upload_picture(self, request: Request) -> Response:
        upload, kind = self._uploads.get(request.path_params["token"]), request.path_params["kind"]
        if kind == "strip":
            return _webp(self._ask(upload.name, "strip", str(upload.path)))
        start, end = read.part(request, 0.0, media.LONGEST)
        return _webp(self._ask(upload.name, "moving", str(upload.path), start, end, read.picture_kind(kind)))

    # clips that are sent

    async def _upload(self, request: Request) -> Response:
        promised = request.headers.get("content-length", "0")
        upload = await self._uploads.receive(
            request.stream(), request.query_params.get("name", ""), int(promised) if promised.isdecimal() else 0
        )
        try:
            seen = await run_in_threadpool(self._ask, upload.name, "probe", str(upload.path))
        except KinemaError:
            self._uploads.drop(upload.token)
            raise
        return JSONResponse({"token": upload.token, "name": upload.name, "duration": seen.duration, "fps": seen.fps})

    def _forget(self, request: Request) -> Response:
        self._uploads.drop(request.path_params["token"])
        return Response(status_code=204)

    def _ask(self, name: str, task: str, path: str, *arguments: Any) -> Any:
        try:
            return self._worker.ask(task, path, *arguments)
        except VideoError as error:
            raise VideoError(name, error.reason) from error

    # searching

    async def _search(self, request: Request) -> Response:
        asked = await read.question(request)
        return StreamingResponse(_lines(self._found(asked)), media_type="application/x-ndjson")

    def _found(self, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Lines for the page: what is being done, and at last the answers."""
        filters = self._catalog.filters(read.as_object(asked.get("filters")))
        top = min(int(read.number(asked.get("top", TOP), "top")), MOST_TOP)
        source = read.as_object(asked.get("source"))
        name, query = yield from self._query(source)
        yield {"doing": "Comparing with the library"}
        answers = self._catalog.library.search_all(query, top=max(1, top), filters=filters)
        yield {
            "query": {"name": name, "start": query.query.start, "end": query.query.end},
            "strength": round(query.query.strength, 4),
            **{answer.by: self._answer(answer, name) for answer in answers},
        }

    def _query(self, source: Mapping[str, Any]) -> Generator[dict[str, Any], None, tuple[str, EmbeddedQuery]]:
        library = self._catalog.library
        if "like" in source:
            window = library.window(int(read.number(source["like"], "window")))
            return self._catalog.name(window.path), library.embed(window)
        start, end = read.number(source.get("start", 0), "start"), read.number(source.get("end", WHOLE), "end")
        if end <= start:
            raise ConfigError("the chosen part is empty; let its end come after its start")
        if "upload" in source:
            upload = self._uploads.get(str(source["upload"]))
            end = min(end, MAX_SECONDS)  # whatever the file's header says
            name, path, key = upload.name, upload.path, (upload.token, 0, start, end)
        else:
            window = library.window(int(read.number(source.get("window"), "window")))
            name, path = self._catalog.name(window.path), self._catalog.file(window.path)
            key = (str(path), path.stat().st_mtime_ns, start, end)
        known = self._embedded.get(key)
        if known is None:
            yield {"doing": f"Reading {name}"}
            with self._embedding:
                known = self._embedded.get(key)  # who waited here may find it done
                if known is None:
                    known = yield from self._embed(name, str(path), start, end)
                    self._embedded[key] = known
                    while len(self._embedded) > REMEMBERED:
                        self._embedded.popitem(last=False)
        return name, known

    def _embed(self, name: str, path: str, start: float, end: float) -> Generator[dict[str, Any], None, EmbeddedQuery]:
        steps = self._worker.follow("embed", path, start, end)
        try:
            while True:
                yield {"doing": f"Reading {name}, {next(steps):.1f} s read"}
        except StopIteration as stop:
            return stop.value
        except VideoError as error:
            raise VideoError(name, error.reason) from error
        except KinemaError as error:
            raise ConfigError(str(error).replace(path, name)) from error
        finally:
            steps.close()

    def _answer(self, answer: Answer, name: str) -> dict[str, Any]:
        said = []
        for warning in answer.warnings:
            warning = warning.replace(answer.query.path, name)
            for hit in answer.hits:
                warning = warning.replace(hit.path, self._catalog.name(hit.path))
            said.append(warning)
        return {"hits": [self._catalog.hit(hit) for hit in answer.hits], "warnings": said}

    # labels, exports

    async def _classify(self, request: Request) -> Response:
        labels = read.labels(await read.question(request))
        return JSONResponse(await run_in_threadpool(self._classified, labels))

    def _classified(self, labels: Mapping[int, str]) -> dict[str, Any]:
        return self._catalog.classified(self._catalog.library.train_classifier(labels))

    async def _export(self, request: Request) -> Response:
        makers: dict[str, Callable[[Mapping[str, Any]], Response]] = {
            "hits.csv": lambda asked: _file("hits.csv", "text/csv", exports.hits_csv(self._hits(asked)).encode()),
            "clips.zip": self._clips,
            "labels.csv": lambda asked: _file(
                "labels.csv", "text/csv", exports.labels_csv(self._catalog, read.labels(asked)).encode()
            ),
            "classifier.safetensors": self._classifier,
        }
        make = makers.get(request.path_params["kind"])
        if make is None:
            raise ConfigError("there is no such file; use the page's buttons")
        return await run_in_threadpool(make, await read.question(request))

    def _clips(self, asked: Mapping[str, Any]) -> Response:
        archive = exports.clips_zip(self._catalog, self._hits(asked))
        parts = iter(lambda: archive.read(1 << 16), b"")
        return StreamingResponse(parts, media_type="application/zip", headers=_attached("clips.zip"))

    def _classifier(self, asked: Mapping[str, Any]) -> Response:
        trained = self._catalog.library.train_classifier(read.labels(asked))
        with tempfile.TemporaryDirectory() as folder:
            path = trained.save(Path(folder, "classifier.safetensors"))
            return _file(path.name, "application/octet-stream", path.read_bytes())

    def _hits(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The hits that the page names; what it says of them is looked up again."""
        hits, ranks = [], {"motion": 0, "appearance": 0}
        for by, number, start, end, score in read.hits(asked):
            ranks[by] += 1
            window = self._catalog.library.window(number)
            row = (by, ranks[by], score, self._catalog.name(window.path), start, end, window.strength, number)
            hits.append(dict(zip(exports.COLUMNS, row, strict=True)))
        return hits


def _lines(steps: Iterator[dict[str, Any]]) -> Iterator[str]:
    """What happens as lines of JSON; an error is the last of them, since the status has long been sent."""
    try:
        for step in steps:
            yield json.dumps(step) + "\n"
    except KinemaError as error:
        yield json.dumps({"error": str(error)}) + "\n"
    except Exception:  # a fault of ours
        traceback.print_exc()
        yield json.dumps({"error": WRONG}) + "\n"


def _webp(content: bytes) -> Response:
    return Response(content, media_type="image/webp", headers=KEPT)


def _file(name: str, kind: str, content: bytes) -> Response:
    return Response(content, media_type=kind, headers=_attached(name))


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
