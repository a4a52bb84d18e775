"""How the processes of a training find each other, and what the first and the others do then.

Where the first listens is found in PyTorch's store, at the address that torchrun, SLURM or the user give out. So what
is found there is this training's, whatever earlier ones have left in its folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from torch.distributed import DistError, PrefixStore, TCPStore

from kinema.errors import KinemaError, TrainingError, words_of
from kinema.training import coordination as together
from kinema.training.coordination import Line, Together, forgotten_by_forks
from kinema.training.ranks import Place

_stores: list[TCPStore] = []
"""Of this process: at one address, some may come to its next training while others still leave the last."""


def _store(place: Place) -> PrefixStore:
    of_agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == str(True)
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = TCPStore(
        place.address,
        place.port,
        is_master=place.rank == 0 and not of_agent,
        wait_for_workers=False,
        multi_tenant=True,
        timeout=timedelta(seconds=together.COMING),
    )
    _stores.append(store)
    return PrefixStore(f"kinema/{attempt}/{len(_stores)}", store)


class First(Together):
    """The first process, to which the others hold their lines."""

    def __init__(self, place: Place):
        super().__init__(place)
        self._lines: dict[int, Line] = {}
        self._came: set[int] = set()
        self._coming = place.coming
        self._agreed: dict[str, str] = {}
        self._token = secrets.token_hex(16)
        near = place.address in ("127.0.0.1", "localhost")
        self._server = socket.create_server(("127.0.0.1" if near else "", 0))
        forgotten_by_forks.add(self._server)
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            self.store = _store(place)
            self.store.set("first", json.dumps([self._server.getsockname()[1], self._token]))
        except DistError as error:
            raise TrainingError(
                f"cannot listen at {place.address}:{place.port} for the other processes ({words_of(error, 200)}); set "
                "MASTER_ADDR to this machine's address and MASTER_PORT to a free port"
            ) from error

    def agree(self, name: str, value: str) -> str:
        """Tell all the value."""
        with self.changed:
            if self.reason is not None:
                raise self.ended()
            self._agreed[name] = value
            lines = list(self._lines.values())
        for line in lines:
            line.send(agreed={name: value})
        return value

    def complete(self) -> None:
        """Wait for all, too."""
        super().complete()
        until = time.monotonic() + together.COMING
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._all_came() or self.reason is not None, 0.5)
                if self.reason is not None:
                    raise self.ended()
                if self._all_came():
                    return
                missing = sorted(set(range(1, self.count)) - self._came)
            for rank, process in enumerate(self.begun, start=1):
                if process.poll() is not None and rank in missing:
                    raise TrainingError(f"the process of rank {rank} ended before the training began")
            if time.monotonic() > until:
                names = ", ".join(map(str, missing))
                self._coming = frozenset()  # none of them is waited for once more
                raise TrainingError(
                    f"the processes of rank {names} of {self.count} did not come within {together.COMING:g} s; "
                    "begin all of them at the same time"
                )

    def end(self, error: BaseException | None) -> BaseException | None:
        """Tell the others whether all went well, and wait a moment for those that are still to hear so."""
        with self.changed:
            if error is not None and self.reason is None:
                self.reason, self.mine = str(error), True
            elif error is not None and not self.mine and isinstance(error, KinemaError):
                error.said = True  # by the process that failed
            lines = list(self._lines.values())
        told = {"bye": True} if error is None or getattr(error, "shared", False) else {"end": True}
        for line in lines:
            line.send(**told)
        if error is not None:
            with self.changed:
                self.changed.wait_for(lambda: self._came.issuperset(self._coming), together.LINGERING)
        forgotten_by_forks.discard(self._server)
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        return error

    def fail(self, reason: str, mine: bool) -> bool:
        """Tell the others too."""
        noted = super().fail(reason, mine)
        with self.changed:
            lines = list(self._lines.values())
        for line in lines:
            line.send(end=True)
        return noted

    def _all_came(self) -> bool:
        return len(self._came) == self.count - 1

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._hear, args=(Line(connection),), daemon=True).start()

    def _hear(self, line: Line) -> None:
        """All that another process says."""
        hello = line.read() or {}
        if hello.get("token") != self._token:
            line.close()
            return
        rank, at = int(hello["rank"]), str(hello["at"])
        with self.changed:
            line.send(agreed=self._agreed)
            if self.reason is not None:
                line.send(end=True)
            self._lines[rank] = line
            self._came.add(rank)
            self.changed.notify_all()
        while (message := line.read()) is not None and "bye" not in message:
            if "failed" in message:
                alone = self.left.is_set() and self.reason is None  # this one's work was done already
                line.send(say=self.fail(str(message["failed"]), mine=False) or alone)
                break
        with self.changed:
            self._lines.pop(rank, None)
        if message is None:
            self.fail(
                f"the process of rank {rank} ({at}) was killed, or ended without a word; go on with --resume", mine=True
            )
        line.read()  # the other closes it first
        line.close()


class Other(Together):
    """Any other process, which holds a line to the first."""

    def __init__(self, place: Place):
        super().__init__(place)
        self._agreed: dict[str, str] = {}
        self._say: bool | None = None
        absent = TrainingError(
            f"the first process of the training, at {place.address}:{place.port}, did not come within "
            f"{together.COMING:g} s; begin all processes at the same time, with the same MASTER_ADDR and MASTER_PORT"
        )
        until = time.monotonic() + together.COMING
        while not _open(place):
            if time.monotonic() > until:
                raise absent
            time.sleep(0.2)
        try:
            self.store = _store(place)
            port, token = json.loads(self.store.get("first"))
            connection = socket.create_connection((place.address, port), timeout=together.COMING)
        except (DistError, OSError) as error:
            raise absent from error
        connection.settimeout(None)
        self._line = Line(connection)
        self._line.send(token=token, rank=place.rank, at=f"{socket.gethostname()}, process {os.getpid()}")
        threading.Thread(target=self._hear, daemon=True).start()

    def agree(self, name: str, value: str) -> str:
        """Wait for the first's value."""
        with self.changed:
            self.changed.wait_for(lambda: name in self._agreed or self.reason is not None)
            if self.reason is not None:
                raise self.ended()
            return self._agreed[name]

    def end(self, error: BaseException | None) -> BaseException | None:
        """Tell the first how it went; it says who says so."""
        if isinstance(error, KinemaError) and error.shared:  # the first raises it as well
            error.said = True
        elif isinstance(error, KinemaError) and self.reason is None:
            self._line.send(failed=str(error))
            with self.changed:
                self.changed.wait_for(lambda: self._say is not None, together.SETTLING)
            error.said = self._say is False
        elif isinstance(error, KinemaError):
            error.said = not self.mine
        self._line.send(bye=True)
        self._line.close()
        return error

    def _hear(self) -> None:
        """All that the first says."""
        while (message := self._line.read()) is not None and "bye" not in message:
            with self.changed:
                self._agreed |= message.get("agreed", {})
                self._say = message.get("say", self._say)
                self.changed.notify_all()
            if "end" in message:
                self.fail("another process of the training has failed", mine=False)
        if message is None:
            speaks = self.place.local == (1 if self.place.node == 0 else 0)  # once on each node
            self.fail("the first process was killed, or ended without a word; go on with --resume", mine=speaks)


@contextmanager
def all_together(place: Place, out: Path) -> Iterator[Together]:
    """Come together with the other processes of the training, and end with them.

    Args:
        place: of this process.
        out: the run's folder.

    Raises:
        TrainingError: the first process did not come; or another has failed, which one of all says why
            (:attr:`~kinema.errors.KinemaError.said`).
    """
    if place.count == 1:
        yield Together()
        return
    process = First(place) if place.rank == 0 else Other(place)
    try:
        yield process
    except (Exception, KeyboardInterrupt) as error:
        raised = process.settled(error, out)
        process.left.set()
        final = process.end(raised if raised is not None else process.ended())
        process.reap()
        assert final is not None
        raise final from error
    process.left.set()
    process.end(None)


def _open(place: Place) -> bool:
    try:
        socket.create_connection((place.address, place.port), timeout=5).close()
    except OSError:
        return False
    return True
