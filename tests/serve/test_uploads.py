from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from kinema.errors import DataError, OutputError
from kinema.serve import uploads as module
from kinema.serve.uploads import TooLarge, TooMany, Upload, Uploads


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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = 0.0

    def put(seconds: float) -> None:
        nonlocal now
        now = seconds

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    return put


def test_one_that_is_asked_about_never_makes_room_and_a_quiet_one_does(
    uploads: Uploads, clock: Callable[[float], None]
) -> None:
    sent = []
    for number in range(module.KEPT):
        clock(float(number))
        sent.append(send(uploads, b"x"))
    clock(100.0)
    uploads.get(sent[0].token)
    with pytest.raises(TooMany, match=f"{module.KEPT} clips are being asked about already; wait some minutes"):
        send(uploads, b"x")
    assert len(lying_in(uploads)) == module.KEPT
    clock(module.QUIET + 1.5)
    latest = send(uploads, b"x")
    assert {path.name for path in lying_in(uploads)} == {upload.token for upload in (*sent[:1], *sent[2:], latest)}
    clock(100.0 + module.IDLE + 0.5)
    uploads.tidy()
    assert [path.name for path in lying_in(uploads)] == [latest.token]


def test_one_that_was_left_goes_soon_unless_it_is_asked_about_again(
    uploads: Uploads, clock: Callable[[float], None]
) -> None:
    left, again = send(uploads, b"x"), send(uploads, b"y")
    for upload in (left, again):
        uploads.leave(upload.token)
    clock(module.LEFT - 1)
    uploads.get(again.token)
    clock(module.LEFT + 1)
    uploads.tidy()
    assert [path.name for path in lying_in(uploads)] == [again.token]
    uploads.leave("unknown")


def test_those_that_are_coming_count(uploads: Uploads) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(0.2)
        yield b"y"

    async def all_at_once() -> list[Upload | BaseException]:
        return await asyncio.gather(
            *(uploads.receive(slow(), "a.mp4") for _ in range(module.KEPT + 4)), return_exceptions=True
        )

    answers = asyncio.run(all_at_once())
    assert sum(isinstance(answer, Upload) for answer in answers) == module.KEPT
    assert sum(isinstance(answer, TooMany) for answer in answers) == 4
    for answer in answers:
        if isinstance(answer, Upload):
            assert uploads.get(answer.token).path.read_bytes() == b"xy"


def test_who_stops_sending_is_told_and_nothing_stays(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLED", 0.1)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(60)

    with pytest.raises(DataError, match=r"nothing more of clip\.mp4 has come for 0\.1 s; send it again"):
        asyncio.run(uploads.receive(stalled(), "clip.mp4"))
    assert lying_in(uploads) == []


def test_a_full_disk_is_said(uploads: Uploads) -> None:
    uploads._folder.cleanup()
    with pytest.raises(OutputError, match=r"clip\.mp4 cannot be kept: no such file or directory; free some space"):
        send(uploads, b"x")


@pytest.mark.parametrize(("name", "shown"), [("a\ud800.mp4", "a?.mp4"), ("\0", "clip"), ("", "clip"), ("..", "..")])
def test_names_can_be_shown(uploads: Uploads, name: str, shown: str) -> None:
    assert send(uploads, b"x", name=name).name == shown


def test_closing_deletes_all(uploads: Uploads) -> None:
    upload = send(uploads, b"x")
    assert upload.path.parent.stat().st_mode & 0o077 == 0, "others on the machine see nothing"
    uploads.close()
    assert not upload.path.parent.exists()
