"""Labels made on the timeline in a real browser: by mouse, by keys, by two people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import AXE, faults_of_access
from served_page import served
from timelines import Rows, become, kept, make_long_library, numbers_of, ready, until

from kinema.search import Library

playwright = pytest.importorskip("playwright.sync_api")
Page, expect = playwright.Page, playwright.expect
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def library(encoder: Path, tmp_path: Path) -> Library:
    return make_long_library(encoder, tmp_path / "long")


@pytest.fixture
def address(library: Library) -> Iterator[str]:
    with served(library.path) as found:
        yield found


@pytest.fixture
def open_video(open_page: Callable[..., Page], address: str, library: Library) -> Callable[..., tuple[Page, int]]:
    def go(name: str = "new.mp4", **settings: object) -> tuple[Page, int]:
        number = numbers_of(library)[name]
        page = open_page(where=address, at=f"#timeline/{number}", about="2 videos", **settings)
        ready(page)
        return page, number

    return go


def classes(page: Page, *names: str) -> Rows:
    """Write names of classes."""
    field = page.locator("#timeline .labels input")
    for name in names:
        field.fill(name)
        page.keyboard.press("Enter")
        expect(page.locator("#timeline .chip", has_text=name)).to_have_count(1)
    page.wait_for_timeout(100)  # until there are rows for them
    return Rows(page, list(names))


@pytest.mark.parametrize("width", [1400, 390])
def test_labels_by_mouse(open_video: Callable[..., tuple[Page, int]], width: int) -> None:
    page, video = open_video(width=width)
    rows = classes(page, "walk", "turn")
    rows.drag(5, 10, "walk")
    expect(page.locator("#status")).to_have_text("Labelled walk.")
    become(page, video, [("walk", 5, 10)])
    rows.drag(12, 15, "turn")
    become(page, video, [("walk", 5, 10), ("turn", 12, 15)])
    rows.drag(7, 8, "walk")
    become(page, video, [("walk", 6, 11), ("turn", 12, 15)])
    rows.drag(11, 13, "walk")
    become(page, video, [("walk", 6, 13), ("turn", 12, 15)])
    rows.drag(6, 4, "walk")
    become(page, video, [("walk", 4, 13), ("turn", 12, 15)])
    rows.click(8, "walk")
    rows.click(8)
    page.locator("[data-act=split]").click()
    become(page, video, [("walk", 4, 8), ("walk", 8, 13), ("turn", 12, 15)])
    page.locator("[data-act=merge]").click()
    become(page, video, [("walk", 4, 13), ("turn", 12, 15)])
    page.locator("#timeline .chip", has_text="turn").click()
    become(page, video, [("turn", 4, 13), ("turn", 12, 15)])
    page.locator("[data-act=remove]").click()
    become(page, video, [("turn", 12, 15)])
    for expected in ("turn", "walk"):
        page.locator("[data-act=undo]").click()
        become(page, video, [(expected, 4, 13), ("turn", 12, 15)])
    page.locator("[data-act=redo]").click()
    become(page, video, [("turn", 4, 13), ("turn", 12, 15)])
    page.reload()
    ready(page)
    assert len(kept(page, video)) == 2
    page.context.close()


@pytest.mark.parametrize("width", [1400, 390])
def test_labels_by_keys(open_video: Callable[..., tuple[Page, int]], width: int) -> None:
    page, video = open_video(width=width)
    classes(page, "walk", "turn")
    page.locator("#timeline-canvas").focus()
    page.keyboard.press("Home")
    page.keyboard.press("i")
    page.keyboard.press("Shift+ArrowRight")
    until(page, 10)
    page.keyboard.press("o")
    page.keyboard.press("1")
    become(page, video, [("walk", 0, 10)])
    page.keyboard.press("2")
    become(page, video, [("turn", 0, 10)])
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    until(page, 6)
    page.keyboard.press("s")
    become(page, video, [("turn", 0, 6), ("turn", 6, 10)])
    page.keyboard.press("j")
    expect(page.locator("#status")).to_contain_text("turn, 6.00 to 10.00")
    page.keyboard.press("d")
    become(page, video, [("turn", 0, 6), ("turn", 6.06, 10.06)])
    page.keyboard.press("k")
    page.keyboard.press("m")
    become(page, video, [("turn", 0, 10.06)])
    page.keyboard.press("Delete")
    become(page, video, [])
    page.keyboard.press("Control+z")
    become(page, video, [("turn", 0, 10.06)])
    page.keyboard.press("Control+Shift+z")
    become(page, video, [])
    page.keyboard.press("End")
    page.keyboard.press("e")
    become(page, video, [("turn", 29.94, 29.94)])
    page.keyboard.press("Escape")
    for key, said in (("s", "Choose a label"), ("Enter", "Choose a range"), ("9", "There is no class 9")):
        page.keyboard.press(key)
        expect(page.locator("#status")).to_contain_text(said)
    page.context.close()


@pytest.mark.parametrize("width", [1400, 390])
def test_a_label_may_say_who_does_it(open_video: Callable[..., tuple[Page, int]], width: int) -> None:
    page, video = open_video(width=width)
    rows, field = classes(page, "walk"), page.locator("#timeline-subject")
    rows.drag(5, 10, "walk")
    become(page, video, [("walk", 5, 10)])
    page.keyboard.press("w")
    expect(field).to_be_focused()
    page.keyboard.type("hen 1")
    page.keyboard.press("Enter")
    subjects(page, video, ["hen 1"])
    rows.drag(12, 15, "walk")
    subjects(page, video, ["hen 1", "hen 1"])
    field.fill("Henne, 2 \U0001f414")
    field.press("Tab")
    subjects(page, video, ["hen 1", "Henne, 2 \U0001f414"])
    rows.click(7, "walk")
    expect(field).to_have_value("hen 1")
    page.keyboard.press("m")
    expect(page.locator("#status")).to_contain_text("no later label of this class and subject")
    page.keyboard.press("w")
    page.keyboard.type("x")
    page.keyboard.press("Escape")
    expect(field).to_have_value("hen 1")
    field.fill("")
    page.keyboard.press("Enter")
    subjects(page, video, [None, "Henne, 2 \U0001f414"])
    page.keyboard.press("j")
    expect(page.locator("#status")).to_contain_text("Chosen: walk of Henne, 2 \U0001f414, 12.00 to 15.00")
    page.keyboard.press("Control+z")
    subjects(page, video, ["hen 1", "Henne, 2 \U0001f414"])
    page.context.close()


def subjects(page: Page, video: int, expected: list[str | None]) -> None:
    """Wait until the labels of a video are these subjects', by time."""
    asked = f"fetch('/api/labels?video={video}').then((r) => r.json()).then((r) => r.labels.map((one) => one.subject))"
    page.wait_for_function(f"(expected) => {asked}.then((found) => JSON.stringify(found) === JSON.stringify(expected))",
                           arg=expected)  # fmt: skip


