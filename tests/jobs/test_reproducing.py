"""Results as data: a row is reproduced, a wrong one called out, what is done is not done again, and docs follow."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kinema.cli import main
from kinema.common.provenance import config_sha256
from kinema.errors import ConfigError, DataError
from kinema.jobs.reproducing import SYNTHETIC, Reproduction, _deciding, _settings
from kinema.results.recipes import FIGURES, METHODS, Row, choose, read_recipes, read_rows, rows_path, write_rows

DOCS = Path(__file__).parents[2] / "docs"
QUICK = {
    "epochs": 2,
    "clip": {"frames": 4, "short_side": 32, "size": [32, 32]},
    "model": {"width": 4, "flow_width": 4, "embedding": 8},
    "trainer": {"batch_size": 8, "workers": 0, "threads": 1, "precision": "32", "accelerator": "cpu"},
}
RECIPES = {
    "videos": 30,
    "difficulty": "easy",
    "seeds": [0],
    "clips": 1,
    "per_class": 1,
    "tolerance": dict.fromkeys(FIGURES, 0.02),
    "encoders": {
        "random": {"method": "random", "settings": {key: QUICK[key] for key in ("clip", "model")}},
        "moco": {"method": "moco", "settings": QUICK},
        "supervised": {"method": "supervised", "settings": QUICK},
    },
}


def kinema(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A folder with quick recipes, their rows, and what was made to measure them; not to be written to."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "quick.yaml").write_text(yaml.safe_dump(RECIPES, sort_keys=False))
    for name in ("supervised-0", "moco-0", "random-0"):
        assert kinema("reproduce", name, "--out", folder / "out", "--recipes", folder / "quick.yaml", "--record") == 0
    return folder


@pytest.fixture
def quick(recorded, tmp_path) -> Path:
    """A copy of the recipes and their rows, and of the videos, to write to; what was trained is beside it."""
    shutil.copytree(recorded / "out" / "videos-easy-0", tmp_path / "out" / "videos-easy-0")
    for name in ("quick.yaml", "quick.csv"):
        shutil.copy(recorded / name, tmp_path)
    return tmp_path


def reproduce(folder: Path, name: str, *words: object) -> int:
    return kinema("reproduce", name, "--out", folder / "out", "--recipes", folder / "quick.yaml", *words)


def change_row(folder: Path, name: str, figures=None, **facts) -> None:
    table = rows_path(folder / "quick.yaml")
    rows = read_rows(table)
    row = rows[name]
    rows[name] = Row(name, {**row.figures, **(figures or {})}, {**row.facts, **facts})
    write_rows(table, rows.values(), [])


def test_rows_are_recorded_in_the_order_of_the_recipes(recorded):
    rows = read_rows(recorded / "quick.csv")
    assert list(rows) == ["random-0", "moco-0", "supervised-0"]
    for name, row in rows.items():
        run = recorded / "out" / name
        diagnosis, probe, few = (
            json.loads((run / f"{protocol}.json").read_text())["result"]
            for protocol in ("diagnosis", "probe", "few-label")
        )
        expected = {
            "motion_share": diagnosis["motion_share"],
            "motion_r1": diagnosis["motion"]["r1"],
            "appearance_r1": diagnosis["appearance"]["r1"],
            "probe": probe["top1"],
            "few_label": few["sizes"][0]["top1"],
        }
        assert row.figures == pytest.approx(expected, abs=5e-5)
        assert row.facts["torch"] == json.loads((run / "card.json").read_text())["versions"]["torch"]
    assert len({row.facts["config_sha256"] for row in rows.values()}) == 3
    assert len({row.facts["data_sha256"] for row in rows.values()}) == 1


def test_the_same_machine_reproduces_a_row_from_nothing(recorded, tmp_path, capsys):
    shutil.copy(recorded / "quick.yaml", tmp_path)
    shutil.copy(recorded / "quick.csv", tmp_path)
    assert reproduce(tmp_path, "moco-0") == 0
    output = capsys.readouterr().out
    assert output.endswith("moco-0 is reproduced (versions, settings and videos are those of the row)\n")
    assert [line.split("  ")[0] for line in output.splitlines()[1:6]] == list(FIGURES.values())
    assert (tmp_path / "quick.csv").read_bytes() == (recorded / "quick.csv").read_bytes()


def test_figures_and_versions_that_are_not_those_of_the_row_are_called_out(quick, recorded, capsys):
    shutil.copytree(recorded / "out" / "random-0", quick / "out" / "random-0")
    row = read_rows(quick / "quick.csv")["random-0"]
    change_row(quick, "random-0", {"probe": row.figures["probe"] + 0.0199}, torch="1.0", config_sha256="0" * 12)
    assert reproduce(quick, "random-0") == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("random-0 is reproduced (config_sha256 was 000000000000, is ")
    assert "; torch was 1.0, is " in said and "settings have changed since the row was recorded (commit " in said
    change_row(quick, "random-0", {"probe": row.figures["probe"] + 0.0201, "motion_r1": None})
    assert reproduce(quick, "random-0") == 1
    output, errors = capsys.readouterr()
    assert "tolerance" in output
    assert errors.splitlines()[-1].startswith(
        "kinema reproduce: random-0 is not reproduced: R@1 by motion is undefined in the row; "
        "probe is off by -0.020, more than 0.02 (config_sha256 was 000000000000, is "
    )


def test_tolerance_is_about_the_four_places_that_rows_have():
    recipe = dataclasses.replace(read_recipes()["random-0"], tolerance=dict.fromkeys(FIGURES, 0.02))
    facts = dict.fromkeys(("config_sha256", "data_sha256", "commit", "kinema", "torch"), "x")
    row = Row("random-0", dict.fromkeys(FIGURES, 0.30), facts)
    for value, off in ((0.32, False), (0.28, False), (0.3201, True), (0.2799, True), (None, True)):
        now = Row("random-0", {**row.figures, "probe": value}, facts)
        assert list(Reproduction(recipe, now, row).off) == (["probe"] if off else [])


def test_an_interrupted_training_goes_on(quick, capsys):
    """The first of two epochs is trained by the plain command, with its own settings of the trainer."""
    settings = {**QUICK, "trainer": {**QUICK["trainer"], "stop_after": 1, "checkpoint_minutes": 3.0}}
    (quick / "settings.yaml").write_text(yaml.safe_dump(settings))
    run = quick / "out" / "moco-0"
    words = ["pretrain", quick / "out/videos-easy-0/train", "--method", "moco", "--out", run]
    assert kinema(*words, "--config", quick / "settings.yaml") == 0
    assert json.loads((run / "card.json").read_text())["training"]["steps"] == 3
    assert reproduce(quick, "moco-0") == 0
    assert json.loads((run / "card.json").read_text())["training"]["steps"] == 6
    assert "is trained already" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["moco-0", "supervised-0"])
def test_a_finished_training_is_not_touched(quick, recorded, name, capsys):
    """Not even if its card is older than a setting, and the trainer's settings were others."""
    run = shutil.copytree(recorded / "out" / name, quick / "out" / name)
    card = json.loads((run / "card.json").read_text())
    del card["config"]["optimizer"]["drops"]
    card["config"]["trainer"] |= {"workers": 7, "precision": "auto"}
    (run / "card.json").write_text(json.dumps(card))
    (run / "last.ckpt").unlink()
    before = {path: path.stat().st_mtime_ns for path in (run / "card.json", run / "encoder.safetensors")}
    assert reproduce(quick, name) == 0
    assert "is trained already" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in before} and not (run / "last.ckpt").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda card: card["config"]["optimizer"].update(lr=1.0), "optimizer.lr was 1.0, is"),
        (lambda card: card["config"].update(epochs=9), "epochs was 9, is 2"),
        (lambda card: card["config"]["trainer"].update(batch_size=9), "trainer.batch_size was 9, is 8"),
        (lambda card: card.update(method="mscl"), "method was mscl, is moco"),
        (lambda card: card["data"].update(sha256="0" * 64), "videos was 000000000000, is"),
        (lambda card: card.pop("config"), "card.json is damaged; delete"),
    ],
)
def test_another_training_is_refused_and_kept(quick, recorded, change, words, capsys):
    run = shutil.copytree(recorded / "out" / "moco-0", quick / "out" / "moco-0")
    card = json.loads((run / "card.json").read_text())
    change(card)
    (run / "card.json").write_text(json.dumps(card))
    assert reproduce(quick, "moco-0") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("kinema reproduce: ") and words in said
    assert json.loads((run / "card.json").read_text()) == card


