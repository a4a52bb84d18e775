"""The player and the timeline in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import faults_of_access, found, needs_axe
from served_page import served
from timelines import FPS, LEVELS, SECONDS, at, make_long_library, numbers_of, ready, until

from kinema.search import Library

playwright = pytest.importorskip("playwright.sync_api")
Page, expect = playwright.Page, playwright.expect
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def long_library(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return make_long_library(encoder, tmp_path_factory.mktemp("timeline") / "long")


@pytest.fixture(scope="module")
def long_address(long_library: Library) -> Iterator[str]:
    with served(long_library.path) as found:
        yield found


@pytest.fixture
def numbers(long_library: Library) -> dict[str, int]:
    return numbers_of(long_library)


@pytest.fixture
def open_video(
    open_page: Callable[..., Page], long_address: str, numbers: dict[str, int]
) -> Callable[..., tuple[Page, int]]:
    def go(name: str = "new.mp4", time: float = 0.0, where: str = long_address, **settings: object) -> tuple[Page, int]:
        # a browser says on its console that it cannot play a file, whatever the page does about it
        page = open_page(where=where, at=f"#timeline/{numbers[name]}@{time}", about="2 videos", **settings)
        ready(page)
        return page, numbers[name]

    return go


SEEN = """() => {
    const video = document.getElementById("timeline-video"), canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const pen = canvas.getContext("2d");
    pen.drawImage(video, 4, 4, 4, 4, 0, 0, 1, 1);
    return pen.getImageData(0, 0, 1, 1).data[0];
}"""


def level(page: Page) -> int:
    """Which of the levels of brightness is seen."""
    page.wait_for_timeout(150)  # until the frame is painted
    return round((page.evaluate(SEEN) - 20) / 22)


@pytest.mark.parametrize("name", ["new.mp4", "old.avi"])
def test_frame_by_frame(open_video: Callable[..., tuple[Page, int]], name: str) -> None:
    page, _ = open_video(name, 5.0)
    assert level(page) == 80 % LEVELS
    for step, key in enumerate((".", ".", ".")):
        page.keyboard.press(key)
        expect(page.locator("#timeline-time")).to_contain_text(f"frame {81 + step}")
        assert level(page) == (81 + step) % LEVELS
    page.keyboard.press(",")
    expect(page.locator("#timeline-time")).to_contain_text("frame 82")
    assert level(page) == 82 % LEVELS
    page.keyboard.press("End")
    expect(page.locator("#timeline-time")).to_contain_text(f"frame {FPS * SECONDS - 1}")
    page.keyboard.press("Home")
    page.keyboard.press(",")
    expect(page.locator("#timeline-time")).to_contain_text("frame 0")


@pytest.mark.parametrize("name", ["new.mp4", "old.avi"])
def test_play_pause_and_speed(open_video: Callable[..., tuple[Page, int]], name: str) -> None:
    page, _ = open_video(name, 18.5)  # a piece of what browsers cannot play ends at 20 s
    for _ in range(5):
        page.keyboard.press(">")
    expect(page.locator("#timeline-rate")).to_have_value("4")
    page.keyboard.press("Space")
    expect(page.locator("[data-act=play]")).to_have_text("Pause")
    while at(page) < 22:
        page.wait_for_timeout(100)
    page.keyboard.press("Space")
    expect(page.locator("[data-act=play]")).to_have_text("Play")
    page.locator("#timeline-rate").select_option("0.25")
    assert page.evaluate("document.getElementById('timeline-video').playbackRate") == 0.25


def test_by_mouse_alone(open_video: Callable[..., tuple[Page, int]]) -> None:
    page, _ = open_video()
    page.locator("[data-act=play]").click()
    expect(page.locator("[data-act=play]")).to_have_text("Pause")
    page.locator("[data-act=play]").click()
    box = page.locator("#timeline-canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 8)  # on the ruler
    until(page, SECONDS / 2)
    page.locator("[data-act=on]").click()
    expect(page.locator("#timeline-time")).to_contain_text(f"frame {FPS * SECONDS // 2 + 1}")
    page.keyboard.press("Space")  # a click leaves the keys to the timeline
    expect(page.locator("[data-act=play]")).to_have_text("Pause")
    page.keyboard.press("Space")
    page.locator("[data-act=help]").click()
    expect(page.locator("#timeline-keys tr")).not_to_have_count(0)
    page.locator("#timeline-keys button").click()
    with page.expect_response("**/strength*") as asked:
        page.locator("[data-act=closer]").click(click_count=6)
    assert asked.value.status == 200
    page.locator("[data-act=another]").last.click()
    page.locator("#library .videos button").last.click()
    expect(page.locator("#timeline-name")).to_have_text("old.avi")


def test_zoom_asks_for_finer_summaries_and_goes_down_to_frames(open_video: Callable[..., tuple[Page, int]]) -> None:
    page, number = open_video(time=10.0)
    asked: list[tuple[float, float]] = []

    def note(request: playwright.Request) -> None:
        if f"/api/timeline/{number}/strength" in request.url:
            query = dict(part.split("=") for part in request.url.split("?")[1].split("&"))
            asked.append((float(query["to"]) - float(query["from"])) / int(query["bins"]))

    page.on("request", note)
    box = page.locator("#timeline-canvas").bounding_box()
    for _ in range(12):
        page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 50)
        page.mouse.wheel(0, -400)
        page.wait_for_timeout(60)
    page.wait_for_timeout(500)
    assert asked and min(asked) < 4 / FPS / 300, "a few frames fill the screen"
    until(page, 10.0)
    page.keyboard.press("0")
    for _ in range(8):
        page.keyboard.press("+")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 8)
    assert at(page) == pytest.approx(10, abs=1), "zooming keeps the playhead in view"


def test_similarity_to_what_was_searched_and_more_like_a_range(
    open_page: Callable[..., Page], long_address: str, numbers: dict[str, int]
) -> None:
    number = numbers["new.mp4"]
    page = open_page(where=long_address, at=f"?like={number}", about="2 videos")
    found(page)
    with page.expect_response("**/similarity*") as answer:
        page.locator(".motion .shot").first.click()
        page.locator("#viewer .whole").click()
    assert answer.value.json()["at"]
    ready(page)
    page.keyboard.press("Home")
    page.keyboard.press("i")
    page.keyboard.press("Shift+ArrowRight")
    until(page, 10.0)
    page.keyboard.press("o")
    with page.expect_request("**/api/search") as asked:
        page.keyboard.press("f")
    source = asked.value.post_data_json["source"]
    assert (source["start"], source["end"]) == (0, 10)
    found(page)
    page.go_back()
    expect(page.locator("#timeline")).to_be_visible()


def test_a_file_that_is_gone_says_so(
    open_page: Callable[..., Page], make_library: Callable[[Path], Library], tmp_path: Path
) -> None:
    library = make_library(tmp_path)
    window = library.windows()[0]
    Path(window.path).unlink()
    with served(library.path) as where:
        page = open_page(where=where, at=f"#timeline/{window.id}")
        expect(page.locator("#timeline-gone")).to_contain_text("has been moved or deleted")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
        page.context.close()


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_at_any_width_without_faults_of_access(
    open_video: Callable[..., tuple[Page, int]], width: int, scheme: str
) -> None:
    page, _ = open_video(width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#timeline-canvas").bounding_box()
    assert box["width"] > 0.85 * width
    for act in ("", "help"):
        if act:
            page.locator(f"[data-act={act}]").click()
        assert faults_of_access(page) == []


def test_two_fingers_zoom_on_a_phone(open_video: Callable[..., tuple[Page, int]]) -> None:
    page, _ = open_video(width=390, has_touch=True)
    box = page.locator("#timeline-canvas").bounding_box()
    y = box["y"] + 50
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *places: float) -> None:
        points = [{"x": box["x"] + place * box["width"], "y": y, "id": number} for number, place in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    with page.expect_response("**/strength*"):
        touch("touchStart", 0.45, 0.55)
        for step in range(8):
            touch("touchMove", 0.45 - 0.04 * step, 0.55 + 0.04 * step)
        touch("touchEnd")
    page.touchscreen.tap(box["x"] + 1, box["y"] + 8)
    page.wait_for_timeout(200)
    assert at(page) > 5, "the middle of the video fills the screen now"
