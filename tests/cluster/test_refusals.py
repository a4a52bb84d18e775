"""Clusters and machines that cannot do what is asked of them: one sentence each, and nothing is lost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import kinema
from kinema.common.cluster import joining, spread, team
from kinema.common.cluster.worker import versions
from kinema.errors import ConfigError, DataError, OutputError
from kinema.search import Library
from kinema.video import scan_folder
from kinema.video.manifest import OK

pytestmark = pytest.mark.timeout(900)


class Nothing:
    """Work that is none."""

    def __call__(self, item: Any) -> Any:
        return item


def refuses(words: str, *asked, **settings) -> None:
    with pytest.raises(ConfigError, match=words):
        list(spread(*asked, **settings))


class Refusing:
    """Work that cannot be begun."""

    def __init__(self) -> None:
        raise DataError("there is nothing to work with; bring something")


def test_what_cannot_be_is_one_sentence(nodes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuses("there is no cluster to join at '127.0.0.1:1' .*; begin one with", "127.0.0.1:1", [], Nothing, [])
    for nonsense in ("nonsense", "127.0.0.1", "ray://127.0.0.1:"):
        refuses(f"there is no cluster to join at '{nonsense}' .it is no HOST:PORT.;", nonsense, [], Nothing, [])
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:  # of which Ray would ask for minutes
        threading.Thread(target=other.handle_request).start()
        place = f"127.0.0.1:{other.server_port}"
        refuses(f"there is no cluster to join at '{place}' .what answers there is not Ray.;", place, [], Nothing, [])
    with socket.create_server(("127.0.0.1", 0)) as silent, monkeypatch.context() as patched:
        patched.setattr(joining, "KNOCK", 0.5)
        patched.setenv("RAY_ADDRESS", f"127.0.0.1:{silent.getsockname()[1]}")
        refuses("there is no cluster to join at 'auto' .timed out.;", "auto", [], Nothing, [])
    with monkeypatch.context() as patched:
        patched.setenv("RAY_TMPDIR", str(tmp_path))
        patched.setattr("ray._private.services.find_gcs_addresses", cache(set))
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")  # left by a head that was killed
        refuses("there is no cluster to join at 'auto' .*Connection refused", "auto", [], Nothing, [])
    refuses("does not see /none; put it where all machines", nodes, [1], Nothing, [], shared=[Path("/none")])
    with pytest.raises(DataError, match="there is nothing to work with; bring something"):
        list(spread(nodes, [1], Refusing, []))
    with monkeypatch.context() as patched:
        patched.setattr("ray.__version__", "2.0.0")
        for _ in range(2):  # and it has not joined all the same
            refuses("has another Ray or Python than this machine .*2.0.0.*; install the same", nodes, [1], Nothing, [])
    monkeypatch.setattr(team, "versions", lambda: {**versions(), "kinema": "9.9"})
    refuses("has kinema .*, and this machine 9.9; install the same everywhere", nodes, [1], Nothing, [])
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    refuses(r"work on a cluster needs ray: pip install \"kinema\[cluster\]\"", nodes, [1], Nothing, [])


def hidden(address: str, path: Path) -> Any:
    """A node of a core that does not see what lies at a path."""
    ray = str(Path(sys.executable).with_name("ray"))
    script = f'mount -t tmpfs tmpfs "{path}" && exec {ray} start --address {address} --num-cpus 1 --block'
    return subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may hide a folder from a node")
def test_a_folder_that_the_head_alone_sees(begin_cluster: Callable[..., Any], noise: Path, tmp_path: Path) -> None:
    made = begin_cluster({"num_cpus": 0})
    node = hidden(made.address, noise.parent)
    try:
        for work in (
            lambda: scan_folder(noise, cluster=made.address),
            lambda: Library(tmp_path / "index", "motion").add(noise, cluster=made.address),
        ):
            with pytest.raises(ConfigError, match=f" does not see {noise}.*; put it where all machines"):
                work()
    finally:
        node.terminate()
        node.wait()


@pytest.mark.slow
def test_nodes_with_another_kinema_or_without_what_the_work_needs(
    begin_cluster: Callable[..., Any],
    s3: tuple[Any, str],
    noise: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # Ray's workers look first where the driver is
    package = Path(kinema.__file__).parent
    earlier, lacking = tmp_path / "earlier", tmp_path / "lacking"
    (earlier / "kinema").mkdir(parents=True)
    for path in package.iterdir():
        if path.name != "__init__.py":
            (earlier / "kinema" / path.name).symlink_to(path)
    text = (package / "__init__.py").read_text()
    (earlier / "kinema" / "__init__.py").write_text(text.replace(kinema.__version__, "0.0.9"))
    (tmp_path / "decoding" / "av-0.0.1.dist-info").mkdir(parents=True)
    (tmp_path / "decoding" / "av-0.0.1.dist-info" / "METADATA").write_text("Name: av\nVersion: 0.0.1\n")
    lacking.mkdir()
    (lacking / "s3fs.py").write_text("raise ImportError('there is no s3fs')")
    system, bucket = s3
    system.put_file(str(noise / "0" / "0.mp4"), f"{bucket}/0.mp4")
    for folder, videos, words in (
        (earlier, str(noise), f"has kinema 0.0.9, and this machine {kinema.__version__}; install the same everywhere"),
        (tmp_path / "decoding", str(noise), f"has av 0.0.1, and this machine {metadata.version('av')}; install"),
        (lacking, f"s3://{bucket}", f": s3://{bucket} needs a package .*pip install .*storage"),
    ):
        path = {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}"}
        made = begin_cluster({"num_cpus": 0}, {"env_vars": path})
        with pytest.raises(ConfigError, match=words):
            scan_folder(videos, cluster=made.address)


@pytest.mark.slow
def test_a_full_disk_on_one_node(
    begin_cluster: Callable[..., Any], s3: tuple[Any, str], noise: Path, tmp_path: Path, small_disk: Any
) -> None:
    """What is done is kept, and another node does the rest."""
    system, bucket = s3
    for path in sorted(noise.rglob("*.mp4")):
        system.put_file(str(path), f"{bucket}/videos/{path.name}")
    disk, fill = small_disk
    fill()
    out, address = tmp_path / "m.parquet", f"s3://{bucket}/videos"
    made = begin_cluster({"num_cpus": 0}, {"env_vars": {"KINEMA_CACHE": str(disk)}})
    with pytest.raises(OutputError, match=r": cannot write .*disk.*No space left"):
        scan_folder(address, out, cluster=made.address)
    library = Library(tmp_path / "index", "motion")
    with pytest.raises(OutputError, match=r": cannot write .*disk.*No space left"):
        library.add(address, cluster=made.address)
    made.remove_node(next(iter(made.worker_nodes)), False)
    made.add_node(num_cpus=1, env_vars={"KINEMA_CACHE": str(tmp_path / "roomy")})
    found = scan_folder(address, out, cluster=made.address)
    assert [entry.status for entry in found].count(OK) == 8
    added = library.add(address, cluster=made.address)
    assert added.new == 9 and [video.path for video in added.problems] == [f"{address}/broken.mp4"]
