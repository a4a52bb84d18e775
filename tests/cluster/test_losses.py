"""Workers and nodes that are killed while they work, at random times: the results are what they would have been."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from kinema.config import ExtractConfig
from kinema.data.extraction import extract_flow, store_reader
from kinema.data.synthetic.files import write_video
from kinema.evaluation import extract_features
from kinema.models import open_encoder
from kinema.search import Library
from kinema.video import scan_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
KILLS = 5
"""Of workers, for each kind of work."""

Found = Any
Work = Callable[[Path, Path, str | None], Found]


def scanned(videos: Path, out: Path, cluster: str | None) -> Found:
    return list(scan_folder(videos / "many", out / "m.parquet", cluster=cluster))


def extracted(videos: Path, out: Path, cluster: str | None) -> Found:
    reader = store_reader(videos / "some", out / "store", ExtractConfig(estimator="dis", short_side=64))
    extract_flow(reader, list(scan_folder(videos / "some")), cluster=cluster)
    return {path.name: path.read_bytes() for path in (out / "store").rglob("*.flow")}


def indexed(videos: Path, out: Path, cluster: str | None) -> Found:
    library = Library(out / "index", "motion")
    added = library.add(videos / "some", cluster=cluster)
    return added.new, added.problems, sorted((Path(w.path).name, w.start, w.end) for w in library.windows())


def evaluated(videos: Path, out: Path, cluster: str | None) -> Found:
    encoder = open_encoder("motion")
    paths = sorted((videos / "some").glob("*.mp4"))
    found = extract_features({"motion": encoder.module}, paths, encoder.clip, clips=4, cache=out / "c", cluster=cluster)
    return found["motion"].numpy().tobytes(), found.duration


WORKS: dict[str, Work] = {"scan": scanned, "flow": extracted, "index": indexed, "features": evaluated}


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some videos of many lengths, and many names of some."""
    folder = tmp_path_factory.mktemp("uneven")
    draw = random.Random(0)
    for part in ("some", "many"):
        (folder / part).mkdir()
    for number in range(60):
        noise = np.random.default_rng(number).integers(0, 256, (draw.choice([8, 30, 90]), 64, 64, 3), np.uint8)
        write_video(folder / "some" / f"{number:03}.mp4", noise, 16.0)
        for copy in range(30):
            os.link(folder / "some" / f"{number:03}.mp4", folder / "many" / f"{number:03}-{copy:02}.mp4")
    return folder


@pytest.fixture(scope="module")
def undisturbed(uneven: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Found]:
    """What a work finds here, without a cluster."""
    found: dict[str, Found] = {}

    def find(name: str) -> Found:
        if name not in found:
            found[name] = WORKS[name](uneven, tmp_path_factory.mktemp(name), None)
        return found[name]

    return find


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """The processes of ours that work on items, among those that a process has begun."""
    found = []
    for child in process.children(recursive=True):
        with suppress(psutil.Error):
            if child.name().startswith("ray::Worker") or "".join(child.cmdline()).startswith("ray::Worker"):
                found.append(child)
    return found


@contextmanager
def meanwhile(kill: Callable[[], bool], draw: random.Random, times: int) -> Any:
    """Calls ``kill`` at random times while the block lasts, until it has succeeded so often; yields the successes."""
    ended, done = threading.Event(), list[float]()

    def work() -> None:
        while len(done) < times and not ended.wait(draw.uniform(0.2, 2.0)):
            if kill():
                done.append(time.time())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("name", WORKS)
def test_workers_that_are_killed_cost_nothing(
    name: str, nodes: str, uneven: Path, undisturbed: Callable[[str], Found], tmp_path: Path
) -> None:
    expected, draw, kills = undisturbed(name), random.Random(name), 0

    def kill() -> bool:
        if found := workers_of(psutil.Process()):
            draw.choice(found).send_signal(signal.SIGKILL)
        return bool(found)

    for attempt in range(20):
        (tmp_path / str(attempt)).mkdir()
        with meanwhile(kill, draw, KILLS - kills) as done:
            assert WORKS[name](uneven, tmp_path / str(attempt), nodes) == expected
        kills += len(done)
        if kills >= KILLS:
            break
    assert kills >= KILLS


@pytest.mark.parametrize("name", [*WORKS, "scan"])
def test_a_node_that_is_lost_costs_nothing(
    name: str,
    begin_cluster: Callable[..., Any],
    uneven: Path,
    undisturbed: Callable[[str], Found],
    tmp_path: Path,
) -> None:
    expected, made = undisturbed(name), begin_cluster({}, {})
    (doomed,) = made.worker_nodes
    raylet = psutil.Process(doomed.all_processes["raylet"][0].process.pid)

    def kill() -> bool:
        if begun := bool(workers_of(raylet)):
            made.remove_node(doomed, allow_graceful=False)
        return begun

    with meanwhile(kill, random.Random(str(tmp_path)), 1) as done:
        assert WORKS[name](uneven, tmp_path, made.address) == expected
    assert len(done) == 1, "the work was over before the node was"
