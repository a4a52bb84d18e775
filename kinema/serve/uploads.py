"""Clips that were dropped on the page: kept in a private folder for as long as they are asked about."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from kinema.errors import DataError

KEPT = 8
"""How many uploads there may be; the one that was not asked about for longest makes room."""
IDLE = 1800.0
"""Seconds after which an upload that nobody asks about is deleted."""
DRAINED = 64 << 20
"""Bytes of a body that is too large that are still read, and dropped, so that the browser hears the answer."""


class TooLarge(DataError):
    """An upload has more bytes than are allowed."""


@dataclass(frozen=True)
class Upload:
    """A clip that was sent.

    Attributes:
        token: by which the page calls it; nobody can guess it.
        name: of the file on the sender's side; shown only, never used as a path.
        path: where it lies here.
    """

    token: str
    name: str
    path: Path


class Uploads:
    """A folder of uploads that is deleted with everything in it by :meth:`close`.

    Args:
        limit: bytes that an upload may have.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self._folder = tempfile.TemporaryDirectory(prefix="kinema-uploads-")  # for this user's eyes only
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Upload, float]] = {}

    async def receive(self, parts: AsyncIterator[bytes], name: str, promised: int = 0) -> Upload:
        """Keep what is sent; nothing of it stays if it breaks off.

        Args:
            parts: the bytes as they come.
            name: of the file.
            promised: bytes that the sender announced; 0 if it did not.

        Raises:
            TooLarge: it has more bytes than the limit.
        """
        token = secrets.token_urlsafe(16)
        upload = Upload(token, Path(name.replace("\\", "/")).name[:120] or "clip", Path(self._folder.name) / token)
        size = promised if promised > self.limit else 0
        complete = False
        try:
            with upload.path.open("wb") as file:
                async for part in parts:
                    size += len(part)
                    if size <= self.limit:
                        file.write(part)
                    elif size > self.limit + DRAINED + promised:
                        break
            complete = size <= self.limit
        finally:
            if not complete:
                upload.path.unlink(missing_ok=True)
        if not complete:
            most = f"{self.limit / (1 << 20):g} MiB"
            raise TooLarge(f"{upload.name} has more than {most}; send a shorter clip, or raise --max-upload")
        with self._lock:
            self._held[token] = upload, time.monotonic()
        self.tidy()
        return upload

    def get(self, token: str) -> Upload:
        """The upload of a token.

        Raises:
            DataError: there is none, or no longer.
        """
        self.tidy()
        with self._lock:
            if token not in self._held:
                raise DataError("this clip is no longer kept; choose it again")
            upload = self._held[token][0]
            self._held[token] = upload, time.monotonic()
        return upload

    def drop(self, token: str) -> None:
        """Delete an upload, if it is there."""
        with self._lock:
            held = self._held.pop(token, None)
        if held is not None:
            held[0].path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Delete the uploads that were idle for too long, and those that are too many."""
        with self._lock:
            by_age = sorted(self._held.items(), key=lambda item: -item[1][1])
        latest = time.monotonic() - IDLE
        for place, (token, (_, asked)) in enumerate(by_age):
            if place >= KEPT or asked < latest:
                self.drop(token)

    def close(self) -> None:
        """Delete all."""
        self._folder.cleanup()