def test_rows_make_the_round_trip(tmp_path):
    facts = {"config_sha256": "a", "data_sha256": "b", "commit": "c", "kinema": "0.1.0", "torch": "2,x"}
    rows = {name: Row(name, {**dict.fromkeys(FIGURES, 0.1234), "probe": None}, facts) for name in ("old", "b", "a")}
    assert read_rows(write_rows(tmp_path / "rows.csv", rows.values(), ["a", "b"])) == rows
    assert list(read_rows(tmp_path / "rows.csv")) == ["a", "b", "old"]
    assert read_rows(tmp_path / "none.csv") == {}
    (tmp_path / "rows.csv").write_text("name,probe\na,0.5\n")
    with pytest.raises(DataError, match="is damaged"):
        read_rows(tmp_path / "rows.csv")


def test_names_that_there_are_not(tmp_path, refused):
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(RECIPES))
    words = ["--out", tmp_path / "out", "--recipes", tmp_path / "quick.yaml"]
    assert "no recipe 'mocco-0': did you mean moco-0?" in refused("reproduce", "mocco-0", *words)
    assert "kinema reproduce --list lists them" in refused("reproduce", "xyz", *words)
    assert "no figures of moco-0 are recorded" in refused("reproduce", "moco-0", *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda told: told.pop("seeds"), "holds no recipes"),
        (lambda told: told.update(colour="red"), "holds no recipes"),
        (lambda told: told["encoders"]["moco"].update(method="moko"), "moco has the method 'moko'; choose one of"),
        (lambda told: told["tolerance"].pop("probe"), "the tolerance of moco must name just motion_share"),
    ],
)
def test_recipes_that_are_none(tmp_path, change, words):
    told = yaml.safe_load(yaml.safe_dump(RECIPES))
    change(told)
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(told))
    with pytest.raises(ConfigError, match=words):
        read_recipes(tmp_path / "quick.yaml")