def test_two_people_lose_nothing(open_video: Callable[..., tuple[Page, int]]) -> None:
    one, video = open_video(width=1400)
    mine = classes(one, "walk")
    mine.drag(5, 10, "walk")
    become(one, video, [("walk", 5, 10)])
    other, _ = open_video(width=1400, expected="409")  # a browser writes that down, too
    expect(other.locator("#timeline .chip")).to_have_count(1)
    theirs = Rows(other, ["walk"])
    theirs.drag(20, 25, "walk")
    become(other, video, [("walk", 5, 10), ("walk", 20, 25)])
    news = "**/api/labels?*"
    other.route(news, lambda route: route.fulfill(status=204))  # as if they had been no quicker
    mine.drag(7, 8, "walk")
    become(one, video, [("walk", 6, 11), ("walk", 20, 25)])
    theirs.drag(7, 9, "walk")
    expect(other.locator("#status")).to_have_class("bad")
    other.unroute(news)
    become(other, video, [("walk", 6, 11), ("walk", 20, 25)])
    for page in (one, other):
        page.context.close()


def test_predicted_bouts_and_the_next_doubtful_place(open_video: Callable[..., tuple[Page, int]]) -> None:
    page, _ = open_video(width=1400)
    rows = classes(page, "walk", "turn")
    with page.expect_response(lambda answer: "/predicted" in answer.url and bool(answer.json()["names"])) as predicted:
        rows.drag(0, 5, "walk")
        rows.drag(5, 10, "turn")
    bouts = predicted.value.json()["bouts"]
    assert bouts and predicted.value.json()["names"] == ["turn", "walk"]
    page.keyboard.press("n")
    expect(page.locator("#status")).to_contain_text("The classifier cannot tell")
    page.keyboard.press("1")
    expect(page.locator("#status")).to_contain_text("Labelled walk")
    page.locator("#timeline-budget summary").click()
    expect(page.locator("#timeline-budget tbody tr")).to_have_count(3)
    page.locator("#timeline-budget select").select_option("library")
    expect(page.locator("#timeline-budget .said")).to_contain_text("2 videos")
    expect(page.locator("#timeline-budget tr.all .share")).to_have_count(3)
    for cell in page.locator("#timeline-budget tr.all .share").all():  # bars of agreement are as long as its figures
        figure = cell.text_content()
        bar = float(cell.evaluate("cell => cell.style.getPropertyValue('--share')").removesuffix("%"))
        assert bar == pytest.approx(100 * max(0.0, float(figure)) if figure != "–" else 0.0, abs=0.6)
    if AXE.exists():
        assert faults_of_access(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1400
    page.context.close()
