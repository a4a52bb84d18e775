"""A run that was stopped, in whatever way, goes on as if it never had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import forked
import pytest
import torch

from kinema import load_encoder
from kinema.errors import CheckpointError, ConfigError, OutputError
from kinema.models.short_conv import trains_in_bfloat16
from kinema.training import Stopped, pretrain
from kinema.training.checks import check_remaining
from kinema.training.metrics import METRICS, read_metrics
from kinema.training.module import TrainingModule


@pytest.fixture(scope="module")
def whole(videos, tiny, tmp_path_factory) -> Path:
    """The run of four epochs that was never stopped."""
    return pretrain(videos, tmp_path_factory.mktemp("whole"), tiny()).out


def interrupt(monkeypatch: pytest.MonkeyPatch, step: int, number: int = signal.SIGINT) -> None:
    """Send this process a signal in the middle of a step."""
    train = TrainingModule.forward

    def forward(self, batch, at):
        if at == step:
            os.kill(os.getpid(), number)
        return train(self, batch, at)

    monkeypatch.setattr(TrainingModule, "forward", forward)


# with nothing left to do


def test_a_run_is_not_called_shorter_than_it_was(videos, tiny, whole):
    card = (whole / "card.json").read_bytes()
    with pytest.raises(ConfigError, match=r"has had 12 steps, more than the 3 that are asked for"):
        pretrain(videos, whole, tiny(epochs=1), resume=True)
    assert (whole / "card.json").read_bytes() == card


def test_a_run_that_has_had_all_its_steps_says_so():
    assert (
        check_remaining("RUN", 12, 12)
        == "RUN has had all of its 12 steps: nothing is left to train; give more to go on"
    )
    assert check_remaining("RUN", 0, 12) == check_remaining("RUN", 11, 12) == ""


# stopped at the end of an epoch


def test_four_epochs_are_two_and_two_more(videos, tiny, tmp_path, whole, differences):
    first = pretrain(videos, tmp_path, tiny({"trainer.stop_after": 2}))
    half = first.out / "encoder.safetensors"
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 6
    before = half.read_bytes()
    second = pretrain(videos, tmp_path, tiny(), resume=True)
    assert not differences(tmp_path, whole)
    assert half.read_bytes() != before
    assert second.earlier_seconds == pytest.approx(first.seconds)
    assert second.card["training"]["steps"] == 12
    assert second.card["training"]["seconds"] == pytest.approx(second.earlier_seconds + second.seconds)


def test_a_checkpoint_that_lightning_left_for_an_older_version(videos, tiny, tmp_path, whole, differences):
    pretrain(videos, tmp_path, tiny({"trainer.stop_after": 2}))
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    kept = {name: state["callbacks"][name] for name in ("Keeping", "Loading")}
    loops = {"fit_loop": {"state_dict": {}, "epoch_progress": {"current": {"ready": 2}}}}
    older = {"epoch": 1, "pytorch-lightning_version": "2.6.6", "loops": loops, "ClipPairsModule": state.pop("data")}
    torch.save({**state, **older, "callbacks": kept}, tmp_path / "last.ckpt")
    pretrain(videos, tmp_path, tiny(), resume=True)
    assert not differences(tmp_path, whole)


@pytest.mark.skipif(not trains_in_bfloat16(torch.device("cpu")), reason="its gradients are wrong here")
def test_two_epochs_in_bfloat16_are_one_and_one_more(videos, tiny, tmp_path, differences):
    coarse = {"trainer.precision": "bf16"}
    pretrain(videos, tmp_path / "whole", tiny(coarse, epochs=2))
    for settings, resume in (({**coarse, "trainer.stop_after": 1}, False), (coarse, True)):
        pretrain(videos, tmp_path / "parts", tiny(settings, epochs=2), resume=resume)
    assert not differences(tmp_path / "whole", tmp_path / "parts")


def test_the_same_settings_give_the_same_run_and_another_seed_another(videos, tiny, tmp_path, differences):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        torch.manual_seed(len(name))
        pretrain(videos, tmp_path / name, tiny(epochs=1, seed=seed))
    assert not differences(tmp_path / "one", tmp_path / "two")
    assert any("encoder" in name for name in differences(tmp_path / "one", tmp_path / "three"))


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(videos, tiny, tmp_path, differences):
    first, second = (pretrain(videos, tmp_path / name, tiny(epochs=1)).out for name in ("one", "two"))
    again = pretrain(videos, second, tiny(epochs=1), resume=True)
    assert not differences(first, second)
    assert again.seconds == 0
    readout = {"readout.stage": "layer2", "readout.grid": (2, 2, 2), "readout.frames": 6}
    read = pretrain(videos, second, tiny(readout, epochs=1), resume=True)
    encoder, plain = load_encoder(second), load_encoder(first)
    assert encoder.card == json.loads(json.dumps(read.card)) and encoder.card["readout"]["grid"] == [2, 2, 2]
    assert encoder.features == encoder.card["features"] == 2 * 2 * 2 * plain.stage_widths["layer2"]
    clips = torch.rand(2, 3, 6, 32, 32)
    assert torch.equal(encoder.pooled(clips), plain(clips))


def test_motion_sampling_and_the_flow_store_survive_a_stop(videos, tiny, tmp_path, differences):
    config = tiny(
        {"sampling.mds": "vectors", "sampling.key_shift": 0.5, "flow.cache": str(tmp_path / "flow")}, epochs=2
    )
    pretrain(videos, tmp_path / "whole", config)
    for stop_after, resume in ((1, False), (None, True)):
        changed = tiny(
            {
                "sampling.mds": "vectors",
                "sampling.key_shift": 0.5,
                "flow.cache": str(tmp_path / "flow"),
                "trainer.stop_after": stop_after,
                "trainer.workers": 1,
            },
            epochs=2,
        )
        pretrain(videos, tmp_path / "part", changed, resume=resume)
    assert not differences(tmp_path / "part", tmp_path / "whole")


# stopped in the middle of an epoch


@pytest.mark.parametrize(
    ("step", "number"),
    [(0, signal.SIGINT), (4, signal.SIGTERM), (5, signal.SIGINT)],  # the first, in mid-epoch, the last of an epoch
)
def test_a_signal_leaves_a_checkpoint_to_go_on_from(
    videos, tiny, tmp_path, whole, differences, monkeypatch, step, number
):
    handler = signal.getsignal(number)
    with monkeypatch.context() as patch:
        interrupt(patch, step, number)
        with pytest.raises(Stopped, match=rf"stopped at step {step + 1}; .*last.ckpt is kept: go on with --resume"):
            pretrain(videos, tmp_path, tiny())
    assert signal.getsignal(number) is handler
    assert load_encoder(tmp_path).card["training"]["steps"] == step + 1
    assert [row["step"] for row in read_metrics(tmp_path / METRICS) if "loss" in row] == list(range(step + 1))
    pretrain(videos, tmp_path, tiny(), resume=True)
    assert not differences(tmp_path, whole)


def test_a_signal_in_the_last_step_lets_the_run_finish(videos, tiny, tmp_path, whole, differences, monkeypatch):
    interrupt(monkeypatch, 11)
    pretrain(videos, tmp_path, tiny())
    assert not differences(tmp_path, whole)


def test_a_second_ctrl_c_stops_at_once(videos, tiny, tmp_path, monkeypatch, whole, differences):
    train, handler = TrainingModule.forward, signal.getsignal(signal.SIGINT)

    def forward(self, batch, step):
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return train(self, batch, step)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "forward", forward)
        with pytest.raises(KeyboardInterrupt):
            pretrain(videos, tmp_path, tiny())
    assert signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / "last.ckpt").exists()
    pretrain(videos, tmp_path, tiny(), resume=True)
    assert not differences(tmp_path, whole)


def run_kinema(words: list[str], before: str = "") -> subprocess.Popen[str]:
    """A process that runs ``kinema pretrain``, after ``before``, in a process group of its own."""
    script = f"{before}\nimport sys\nfrom kinema.cli import main\nsys.exit(main(['pretrain', *sys.argv[1:]]))"
    return subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


AT_STEP = """
import os, signal
from kinema.training.module import TrainingModule
train = TrainingModule.forward
def forward(self, batch, step):
    if step == {step}:
        {action}
    return train(self, batch, step)
