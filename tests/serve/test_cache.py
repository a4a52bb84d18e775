"""What the page keeps beside an index: made once, below a size, and never shown damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kinema.errors import VideoError
from kinema.search import Library
from kinema.serve.cache import Cache


def test_the_cache_makes_a_file_once_and_keeps_below_its_limit(tmp_path: Path) -> None:
    made: list[int] = []

    def make(number: int) -> Callable[[], bytes]:
        def do() -> bytes:
            made.append(number)
            return bytes([number]) * 100

        return do

    cache = Cache(tmp_path / "cache", limit=1000)
    for number in (*range(8), *range(8)):
        assert cache.get(("file", number), make(number)) == bytes([number]) * 100
    assert made == list(range(8))
    for number in range(8, 40):
        cache.get(("file", number), make(number))
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 1000 + 132
    again = Cache(tmp_path / "cache", limit=1000)
    assert again.get(("file", 39), make(99)) == bytes([39]) * 100


def test_the_cache_keeps_nothing_of_what_failed(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")

    def fail() -> bytes:
        raise VideoError("x.mp4", "broken")

    with pytest.raises(VideoError):
        cache.get(("x",), fail)
    assert list((tmp_path / "cache").iterdir()) == []


def test_files_that_others_delete_while_room_is_made_are_passed_over(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", limit=1000)
    (tmp_path / "cache" / "gone").symlink_to("nowhere")  # listed, and not there when it is looked at
    for number in range(12):
        assert cache.get(("file", number), lambda: bytes(100)) == bytes(100)
    assert len(list((tmp_path / "cache").iterdir())) < 12


@pytest.mark.parametrize("damage", [b"", b"words", bytes(2000)])
def test_damaged_files_are_made_again(library: Library, serve_page: Callable[..., TestClient], damage: bytes) -> None:
    asked = ["/api/map", f"/media/window/{library.windows()[0].id}/clip"]
    with serve_page(library.path) as page:
        good = [page.get(path).content for path in asked]
        for path in (library.path / "previews").iterdir():
            path.write_bytes(damage)
        answers = [page.get(path) for path in asked]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.content for answer in answers] == good
