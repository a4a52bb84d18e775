from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from kinema.search import Library


def test_refusals_are_one_sentence(library: Library, refused: Callable[..., str], tmp_path: Path) -> None:
    assert "there is no index at" in refused("serve", "--index", tmp_path / "none")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("serve", "--index", library.path, "--port", port)
    assert f"cannot listen on 127.0.0.1 port {port}: address already in use; choose another --port" in said
    assert "there is no port 65536" in refused("serve", "--index", library.path, "--port", "65536")


def test_says_what_is_missing(library: Library, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert 'the page needs uvicorn: pip install "kinema[serve]"' in refused("serve", "--index", library.path)


def test_requests_that_are_under_way_when_it_is_stopped_end_in_silence(library: Library) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kinema.cli", "serve", "--index", str(library.path), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = re.match(r"http://([\d.]+:(\d+))/", process.stdout.readline())
        assert address is not None
        with socket.create_connection(("127.0.0.1", int(address[2]))) as half_sent:
            head = f"POST /api/search HTTP/1.1\r\nHost: {address[1]}\r\nOrigin: http://{address[1]}\r\n"
            half_sent.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
            with urllib.request.urlopen(f"http://{address[1]}/", timeout=60) as answer:
                assert answer.status == 200  # so the other has come, too
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (0, 130) and errors in ("", "kinema serve: stopped\n")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_serves_until_it_is_stopped_and_leaves_nothing(library: Library, host: str, tmp_path: Path) -> None:
    words = ["serve", "--index", library.path, "--port", "0", "--host", host]
    process = subprocess.Popen(
        [sys.executable, "-m", "kinema.cli", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = re.match(r"http://[\d.]+:(\d+)/(\?token=\S{20,})?  \(", process.stdout.readline())
        assert said is not None and (said[2] is None) == (host == "127.0.0.1")
        with pytest.raises(urllib.error.HTTPError, match="401") if said[2] else nullcontext():
            urllib.request.urlopen(f"http://127.0.0.1:{said[1]}/", timeout=60).close()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(f"http://127.0.0.1:{said[1]}/{said[2] or ''}", timeout=60) as answer:
            assert b"<title>kinema" in answer.read()
        assert list(tmp_path.glob("kinema-uploads-*"))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (0, 130)
    assert not list(tmp_path.glob("kinema-uploads-*"))
    assert ("warning: everybody who can reach 0.0.0.0" in errors) == (host == "0.0.0.0")
    assert "Traceback" not in errors
