"""Who may ask the page for what: the names it answers to, other sites' requests, and files that may be shown.

What protects the page is that other machines cannot reach it, or need a token where they can, and that other web sites
open in the same browser cannot use it: not by a name that was made to point here (DNS rebinding: ``Host`` is checked),
nor by sending requests (``Origin`` is checked), nor by showing its pictures (``Sec-Fetch-Site`` is, too).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinema.common.addresses import address_of
from kinema.common.storage import exists
from kinema.errors import DataError

LOCAL = ("127.0.0.1", "localhost", "::1")
SAFE_METHODS = ("GET", "HEAD")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Middleware that refuses requests of strangers (status 401) and of other sites (403, 421), and adds
    :data:`HEADERS` to all answers.

    Args:
        app: what is guarded.
        host: the address that the server listens on. Beyond this machine it answers to any bare IP address, since only
            names can be made to point somewhere else, and to ``names``.
        names: further names by which browsers reach it.
        token: what the page's first address has to hold (``?token=``), and a cookie afterwards; empty for no token.
    """

    def __init__(self, app: ASGIApp, host: str = LOCAL[0], names: Iterable[str] = (), token: str = ""):
        self._app = app
        self._token = token.encode()
        self._open = host not in LOCAL
        self._names = frozenset((*LOCAL, host, *names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], scope["path"], headers)
        if refusal is not None:
            status, reason = refusal
            await JSONResponse({"error": reason}, status)(scope, receive, send_guarded)
            return
        stranger = self._stranger(scope, headers)
        await (self._app if stranger is None else stranger)(scope, receive, send_guarded)

    def _refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._known(host):
            return 421, "the page does not answer to this name; open it at the address that `kinema serve` printed"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and path != "/":
            return 403, "another web site asked for this; open the page itself"
        if method not in SAFE_METHODS and headers.get("origin") not in (f"http://{host}", f"https://{host}"):
            return 403, "this may be asked from the page itself only; open the page"
        return None

    def _stranger(self, scope: Scope, headers: Headers) -> Response | None:
        """What a browser is told that has not shown the token yet; None to those who have."""
        if not self._token:
            return None
        cookie = f"kinema-{headers.get('host', '').rpartition(':')[2] or 80}"  # browsers keep one jar for all ports
        if self._right(cookie_parser(headers.get("cookie", "")).get(cookie, "")):
            return None
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if scope["path"] == "/" and any(name == "token" and self._right(value) for name, value in asked):
            rest = urlencode([(name, value) for name, value in asked if name != "token"])
            answer = RedirectResponse(f"/?{rest}" if rest else "/", 303)
            answer.set_cookie(cookie, self._token.decode(), httponly=True, samesite="strict")
            return answer
        said = "the page is for those who have its token; open the address that `kinema serve` printed, all of it"
        return JSONResponse({"error": said}, 401)

    def _right(self, token: str) -> bool:
        return secrets.compare_digest(token.encode("utf-8", "replace"), self._token)

    def _known(self, host: str) -> bool:
        name, _, port = host.rpartition(":") if ":" in host and not host.endswith("]") else (host, "", "")
        if port and not port.isdecimal():
            return False
        name = name.removeprefix("[").removesuffix("]").lower()
        return name in self._names or (self._open and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def real_file(path: str | Path, roots: Iterable[Path]) -> Path:
    """Where an indexed video really lies, links followed, if that is within an indexed folder.

    Raises:
        DataError: it is gone, or a link now leads out of the indexed folders.
    """
    name = Path(path).name
    try:
        stored = address_of(path) is not None
        real = Path(path) if stored else Path(path).resolve(strict=True)
        there = exists(real) if stored else real.is_file() or real.is_dir()  # a folder of pictures is a video too
    except (OSError, ValueError, RuntimeError):  # missing; a null byte; a circle of links
        there = False
    if not there:
        raise DataError(f"{name} has been moved or deleted; run `kinema index` again")
    if not any(real.is_relative_to(root) for root in roots):
        raise DataError(f"{name} lies outside of the indexed folders, where a link leads; index its own folder")
    return real
