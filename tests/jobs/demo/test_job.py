"""The demo from end to end, small: everything it measures is in its files, and interrupted ones go on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinema.cli import main
from kinema.config import ReadoutConfig
from kinema.evaluation import gather
from kinema.jobs.demo import job
from kinema.jobs.demo.people import find_people
from kinema.models import load_encoder
from kinema.report.demo_content import PeopleContent

SETTINGS = """\
steps: 2
clip: {frames: 8, short_side: 56, size: [48, 48]}
model: {width: 4, flow_width: 4, embedding: 8}
mscl: {queue: 8}
trainer: {batch_size: 4, workers: 0, threads: 1, precision: '32', accelerator: cpu}
"""


@pytest.fixture(scope="module", autouse=True)
def few_windows() -> Iterator[None]:
    """Whitening is fitted on few windows and a video has one clip, or that would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "WINDOWS", 8)
        patch.setattr(job, "CLIPS", 1)
        yield


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> PeopleContent:
    return find_people(tmp_path_factory.mktemp("people") / "videos", videos=56)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, people: PeopleContent) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "settings.yaml").write_text(SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "find_people", lambda out: people)
        words = ["demo", "--out", folder / "out", "--videos", 120, "--config", folder / "settings.yaml"]
        assert main([str(word) for word in words]) == 0
    return folder / "out"


@pytest.mark.slow
def test_people_are_judged_one_by_one_against_chance(people: PeopleContent) -> None:
    assert (people.videos, people.motions, len(people.queries)) == (56, 14, 6)
    assert people.chance["motion"] == pytest.approx(3 / 55)
    assert {name: list(ways) for name, ways in people.methods.items()} == {
        name: ["readout, whitened", "readout"] for name in ("random", "motion")
    }
    for query in people.queries:
        assert query.video.motion.startswith("pair_")
        for found in query.found.values():
            assert len(found) == 4
            assert query.video not in found


def test_the_files_hold_every_way_of_every_method(made: Path) -> None:
    results = json.loads((made / "results.json").read_text())
    assert list(results["methods"]) == ["random", "moco", "mscl"]
    for ways in results["methods"].values():
        assert list(ways) == ["readout, whitened", "readout", "pooled, whitened", "pooled"]
        for way, figures in ways.items():
            assert {"motion_r1", "scene_r1", "shape_r1"} <= set(figures)
            assert ("motion_probe" in figures) == (way in job.PROBED)
            assert all(0 <= share <= 1 for share in figures.values())
        assert ways["readout"] != ways["pooled"]
    html = (made / "report.html").read_text()
    cells = re.findall(r'data-method="mscl" data-way="readout, whitened" data-measure="motion_r1">([\d.]+)%', html)
    assert [float(cell) for cell in cells] == [
        pytest.approx(100 * results["methods"]["mscl"]["readout, whitened"]["motion_r1"], abs=0.0501)
    ]


def test_the_encoders_are_kept_with_the_readout_that_was_judged(made: Path) -> None:
    for method in ("moco", "mscl"):
        assert load_encoder(made / method).readout == job.READ_BY != ReadoutConfig()


def test_a_query_of_each_motion_is_shown(made: Path) -> None:
    html = (made / "report.html").read_text()
    assert html.count('<article class="query unbroken">') == 12 + 6


@pytest.mark.slow
def test_what_is_there_is_used_again(
    made: Path, people: PeopleContent, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.loads((made / "results.json").read_text())
    monkeypatch.setattr(job, "find_people", lambda out: people)
    words = ["demo", "--out", made, "--videos", 120, "--config", made.parent / "settings.yaml"]
    assert (
        main([*map(str, words), "--readout.stage", "layer2", "--readout.grid", "[1,2,2]", "--readout.frames", "16"])
        == 0
    )
    after = json.loads((made / "results.json").read_text())
    for method in ("random", "moco", "mscl"):
        ways, again = (results["methods"][method] for results in (before, after))
        assert again["pooled"] == ways["pooled"]
    assert after["readout"]["stage"] == "layer2"
    assert load_encoder(made / "mscl").readout.grid == (1, 2, 2)
    assert "people" in capsys.readouterr().out
