"""The library and the clips that are sent, over HTTP. Videos are called by numbers of windows, uploads by tokens."""

from __future__ import annotations

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kinema.errors import KinemaError
from kinema.serve import requests as read
from kinema.serve.catalog import Catalog
from kinema.serve.responses import Json, called
from kinema.serve.uploads import Upload, Uploads
from kinema.serve.worker import Guarded

LISTED = 48
"""Videos that are listed at a time."""


class Routes:
    """What the library holds, and sending clips.

    Args:
        catalog: the library.
        worker: looks into uploads.
        uploads: where they lie.
    """

    def __init__(self, catalog: Catalog, worker: Guarded, uploads: Uploads):
        self._catalog, self._worker, self._uploads = catalog, worker, uploads

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
