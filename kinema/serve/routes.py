"""The library, the clips that are sent, and pictures of both, over HTTP.

Videos are called by numbers of windows, uploads by tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kinema.errors import DataError, KinemaError
from kinema.serve import media
from kinema.serve import requests as read
from kinema.serve.cache import Cache
from kinema.serve.catalog import Catalog
from kinema.serve.responses import KEPT, Json, called, ranged, webp
from kinema.serve.uploads import Upload, Uploads
from kinema.serve.worker import Guarded
from kinema.video.identity import size_and_time

LISTED = 48
"""Videos that are listed at a time."""
PLAYED = {".webm": "video/webm", ".mkv": "video/webm", ".ogv": "video/ogg", ".mov": "video/quicktime"}
"""Kinds of files that browsers may play, beside MP4; they look at what is in it anyway, and say so if they cannot."""


class Routes:
    """What the library holds, sending clips, and what is shown of both.

    Args:
        catalog: the library.
        worker: looks into uploads.
        uploads: where they lie.
        cache: where pictures lie that were made once.
    """

    def __init__(self, catalog: Catalog, worker: Guarded, uploads: Uploads, cache: Cache):
        self._catalog, self._worker, self._uploads, self._cache = catalog, worker, uploads, cache

    def routes(self) -> list[Route]:
        """What can be asked for."""
        return [
            Route("/api/library", self._about, methods=["GET"]),
            Route("/api/videos", self._videos, methods=["GET"]),
            Route("/api/map", self._map, methods=["GET"]),
            Route("/api/source/window/{number:digits}", self._indexed, methods=["GET"]),
            Route("/api/source/upload/{token}", self._sent, methods=["GET"]),
            Route("/api/uploads", self._upload, methods=["POST"]),
            Route("/api/uploads/{token}", self._forget, methods=["DELETE"]),
            Route("/api/uploads/{token}/left", self._leave, methods=["POST"]),
            Route("/media/window/{number:digits}/{kind}", self._of_window, methods=["GET"]),
            Route("/media/video/{number:digits}", self._whole, methods=["GET"]),
            Route("/media/upload/{token}/{kind}", self._of_upload, methods=["GET"]),
        ]

    def _about(self, request: Request) -> Response:
        return Json({**self._catalog.about(), "max_upload": self._uploads.limit})

    def _videos(self, request: Request) -> Response:
        asked = request.query_params
        offset = int(read.number(asked.get("offset", 0), "offset"))
        return Json(self._catalog.videos(asked.get("text", "")[:200], offset, LISTED))

    def _map(self, request: Request) -> Response:
        return Json(self._catalog.map())

    def _indexed(self, request: Request) -> Response:
        window = self._catalog.library.window(read.window(request))
        return Json({**self._catalog.window(window), "duration": self._catalog.length(window)})

    def _sent(self, request: Request) -> Response:
        upload = self._uploads.get(request.path_params["token"])
        return Json(self._seen(upload))

    def _seen(self, upload: Upload) -> dict[str, object]:
        with called(str(upload.path), upload.name):
            seen = self._worker.ask("probe", str(upload.path))
        return {"token": upload.token, "name": upload.name, "duration": seen.duration}

    async def _upload(self, request: Request) -> Response:
        promised, name = request.headers.get("content-length", ""), request.query_params.get("name", "")
        size = int(promised) if re.fullmatch(r"[0-9]{1,18}", promised) else 0
        upload = await self._uploads.receive(request.stream(), name, size)
        try:
            seen = await run_in_threadpool(self._seen, upload)
        except KinemaError:
            self._uploads.drop(upload.token)
            raise
        if await request.is_disconnected():  # it was cancelled meanwhile
            self._uploads.drop(upload.token)
        return Json(seen)

    def _forget(self, request: Request) -> Response:
        self._uploads.drop(request.path_params["token"])
        return Response(status_code=204)

    def _leave(self, request: Request) -> Response:
        self._uploads.leave(request.path_params["token"])
        return Response(status_code=204)

    # pictures

    def _of_window(self, request: Request) -> Response:
        window, kind = self._catalog.library.window(read.window(request)), request.path_params["kind"]
        place = self._catalog.library.places([window.id]).get(window.id)
        box = None if place is None else place.box
        if kind == "still":
            picture = media.still(self._catalog.library.thumbnail(window), box)
            return Response(picture, media_type="image/jpeg", headers=KEPT)
        path = self._catalog.file(window.path)
        if kind == "strip":
            start, end = read.part(request, 0.0, media.NEVER)
            return webp(self._made(path, (kind, start, end), lambda: media.strip(path, start, end)))
        start, end = read.part(request, window.start, window.end)
        if kind == "watch":
            side = media.WATCHED_SIDE
            return ranged(
                request, self._made(path, (kind, start, end), lambda: media.cut(path, start, end, side)), "video/mp4"
            )
        shown = read.picture_kind(kind)
        what = (kind, start, end, *(() if box is None else (repr(box),)))
        return webp(self._made(path, what, lambda: media.moving(path, start, end, shown, box)))

    def _whole(self, request: Request) -> Response:
        """An indexed video's own file, of which the player asks for ranges."""
        path = self._catalog.file(self._catalog.library.window(read.window(request)).path)
        if not path.is_file():
            raise DataError(f"{self._catalog.name(str(path))} is no file that a browser could play whole")
        return FileResponse(path, media_type=PLAYED.get(path.suffix.lower(), "video/mp4"), headers=KEPT)

    def _made(self, path: Path, what: tuple[Any, ...], make: Callable[[], bytes]) -> bytes:
        with called(str(path), self._catalog.name(str(path))):
            return self._cache.get((str(path), *size_and_time(path), *what), make)

    def _of_upload(self, request: Request) -> Response:
        upload, kind = self._uploads.get(request.path_params["token"]), request.path_params["kind"]
        asked: tuple[Any, ...]
        if kind == "strip":
            asked = read.part(request, 0.0, media.NEVER)
        else:
            asked = *read.part(request, 0.0, media.LONGEST), read.picture_kind(kind)
        with called(str(upload.path), upload.name):
            return webp(self._worker.ask("strip" if kind == "strip" else "moving", str(upload.path), *asked))