def test_settings_that_there_are_not(quick, refused):
    told = yaml.safe_load((quick / "quick.yaml").read_text())
    told["encoders"]["moco"]["settings"]["epoch"] = 3
    (quick / "quick.yaml").write_text(yaml.safe_dump(told))
    said = refused("reproduce", "moco-0", "--out", quick / "out", "--recipes", quick / "quick.yaml")
    assert "'epoch'" in said and "preset tiny" in said


def test_the_list_says_how_each_encoder_is_made(recorded, capsys):
    assert kinema("reproduce", "--list", "--recipes", recorded / "quick.yaml") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[f"{name}-0", "recorded"] for name in RECIPES["encoders"]]
    assert kinema("reproduce", "--list") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert '{"epochs": 28, "optimizer": {"lr": 0.002}}' in lines["hcml-0"]


def test_the_recipes_that_come_with_kinema():
    recipes = read_recipes()
    assert {recipe.method for recipe in recipes.values()} == set(METHODS)
    assert read_rows(rows_path()).keys() <= recipes.keys()
    from kinema.jobs.reproducing import _settings

    assert _settings(choose("mscl+hcml-2", recipes)).hcml.progressive is False
    assert _settings(choose("hcml-1", recipes)).optimizer.lr == 2e-3
    assert {name: _settings(recipe).seed for name, recipe in recipes.items()} == {
        name: int(name[-1]) for name in recipes
    }


def test_settings_that_are_newer_leave_the_fingerprints_of_recorded_rows():
    rows = read_rows(rows_path(SYNTHETIC))
    for recipe in (choose(name, read_recipes(SYNTHETIC)) for name in rows):
        decided = config_sha256(_deciding(recipe, dataclasses.asdict(_settings(recipe))))
        assert decided.startswith(rows[recipe.name].facts["config_sha256"]), recipe.name


def test_docs_are_in_step_with_the_results(tmp_path):
    """Filling the tables anew changes nothing, and mends a figure that is not of the results."""
    copy = shutil.copytree(DOCS, tmp_path / "docs")
    page = copy / "diagnosis.md"
    right = page.read_text()
    assert "| encoder | seeds |" in right
    fill = [sys.executable, str(copy / "fill_tables.py")]
    assert subprocess.run(fill, capture_output=True, text=True, check=True).stdout == ""
    page.write_text(right.replace("| random | 0.04", "| random | 0.05"))
    assert page.read_text() != right
    assert subprocess.run(fill, capture_output=True, text=True, check=True).stdout == f"{page}\n"
    assert page.read_text() == right
