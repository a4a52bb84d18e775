"""Opening an index, wherever it is kept: to write, or to read one state of it whatever others write.

An index is called by a path: a folder, or the address of a server, such as ``postgresql://ann@machine/videos``, which
may go wherever a path may. No password is in what it is called by.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from kinema.common.addresses import address_of, shown
from kinema.common.extras import needed_for
from kinema.search.embedded import FolderStore
from kinema.search.store import Database, Store

SCHEMES = ("postgresql://", "postgres://")
"""How addresses of servers begin."""


def store_of(index: str | Path) -> Store:
    """What an index is kept in, whether there is one or not.

    Args:
        index: a folder, or the address of a server; the password may be left out of one that was opened before.

    Raises:
        ConfigError: it is no such address, or what speaks to servers is not installed.
        OutputError: it is an address of something else.
    """
    if (address_of(index) or "").startswith(SCHEMES):
        with needed_for("an index on a server"):
            from kinema.search.server import server_store
        return server_store(index)
    return FolderStore(index)


def named(index: str | Path) -> str:
    """What an index is called in sentences."""
    return shown(store_of(index).path)


def snapshot(index: str | Path) -> AbstractContextManager[Database]:
    """As of :meth:`kinema.search.store.Store.snapshot`."""
    return store_of(index).snapshot()


def connected(index: str | Path) -> AbstractContextManager[Database]:
    """As of :meth:`kinema.search.store.Store.connected`."""
    return store_of(index).connected()


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """What is done in the block becomes visible together when it ends well, as another state of the library, and is
    undone otherwise."""
    with db.writing():
        yield
        db.execute("UPDATE about SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'state'")
