"""The demo's report: whole, self-contained, true to its input, safe, and quiet in a browser."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinema import __version__
from kinema.errors import OutputError, VideoError
from kinema.report.demo import standard_error, verdict, write_demo_report
from kinema.report.demo_content import SHOWN, DemoContent, LabelledVideo

VOID = {"meta", "link", "img", "source", "br", "input", "hr"}


class Page(HTMLParser):
    """Elements of a page in order, their nesting checked on the way, and its visible text."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"an attribute twice on {tag}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._open):
            self.text.append(data)

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="session")
def report(content: DemoContent, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "report.html"
    assert write_demo_report(path, content) == path
    return path


@pytest.fixture(scope="session")
def page(report: Path) -> Page:
    return Page(report.read_text(encoding="utf-8"))


def test_nothing_is_fetched_from_anywhere(report: Path, page: Page, content: DemoContent) -> None:
    for tag, attributes in page.elements:
        for name in ("src", "srcset", "href", "data", "poster", "action"):
            if name in attributes and not (tag == "a" and name == "href"):
                assert attributes[name].startswith(("data:", "#")), (tag, name, attributes[name][:80])
    html = report.read_text(encoding="utf-8")
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    assert str(content.queries[0].video.path.parent) not in html, "paths of the machine stay out"
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in policy


def test_every_picture_decodes_and_is_described(page: Page, content: DemoContent) -> None:
    images, sources = page.all("img"), page.all("source")
    queries = [*content.queries, *content.people.queries]
    answers = sum(1 + sum(map(len, query.found.values())) for query in queries)
    assert len(sources) == answers + len(content.samples)
    assert len(images) == len(sources) + 1
    assert sum(not image["alt"] for image in images) == 1, "only the wheel, whose frame is described, has no text"
    for uri in [image["src"] for image in images] + [source["srcset"] for source in sources]:
        with Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1], validate=True))) as picture:
            picture.load()


def test_pictures_move_for_as_long_as_the_videos(page: Page) -> None:
    moving = [image["src"] for image in page.all("img") if image["src"].startswith("data:image/webp")]
    counts = [Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))).n_frames for uri in moving]
    assert set(counts) == {16, 15}, "two seconds at eight frames a second; flow has one field fewer"


def test_table_says_what_was_measured(report: Path, content: DemoContent) -> None:
    html = report.read_text(encoding="utf-8")
    cells = re.findall(r'data-method="(.+?)" data-way="(.+?)" data-measure="(.+?)">([\d.]+)% <small>± ([\d.]+)<', html)
    found = {(method, way, measure): (float(share), float(error)) for method, way, measure, share, error in cells}
    expected = {
        (method, way, measure): (100 * share, 100 * np.sqrt(share * (1 - share) / content.test_videos))
        for method, ways in content.results["methods"].items()
        for way, scores in ways.items()
        for measure, share in scores.items()
    }
    assert found.keys() == expected.keys()
    for key, figures in expected.items():
        assert found[key] == pytest.approx(figures, abs=0.0501)
    assert html.count(">–</td>") == 6, "two ways of each have no probe"


def test_people_are_told_as_they_were_measured(report: Path, page: Page, content: DemoContent) -> None:
    html = report.read_text(encoding="utf-8")
    told = re.findall(r'data-people="(.+?)" data-way="(.+?)" data-measure="(.+?)">([\d.]+)%', html)
    assert {tuple(key): float(share) for *key, share in told} == {
        (method, way, measure): pytest.approx(100 * share, abs=0.0501)
        for method, ways in content.people.methods.items()
        for way, scores in ways.items()
        for measure, share in scores.items()
    }
    words = page.words()
    assert "189 generated videos of two people that it has never seen: 27 things that they do" in words
    assert "guessing 3.2%" in words
    assert "guessing 12.2%" in words


