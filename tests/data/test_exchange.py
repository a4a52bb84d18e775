"""Flow of others into a store, and a store's flow to others."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.cli import main
from kinema.config import ExtractConfig
from kinema.data.extraction import store_reader
from kinema.flow import read_flow, write_flow
from kinema.flow.container import open_video_flow
from kinema.flow.store import stored_names

OPTIONS = ["--estimator", "dis", "--short-side", "64"]
BOUND = 20.0
FIELDS = 39


def kinema_flow(*words: object) -> int:
    return main(["flow", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def store(folder, tmp_path_factory) -> Path:
    """The flow of the three known videos, at every frame."""
    out = tmp_path_factory.mktemp("extracted") / "store"
    assert kinema_flow("extract", folder, "--out", out, *OPTIONS, "--workers", 0) == 0
    return out


def fields(store: Path, name: str) -> np.ndarray:
    flow = open_video_flow(store / f"{name}.flow")
    return flow.read(range(len(flow)))


def test_flo_files_there_and_back(store, folder, tmp_path, capsys):
    assert kinema_flow("export", store, "--out", tmp_path / "flo", "--format", "flo") == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "flo" / name) for name in ("back", "count", "slide")]
    back = fields(store, "back.mp4")
    files = sorted((tmp_path / "flo" / "back").iterdir())
    assert [path.name for path in files] == [f"flow_{number:05d}.flo" for number in range(1, FIELDS + 1)]
    assert np.array_equal(np.stack([read_flow(path)[0] for path in files]), back)
    assert kinema_flow("import", tmp_path / "flo", folder, "--out", tmp_path / "again", *OPTIONS) == 0
    for name in stored_names(store):
        first, second = (open_video_flow(path / f"{name}.flow") for path in (store, tmp_path / "again"))
        assert np.array_equal(first.index["begin"], second.index["begin"])
        error = np.abs(first.read(range(FIELDS)) - second.read(range(FIELDS))).max(axis=(1, 2, 3))
        assert (error <= 0.501 * second.index["step"]).all()


def test_an_unreadable_video_is_named_and_the_others_are_imported(store, folder, tmp_path, capsys):
    """It has no frame rate, so that nothing can be reckoned about its fields."""
    assert kinema_flow("export", store, "--out", tmp_path / "flo", "--format", "flo") == 0
    shutil.copytree(folder, tmp_path / "videos")
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"no video")
    capsys.readouterr()
    assert kinema_flow("import", tmp_path / "flo", tmp_path / "videos", "--out", tmp_path / "again", *OPTIONS) == 0
    output, errors = capsys.readouterr()
    assert "3 videos added, 0 found, 1 left out" in output
    assert [line for line in errors.splitlines() if line.startswith("left out: broken.mp4: ")]
    assert stored_names(tmp_path / "again") == stored_names(store)


def test_pictures_there_and_back(store, folder, tmp_path):
    """Within the levels of the grey pictures and what JPEG does to them, which is decoded here by itself."""
    assert kinema_flow("export", store, "--out", tmp_path / "jpg", "--bound", BOUND) == 0
    names = sorted(path.name for path in (tmp_path / "jpg" / "slide").iterdir())
    assert names == sorted(f"flow_{axis}_{number:05d}.jpg" for axis in "xy" for number in range(1, FIELDS + 1))
    assert kinema_flow("import", tmp_path / "jpg", folder, "--out", tmp_path / "again", *OPTIONS) == 0
    for name in ("slide", "back"):
        before, after = fields(store, f"{name}.mp4"), fields(tmp_path / "again", f"{name}.mp4")
        for number in (0, 20, FIELDS - 1):
            levels = np.stack(
                [
                    cv2.imread(str(tmp_path / "jpg" / name / f"flow_{axis}_{number + 1:05d}.jpg"), cv2.IMREAD_GRAYSCALE)
                    for axis in "xy"
                ]
            )
            assert np.abs(levels - (before[number].clip(-BOUND, BOUND) + BOUND) * 255 / (2 * BOUND)).mean() < 1
            assert np.abs(after[number] - (levels * (2 * BOUND / 255) - BOUND)).max() < 0.07  # half a step
        assert np.median(np.abs(after - before)) < 2 * BOUND / 255


def test_longer_components_are_cut(store, folder, tmp_path):
    assert kinema_flow("export", store, "--out", tmp_path / "jpg", "--bound", 1) == 0
    picture = cv2.imread(str(tmp_path / "jpg" / "slide" / "flow_x_00010.jpg"), cv2.IMREAD_GRAYSCALE)
    assert np.median(picture) == 255  # it slides by 2 pixels a frame


def test_what_is_imported_is_read_in_training(store, folder, entries, tmp_path):
    """Fields of 1, 2, ... pixels, whose files are numbered from 0 and not padded with zeros."""
    (tmp_path / "flo" / "slide").mkdir(parents=True)
    for number in range(FIELDS):
        write_flow(tmp_path / "flo" / "slide" / f"{number}.flo", np.full((2, 64, 64), number + 1.0, np.float32))
    assert kinema_flow("import", tmp_path / "flo", folder, "--out", tmp_path / "store", *OPTIONS) == 0
    reader = store_reader(folder, tmp_path / "store", ExtractConfig(estimator="dis", short_side=64))
    found = reader.fields(entries["slide"], np.array([3, 12, 38]))
    assert found[:, 0, 5, 5].tolist() == pytest.approx([4, 13, 39], abs=0.07)


BAD = {
    "missing": (
        lambda path: [file.unlink() for file in path.iterdir()],
        "holds no .flo files, and no pairs of flow_x_",
    ),
    "unpaired": (lambda path: (path / "flow_y_00004.jpg").unlink(), "holds no .flo files, and no pairs of flow_x_"),
    "gap": (
        lambda path: [(path / f"flow_{axis}_00004.jpg").unlink() for axis in "xy"],
        "holds 38 fields from number 1 to 39, but 39 in a row were expected: name the step that they were made with",
    ),
    "damaged": (
        lambda path: (path / "flow_x_00007.jpg").write_bytes(b"no"),
        "flow_x_00007.jpg is damaged or no picture",
    ),
    "size": (
        lambda path: cv2.imwrite(str(path / "flow_x_00007.jpg"), np.zeros((9, 9), np.uint8)),
        "flow_x_00007.jpg and {path}/flow_y_00007.jpg differ in size",
    ),
    "sizes": (
        lambda path: [cv2.imwrite(str(path / f"flow_{axis}_00007.jpg"), np.zeros((9, 9), np.uint8)) for axis in "xy"],
        "the field at 0.406 s has another size than those before",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_files_that_do_not_fit_are_reported_and_the_others_imported(store, folder, tmp_path, capsys, kind):
    assert kinema_flow("export", store, "--out", tmp_path / "jpg") == 0
    spoil, words = BAD[kind]
    spoil(tmp_path / "jpg" / "back")
    capsys.readouterr()
    assert kinema_flow("import", tmp_path / "jpg", folder, "--out", tmp_path / "store", *OPTIONS) == 0
    output, errors = capsys.readouterr()
    assert output.startswith(f"{tmp_path / 'store'}: 2 videos added, 0 found, 1 left out\n")
    assert errors.startswith("left out: back.mp4: ") and words.format(path=tmp_path / "jpg" / "back") in errors
    assert stored_names(tmp_path / "store") == ["count.mp4", "slide.mp4"]


def test_videos_that_would_share_a_folder(store, tmp_path, refused):
    twice = shutil.copytree(store, tmp_path / "store")
    shutil.copy(twice / "back.mp4.flow", twice / "back.avi.flow")
    sentence = refused("flow", "export", twice, "--out", tmp_path / "out")
    assert "back.avi and back.mp4 would share the folder back: rename or move one of them" in sentence
    assert not (tmp_path / "out").exists()


def test_what_is_no_store_cannot_be_exported(folder, tmp_path, refused):
    sentence = refused("flow", "export", folder, "--out", tmp_path / "out")
    assert sentence.endswith(f"{folder} is no flow store: make one with `kinema flow extract`")
