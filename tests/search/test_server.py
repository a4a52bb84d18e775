"""What only an index on a server has: several who write at once, servers that go away, rights, copies of segments."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import forked
import numpy as np
import pytest
from a_server import Server

from kinema.errors import ConfigError, DataError, OutputError, ServerError
from kinema.search import Filters, Labels, Library, approximate, database
from kinema.search.connection import connected, named, snapshot, store_of
from kinema.search.copying import copy_index
from kinema.search.server_address import ServerAddress

psycopg = pytest.importorskip("psycopg")
NUMBERS = count()


@pytest.fixture
def address(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place on the server where no index is yet."""
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "cache"))
    return server.address(f"alone{next(NUMBERS)}")


@pytest.fixture
def asked(server: Server) -> Iterator[Callable[[str], list[tuple]]]:
    """Says something to the server as its owner."""
    with psycopg.connect(server.address("kinema").partition("?")[0], autocommit=True) as owner:

        def ask(sql: str) -> list[tuple]:
            cursor = owner.execute(sql)
            return cursor.fetchall() if cursor.description else []

        yield ask


def content(library: Library) -> dict[tuple[str, float], np.ndarray]:
    windows = library.windows()
    vectors = library.vectors([window.id for window in windows])
    return {(Path(w.path).name, w.start): vector for w, vector in zip(windows, vectors, strict=True)}


def test_an_address_is_called_without_its_password():
    for text, name in {
        "postgresql://ann:s3cret@machine:5433/videos?schema=mice": "postgresql://ann@machine:5433/videos?schema=mice",
        "postgres://machine/videos?sslmode=require&password=s3cret": "postgresql://machine/videos",
        "postgresql:///videos?host=/tmp/sockets": "postgresql://[local]/videos",
    }.items():
        address = ServerAddress.of(text)
        assert named(text) == name and "s3cret" not in str(address.path)
        assert store_of(address.path) is store_of(text)  # which knows the password


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:s3/cret@machine/videos",
        "postgresql://ann:s3cret#@machine/videos",
        "postgresql://ann:s3cret@machine:port/videos",
        "postgresql://ann:s3cret@machine/videos?schema=No",
        "postgresql://ann:s3cret@machine/videos?nonsense=1",
    ],
)
def test_what_is_no_address_is_refused_without_telling_it(text):
    with pytest.raises(ConfigError) as error:
        store_of(text).exists()
    assert "cret" not in str(error.value)


def test_no_server_a_wrong_password_and_no_right(server, address, asked, library_of, refused, tmp_path):
    nobody = "postgresql://ann:s3cret@127.0.0.1:1/videos"
    assert "cannot reach the index postgresql://ann@127.0.0.1:1/videos: " in (
        said := refused("labels", "list", "--index", nobody)
    )
    assert "Connection refused" in said or "connection to server" in said
    library = library_of(address)
    name = f"reader{next(NUMBERS)}"
    schema = store_of(address).address.schema
    asked(f"CREATE ROLE {name} LOGIN PASSWORD 'right'")
    wrong = server.address(schema, name, "wrong")
    said = refused("search", library.windows()[0].path, "--index", wrong, "--out", tmp_path / "found.html")
    assert "password authentication failed" in said and "wrong" not in said
    theirs = server.address(schema, name, "right")
    said = refused("labels", "list", "--index", theirs)
    assert f"permission denied for schema {schema}; ask its owner for rights" in said and "right@" not in said
    asked(f"GRANT USAGE ON SCHEMA {schema} TO {name}")
    asked(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}")
    window = Library(theirs).windows()[0]
    assert Library(theirs).search(window).hits
    labels = Labels(theirs)
    assert not labels.kept and labels.add("walk", window.id) == 1  # which ends with it
    assert Labels(address).state().total == 0
    assert "permission denied" in refused("index", Path(window.path).parent, "--index", theirs)


