from __future__ import annotations

import csv
import errno
import itertools
import json
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from kinema.data.synthetic import DIFFICULTIES, SCENES, SHAPES, SynthConfig, load_true_flow, plan, render, synthesise
from kinema.errors import ConfigError, DataError, OutputError

SMALL = {"videos": 6, "frames": 8, "size": 32, "test_share": 0.34}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth")
    synthesise(out, **SMALL)
    return out


def test_the_folder_holds_videos_labels_flow_and_parameters(small: Path) -> None:
    names = [f"train/0000{i}" for i in range(4)] + [f"test/0000{i}" for i in range(2)]
    files = {"labels.csv", "synth.json", *(f"{n}.mp4" for n in names), *(f"flow/{n}.npz" for n in names)}
    assert set(contents(small)) == files
    with open(small / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "split", "motion", "scene", "shape"]
    assert [row["file"] for row in rows] == [f"{name}.mp4" for name in names]
    assert all(row["file"].startswith(row["split"] + "/") for row in rows)
    assert {row["motion"] for row in rows} <= set(DIFFICULTIES["default"].motions)
    parameters = json.loads((small / "synth.json").read_text())
    assert parameters.items() >= {"seed": 0, "difficulty": "default", **SMALL}.items()


def test_the_files_hold_what_was_rendered(tmp_path: Path) -> None:
    synthesise(tmp_path / "out", videos=2, test_share=0.5)
    for spec in plan(SynthConfig(videos=2, test_share=0.5)):
        rendered = render(spec, DIFFICULTIES["default"])
        with av.open(str(tmp_path / "out" / f"{spec.name}.mp4")) as container:
            stream = container.streams.video[0]
            decoded = list(container.decode(stream))
            assert (stream.average_rate, stream.frames, stream.codec.name) == (16, 32, "h264")
        assert [frame.time for frame in decoded] == pytest.approx(np.arange(32) / 16)
        error = np.stack([frame.to_ndarray(format="rgb24") for frame in decoded]) - rendered.frames.astype(float)
        luma = error @ [0.299, 0.587, 0.114]  # the codec halves the resolution of colour, not of luma
        assert 10 * np.log10(255**2 / np.mean(luma**2)) > 36
        flow = load_true_flow(tmp_path / "out" / "flow" / f"{spec.name}.npz")
        assert flow.shape == (31, 2, 64, 64)
        assert flow.dtype == np.float32
        np.testing.assert_allclose(flow, rendered.flow, atol=1 / 512 + 1e-5)


def test_the_same_parameters_give_the_same_bytes_whatever_the_workers(small: Path, tmp_path: Path) -> None:
    synthesise(tmp_path / "again", **SMALL, workers=2)
    assert contents(tmp_path / "again") == contents(small)


def test_another_seed_gives_other_videos_and_labels(small: Path, tmp_path: Path) -> None:
    synthesise(tmp_path / "other", **SMALL, seed=1)
    before, after = contents(small), contents(tmp_path / "other")
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)


