"""Output that is not read, cannot be written or has nowhere to go: a sentence or a quiet end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KINEMA = [sys.executable, "-m", "kinema.cli"]
needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


def shell(words: str) -> subprocess.CompletedProcess[str]:
    command = words.replace("kinema", " ".join(KINEMA), 1)
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"})


@pytest.mark.parametrize("words", ["--help", "pretrain --help-all", "flow --list"])
def test_nobody_reads_on(words):
    done = shell(f"(kinema {words}; echo $? >&2) | true")
    assert done.stderr.splitlines()[-1:] in (["141"], ["0"]) and len(done.stderr.splitlines()) == 1


@needs_full_device
@pytest.mark.parametrize("words", ["--help", "pretrain --help-all"])
def test_output_that_cannot_be_written(words):
    done = shell(f"kinema {words} > /dev/full")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "No space left on device" in done.stderr
    assert shell(f"kinema {words} --nonsense > /dev/full 2>&1").returncode in (1, 2)


def test_names_with_line_breaks_and_orders_to_the_terminal_are_shown_in_one_line(tmp_path, capsys):
    from kinema.cli import main

    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a\nok: b\x1b[2J\u202e.mp4").write_text("no video")
    assert main(["scan", str(tmp_path / "videos"), "--out", str(tmp_path / "manifest.csv"), "--workers", "1"]) == 0
    output, _ = capsys.readouterr()
    assert len(output.splitlines()) == 2
    assert output.startswith("unreadable: a\\nok: b\\x1b[2J\\u202e.mp4: ")
    assert main(["scan", str(tmp_path / "nowhere\nat all")]) != 0
    _, errors = capsys.readouterr()
    assert len(errors.splitlines()) == 1


TELLING = (
    "import sys; from kinema.common.streams import open_streams; open_streams(); print('on the way', file=sys.stderr)"
)


@needs_full_device
@pytest.mark.parametrize("place", ["2> /dev/full", "2< /dev/null", "2>&-"])
def test_what_is_told_on_the_way_ends_no_job(place):
    command = f"""{sys.executable} -c "{TELLING}; print('done')" {place}"""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")


@needs_full_device
@pytest.mark.slow
@pytest.mark.parametrize("place", ["2> /dev/full", "2< /dev/null"])
def test_a_training_whose_log_is_full_goes_on(place, videos, quick_settings, tmp_path):
    done = shell(f"kinema pretrain {videos} --out {tmp_path / 'run'} --config {quick_settings} {place}")
    assert done.returncode == 0, done
    assert (tmp_path / "run" / "encoder.safetensors").is_file()


def test_no_streams_at_all(videos, tmp_path):
    """As a service starts it: what is opened first must not become standard output."""
    done = shell(f"kinema scan {videos} --out {tmp_path / 'manifest.csv'} --workers 1 <&- >&- 2>&-")
    assert done.returncode == 0
    lines = (tmp_path / "manifest.csv").read_text().splitlines()
    assert len(lines) == 13 and lines[0].startswith("path,status")


def test_names_that_are_no_text(tmp_path):
    (tmp_path / "videos").mkdir()
    name = os.fsencode(tmp_path / "videos") + b"/caf\xe9.mp4"
    Path(os.fsdecode(name)).write_text("no video")
    command = [*KINEMA, "scan", str(tmp_path / "videos"), "--out", str(tmp_path / "manifest.csv")]
    for language in ("C.UTF-8", "C"):
        done = subprocess.run(command, capture_output=True, env={**os.environ, "LC_ALL": language})
        assert done.returncode == 0 and done.stderr == b""
        assert b"unreadable: caf" in done.stdout