def test_the_draw_and_what_came_of_it_are_said(page: Page) -> None:
    words = page.words()
    assert "For every motion one of its test videos was drawn at random (seed 4)" in words
    assert re.search(
        r"Of these 2 the nearest .* same motion: Untrained \d, RGB MoCo \d, MSCL 2; the shares above are of", words
    )
    assert "1 of the 27 motions were drawn at random, and a video of each (seed 4)" in words


def test_the_readout_is_said_and_can_be_typed(page: Page) -> None:
    words = page.words()
    assert "the stage layer3, averaged over 2 × 3 × 4 cells of time, height and width" in words
    assert "--out runs/mine --readout.stage layer3 --readout.grid [2,3,4] #" in words


def test_headline_and_facts_are_there(page: Page) -> None:
    words = page.words()
    assert "After 11,200 unlabelled clips MSCL finds the same motion for 84%" in words
    assert "RGB MoCo for 40%" in words
    assert "an untrained encoder for 17% and guessing for 17%" in words
    assert "432 seconds" in words
    assert "kinema demo --out demo --seed 0" in words
    assert "kinema pretrain MY_VIDEOS" in words


def test_the_next_step_is_to_search(page: Page) -> None:
    words = page.words()
    assert "kinema index demo/videos --encoder demo/mscl --index demo/index kinema serve --index demo/index" in words
    assert "kinema index MY_VIDEOS --index INDEX kinema serve --index INDEX" in words
    assert words.index("kinema serve --index INDEX") < words.index("kinema pretrain MY_VIDEOS")
    assert words.index("kinema pretrain MY_VIDEOS") < words.index("kinema index MY_VIDEOS --encoder runs/mine")


def test_versions_are_said_once(content: DemoContent, tmp_path: Path) -> None:
    versions = {"kinema": __version__, "python": "3.11.2", "torch": "2.13.0"}
    words = Page(
        write_demo_report(tmp_path / "report.html", replace(content, environment=versions)).read_text(encoding="utf-8")
    ).words()
    for version in versions.values():
        assert words.count(version) == 1, version


def test_labels_are_spelled_out(page: Page) -> None:
    assert "circle clockwise" in page.words()
    assert "oscillate sideways" in page.words()
    assert "_cw" not in page.words()


def test_answers_are_marked_by_motion_and_scene(page: Page, content: DemoContent) -> None:
    marks = [attributes["class"] for attributes in page.all("li") if "class" in attributes]
    expected = [
        "same" if video.motion == query.video.motion else "other"
        for query in (*content.queries, *content.people.queries)
        for found in query.found.values()
        for video in found
    ]
    assert marks == expected
    assert "same" in marks
    assert "other" in marks


def test_names_of_parts_are_unique_and_sections_labelled(page: Page) -> None:
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    for attributes in page.all("section"):
        assert attributes["aria-labelledby"] in names
    charts = [attributes for attributes in page.all("svg") if attributes.get("class") == "figure"]
    assert len(charts) == 4 + 2 + 3 + 6
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)


def test_labels_and_texts_are_escaped(disguised: DemoContent, tmp_path: Path) -> None:
    html = write_demo_report(tmp_path / "report.html", disguised).read_text(encoding="utf-8")
    page = Page(html)
    assert len(page.all("script")) == 1, "only the report's own"
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") > 10
    assert "<script>alert('x')</script> & \"q\"" in page.words()


def test_same_content_gives_the_same_file(report: Path, content: DemoContent, tmp_path: Path) -> None:
    assert write_demo_report(tmp_path / "report.html", content).read_bytes() == report.read_bytes()


def test_report_of_a_training_without_matching_and_terms(content: DemoContent, tmp_path: Path) -> None:
    rows = [{"step": float(i), "loss": 5.0 - i} for i in range(4)]
    plain = replace(content, curves={"moco": rows, "mscl": rows}, queries=[], samples=[], features={})
    page = Page(write_demo_report(tmp_path / "report.html", plain).read_text(encoding="utf-8"))
    assert "matching moments" not in page.words()
    assert "Losses of MSCL" in page.words()


