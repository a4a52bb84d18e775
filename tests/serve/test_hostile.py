"""Requests that mean no good, to a real server over bare sockets: nothing leads out, and nothing makes it fail."""

from __future__ import annotations

import random
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

import pytest
from served_page import served

from kinema.search import Library

COUNT = 200
SECRET = "the secret that no answer may hold"
PATHS = [
    "../secret.txt", "..%2fsecret.txt", "%2e%2e/%2e%2e/secret.txt", "..%5c..%5csecret.txt", "//secret.txt", "%00", "",
    "....//....//secret.txt", "%252e%252e%252fsecret.txt", "file:///etc/passwd", "%ff%fe", "%ed%a0%80", "a" * 4000,
    "1/../../secret.txt", "1e15", "-1", "9" * 400, "9" * 5000, "0x10", "1;ls", "{1+1}", "%0d%0aSet-Cookie:%20x=y",
    "clip", "1/clip/x",
]  # fmt: skip
PREFIXES = [
    "/", "/static/", "/media/window/", "/media/window/1/", "/media/upload/", "/media/upload/x/", "/api/",
    "/api/source/window/", "/api/source/upload/", "/api/uploads/", "/api/export/", "/api/timeline/", "/media/video/",
]  # fmt: skip
QUERIES = [
    "", "start=1e15&end=1e15", "start=-1&end=nan", "start=1e400", "start=5&end=1", "start=%ff", "since=%00",
    "text=%ed%a0%80", "offset=99999999999999999999", "token=x", "name=" + "%F0" * 300, "start=0&start=1&end=x&end=2",
]  # fmt: skip
HOSTS = [
    *["{here}"] * 6, "evil.example", "127.0.0.1.evil.example", "", "[::1", "127.0.0.1:99999999", "{here}@evil", "\xff",
]  # fmt: skip
ORIGINS = [*["http://{here}"] * 6, "null", "http://evil.example", "", "file://", "http://{here}.evil.example", "\x00"]
RANGES = [
    "", "bytes=0-1", "bytes=5-1", "bytes=-0", "bytes=-", "bytes=99999999999999999999-", "bytes=0-1,2-3", "x=1-2",
    "\xff",
]  # fmt: skip
BODIES: list[bytes] = [
    b"", b"{}", b"[]", b"{", b"\xff" * 50, b"[" * 9000, b'{"source": {"window": 1, "start": 1e15, "end": 2e15}}',
    b'{"source": {"upload": "../../secret.txt"}}', b'{"source": {"like": 1e308}}',
    b'{"top": -5, "source": {"like": 1}}',
    b'{"change": "set", "window": 1, "name": "\\ud800"}', b'{"change": "rename", "name": "x", "to": "\\u0000"}',
    b'{"hits": [{"by": "motion", "id": 1, "start": 1e15, "end": 2e15, "score": 1e999}]}', b"x" * (1 << 20),
    b'{"filters": {"folder": "../.."}, "source": {"like": 1}}', b'{"filters": {"after": 1e999}, "source": {"like": 1}}',
    b"ffconcat version 1.0\nfile '/etc/passwd'\n", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", b"RIFF" + b"\xff" * 200,
]  # fmt: skip


@pytest.fixture(scope="module")
def port(library: Library) -> Iterator[int]:
    (library.path.parent / "secret.txt").write_text(SECRET)
    with served(library.path, max_upload=1) as address:
        yield int(re.findall(r"\d+", address)[-1])


