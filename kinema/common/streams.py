"""Standard streams that are closed, full, or that nobody reads."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


class Unfailing(io.TextIOWrapper):
    """Standard error of a job that goes on when what it tells on the way cannot be written any more, as to a full disk
    or to a terminal that is gone. Only that nobody reads on is still said."""

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        with self._passing_over():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is held, or drop it."""
        with self._passing_over():
            super().flush()

    @contextmanager
    def _passing_over(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError:
            silence(self)


def open_streams() -> None:
    """Let there be all three standard streams, lest a file take the place of one, that take any file's name; and let no
    job end because standard error is full."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which is the lowest number that is free
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if type(sys.stderr) is io.TextIOWrapper:
        errors, encoding = sys.stderr.errors, sys.stderr.encoding
        sys.stderr = Unfailing(sys.stderr.detach(), encoding, errors, line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "backslashreplace"):
            stream.reconfigure(errors="surrogateescape" if stream.encoding == "utf-8" else "backslashreplace")


def in_one_line(text: object) -> str:
    """Text with control characters, which names of files may hold and a terminal obeys, as escapes such as ``\\n``."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", lambda odd: repr(odd[0])[1:-1], str(text))


def silence(stream: TextIO) -> None:
    """Let a stream that cannot be written to take what comes, so that Python does not complain in the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
