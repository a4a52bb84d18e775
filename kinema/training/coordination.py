"""The processes of one training hold a line to the first: to agree before it begins, and to end together.

A process that ends without a word, as a killed one does, is known by its line, which the system closes at once. Whoever
hears that another has failed has a moment to come out of what it does by itself, and is ended where it cannot, as it is
while it waits for the other's gradients. One of all says why.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any

import torch
from torch import distributed

from kinema.common.files import write_text
from kinema.common.streams import in_one_line
from kinema.errors import KinemaError, TrainingError, words_of
from kinema.training.ranks import ALONE, Place, begin_others

WAITING = timedelta(days=1)
"""Longest that a process waits for others in a step: that they live, their lines say; the first may have to measure."""
COMING = 120.0
"""Seconds in which all processes have to come together."""
GRACE = 2.0
"""Seconds that a process has to come to its end by itself when another has failed."""
SETTLING = 3.0
"""Seconds after an error that may be the echo of another process's, in which that one's is heard of."""
LINGERING = 10.0
"""Seconds that the first, when it has failed, waits for those that are still to come, and for those it began."""


class Interrupted(TrainingError):
    """The user asked to stop at once."""

    status = 130


class Together:
    """One process that trains alone, which agrees with itself; what several share.

    Attributes:
        place: which process it is, with the number ``rank``, from 0, of ``count``.
        store: by which the processes find each other.
        begun: the processes that this one began, on its node.
    """

    store: distributed.Store

    def __init__(self, place: Place = ALONE):
        self.place, self.rank, self.count = place, place.rank, place.count
        self.begun: Sequence[Popen[bytes]] = ()
        self.changed = threading.Condition()
        self.reason: str | None = None
        """Why all are to end, once they are."""
        self.mine = False
        """Whether this process is the one to say so."""
        self.left = threading.Event()

    def agree(self, name: str, value: str) -> str:
        """What the first process says under a name, which it alone need know: its ``value``; the others wait for it.

        Raises:
            TrainingError: another process has failed meanwhile.
        """
        return value

    def complete(self) -> None:
        """Begin those of this node that nobody else begins, and wait until all are there.

        Raises:
            TrainingError: some have not come, or have failed.
        """
        if self.place.begins and not self.begun:
            self.begun = begin_others(self.place)

    def join(self, device: torch.device) -> None:
        """Let the processes, once all are there, exchange tensors from now on; each trains on its ``device``."""
        if self.count > 1 and not distributed.is_initialized():
            backend, own = ("nccl", device) if device.type == "cuda" else ("gloo", None)
            distributed.init_process_group(backend, None, WAITING, self.count, self.rank, self.store, device_id=own)
            atexit.register(distributed.destroy_process_group)

    def end(self, error: BaseException | None) -> BaseException | None:
        """Leave the others, and say what is to be raised: the error, or why another process has ended this one."""
        return error

    def fail(self, reason: str, mine: bool) -> bool:
        """Note that all are to end, and see to it that this process does; whether nothing was noted before."""
        with self.changed:
            if self.reason is not None or self.left.is_set():
                return False
            self.reason, self.mine = reason, mine
            self.changed.notify_all()
        threading.Thread(target=self._insist, daemon=True).start()
        return True

    def _insist(self) -> None:
        """End this process, if it does not itself. Where it waits for another, nothing else reaches it."""
        if self.left.wait(GRACE):
            return
        if self.mine:
            try:
                cursor = "\x1b[?25h\n" if sys.stderr.isatty() else ""  # which a bar has hidden
                print(f"{cursor}kinema: {in_one_line(self.reason)}", file=sys.stderr, flush=True)
            except (OSError, ValueError):
                pass
        self.reap()
        os._exit(1)

    def reap(self) -> None:
        """Let the processes that this one began end before it does."""
        for process in self.begun:
            try:
                process.wait(LINGERING)
            except TimeoutExpired:
                process.kill()
                process.wait()

    def ended(self) -> TrainingError:
        """What is raised in a process that others have ended."""
        error = TrainingError(self.reason or "")
        error.said = not self.mine
        return error

    def settled(self, error: BaseException, out: Path) -> KinemaError | None:
        """An error of this process as one sentence; None if it is but the echo of another's.

        Args:
            error: what was raised.
            out: where the traceback of an error that nobody foresaw is left.
        """
        if isinstance(error, KinemaError):
            return error
        if isinstance(error, KeyboardInterrupt):
            return Interrupted("stopped")
        with self.changed:
            if self.changed.wait_for(lambda: self.reason is not None, SETTLING):
                return None
        path = out / f"error-of-rank-{self.rank}.txt"
        try:
            write_text(path, "".join(traceback.format_exception(error)))
            where = f"; {path} holds the traceback"
        except KinemaError:
            where = ""
        said = words_of(error, 300)
        return TrainingError(f"the process of rank {self.rank} failed with {type(error).__name__}: {said}{where}")


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
