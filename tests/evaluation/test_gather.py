from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from kinema.common.whitening import Whitening
from kinema.config import ClipConfig, ModelConfig, ReadoutConfig
from kinema.errors import ConfigError
from kinema.evaluation import evaluate
from kinema.evaluation.gather import OF_A_VIDEO, WINDOWS, fitted_on, gather, gather_several, open_asked
from kinema.models import random_encoder, save_encoder

CLIP = ClipConfig(frames=4, step=0.1, short_side=None, size=(32, 32))
READOUT = ReadoutConfig("layer2", (2, 2, 2), root=True, unit="time")
QUICK = {"clips": 2, "workers": 0, "precision": "32"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory, write_video):
    """Nine videos of moving squares: three motions at three places, with labels.csv."""
    folder = tmp_path_factory.mktemp("squares")
    rows = ["file,motion,place"]
    for number in range(9):
        motion, place = number % 3, number // 3
        frames = np.full((10, 40, 44, 3), 40 + 20 * place, np.uint8)
        for t, frame in enumerate(frames):
            x, y = ((2 * t, 10), (20 - 2 * t, 10), (10, 2 * t))[motion]
            frame[6 + y : 16 + y, 8 + x : 18 + x] = (200, 180 - 40 * place, 90 + 30 * place)
        write_video(folder / f"{number}.mp4", frames)
        rows.append(f"{number}.mp4,motion{motion},place{place}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An untrained encoder with a readout."""
    encoder = random_encoder(ModelConfig(width=4), 0, readout=READOUT)
    clip = {"frames": 4, "step": 0.1, "short_side": None, "size": [32, 32]}
    return save_encoder(encoder, tmp_path_factory.mktemp("run") / "encoder.safetensors", {**encoder.card, "clip": clip})


def paths(folder):
    return sorted(folder.glob("*.mp4"))


def test_readout_and_pooled_come_from_one_pass_and_are_what_the_encoder_gives(run, clips, tmp_path):
    opened, clip = open_asked(run)
    asked = {"fit_on": range(9), "transductive": True, "orders": ("reversed",), "jitter": 2, "shaken": 0.3, **QUICK}
    found = gather(opened, paths(clips), clip, cache=tmp_path, **asked)
    assert found.features.read == 9
    pooled, _ = open_asked(run, asdict(ReadoutConfig()))
    alone = gather(pooled, paths(clips), clip, fit_on=(), transductive=True, **QUICK)
    torch.testing.assert_close(found.pooled.values, alone.readout.values)
    assert alone.pooled is alone.readout and alone.whitening is None
    direct = gather(opened, paths(clips), clip, fit_on=(), transductive=True, **QUICK).readout.values
    torch.testing.assert_close(found.readout.values, direct)
    width = opened.module.features
    assert found.readout.values.shape == (9, width) and found.reordered["reversed"].shape == (9, width)
    assert found.readout.jittered.shape == (9, 2, width) and found.readout.shaken.shape == (9, width)
    again = gather(opened, paths(clips), clip, cache=tmp_path, **asked)
    assert again.features.read == 0
    torch.testing.assert_close(again.pooled.shaken, found.pooled.shaken, rtol=0, atol=0)


def test_several_encoders_see_what_each_would_see_alone(run, clips):
    (opened, clip), (pooled, _) = open_asked(run), open_asked(run, asdict(ReadoutConfig()))
    asked = {"fit_on": range(9), "transductive": True, **QUICK}
    found = gather_several({"readout": opened, "pooled": pooled}, paths(clips), clip, **asked)
    assert list(found) == ["readout", "pooled"] and found["pooled"].pooled is found["pooled"].readout
    alone = gather(opened, paths(clips), clip, **asked)
    torch.testing.assert_close(found["readout"].readout.values, alone.readout.values)
    torch.testing.assert_close(found["readout"].pooled.values, found["pooled"].readout.values)
    for name in found:
        assert found[name].whitening == alone.whitening
    white = found["pooled"].readout.whitening
    np.testing.assert_allclose(white.mean, alone.pooled.whitening.mean, rtol=1e-4, atol=1e-5)


def test_features_are_of_single_precision_whatever_the_network_computes_in(run, clips):
    opened, clip = open_asked(run)
    found = gather(opened, paths(clips), clip, fit_on=range(9), transductive=True, jitter=2, clips=2, workers=0)
    for values in (found.readout.values, found.readout.jittered, found.pooled.values):
        assert values.dtype == torch.float32


def test_the_whitening_is_fitted_on_copies_of_windows(run, clips):
    opened, clip = open_asked(run)
    found = gather(opened, paths(clips), clip, fit_on=range(9), transductive=True, **QUICK)
    assert found.whitening == {
        "windows": 36,
        "copies": 6,
        "shrinkage": 0.2,
        "transductive": True,
        "left_out": None,
    }
    assert isinstance(found.readout.whitening, Whitening) and isinstance(found.pooled.whitening, Whitening)
    assert len(found.readout.whitening.mean) == opened.module.features
    some = gather(opened, paths(clips), clip, fit_on=(1, 4), transductive=False, **QUICK)
    assert some.whitening["windows"] == 8 and not some.whitening["transductive"]
    assert not np.allclose(some.readout.whitening.mean, found.readout.whitening.mean)


def test_a_few_hundred_windows_are_drawn_the_same_each_time():
    few, copies = fitted_on(range(5, 10))
    assert few == tuple(range(5, 10)) and copies.windows == OF_A_VIDEO
    assert fitted_on(range(100))[1].windows == 3
    many, copies = fitted_on(range(1000))
    assert len(set(many)) == WINDOWS and copies.windows == 1 and many == fitted_on(range(1000))[0]
    assert min(many) < 20 and max(many) > 980 and list(many) == sorted(many)


def test_retrieval_says_readout_and_pooled_three_times_each(run, clips, tmp_path):
    out = tmp_path / "out.json"
    evaluation = evaluate(
        "retrieval",
        run,
        clips,
        labels=clips / "labels.csv",
        label_column="motion",
        group_column="place",
        out=out,
        jitter=3,
        shaken=0.3,
        **QUICK,
    )
    told = json.loads(out.read_text())
    result = told["result"]
    for found in (result, result["pooled"]):
        for way in ("plain", "centred", "whitened"):
            assert 0 <= found[way]["r1"] <= 1
            jittered = found["jittered"][way]
            assert jittered["r1"] == pytest.approx(np.mean(jittered["by_round"])) and len(jittered["by_round"]) == 3
            assert jittered["deviation"] == pytest.approx(np.std(jittered["by_round"], ddof=1))
            assert 0 <= found["shaken"][way]["r1"] <= 1
    assert result["whitening"]["transductive"] and "pooled features: plain" in evaluation.summary()
    assert any("whitening was fitted on the videos that are compared" in note for note in told["notes"])
    names = [figure.name for figure in evaluation.result.figures()]
    assert {"R@1 whitened", "R@1 whitened, pooled features", "R@1 plain, jittered"} <= set(names)


def test_a_single_round_of_shifted_crops_has_no_deviation(run, clips):
    asked = {"label_column": "motion", "group_column": "place", "jitter": 1, **QUICK}
    found = evaluate("retrieval", run, clips, labels=clips / "labels.csv", **asked).to_dict()["result"]
    for part in (found, found["pooled"]):
        spread = part["jittered"]["whitened"]
        assert spread["deviation"] is None and spread["by_round"] == [spread["r1"]]


def test_with_a_split_the_whitening_knows_nothing_of_the_test_videos(run, clips, tmp_path):
    rows = (clips / "labels.csv").read_text().splitlines()
    table = tmp_path / "split.csv"
    table.write_text(
        "\n".join([rows[0] + ",split", *(f"{row},{'test' if 'place2' in row else 'train'}" for row in rows[1:])])
    )
    evaluation = evaluate("retrieval", run, clips, labels=table, label_column="motion", **QUICK)
    assert evaluation.result.whitening["transductive"] is False and evaluation.result.whitening["windows"] == 24
    assert not any("whitening was fitted" in note for note in evaluation.notes)


def test_where_copies_do_not_differ_there_is_no_whitening_and_it_is_said(run, tmp_path, write_video):
    for number in range(4):
        write_video(tmp_path / f"{number}.mp4", np.zeros((8, 40, 44, 3), np.uint8))
    (tmp_path / "l.csv").write_text("file,label\n" + "".join(f"{n}.mp4,{n % 2}\n" for n in range(4)))
    evaluation = evaluate("retrieval", run, tmp_path, labels=tmp_path / "l.csv", **QUICK)
    result = evaluation.to_dict()["result"]
    assert result["whitened"] is None and result["pooled"]["whitened"] is None
    assert "same features" in result["whitening"]["left_out"]
    assert any("Whitened figures are left out" in note for note in evaluation.notes)


def test_settings_in_place_of_the_encoder_s_own(run):
    opened, clip = open_asked(run, {"grid": (1, 2, 2), "moments": True}, {"center_crop": (30, 20), "step_frames": 2})
    assert opened.module.readout == ReadoutConfig("layer2", (1, 2, 2), root=True, unit="time", moments=True)
    assert (clip.center_crop, clip.step_frames, clip.step, clip.frames) == ((30, 20), 2, None, 4)
    for wrong in ({"readout": {"grids": 1}}, {"clip": {"framez": 1}}):
        with pytest.raises(ConfigError, match="has no such setting"):
            open_asked(run, **wrong)
