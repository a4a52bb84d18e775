"""Searching in a real browser: addresses, cancelling, the strip, a hit seen larger, and what is said of files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import faults_of_access, found, needs_axe, search, send
from served_page import served

from kinema.search import Library

playwright = pytest.importorskip("playwright.sync_api")
Page, expect = playwright.Page, playwright.expect
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def roomy(library: Library):
    """The page that takes longer clips, too."""
    with served(library.path, max_upload=64) as found:
        yield found


@needs_axe
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_every_view_without_faults_of_access(
    open_page: Callable[..., Page], clip: str, own_address: str, width: int, scheme: str
) -> None:
    page = open_page(where=own_address, width=width, color_scheme=scheme)
    assert faults_of_access(page) == []
    search(page, clip)
    cards = page.locator(".motion .card")
    for place, name in enumerate(("wave", "jump")):
        page.locator("#results .labels input").fill(name)
        page.keyboard.press("Enter")
        cards.nth(place).locator(".deeds button").last.click()
    expect(page.locator("#status")).to_contain_text("Trained on 2 labels")
    assert faults_of_access(page) == []
    page.locator("#tab-classes").click()
    expect(page.locator("#predicted h2")).to_have_text(["jump", "wave"])
    assert faults_of_access(page) == []
    page.locator("#tab-map").click()
    expect(page.get_by_text("lie close together")).to_be_visible()
    assert faults_of_access(page) == []


def test_every_search_has_an_address_and_back_and_reload_work(open_page: Callable[..., Page], clip: str) -> None:
    page = open_page()
    search(page, clip)
    assert re.search(r"/\?upload=[\w-]{20,}&start=0&end=0\.75$", page.url)
    first, hits = page.url, page.locator(".motion .name").all_text_contents()
    page.reload()
    found(page)
    assert page.locator(".motion .name").all_text_contents() == hits
    page.get_by_text("More like this").first.click()
    expect(page.locator("#asked-name")).to_have_text(hits[0])
    found(page)
    like = page.url
    assert re.search(r"/\?like=\d+$", like)
    page.locator("select[name=folder]").select_option("right")
    expect(page.locator(".motion .name").filter(has_text="left/")).to_have_count(0)
    assert page.url == f"{like}&folder=right"
    page.locator("#tab-map").click()
    assert page.url.endswith("&folder=right#map")
    page.go_back()
    expect(page.locator("#search")).to_be_visible()
    page.go_back()
    expect(page.locator("select[name=folder]")).to_have_value("")
    expect(page.locator(".motion .name").filter(has_text="left/")).not_to_have_count(0)
    page.go_back()
    expect(page.locator("#asked-name")).to_have_text(Path(clip).name)
    found(page)
    assert page.url == first and page.locator(".motion .name").all_text_contents() == hits
    page.go_forward()
    expect(page.locator("#asked-name")).to_have_text(hits[0])
    other = open_page(at=f"?{like.partition('?')[2]}")
    expect(other.locator("#asked-name")).to_have_text(hits[0])
    found(other)


def test_an_address_of_what_is_gone_is_said(open_page: Callable[..., Page]) -> None:
    page = open_page(at="?upload=gone&start=0&end=1", expected="404 (Not Found)")
    expect(page.locator("#status")).to_have_text("This clip is no longer kept; choose it again.")
    expect(page.locator("#choose")).to_be_visible()


def test_a_search_is_cancelled_and_a_new_clip_cancels_the_old(
    open_page: Callable[..., Page], clip: str, long_clip: Path, roomy: str
) -> None:
    page = open_page(where=roomy)
    send(page, long_clip)
    page.locator("#go").click()
    expect(page.locator("#status")).to_contain_text("s read")
    page.locator("#status").get_by_text("Cancel").click()
    expect(page.locator("#status")).to_have_text("Cancelled.")
    expect(page.locator("#go")).to_have_text("Search")
    page.locator("#go").click()
    expect(page.locator("#status")).to_contain_text("s read")
    old = re.search(r"upload=([\w-]+)", page.url)[1]
    search(page, clip)
    status = page.evaluate("token => fetch(`/api/uploads/${token}`, {method: 'DELETE'}).then(r => r.status)", old)
    assert status == 204
    assert page.locator(".motion .card").count() > 0


def test_sending_is_cancelled(open_page: Callable[..., Page], clip: str, roomy: str, tmp_path: Path) -> None:
    page = open_page(where=roomy, expected="ERR_FAILED")
    page.route("**/api/uploads?*", lambda route: None)  # it goes on for ever
    page.set_input_files("#file", clip)
    page.locator("#status").get_by_text("Cancel").click()
    expect(page.locator("#status")).to_have_text("Cancelled.")
    expect(page.locator("#choose")).to_be_visible()


def test_a_part_of_a_library_video_is_not_read_again(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.locator("#samples button").first.click()
    expect(page.locator("#from")).to_be_focused()
    with page.expect_response("**/api/search") as answer:
        page.keyboard.press("Enter")
    found(page)
    told = [json.loads(line) for line in answer.value.text().splitlines()]
    assert not any("Reading" in line.get("doing", "") for line in told)


def test_times_are_typed_and_the_strip_zooms(open_page: Callable[..., Page], long_clip: Path, roomy: str) -> None:
    page = open_page(where=roomy)
    send(page, long_clip)
    page.locator("#from-typed").fill("1:02.5")
    page.keyboard.press("Tab")
    page.locator("#to-typed").fill("66")
    page.keyboard.press("Tab")
    expect(page.locator("#from")).to_have_attribute("aria-valuenow", "62.50")
    expect(page.locator("#to-typed")).to_have_value("1:06.0")
    page.locator("#to-typed").fill("soon")
    page.keyboard.press("Tab")
    expect(page.locator("#to-typed")).to_have_value("1:06.0")
    page.locator("#to-typed").fill("9:00")
    page.keyboard.press("Tab")
    expect(page.locator("#to-typed")).to_have_value("2:30.0")
    page.locator("#to-typed").fill("1:06")
    page.keyboard.press("Tab")
    expect(page.locator("#strip img")).to_have_attribute("src", re.compile("start=0.00"))
    whole = page.locator("#strip img").get_attribute("src")
    for _ in range(4):
        page.locator("#strip-closer").click()
    expect(page.locator("#strip-said")).to_contain_text("of 2:30.0")
    expect(page.locator("#strip img")).not_to_have_attribute("src", whole)
    expect(page.locator("#strip img")).to_have_js_property("complete", True)
    box = page.locator("#strip").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 30)
    handle = page.locator("#from").bounding_box()
    share = (handle["x"] + handle["width"] / 2 - box["x"]) / box["width"]
    assert share == pytest.approx((62.5 - (64.25 - 150 / 32)) / (150 / 16), abs=0.03), "ten times as fine as before"
    page.locator("#strip-later").click()
    expect(page.locator("#strip-earlier")).to_be_enabled()
    for _ in range(4):
        page.locator("#strip-farther").click()
    expect(page.locator("#strip-said")).to_have_text("")
    expect(page.locator("#strip-farther")).to_be_disabled()


def playing(page: Page) -> float:
    """The seconds of what the viewer shows, once it can be played."""
    video = page.locator("#viewer video")
    for _ in range(600):
        if video.evaluate("video => video.readyState >= 2 && video.src.endsWith(video.currentSrc.slice(-30))"):
            return video.evaluate("video => video.duration")
        page.wait_for_timeout(200)
    raise AssertionError("it does not play")


def test_a_hit_is_seen_larger_and_in_its_context(
    open_page: Callable[..., Page], long_clip: Path, encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "long.mp4").write_bytes(long_clip.read_bytes())
    library = Library(tmp_path / "index", encoder)
    library.add(tmp_path / "v")
    window = next(window for window in library.windows() if window.start > 20)
    with served(library.path) as where:
        page = open_page(where=where, at=f"?like={window.id}", about="1 video,")
        found(page)
        page.locator(".motion .shot").first.click()
        viewer = page.locator("#viewer")
        expect(viewer.locator("h2")).to_have_text("long.mp4")
        assert playing(page) == pytest.approx(6.6, abs=0.6), "three seconds before and after"
        viewer.get_by_text("More around it").click()
        assert playing(page) > 12
        viewer.get_by_text("The place alone").click()
        assert playing(page) < 2
        page.keyboard.press("Escape")
        expect(viewer).not_to_be_visible()
        page.locator(".motion .shot").nth(1).click()
        viewer.locator(".more").click()
        expect(viewer).not_to_be_visible()
        found(page)
        page.context.close()


def test_doubtful_hits_look_doubtful(open_page: Callable[..., Page], clip: str) -> None:
    page = open_page()
    with page.expect_response("**/api/search") as answer:
        search(page, clip)
    hits = json.loads(answer.value.text().splitlines()[-1])["motion"]["hits"]
    doubtful = [hit["outstanding"] < 2 for hit in hits]
    assert any(doubtful)
    for place, expected in enumerate(doubtful):
        card = page.locator(".motion .card").nth(place)
        assert ("doubtful" in card.get_attribute("class")) == expected
        assert card.locator(".outstanding").text_content() == (
            "doubtful" if expected else f"{hits[place]['outstanding']:.1f} σ"
        )


@pytest.mark.parametrize("width", [390, 1400])
def test_long_names_are_cut_in_the_middle_and_problems_can_be_clicked(
    open_page: Callable[..., Page], make_library: Callable[[Path], Library], tmp_path: Path, width: int
) -> None:
    made = make_library(tmp_path)
    for path in sorted((tmp_path / "videos" / "left").glob("*.mp4")):
        path.rename(path.with_name(f"a recording with a name that is far too long for a card {path.name}"))
    (tmp_path / "videos" / "broken.mp4").write_text("no video")
    made.add(tmp_path / "videos")
    with served(made.path) as where:
        page = open_page(width, where=where, at=f"?like={made.windows()[-1].id}", about="12 videos")
        found(page)
        names = page.locator(".motion .name").filter(has_text="too long")
        for place in range(names.count()):
            box, end = names.nth(place).bounding_box(), names.nth(place).locator("span").last
            shown = end.bounding_box()
            assert end.text_content().endswith(".mp4") and shown["x"] + shown["width"] <= box["x"] + box["width"] + 1
        assert names.count() > 2
        page.locator(".motion .card").filter(has_text="too long").first.locator(".deeds button").first.click()
        expect(page.locator("#asked-name")).to_contain_text("too long")
        found(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("#show-problems").click()
        expect(page.locator("#problems li")).to_contain_text("broken.mp4")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("#problems button").click()
        expect(page.locator("#problems")).not_to_be_visible()
        page.context.close()


def test_a_play_list_is_refused_in_a_sentence(open_page: Callable[..., Page], clip: str, tmp_path: Path) -> None:
    page = open_page(expected="400 (Bad Request)")
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile '{clip}'\n")
    page.set_input_files("#file", tmp_path / "list.mp4")
    expect(page.locator("#status")).to_contain_text("Cannot read list.mp4: it is a play list")


def test_beyond_this_machine_the_page_asks_for_its_token(library: Library, browser) -> None:
    with served(library.path, token="s3cret") as where:
        page = browser.new_context().new_page()
        assert page.goto(where).status == 401
        expect(page.locator("body")).to_contain_text("those who have its token")
        page.goto(f"{where}?token=s3cret#classes")
        expect(page.locator("#about")).to_contain_text("12 videos")
        assert page.url == f"{where}#classes"
        page.goto(where)
        expect(page.locator("#samples img").first).to_have_js_property("complete", True)
        page.context.close()