def hostile(rng: random.Random, here: str) -> bytes:
    """A request, drawn from what has brought other servers down."""
    method = rng.choice(["GET", "GET", "GET", "POST", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "BREW"])
    path = rng.choice(PREFIXES) + rng.choice(PATHS)
    if method == "POST" and rng.random() < 0.7:
        path = rng.choice(["/api/uploads", "/api/search", "/api/labels", "/api/classify", "/api/export/hits.csv",
                           "/api/export/clips.zip"])  # fmt: skip
    if path.startswith("/media/window") and rng.random() < 0.5:
        path = "/media/window/1/" + rng.choice(["clip", "flow", "strip", "watch", "still", "exe"])
    query = rng.choice(QUERIES)
    body = rng.choice(BODIES) if method in ("POST", "PUT") else b""
    if body and rng.random() < 0.3:
        body = bytes(rng.randrange(256) if rng.random() < 0.1 else byte for byte in body[:2000])
    length = rng.choice([str(len(body))] * 8 + ["-1", "x", "99999999999999", "0"])
    lines = [
        f"{method} {path}{'?' if query else ''}{query} HTTP/1.1",
        f"Host: {rng.choice(HOSTS).format(here=here)}",
        f"Origin: {rng.choice(ORIGINS).format(here=here)}",
        f"Content-Length: {length}",
        f"Range: {rng.choice(RANGES)}",
        f"Cookie: {rng.choice(['', 'kinema=x', '=;=;;', chr(255) * 20])}",
        f"Sec-Fetch-Site: {rng.choice(['same-origin'] * 5 + ['cross-site', 'x'])}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def ask(port: int, request: bytes, seconds: float = 3) -> bytes:
    """What is answered within so many seconds; nothing where the server hangs up, or waits for more."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            connection.sendall(request)
            while part := connection.recv(1 << 16):
                said += part
        except OSError:  # the server has hung up, before its answer was asked for or in the middle of it
            pass
    return said


def test_two_hundred_hostile_requests(port: int, library: Library) -> None:
    rng = random.Random(0)
    statuses: dict[int, int] = {}
    before = sorted(path.name for path in library.path.parent.rglob("*") if "previews" not in str(path))
    for _ in range(COUNT):
        request = hostile(rng, f"127.0.0.1:{port}")
        said = ask(port, request)
        found = re.match(rb"HTTP/1\.1 (\d+)", said)
        status = int(found[1]) if found else 0
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500 or status == 503, (request[:300], said[:500])
        assert SECRET.encode() not in said and b"root:" not in said and b"Traceback" not in said, request[:300]
        assert str(library.path.parent).encode() not in said, (request[:300], said[:500])
        assert b"\r\nset-cookie:" not in said.lower()
    assert {400, 403, 404, 421} <= set(statuses) and statuses.get(0, 0) < COUNT / 3, statuses
    assert ask(port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()).startswith(
        b"HTTP/1.1 200"
    ), "it is still there"
    left = set(before) ^ {p.name for p in library.path.parent.rglob("*") if "previews" not in str(p)}
    assert left <= {"labels.sqlite", "labels.sqlite-journal"} | {f"windows.sqlite{end}" for end in ("-wal", "-shm")}


@pytest.mark.parametrize(
    "name", [b"\xed\xa0\x80.mp4", b"../../x.mp4", b"\xff", b"a" * 5000, b"a\0b.mp4", "ü ☃.mp4".encode()]
)
def test_names_of_uploads_are_shown_or_refused_in_a_sentence(port: int, library: Library, name: bytes) -> None:
    clip = Path(library.windows()[0].path).read_bytes()
    head = (
        f"POST /api/uploads?name={quote_from_bytes(name)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Origin: http://127.0.0.1:{port}\r\nContent-Length: {len(clip)}\r\nConnection: close\r\n\r\n"
    )
    said = ask(port, head.encode() + clip, 120)  # the first one waits for the process that decodes
    assert said.startswith(b"HTTP/1.1 200"), said
    token = re.search(rb'"token":"([\w-]+)"', said)
    assert token is not None
    drop = f"DELETE /api/uploads/{quote(token[1].decode())} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    assert ask(port, f"{drop}Origin: http://127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()).startswith(
        b"HTTP/1.1 204"
    )


def test_an_upload_that_breaks_off_leaves_nothing_and_says_nothing_on_the_terminal(
    port: int, library: Library, capfd: pytest.CaptureFixture[str]
) -> None:
    head = f"POST /api/uploads?name=a.mp4 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
    for _ in range(20):  # more than there is room for
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            connection.sendall(f"{head}Content-Length: 500000\r\n\r\n".encode() + b"x" * 1000)
    clip = Path(library.windows()[0].path).read_bytes()
    for _ in range(50):  # the server needs a moment to see who has hung up
        said = ask(port, f"{head}Content-Length: {len(clip)}\r\nConnection: close\r\n\r\n".encode() + clip)
        if not said.startswith(b"HTTP/1.1 503"):
            break
        time.sleep(0.2)
    assert said.startswith(b"HTTP/1.1 200"), said
    assert "Traceback" not in capfd.readouterr().err
