"""Running the page on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from kinema.common.extras import needed_for
from kinema.errors import ConfigError

HIGHEST_PORT = 65_535


def run(
    index: str | Path,
    host: str = "127.0.0.1",
    port: int = 7860,
    *,
    encoder: str | None = None,
    names: Sequence[str] = (),
    max_upload: int = 256,
    device: str = "auto",
    browser: bool = False,
) -> None:
    """Serve the page of an index until interrupted.

    Args:
        index: folder of the index.
        host: address to listen on; on any but 127.0.0.1 other machines can reach the page, which then asks for a token
            that is in the address printed.
        port: to listen on; 0 for any that is free.
        encoder: the index's encoder, where it lies elsewhere than when the index was made.
        names: further names by which browsers reach the page.
        max_upload: MiB that a clip sent to the page may have.
        device: of the encoder.
        browser: open the page in the browser.

    Raises:
        ConfigError: starlette or uvicorn is missing, or nothing can listen there.
        DataError: there is no index, or it belongs to another version of kinema.
    """
    with needed_for("the page"):
        import uvicorn

        from kinema.serve.app import create_app
        from kinema.serve.guard import LOCAL
    if not 0 <= port <= HIGHEST_PORT:
        raise ConfigError(f"there is no port {port}: choose one from 1024 to {HIGHEST_PORT}, or 0 for any that is free")
    token = "" if host in LOCAL else secrets.token_urlsafe(16)
    app = create_app(index, encoder, host=host, names=names, token=token, max_upload=max_upload, device=device)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if os.name == "posix":  # elsewhere it would let another program listen there too
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()  # who opens the address at once is answered as soon as the server runs
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigError(
                f"cannot listen on {host} port {port}: {reason}; choose another --port or --host"
            ) from error
        if host not in LOCAL:
            print(
                f"warning: everybody who can reach {host} and has this address can search these videos and watch parts "
                "of them; it is sent unencrypted",
                file=sys.stderr,
            )
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        address = f"http://{shown}:{listener.getsockname()[1]}/{f'?token={token}' if token else ''}"
        print(f"{address}  (stop with Ctrl-C)", flush=True)
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        settings = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=2)
        logging.getLogger("uvicorn.error").addFilter(_matters)  # once uvicorn has set its own
        uvicorn.Server(settings).run(sockets=[listener])


def _matters(record: logging.LogRecord) -> bool:
    """Whether a message is of more than a request that was under way when the page was stopped."""
    raised = record.exc_info[0] if record.exc_info else None
    cancelled = raised is not None and issubclass(raised, asyncio.CancelledError)
    return not cancelled and "timeout graceful shutdown" not in str(record.msg)
