"""Ladders: every rung is measured once, kept, tabulated and drawn; and the rungs are what they say."""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest

from kinema.cli import main
from kinema.common.provenance import ORIGIN
from kinema.config import FinetuneConfig, ModelConfig, MSCLConfig, PretrainConfig
from kinema.errors import ConfigError
from kinema.jobs.ablation.hcml import rungs as hcml_rungs
from kinema.jobs.ablation.ladder import Ladder, mean_and_spread
from kinema.jobs.ablation.mscl import BESIDE, beside
from kinema.jobs.ablation.mscl import rungs as mscl_rungs
from kinema.report.ladder import Bar
from kinema.training.checks import check_pretraining

LADDER = Ladder(("low", "high"), "labels", "{} labels", {"top1": "top-1"}, ("seconds",), (Bar("top1", "top-1", "k"),))


def rows(out) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_was_measured_is_not_measured_again(tmp_path):
    asked = []

    def measure(out, rung, setting, seed):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append((rung, setting, seed))
        return {"top1": 0.25 * len(asked), "seconds": 1}

    with pytest.raises(KeyboardInterrupt):
        LADDER.climb(tmp_path, [10, 50], [0], [], measure)
    assert [row["top1"] for row in rows(tmp_path)] == ["0.25", "0.5", "0.75"]
    asked.clear()
    LADDER.climb(tmp_path, [10, 50], [0], [], measure)
    assert asked == [("high", 50, 0)]
    order = [(row["labels"], row["rung"], row["seed"]) for row in rows(tmp_path)]
    assert order == [("10", "low", "0"), ("10", "high", "0"), ("50", "low", "0"), ("50", "high", "0")]
    table, summary, picture = LADDER.climb(tmp_path, [10, 50], [1], ["low"], lambda *_: {"top1": 0.75})
    assert table == tmp_path / "results.csv" and picture.read_bytes().startswith(b"\x89PNG")
    assert summary.read_text().splitlines()[:5] == [
        "### 10 labels",
        "",
        "| rung | seeds | top-1 |",
        "|---|---|---|",
        "| low | 2 | 0.500 ± 0.354 |",
    ]


def test_a_rung_that_there_is_not(tmp_path):
    with pytest.raises(ConfigError, match="there is no rung 'top'; choose from low, high"):
        LADDER.climb(tmp_path / "new", [10], [0], ["low", "top"], lambda *_: {})
    assert not (tmp_path / "new").exists()


def test_mean_and_spread():
    assert mean_and_spread([0.5]) == "0.500"
    assert mean_and_spread([0.0, 1.0]) == "0.500 ± 0.707"


def test_rungs_of_hcml_differ_in_what_they_say_alone():
    config = FinetuneConfig()
    found = hcml_rungs(config)
    assert found["no motion block"] == ("none", config)
    whole = dataclasses.asdict(found["HCML"][1].hcml)

    def changed(name):
        motion, settings = found[name]
        assert motion == "hcml" and dataclasses.replace(settings, hcml=config.hcml) == config
        other = dataclasses.asdict(settings.hcml)
        return {key: other[key] for key in whole if other[key] != whole[key]}

    assert changed("prime motion alone") == {"levels": 0}
    assert changed("level 1") == {"levels": 1} and changed("levels 1 to 2") == {"levels": 2}
    assert changed("all at once") == {"progressive": False}
    assert changed("without fusion") == {"fusion": False}
    assert changed("without temporal negatives") == {"temporal": False}
    assert changed("block without its losses") == {"photometric": 0.0, "contrast": 0.0, "progressive": False}


def test_rungs_of_mscl_add_one_part_after_another():
    found = list(mscl_rungs(PretrainConfig()).values())[:8]
    assert [rung.model.input for rung in found[:2]] == ["rgb", "both"]
    assert [bool(rung.mscl.flow) for rung in found] == [False, False, True, True, True, True, True, True]
    assert [bool(rung.mscl.lmcl) for rung in found] == [False, False, False, True, True, True, True, True]
    assert [rung.mscl.fra_negatives for rung in found] == [False] * 4 + [True] * 4
    assert [bool(rung.mscl.fra_clips) for rung in found] == [False] * 5 + [True] * 3
    assert [rung.mscl.fra_after_enqueue for rung in found] == [False] * 6 + [True, False]
    assert [rung.sampling.mds for rung in found] == [None] * 7 + ["vectors"]


