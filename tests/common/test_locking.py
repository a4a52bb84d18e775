"""Locks keep others out, end with their process, and leave nothing behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kinema.common.locking import deleting, hold, locked
from kinema.errors import OutputError

FORK = multiprocessing.get_context("fork")


def taken(path: Path) -> bool:
    try:
        with locked(path, "another has it"):
            return False
    except OutputError as error:
        return str(error) == "another has it"


def test_a_lock_keeps_out_threads_and_leaves_no_file(tmp_path):
    path, seen = tmp_path / ".lock", []
    with locked(path, "another has it"):
        assert taken(path)
        thread = threading.Thread(target=lambda: seen.append(taken(path)))
        thread.start()
        thread.join()
    assert seen == [True] and not taken(path) and not path.exists()


def test_what_several_hold_is_deleted_when_none_does(tmp_path):
    path = tmp_path / "copy"
    path.touch()
    one, other = hold(path), hold(path)
    assert one is not None and other is not None
    for held in (one, other):
        with deleting(path) as free:
            assert not free
        held.close()
    with deleting(path) as free:
        assert free


def test_a_lock_ends_with_its_process_though_its_children_live_on(tmp_path):
    """As the processes of a loader do, for some seconds after whoever began them was killed."""
    script = (
        "import multiprocessing, sys, time\n"
        "from pathlib import Path\n"
        "from kinema.common.locking import deleting, hold, locked\n"
        "with locked(Path(sys.argv[1]), ''):\n"
        "    child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))\n"
        "    child.start()\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    path = tmp_path / ".lock"
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        assert taken(path)
        process.kill()
        process.wait()
        os.kill(child, 0)  # it lives
        until = time.monotonic() + 20  # it may have been made just now, and not have begun yet
        while taken(path) and time.monotonic() < until:
            time.sleep(0.05)
        assert not taken(path)
    finally:
        os.kill(child, signal.SIGKILL)


def _count(path: Path, file: Path) -> None:
    for _ in range(50):
        with locked(path, "", wait=True):
            number = int(file.read_text())
            time.sleep(0.0005)
            file.write_text(str(number + 1))


def test_those_who_wait_come_one_after_the_other(tmp_path):
    (tmp_path / "number").write_text("0")
    processes = [FORK.Process(target=_count, args=(tmp_path / ".lock", tmp_path / "number")) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "number").read_text() == "200"


def test_a_lock_that_cannot_be_made(tmp_path):
    complaint = r"cannot write .*lock: no such file or directory; choose a folder with"
    with pytest.raises(OutputError, match=complaint), locked(tmp_path / "none" / ".lock", ""):
        pass
