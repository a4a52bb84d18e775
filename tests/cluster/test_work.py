"""Work shared out by Ray: on this machine, on two nodes, through kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.cli import main
from kinema.common.cluster import ATTEMPTS, Lost, pile, spread, team
from kinema.common.precision import quick_bfloat16
from kinema.config import ExtractConfig
from kinema.data.extraction import extract_flow, store_reader
from kinema.errors import DataError
from kinema.search import Library
from kinema.video import scan_folder

pytestmark = pytest.mark.timeout(900)


class Marked:
    """Work of a worker that is killed over some items, as often as they say."""

    def __init__(self, folder: str):
        self.folder = Path(folder)

    def __call__(self, item: tuple[int, int]) -> int:
        number, deaths = item
        done = sum(1 for _ in self.folder.glob(f"{number}-*"))
        (self.folder / f"{number}-{done}-{time.time_ns()}").touch()
        if done < deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 3:
            raise DataError("three is refused")
        return number * number


@pytest.mark.slow
def test_what_kills_its_workers_is_passed_over_and_all_else_is_done(nodes: str, tmp_path: Path) -> None:
    items = [(number, {5: 1, 7: ATTEMPTS, 8: 2}.get(number, 0)) for number in range(12)]
    found = dict(spread(nodes, items, Marked, [str(tmp_path)]))
    assert isinstance(found.pop((7, ATTEMPTS)), Lost)
    assert isinstance(found.pop((3, 0)), DataError)
    assert found == {item: item[0] ** 2 for item in items if item[0] not in (3, 7)}


def test_nothing_is_taken_before_there_is_room(nodes: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(pile, "AHEAD", 5)
    taken: list[int] = []
    items = ((number, 0) for number in range(100, 200) if taken.append(number) or True)
    working = spread(nodes, items, Marked, [str(tmp_path)])
    next(working)
    assert len(taken) <= 5 + 2 * team.IN_HAND + 1
    working.close()


class Where:
    """Work that says which node it was done on."""

    def __call__(self, item: int) -> str:
        import ray

        time.sleep(0.1)
        return str(ray.get_runtime_context().get_node_id())


def test_auto_is_the_cluster_of_this_machine(nodes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", nodes)
    assert len(list(spread("auto", range(4), Where, []))) == 4


def test_local_joins_nobody(noise: Path, tmp_path: Path) -> None:
    """In a process of its own: one that had Ray of its own can join no cluster afterwards."""
    words = ["scan", noise, "--out", tmp_path / "m.csv", "--cluster", "local"]
    ran = subprocess.run(
        [sys.executable, "-m", "kinema", *map(str, words)],
        env={**os.environ, "RAY_ADDRESS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0 and "9 videos, 8 ok, 0 partial, 1 unreadable" in ran.stdout, ran.stderr


def test_what_is_not_wanted_when_its_turn_comes_is_passed_over(nodes: str, tmp_path: Path) -> None:
    items = [(number, 0) for number in range(10, 60)]
    found = spread(nodes, items, Marked, [str(tmp_path)], wanted=lambda item: item[0] % 3 == 0)
    assert {number for (number, _), _ in found} == set(range(12, 60, 3))
    assert len(list(tmp_path.iterdir())) == 16
    assert list(spread(nodes, items, Marked, [str(tmp_path)], wanted=lambda item: False)) == []


@pytest.mark.slow
def test_a_node_that_comes_later_is_used(begin_cluster: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "COUNTED", 0.5)
    made, seen = begin_cluster({}), set[str]()
    items = iter(range(10_000))
    working = spread(made.address, items, Where, [])
    seen.add(next(working)[1])
    made.add_node(num_cpus=1)
    for _, node in working:
        seen.add(node)
        if len(seen) == 2:
            break
    working.close()
    assert len(seen) == 2


def test_a_scan_on_two_nodes_finds_what_this_process_does(nodes: str, noise: Path, tmp_path: Path) -> None:
    assert scan_folder(noise, tmp_path / "m.parquet", cluster=nodes) == scan_folder(noise)
    assert scan_folder(noise, tmp_path / "m.parquet", cluster=nodes) == scan_folder(noise)  # nothing is new


def test_flow_of_two_nodes_is_that_of_this_process(nodes: str, noise: Path, tmp_path: Path) -> None:
    entries, config = scan_folder(noise), ExtractConfig(estimator="dis", short_side=32)
    found = {}
    for name, where in (("here", None), ("there", nodes)):
        done = extract_flow(store_reader(noise, tmp_path / name, config), entries, cluster=where)
        assert (done.made, done.found, [path for path, _ in done.failures]) == (8, 0, ["broken.mp4"])
        files = (path for path in (tmp_path / name).rglob("*.flow"))
        found[name] = {path.relative_to(tmp_path / name): path.read_bytes() for path in files}
    assert found["here"] == found["there"] and len(found["here"]) == 8
    again = extract_flow(store_reader(noise, tmp_path / "there", config), entries, cluster=nodes)
    assert (again.made, again.found) == (0, 8)


@pytest.mark.slow
def test_an_index_of_two_nodes_finds_what_one_of_this_process_does(nodes: str, noise: Path, tmp_path: Path) -> None:
    here, there = Library(tmp_path / "here", "motion"), Library(tmp_path / "there", "motion")
    one, other = here.add(noise), there.add(noise, cluster=nodes)
    assert (one.new, one.windows, len(one.problems)) == (other.new, other.windows, len(other.problems))
    places, stills, vectors = [], [], []
    for library in (here, there):
        windows = sorted(library.windows(), key=lambda window: (window.path, window.start))
        numbers = [window.id for window in windows]
        places.append([(window.path, window.start, window.end, window.strength) for window in windows])
        stills.append(library.vectors(numbers, by="appearance").tobytes())
        vectors.append(library.vectors(numbers))
    assert places[0] == places[1] and stills[0] == stills[1]
    rounding = 2e-2 if quick_bfloat16(torch.device("cpu")) else 1e-6  # a window is in another batch
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=0, atol=rounding)
    assert there.add(noise, cluster=nodes).windows == 0


def test_the_command_takes_an_address(nodes: str, noise: Path, tmp_path: Path, capsys) -> None:
    assert main(["scan", str(noise), "--out", str(tmp_path / "m.csv"), "--cluster", nodes]) == 0
    assert "9 videos, 8 ok, 0 partial, 1 unreadable" in capsys.readouterr().out
    assert main(["scan", str(noise), "--out", str(tmp_path / "n.csv"), "--cluster", "127.0.0.1:1"]) == 1
    assert "there is no cluster to join" in capsys.readouterr().err
