"""Every command where nothing can be written or its output goes nowhere: one sentence, and what was there before stays.

The places are small file systems in memory, which only root may mount; where that is refused, the tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from kinema.cli import COMMANDS, main

QUIET = {"info", "reproduce --list", "flow --list", "serve", "watch", "data check"}
QUIET |= {f"labels {name}" for name in ("import", "list", "history", "rename", "undo", "redo", "compare")}
"""What writes no file, or none unless asked to, or labels into an index (``tests/serve/test_full_disk.py``)."""


@pytest.fixture(scope="module")
def inputs(videos, stopped_run, quick_settings, tmp_path_factory) -> Path:
    """A folder with something to read for each command."""
    import cv2

    from kinema.flow.files import write_flow
    from kinema.search import Library

    folder = tmp_path_factory.mktemp("inputs")
    (folder / "videos").symlink_to(videos)
    names = sorted(path.name for path in videos.iterdir())
    rows = [f"{name},{'ab'[n % 2]},{'train' if n < 8 else 'test'}\n" for n, name in enumerate(names)]
    (folder / "labels.csv").write_text("file,label,split\n" + "".join(rows))
    (folder / "intervals.csv").write_text(f"file,start,end,label\n{names[0]},0,0.5,a\n")
    (folder / "settings.yaml").symlink_to(quick_settings)
    shutil.copytree(stopped_run, folder / "run")
    run("flow", "extract", videos, "--out", folder / "store", "--estimator", "dis", "--workers", 0)
    run("flow", "export", folder / "store", "--out", folder / "exported")
    run("index", videos, "--index", folder / "index", "--encoder", folder / "run", "--workers", 1)
    library = Library(folder / "index")
    ids = [window.id for window in library.windows()]
    library.train_classifier({ids[0]: "a", ids[9]: "b"}).save(folder / "classifier.safetensors")
    run("labels", "import", folder / "intervals.csv", "--index", folder / "index")
    run("finetune", videos, "--labels", folder / "labels.csv", "--out", folder / "trained", *SMALL)
    triplet = folder / "triplets/slide/example_1"
    triplet.mkdir(parents=True)
    for name, role in zip(names, ("ref", "positive", "negative"), strict=False):
        (triplet / f"{role}.mp4").symlink_to(videos / name)
    frame = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    for number in (10, 11):
        (folder / "truth/scene").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"truth/scene/frame{number}.png"), frame)
    write_flow(folder / "truth/scene/flow10.flo", np.zeros((2, 32, 32), np.float32))
    return folder


def run(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


SMALL = ["--epochs", 1, "--clip.frames", 4, "--clip.short_side", 32, "--clip.size", "[32,32]"]
SMALL += ["--model.width", 4, "--trainer.batch_size", 4, "--trainer.workers", 0]

WORDS: dict[str, Callable[[Path, Path], list[object]]] = {
    "demo": lambda given, out: ["--out", out / "demo", "--videos", 10, "--steps", 2],
    "synth": lambda given, out: [out / "synth", "--videos", 10, "--workers", 1],
    "scan": lambda given, out: [given / "videos", "--out", out / "manifest.csv"],
    "pretrain": lambda given, out: [given / "videos", "--out", out / "run", "--config", given / "settings.yaml"],
    "finetune": lambda given, out: [
        given / "videos", "--labels", given / "labels.csv", "--out", out / "run", *SMALL,
    ],
    "ablate mscl": lambda given, out: [out / "ladder", "--videos", 10, "--steps", 2],
    "ablate hcml": lambda given, out: [out / "ladder", "--videos", 10, "--steps", 2],
    "evaluate": lambda given, out: [
        "knn", given / "run", "--data", given / "videos", "--labels", given / "labels.csv",
        "--out", out / "figures.json", "--workers", 0, "--clips", 1,
    ],
    "evaluate triplets": lambda given, out: [
        given / "triplets", "--encoder", given / "run", "--out", out / "figures.json", "--workers", 0, "--clips", 1,
    ],
    "labels convert": lambda given, out: [given / "intervals.csv", out / "intervals.json", "--to", "activitynet"],
    "labels export": lambda given, out: [out / "intervals.csv", "--index", given / "index"],
    "labels snippets": lambda given, out: [out / "snippets", "--index", given / "index"],
    "label": lambda given, out: [
        "--index", given / "index", "--classifier", given / "classifier.safetensors", "--out", out / "bouts.csv",
    ],
    "predict": lambda given, out: [
        given / "videos", "--model", given / "trained", "--out", out / "bouts.csv", "--workers", 1,
    ],
    "report": lambda given, out: ["--index", given / "index", "--out", out / "report.html"],
    "reproduce": lambda given, out: ["random-0", "--out", out / "reproduced"],
    "weights": lambda given, out: [given / "run", "--out", out / "encoder"],
    "export": lambda given, out: ["hub", given / "run", "--out", out / "hub"],
    "embed": lambda given, out: [given / "videos", "--encoder", given / "run", "--out", out / "windows.parquet"],
    "index": lambda given, out: [given / "videos", "--encoder", given / "run", "--index", out / "index"],
    "copy": lambda given, out: [given / "index", out / "copied"],
    "search": lambda given, out: [given / "videos/00000.mp4", "--index", given / "index", "--out", out / "hits.html"],
    "flow extract": lambda given, out: [given / "videos", "--out", out / "store", "--estimator", "dis", "--workers", 0],
    "flow import": lambda given, out: [given / "exported", given / "videos", "--out", out / "store"],
    "flow export": lambda given, out: [given / "store", "--out", out / "fields"],
    "flow evaluate": lambda given, out: [given / "truth", "--out", out / "figures.json", "--estimators", "dis"],
    "flow show": lambda given, out: [given / "videos/00000.mp4", "--out", out / "shown.png", "--seconds", 0.5],
}  # fmt: skip


def test_every_command_is_here():
    assert WORDS.keys() | QUIET == COMMANDS.keys() and not WORDS.keys() & QUIET


@pytest.fixture
def place(request, tmp_path) -> Iterator[Path]:
    """A folder whose disk is full, or has room for so many KiB, or that may only be read."""
    folder = tmp_path / "place"
    folder.mkdir()
    size = f"{request.param if isinstance(request.param, int) else 16}k"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a file system: {mounted.stderr.decode().strip()}")
    try:
        if request.param == "full":
            with (folder / "filling").open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))
        elif request.param == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("place", ["full", "read-only"], indirect=True)
@pytest.mark.parametrize("command", WORDS)
def test_a_place_without_room(command, place, inputs, capfd):
    before = sorted(path.name for path in inputs.rglob("*"))
    capfd.readouterr()
    status = main([*command.split(), *(str(word) for word in WORDS[command](inputs, place))])
    output, errors = capfd.readouterr()
    said = [line for line in errors.splitlines() if line.startswith(f"kinema {command}: ")]
    assert status == 1, output + errors
    assert "Traceback" not in errors + output
    assert str(place) in said[-1] and errors.endswith(said[-1] + "\n")
    assert sorted(path.name for path in inputs.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", [8, 40, 150, 600], indirect=True)
@pytest.mark.parametrize("command", WORDS)
def test_a_place_that_becomes_full(command, place, inputs, capfd):
    """However far it comes: it is done, or says what is in the way, and goes on once there is room."""
    words = [*command.split(), *(str(word) for word in WORDS[command](inputs, place))]
    capfd.readouterr()
    status = main(words)
    output, errors = capfd.readouterr()
    said = [line for line in errors.splitlines() if line.startswith(f"kinema {command}: ")]
    assert "Traceback" not in errors + output
    if status:
        assert status == 1 and str(place) in said[-1] and errors.endswith(said[-1] + "\n"), output + errors
    else:
        assert not said


@pytest.mark.parametrize("place", ["read-only"], indirect=True)
def test_an_index_that_may_only_be_read_is_searched(inputs, tmp_path, place):
    subprocess.run(["mount", "-o", "remount,rw,size=64m", str(place)], check=True)
    shutil.copytree(inputs / "index", place / "index")
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    run("search", inputs / "videos/00000.mp4", "--index", place / "index", "--out", tmp_path / "hits.html")
    assert (tmp_path / "hits.html").stat().st_size > 1000


# standard output

READING: dict[str, Callable[[Path, Path], list[object]]] = {
    "watch": lambda given, out: [
        given / "videos/00000.mp4", "--classifier", given / "classifier.safetensors", "--index", given / "index",
    ],
    "labels list": lambda given, out: ["--index", given / "index"],
    "labels history": lambda given, out: ["--index", given / "index"],
    "labels compare": lambda given, out: [given / "intervals.csv", given / "intervals.csv"],
}  # fmt: skip
HELP = {"demo", "finetune", "ablate mscl", "ablate hcml", "reproduce", "serve", "data check"}
HELP |= {"labels import", "labels rename", "labels undo", "labels redo"}
"""What takes minutes, never ends, or changes what the others read: its help goes nowhere instead."""


@contextmanager
def output_to(descriptor: int) -> Iterator[None]:
    """Let standard output go to an open file, as a shell does."""
    usual, kept = sys.stdout, os.dup(1)
    os.dup2(descriptor, 1)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    try:
        yield
    finally:
        sys.stdout.close()  # raises, as Python does when it ends, if something has been left to be written
        sys.stdout = usual
        os.dup2(kept, 1)
        os.close(kept)
        os.close(descriptor)


@pytest.mark.parametrize("command", [*WORDS, *sorted(QUIET)])
@pytest.mark.parametrize("place", ["unread", pytest.param("full", marks=pytest.mark.slow)])
def test_output_that_goes_nowhere(command, place, inputs, tmp_path, capfd):
    if place == "unread":
        ours, descriptor = os.pipe()
        os.close(ours)
    elif Path("/dev/full").exists():
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        pytest.skip("there is no /dev/full")
    words = ["--help"] if command in HELP else (WORDS | READING).get(command, lambda given, out: [])(inputs, tmp_path)
    capfd.readouterr()
    with output_to(descriptor):
        status = main([*command.split(), *map(str, words)])
    _, errors = capfd.readouterr()
    assert "Traceback" not in errors
    said = [line for line in errors.splitlines() if line.startswith("kinema ")]
    if place == "unread":
        assert (status, said) == (141, [])
    else:
        assert status == 1 and len(said) == 1 and "No space left on device" in said[0]


# shared memory


@pytest.mark.parametrize("job", ["pretrain", "evaluate"])
def test_little_shared_memory_for_the_processes_that_read(job, videos, quick_settings, evaluation, tmp_path):
    if job == "pretrain":
        words = ["pretrain", videos, "--out", tmp_path / "run", "--config", quick_settings, "--trainer.workers", 1]
        words += ["--clip.size", "[160,160]", "--clip.short_side", 160, "--trainer.batch_size", 6, "--method", "moco"]
    else:
        words = ["evaluate", "knn", "random", *evaluation, "--workers", 1, "--clip.size", "[320,320]"]
        words += ["--clip.short_side", 320]
    script = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "-m", "bash", "-c", script, "bash", sys.executable, "-m", "kinema.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("cannot mount a file system")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"kinema {job}: processes that read videos hand them over in shared memory, and /dev/shm")
