"""Trainings by tubelet contrast and by masked motion modelling."""

from __future__ import annotations

import pytest

from kinema import load_encoder
from kinema.config import MaskedConfig, TubeletConfig
from kinema.errors import ConfigError
from kinema.methods import create_method, settings_for
from kinema.training import pretrain
from kinema.training.cost import measure
from kinema.training.metrics import METRICS, read_metrics

CHANGES = {"tubelet": TubeletConfig(count=1), "masked": MaskedConfig(cells=(2, 4, 4), boundaries=True, stabilised=True)}


@pytest.mark.parametrize("method", CHANGES)
def test_it_goes_on_where_it_was_stopped(videos, tiny, tmp_path, differences, method):
    config = tiny(epochs=2, **CHANGES)
    whole = pretrain(videos, tmp_path / "whole", config, method=method)
    pretrain(videos, tmp_path / "parts", tiny({"trainer.stop_after": 1}, epochs=2, **CHANGES), method=method)
    pretrain(videos, tmp_path / "parts", config, method=method, resume=True)
    assert differences(whole.out, tmp_path / "parts") == []
    rows = [row for row in read_metrics(whole.out / METRICS) if "loss" in row]
    assert len(rows) == 6 and all(row["loss"] == row[f"loss_{method}"] > 0 for row in rows)
    card = load_encoder(whole.out).card
    assert card["method"] == method and card["training"]["clips_seen"] == 6 * 4  # queries alone
    assert card["model"]["pyramid"] == {"tubelet": None, "masked": 64}[method]


@pytest.mark.parametrize(
    ("method", "changes", "words"),
    [
        ("tubelet", {"tubelet.count": 0}, "settings: tubelet.count must be at least 1"),
        ("tubelet", {"mscl.temperature": 0.0}, "settings: mscl.temperature must be positive"),
        ("masked", {"masked.share": 1.0}, "settings: masked.share must lie above 0 and below 1"),
        ("masked", {"masked.cells": (1, 64, 1)}, "settings: masked.cells must be three numbers"),
    ],
)
def test_settings_are_refused_before_anything_is_written(videos, tiny, tmp_path, method, changes, words):
    with pytest.raises(ConfigError, match=words):
        pretrain(videos, tmp_path / "run", tiny(changes), method=method)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", CHANGES)
def test_a_dry_run_knows_its_loss(tiny, method):
    config = settings_for(method, tiny(**CHANGES))
    cost = measure(lambda: create_method(method, config), config, videos=12)
    assert [phase.losses for phase in cost.phases] == [(f"loss_{method}",)]
