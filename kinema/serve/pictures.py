"""The pictures of videos and uploads, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kinema.errors import DataError
from kinema.serve import media
from kinema.serve import requests as read
from kinema.serve.cache import Cache
from kinema.serve.catalog import Catalog
from kinema.serve.responses import KEPT, called, ranged, webp
from kinema.serve.uploads import Uploads
from kinema.serve.worker import Guarded
from kinema.video.identity import size_and_time

PLAYED = {".webm": "video/webm", ".mkv": "video/webm", ".ogv": "video/ogg", ".mov": "video/quicktime"}
"""Kinds of files that browsers may play, beside MP4; they look at what is in it anyway, and say so if they cannot."""


class Pictures:
    """What is shown of videos.

    Args:
        catalog: the library.
        worker: decodes uploads.
        uploads: where they lie.
        cache: where pictures lie that were made once.
    """

    def __init__(self, catalog: Catalog, worker: Guarded, uploads: Uploads, cache: Cache):
        self._catalog, self._worker, self._uploads, self._cache = catalog, worker, uploads, cache

    def routes(self) -> list[Route]:
        """What can be asked for."""
        return [
            Route("/media/window/{number:digits}/{kind}", self._of_window, methods=["GET"]),
            Route("/media/video/{number:digits}", self._whole, methods=["GET"]),
            Route("/media/upload/{token}/{kind}", self._of_upload, methods=["GET"]),
        ]

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
