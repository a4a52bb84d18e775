"""What other systems and other versions of Python lack, or do otherwise, stood in for on this one."""

from __future__ import annotations

import hashlib
import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from kinema.data import loader

OTHERS = "import tensorboard, torch, starlette.applications, uvicorn"  # which have ways of their own
WITHOUT_POSIX = """
import builtins, os, pkgutil, sys

real = builtins.__import__
ABSENT = {"fcntl", "resource", "termios", "pwd", "grp"}

def importing(name, globals=None, *rest, **more):
    if name in ABSENT and (globals or {}).get("__name__", "").startswith("kinema"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return real(name, globals, *rest, **more)

builtins.__import__ = importing
for name in ("pread", "pwrite", "fork", "forkpty", "register_at_fork", "setpgid", "setsid", "killpg", "getloadavg",
             "sched_getaffinity", "getuid", "geteuid", "O_CLOEXEC", "statvfs", "mkfifo", "wait", "sysconf"):
    delattr(os, name)
import kinema
"""

EVERY_MODULE = """
names = [found.name for found in pkgutil.walk_packages(kinema.__path__, "kinema.") if "__main__" not in found.name]
for name in names:
    __import__(name)
print(len(names))
"""


def test_no_module_needs_what_windows_lacks():
    done = subprocess.run([sys.executable, "-c", OTHERS + WITHOUT_POSIX + EVERY_MODULE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 200


RUNNING = """
import multiprocessing, sys

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    from kinema.cli import main
    sys.exit(main(sys.argv[2:]))
"""


def sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_read_start_by_any_method(videos, quick_settings, tmp_path, method):
    """As they do on Windows and macOS, and from Python 3.14 on."""
    script = tmp_path / "run.py"
    script.write_text(RUNNING)

    def run(how: str, *words: object) -> None:
        done = subprocess.run([sys.executable, script, how, *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]

    for how in ("fork", method):
        run(how, "flow", "extract", videos, "--out", tmp_path / how, "--estimator", "dis", "--workers", 2)
    assert sums(tmp_path / method) == sums(tmp_path / "fork")
    if method == "spawn":
        return  # a training differs in nothing but how its processes start, and takes long to
    run(method, "pretrain", videos, "--out", tmp_path / "run", "--config", quick_settings, "--trainer.workers", 1)
    assert (tmp_path / "run" / "encoder.safetensors").exists()


def test_a_process_of_a_fork_server_knows_whether_it_is_still_wanted(monkeypatch):
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_tell, args=((writer := context.SimpleQueue()),))
    process.start()
    assert writer.get() is False
    process.join()
    monkeypatch.setattr(loader.multiprocessing, "get_start_method", lambda: "forkserver")
    monkeypatch.setattr(loader.multiprocessing, "parent_process", lambda: process)
    assert loader._orphaned(0), "whoever began it has ended"


def _tell(writer) -> None:
    multiprocessing.set_start_method("forkserver", force=True)
    writer.put(loader._orphaned(0))
