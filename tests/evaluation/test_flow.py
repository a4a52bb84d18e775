"""Errors of optical flow against a slow reference, and whole evaluations of the layouts in which true flow comes."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.cli import main
from kinema.errors import ConfigError, DataError
from kinema.evaluation import TrueFlow, evaluate_flow, find_scenes, flow_errors
from kinema.evaluation.flow import MEASURES, NO_MOTION
from kinema.flow import create_estimator, write_flow


def truth_of(flow, valid=None, occluded=None):
    frame = np.zeros((*flow.shape[1:], 3), np.uint8)
    valid = np.ones(flow.shape[1:], bool) if valid is None else valid
    return TrueFlow(frame, frame, flow, valid, occluded)


def slow_errors(flow, truth):
    """Pixel by pixel, as the measures are written down."""
    rows = []
    for y, x in np.argwhere(truth.valid):
        (u, v), (a, b) = flow[:, y, x].tolist(), truth.flow[:, y, x].tolist()
        off = math.sqrt((u - a) ** 2 + (v - b) ** 2)
        cosine = (u * a + v * b + 1) / math.sqrt((u * u + v * v + 1) * (a * a + b * b + 1))
        hidden = None if truth.occluded is None else bool(truth.occluded[y, x])
        bad = off > 3 and off > 0.05 * math.sqrt(a * a + b * b)
        rows.append((off, hidden, bad, math.degrees(math.acos(max(-1.0, min(1.0, cosine))))))

    def mean(values):
        values = list(values)
        return sum(values) / len(values) if values else None

    shares = {f"over_{limit}px": mean(off > limit for off, *_ in rows) for limit in (1, 3, 5)}
    return {
        "endpoint": mean(off for off, *_ in rows),
        "endpoint_visible": mean(off for off, hidden, *_ in rows if hidden is False),
        "endpoint_occluded": mean(off for off, hidden, *_ in rows if hidden),
        "fl_all": mean(bad for *_, bad, _ in rows),
        **shares,
        "angular": mean(angle for *_, angle in rows),
    }


@given(st.integers(0, 2**31), st.sampled_from([0.1, 2.0, 80.0]), st.sampled_from(["no mask", "some", "none hidden"]))
@settings(max_examples=40, deadline=None)
def test_errors_match_a_slow_reference(seed, spread, mask):
    draw = np.random.default_rng(seed)
    true, error = (scale * draw.standard_normal((2, 7, 9)).astype(np.float32) for scale in (spread, 3.0))
    valid, hidden = draw.random((7, 9)) < 0.7, draw.random((7, 9)) < 0.3
    valid[3, 4] = True
    occluded = {"no mask": None, "some": hidden, "none hidden": np.zeros_like(hidden)}[mask]
    flow, truth = true + error, truth_of(true, valid, occluded)
    flow[:, ~valid] = np.nan  # must not be looked at
    found, expected = dataclasses.asdict(flow_errors(flow, truth)), slow_errors(flow, truth)
    assert list(found) == list(expected) == list(MEASURES)
    assert found == pytest.approx(expected, abs=1e-5)


def test_errors_in_closed_form():
    true = np.zeros((2, 4, 5), np.float32)
    true[0] = 100.0
    exact = dataclasses.asdict(flow_errors(true, truth_of(true)))
    assert {value for value in exact.values() if value is not None} == {0.0}
    off = flow_errors(true + np.float32([[[4.0]], [[0.0]]]), truth_of(true))  # 4 pixels, but 4 %
    assert (off.endpoint, off.fl_all, off.over_3px, off.over_5px) == (4.0, 0.0, 1.0, 0.0)
    turned = flow_errors(np.float32([1, 0])[:, None, None], truth_of(np.zeros((2, 1, 1), np.float32)))
    assert turned.angular == pytest.approx(45)
    opposite = flow_errors(-1e6 * np.ones((2, 1, 1)), truth_of(1e6 * np.ones((2, 1, 1), np.float32)))
    assert opposite.angular == pytest.approx(180, abs=1e-3)


@pytest.fixture(scope="module")
def pair():
    """Two frames (48, 64, 3), the second 2 pixels further right, and that flow; the first columns are unknown."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).random((48, 66, 3)), (0, 0), 1.5)
    texture = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    flow = np.zeros((2, 48, 64), np.float32)
    flow[0] = 2
    valid = np.ones((48, 64), bool)
    valid[:, :4] = False
    return texture[:, 2:], texture[:, :-2], flow, valid


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)


