from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kinema.errors import DataError
from kinema.serve import uploads as module
from kinema.serve.uploads import TooLarge, Upload, Uploads


def send(uploads: Uploads, *parts: bytes, name: str = "clip.mp4", promised: int = 0) -> Upload:
    async def body() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return asyncio.run(uploads.receive(body(), name, promised))


def lying_in(uploads: Uploads) -> list[Path]:
    return list(Path(uploads._folder.name).iterdir())


@pytest.fixture
def uploads() -> Uploads:
    return Uploads(limit=100)


def test_keeps_what_is_sent_until_it_is_dropped(uploads: Uploads) -> None:
    upload = send(uploads, b"ab", b"c")
    assert (upload.path.read_bytes(), uploads.get(upload.token)) == (b"abc", upload)
    uploads.drop(upload.token)
    assert lying_in(uploads) == []
    with pytest.raises(DataError, match="choose it again"):
        uploads.get(upload.token)
    uploads.drop(upload.token)


@pytest.mark.parametrize("promised", [0, 101, 10**12])
def test_more_than_the_limit_is_refused_and_nothing_stays(uploads: Uploads, promised: int) -> None:
    send(uploads, b"x" * 100)
    with pytest.raises(TooLarge, match=r"clip\.mp4 has more than .* MiB; send a shorter clip, or raise --max-upload"):
        send(uploads, b"x" * 60, b"x" * 41, promised=promised)
    assert len(lying_in(uploads)) == 1


def test_an_endless_body_is_cut_off(uploads: Uploads) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1 << 20
            yield bytes(1 << 20)

    with pytest.raises(TooLarge):
        asyncio.run(uploads.receive(endless(), "endless.mp4"))
    assert taken <= module.DRAINED + (2 << 20)
    assert lying_in(uploads) == []


def test_a_body_that_breaks_off_leaves_nothing(uploads: Uploads) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"ab"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(uploads.receive(broken(), "broken.mp4"))
    assert lying_in(uploads) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\passwd", "a/passwd"])
def test_a_name_is_shown_but_never_a_path(uploads: Uploads, name: str) -> None:
    upload = send(uploads, b"x", name=name)
    assert upload.name == "passwd"
    assert [upload.path] == lying_in(uploads)
    assert upload.path.name == upload.token


def test_tokens_name_no_files(uploads: Uploads) -> None:
    for token in ("../secret", "", ".", "x\0"):
        with pytest.raises(DataError):
            uploads.get(token)


def test_the_least_asked_for_makes_room_and_idle_ones_go(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    sent = []
    for number in range(module.KEPT):
        now = float(number)
        sent.append(send(uploads, b"x"))
    now = 100.0
    uploads.get(sent[0].token)
    now = 101.0
    latest = send(uploads, b"x")
    assert {path.name for path in lying_in(uploads)} == {upload.token for upload in (*sent[:1], *sent[2:], latest)}
    now = 100.0 + module.IDLE + 0.5
    uploads.tidy()
    assert [path.name for path in lying_in(uploads)] == [latest.token]


def test_closing_deletes_all(uploads: Uploads) -> None:
    upload = send(uploads, b"x")
    assert upload.path.parent.stat().st_mode & 0o077 == 0, "others on the machine see nothing"
    uploads.close()
    assert not upload.path.parent.exists()