def with_motion(content: DemoContent, moco: float, mscl: float, moco_scene: float = 0.9) -> DemoContent:
    methods = {method: {**ways, SHOWN: dict(ways[SHOWN])} for method, ways in content.results["methods"].items()}
    methods["moco"][SHOWN].update(motion_r1=moco, scene_r1=moco_scene)
    methods["mscl"][SHOWN].update(motion_r1=mscl)
    return replace(content, results={**content.results, "methods": methods})


def test_verdict_claims_only_what_the_figures_show(content: DemoContent) -> None:
    assert "2.0 times as often" in verdict(with_motion(content, 0.4, 0.8))
    assert "goes by the scenery instead: 90% of its answers" in verdict(with_motion(content, 0.4, 0.8))
    assert "not clearly better" in verdict(with_motion(content, 0.4, 0.42))
    assert "not clearly better" in verdict(with_motion(content, 0.8, 0.4))
    assert "does not lean on the scenery" in verdict(with_motion(content, 0.4, 0.8, moco_scene=0.2))
    assert "times as often" in verdict(with_motion(content, 0.0, 0.8))


def test_standard_error() -> None:
    assert standard_error(0.5, 100) == pytest.approx(0.05)
    assert standard_error(1.0, 100) == 0.0


def test_unwritable_folder_is_one_sentence(content: DemoContent, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        write_demo_report(tmp_path / "file" / "report.html", replace(content, queries=[], samples=[], features={}))


def test_missing_video_is_named_and_nothing_is_written(content: DemoContent, tmp_path: Path) -> None:
    gone = LabelledVideo(tmp_path / "gone.mp4", "move_left", "lake")
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        write_demo_report(tmp_path / "report.html", replace(content, queries=[], samples=[gone]))
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1200, 1), (390, 0)], ids=["desktop light", "phone dark"])
def test_browser_shows_and_stops_it_without_complaint(report: Path, tmp_path: Path, width: int, scheme: int) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("needs chromium")
    # A frame of the wanted width asks the page how wide it grew; headless windows cannot be narrower than 500 pixels.
    probe = tmp_path / "probe.html"
    probe.write_text(
        f'<iframe id="page" style="width: {width}px; height: 800px; border: 0" src="{report.as_uri()}"></iframe>'
        "<script>onload = () => { const shown = page.contentDocument;"
        "const moving = () => shown.querySelectorAll('source:not([media=all])').length;"
        "const lines = dd => { const all = shown.createRange(); all.selectNodeContents(dd);"
        "return all.getClientRects().length; };"
        "const cut = [...shown.querySelectorAll('dl.facts dd')]"
        ".filter(dd => !/\\s/.test(dd.textContent.trim()) && lines(dd) > 1).length;"
        "const before = moving(); shown.querySelector('.pause').click();"
        "document.title = `wide ${shown.documentElement.scrollWidth}, moving ${before} then ${moving()}, broken "
        "${[...shown.images].filter(image => !image.naturalWidth).length}, cut ${cut}`; }</script>"
    )
    flags = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --allow-file-access-from-files --enable-logging=stderr "
        f"--blink-settings=preferredColorScheme={scheme} --virtual-time-budget=5000 --dump-dom"
    )
    run = subprocess.run(
        [browser, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", probe.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = re.search(r"<title>wide (\d+), moving (\d+) then (\d+), broken (\d+), cut (\d+)</title>", run.stdout)
    assert title is not None, run.stderr[-2000:]
    wide, before, after, broken, cut = map(int, title.groups())
    assert wide <= width, "the page is wider than the window"
    assert before > 0
    assert after == 0, "the button stops every moving picture"
    assert broken == 0
    assert cut == 0, "no figure is broken into two lines"
    assert "CONSOLE" not in run.stderr
