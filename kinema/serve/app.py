"""The page's server: what is where, and how errors become sentences on the page."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kinema.errors import DataError, KinemaError
from kinema.search import Library
from kinema.serve.catalog import Catalog
from kinema.serve.guard import LOCAL, Guard
from kinema.serve.media import Cache
from kinema.serve.routes import WRONG, Routes
from kinema.serve.uploads import TooLarge, Uploads
from kinema.serve.worker import Guarded

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def create_app(
    index: str | Path,
    encoder: str | None = None,
    *,
    host: str = LOCAL[0],
    names: Sequence[str] = (),
    max_upload: int = 256,
    device: str = "auto",
) -> Starlette:
    """The page of an index, as an ASGI application; see :func:`kinema.serve.run` for what is given and raised."""
    library = Library(index, encoder, device=device)
    worker = Guarded(index, encoder, device=device)
    uploads = Uploads(max_upload << 20)
    cache = Cache(library.path / "previews")
    routes = Routes(Catalog(library, cache), worker, uploads, cache)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=_warm, args=(worker,), daemon=True).start()
        yield
        worker.close()
        uploads.close()

    return Starlette(
        routes=[*_static(), *routes.all()],
        middleware=[Middleware(Guard, host=host, names=names)],
        exception_handlers={KinemaError: _said, HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )


def _warm(worker: Guarded) -> None:
    with suppress(KinemaError):  # the first search will say it to who asks
        worker.ask("warm")


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
    status = 413 if isinstance(error, TooLarge) else 404 if isinstance(error, DataError) else 400
    return JSONResponse({"error": str(error)}, status)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = {404: "there is nothing here; go back to the page", 405: "this cannot be asked so; use the page"}
    return JSONResponse({"error": said.get(error.status_code, error.detail)}, error.status_code)


async def _failed(request: Request, error: Exception) -> Response:
    # a fault of ours; the server writes it to the terminal
    return JSONResponse({"error": WRONG}, 500)