def test_rungs_with_dense_objectives_begin_anew_from_lmcl():
    config = PretrainConfig(steps=9, mscl=MSCLConfig(motion=2.0, lmcl=3.0), model=ModelConfig(pyramid=8))
    found = mscl_rungs(config)
    for rung in found.values():
        check_pretraining(rung)
    dense = list(found)[8:]
    assert [found[name].mscl.motion for name in dense] == [2.0] * 4
    assert [found[name].mscl.motion_boundaries for name in dense] == [False, True, True, True]
    assert [found[name].mscl.dense_lmcl for name in dense] == [0.0, 0.0, 1.0, 0.0]
    assert [found[name].mscl.contrasts_clips for name in dense] == [True] * 3 + [False]
    assert {rung.model.pyramid for name, rung in found.items() if name not in dense} == {None}
    assert {found[name].model.pyramid for name in dense} == {8}
    plain = dataclasses.replace(found[dense[0]].mscl, motion=0.0)
    assert plain == found["+ LMCL"].mscl
    assert mscl_rungs(PretrainConfig())[dense[0]].model.pyramid == 64


def test_other_methods_stand_beside_the_ladder():
    config = PretrainConfig(steps=9, model=ModelConfig(pyramid=8))
    found = beside(config)
    assert found.keys() == BESIDE.keys() and not found.keys() & mscl_rungs(config).keys()
    for rung, settings in found.items():
        check_pretraining(settings, BESIDE[rung])
    assert found["tubelet contrast"].mscl == config.mscl.rgb_only()
    assert [settings.model.pyramid for settings in found.values()] == [None, 8]


@pytest.mark.slow
def test_a_ladder_of_mscl_from_the_command_line(tmp_path, quick_settings, capsys):
    words = ["ablate", "mscl", tmp_path / "out", "--config", quick_settings, "--videos", 60, "--seeds", "[0]"]
    assert main([str(word) for word in (*words, "--only", '["random", "RGB MoCo", "tubelet contrast"]')]) == 0
    assert [row["rung"] for row in rows(tmp_path / "out")] == ["random", "RGB MoCo", "tubelet contrast"]
    assert all(0 <= float(row["motion_r1"]) <= 1 for row in rows(tmp_path / "out"))
    origins = [[row[name] for name in ORIGIN] for row in rows(tmp_path / "out")]
    assert all(all(origin) for origin in origins)
    (random, *rest), (moco, *same), (tubelet, *_) = origins
    assert len({random, moco, tubelet}) == 3 and rest == same, "other settings, the same videos, commit and versions"
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "out" / name) for name in ("results.csv", "results.md", "ladder.png")
    ]


@pytest.mark.slow
def test_a_ladder_of_hcml_from_the_command_line(tmp_path, capsys):
    settings = tmp_path / "quick.yaml"
    settings.write_text(
        "epochs: 3\n"
        "clip: {frames: 4, short_side: 32, size: [32, 32]}\n"
        "model: {width: 4}\n"
        "hcml: {levels: 1, radius: 1}\n"
        "trainer: {batch_size: 8, workers: 0, threads: 1, precision: '32', accelerator: cpu}\n"
        "clips: 1\n"
    )
    words = ["ablate", "hcml", tmp_path / "out", "--config", settings, "--videos", 60, "--seeds", "[0]"]
    words += ["--per_class", "[1, 2]", "--difficulty", "easy", "--unlabelled_epochs", 4]
    climbed = ["no motion block", "HCML", "RGB MoCo first, without labels", "HCML first, without labels"]
    assert main([str(word) for word in (*words, "--only", json.dumps(climbed))]) == 0
    found = [(row["per_class"], row["rung"]) for row in rows(tmp_path / "out")]
    assert found == [(count, rung) for count in ("1", "2") for rung in climbed]
    assert len({row["config_sha256"] for row in rows(tmp_path / "out")}) == 8
    assert len({row["data_sha256"] for row in rows(tmp_path / "out")}) == 1
    runs = ("hcml-easy-0", "moco-easy-0", "2-0-HCML")
    cards = [json.loads((tmp_path / "out" / run / "card.json").read_text()) for run in runs]
    assert [card["method"] for card in cards] == ["hcml", "moco", "recognition"]
    assert [card["config"]["epochs"] for card in cards] == [4, 2, 3]
    assert cards[0]["data"]["videos"] == 48
    assert "### easy set, 2 labelled videos a class" in (tmp_path / "out" / "results.md").read_text()
