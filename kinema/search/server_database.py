"""A connection to a PostgreSQL server, as this room's :class:`~kinema.search.store.Database`; what goes on over it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from kinema.search import dialect
from kinema.search.store import Bound, Database

if TYPE_CHECKING:
    from kinema.search.server import ServerStore

AT_A_TIME = 2_000
"""Rows of a stream that come together."""
KEPT = 8
"""Maps of vectors that a process has at hand."""
_recalled: dict[str, bytes] = {}
HANGS = "60s"
"""After which the server ends a transaction whose process has stopped without ending, so that others may write."""


class ServerDatabase:
    """See :class:`~kinema.search.store.Database`.

    Args:
        connection: in autocommit mode.
        purpose: what one process at a time does in a :meth:`writing` block, whatever others do.
        schema: where the tables are.
    """

    staging = tuple(dialect.staging_tables())

    def __init__(self, connection: psycopg.Connection[Any], purpose: str, schema: str):
        self._connection, self._purpose, self._schema = connection, purpose, schema
        self._streams = 0

    def execute(self, sql: str, bound: Bound = (), /) -> psycopg.Cursor[Any]:
        """Do a statement."""
        return self._connection.execute(dialect.translated(sql), bound, binary=True)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Do a statement with many values."""
        with self._connection.cursor() as cursor:
            cursor.executemany(dialect.translated(sql), rows)

    def make(self, table: str) -> None:
        """Make a table."""
        self._connection.execute(dialect.table(table).encode())

    def make_index(self, boxes: bool) -> None:
        """Make the schema and the tables of an index."""
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}".encode())
        for statement in dialect.index_tables(boxes):
            self._connection.execute(statement.encode())
        self.execute("INSERT INTO about VALUES ('identity', ?)", (json.dumps(uuid.uuid4().hex),))

    def renumber(self) -> None:
        """Let numbers go on above those that there are."""
        for table in ("videos", "windows"):
            last = f"(SELECT max(id) FROM {table})"
            self.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last}) WHERE {last} IS NOT NULL")

    def stream(self, sql: str, bound: Bound = ()) -> Iterator[Any]:
        """The rows of a query, so many at a time, within a transaction."""
        self._streams += 1
        with self._connection.cursor(name=f"stream_{self._streams}") as cursor:
            cursor.itersize = AT_A_TIME
            cursor.execute(dialect.translated(sql), bound, binary=True)
            yield from cursor

    def recalled(self, mark: str | None, read: Callable[[], bytes | None]) -> bytes | None:
        """What was read before, or is read now."""
        if mark is not None and (known := _recalled.get(mark)) is not None:
            return known
        content = read()
        if content is not None and mark == hashlib.sha256(content).hexdigest():
            while len(_recalled) >= KEPT:
                _recalled.pop(next(iter(_recalled)), None)
            _recalled[mark] = content
        return content

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction, while no other process is in such a block."""
        self.execute("BEGIN")
        try:
            query = "SELECT set_config('idle_in_transaction_session_timeout', ?, true), pg_advisory_xact_lock(?)"
            self.execute(query, (HANGS, _key(self._purpose)))
            yield
            self.execute("COMMIT")
        except BaseException:
            if not self._connection.broken:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def alone(self, wait: bool) -> Iterator[bool]:
        """Hold a lock, or not, that ends with the connection at the latest."""
        key = _key(f"{self._schema} alone")
        if wait:
            self.execute("SELECT pg_advisory_lock(?)", (key,))
        free = wait or self.execute("SELECT pg_try_advisory_lock(?)", (key,)).fetchall() == [(True,)]
        try:
            yield free
        finally:
            if free and not self._connection.broken:
                self.execute("SELECT pg_advisory_unlock(?)", (key,))


class ServerClaims:
    """Videos in hand, as locks of a connection; see :class:`~kinema.search.store.Claims`. Threads may share them.

    Args:
        db: a connection for this alone.
        explained: around what asks the server.
    """

    def __init__(self, db: ServerDatabase, explained: Callable[[], AbstractContextManager[None]]):
        self._db, self._explained = db, explained

    def take(self, path: str, size: int, mtime: int) -> bool:
        """Claim a video; False where another has it in hand, or has put it in as it is now."""
        with self._explained():
            if self._db.execute("SELECT pg_try_advisory_lock(?)", (self._key(path),)).fetchall() != [(True,)]:
                return False
            query = "SELECT 1 FROM videos WHERE path = ? AND size = ? AND mtime = ?"
            if self._db.execute(query, (path, size, mtime)).fetchone() is None:
                return True
            self.release(path)
            return False

    def release(self, path: str) -> None:
        """It is done with."""
        with self._explained():
            self._db.execute("SELECT pg_advisory_unlock(?)", (self._key(path),))

    def wait(self, path: str) -> None:
        """Until nobody has it in hand."""
        with self._explained():
            self._db.execute("SELECT pg_advisory_lock(?)", (self._key(path),))
            self.release(path)

    def _key(self, path: str) -> int:
        return _key(f"{self._db._schema} video {path}")


class ServerLabels:
    """The labels of an index, in its tables, as :class:`~kinema.search.store.LabelTables`; a connection is asked for
    each time.

    Args:
        store: of the index.
    """

    kept = True

    def __init__(self, store: ServerStore):
        self.path, self._store = store.path, store

    def reading(self) -> AbstractContextManager[Database]:
        """One state of the labels."""
        return self._store.snapshot()

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One change at a time, whoever makes it."""
        with self._store.labelling() as db, db.writing():
            yield db

    def close(self) -> None:
        """Nothing is held."""


def _key(name: str) -> int:
    """The number by which the server knows a lock."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
