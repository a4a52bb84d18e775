"""The page's server: what is where, and how errors become sentences on the page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from kinema.errors import DataError, KinemaError, OutputError, ServerError, without_middle
from kinema.search import Labels, Library
from kinema.search.connection import store_of
from kinema.serve.budgets import Budgets
from kinema.serve.cache import Cache
from kinema.serve.catalog import Catalog
from kinema.serve.files import Files
from kinema.serve.guard import LOCAL, Guard
from kinema.serve.labelling import Labelling
from kinema.serve.predictions import Predictions
from kinema.serve.responses import WRONG, Json
from kinema.serve.routes import Routes
from kinema.serve.searching import Searching
from kinema.serve.timeline import Timeline
from kinema.serve.uploads import TooLarge, TooMany, Uploads
from kinema.serve.worker import Guarded

STATUS: dict[type[KinemaError], int] = {TooLarge: 413, TooMany: 503, ServerError: 503, OutputError: 507, DataError: 404}
"""What an error is in HTTP, the first that fits; others are 400."""
TIDIED = 20.0
"""Seconds between two looks for uploads to delete."""
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def create_app(
    index: str | Path,
    encoder: str | None = None,
    *,
    host: str = LOCAL[0],
    names: Sequence[str] = (),
    token: str = "",
    max_upload: int = 256,
    device: str = "auto",
) -> Starlette:
    """The page of an index, as an ASGI application; see :func:`kinema.serve.run` for what is given and raised."""
    library = Library(index, encoder, device=device)
    labels = _labels(library.path)
    embedder = Guarded(index, encoder, device=device)
    reader = Guarded(index, encoder, device=device)  # so that a long clip that is embedded keeps nobody from sending
    uploads = Uploads(max_upload << 20)
    cache = Cache(store_of(library.path).beside / "previews")
    catalog = Catalog(library, cache)
    searching, predictions = Searching(catalog, embedder, uploads), Predictions(catalog, labels)
    labelling = Labelling(catalog, labels)
    rooms = (
        Routes(catalog, reader, uploads, cache),
        searching,
        Files(catalog, labels, labelling),
        labelling,
        Timeline(catalog, searching, predictions),
        Budgets(catalog, labels, predictions),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=_warm, args=(embedder, reader, predictions), daemon=True).start()
        tidying = asyncio.create_task(_tidy(uploads))
        yield
        tidying.cancel()
        for worker in (embedder, reader):
            worker.close()
        uploads.close()
        labels.close()

    return Starlette(
        routes=[*_static(), *(route for room in rooms for route in room.routes())],
        middleware=[Middleware(Guard, host=host, names=names, token=token)],
        exception_handlers={
            KinemaError: _said,
            HTTPException: _refused,
            ClientDisconnect: _unheard,
            Exception: _failed,
        },
        lifespan=lifespan,
    )


def _labels(index: Path) -> Labels:
    """The labels of an index, or, where no file can be made for them, some that end with the page, which says so."""
    try:
        return Labels(index)
    except OutputError:
        return Labels(index, keep=False)


def _warm(embedder: Guarded, reader: Guarded, predictions: Predictions) -> None:
    for ahead in (lambda: reader.ask("ready"), lambda: embedder.ask("warm"), predictions.warm):
        with suppress(KinemaError, ImportError):  # the first search will say it to who asks
            ahead()


async def _tidy(uploads: Uploads) -> None:
    while True:
        await asyncio.sleep(TIDIED)
        uploads.tidy()


def _static() -> list[Route]:
    """A route for each file of the page, and for no other file."""
    routes = []
    for file in files("kinema.serve").joinpath("static").iterdir():
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            path = "/" if file.name == "index.html" else f"/static/{file.name}"
            routes.append(Route(path, _content(file.read_bytes(), kind)))
    return routes


def _content(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return answer


async def _said(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 400)
    return Json({"error": without_middle(str(error))}, status)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = {404: "there is nothing here; go back to the page", 405: "this cannot be asked so; use the page"}
    return Json({"error": said.get(error.status_code, error.detail)}, error.status_code)


async def _unheard(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # who asked is gone


async def _failed(request: Request, error: Exception) -> Response:
    # a fault of ours; the server writes it to the terminal
    return Json({"error": WRONG}, 500)
