"""Clips that were dropped on the page: kept in a private folder for as long as they are asked about."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kinema.errors import DataError, OutputError

KEPT = 16
"""How many uploads there may be at a time, with those that are being sent."""
QUIET = 300.0
"""Seconds after which an upload that nobody asks about makes room for another."""
IDLE = 1800.0
"""Seconds after which it is deleted anyway."""
LEFT = 60.0
"""Seconds for which an upload is kept when its page was left, so that one that is only loaded again finds it."""
STALLED = 60.0
"""Seconds without a byte after which sending counts as broken off."""
DRAINED = 64 << 20
"""Bytes of a body that is refused that are still read, and dropped, so that the browser hears the answer."""


class TooLarge(DataError):
    """An upload has more bytes than are allowed."""


class TooMany(DataError):
    """As many uploads are kept as there is room for."""


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
        self._held: dict[str, tuple[Upload, float]] = {}  # and when each was last asked about
        self._coming = 0

    async def receive(self, parts: AsyncIterator[bytes], name: str, promised: int = 0) -> Upload:
        """Keep what is sent; nothing of it stays if it breaks off.

        Args:
            parts: the bytes as they come.
            name: of the file.
            promised: bytes that the sender announced; 0 if it did not.

        Raises:
            TooLarge: it has more bytes than the limit.
            TooMany: there is no room for another upload.
            DataError: nothing has come for :data:`STALLED` seconds.
            OutputError: it cannot be written.
        """
        token = secrets.token_urlsafe(16)
        upload = Upload(token, shown_name(name), Path(self._folder.name) / token)
        if not self._enter():
            await self._drain(parts)
            raise TooMany(f"{KEPT} clips are being asked about already; wait some minutes, or close another page")
        complete = False
        try:
            size = await self._write(upload, parts, promised)
            if size > self.limit:
                most = f"{self.limit / (1 << 20):g} MiB"
                raise TooLarge(
                    f"the clip {upload.name} has more than {most}; send a shorter clip, or raise --max-upload"
                )
            complete = True
        except TimeoutError as error:
            raise DataError(f"nothing more of {upload.name} has come for {STALLED:g} s; send it again") from error
        finally:
            with self._lock:
                self._coming -= 1
                if complete:
                    self._held[token] = upload, time.monotonic()
            if not complete:
                upload.path.unlink(missing_ok=True)
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

    def leave(self, token: str) -> None:
        """Let an upload go within :data:`LEFT` seconds, unless it is asked about again."""
        with self._lock:
            if token in self._held:
                self._held[token] = self._held[token][0], time.monotonic() - IDLE + LEFT

    def tidy(self) -> None:
        """Delete the uploads that were idle for too long."""
        latest = time.monotonic() - IDLE
        with self._lock:
            old = [token for token, (_, asked) in self._held.items() if asked < latest]
        for token in old:
            self.drop(token)

    def close(self) -> None:
        """Delete all."""
        self._folder.cleanup()

    def _enter(self) -> bool:
        """Make room for one more upload; whether there is."""
        self.tidy()
        with self._lock:
            full = len(self._held) + self._coming >= KEPT
            oldest = min(self._held, key=lambda token: self._held[token][1], default="")
            if full and oldest and self._held[oldest][1] < time.monotonic() - QUIET:
                self._held.pop(oldest)[0].path.unlink(missing_ok=True)
                full = False
            self._coming += not full
        return not full

    async def _write(self, upload: Upload, parts: AsyncIterator[bytes], promised: int) -> int:
        """Write what comes, up to the limit; return the bytes that there are, or were announced."""
        size = promised if promised > self.limit else 0
        with _explained(upload):
            file = upload.path.open("wb")
        with file:
            async for part in _steadily(parts):
                size += len(part)
                if size <= self.limit:
                    with _explained(upload):
                        file.write(part)
                elif size > self.limit + DRAINED + promised:
                    break
            with _explained(upload):
                file.flush()
        return size

    async def _drain(self, parts: AsyncIterator[bytes]) -> None:
        size = 0
        async for part in _steadily(parts):
            size += len(part)
            if size > self.limit + DRAINED:
                return


@contextmanager
def _explained(upload: Upload) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"the clip {upload.name} cannot be kept: {reason}; free some space and send it again"
        ) from error


def shown_name(name: str) -> str:
    """A file's name as it is shown: without folders, cut, and of letters that can be written."""
    bare = Path(name.replace("\\", "/").replace("\0", "")).name[:120]
    return bare.encode("utf-8", "replace").decode() or "clip"


async def _steadily(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The parts; TimeoutError where one keeps itself waiting."""
    coming = aiter(parts)
    while True:
        try:
            yield await asyncio.wait_for(anext(coming), STALLED)
        except StopAsyncIteration:
            return