@pytest.fixture
def library_of(folder: Path, encoder: Path) -> Callable[[str], Library]:
    """Makes an index of four videos."""

    def make(address: str) -> Library:
        few = folder.with_name("few")
        if not few.exists():
            few.mkdir()
            for path in sorted(folder.iterdir())[:4]:
                shutil.copy(path, few)
        library = Library(address, encoder)
        library.add(few)
        return library

    return make


def test_an_index_of_another_encoder_or_format_or_none(address, asked, library_of, folder):
    library_of(address)
    schema = store_of(address).address.schema
    with pytest.raises(DataError, match=r"was made with another encoder than motion; name the one"):
        Library(address, "motion").add(folder)
    asked(f"UPDATE {schema}.about SET value = '9' WHERE name = 'format'")
    with pytest.raises(DataError, match="is an index of format 9, this version"):
        Library(address)
    asked(f"DROP TABLE {schema}.about; CREATE TABLE {schema}.about (other TEXT)")
    with pytest.raises(DataError, match=r"is damaged or no index \(.*\); name another schema"):
        Library(address)


def test_two_who_add_the_same_folder_at_once_make_each_video_once(address, folder, encoder, tmp_path):
    once = Library(tmp_path / "once", encoder)
    once.add(folder)
    libraries = [Library(address, encoder) for _ in range(2)]
    with ThreadPoolExecutor(2) as team:
        added = list(team.map(lambda library: library.add(folder), libraries))
    assert sum(one.new for one in added) == 12 and [one.new + one.unchanged for one in added] == [12, 12]
    assert content(libraries[0]).keys() == content(once).keys()
    assert libraries[0].count() == once.count() == sum(one.windows for one in added)
    assert Library(address).add(folder).unchanged == 12


def test_a_server_that_goes_away_and_comes_back(folder, encoder, postgres, monkeypatch):
    address = postgres.address("kinema")
    library = Library(address, encoder)
    put = database.put_video

    def stopping(db, number, *rest):
        put(db, number, *rest)
        if library.count() > 5:
            postgres.stop()

    monkeypatch.setattr("kinema.search.database.put_video", stopping)
    with pytest.raises(ServerError, match=r"went away or gave up \(.*\); all that was finished is kept"):
        library.add(folder)
    with pytest.raises(ServerError, match=f"cannot reach the index {named(address)}: "):
        library.windows()
    monkeypatch.setattr("kinema.search.database.put_video", put)
    postgres.start()
    there = library.count()
    assert there > 5
    added = library.add(folder)
    assert 0 < added.new < 12 and added.new + added.unchanged == 12
    assert library.count() == there + added.windows == 2 * 12


def put_windows(address: str, first: int, videos: int) -> None:
    """Videos of 100 windows each."""
    from test_approximate import put

    with connected(address) as db:
        for number in range(first, first + videos):
            put(db, f"/{number}", 100, number)
            approximate.grow(db, store_of(address).path)


def test_segments_reach_other_machines_and_follow_who_writes(address, tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    from test_approximate import agreement

    monkeypatch.setattr(approximate, "EXACT", 500)
    with connected(address) as db, db.writing():
        database.create_tables(db, {})
    with ThreadPoolExecutor(2) as team:
        list(team.map(lambda first: put_windows(address, first, 10), (0, 10)))
    path = store_of(address).path
    with connected(address) as db, db.alone(wait=True):
        approximate.refresh(db, path)
    assert agreement(path, queries=8) > 0.9 and agreement(path, filters=Filters(path="/1?"), queries=8) > 0.9
    here = {file.name for file in store_of(address).beside.glob("*.faiss")}
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "another machine's"))
    assert agreement(path, queries=8) > 0.9
    there = {file.name: file for file in store_of(address).beside.glob("*.faiss")}
    assert "motion" in " ".join(there) and there.keys() <= here
    for file in there.values():
        file.write_bytes(b"damaged")  # a copy, which is fetched again
    assert agreement(path, queries=8) > 0.9
    with snapshot(address) as db:
        segments = {name for (name,) in db.execute("SELECT DISTINCT name FROM segments")}
    assert {f"{name}.faiss" for name in segments} == here


