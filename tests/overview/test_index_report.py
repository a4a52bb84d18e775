"""The report of an index: what it says, what it draws, and how it opens in a browser."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from kinema.annotations import Interval, write_intervals
from kinema.cli import main
from kinema.overview import ethogram, index_report
from kinema.overview.ethogram import STEPS, Activity, spans, ticks
from kinema.search import Library
from kinema.search.video_windows import VideoWindows

ODD = "a/b: 走る"


def report(*words: object) -> int:
    return main(["report", *map(str, words)])


@pytest.fixture(scope="module")
def page(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the index, made once."""
    out = tmp_path_factory.mktemp("report") / "report.html"
    assert report("--index", index, "--out", out, "--count", 3) == 0
    return out


def test_it_says_what_there_is(page: Path, index: Path):
    text = page.read_text(encoding="utf-8")
    library = Library(index)
    assert f"<dt>windows</dt><dd>{library.count()}, each" in text or f"<dt>windows</dt><dd>{library.count()}<" in text
    assert "13 of 2 classes in 10 videos" in text and "<dt>encoder</dt><dd>encoder.safetensors</dd>" in text
    seconds = sum(max(one.end for one in library.windows_of(video.path)) for video in library.videos())
    waves = re.search(r"</span>wave</th>\s*<td>(\d+)</td><td>0:(.+?)</td><td>(.+?) s</td><td>(.+?)%</td>", text)
    assert waves is not None
    assert waves[1] == "11" and float(waves[2]) == pytest.approx(8 * 0.25 + 3 * 0.125, abs=0.06)
    assert float(waves[3]) == pytest.approx(2.375 / 11, abs=0.006)
    assert float(waves[4]) == pytest.approx(100 * 2.375 / seconds, abs=0.06)
    assert text.count("<picture>") == 5
    assert not re.search(r"(src|href|srcset)=\"(?!data:|#)", text)


def test_each_video_has_an_ethogram_the_liveliest_first(page: Path):
    text = page.read_text(encoding="utf-8")
    drawn = [ElementTree.fromstring(one) for one in re.findall(r'<svg class="ethogram".*?</svg>(?=</figure>)', text)]
    assert len(drawn) == 12
    told = [one.attrib["aria-label"] for one in drawn]
    assert sum("wave 1 bout" in one for one in told) == 7 and sum("wave 4 bouts" in one for one in told) == 1
    assert sum(f"{ODD} 1 bout" in one for one in told) == 2 and sum("no labels" in one for one in told) == 2
    means = [float(one) for one in re.findall(r"mean motion strength (\d\.\d+)", text)]
    assert len(means) == 12 and means == sorted(means, reverse=True)
    assert "<summary>Videos 11 to 12</summary>" in text


def test_what_is_damaged_or_gone_is_named(index: Path, videos: Path, tmp_path: Path, capsys):
    home = shutil.copytree(videos, tmp_path / "videos")
    (home / "<broken>.mp4").write_bytes(b"no video at all")
    library = Library(tmp_path / "index", index.parent / "encoder.safetensors")
    library.add(home)
    names = sorted(path.name for path in videos.glob("*.mp4"))
    (home / names[0]).unlink()
    labels = [Interval(name, 0.0, 0.5, "<i>jump</i>") for name in (*names[:2], "lost.mp4")]
    (file,) = write_intervals(tmp_path / "labels.csv", labels)
    capsys.readouterr()
    assert report("--index", library.path, "--out", tmp_path / "r.html", "--labels", file) == 0
    said, text = capsys.readouterr().out, (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "lost.mp4" in said and "lost.mp4" in text
    assert f"<b>{names[0]}</b> is no longer there" in text
    assert "<b>&lt;broken&gt;.mp4</b>: " in text and "1 that cannot be read" in text
    assert "&lt;i&gt;jump&lt;/i&gt;" in text and "<i>jump" not in text


def test_an_index_without_labels_has_a_report_that_says_how_to_label(index: Path, tmp_path: Path, capsys):
    bare = shutil.copytree(index, tmp_path / "bare", ignore=shutil.ignore_patterns("labels.sqlite*"))
    assert report("--index", bare, "--out", tmp_path / "r.html") == 0
    assert "has no labels of videos that it holds: give some on its page" in capsys.readouterr().out
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "There are no labels yet" in text and text.count('class="ethogram"') == 12


def test_bad_calls_end_in_a_sentence(index: Path, tmp_path: Path, capsys):
    assert report("--index", index, "--out", tmp_path / "film.mp4") == 1
    assert "film.mp4 is to be a page: give it a name that ends in .html" in capsys.readouterr().err
    assert report("--index", tmp_path, "--out", tmp_path / "r.html") == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_of_too_many_videos_labelled_ones_are_drawn(index: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(index_report, "SHOWN_VIDEOS", 10)
    assert report("--index", index, "--out", tmp_path / "r.html") == 0
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count('class="ethogram"') == 10 and "no labels" not in text
    assert "Of 12 videos 10 are shown" in text


def test_lanes_are_where_bouts_are():
    bouts = [Interval("a", 0, 5, "x"), Interval("a", 4, 6, "x"), Interval("a", 8, 8, "x"), Interval("a", 10, 10, "x")]
    assert spans(bouts, 10.0) == [(0, 600), (800, 801), (STEPS - 1, STEPS)]
    many = [Interval("a", at / 1000, at / 1000, "x") for at in range(50_000)]
    assert len(spans(many, 50.0)) == STEPS


def test_the_line_of_strength_is_the_mean_of_windows():
    def activity(starts: np.ndarray, strengths: list[float]) -> Activity:
        return Activity.of("a.mp4", VideoWindows(np.arange(len(starts)), starts, starts + 1, np.array(strengths)))

    rising = activity(np.arange(1000.0), [at / 1000 for at in range(1000)])
    assert (rising.windows, rising.seconds, len(rising.line)) == (1000, 1000.0, ethogram.BINS)
    assert rising.mean == pytest.approx(0.4995)
    np.testing.assert_allclose(rising.line, (np.arange(200) * 5 + 2) / 1000, atol=1e-6)
    gap = activity(np.array([0.0, 9.0]), [0.5, 0.25])
    np.testing.assert_allclose(gap.line, [0.5, 0.25])
    holey = activity(np.array([0.0, 8, 9]), [0.5, 0.2, 0.4])
    np.testing.assert_allclose(holey.line, [0.5, np.nan, 0.3], atol=1e-6)


@pytest.mark.parametrize("length", [1e-3, 0.05, 0.75, 9.0, 61.0, 3599.0, 86_400.0, 5e7])
def test_ticks_are_few_and_lie_in_the_video(length: float):
    found = ticks(length)
    assert 1 <= len(found) <= 7 and found[0] == 0 and found[-1] <= length * (1 + 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
def test_it_opens_in_a_browser_without_network_and_complaints(browser, page: Path, width: int, scheme: str):
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    view = context.new_page()
    view.set_default_timeout(120_000)
    view.on("pageerror", lambda error: complaints.append(str(error)))
    view.on("console", lambda said: complaints.append(said.text))
    view.goto(page.as_uri())
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    view.locator("summary").last.click()
    last = view.locator("svg.ethogram").last
    last.scroll_into_view_if_needed()
    assert last.bounding_box()["width"] > 0.8 * min(width, 1056) - 60
    shown = view.evaluate("[...document.images].filter(one => one.naturalWidth === 0).length")
    assert shown == 0 and complaints == []
