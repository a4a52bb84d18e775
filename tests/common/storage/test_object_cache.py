from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kinema.common.object_cache import bound, cache_folder, fetch, fetched
from kinema.errors import ConfigError, OutputError, VideoError
from kinema.video import Video

MIB = 2**20


@pytest.fixture
def objects(memory):
    """Addresses of five objects of a MiB each."""
    for number in range(5):
        memory.pipe_file(f"/bucket/{number}.bin", bytes([number]) * MIB)
    return [f"memory://bucket/{number}.bin" for number in range(5)]


@pytest.fixture
def fetches(memory, monkeypatch):
    """What is fetched from the storage, as it comes."""
    names, whole = [], type(memory).get_file

    def get_file(system, place, *more, **settings):
        names.append(place)
        return whole(system, place, *more, **settings)

    monkeypatch.setattr(type(memory), "get_file", get_file)
    return names


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("??/*") if path.suffix == ".bin")


def read(address: str) -> bytes:
    with fetched(address) as local:
        return local.read_bytes()


def allow(monkeypatch, mebibytes: float) -> None:
    monkeypatch.setenv("KINEMA_CACHE_GIB", str(mebibytes / 1024))


def test_an_object_is_fetched_once(objects, fetches, copies):
    assert [read(objects[2])[0], read(objects[2])[0]] == [2, 2]
    assert fetches == ["/bucket/2.bin"] and len(kept(copies)) == 1
    assert not [path for path in copies.rglob("*") if path.name.endswith(".part")]


def test_an_object_that_was_replaced_is_fetched_anew(objects, memory, copies):
    with fetched(objects[0]) as before:
        memory.pipe_file("/bucket/0.bin", b"\7" * MIB)  # as long as it was
        assert read(objects[0])[0] == 7
        assert before.read_bytes()[0] == 0, "who reads the earlier one goes on with it"


def test_the_least_recently_used_are_deleted(objects, fetches, copies, monkeypatch):
    allow(monkeypatch, 3.5)
    for place, number in enumerate((0, 1, 2, 0)):
        with fetched(objects[number]) as local:
            pass
        os.utime(local, (place, place))
    read(objects[3])
    assert len(kept(copies)) == 3 and len(fetches) == 4
    read(objects[0])
    assert len(fetches) == 4, "it was used after the one that was deleted"
    read(objects[1])
    assert len(fetches) == 5
    assert sum(path.stat().st_size for path in kept(copies)) <= bound()


def test_what_is_in_use_is_not_deleted(objects, copies, monkeypatch):
    allow(monkeypatch, 2)
    with fetched(objects[0]) as first, fetched(objects[1]) as second:
        for address in objects[2:]:
            read(address)
        assert first.read_bytes()[0] == 0 and second.read_bytes()[0] == 1
    read(objects[4])
    read(objects[3])
    assert len(kept(copies)) <= 2, "once it is let go it may be"
    assert len(list(copies.glob("??/*.lock"))) == len(kept(copies)), "and its lock goes with it"


def test_an_open_video_is_not_deleted(bucket, memory, copies, monkeypatch):
    sizes = sorted(memory.size(f"/bucket/videos/{number:05d}.mp4") for number in range(12))
    allow(monkeypatch, 2 * sizes[-1] / MIB)
    with Video(f"{bucket}/00000.mp4") as video:
        whole = video.read().frames
        for number in range(1, 12):
            with Video(f"{bucket}/{number:05d}.mp4"):
                pass
        files = [path for path in copies.glob("??/*") if path.suffix == ".mp4"]
        assert sum(path.stat().st_size for path in files) <= bound()
        assert (video.read().frames == whole).all()
        held = fetch(f"{bucket}/00000.mp4")[0]
        assert held in files


def test_a_child_does_not_hold_what_its_parent_does(objects, copies, monkeypatch):
    context = multiprocessing.get_context("fork")
    begun, go = context.Event(), context.Event()
    with fetched(objects[0]) as local:
        child = context.Process(target=lambda: (begun.set(), go.wait()))
        child.start()
        assert begun.wait(60)  # for what it does first, which is to let go
    allow(monkeypatch, 1)
    read(objects[1])
    assert not local.exists()
    go.set()
    child.join()
    assert child.exitcode == 0


