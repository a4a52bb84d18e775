"""What is written appears whole, and devices and pipes stay what they are."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from kinema.common.files import atomic_path, write_csv, write_text
from kinema.errors import OutputError


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe.csv", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_csv(pipe, [("a", "b"), (1, 2)])
    reader.join()
    assert found == ["a,b\n1,2\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode) and [path.name for path in tmp_path.iterdir()] == ["pipe.csv"]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
def test_devices_stay_devices() -> None:
    write_text("/dev/null", "gone")
    with pytest.raises(OutputError, match="cannot write /dev/full: No space left on device"):
        write_text("/dev/full", "no room")
    assert Path("/dev/null").is_char_device() and Path("/dev/full").is_char_device()


def test_writers_of_one_file_do_not_meet_whatever_their_process_number(tmp_path: Path) -> None:
    """As processes of two containers that share a folder may have the same."""
    out = tmp_path / "out.txt"
    with atomic_path(out) as one:
        one.write_text("one")
        with atomic_path(out) as other:
            other.write_text("other")
        assert out.read_text() == "other"
    assert out.read_text() == "one" and [path.name for path in tmp_path.iterdir()] == ["out.txt"]