def test_an_interrupted_run_is_completed_and_nothing_is_made_twice(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert synthesise(out, **SMALL).made == 6
    for lost in ("labels.csv", "train/00001.mp4", "flow/test/00000.npz"):
        (out / lost).unlink()
    kept = (out / "train/00000.mp4").stat().st_mtime_ns
    summary = synthesise(out, **SMALL)
    assert (summary.made, summary.train, summary.test) == (2, 4, 2)
    assert contents(out) == contents(small)
    assert (out / "train/00000.mp4").stat().st_mtime_ns == kept


def test_a_folder_with_other_parameters_is_refused_and_left_alone(small: Path) -> None:
    before = contents(small)
    with pytest.raises(OutputError, match=r"seed 0 there, 5 asked.*choose a new folder"):
        synthesise(small, **SMALL, seed=5)
    assert contents(small) == before


@pytest.mark.parametrize("name", ["notes.txt", "synth.json"])
def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("not ours")
    with pytest.raises(OutputError, match="is not empty and holds no synthetic videos"):
        synthesise(tmp_path, **SMALL)
    assert contents(tmp_path) == {name: b"not ours"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(OutputError, match=f"cannot write {out}"):
            synthesise(out, **SMALL)


def test_a_full_disk_stops_with_one_sentence_and_keeps_what_is_whole(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "00002" in path.name:
            write(path, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"cannot write .*00002.mp4: No space left on device"):
        synthesise(tmp_path / "out", **SMALL)
    left = contents(tmp_path / "out")
    assert {name for name in left if name.endswith(".mp4")} == {"train/00000.mp4", "train/00001.mp4"}
    assert all(contents(small)[name] == data for name, data in left.items())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"difficulty": "extreme"}, "unknown difficulty 'extreme': choose one of easy, default, hard"),
        ({"videos": 0}, "videos must be at least 1, not 0"),
        ({"seed": -1}, "seed must not be negative"),
        ({"size": 63}, "size must be even"),
        ({"frames": 1}, "frames must be at least 2"),
        ({"fps": 0}, "fps must lie between 1 and 120"),
        ({"test_share": 1.0}, "test_share must be at least 0 and below 1"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"kinds": ("person",)}, "kinds are of figures, not of default"),
        ({"difficulty": "figures", "kinds": ("person", "robot")}, "unknown kind 'robot': choose from person, pair"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        synthesise(tmp_path / "out", **{**SMALL, **wrong})
    assert not (tmp_path / "out").exists()


def test_a_number_says_of_no_setting_which_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="takes its settings by name, or all as one value; 48 says of none"):
        synthesise(tmp_path, 48)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "truncated"])
def test_a_flow_that_cannot_be_read_is_named(small: Path, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "00000.npz"
    whole = (small / "flow/train/00000.npz").read_bytes()
    if damage != "missing":
        path.write_bytes({"empty": b"", "text": b"hello", "truncated": whole[: len(whole) // 2]}[damage])
    with pytest.raises(DataError, match=r"00000\.npz"):
        load_true_flow(path)


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_labels_are_balanced_and_independent(difficulty: str) -> None:
    specs = plan(SynthConfig(videos=1000, difficulty=difficulty))
    for split, count in (("train", 800), ("test", 200)):
        chosen = [spec for spec in specs if spec.split == split]
        assert [spec.index for spec in chosen] == list(range(count))
        names = {"motion": DIFFICULTIES[difficulty].motions, "scene": SCENES, "shape": SHAPES}
        for label, values in names.items():
            counts = Counter(getattr(spec, label) for spec in chosen)
            assert set(counts) == set(values)
            assert max(counts.values()) - min(counts.values()) <= 1
        for one, other in itertools.combinations(names, 2):
            table = np.zeros((len(names[one]), len(names[other])))
            for spec in chosen:
                table[list(names[one]).index(getattr(spec, one)), list(names[other]).index(getattr(spec, other))] += 1
            assert chi2_contingency(table).pvalue > 0.001, (one, other)


@given(videos=st.integers(1, 300), seed=st.integers(0, 2**31), share=st.floats(0, 0.9))
@settings(max_examples=25, deadline=None)
def test_any_number_of_videos_is_balanced(videos: int, seed: int, share: float) -> None:
    specs = plan(SynthConfig(videos=videos, seed=seed, test_share=share))
    assert len(specs) == videos
    assert len({spec.name for spec in specs}) == videos
    for split in ("train", "test"):
        chosen = [spec for spec in specs if spec.split == split]
        for label, kinds in (("motion", 12), ("scene", 8), ("shape", 8)):
            counts = Counter(getattr(spec, label) for spec in chosen)
            assert len(counts) == min(kinds, len(chosen))
            assert not counts or max(counts.values()) - min(counts.values()) <= 1
        pairs = Counter((spec.motion, spec.scene) for spec in chosen)
        assert not pairs or max(pairs.values()) <= -(-len(chosen) // 96)
