"""The page on a real server, for tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from kinema.serve import create_app


@contextmanager
def served(index: Path, **settings: object) -> Iterator[str]:
    """The address of the page, on a free port, in a thread."""
    server = uvicorn.Server(uvicorn.Config(create_app(index, **settings), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
