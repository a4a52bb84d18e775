"""A small real library: twelve videos in two folders, indexed with an untrained encoder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from served_page import served
from starlette.testclient import TestClient

from kinema.config import ClipConfig, ModelConfig
from kinema.data.synthetic.files import write_video
from kinema.models import build_encoder, save_encoder
from kinema.search import Library
from kinema.serve import create_app

ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of an untrained encoder of clips of 4 frames, 0.375 seconds."""
    torch.manual_seed(0)
    model = ModelConfig(width=4)
    card = {"model": asdict(model), "clip": asdict(ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32)))}
    return save_encoder(build_encoder(model), tmp_path_factory.mktemp("encoder") / "encoder.safetensors", card)


@pytest.fixture(scope="session")
def make_library(encoder: Path, videos: Path) -> Callable[[Path], Library]:
    """Makes a library in a folder: `index`, of the videos in `videos/left` and `videos/right`."""

    def make(folder: Path) -> Library:
        for number, path in enumerate(sorted(videos.glob("*.mp4"))):
            home = folder / "videos" / ("left", "right")[number % 2]
            home.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, home)
        library = Library(folder / "index", encoder)
        library.add(folder / "videos")
        return library

    return make


@pytest.fixture(scope="session")
def library(make_library: Callable[[Path], Library], tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A library that is not to be changed."""
    return make_library(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def page(library: Library) -> Iterator[TestClient]:
    """The page of the library, asked as its own JavaScript asks."""
    with serving(library.path) as client:
        yield client


def serving(index: Path, **settings: object) -> TestClient:
    return TestClient(create_app(index, **settings), base_url=ADDRESS, headers={"Origin": ADDRESS})


@pytest.fixture(scope="session")
def serve_page() -> Callable[..., TestClient]:
    return serving


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and a half minutes of noise, many windows."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    rng = np.random.default_rng(0)
    write_video(path, (rng.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(2400)), fps=16.0)
    return path


# A real browser: Debian's Chromium, driven by Playwright.

PATIENCE = 120_000  # milliseconds; the machine may be busy


@pytest.fixture(scope="module")
def address(library: Library) -> Iterator[str]:
    """The page of the library that is not to be changed, on a real server."""
    with served(library.path, max_upload=1) as found:
        yield found


@pytest.fixture
def own_address(make_library: Callable[[Path], Library], tmp_path: Path) -> Iterator[str]:
    """The page of a library of the test's own, in which labels may be given."""
    with served(make_library(tmp_path).path) as found:
        yield found


@pytest.fixture
def open_page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Opens the page; in the end nothing may have been written to the console but what the test expects."""
    from playwright.sync_api import expect

    complaints: list[str] = []
    contexts = []

    def go(
        width: int = 1200, expected: str = "\0", where: str = "", at: str = "", about: str = " videos", **settings: Any
    ) -> Any:
        where = where or request.getfixturevalue("address")
        settings.setdefault("reduced_motion", "reduce")  # two dozen moving pictures keep a small machine busy
        context = browser.new_context(viewport={"width": width, "height": 850}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning") and expected not in said.text
                and complaints.append(said.text))  # fmt: skip
        page.on("request", lambda request: request.url.startswith((where, "data:", "blob:"))
                or complaints.append(f"asked elsewhere: {request.url}"))  # fmt: skip
        page.goto(where + at)
        expect(page.locator("#about")).to_contain_text(about)
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def clip(library: Library) -> str:
    """A video file of the library."""
    return library.windows()[0].path
