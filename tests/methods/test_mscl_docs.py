"""What docs/mscl.md says of the preset for Kinetics-400 is what the preset holds."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import yaml

from kinema.config import PretrainConfig
from kinema.presets import settings_on
from kinema.training.checks import check_pretraining

PAGE = (Path(__file__).parents[2] / "docs" / "mscl.md").read_text()
SETTING = re.compile(r"`([a-z]+)\.([a-z_]+) ([^`]+)`")


def test_every_setting_on_the_page_is_that_of_the_preset():
    found = dataclasses.asdict(settings_on("mscl-r3d18-k400", PretrainConfig, {}))
    said = SETTING.findall(PAGE)
    assert len(said) > 25
    wrong = [
        f"{part}.{name} {value}, not {found[part][name]}"
        for part, name, value in said
        if yaml.safe_load(value) != found[part][name]
    ]
    assert not wrong


def test_the_page_leaves_out_no_setting_of_mscl_that_the_preset_has():
    """But for ours, which it has at their defaults."""
    preset, usual = settings_on("mscl-r3d18-k400", PretrainConfig, {}), PretrainConfig()
    said = {name for part, name, _ in SETTING.findall(PAGE) if part == "mscl"}
    differs = {name for name, value in dataclasses.asdict(preset.mscl).items() if value != getattr(usual.mscl, name)}
    assert differs <= said


def test_the_preset_can_be_trained():
    check_pretraining(settings_on("mscl-r3d18-k400", PretrainConfig, {}))
    check_pretraining(settings_on("mscl-r3d18-k400", PretrainConfig, {}), "mscl+hcml")


def test_the_names_of_rungs_on_the_page_are_those_of_the_ladder():
    from kinema.jobs.ablation.mscl import rungs

    named = re.findall(r'"(\+ [^"]+)"', PAGE)
    assert named and set(named) <= set(rungs(PretrainConfig()))
