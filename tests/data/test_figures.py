from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.stats import chi2_contingency

from kinema.data.synthetic import FIGURE_MOTIONS, FigureSpec, SynthConfig, plan, render_figures, synthesise
from kinema.data.synthetic.figures.camera import CAMERAS, develop, move_camera
from kinema.data.synthetic.figures.cast import KINDS
from kinema.data.synthetic.figures.palettes import PALETTES
from kinema.data.synthetic.figures.scenery import SCENES, draw_scenery
from kinema.data.synthetic.figures.stage import Stage
from kinema.errors import OutputError

SMALL = {"difficulty": "figures", "videos": 6, "frames": 8, "size": 32, "test_share": 0.34}
STAGE = Stage(1.3, 1.0, 32, np.arange(16) / 12)
COLUMNS = {"motion": FIGURE_MOTIONS, "scene": SCENES, "palette": PALETTES, "camera": CAMERAS}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("figures")
    synthesise(out, **SMALL)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_videos_labels_and_parameters_but_no_flow(small: Path) -> None:
    names = [f"train/0000{i}.mp4" for i in range(4)] + [f"test/0000{i}.mp4" for i in range(2)]
    assert set(contents(small)) == {"labels.csv", "synth.json", *names}
    with open(small / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "split", "kind", "motion", "scene", "palette", "camera"]
    assert [row["file"] for row in rows] == names
    for row in rows:
        assert row["file"].startswith(row["split"] + "/")
        assert FIGURE_MOTIONS[row["motion"]][0] == row["kind"]
    assert json.loads((small / "synth.json").read_text()).items() >= SMALL.items()


def test_the_files_hold_what_was_rendered(small: Path) -> None:
    for spec in plan(SynthConfig(**SMALL)):
        frames = render_figures(spec, 32, 8)
        with av.open(str(small / f"{spec.name}.mp4")) as container:
            decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        assert decoded.shape == frames.shape
        assert min(frames.shape[1:3]) == 32
        luma = (decoded - frames.astype(float)) @ [0.299, 0.587, 0.114]
        assert 10 * np.log10(255**2 / np.mean(luma**2)) > 30


def test_kinds_alone_are_seen_each_motion_equally_often(small: Path, tmp_path: Path) -> None:
    asked = {**SMALL, "videos": 54, "test_share": 0.0}
    counts = Counter(spec.motion for spec in plan(SynthConfig(**asked, kinds=("pair", "hand"))))
    assert {motion.split("_")[0] for motion in counts} == {"pair", "hand"}
    people = Counter(spec.motion for spec in plan(SynthConfig(**asked, kinds=("person",))))
    assert people == dict.fromkeys((motion for motion in FIGURE_MOTIONS if motion.startswith("person_")), 2)
    assert synthesise(tmp_path, **{**SMALL, "kinds": ("mouth",)}).made == 6
    assert synthesise(tmp_path, **{**SMALL, "kinds": ("mouth",)}).made == 0
    with pytest.raises(OutputError, match=r"kinds \['mouth'\] there, None asked"):
        synthesise(tmp_path, **SMALL)
    assert "kinds" not in json.loads((small / "synth.json").read_text()), "older folders are known again"


def test_the_same_parameters_give_the_same_bytes_whatever_the_workers(small: Path, tmp_path: Path) -> None:
    synthesise(tmp_path / "again", **SMALL, workers=2)
    assert contents(tmp_path / "again") == contents(small)


def test_another_seed_and_the_other_split_give_other_videos() -> None:
    def frames(split: str, seed: int) -> np.ndarray:
        return render_figures(FigureSpec(split, 3, "person_wave", "room", "any", "still", seed=seed), 32, 4)

    first = frames("train", 0)
    for other in (frames("train", 1), frames("test", 0)):
        assert other.shape != first.shape or np.abs(other.astype(float) - first).mean() > 1


@pytest.mark.parametrize("split", ["train", "test"])
def test_labels_are_dealt_evenly_and_independently(split: str) -> None:
    specs = [spec for spec in plan(SynthConfig(videos=4000, difficulty="figures")) if spec.split == split]
    for column, values in COLUMNS.items():
        counts = Counter(spec.labels[column] for spec in specs)
        assert set(counts) == set(values)
        if column != "motion":
            assert max(counts.values()) - min(counts.values()) <= 1
    kinds = list(KINDS)
    for column in ("scene", "palette", "camera"):
        table = np.zeros((len(kinds), len(COLUMNS[column])))
        for spec in specs:
            table[kinds.index(spec.labels["kind"]), list(COLUMNS[column]).index(spec.labels[column])] += 1
        assert chi2_contingency(table).pvalue > 0.001, column


