from __future__ import annotations

import pytest
import torch

from kinema.common import precision
from kinema.common.precision import autocast_for, quick_bfloat16
from kinema.errors import ConfigError
from kinema.models import short_conv
from kinema.models.short_conv import trains_in_bfloat16
from kinema.training import hardware
from kinema.training.hardware import choose_precision

CPU = torch.device("cpu")


def test_a_library_that_is_wrong_is_found_out(monkeypatch):
    assert trains_in_bfloat16(CPU)
    real = torch.ops.aten.convolution_backward

    def noisy(towards, x, weight, *others):
        off = 1e3 if x.dtype == torch.bfloat16 else 0.0
        return [None if found is None else found + off for found in real(towards, x, weight, *others)]

    monkeypatch.setattr(short_conv, "convolution_backward", noisy)
    trains_in_bfloat16.cache_clear()
    assert not trains_in_bfloat16(CPU)
    trains_in_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("amx", "instructions", "maker", "quick"),
    [
        (True, True, "GenuineIntel", True),
        (False, True, "GenuineIntel", False),
        (False, True, "AuthenticAMD", True),
        (False, False, "AuthenticAMD", False),
    ],
)
def test_processors_that_are_quicker_in_bfloat16(amx, instructions, maker, quick, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nvendor_id\t: {maker}\n")
    monkeypatch.setattr(precision, "PROCESSORS", tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    precision._by_amd.cache_clear()
    assert quick_bfloat16(CPU) == quick
    (tmp_path / "cpuinfo").unlink()  # as on Windows
    monkeypatch.setattr("platform.processor", lambda: f"Family 25 Model 97, {maker}")
    precision._by_amd.cache_clear()
    assert quick_bfloat16(CPU) == quick
    precision._by_amd.cache_clear()


def test_autocast_is_used_where_bfloat16_is_quick():
    with autocast_for(CPU):
        assert torch.is_autocast_enabled("cpu") == quick_bfloat16(CPU)
    assert not torch.is_autocast_enabled("cpu")


def test_a_training_refuses_such_a_library(tiny, monkeypatch):
    monkeypatch.setattr(short_conv, "ROUNDING", 0.0)  # any library is too wrong
    monkeypatch.setattr(hardware, "quick_bfloat16", lambda device: True)
    trains_in_bfloat16.cache_clear()
    assert choose_precision(tiny({"trainer.precision": "auto"}).trainer, CPU) == torch.float32
    with pytest.raises(ConfigError, match=r"wrong gradients on this processor; use 32 or auto"):
        choose_precision(tiny({"trainer.precision": "bf16"}).trainer, CPU)
    trains_in_bfloat16.cache_clear()


@pytest.mark.parametrize("right", [True, False])
def test_training_is_in_bfloat16_only_where_its_gradients_are_right(right, tiny, monkeypatch):
    monkeypatch.setattr(hardware, "trains_in_bfloat16", lambda device: right)
    monkeypatch.setattr(hardware, "quick_bfloat16", lambda device: True)
    config = tiny({"trainer.precision": "auto"})
    assert choose_precision(config.trainer, CPU) == (torch.bfloat16 if right else torch.float32)
    config = tiny({"trainer.precision": "bf16"})
    if right:
        assert choose_precision(config.trainer, CPU) == torch.bfloat16
    else:
        with pytest.raises(ConfigError, match=r"wrong gradients on this processor; use 32 or auto"):
            choose_precision(config.trainer, CPU)
