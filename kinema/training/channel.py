"""A line between two processes of a training, with JSON on it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from typing import Any

forgotten_by_forks: set[socket.socket] = set()
"""What is closed in forked processes, as those that read videos, lest they hold the lines of the one they came from."""


def _forget() -> None:
    for own in forgotten_by_forks:
        with contextlib.suppress(OSError):
            os.close(own.detach())  # whatever reads from it
    forgotten_by_forks.clear()


if hasattr(os, "register_at_fork"):  # where processes can fork
    os.register_at_fork(after_in_child=_forget)


class Line:
    """One end of a line: a message is a JSON object in a line of text."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        forgotten_by_forks.add(connection)
        self._file = connection.makefile("r", encoding="utf-8")
        self._lock = threading.Lock()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, seconds in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):  # a machine that is gone
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)

    def send(self, **message: Any) -> None:
        """Send a message; in vain if the other is gone, which reading tells."""
        with self._lock, contextlib.suppress(OSError):
            self.connection.sendall((json.dumps(message) + "\n").encode())

    def read(self) -> dict[str, Any] | None:
        """The next message; None at the end of the line."""
        try:
            text = self._file.readline()
            message = json.loads(text) if text.endswith("\n") else None
        except (OSError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    def close(self) -> None:
        """Close it."""
        forgotten_by_forks.discard(self.connection)
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self._file.close()
        self.connection.close()
