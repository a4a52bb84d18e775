"""Locks keep others out, end with their process, and leave nothing behind."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kinema.common.locking import locked
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


def test_a_lock_ends_with_its_process_though_its_children_live_on(tmp_path):
    """As the processes of a loader do, for some seconds after whoever began them was killed."""
    script = (
        "import multiprocessing, sys, time\n"
        "from pathlib import Path\n"
        "from kinema.common.locking import locked\n"
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


def _count(path: Path, file: Path, times: int) -> None:
    for _ in range(times):
        with locked(path, "", wait=True):
            number = int(file.read_text())
            time.sleep(0.0005)
            file.write_text(str(number + 1))


def counted(folder: Path, times: int) -> int:
    """What four processes count to, each so many times, one after the other."""
    (folder / "number").write_text("0")
    processes = [FORK.Process(target=_count, args=(folder / ".lock", folder / "number", times)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return int((folder / "number").read_text())


def test_those_who_wait_come_one_after_the_other(tmp_path):
    assert counted(tmp_path, 50) == 200


@pytest.fixture(params=["ENOSYS", "EOPNOTSUPP", "ENOLCK"])
def without_locks(request, monkeypatch):
    """As on sshfs, for example."""

    def flock(*_):
        raise OSError(getattr(errno, request.param), "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)


def _killed(path: Path) -> None:
    with locked(path, ""):
        os.kill(os.getpid(), signal.SIGKILL)


def test_where_a_file_system_knows_no_locks_a_file_keeps_others_out(tmp_path, without_locks):
    path = tmp_path / ".lock"
    told = "another has it (this file system knows no locks: if nobody does, delete " + f"{path}.holder)"
    with locked(path, ""), pytest.raises(OutputError, match=re.escape(told)), locked(path, "another has it"):
        pass
    assert not list(tmp_path.iterdir())
    process = FORK.Process(target=_killed, args=(path,))
    process.start()
    process.join()
    assert [left.name for left in tmp_path.iterdir()] == [".lock.holder"]
    assert not taken(path), "who is in the file has ended, on this machine"


def test_those_who_wait_without_locks_come_one_after_the_other(tmp_path, without_locks):
    assert counted(tmp_path, 10) == 40


def test_a_lock_whose_file_another_machine_has_just_removed_is_asked_for_again(tmp_path, monkeypatch):
    flock, answers = fcntl.flock, [errno.ESTALE, errno.ESTALE]

    def stale(*arguments):
        if answers:
            raise OSError(answers.pop(), "Stale file handle")
        flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", stale)
    with locked(tmp_path / ".lock", ""):
        assert not answers and taken(tmp_path / ".lock")


def test_who_has_waited_leaves_the_file_to_others_who_wait(tmp_path):
    """Of eight that waited on GlusterFS one had the removed file, and another the new one."""
    path = tmp_path / ".lock"
    with locked(path, "", wait=True):
        assert taken(path)
    assert path.exists() and not taken(path) and not path.exists()


def test_a_lock_that_cannot_be_made(tmp_path):
    complaint = r"cannot write .*lock: no such file or directory; choose a folder with"
    with pytest.raises(OutputError, match=complaint), locked(tmp_path / "none" / ".lock", ""):
        pass
    assert not (tmp_path / "none").exists()
