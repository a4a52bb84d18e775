"""Clusters that write one index: on a server they share its videos, whatever is killed; in a folder one waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import numpy as np
import psutil
import pytest
from a_server import Server

from kinema.data.synthetic.files import write_video
from kinema.errors import OutputError, ServerError
from kinema.search import Library, database
from kinema.search.connection import store_of

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.timeout(900)
VIDEOS = 20


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos of noise, of ten seconds each."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(VIDEOS):
        frames = np.random.default_rng(number).integers(0, 256, (160, 64, 64, 3), np.uint8)
        write_video(folder / f"{number:02}.mp4", frames, 16.0)
    return folder


def places(library: Library) -> list[tuple[str, float, float]]:
    return sorted((window.path, window.start, window.end) for window in library.windows())


def until(windows: int, address: str) -> None:
    """Wait until an index has so many."""
    for _ in range(6000):
        if store_of(address).exists() and Library(address).count() >= windows:
            return
        time.sleep(0.02)
    raise AssertionError(f"there are not {windows} windows")


def both_have_some(address: str) -> None:
    """Wait until two processes have claimed videos."""
    asked = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' GROUP BY pid HAVING count(*) > 1"
    with psycopg.connect(address.partition("?")[0], autocommit=True) as db:
        for _ in range(6000):
            if len(db.execute(asked).fetchall()) == 2:
                return
            time.sleep(0.02)
    raise AssertionError("there are not two")


def test_an_index_in_a_folder_has_one_writer(nodes: str, noise: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    Library(index, "motion").add(noise / "0", cluster=nodes)
    before = places(Library(index))
    with store_of(index).adding(), pytest.raises(OutputError, match=f"another process is adding to {index}; wait"):
        Library(index).add(noise, cluster=nodes)
    assert places(Library(index)) == before


@pytest.mark.slow
def test_two_clusters_share_a_folder_and_one_of_them_dies(
    begin_cluster: Callable[..., Any], postgres: Server, many: Path, tmp_path: Path
) -> None:
    """A worker and a node of one are killed, and then the process that asked it."""
    address, once = postgres.address("kinema"), Library(tmp_path / "once", "motion")
    once.add(many)
    here, there = begin_cluster({}, {}), begin_cluster({})
    logs = [tmp_path / "here.log", tmp_path / "there.log"]
    words = ["index", many, "--index", address, "--encoder", "motion", "--cluster"]
    asking = [forked.start([*words, made.address], log) for made, log in zip((here, there), logs, strict=True)]
    (doomed,) = here.worker_nodes
    both_have_some(address)
    raylet = psutil.Process(doomed.all_processes["raylet"][0].process.pid)
    for worker in (child for child in raylet.children() if "".join(child.cmdline()).startswith("ray::Worker")):
        worker.kill()
    until(Library(address).count() + 20, address)
    here.remove_node(doomed, allow_graceful=False)
    until(Library(address).count() + 20, address)
    assert asking[0].is_alive()
    asking[0].kill()
    assert forked.ended(asking[1]) == 0, logs[1].read_text()
    library = Library(address)
    assert places(library) == places(once)
    assert 0 < int(logs[1].read_text().split()[0]) < VIDEOS, "what the other had put in"
    assert library.add(many, cluster=there.address).unchanged == VIDEOS


@pytest.mark.slow
def test_a_server_that_goes_away_while_a_cluster_works(
    nodes: str, postgres: Server, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, once = postgres.address("kinema"), Library(tmp_path / "once", "motion")
    once.add(many)
    library, put, done = Library(address, "motion"), database.put_video, []

    def stopping(*args: Any) -> None:
        put(*args)
        done.append(args)
        if len(done) == 9:  # which is not committed
            postgres.stop()

    with monkeypatch.context() as patched:
        patched.setattr(database, "put_video", stopping)
        with pytest.raises(ServerError, match=r"went away or gave up \(.*\); all that was finished is kept"):
            library.add(many, cluster=nodes)
    postgres.start()
    added = library.add(many, cluster=nodes)
    assert added.unchanged == 8 and added.new == VIDEOS - 8
    assert places(library) == places(once)
