from __future__ import annotations

import json

import numpy as np
import pytest

from kinema.cli import main
from kinema.errors import DataError
from kinema.evaluation.representation import Representation
from kinema.evaluation.triplets import Triplet, evaluate_triplets, find_triplets


class Halved:
    """A whitening that forgets the second half of a feature."""

    def transform(self, features, /):
        return features[:, : features.shape[1] // 2]


def cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def test_figures_against_the_slow_reference(tmp_path):
    rng = np.random.default_rng(0)
    triplets = [Triplet("ab"[n % 2], f"example_{n}", tmp_path) for n in range(9)]
    values = rng.normal(size=(27, 6)) + 0.5
    for n in range(9):
        values[3 * n + 1] += 0.8 * values[3 * n]
    found = evaluate_triplets(triplets, Representation(values, Halved()), Representation(values[:, :2]))

    def slow(features, centred=False):
        refs, others = features[0::3], np.concatenate((features[1::3], features[2::3]))
        if centred:
            refs, others = refs - refs.mean(0), others - others.mean(0)
        near = np.array([[cosine(ref, other) for other in others] for ref in refs])
        first = [near[n].argmax() == n for n in range(9)]
        own = [near[n, n] > near[n, n + 9] for n in range(9)]
        return first, own

    for way, (first, own) in {
        "plain": slow(values),
        "centred": slow(values, centred=True),
        "whitened": slow(values[:, :3]),
    }.items():
        told = getattr(found.readout, way)
        assert (told.overall.r1, told.overall.own) == (np.mean(first), np.mean(own))
        assert told.categories["a"].r1 == np.mean(first[0::2]) and told.categories["b"].own == np.mean(own[1::2])
        assert told.categories["a"].triplets == 5
    assert found.pooled.whitened is None and found.pooled.plain.overall.own == np.mean(slow(values[:, :2])[1])
    assert (found.chance_r1, found.chance_own) == (1 / 18, 0.5)


def test_a_collapsed_encoder_is_never_right(tmp_path):
    triplets = [Triplet("a", f"example_{n}", tmp_path) for n in range(3)]
    same = Representation(np.ones((9, 4)))
    assert evaluate_triplets(triplets, same, same).readout.plain.overall.own == 0.0


@pytest.fixture
def folder(tmp_path, write_video):
    """Two categories of squares: the positive moves as its reference does, the negative the other way."""
    for number in range(4):
        place = tmp_path / "triplets" / ("across", "down")[number % 2] / f"example_{number + 8}"
        for part, sign in {"ref": 1, "positive": 1, "negative": -1}.items():
            frames = np.full((8, 36, 36, 3), 60 if part == "positive" else 30 * number, np.uint8)
            for t, frame in enumerate(frames):
                along = 12 + sign * (2 * t - 7)
                y, x = (along, 12) if number % 2 else (12, along)
                frame[y : y + 10, x : x + 10] = 220
            write_video(place / f"{part}.mp4", frames)
    return tmp_path / "triplets"


def test_from_a_folder_to_a_json_file(folder, tmp_path, capsys):
    out = tmp_path / "t.json"
    small = ["--clip.frames", 4, "--clip.step", 0.1, "--clip.size", "[32,32]", "--clip.short_side", 36]
    words = ["evaluate", "triplets", folder, "--encoder", "random", "--out", out, "--clips", 2, "--workers", 0, *small]
    assert main([str(word) for word in words]) == 0
    told = json.loads(out.read_text())
    assert told["protocol"] == "triplets" and told["data"]["triplets"] == 4 and len(told["files"]) == 12
    assert told["files"][:3] == [f"across/example_8/{part}.mp4" for part in ("ref", "positive", "negative")]
    assert told["result"]["plain"]["categories"].keys() == {"across", "down"}
    assert told["result"]["pooled"]["whitened"]["r1"] >= 0 and told["result"]["whitening"]["transductive"]
    assert told["spec"]["features"]["clip"]["size"] == [32, 32]
    said = capsys.readouterr().out
    assert "random: plain R@1" in said and "4 triplets" in said and "  across (2)" in said


def test_examples_come_by_category_and_number(folder):
    (folder / "across" / "notes.txt").touch()
    (folder / "across" / "example_8").rename(folder / "across" / "example_11")
    assert [(t.category, t.name) for t in find_triplets(folder)] == [
        ("across", "example_10"),
        ("across", "example_11"),
        ("down", "example_9"),
        ("down", "example_11"),
    ]


def test_a_missing_part_is_one_sentence(folder, tmp_path, capsys):
    (folder / "down" / "example_9" / "positive.mp4").unlink()
    assert main(["evaluate", "triplets", str(folder), "--encoder", "random"]) == 1
    said = capsys.readouterr().err
    assert "example_9 has no positive.mp4" in said and said.count("\n") == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no triplets; it needs CATEGORY"):
        find_triplets(tmp_path / "empty")
    with pytest.raises(DataError, match="is not a folder"):
        find_triplets(tmp_path / "nowhere")
