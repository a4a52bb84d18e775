"""An index on a server: PostgreSQL says what there is, and keeps the files that name candidates for whoever searches.

Several machines write, many search. Who writes a video holds a lock for that moment alone, so that numbers become
visible in their order and whoever searches reads only what was added since. Segments of the approximate index are rows
of a table; each machine that searches keeps a copy of them in its cache. No extension of the server is needed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors

from kinema.common.addresses import shown
from kinema.common.files import atomic_path, make_folder
from kinema.common.object_cache import cache_folder
from kinema.common.streams import in_one_line
from kinema.errors import ConfigError, DataError, OutputError, ServerError
from kinema.search.about import get_about
from kinema.search.faiss_files import Seal
from kinema.search.server_address import ServerAddress
from kinema.search.server_database import ServerClaims, ServerDatabase, ServerLabels
from kinema.search.store import Claims, Damage, Database, LabelTables

IDLE = 8
"""Connections that are kept for the next question."""
PATIENCE = 10
"""Seconds that a server has to answer a first call."""
PART = 4 << 20
"""Bytes of a file of a segment in a row."""
ALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
"""So that a server lets go of what a machine held that is gone."""

_stores: dict[Path, ServerStore] = {}
_storing = threading.Lock()
_parents: list[Any] = []
"""Connections of the process that this one was forked from: to close them here would end them there."""


def server_store(index: str | Path) -> ServerStore:
    """What an address means; one that was opened before may go without its password.

    Raises:
        ConfigError: it is no address.
    """
    text = str(index) if "://" in str(index) else shown(index)  # paths make one slash of the two
    address = ServerAddress.of(text)
    with _storing:
        known = _stores.get(address.path)
        if known is None or (text != shown(known.path) and address.connection != known.address.connection):
            known = _stores[address.path] = ServerStore(address)
    return known


def _forget() -> None:
    for store in _stores.values():
        _parents.extend(store.idle)
        store.idle.clear()


if hasattr(os, "register_at_fork"):  # where processes can fork
    os.register_at_fork(after_in_child=_forget)


class ServerStore:
    """An index on a server, as a :class:`~kinema.search.store.Store`; see :func:`server_store`.

    Attributes:
        address: of it.
        idle: connections for the next question.
    """

    shared = True

    def __init__(self, address: ServerAddress):
        self.address, self.path = address, address.path
        self.idle: list[psycopg.Connection[Any]] = []
        self._called = shown(self.path)
        self.name = self._called.rpartition("/")[2].replace("?schema=", " ")
        self._identity: str | None = None

    @property
    def beside(self) -> Path:
        """Folder in the user's cache, of this very index."""
        if self._identity is None:
            with self.snapshot() as db:
                self._identity = get_about(db, "identity", str) or ""
        digest = hashlib.sha256(f"{self._called} {self._identity}".encode()).hexdigest()[:32]
        return make_folder(cache_folder().parent / "indexes" / digest)

    def exists(self) -> bool:
        """Whether there is an index; its tables are made in one transaction."""
        with self._session("reading") as db:
            return self._there(db)

    def _there(self, db: Database) -> bool:
        """Whether there are tables, which a role that may not use their schema does not see otherwise."""
        schema = self.address.schema
        query = "SELECT has_schema_privilege(?, 'USAGE') FROM pg_tables WHERE schemaname = ? AND tablename = 'about'"
        may = db.execute(query, (schema, schema)).fetchone()
        if may is not None and not may[0]:
            raise self._forbidden(f"permission denied for schema {schema}")
        return may is not None

    def _forbidden(self, why: str) -> OutputError:
        said = f"{why}; ask its owner for rights on the schema {self.address.schema}"
        return OutputError(f"cannot use the index {self._called}: {said}")

    def missing(self) -> DataError:
        """What is to be said where an index was expected."""
        return DataError(f"there is no index at {self._called}; make one with `kinema index`")

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """A connection that sees one state until the block ends; see :class:`~kinema.search.store.Store`."""
        with self._session("reading", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as db:
            if self._identity is None and not self._there(db):
                raise self.missing()
            yield db

    @contextmanager
    def connected(self) -> Iterator[Database]:
        """A connection to write by, with tables for what is unfinished, which end with it."""
        with self._session("writing") as db:
            for statement in ServerDatabase.staging:
                db.execute(statement)
            yield db

    def adding(self) -> AbstractContextManager[Database]:
        """:meth:`connected`: several may add."""
        return self.connected()

    @contextmanager
    def claims(self) -> Iterator[Claims]:
        """Locks on videos, which end with this process, however it ends."""
        with self._session("claiming") as db:
            yield ServerClaims(db, self._explained)

    def labels(self, keep: bool) -> LabelTables:
        """The tables of labels, or a copy of what is in them."""
        from kinema.search.label_file import LabelFile

        with self.snapshot() as db:
            may = db.execute("SELECT has_table_privilege('labels', 'INSERT, UPDATE, DELETE')").fetchone()[0]
            if keep and may:
                return ServerLabels(self)
            return LabelFile.copy(self.path, db)

    def labelling(self) -> AbstractContextManager[ServerDatabase]:
        """A connection to write labels by; who adds videos need not wait for it."""
        return self._session("labelling")

    def segment(self, db: Database, name: str, seal: Seal | None) -> Path:
        """Where the copy of a segment's file lies, which is fetched where there is none."""
        path = self.beside / f"{name}.faiss"
        if seal is not None and path.is_file() and seal.fits(path):
            return path
        parts = [part for (part,) in db.execute("SELECT part FROM segments WHERE name = ? ORDER BY part", (name,))]
        if not parts:
            raise FileNotFoundError(path)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            for part in parts:
                row = db.execute("SELECT content FROM segments WHERE name = ? AND part = ?", (name, part)).fetchone()
                file.write(row[0])
        kept = {f"{name}.faiss" for (name,) in db.execute("SELECT name FROM segments WHERE part = 0")}
        for other in path.parent.glob("*.faiss"):
            if other.name not in kept:
                with suppress(OSError):  # another process may be at it; it is a copy
                    other.unlink()
        return path

    def is_whole(self, db: Database, name: str, seal: Seal | None) -> bool:
        """Whether all of it is there; the server sees to it that it stays as it is."""
        query = "SELECT CAST(coalesce(sum(octet_length(content)), 0) AS BIGINT) FROM segments WHERE name = ?"
        return seal is not None and db.execute(query, (name,)).fetchone()[0] == seal.size

    def keep_segments(self, db: Database, files: Mapping[str, Path]) -> None:
        """Within a transaction: put new files into the table, in the place of what is not named."""
        kept = set(files)
        there = {name for (name,) in db.execute("SELECT name FROM segments WHERE part = 0").fetchall()}
        for name in sorted(there - kept):
            db.execute("DELETE FROM segments WHERE name = ?", (name,))
        for name in sorted(kept - there):
            with files[name].open("rb") as file:
                part = 0
                while content := file.read(PART):
                    db.execute("INSERT INTO segments VALUES (?, ?, ?)", (name, part, content))
                    part += 1

    @contextmanager
    def _session(self, purpose: str, begin: str = "") -> Iterator[ServerDatabase]:
        """A connection, kept for the next one where it is as it was."""
        with self._explained():
            connection = self._begun(begin)
            try:
                yield ServerDatabase(connection, f"{self.address.schema} {purpose}", self.address.schema)
            except BaseException:
                connection.close()  # with its locks and tables
                raise
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
            if len(self.idle) < IDLE:
                self.idle.append(connection)
            else:
                connection.close()

    def _begun(self, begin: str) -> psycopg.Connection[Any]:
        with suppress(IndexError):
            while True:
                connection = self.idle.pop()
                with suppress(psycopg.OperationalError):  # the server was started anew, or grew tired of it
                    connection.execute(begin or "SELECT 1")
                    return connection
                connection.close()
        connection = self._connect()
        if begin:
            connection.execute(begin)
        return connection

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            given = psycopg.conninfo.conninfo_to_dict(self.address.connection)
        except psycopg.ProgrammingError:
            raise ConfigError(f"libpq knows no such address as that of {self._called}; see its manual") from None
        options = f"{given.pop('options', None) or ''} -c search_path={self.address.schema} {ALIVE}"
        settings: dict[str, Any] = {"connect_timeout": PATIENCE, "application_name": "kinema", **given}
        try:
            return psycopg.connect(**settings, options=options.strip(), autocommit=True)
        except psycopg.OperationalError as error:
            raise ServerError(
                f"cannot reach the index {self._called}: {_reason(error)}; see that a server runs there and lets you in"
            ) from None  # what came before holds the address as it was given

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except errors.InsufficientPrivilege as error:
            raise self._forbidden(_reason(error)) from error
        except (errors.DiskFull, errors.ReadOnlySqlTransaction) as error:
            raise OutputError(f"cannot write the index {self._called}: {_reason(error)}") from error
        except psycopg.OperationalError as error:
            raise ServerError(
                f"the server of the index {self._called} went away or gave up ({_reason(error)}); all that was "
                "finished is kept: do it again when it is back"
            ) from error
        except errors.UndefinedTable as error:
            raise self.missing() from error
        except (psycopg.Error, Damage, UnicodeDecodeError) as error:
            said = f"{self._called} is damaged or no index ({in_one_line(str(error).splitlines()[0])})"
            raise DataError(f"{said}; name another schema (?schema=NAME), or drop this one and index again") from error


def _reason(error: psycopg.Error) -> str:
    """What the server or libpq says, in one line and without its own advice."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    for line in said:
        if "FATAL:" in line or "ERROR:" in line:
            return in_one_line(line.rpartition("FATAL:")[2].rpartition("ERROR:")[2].strip())
    return in_one_line(said[0]) if said else type(error).__name__
