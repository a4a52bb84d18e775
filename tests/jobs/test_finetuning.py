"""Training with labels: what it learns, how it tests, what it begins with, and how it goes on."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kinema.cli import main
from kinema.config import (
    AugmentConfig,
    ClipConfig,
    FinetuneConfig,
    HCMLConfig,
    ModelConfig,
    OptimizerConfig,
    TrainerConfig,
)
from kinema.data.synthetic.files import encode_video
from kinema.errors import CheckpointError, ConfigError, DataError, OutputError
from kinema.jobs.finetuning import finetune
from kinema.methods import load_classifier
from kinema.models import create_model, load_encoder
from kinema.training import pretrain
from kinema.training.metrics import METRICS, read_metrics
from kinema.video import Video

QUICK = FinetuneConfig(
    epochs=4,
    clip=ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32)),
    augment=AugmentConfig(jitter=0.0, grey=0.0, blur=0.0),
    model=ModelConfig(width=4, patch=4, input="rgb"),
    hcml=HCMLConfig(levels=1, radius=1, shares=(0.25, 0.25, 0.5)),
    optimizer=OptimizerConfig(lr=2e-3),
    trainer=TrainerConfig(batch_size=4, workers=0, threads=1, precision="32", accelerator="cpu"),
    clips=3,
)


@pytest.fixture(scope="module")
def lights(tmp_path_factory):
    """Twenty videos of noise, every second one bright; five groups of both; the last eight for testing."""
    folder = tmp_path_factory.mktemp("lights")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(20):
        level = 60 + 120 * (number % 2)
        frames = rng.integers(level - 40, level + 40, (16, 32, 32, 3), np.uint8)
        (folder / f"{number:02}.mp4").write_bytes(encode_video(frames, 16.0))
        split = "train" if number < 12 else "test"
        rows.append((f"{number:02}.mp4", ("dark", "bright")[number % 2], split, f"g{number // 4}"))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "light", "split", "group"), *rows])
    return folder


@pytest.fixture
def train(lights, tmp_path):
    """Trains on the lights, into ``tmp_path / "run"`` unless told otherwise."""

    def run(config=QUICK, out=tmp_path / "run", **options):
        asked = {"labels": lights / "labels.csv", "label_column": "light", **options}
        return finetune(lights, out, config, **asked)

    return run


@pytest.fixture(scope="module")
def trained(lights, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    config = dataclasses.replace(QUICK, epochs=16)
    return finetune(lights, out, config, labels=lights / "labels.csv", label_column="light")


def predictions(out) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_learns_what_is_easy_to_see(trained):
    found = json.loads((trained.out / "results.json").read_text())
    assert found["top1"] == found["mean_class"] == 1.0
    assert found["per_class"] == {"bright": 1.0, "dark": 1.0} and found["top5"] is None
    assert found["queries"] == 8 and found["scheme"] == "test against train"
    assert trained.summary().startswith("top-1 1.000, mean over classes 1.000 (8 test videos")
    rows = read_metrics(trained.out / METRICS)
    assert {"loss", "loss_cross_entropy", "top1_accuracy"} <= rows[0].keys()


def test_the_predictions_are_the_mean_of_probabilities_over_clips(trained, lights):
    network, classes = load_classifier(trained.out)
    assert classes == ["bright", "dark"]
    rows = predictions(trained.out)
    assert [row["file"] for row in rows] == [f"{number:02}.mp4" for number in range(12, 20)]
    for row in rows[:3]:
        with Video(lights / row["file"]) as video:
            frames = torch.from_numpy(video.at_times([(n + 0.5) / 16 for n in range(16)]).frames).permute(3, 0, 1, 2)
        # the starts lie at 0.5, 5 and 9.5 frames; what is on screen at 5 is the sixth frame
        clips = torch.stack([frames[:, [start + 2 * step for step in range(4)]] for start in (0, 5, 9)])
        with torch.no_grad():
            probabilities = network(clips / 255).mean(0)
        assert row["predicted"] == classes[int(probabilities.argmax())]
        assert float(row["probability"]) == pytest.approx(float(probabilities.max()), abs=2e-4)


def test_the_encoder_it_leaves_is_one_like_any_other(trained):
    encoder = load_encoder(trained.out)
    assert encoder.card["method"] == "recognition" and encoder.card["classes"] == ["bright", "dark"]
    network, _ = load_classifier(trained.out)
    clip = torch.rand(2, 3, 4, 32, 32)
    with torch.no_grad():
        assert torch.equal(encoder(clip), network.encoder(clip))


def test_every_group_is_tested_by_a_network_that_has_not_seen_it(train, tmp_path, refused):
    config = dataclasses.replace(QUICK, epochs=1)
    done = train(config, split="group", group_column="group")
    found = done.results
    assert done.files[2:] == [tmp_path / "run" / f"round-{number}" for number in range(1, 6)]
    assert "it has one of each round: name" in refused(
        "predict", tmp_path, "--model", done.out, "--out", tmp_path / "a.csv"
    )
    assert found["queries"] == 20 and len(found["per_round"]) == 5
    assert found["scheme"] == "leave one group out (5 groups)"
    assert found["top1"] == pytest.approx(np.mean(found["per_round"]))
    assert sorted(row["file"] for row in predictions(tmp_path / "run")) == [f"{number:02}.mp4" for number in range(20)]
    for number in range(1, 6):
        card = json.loads((tmp_path / "run" / f"round-{number}" / "card.json").read_text())
        assert card["data"]["videos"] == 16


def test_all_labels_are_trained_on_where_nothing_is_to_be_held_out(train, lights, tmp_path):
    done = train(dataclasses.replace(QUICK, epochs=1), split="none")
    assert done.summary() == "trained on all 20 labelled videos, so that none is left to test it on"
    assert done.files == [tmp_path / "run" / "results.json"]
    found = json.loads(done.files[0].read_text())
    assert found["top1"] is None and found["queries"] == 0 and found["scheme"] == "all videos train, none is tested"
    assert json.loads((tmp_path / "run" / "card.json").read_text())["data"]["videos"] == 20
    words = ["predict", str(lights), "--model", str(done.out), "--out", str(tmp_path / "all.csv")]
    assert main(words) == 0
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 21


def test_few_labels_are_drawn_by_the_seed(train, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("kinema.jobs.finetuning.fit", lambda *_, labels, **__: seen.append(labels) or 1 / 0)
    for seed in (0, 0, 1):
        with pytest.raises(ZeroDivisionError):
            train(dataclasses.replace(QUICK, seed=seed), out=tmp_path / str(len(seen)), per_class=2)
    first, again, other = seen
    assert first == again != other
    for chosen in seen:
        assert sorted(chosen.values()) == [0, 0, 1, 1]
        assert all(int(name[:2]) < 12 and label == 1 - int(name[:2]) % 2 for name, label in chosen.items())


def test_so_many_videos_in_all_are_drawn_evenly(train, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("kinema.jobs.finetuning.fit", lambda *_, labels, **__: seen.append(labels) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(out=tmp_path / "some", samples=7)
    assert sorted(list(seen[0].values()).count(label) for label in (0, 1)) == [3, 4]
    with pytest.raises(DataError, match="there are 12 videos to train on, fewer than the 13 samples; ask for fewer"):
        train(out=tmp_path / "many", samples=13)
    with pytest.raises(ConfigError, match="set one of them"):
        train(out=tmp_path / "both", samples=3, per_class=1)


def test_with_hcml_levels_learn_one_after_another_and_then_all(train, tmp_path):
    train(motion="hcml")
    rows = [row for row in read_metrics(tmp_path / "run" / METRICS) if "loss" in row]
    terms = [{name for name in row if name.startswith("loss_")} for row in rows[::3]]
    everything = {"loss_prime", "loss_level1", "loss_cross_entropy"}
    assert terms == [{"loss_prime"}, {"loss_level1"}, everything, everything]
    encoder = load_encoder(tmp_path / "run")
    assert encoder.hierarchical and encoder.card["motion"] == "hcml"


@pytest.mark.parametrize("motion", ["none", "hcml"])
def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(train, tmp_path, motion):
    train(motion=motion, out=tmp_path / "whole")
    stop = dataclasses.replace(QUICK, trainer=dataclasses.replace(QUICK.trainer, stop_after=1))
    train(stop, motion=motion)
    train(motion=motion, resume=True)
    for name in ("encoder.safetensors", "classifier.safetensors"):
        whole, parts = (load_file(tmp_path / run / name) for run in ("whole", "run"))
        assert whole.keys() == parts.keys() and all(torch.equal(whole[key], parts[key]) for key in whole)
    assert predictions(tmp_path / "whole") == predictions(tmp_path / "run")


def test_it_begins_with_what_was_learned_without_labels(train, lights, tmp_path, monkeypatch):
    settings = {name: getattr(QUICK, name) for name in ("clip", "augment", "trainer")}
    from kinema.config import MSCLConfig, PretrainConfig

    model = ModelConfig(width=8, patch=4, input="difference", embedding=8)
    config = PretrainConfig(epochs=1, model=model, mscl=MSCLConfig(queue=8), **settings)
    pretrain(lights, tmp_path / "moco", config, method="moco")
    before = load_file(tmp_path / "moco" / "encoder.safetensors")
    still = dataclasses.replace(QUICK, epochs=1, optimizer=dataclasses.replace(QUICK.optimizer, lr=1e-12))
    train(still, weights=tmp_path / "moco")
    after = load_file(tmp_path / "run" / "encoder.safetensors")
    learned = [name for name in before if "running" not in name and "num_batches" not in name]
    assert all(torch.allclose(before[name], after[name], atol=1e-9) for name in learned)
    assert load_encoder(tmp_path / "run").card["model"]["width"] == 8
    train(dataclasses.replace(still, epochs=4), weights=tmp_path / "moco", motion="hcml", out=tmp_path / "moving")
    moving = load_file(tmp_path / "moving" / "encoder.safetensors")
    assert all(torch.allclose(before[name], moving[f"backbone.{name}"], atol=1e-9) for name in learned)
    assert load_encoder(tmp_path / "moving").card["model"]["width"] == 8


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_it_begins_with_published_weights(train, tmp_path, suffix):
    torch.manual_seed(3)
    weights = create_model("r2plus1d_18", classes=400, width=4).state_dict()
    path = tmp_path / f"weights.{suffix}"
    torch.save(weights, path) if suffix == "pth" else save_file(weights, path)
    optimizer = dataclasses.replace(QUICK.optimizer, lr=1e-12)
    train(dataclasses.replace(QUICK, epochs=1, optimizer=optimizer), weights=path)
    assert load_encoder(tmp_path / "run").card["model"]["backbone"] == "r2plus1d_18"
    after = load_file(tmp_path / "run" / "encoder.safetensors")
    assert not any(name.startswith("fc.") for name in after)
    assert torch.allclose(weights["layer4.1.conv2.0.3.weight"], after["layer4.1.conv2.0.3.weight"], atol=1e-9)


# what is refused


def test_weights_of_another_network_are_refused(train, tmp_path):
    path = tmp_path / "weights.pth"
    weights = create_model("r3d_18", width=8).state_dict()
    del weights["layer4.1.conv2.0.weight"]
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match=r"weights\.pth holds another architecture than .*missing: layer4\.1"):
        train(weights=path)
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"weights\.pth is damaged or no file of weights"):
        train(weights=path)
    with pytest.raises(CheckpointError, match=r"there is no encoder at .*missing\.pth; train one with"):
        train(weights=tmp_path / "missing.pth")


def test_another_hierarchy_is_refused(train, tmp_path):
    train(dataclasses.replace(QUICK, epochs=4), motion="hcml")
    other = dataclasses.replace(QUICK, hcml=dataclasses.replace(QUICK.hcml, radius=2))
    with pytest.raises(
        CheckpointError, match=r"run holds another motion hierarchy \(radius was 1, is 2\); set hcml to"
    ):
        train(other, motion="hcml", weights=tmp_path / "run", out=tmp_path / "new")
    with pytest.raises(CheckpointError, match="was made with the method recognition with motion hcml, not recognition"):
        train(resume=True)


def test_other_labels_or_no_resume_are_refused(train, tmp_path):
    train(dataclasses.replace(QUICK, epochs=1))
    with pytest.raises(OutputError, match="holds a run already; go on with --resume, or choose another folder"):
        train()
    with pytest.raises(CheckpointError, match=r"was made with the labels \w{12}, not \w{12}; use the same, or another"):
        train(per_class=2, resume=True)


@pytest.mark.parametrize("table", [True, False])
def test_a_training_goes_on_though_a_video_of_it_has_gone(lights, tmp_path, table, monkeypatch):
    monkeypatch.setattr("kinema.data.left_out.PAUSE", 0.0)
    folder = tmp_path / "videos"
    if table:
        shutil.copytree(lights, folder)
        labels, gone, tested = {"labels": folder / "labels.csv", "label_column": "light"}, "03.mp4", "13.mp4"
    else:
        for number in range(20):
            (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
            shutil.copy(lights / f"{number:02}.mp4", folder / "ab"[number % 2])
        labels, gone, tested = {"split": "video"}, None, None
    stopped = dataclasses.replace(QUICK, trainer=dataclasses.replace(QUICK.trainer, stop_after=2))
    finetune(folder, tmp_path / "run", stopped, **labels)
    if not table:  # five rounds: of the last one's training, and the first one's test
        with (tmp_path / "run/predictions.csv").open(newline="") as file:
            tested = next(csv.DictReader(file))["file"]
        (folder / tested).unlink()
        with pytest.raises(DataError, match=rf"test videos are gone: {tested}; bring them back, or begin anew"):
            finetune(folder, tmp_path / "run", QUICK, **labels, resume=True)
        return
    (folder / gone).unlink()
    found = finetune(folder, tmp_path / "run", QUICK, **labels, resume=True)
    card = json.loads((tmp_path / "run/card.json").read_text())
    assert [left["path"] for left in card["data"]["left_out"]] == [gone]
    assert card["training"]["steps"] == 12 and found.results["queries"] == 8
    (folder / tested).unlink()
    with pytest.raises(DataError, match=rf"test videos are gone: {tested}; bring them back, or begin anew"):
        finetune(folder, tmp_path / "run", QUICK, **labels, resume=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dropout": 1.0}, "dropout must lie between 0 and 1"),
        ({"label_smoothing": -0.1}, "label_smoothing must lie between 0 and 1"),
        ({"clips": 0}, "clips must be at least 1"),
        ({"model": ModelConfig(backbone="r3d")}, "unknown model 'r3d': did you mean"),
        ({"model": ModelConfig(backbone="s3d", patch=4)}, "model s3d has no setting 'patch'"),
    ],
)
def test_settings_that_cannot_work(train, changes, words):
    with pytest.raises(ConfigError, match=words):
        train(dataclasses.replace(QUICK, **changes))
    with pytest.raises(ConfigError, match="per_class must be at least 1, not 0"):
        train(per_class=0)


def test_a_test_video_that_cannot_be_read_is_found_before_the_training(lights, tmp_path):
    folder = shutil.copytree(lights, tmp_path / "lights")
    (folder / "13.mp4").write_bytes(b"no video")
    labels = {"labels": folder / "labels.csv", "label_column": "light"}
    with pytest.raises(DataError, match=r"test videos cannot be read: 13\.mp4 \(.*\); mend them or take them out"):
        finetune(folder, tmp_path / "run", QUICK, **labels)
    assert not (tmp_path / "run" / "last.ckpt").exists()
    shutil.copy(folder / "labels.csv", folder / "13.txt")
    text = (folder / "labels.csv").read_text().replace("13.mp4", "13.txt")
    (folder / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=r"the labels name 13\.txt, which .*manifest\.parquet does not hold"):
        finetune(folder, tmp_path / "other", QUICK, **labels)


def test_wrong_boxes_are_refused_before_a_run_is_begun(train, tmp_path):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("file,frame,x0,y0,x1,y1\nother.mp4,0,1,1,9,9\n")
    config = dataclasses.replace(QUICK, clip=dataclasses.replace(QUICK.clip, crop=str(boxes)))
    with pytest.raises(DataError, match=r"has boxes of other\.mp4, and of none of the 20 videos"):
        train(config)
    assert not (tmp_path / "run").exists()
