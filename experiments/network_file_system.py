"""What a network file system makes of locks, and of a database that one process writes and another reads, as JSON.

    python experiments/network_file_system.py ONE OTHER [--times 50]

ONE and OTHER are the same folder through two mounts of the file system on this machine, which stand for two machines.
For GlusterFS, as root (Debian's glusterfs-server and glusterfs-client):

    glusterd && gluster volume create v $HOSTNAME:/var/brick force && gluster volume start v
    mount -t glusterfs $HOSTNAME:v /mnt/one && mount -t glusterfs $HOSTNAME:v /mnt/other

* ``locks``: how often four processes through each mount had a lock, all as many times as they were told; how often one
  was not alone with it; how often one that does not wait was let in beside a holder through the other mount.
* ``database``: a hundred rows are committed through ONE, with SQLite's log in front as in an index; how many are seen
  through OTHER while the writer has it open, when it has closed it, and later; or what SQLite says.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from kinema.common.locking import locked
from kinema.errors import OutputError
from kinema.search.embedded import opened

context = multiprocessing.get_context("spawn")


def take_turns(lock: Path, inside: Path, times: int, found: multiprocessing.Queue) -> None:
    """Have a lock so many times; say how often, and how often another was there, by a folder on a disk of here."""
    had = met = 0
    for _ in range(times):
        with locked(lock, "", wait=True):
            had += 1
            try:
                inside.mkdir()
            except FileExistsError:
                met += 1
                continue
            time.sleep(random.random() / 500)
            inside.rmdir()
    found.put((had, met))


def let_in(lock: Path, found: multiprocessing.Queue) -> None:
    """Say whether who does not wait gets a lock."""
    try:
        with locked(lock, "another has it"):
            found.put(1)
    except OutputError:
        found.put(0)


def count(database: Path, found: multiprocessing.Queue) -> None:
    """Say how many rows there are, or why that cannot be told."""
    try:
        with closing(opened(database)) as db:
            found.put(db.execute("SELECT count(*) FROM numbers").fetchone()[0])
    except sqlite3.Error as error:
        found.put(str(error))


def locks(one: Path, other: Path, times: int) -> dict[str, int]:
    """What becomes of locks."""
    found = context.Queue()
    with tempfile.TemporaryDirectory() as here:
        processes = [
            context.Process(target=take_turns, args=(folder / "lock", Path(here) / "inside", times, found))
            for folder in (one, other) * 4
        ]
        for process in processes:
            process.start()
        had, met = zip(*(found.get() for _ in processes), strict=True)
    beside = 0
    for _ in range(3):
        with locked(one / "lock", "", wait=True):
            asking = context.Process(target=let_in, args=(other / "lock", found))
            asking.start()
            beside += found.get()
            asking.join()
    return {"had": sum(had), "not_alone": sum(met), "of_3_let_in_beside": beside}


def database(one: Path, other: Path) -> dict[str, int | str]:
    """What becomes of a database."""
    found, seen = context.Queue(), {}

    def look(when: str) -> None:
        process = context.Process(target=count, args=(other / "numbers.sqlite", found))
        process.start()
        seen[when] = found.get()
        process.join()

    try:
        with closing(opened(one / "numbers.sqlite")) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE numbers (number INTEGER)")
            for number in range(100):
                db.execute("INSERT INTO numbers VALUES (?)", (number,))
            look("seen_meanwhile")
        look("seen_afterwards")
        time.sleep(5)
        look("seen_5_s_later")
    except sqlite3.Error as error:
        seen["writer"] = str(error)
    return seen


def main() -> None:
    """Try, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.one) as folder:
        one, other = Path(folder), options.other / Path(folder).name
        print(json.dumps({"locks": locks(one, other, options.times), "database": database(one, other)}, indent=2))


if __name__ == "__main__":
    main()
