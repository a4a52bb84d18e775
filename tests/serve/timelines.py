"""Long videos and their timeline in the browser, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from kinema.data.synthetic.files import write_video
from kinema.search import Library

if TYPE_CHECKING:
    from playwright.sync_api import Page

FPS, SECONDS, LEVELS = 16, 30, 10


def frames() -> Iterator[np.ndarray]:
    """Frames that are told apart by how bright they are, with something that moves."""
    for number in range(FPS * SECONDS):
        frame = np.full((48, 64, 3), 20 + 22 * (number % LEVELS), np.uint8)
        place = number % 40 if number // 80 % 2 else 20
        frame[30:44, place : place + 14] = 255
        yield frame


def make_long_library(encoder: Path, folder: Path) -> Library:
    """Two videos of half a minute: one that browsers play, and one that they do not."""
    (folder / "videos").mkdir(parents=True)
    write_video(folder / "videos" / "new.mp4", frames(), FPS)
    with av.open(str(folder / "videos" / "old.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(FPS))
        stream.height, stream.width, stream.bit_rate = 48, 64, 2_000_000
        for frame in frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    library = Library(folder / "index", encoder)
    library.add(folder / "videos")
    return library


def numbers_of(library: Library) -> dict[str, int]:
    """The videos by name: the number of a window of each."""
    return {Path(video.path).name: video.first or 0 for video in library.videos()}


def ready(page: Page) -> None:
    """Wait until the video can be played."""
    from playwright.sync_api import expect

    expect(page.locator("#timeline-opened")).to_be_visible()
    expect(page.locator("#timeline-video")).to_have_js_property("readyState", 4)


def at(page: Page) -> float:
    """Where the playhead is."""
    return float(page.locator("#timeline-canvas").get_attribute("aria-valuenow") or 0)


def until(page: Page, time: float) -> None:
    """Wait until the playhead is at a time, and the picture there is seen."""
    from playwright.sync_api import expect

    expect(page.locator("#timeline-canvas")).to_have_attribute("aria-valuenow", f"{time:.2f}")
    expect(page.locator("#timeline-video")).to_have_js_property("seeking", False)


def kept(page: Page, video: int) -> list[tuple[str, float, float]]:
    """The labels of a video as the server has them: class, start and end."""
    found: dict[str, Any] = page.evaluate(f"fetch('/api/labels?video={video}').then(answer => answer.json())")
    return [(one["class"], round(one["start"], 2), round(one["end"], 2)) for one in found["labels"]]


def become(page: Page, video: int, expected: list[tuple[str, float, float]]) -> None:
    """Wait until a video has these labels, give or take what a pixel is."""
    for _ in range(200):
        labels = kept(page, video)
        same = len(labels) == len(expected) and all(
            one[0] == other[0] and abs(one[1] - other[1]) < 0.1 and abs(one[2] - other[2]) < 0.1
            for one, other in zip(labels, expected, strict=True)
        )
        if same:
            page.wait_for_timeout(100)  # until the page has heard of it, too
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"there are {labels}, not {expected}")


class Rows:
    """The rows of labels on the timeline, by mouse."""

    def __init__(self, page: Page, classes: list[str]):
        self._page, self._classes = page, classes
        box = page.locator("#timeline-canvas").bounding_box()
        assert box is not None
        self._box = box

    def place(self, time: float, name: str = "") -> tuple[float, float]:
        """The pixel of a time in a class's row, or on the ruler."""
        below = len(self._classes) - self._classes.index(name) if name else 0
        y = self._box["y"] + (self._box["height"] - 28 * below + 12 if name else 8)
        return self._box["x"] + self._box["width"] * time / SECONDS, y

    def click(self, time: float, name: str = "") -> None:
        """Click there."""
        self._page.mouse.click(*self.place(time, name))

    def drag(self, start: float, end: float, name: str, shift: bool = False) -> None:
        """Drag from one time to another."""
        if shift:
            self._page.keyboard.down("Shift")
        self._page.mouse.move(*self.place(start, name))
        self._page.mouse.down()
        for share in (0.3, 0.7, 1.0):
            self._page.mouse.move(*self.place(start + share * (end - start), name))
        self._page.mouse.up()
        if shift:
            self._page.keyboard.up("Shift")