@pytest.fixture
def scenes(pair, tmp_path):
    """Two scene folders, the second with masks."""
    first, second, flow, valid = pair
    for name in ("plain", "masked"):
        save(tmp_path / "truth" / name / "frame10.png", first)
        save(tmp_path / "truth" / name / "frame11.png", second)
        write_flow(tmp_path / "truth" / name / "flow10.flo", flow, valid)
    hidden, invalid = np.zeros((2, 48, 64), np.uint8)
    hidden[:, 60:], invalid[:10] = 255, 1
    save(tmp_path / "truth/masked/occlusions.png", hidden)
    save(tmp_path / "truth/masked/invalid.png", invalid)
    return tmp_path / "truth"


def test_scene_folders_with_masks(scenes, pair):
    masked, plain = find_scenes(scenes)
    assert (masked.name, plain.name) == ("masked", "plain")
    true = plain.read()
    first, second, flow, valid = pair
    for found, expected in [(true.first, first), (true.second, second), (true.valid, valid)]:
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(true.flow, np.where(valid, flow, 0))
    assert true.occluded is None
    true = masked.read()
    np.testing.assert_array_equal(true.valid, pair[3] & (np.arange(48) >= 10)[:, None])
    np.testing.assert_array_equal(true.occluded, np.broadcast_to(np.arange(64) >= 60, (48, 64)))


def test_kittis_layout(pair, tmp_path):
    first, second, flow, valid = pair
    for number, frame in ((10, first), (11, second)):
        save(tmp_path / f"image_2/000007_{number}.png", frame)
    seen = valid & (np.arange(64) < 60)
    write_flow(tmp_path / "flow_noc/000007_10.png", flow, seen)
    (scene,) = find_scenes(tmp_path)
    assert (scene.name, scene.read().occluded) == ("000007", None)
    np.testing.assert_array_equal(scene.read().valid, seen)
    write_flow(tmp_path / "flow_occ/000007_10.png", flow, valid)
    (scene,) = find_scenes(tmp_path)
    true = scene.read()
    np.testing.assert_array_equal(true.valid, valid)
    np.testing.assert_array_equal(true.occluded & valid, valid & ~seen)
    np.testing.assert_array_equal(true.flow, np.where(valid, flow, 0))


def test_a_table_of_pairs(scenes, tmp_path):
    table = tmp_path / "pairs.csv"
    rows = [["truth/plain/frame10.png", "truth/plain/frame11.png", "truth/plain/flow10.flo", "", ""]]
    rows.append([f"truth/masked/{name}" for name in ("frame10.png", "frame11.png", "flow10.flo")])
    rows[1] += ["truth/masked/occlusions.png", "truth/masked/invalid.png"]
    table.write_text("\n".join(map(",".join, [["first", "second", "truth", "occlusions", "invalid"], *rows])))
    by_table = [scene.read() for scene in find_scenes(table)]
    by_folder = [scene.read() for scene in reversed(find_scenes(scenes))]
    for one, other in zip(by_table, by_folder, strict=True):
        np.testing.assert_array_equal(one.valid, other.valid)
        assert (one.occluded is None) == (other.occluded is None)
    for text, said in [
        ("first,second\na,b\n", "has the columns first, second: expected first, second, truth, and perhaps occlusions"),
        ("first,second,truth,mask\n", "has the columns first, second, truth, mask"),
        ("first,second,truth\na,b,\n", "a row without truth"),
        ("", r"has the columns \(none\)"),
        ("first,second,truth\n", "holds no scene"),
    ]:
        table.write_text(text)
        with pytest.raises(DataError, match=said):
            find_scenes(table)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"cannot read .*UTF-8"):
        find_scenes(table)


