"""Several processes of one training."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import forked

SECONDS = 30
"""In which all have to end when one has."""

IN_PARTS = {"trainer.batch_size": 4, "trainer.accumulate": 2, "sampling.clips_per_video": 2}
"""Three steps an epoch, in which each process goes through its clips in two parts."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def all_end(processes: list, seconds: float = SECONDS) -> list[int | None]:
    until = time.monotonic() + seconds
    found = [forked.ended(process, max(0.1, until - time.monotonic())) for process in processes]
    for process in processes:
        if process.is_alive():
            process.kill()
    return found


def undisturbed(folder: Path, videos, config, options) -> Path:
    port = str(free_port())
    begun = []
    for rank in (0, 1):
        place = {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        call = ["pretrain", videos, "--out", folder / "run", *options(config)]
        begun.append(forked.start(call, folder / f"log-{rank}", f"import os; os.environ.update({place!r})"))
    assert all_end(begun, 120) == [0, 0], (folder / "log-0").read_text()
    return folder / "run"
