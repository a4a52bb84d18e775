"""What decides a result, and what may change between two parts of a run: of the readout."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch

from kinema.config import PretrainConfig, ReadoutConfig
from kinema.errors import CheckpointError
from kinema.training.resuming import check_checkpoint, deciding, deciding_untrained

READ = PretrainConfig(readout=ReadoutConfig("layer2", (4, 6, 4), frames=24))


def decided(config: PretrainConfig) -> dict:
    return deciding(json.loads(json.dumps(asdict(config))), PretrainConfig, hierarchical=False)


def test_a_readout_decides_figures_where_it_is_not_the_usual():
    plain = decided(PretrainConfig())
    assert not any(name.startswith("readout") for name in plain)
    added = {"readout.stage": "layer2", "readout.grid": [4, 6, 4], "readout.frames": 24}
    assert decided(READ) == plain | added
    assert deciding_untrained(asdict(PretrainConfig())).keys() == {"seed", "clip", "model"}
    assert deciding_untrained(asdict(READ))["readout"] == {"stage": "layer2", "grid": (4, 6, 4), "frames": 24}


def test_a_run_may_go_on_with_another_readout(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"global_step": 3, "identity": {"method": "mscl"}, "config": asdict(PretrainConfig())}, path)
    assert check_checkpoint(path, READ, {"method": "mscl"}, hierarchical=False) == 3
    with pytest.raises(CheckpointError, match="seed was 0, is 1"):
        check_checkpoint(path, PretrainConfig(seed=1), {"method": "mscl"}, hierarchical=False)
