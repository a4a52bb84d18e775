"""Work shared out by Ray: on this machine, on two nodes, through kills."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kinema.cli import main
from kinema.cluster import ATTEMPTS, Lost, spread, team
from kinema.config import ExtractConfig
from kinema.data.extraction import extract_flow, store_reader
from kinema.data.synthetic.files import write_video
from kinema.errors import ConfigError, DataError
from kinema.search import Library
from kinema.video import scan_folder

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def nodes() -> Iterator[str]:
    """The address of a cluster of two nodes, of a core each."""
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made.address
    made.shutdown()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for number in range(8):
        frames = np.random.default_rng(number).integers(0, 256, (20, 32, 32, 3), np.uint8)
        (folder / str(number % 2)).mkdir(exist_ok=True)
        write_video(folder / str(number % 2) / f"{number}.mp4", frames, 16.0)
    (folder / "broken.mp4").write_text("no video")
    return folder


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


def test_nothing_is_taken_before_there_is_room(nodes: str, tmp_path: Path) -> None:
    taken = []
    items = ((number, 0) for number in range(100, 200) if taken.append(number) or True)
    working = spread(nodes, items, Marked, [str(tmp_path)])
    next(working)
    assert len(taken) <= 2 * team.IN_HAND + 1
    working.close()


def refuses(words: str, *asked, **settings) -> None:
    with pytest.raises(ConfigError, match=words):
        list(spread(*asked, **settings))


class Refusing:
    """Work that cannot be begun."""

    def __init__(self) -> None:
        raise DataError("there is nothing to work with; bring something")


def test_what_cannot_be_is_one_sentence(nodes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuses("there is no cluster to join at '127.0.0.1:1' .*; begin one with", "127.0.0.1:1", [], Marked, ["/"])
    refuses("there is no cluster to join at 'nonsense' ", "nonsense", [], Marked, ["/"])
    refuses("does not see /none; put it where all machines", nodes, [1], Marked, ["/"], shared=[Path("/none")])
    with pytest.raises(DataError, match="there is nothing to work with; bring something"):
        list(spread(nodes, [1], Refusing, []))
    monkeypatch.setattr(team, "__version__", "9.9")
    refuses("has kinema .*, and this machine 9.9; install the same everywhere", nodes, [1], Marked, ["/"])
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    refuses(r"work on a cluster needs ray: pip install \"kinema\[cluster\]\"", nodes, [1], Marked, ["/"])


def test_a_scan_on_two_nodes_finds_what_this_process_does(nodes: str, videos: Path, tmp_path: Path) -> None:
    assert scan_folder(videos, tmp_path / "m.parquet", cluster=nodes) == scan_folder(videos)
    assert scan_folder(videos, tmp_path / "m.parquet", cluster=nodes) == scan_folder(videos)  # nothing is new


def test_flow_of_two_nodes_is_that_of_this_process(nodes: str, videos: Path, tmp_path: Path) -> None:
    entries, config = scan_folder(videos), ExtractConfig(estimator="dis", short_side=32)
    found = {}
    for name, where in (("here", None), ("there", nodes)):
        done = extract_flow(store_reader(videos, tmp_path / name, config), entries, cluster=where)
        assert (done.made, done.found, [path for path, _ in done.failures]) == (8, 0, ["broken.mp4"])
        files = (path for path in (tmp_path / name).rglob("*.flow"))
        found[name] = {path.relative_to(tmp_path / name): path.read_bytes() for path in files}
    assert found["here"] == found["there"] and len(found["here"]) == 8
    again = extract_flow(store_reader(videos, tmp_path / "there", config), entries, cluster=nodes)
    assert (again.made, again.found) == (0, 8)


def test_an_index_of_two_nodes_finds_what_one_of_this_process_does(nodes: str, videos: Path, tmp_path: Path) -> None:
    here, there = Library(tmp_path / "here", "motion"), Library(tmp_path / "there", "motion")
    one, other = here.add(videos), there.add(videos, cluster=nodes)
    assert (one.new, one.windows, len(one.problems)) == (other.new, other.windows, len(other.problems))
    vectors = [{(w.path, w.start): library.vectors([w.id])[0] for w in library.windows()} for library in (here, there)]
    assert vectors[0].keys() == vectors[1].keys()
    for place, vector in vectors[0].items():
        np.testing.assert_allclose(vector, vectors[1][place], atol=2e-2)  # bfloat16 in other batches
    assert there.add(videos, cluster=nodes).windows == 0


def test_the_command_takes_an_address(nodes: str, videos: Path, tmp_path: Path, capsys) -> None:
    assert main(["scan", str(videos), "--out", str(tmp_path / "m.csv"), "--cluster", nodes]) == 0
    assert "9 videos, 8 ok, 0 partial, 1 unreadable" in capsys.readouterr().out
    assert main(["scan", str(videos), "--out", str(tmp_path / "n.csv"), "--cluster", "127.0.0.1:1"]) == 1
    assert "there is no cluster to join" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_node_that_is_lost_costs_nothing(videos: Path, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    many = tmp_path / "many"
    many.mkdir()
    source = next(iter((videos / "0").glob("*.mp4")))
    for number in range(300):
        shutil.copy(source, many / f"{number:03}.mp4")
    expected = scan_folder(many)
    for place in range(5):
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        doomed = made.add_node(num_cpus=1)
        killer = threading.Timer(6 + place, lambda made=made, doomed=doomed: made.remove_node(doomed, False))
        killer.start()
        try:
            assert scan_folder(many, tmp_path / f"{place}.parquet", cluster=made.address) == expected
        finally:
            killer.cancel()
            made.shutdown()