def _read_and_be_killed(address: str) -> None:
    fetch_and_keep = fetch(address)
    assert fetch_and_keep[1] is not None
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_copy_is_let_go_by_the_last_of_its_readers_however_that_ends(objects, copies, monkeypatch):
    with fetched(objects[0]) as local:
        killed = multiprocessing.get_context("fork").Process(target=_read_and_be_killed, args=(objects[0],))
        killed.start()
        killed.join()
        with fetched(objects[0]):
            pass
        assert len(list((copies / "held").iterdir())) == 2, "this one's and what the killed one left"
        allow(monkeypatch, 1)
        read(objects[1])
        assert local.exists()
    read(objects[2])
    assert not local.exists() and not list((copies / "held").iterdir())


def test_what_a_killed_process_left_is_cleared(objects, copies, monkeypatch):
    read(objects[0])
    left = kept(copies)[0].with_name("0123.bin.part")
    left.write_bytes(bytes(MIB))
    (copies / "bytes").write_text("")
    allow(monkeypatch, 2)
    read(objects[1])
    read(objects[2])
    assert not left.exists() and len(kept(copies)) <= 2


def test_an_object_larger_than_the_bound_is_refused(objects, monkeypatch):
    allow(monkeypatch, 0.5)
    with pytest.raises(VideoError, match=re.escape(f"{objects[0]}: its 0.000977 GiB are more than copies may take")):
        Video(objects[0])


def test_an_object_that_vanishes_while_it_is_fetched(objects, memory, monkeypatch, copies):
    def vanish(system, place, local, **settings):
        Path(local).write_bytes(b"half")
        system.rm(place)
        raise FileNotFoundError(place)

    monkeypatch.setattr(type(memory), "get_file", vanish)
    with pytest.raises(VideoError, match="there is no such object"):
        Video(objects[0])
    assert not kept(copies) and not list(copies.rglob("*.part"))


def test_an_object_that_changes_while_it_is_fetched_is_fetched_anew(objects, memory, monkeypatch):
    whole, calls = type(memory).get_file, []

    def change(system, place, local, **settings):
        whole(system, place, local, **settings)
        calls.append(place)
        if len(calls) == 1:
            system.pipe_file(place, b"\7" * MIB)

    monkeypatch.setattr(type(memory), "get_file", change)
    assert read(objects[0])[0] == 7 and len(calls) == 2


SHARED = """
import sys, time
from pathlib import Path
import fsspec
from fsspec.implementations.local import LocalFileSystem
from kinema.common.object_cache import fetched

class Slow(LocalFileSystem):  # a storage that all processes share, and that notes what is fetched
    protocol = "slow"
    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.removeprefix("slow://").lstrip("/")
    def get_file(self, place, local, **settings):
        with open(sys.argv[2], "a") as log:
            print(place, file=log)
        time.sleep(0.2)
        super().get_file(place, local, **settings)

fsspec.register_implementation("slow", Slow)
for _ in range(3):
    for path in sorted(Path(sys.argv[1]).iterdir()):
        with fetched(f"slow:/{path}") as local:
            assert local.read_bytes() == path.read_bytes() and local != path
"""


@pytest.mark.parametrize(("mebibytes", "most"), [(100, 3), (1.5, 27)])
def test_two_processes_at_once(tmp_path, mebibytes, most, monkeypatch, copies):
    allow(monkeypatch, mebibytes)
    folder, log = tmp_path / "objects", tmp_path / "log"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.bin").write_bytes(bytes([number]) * MIB)
    command = [sys.executable, "-c", SHARED, folder, log]
    running = [subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE) for _ in range(2)]
    for process in running:
        assert process.wait() == 0, process.stderr and process.stderr.read().decode()
        assert process.stderr is not None
        process.stderr.close()
    fetched_names = log.read_text().split()
    assert len(set(fetched_names)) == 3 and 3 <= len(fetched_names) <= most
    assert not list(copies.rglob("*.part"))


def test_where_copies_lie_and_how_many(monkeypatch, tmp_path):
    monkeypatch.delenv("KINEMA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "kinema/storage"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache/kinema/storage"
    assert bound() == 20 * 2**30
    for wrong in ("many", "0", "-1", "inf", "nan"):
        monkeypatch.setenv("KINEMA_CACHE_GIB", wrong)
        with pytest.raises(ConfigError, match=r"KINEMA_CACHE_GIB is .* positive number"):
            bound()


def test_copies_that_cannot_be_written_are_named(objects, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match=re.escape(f"cannot write {tmp_path}/file/storage")):
        read(objects[0])


def test_a_disk_without_room_for_anything_is_named(objects, monkeypatch, small_disk):
    folder, fill = small_disk
    monkeypatch.setenv("KINEMA_CACHE", str(folder))
    fill()
    with pytest.raises(OutputError, match=f"cannot write {re.escape(str(folder))}.*No space left on device"):
        read(objects[0])
