"""Two machines: two network namespaces of this one, which see each other through a cable alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinema.training.metrics import METRICS, read_metrics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """The names of two, with the addresses 10.77.0.1 and 10.77.0.2 on the interfaces ``wire0`` and ``wire1``."""
    names = [f"kinema{os.getpid()}-{number}" for number in (0, 1)]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "wire0", "netns", names[0], "type", "veth", "peer", "name", "wire1", "netns", names[1])
        for number, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.77.0.{number + 1}/24", "dev", f"wire{number}")
            ip("-n", name, "link", "set", f"wire{number}", "up")
            ip("-n", name, "link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot make network namespaces: {getattr(error, 'stderr', error)}")
    finally:
        started = all(Path("/run/netns", name).exists() for name in names)
        if not started:
            clear(names)
    yield names
    clear(names)


def clear(names: list[str]) -> None:
    for name in names:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def begin(hosts: list[str], words: list[str], node: int, log: Path, elastic: bool) -> subprocess.Popen[bytes]:
    """Begin the processes of a node: by torchrun, or one that begins the others."""
    place = {"MASTER_ADDR": "10.77.0.1", "MASTER_PORT": "29400", "NODE_RANK": str(node)}
    agent = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(node)]
    agent += ["--master-addr", "10.77.0.1", "--master-port", "29400"]
    call = [*(agent if elastic else []), "-m", "kinema.cli", *words]
    with log.open("wb") as file:
        return subprocess.Popen(
            ["ip", "netns", "exec", hosts[node], sys.executable, *call],
            env={
                **os.environ,
                **({} if elastic else place),
                "GLOO_SOCKET_IFNAME": f"wire{node}",
                "OMP_NUM_THREADS": "1",
            },
            stdout=file,
            stderr=subprocess.STDOUT,
        )


@pytest.mark.parametrize("elastic", [True, False])
def test_two_machines_train_together(hosts, videos, options, tiny, tmp_path, elastic):
    changes = {"mscl.queue": 12, "trainer.batch_size": 3, "trainer.devices": 1, "trainer.nodes": 2}
    words = ["pretrain", str(videos), "--out", str(tmp_path / "run"), *options(tiny(changes, epochs=2))]
    begun = [begin(hosts, words, node, tmp_path / f"log-{node}", elastic) for node in (0, 1)]
    ended = [process.wait(250) for process in begun]
    said = "".join((tmp_path / f"log-{node}").read_text() for node in (0, 1))
    assert ended == [0, 0], said
    assert said.count("videos are used") == said.count("step 4/4") == 1
    assert [row["step"] for row in read_metrics(tmp_path / "run" / METRICS) if "loss" in row] == [0, 1, 2, 3]


def test_a_machine_that_is_cut_off_ends_both(hosts, videos, options, tiny, tmp_path):
    changes = {"mscl.queue": 12, "trainer.batch_size": 3, "trainer.devices": 1, "trainer.nodes": 2}
    words = ["pretrain", str(videos), "--out", str(tmp_path / "run"), *options(tiny(changes, epochs=2000))]
    begun = [begin(hosts, words, node, tmp_path / f"log-{node}", False) for node in (0, 1)]
    rows = tmp_path / "run" / METRICS
    while not rows.exists() or len(rows.read_text().splitlines()) < 4:
        assert [process.poll() for process in begun] == [None, None], (tmp_path / "log-0").read_text()
        time.sleep(0.1)
    ip("-n", hosts[1], "link", "set", "wire1", "down")
    assert [process.wait(60) for process in begun] == [1, 1]
    for node in (0, 1):
        text = (tmp_path / f"log-{node}").read_text()
        assert text.count("was killed, or ended without a word; go on with --resume") == 1 and "Traceback" not in text