def test_motions_of_a_kind_occur_as_often_as_it_says() -> None:
    rounds = sum(len(kind.motions) * kind.often for kind in KINDS.values())
    counts = Counter(spec.motion for spec in plan(SynthConfig(rounds, difficulty="figures", test_share=0.0)))
    assert counts == {motion: KINDS[kind].often for motion, (kind, _) in FIGURE_MOTIONS.items()}


@pytest.mark.parametrize("motion", FIGURE_MOTIONS)
def test_colours_do_not_decide_how_anything_moves(motion: str) -> None:
    """The same draws in two palettes: the same outlines at all times, in other colours."""
    kind, name = FIGURE_MOTIONS[motion]
    acts = [
        KINDS[kind].stages(name, STAGE, PALETTES[palette], np.random.default_rng(5), np.random.default_rng(6))
        for palette in ("bright", "dark")
    ]
    one, other = acts
    assert len(one.parts) == len(other.parts)
    for a, b in zip(one.parts, other.parts, strict=True):
        np.testing.assert_array_equal(a.outline, b.outline)
    for (a, when), (b, then) in zip(one.modes, other.modes, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(when, then)
    if kind not in ("mouth", "deforming"):
        first, second = ([(part.colour, [c for _, c in part.marks]) for part in act.parts] for act in acts)
        assert first != second


@pytest.mark.parametrize("motion", FIGURE_MOTIONS)
def test_what_moves_is_mostly_seen_and_finite(motion: str) -> None:
    kind, name = FIGURE_MOTIONS[motion]
    seen = []
    for draw in range(4):
        movement, look = np.random.default_rng([1, draw]), np.random.default_rng([2, draw])
        act = KINDS[kind].stages(name, STAGE, PALETTES["any"], movement, look)
        if act.surface is not None:
            assert all(np.isfinite(field).all() and np.isfinite(amount).all() for field, amount in act.modes)
            seen.append(max(np.ptp(amount) * np.abs(field).max() for field, amount in act.modes) > 0.002)
            continue
        assert all(np.isfinite(part.outline).all() for part in act.parts)
        middles = np.stack([part.outline.mean(axis=1) for part in act.parts])
        inside = ((middles > 0) & (middles < (STAGE.width, STAGE.height))).all(axis=-1)
        seen.append(inside.any(axis=0).mean() > 0.4)
    assert np.mean(seen) > 0.5


@pytest.mark.parametrize("camera", CAMERAS)
def test_cameras_move_as_they_are_called(camera: str) -> None:
    middle, corner = (np.array([STAGE.width / 2, STAGE.height / 2, 1]), np.array([0, 0, 1.0]))
    for draw in range(4):
        views = move_camera(camera, STAGE, np.random.default_rng(draw))
        path, away = views @ middle, np.linalg.norm(views @ middle - views @ corner, axis=1)
        moved, grown = np.ptp(path, axis=0).max(), abs(away[-1] / away[0] - 1)
        if camera == "still":
            assert moved < 1e-9
        else:
            assert moved > 1e-4
        if camera == "pan":
            assert np.linalg.norm(path[-1] - path[0]) > 0.01
        if camera == "zoom":
            assert grown > 0.02


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_fills_its_backdrop(scene: str) -> None:
    scenery = draw_scenery(scene, STAGE, np.random.default_rng(3))
    assert scenery.image.shape == (*STAGE.backdrop, 3)
    assert scenery.image.dtype == np.uint8
    assert all(np.isfinite(field).all() for field, _ in scenery.modes + scenery.shades)


def test_a_still_camera_and_a_still_scene_show_a_still_picture() -> None:
    canvas = np.broadcast_to(np.random.default_rng(0).integers(0, 255, (1, 64, 96, 3), np.uint8), (5, 64, 96, 3)).copy()
    frames = develop(canvas, (32, 48), np.arange(5) / 10, np.random.default_rng(2))
    assert frames.shape == (5, 32, 48, 3)
    assert frames.dtype == np.uint8
    assert np.abs(np.diff(frames.astype(float), axis=0)).mean() < 12