TrainingModule.forward = forward
"""


def test_kill_in_mid_epoch(videos, tiny, tmp_path, whole, differences, options):
    words = ["pretrain", videos, "--out", tmp_path, *options(tiny({"trainer.checkpoint_minutes": 0.00001}))]
    before = AT_STEP.format(step=7, action="os.kill(os.getpid(), signal.SIGKILL)")
    assert forked.ended(forked.start(words, tmp_path / "log", before)) == -signal.SIGKILL
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 7
    assert load_encoder(tmp_path).card["training"]["steps"] in (6, 7)  # it is written after the checkpoint
    pretrain(videos, tmp_path, tiny(), resume=True)
    assert not differences(tmp_path, whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_the_whole_group_leaves_the_workers_alone(
    videos, tiny, tmp_path, whole, differences, options, name
):
    """A terminal sends SIGINT to all, job systems SIGTERM: the workers must live on until the step is done."""
    words = [str(videos), "--out", str(tmp_path), *options(tiny({"trainer.workers": 1}))]
    stopped = run_kinema(words, AT_STEP.format(step=4, action=f"os.killpg(0, signal.{name})"))
    output, errors = stopped.communicate(timeout=120)
    assert stopped.returncode == 130
    assert output == ""
    assert "Traceback" not in errors
    assert errors.count("stopping after this step") == 1
    assert "kinema pretrain: stopped at step 5" in errors.splitlines()[-1]
    pretrain(videos, tmp_path, tiny(), resume=True)
    assert not differences(tmp_path, whole)


def test_a_worker_that_is_killed_ends_the_run_with_a_sentence(videos, tiny, tmp_path, options):
    """As the system does where memory is short; whether in a step or between two."""
    words = [str(videos), "--out", str(tmp_path), *options(tiny({"trainer.workers": 1}))]
    action = "import multiprocessing; [os.kill(p.pid, signal.SIGKILL) for p in multiprocessing.active_children()]"
    ended = run_kinema(words, AT_STEP.format(step=4, action=action))
    _, errors = ended.communicate(timeout=120)
    assert ended.returncode == 1
    assert "Traceback" not in errors
    assert "kinema pretrain: a process that reads videos was killed by signal: Killed" in errors.splitlines()[-1]


# what cannot be resumed


@pytest.fixture
def stopped(videos, tiny, tmp_path) -> Path:
    return pretrain(videos, tmp_path / "run", tiny({"trainer.stop_after": 1})).out


def test_a_run_is_not_overwritten(videos, tiny, stopped):
    before = {path.name: path.read_bytes() for path in stopped.iterdir() if path.is_file()}
    with pytest.raises(OutputError, match="holds a run already; go on with --resume, or choose another folder"):
        pretrain(videos, stopped, tiny())
    assert before == {path.name: path.read_bytes() for path in stopped.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mscl.lmcl": 1.0}, "mscl.lmcl was 3.0, is 1.0"),
        ({"clip.size": (16, 16)}, r"clip.size was \[32, 32\], is \[16, 16\]"),
        ({"model.width": 8, "augment.flip": 0.0}, "augment.flip was 0.5, is 0.0; model.width was 4, is 8"),
        ({"trainer.batch_size": 6}, "trainer.batch_size was 4, is 6"),
    ],
)
def test_other_settings_are_refused_by_name(videos, tiny, stopped, changes, words):
    with pytest.raises(
        CheckpointError, match=rf"made with other settings \({words}\); use the same, or another folder"
    ):
        pretrain(videos, stopped, tiny(changes), resume=True)


def test_another_method_or_seed_is_refused(videos, tiny, stopped):
    with pytest.raises(CheckpointError, match=r"last\.ckpt was made with the method mscl, not moco; use the same, or"):
        pretrain(videos, stopped, tiny(), method="moco", resume=True)
    with pytest.raises(CheckpointError, match="seed was 0, is 1"):
        pretrain(videos, stopped, tiny(seed=1), resume=True)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty", "other"])
def test_a_damaged_checkpoint(videos, tiny, stopped, damage):
    path = stopped / "last.ckpt"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[:64] = bytes(64)
    elif damage == "other":
        torch.save({"weights": torch.zeros(3)}, path)
        content = bytearray(path.read_bytes())
    path.write_bytes({"cut": content[:1000], "text": b"no checkpoint", "empty": b""}.get(damage, content))
    with pytest.raises(
        CheckpointError, match=r"last.ckpt is damaged or no checkpoint of kinema; delete it to begin anew"
    ):
        pretrain(videos, stopped, tiny(), resume=True)


def test_resuming_where_there_is_nothing_begins_anew(videos, tiny, tmp_path):
    assert pretrain(videos, tmp_path, tiny(epochs=1), resume=True).card["training"]["steps"] == 3
