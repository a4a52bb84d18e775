"""What a step is said to cost, against what one counts by hand."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from kinema.config import FinetuneConfig, HCMLConfig
from kinema.data.plan import Plan
from kinema.errors import ConfigError
from kinema.methods import HCML, MSCL, Losses, Method, create_method
from kinema.methods.parts import in_parts
from kinema.training.cost import measure
from kinema.training.hardware import forget_peak, free_memory, peak_memory
from kinema.training.module import learning_rate, warmup_drops

CPU = torch.device("cpu")
PLAIN = {"trainer.batch_size": 6, "augment.jitter": 0.0, "augment.blur": 0.0, "augment.grey": 0.0}
"""Augmentation has operations of its own."""


class OneProduct(Method):
    """A single layer over all pixels of a clip, whose operations are known."""

    def __init__(self, pixels: int, outputs: int):
        super().__init__()
        self.layer = nn.Linear(pixels, outputs, bias=False)
        self.seen: list[int] = []

    def losses(self, views, draws, phase=None) -> Losses:
        clips: Tensor = views.query.flatten(1)
        return Losses({"square": in_parts(self, self.look, clips, self.parts)["y"].square().mean()}, {}, {})

    def look(self, clips: Tensor) -> dict[str, Tensor]:
        self.seen.append(len(clips))
        return {"y": self.layer(clips)}

    def pairs_from(self, plan: Plan) -> int:
        return plan.steps


def test_operations_are_those_of_forward_and_backward(tiny):
    config = tiny(PLAIN)
    pixels = 3 * 4 * 32 * 32
    cost = measure(lambda: OneProduct(pixels, 16), config, videos=100)
    (phase,) = cost.phases
    # a product forwards, and one for the gradient of the weights; the input wants none
    assert phase.flops == 2 * (2 * 6 * pixels * 16)
    assert (cost.plan.batch_size, cost.measured, cost.parameters) == (6, 6, pixels * 16)
    assert (phase.steps, phase.losses, phase.name) == (4 * (100 // 6), ("loss_square",), "")
    assert phase.seconds > 0 and phase.peak >= cost.before > 0 and 0 < cost.share <= 1


def test_fewer_clips_are_measured_where_time_is_short_and_scaled_up(tiny):
    config = tiny(PLAIN)
    made: list[OneProduct] = []

    def make() -> OneProduct:
        made.append(OneProduct(3 * 4 * 32 * 32, 16))
        return made[-1]

    whole, part = (measure(make, config, 100, step_seconds=seconds) for seconds in (1e9, 0.0))
    assert (whole.measured, part.measured, part.plan.batch_size) == (6, 4, 6)
    assert part.phases[0].flops == whole.phases[0].flops
    assert {clips for method in made for clips in method.seen} == {2, 4, 6}
    assert all(len(method.seen) in (0, 2) for method in made)


def test_a_step_in_parts_is_measured_in_as_many(tiny):
    config = tiny({**PLAIN, "trainer.batch_size": 16, "trainer.accumulate": 4})
    pixels = 3 * 4 * 32 * 32
    made: list[OneProduct] = []

    def make() -> OneProduct:
        made.append(OneProduct(pixels, 16))
        return made[-1]

    whole, part = (measure(make, config, 100, step_seconds=seconds) for seconds in (1e9, 0.0))
    assert whole.phases[0].flops == part.phases[0].flops == 2 * (2 * 16 * pixels * 16)  # nothing needs the product anew
    assert (whole.measured, part.measured) == (16, 16)
    assert {clips for method in made for clips in method.seen} == {2, 4}


@pytest.mark.parametrize("devices", [1, 4])
def test_few_videos_make_small_batches(tiny, devices):
    config = tiny({"trainer.batch_size": 6, "trainer.devices": devices})
    assert measure(lambda: OneProduct(3 * 4 * 32 * 32, 2), config, videos=12).plan.batch_size == {1: 6, 4: 3}[devices]


def test_mscl_is_measured_with_keys_and_flow_and_all_its_losses(tiny):
    cost = measure(lambda: MSCL(tiny().model, tiny().mscl), tiny(), videos=100)
    names = ("flow", "flow2rgb", "lmcl", "rgb", "rgb2flow")
    assert set(cost.phases[0].losses) >= {f"loss_{name}" for name in names}


def test_each_phase_of_hcml_is_measured(tiny):
    config = dataclasses.replace(tiny({"hcml.levels": 2}), epochs=8)
    cost = measure(lambda: create_method("hcml", config), config, videos=100)
    assert [phase.name for phase in cost.phases] == ["prime", "level 1", "level 2", "all"]
    assert sum(phase.steps for phase in cost.phases) == 8 * (100 // 4)
    assert [phase.losses for phase in cost.phases[:2]] == [("loss_prime",), ("loss_level1",)]
    last = cost.phases[-1]
    assert set(last.losses) == {"loss_prime", "loss_level1", "loss_level2"}
    assert last.flops == max(phase.flops for phase in cost.phases)
    assert isinstance(create_method("hcml", config), HCML) and HCMLConfig().levels == 3


def test_peak_memory_is_that_of_the_work():
    size = 200 << 20
    forget_peak(CPU)
    before = peak_memory(CPU)
    block = torch.ones(size // 4)
    after = peak_memory(CPU)
    del block
    assert size * 0.9 < after - before < size * 1.5
    forget_peak(CPU)
    assert peak_memory(CPU) < after - size * 0.5
    free = free_memory(CPU)
    assert free is not None and free > size


# drops of the learning rate


def test_the_rate_rises_and_drops_to_tenths():
    found = [warmup_drops(step, 2, [4, 6]) for step in range(8)]
    assert found == pytest.approx([0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert warmup_drops(0, 0, []) == 1


def test_drops_take_the_place_of_the_cosine_in_a_run(videos, tiny, tmp_path):
    from kinema.training import pretrain
    from kinema.training.metrics import read_metrics

    config = tiny({"optimizer.drops": (1, 3), "optimizer.warmup_epochs": 0.0, "optimizer.lr": 0.001})
    pretrain(videos, tmp_path / "run", config, method="moco")
    state = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    rate = learning_rate(config.optimizer, 4)
    assert state["lr_schedulers"][0]["_last_lr"] == pytest.approx([rate / 100] * 2)
    assert len([row for row in read_metrics(tmp_path / "run/metrics.csv") if "loss" in row]) == 12


@pytest.mark.parametrize("drops", [(3, 1), (0,), (4,)])
def test_drops_are_epochs_of_the_training(tiny, drops):
    from kinema.training.checks import check_pretraining

    with pytest.raises(ConfigError, match=r"optimizer\.drops must be ascending epochs below 4"):
        check_pretraining(tiny({"optimizer.drops": drops}), "moco")
    assert FinetuneConfig().optimizer.drops == ()