def test_figures_are_those_of_the_estimator_and_of_no_motion(scenes, tmp_path):
    out = tmp_path / "new" / "flow.json"
    found = evaluate_flow(scenes, ["dis", "dis:preset=medium"], out)
    rows = {(row["scene"], row["estimator"]): row for row in found.scenes}
    assert list(rows) == [(s, e) for s in ("masked", "plain") for e in (NO_MOTION, "dis", "dis:preset=medium")]
    true = find_scenes(scenes)[0].read()
    flow = create_estimator("dis", preset="medium").pairs(true.first[None], true.second[None])[0]
    expected = dataclasses.asdict(flow_errors(flow, true))
    assert {name: rows["masked", "dis:preset=medium"][name] for name in MEASURES} == expected
    assert rows["plain", NO_MOTION]["endpoint"] == 2.0 and rows["plain", NO_MOTION]["seconds_per_pair"] is None
    assert rows["plain", "dis"]["endpoint"] < 0.3 and rows["plain", "dis"]["seconds_per_pair"] > 0
    written = json.loads(out.read_text())
    assert (written["scenes"], written["means"], written["left_out"]) == (found.scenes, found.means(), [])
    assert written["parameters"]["dis:preset=medium"]["preset"] == "medium"
    assert written["versions"]["kinema"]
    mean = {row["estimator"]: row for row in written["means"]}["dis"]
    assert (mean["scenes"], mean["with_mask"]) == (2, 1)
    assert mean["endpoint"] == pytest.approx((rows["masked", "dis"]["endpoint"] + rows["plain", "dis"]["endpoint"]) / 2)
    assert mean["endpoint_occluded"] == rows["masked", "dis"]["endpoint_occluded"]
    with out.with_suffix(".csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["endpoint"]) for row in table] == [row["endpoint"] for row in found.scenes]
    assert {row["endpoint_visible"] for row in table if row["scene"] == "plain"} == {""}


DAMAGE = {
    "no second frame": (lambda folder: (folder / "frame11.png").unlink(), "frame11.png: No such file"),
    "no flow": (lambda folder: (folder / "flow10.flo").unlink(), "flow10.flo: No such file"),
    "half a frame": (lambda folder: cut(folder / "frame10.png"), "frame10.png: it is damaged or no picture"),
    "half a flow": (lambda folder: cut(folder / "flow10.flo"), "flow10.flo: 64 x 48 vectors take"),
    "another size": (lambda folder: save(folder / "frame11.png", np.zeros((9, 8, 3))), "8 x 9 pixels, the true flow"),
    "mask's size": (lambda folder: save(folder / "invalid.png", np.zeros((9, 8))), "invalid.png has 8 x 9 pixels"),
    "nothing known": (lambda folder: save(folder / "invalid.png", np.ones((48, 64))), "knows the flow of no pixel"),
}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", DAMAGE)
def test_scenes_that_cannot_be_read_are_named_and_left_out(scenes, tmp_path, capsys, damage, refused):
    harm, said = DAMAGE[damage]
    harm(scenes / "masked")
    words = ["flow", "evaluate", scenes, "--out", tmp_path / "f.json", "--estimators", "dis"]
    assert main([str(word) for word in words]) == 0
    output = capsys.readouterr().out
    assert output.startswith("left out: masked: ")
    assert said in output.splitlines()[0]
    written = json.loads((tmp_path / "f.json").read_text())
    assert {row["scene"] for row in written["scenes"]} == {"plain"}
    assert [row["scene"] for row in written["left_out"]] == ["masked"]
    shutil.rmtree(scenes / "plain")
    (tmp_path / "f.json").write_text("earlier figures")
    sentence = refused(*words)
    assert "none of the 1 scenes" in sentence and said in sentence
    assert (tmp_path / "f.json").read_text() == "earlier figures"


def test_an_estimator_that_refuses_a_scene_is_named_too(scenes, pair, tmp_path, capsys):
    save(scenes / "tiny/frame10.png", pair[0][:14, :14])
    save(scenes / "tiny/frame11.png", pair[1][:14, :14])
    write_flow(scenes / "tiny/flow10.flo", pair[2][:, :14, :14])
    words = ["flow", "evaluate", scenes, "--out", tmp_path / "f.json", "--estimators", "tvl1:warps=1, farneback"]
    assert main([str(word) for word in words]) == 0
    output = capsys.readouterr().out
    assert "left out: tiny by tvl1:warps=1: tvl1 needs frames of at least 16 x 16 pixels, got 14 x 14" in output
    counts = {row["estimator"]: row["scenes"] for row in json.loads((tmp_path / "f.json").read_text())["means"]}
    assert counts == {NO_MOTION: 3, "tvl1:warps=1": 2, "farneback": 3}
    for heading in ("estimator", "EPE px", "Fl-all %", "s/pair"):
        assert heading in output


def test_wrong_calls_say_so_before_any_work(scenes, tmp_path):
    (tmp_path / "empty").mkdir()
    for truth, names, out, said in [
        (tmp_path / "gone", ["dis"], "f.json", "no folder or CSV file .*gone"),
        (tmp_path / "empty", ["dis"], "f.json", "holds no scene with true flow: expected folders with frame10.png"),
        (scenes, ["horn"], "f.json", "unknown flow estimator 'horn'"),
        (scenes, ["raft:weights=/nowhere/raft.pth"], "f.json", "^raft "),
        (scenes, ["dis"], "f.txt", "end in .json"),
        (tmp_path / "pairs.csv", ["dis"], "pairs.json", r"would overwrite .*pairs\.csv: choose another name"),
    ]:
        with pytest.raises((ConfigError, DataError), match=said):
            evaluate_flow(truth, names, tmp_path / out)
    assert not list(tmp_path.glob("f.*"))


@pytest.mark.shared
def test_known_endpoint_errors_of_real_scenes(shared_data):
    found = evaluate_flow(shared_data / "flow", ["dis:preset=medium"])
    errors = {row["scene"]: row["endpoint"] for row in found.scenes if row["estimator"] != NO_MOTION}
    assert errors["RubberWhale_gray"] == pytest.approx(0.22, rel=0.15)
    assert errors["sintel_cave_2_clean"] == pytest.approx(1.6, rel=0.15)
    assert not found.left_out
