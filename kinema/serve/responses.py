"""How the server answers: JSON that can always be sent, pictures, files and parts of them, lines as work goes on."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from kinema.errors import KinemaError, VideoError

KEPT = {"Cache-Control": "private, max-age=3600"}
WRONG = "something went wrong; the terminal in which the page was started says what"

Steps = Generator[dict[str, Any], None, None]


class Json(JSONResponse):
    """JSON in ASCII, so that no letter of a file's name, not even half a letter, keeps it from being sent."""

    def render(self, content: Any) -> bytes:
        """The bytes."""
        return json.dumps(content, separators=(",", ":")).encode()


@contextmanager
def called(path: str, name: str) -> Iterator[None]:
    """Errors call a file by the name that the page shows."""
    try:
        yield
    except VideoError as error:
        raise VideoError(name, error.reason) from error
    except KinemaError as error:
        raise type(error)(str(error).replace(path, name)) from error


def webp(content: bytes) -> Response:
    """A picture that the browser may keep."""
    return Response(content, media_type="image/webp", headers=KEPT)


def attached(name: str, kind: str, content: bytes | Iterator[bytes]) -> Response:
    """A file to be saved."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if isinstance(content, bytes):
        return Response(content, media_type=kind, headers=headers)
    return StreamingResponse(content, media_type=kind, headers=headers)


def ranged(request: Request, content: bytes, kind: str) -> Response:
    """A file, or the one range of it that is asked for; ranges that are no such thing are passed over."""
    headers = {**KEPT, "Accept-Ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", request.headers.get("range", ""))
    if asked is None or asked[1] == asked[2] == "":
        return Response(content, media_type=kind, headers=headers)
    size = len(content)
    first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
    last = min(size - 1, int(asked[2])) if asked[1] and asked[2] else size - 1
    if first > last:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Response(content[first : last + 1], 206, media_type=kind, headers=headers)


def lines(steps: Steps) -> Response:
    """What happens, as lines of JSON; where nobody listens any more, the steps are closed."""
    return StreamingResponse(_told(steps), media_type="application/x-ndjson")


async def _told(steps: Steps) -> AsyncIterator[str]:
    try:
        async for line in iterate_in_threadpool(_lines(steps)):
            yield line
    finally:
        with anyio.CancelScope(shield=True):  # what the steps have begun takes a moment to end
            await run_in_threadpool(steps.close)


def _lines(steps: Steps) -> Iterator[str]:
    """An error is the last line, since the status has long been sent."""
    try:
        for step in steps:
            yield json.dumps(step) + "\n"
    except KinemaError as error:
        yield json.dumps({"error": str(error)}) + "\n"
    except FileNotFoundError:  # an upload that was deleted meanwhile
        yield json.dumps({"error": "this clip is no longer kept; choose it again"}) + "\n"
    except Exception:  # a fault of ours
        traceback.print_exc()
        yield json.dumps({"error": WRONG}) + "\n"