def test_an_index_goes_to_a_server_and_back_with_its_labels(address, indexed, tmp_path):
    labels = Labels(indexed.path, keep=False)
    labels.close()
    window = indexed.windows()[3]
    copy_index(indexed.path, address)
    Labels(address).add("jump", window.id, by="Ann")
    Labels(address).rename("jump", "leap")
    assert copy_index(address, tmp_path / "back") == indexed.count()
    back = Library(tmp_path / "back")
    assert [hit.window for hit in back.search(window).hits] == [hit.window for hit in indexed.search(window).hits]
    assert [one.version for one in Labels(back.path).history()] == [2, 1]
    (label,) = Labels(back.path).of_windows([window.id])[window.id].labels
    assert (label.label, label.by) == ("leap", "Ann")
    with pytest.raises(OutputError, match=r"there is an index at .* already; name another place"):
        copy_index(indexed.path, address)


def test_commands_and_the_page_take_the_address(address, library_of, tmp_path, capsys):
    from starlette.testclient import TestClient

    from kinema.cli import main
    from kinema.serve import create_app

    library = library_of(address)
    video, page = library.windows()[0].path, tmp_path / "page.html"
    (tmp_path / "labels.csv").write_text(f"file,start,end,label\n{Path(video).name},0,0.5,jump\n")
    for words, said in {
        ("index", Path(video).parent, "--index", address): f"{named(address)}: {library.count()} windows",
        ("search", video, "--index", address, "--out", page, "--top", 2): "cosine",
        (
            "labels",
            "import",
            tmp_path / "labels.csv",
            "--index",
            address,
        ): f"{named(address)}: 1 label added (change 1)",
        ("labels", "undo", "--index", address): "the undo of 1: 1 removed",
        ("labels", "redo", "--index", address): "the redo of 1",
        ("labels", "history", "--index", address): "redo of 1",
        ("labels", "list", "--index", address): "jump",
        ("labels", "export", tmp_path / "out.csv", "--index", address): "1 interval of 1 class",
        ("report", "--index", address, "--out", page): str(page),
    }.items():
        assert main([str(word) for word in words]) == 0
        assert said in capsys.readouterr().out
    local = "http://127.0.0.1:7860"
    with TestClient(create_app(address), base_url=local, headers={"Origin": local}) as client:
        about = client.get("/api/library").json()
        assert (about["windows"], about["name"]) == (library.count(), store_of(address).name)
        assert client.get("/api/labels").json()["total"] == 1


@pytest.mark.slow
def test_processes_that_add_one_of_which_is_killed_while_another_searches(address, folder, encoder, tmp_path):
    videos = tmp_path / "many"
    videos.mkdir()
    for number, path in enumerate(5 * sorted(folder.iterdir())):
        (videos / f"{number:02}.mp4").write_bytes(path.read_bytes() + bytes(number))  # no two are alike
    assert forked.ended(forked.start(["--version"], tmp_path / "log")) == 0
    words = ["index", videos, "--index", address, "--encoder", encoder, "--batch_size", 4]
    writers = [forked.start(words, tmp_path / f"{number}.log") for number in range(3)]
    asked, stop = [], threading.Event()

    def search() -> None:
        while not stop.is_set():
            if store_of(address).exists():
                library = Library(address)
                if library.count():
                    asked.append(len(library.search(library.sample(1)[0]).hits))
            time.sleep(0.02)

    with ThreadPoolExecutor(1) as team:
        searching = team.submit(search)
        while not store_of(address).exists() or Library(address).count() < 20:
            time.sleep(0.02)
        writers[0].kill()
        ends = [forked.ended(writer) for writer in writers]
        stop.set()
        searching.result()
    assert ends[1:] == [0, 0], [(tmp_path / f"{number}.log").read_text() for number in (1, 2)]
    assert asked and max(asked) == 10
    library, once = Library(address), Library(tmp_path / "once", encoder)
    once.add(videos)
    assert content(library).keys() == content(once).keys() and library.count() == once.count()
    assert library.add(videos).unchanged == 60
