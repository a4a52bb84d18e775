"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from browsing import search
from served_page import served

from kinema.data.synthetic.files import write_video
from kinema.search import Classifier, Library

playwright = pytest.importorskip("playwright.sync_api")
Page, Route, PlaywrightError, expect = playwright.Page, playwright.Route, playwright.Error, playwright.expect
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_send_trim_search_and_more_like_this(open_page: Callable[..., Page], clip: str, tmp_path: Path) -> None:
    page = open_page()
    page.set_input_files("#file", clip)
    expect(page.locator("#from")).to_be_focused()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    expect(page.locator("#to")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#from").get_attribute("aria-valuenow") == "0.20"
    assert page.locator("#to").get_attribute("aria-valuenow") == "0.65"
    with page.expect_request("**/api/search") as asked:
        page.keyboard.press("Enter")
    source = json.loads(asked.value.post_data)["source"]
    assert (source["start"], source["end"]) == pytest.approx((0.2, 0.65))
    for column in ("motion", "appearance"):
        expect(page.locator(f".{column} .card")).not_to_have_count(0)
    first = page.locator(".motion .card").first
    expect(first.locator("img")).to_have_js_property("complete", True)
    first.locator(".shot").hover()
    expect(page.locator(".motion .flowing")).to_have_count(1)
    page.mouse.move(0, 0)
    expect(page.locator(".flowing")).to_have_count(0)
    first.locator(".shot").focus()
    expect(page.locator(".motion .flowing")).to_have_count(1)
    name = first.locator(".name").text_content()
    first.get_by_text("More like this").click()
    expect(page.locator("#asked-name")).to_have_text(name)
    expect(page.locator("#status")).to_contain_text("Found")
    with page.expect_download() as table:
        page.get_by_text("Hits as CSV").click()
    table.value.save_as(tmp_path / "hits.csv")
    assert (tmp_path / "hits.csv").read_text().startswith("by,rank,score,video")
    with page.expect_download() as archive:
        page.get_by_text("Hits as clips").click()
    archive.value.save_as(tmp_path / "clips.zip")
    assert any(name.endswith(".mp4") for name in zipfile.ZipFile(tmp_path / "clips.zip").namelist())


def test_a_clip_is_dropped_and_deleted_when_another_is_wanted(open_page: Callable[..., Page], clip: str) -> None:
    page = open_page()
    page.evaluate(
        """async (bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "dropped.mp4"));
            for (const kind of ["dragover", "drop"])
                document.body.dispatchEvent(
                    new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        list(Path(clip).read_bytes()),
    )
    expect(page.locator("#asked-name")).to_have_text("dropped.mp4")
    page.locator("#another").click()
    expect(page.locator("#choose")).to_be_focused()
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.set_input_files("#file", clip)
    expect(page.locator("#asked-name")).to_have_text(Path(clip).name)


def test_pictures_of_a_clip_that_is_deleted_are_wanted_no_more(open_page: Callable[..., Page], clip: str) -> None:
    page = open_page()
    late: list[Route] = []
    page.route("**/media/upload/**", lambda route: late.append(route))
    page.set_input_files("#file", clip)
    expect(page.locator("#from")).to_be_focused()
    for picture in ("#strip img", "#asked-shot img"):
        expect(page.locator(picture)).to_have_attribute("src", re.compile("/media/upload/"))
    page.unroute("**/media/upload/**")
    with page.expect_response(lambda response: response.request.method == "DELETE"):
        page.set_input_files("#file", clip)
    assert late
    for route in late:
        with suppress(PlaywrightError):  # the page has given it up
            route.continue_()
    expect(page.locator("#strip img")).to_have_js_property("complete", True)


def test_the_strip_by_pointer(open_page: Callable[..., Page], clip: str) -> None:
    page = open_page()
    page.set_input_files("#file", clip)
    expect(page.locator("#from")).to_be_focused()
    box = page.locator("#strip").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 30)
    page.mouse.up()
    assert float(page.locator("#from").get_attribute("aria-valuenow")) == pytest.approx(0.4 * 0.75, abs=0.02)


def test_all_by_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page()
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", "focus is seen"
    assert reached == ["tab-search", "pause", "choose", "pick", "tab-search"] or reached[:4] == [
        "tab-search", "pause", "choose", "pick"
    ]  # fmt: skip
    page.locator("#pick").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#library .videos button")).to_have_count(12)
    page.keyboard.press("Tab")
    page.keyboard.type("right/")
    expect(page.locator("#library .videos button")).to_have_count(6)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#from")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Found")
    page.locator(".motion .shot").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Found")
    page.locator("#tab-search").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-map")).to_be_focused()
    expect(page.locator("#map-said")).to_contain_text("windows")
    page.locator("#map canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("aside .card")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#search")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("Found")


def test_label_classify_map_export_and_keep(
    open_page: Callable[..., Page], clip: str, own_address: str, tmp_path: Path
) -> None:
    page = open_page(where=own_address)
    search(page, clip)
    cards = page.locator(".motion .card")
    cards.nth(0).locator(".deeds button").last.click()  # no label yet: asks for a name
    page.keyboard.type("wave")
    page.keyboard.press("Enter")
    expect(cards.nth(0).locator(".tag")).to_have_text("wave")
    page.locator("#results .labels input").fill("jump")
    page.keyboard.press("Enter")
    cards.nth(1).locator(".deeds button").last.click()
    cards.nth(2).locator(".shot").focus()
    page.keyboard.press("1")
    expect(cards.nth(2).locator(".tag")).to_have_text("wave")
    expect(page.locator("#status")).to_contain_text("Trained on 3 labels")
    page.locator("#tab-classes").click()
    expect(page.locator("#predicted h2")).to_have_text(["jump", "wave"])
    assert page.locator("#predicted .card").count() >= 2
    with page.expect_download() as saved:
        page.get_by_text("Classifier file").click()
    saved.value.save_as(tmp_path / "classifier.safetensors")
    assert Classifier.load(tmp_path / "classifier.safetensors").classes == ("jump", "wave")
    with page.expect_download() as saved:
        page.locator("#export-labels").click()
    saved.value.save_as(tmp_path / "labels.csv")
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 4
    page.locator("#tab-map").click()
    expect(page.locator("#legend")).to_contain_text("jump")
    box = page.locator("#map canvas").bounding_box()
    place = page.evaluate("fetch('/api/map').then(r => r.json()).then(m => m.points[0])")
    x, y = 22 + place[1] * (box["width"] - 44), box["height"] - 22 - place[2] * (box["height"] - 44)
    page.mouse.move(box["x"] + x, box["y"] + y)
    expect(page.locator("#peek")).to_be_visible()
    page.mouse.click(box["x"] + x, box["y"] + y)
    expect(page.locator("aside .card")).to_have_count(1)
    page.reload()
    page.locator("#tab-classes").click()
    expect(page.locator("#predicted h2")).to_have_text(["jump", "wave"])
    page.context.close()  # before its server ends


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_both_columns_and_nothing_sticks_out(
    open_page: Callable[..., Page], clip: str, scheme: str
) -> None:
    page = open_page(390, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    search(page, clip)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    left, right = (page.locator(f"section.{name}").bounding_box() for name in ("motion", "appearance"))
    assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
    for tab in ("map", "classes"):
        page.locator(f"#tab-{tab}").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(22, 24, 27)") == (scheme == "dark")


def test_pictures_stand_still_for_who_wants_that(open_page: Callable[..., Page], clip: str) -> None:
    page = open_page(reduced_motion="reduce")
    search(page, clip)
    sources = "[...document.querySelectorAll('.card img')].every(image => image.src.endsWith('/still'))"
    assert page.evaluate(sources)
    page.locator("#pause").click()
    assert not page.evaluate(sources)


def test_bad_clips_are_said_in_one_sentence_and_the_page_goes_on(
    open_page: Callable[..., Page], clip: str, tmp_path: Path
) -> None:
    page = open_page(expected="400 (Bad Request)")
    status = page.locator("#status")
    (tmp_path / "notes.mp4").write_text("not a video at all")
    page.set_input_files("#file", tmp_path / "notes.mp4")
    expect(status).to_have_text("Cannot read notes.mp4: it is not a video, or its header is damaged.")
    (tmp_path / "big.mp4").write_bytes(bytes((1 << 20) + 1))
    page.set_input_files("#file", tmp_path / "big.mp4")
    expect(status).to_have_text("The clip big.mp4 has more than 1 MiB; send a shorter clip, or raise --max-upload.")
    write_video(tmp_path / "still.mp4", [np.full((32, 32, 3), 90, np.uint8)] * 3, fps=16.0)
    search(page, str(tmp_path / "still.mp4"))
    expect(page.locator(".motion .note")).to_contain_text("Next to nothing moves in still.mp4")
    search_again = page.locator("#another")
    search_again.click()
    search(page, clip)


def test_a_deleted_video_is_said_on_its_card(
    open_page: Callable[..., Page], make_library: Callable[[Path], Library], tmp_path: Path
) -> None:
    made = make_library(tmp_path)
    clip = made.windows()[0].path
    for path in {window.path for window in made.windows()[6:]}:
        Path(path).unlink()
    with served(made.path) as where:
        page = open_page(where=where, expected="404 (Not Found)")
        search(page, clip)
        expect(page.locator(".motion .gone").first).to_contain_text("moved or deleted; run `kinema index` again")
        assert page.locator(".motion .card:not(.is-gone)").count() >= 1
        page.context.close()  # before its server ends


def test_filters_search_again(open_page: Callable[..., Page], clip: str) -> None:
    page = open_page()
    search(page, clip)
    page.locator("select[name=folder]").select_option("right")
    expect(page.locator(".motion .name").filter(has_text="left/")).to_have_count(0)
    expect(page.locator(".motion .name").first).to_contain_text("right/")
