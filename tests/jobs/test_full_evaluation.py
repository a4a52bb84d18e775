"""``kinema evaluate all`` as its users meet it: three files, of which the page is complete in itself."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kinema.cli import main
from kinema.data.labels import LabelledSet
from kinema.data.synthetic import synthesise
from kinema.evaluation import evaluate, evaluate_probe
from kinema.report.evaluation import MATRIX_CLASSES, confusion, write_evaluation_page


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth")
    synthesise(folder, videos=60, size=32, frames=8)
    return folder


@pytest.fixture(scope="module")
def evaluated(videos, tmp_path_factory):
    """Evaluates an untrained encoder by all protocols, and returns the folder of results."""

    def run(*words, out=None):
        out = out or tmp_path_factory.mktemp("out")
        asked = ["all", "random", "--data", videos, "--labels", videos / "labels.csv", "--label-column", "motion"]
        small = ["--clip.frames", 4, "--clip.short-side", 32, "--clip.size", "[32,32]", "--clips", 2, "--workers", 0]
        assert main([str(word) for word in ["evaluate", *asked, *small, "--out", out, *words]]) == 0
        return out

    return run


@pytest.fixture(scope="module")
def out(evaluated):
    return evaluated("--appearance-column", "scene", "--per-class", "[1,2]", "--samples", "[30]", "--draws", 2)


def test_the_table_holds_every_figure(out):
    told = json.loads((out / "results.json").read_text())
    with (out / "results.csv").open(newline="") as file:
        rows = {(row["protocol"], row["figure"]): row for row in csv.DictReader(file)}
    results = {protocol: part["result"] for protocol, part in told["results"].items()}
    assert {protocol for protocol, _ in rows} == {*results, "retrieval by histogram"}
    for key, value in {
        ("retrieval", "R@5 centred"): results["retrieval"]["centred"]["r5"],
        ("retrieval", "R@1 whitened, pooled features"): results["retrieval"]["pooled"]["whitened"]["r1"],
        ("retrieval by histogram", "R@1 plain"): told["baselines"]["histogram"]["plain"]["r1"],
        ("knn", "top-1, k 20"): results["knn"]["k20"]["top1"],
        ("probe", "mean over classes"): results["probe"]["mean_class"],
        ("few-label", "top-1, 30 in all"): results["few-label"]["sizes"][2]["top1"],
        ("pairs", "zoom_in or zoom_out"): results["pairs"]["pairs"][-1]["accuracy"],
        ("diagnosis", "probe of appearance, frames frozen"): results["diagnosis"]["appearance"]["probe"]["frozen"],
    }.items():
        assert float(rows[key]["value"]) == pytest.approx(value, abs=1e-6)
    assert float(rows["knn", "top-1, k 1"]["chance"]) == pytest.approx(1 / 12, abs=1e-6)


def test_the_page_is_complete_and_fetches_nothing(out, videos):
    page = (out / "report.html").read_text()
    assert not re.findall(r'(?:src|srcset|href)="(?!data:|#)[^"]*"', page)
    assert not re.search(r"url\((?!#)|@import", page) and "default-src 'none'" in page
    assert str(videos) not in page and str(out) not in page
    pictures = re.findall(r'(?:src|srcset)="data:image/webp;base64,([^"]+)"', page)
    assert len(pictures) == 2 * 6 * (1 + 5)
    frames = [Image.open(io.BytesIO(base64.b64decode(picture))).n_frames for picture in pictures]
    assert set(frames[::2]) == {1} and max(frames) > 1
    charts = re.findall(r'<svg[^>]*aria-label="([^"]+)"', page)
    assert [chart.split()[0] for chart in charts] == ["Bar", "Bar", "Map", "Map", "Top-1", "Bar", "Confusion"]
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    told = json.loads((out / "results.json").read_text())
    share = told["results"]["diagnosis"]["result"]["motion_share"]
    assert (f"<strong>{share:.0%}</strong>" if share is not None else "undefined") in page


def test_a_second_call_reads_no_video_and_finds_the_same(out, evaluated, capsys):
    before = json.loads((out / "results.json").read_text())
    page = (out / "report.html").read_bytes()
    evaluated("--appearance-column", "scene", "--per-class", "[1,2]", "--samples", "[30]", "--draws", 2, out=out)
    after = json.loads((out / "results.json").read_text())
    assert (before.pop("timings")["videos_read"], after.pop("timings")["videos_read"]) == (60, 0)
    assert before == after and (out / "report.html").read_bytes() == page
    assert capsys.readouterr().out.endswith(f"results.json\n{out}/results.csv\n{out}/report.html\n")


@pytest.mark.slow
def test_without_appearance_the_page_says_what_is_left_out(evaluated, videos, tmp_path):
    text = (videos / "labels.csv").read_text().replace("_left", "_<b>west").replace("_up", "_&north")
    (tmp_path / "labels.csv").write_text(text)
    out = evaluated("--labels", tmp_path / "labels.csv", "--per-class", "[1]")
    page = (out / "report.html").read_text()
    assert "have no labels of appearance" in page and "motion share</span>" not in page
    assert "<b>west" not in page and "translate &lt;b&gt;west" in page and "translate &amp;north" in page
    assert page.count('aria-label="Map of') == 1


def test_the_confusion_matrix_is_of_the_probe_and_keeps_what_is_mistaken(tmp_path):
    rng = np.random.default_rng(0)
    for classes in (5, MATRIX_CLASSES + 10):
        labels = np.repeat(np.arange(classes), 6)
        files = tuple(f"{n}.mp4" for n in range(len(labels)))
        names = tuple(f"c{n:02}" for n in range(classes))
        labelled = LabelledSet(tmp_path, files, labels, names, ("train", "test") * (len(labels) // 2))
        features = np.eye(classes)[labels]
        noisy = labels < 4
        features[noisy] = 0.3 * rng.random((noisy.sum(), classes))
        probe = evaluate_probe(features, labelled)
        shares, shown = confusion(probe, labelled)
        assert len(shown) == min(classes, MATRIX_CLASSES) and shown[:4] == list(names[:4])
        for row, name in enumerate(shown):
            own = [p for q, p in zip(probe.queries, probe.predicted, strict=True) if names[labels[q]] == name]
            expected = [own.count(names.index(other)) / len(own) for other in shown]
            assert shares[row].tolist() == pytest.approx(expected)


@pytest.fixture
def few_videos(tmp_path, videos):
    """Class folders run and jump of four clips each."""
    for number, path in enumerate(sorted(videos.rglob("*.mp4"))[:8]):
        place = tmp_path / "v" / ("run", "jump")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    return tmp_path / "v"


def test_classes_without_opposites_have_a_page_without_that_part(few_videos, evaluated, tmp_path):
    words = ["all", "random", "--data", few_videos, "--out", tmp_path / "o", "--clips", 1, "--workers", 0]
    small = ["--clip.frames", 4, "--clip.short-side", 32, "--clip.size", "[32,32]"]
    assert main([str(word) for word in ["evaluate", *words, *small]]) == 0
    page = (tmp_path / "o" / "report.html").read_text()
    assert "no two classes have opposite names" in page and "Opposites told apart" not in page
    assert "With few labels" in page and ">histogram<" in page and ">random, pooled<" in page


@pytest.fixture(scope="module")
def whole(videos):
    settings = {"clip": {"frames": 4, "short_side": 32, "size": (32, 32)}, "clips": 1, "workers": 0}
    return evaluate("all", "random", videos, labels=videos / "labels.csv", label_column="motion", **settings)


@pytest.mark.parametrize("missing", ["retrieval", "knn", "probe", "few-label", "pairs", "diagnosis", "all but knn"])
def test_a_page_needs_no_part_of_what_there_may_be(whole, tmp_path, missing):
    gone = {*whole.results} - {"knn"} if missing == "all but knn" else {missing}
    left = {name: result for name, result in whole.results.items() if name not in gone}
    found = replace(whole, results=left, left_out=dict.fromkeys(gone, "it is not there"))
    page = write_evaluation_page(tmp_path / "page.html", found).read_text()
    assert "it is not there" in page and "<h2" in page
