"""Labels in a real browser: of several readers, kept, renamed, removed, undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browsing import found, search
from served_page import served

from kinema.data.synthetic.files import write_video
from kinema.search import Labels, Library

playwright = pytest.importorskip("playwright.sync_api")
Page, expect = playwright.Page, playwright.expect
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def label(page: Page, place: int, name: str) -> None:
    """Give a hit by motion a label."""
    page.locator("#results .labels input").fill(name)
    page.keyboard.press("Enter")
    page.locator(".motion .card").nth(place).locator(".deeds button").last.click()
    expect(page.locator(".motion .card").nth(place).locator(".tag")).to_have_text(name)


def test_two_tabs_lose_no_label_and_see_each_others(
    open_page: Callable[..., Page], clip: str, make_library: Callable[[Path], Library], tmp_path: Path
) -> None:
    library = make_library(tmp_path)
    with served(library.path) as where:
        one, two = open_page(where=where), open_page(where=where)
        for page in (one, two):
            search(page, clip)
        label(one, 0, "wave")
        label(two, 1, "jump")
        label(one, 2, "wave")
        for page in (one, two):
            expect(page.locator(".motion .tag")).to_have_text(["wave", "jump", "wave"])
            page.reload()
            expect(page.locator(".motion .tag")).to_have_text(["wave", "jump", "wave"])
        for page in (one, two):
            page.context.close()
    assert sorted(Labels(library.path).examples().values()) == ["jump", "wave", "wave"]


def test_all_are_removed_and_come_back_and_one_is_renamed(
    open_page: Callable[..., Page], clip: str, own_address: str
) -> None:
    page = open_page(where=own_address)
    search(page, clip)
    label(page, 0, "wave")
    label(page, 1, "jump")
    page.locator("#tab-classes").click()
    expect(page.locator("#predicted h2")).to_have_text(["jump", "wave"])
    page.locator("#forget-labels").click()
    expect(page.locator("#status")).to_have_text("Removed 2 labels.Undo")
    expect(page.locator("#labelled .card")).to_have_count(0)
    page.locator("#status button").click()
    expect(page.locator("#predicted h2")).to_have_text(["jump", "wave"])
    classes = page.locator("#predicted")
    classes.get_by_label("Rename wave").click()
    page.keyboard.type("hello")
    page.keyboard.press("Escape")
    expect(classes.locator("h2")).to_have_text(["jump", "wave"])
    classes.get_by_label("Rename wave").click()
    expect(classes.locator("input[type=text]")).to_be_focused()
    classes.locator("input[type=text]").fill("hello")
    page.keyboard.press("Enter")
    expect(classes.locator("h2")).to_have_text(["hello", "jump"])
    page.locator("#undo-labels").click()
    expect(classes.locator("h2")).to_have_text(["jump", "wave"])
    classes.get_by_label("Rename wave").click()
    classes.locator("input[type=text]").fill("jump")
    page.keyboard.press("Enter")
    expect(page.locator("#classes-said")).to_contain_text("Label a few windows with two or more names")
    page.reload()
    expect(page.locator("#classes .chip")).to_have_text(["jump2"])
    page.context.close()  # before its server ends


def test_the_history_says_who_gave_which_label(open_page: Callable[..., Page], clip: str, own_address: str) -> None:
    page = open_page(where=own_address)
    search(page, clip)
    label(page, 0, "wave")
    page.locator("#tab-classes").click()
    page.locator("#labels-by").fill(" Ann \u00c5. ")
    page.locator("#labels-by").press("Tab")
    page.reload()
    page.locator("#tab-classes").click()
    expect(page.locator("#labels-by")).to_have_value("Ann \u00c5.")
    page.locator("#forget-labels").click()
    changes(page, 2)
    page.locator("#undo-labels").click()
    changes(page, 3)
    table = {
        "name": "x.csv",
        "mimeType": "text/csv",
        "buffer": f"file,start,end,label\n{Path(clip).name},0,0.3,jump".encode(),
    }
    page.set_input_files("#labels-file", table)
    told = changes(page, 4)
    assert [(one["kind"], one["by"]) for one in told] == [
        ("change", "Ann \u00c5."), ("undo", "Ann \u00c5."), ("change", "Ann \u00c5."), ("change", None),
    ]  # fmt: skip
    page.context.close()


def changes(page: Page, count: int) -> list[dict[str, Any]]:
    """Wait until the labels have been changed so often; return their history."""
    for _ in range(100):
        told = page.evaluate("fetch('/api/labels/history').then((answer) => answer.json())")["changes"]
        if len(told) == count:
            return told
        page.wait_for_timeout(200)
    raise AssertionError(told)


def test_classes_have_colours_and_labels_come_and_go_as_files(
    open_page: Callable[..., Page], clip: str, own_address: str, tmp_path: Path
) -> None:
    page = open_page(where=own_address)
    search(page, clip)
    label(page, 0, "wave")
    label(page, 1, "jump")
    shown = "element => getComputedStyle(element).borderTopColor"
    assert page.locator(".motion .tag").nth(0).evaluate(shown) == "rgb(0, 120, 180)"
    page.locator("#tab-classes").click()
    expect(page.locator("#predicted h2")).to_have_text(["jump", "wave"])
    page.locator("#predicted").get_by_label("Colour of wave").fill("#804020")
    expect(page.locator("#classes .chip").nth(0)).to_have_attribute("style", "--of: #804020;")
    page.select_option("#labels-format", "activitynet")
    with page.expect_download() as saved:
        page.locator("#export-labels").click()
    expect(page.locator("#status")).to_contain_text("Saved labels.json.")
    saved.value.save_as(tmp_path / "labels.json")
    page.locator("#predicted").get_by_label("Delete wave").click()
    expect(page.locator("#status")).to_have_text("Deleted wave with 1 label.Undo")
    expect(page.locator("#labelled h2")).to_have_text(["jump"])
    expect(page.locator("#labelled .card")).to_have_count(1)
    page.set_input_files("#labels-file", tmp_path / "labels.json")
    expect(page.locator("#status")).to_have_text("Brought in 1 label, 1 were there already.Undo")
    expect(page.locator("#predicted h2")).to_have_text(["jump", "wave"])
    page.locator("#undo-labels").click()
    expect(page.locator("#labelled h2")).to_have_text(["jump"])
    page.locator("#redo-labels").click()
    expect(page.locator("#predicted h2")).to_have_text(["jump", "wave"])
    page.context.close()


def test_a_long_video_alone_is_searched_and_shown_in_full(
    open_page: Callable[..., Page], encoder: Path, tmp_path: Path
) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    (tmp_path / "v").mkdir()
    frames = (np.roll(rng.integers(0, 255, (32, 32, 3), np.uint8), n, 1) for n in range(400))
    write_video(tmp_path / "v" / "long.mp4", frames, fps=16.0)
    library = Library(tmp_path / "index", encoder)
    library.add(tmp_path / "v")
    with served(library.path) as where:
        page = open_page(where=where, at=f"?like={library.windows()[9].id}", about="1 video,")
        found(page)
        expect(page.locator(".motion .note")).to_contain_text("other places of the clip's own")
        expect(page.locator(".motion .card")).to_have_count(12)
        label(page, 0, "wave")
        label(page, 1, "jump")
        page.locator("#tab-classes").click()
        expect(page.locator("#predicted .group")).to_have_count(2)
        assert page.locator("#predicted .card").count() > 12, "not one place of the only video"
        page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_long_label_leaves_the_cards_beside_it_alone(
    open_page: Callable[..., Page], clip: str, own_address: str, width: int
) -> None:
    page = open_page(where=own_address)
    page.set_viewport_size({"width": width, "height": 844})
    search(page, clip)
    label(page, 0, "a label that is longer than a card is wide")
    label(page, 1, "short")
    label(page, 2, "w" * 60)  # without a blank to break it at
    whole = "document.documentElement.scrollWidth"
    assert page.evaluate(whole) <= width
    wide = "cards => cards.filter(card => card.scrollWidth > card.clientWidth).map(card => card.innerText)"
    assert page.locator(".motion .card").evaluate_all(wide) == []
    page.locator("#tab-classes").click()
    page.wait_for_selector("#predicted .card")
    assert page.locator("#predicted .card").evaluate_all(wide) == []
    assert page.evaluate(whole) <= width
    page.locator("#tab-map").click()
    page.select_option("#map-colour", "class")
    expect(page.locator("#legend")).to_contain_text("w" * 60)
    assert page.evaluate(whole) <= width
    page.context.close()
