"""Folders of numbered pictures, read like videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video_samples import brightness, flat_frames

from kinema.data.labels import LabelledSet
from kinema.errors import VideoError
from kinema.video import HeldVideo, Video, find_videos, scan_folder
from kinema.video.pictures import are_frames


def unpack(folder: Path, count: int = 12, name: str = "{:05}.jpg", first: int = 1) -> Path:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(flat_frames(count), start=first):
        Image.fromarray(pixels).save(folder / name.format(number), quality=95)
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve pictures at 12 a second, in a folder of a folder of a data set."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set/fps.txt").write_text("12\n")
    return unpack(tmp_path / "set/videos/34870")


@pytest.mark.parametrize(
    ("name", "first"), [("{:05}.jpg", 1), ("img_{:06}.png", 0), ("frame_{:010}.jpg", 7), ("image_{:04}.jpg", 95)]
)
def test_frames_and_times_are_those_of_the_pictures(tmp_path: Path, name: str, first: int):
    folder = unpack(tmp_path / "100 % % 1%d/x", 12, name, first)
    (folder / "fps.txt").write_text("12.5")
    with Video(folder) as video:
        whole = video.read()
        assert brightness(whole.frames) == list(range(12)) and whole.warning == ""
        assert whole.timestamps == pytest.approx(np.arange(12) / 12.5)
        assert brightness(video.at_times([0.6, 0.1, 5.0]).frames) == [7, 1, 11]
        assert brightness(video.at_indices([9, 2]).frames) == [9, 2]
        assert (video.info.fps, video.info.width, video.info.height, video.info.frames) == (12.5, 64, 48, 0)
        assert video.info.duration == pytest.approx(12 / 12.5)
        assert brightness(HeldVideo(whole).at_times([0.6, 0.1]).frames) == [7, 1]


def test_a_folder_of_pictures_is_a_row_of_the_scan(clip: Path):
    (entry,) = scan_folder(clip.parents[1], progress=False)
    assert (entry.path, entry.status, entry.frames, entry.fps) == ("videos/34870", "ok", 12, 12.0)
    assert entry.duration == pytest.approx(1.0)
    assert entry.bytes == sum(path.stat().st_size for path in clip.iterdir())
    videos, others = find_videos(clip.parents[1])
    assert (videos, others) == ([clip], [clip.parents[1] / "fps.txt"])


def test_a_table_may_name_folders(clip: Path, tmp_path: Path):
    unpack(clip.parent / "34871")
    rows = "".join(f"{name},{label}\n" for name in ("34870", "34871") for label in ["a"])
    other = "".join(f"{unpack(clip.parent / name).name},b\n" for name in ("1", "2"))
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}{other}")
    labelled = LabelledSet.read(clip.parent, tmp_path / "labels.csv")
    assert [path.is_dir() for path in labelled.paths] == [True] * 4


def without_clock(folder: Path) -> None:
    (folder.parents[1] / "fps.txt").unlink()


def with_a_word_for_a_clock(folder: Path) -> None:
    (folder.parents[1] / "fps.txt").write_text("twelve")


def with_a_gap(folder: Path) -> None:
    (folder / "00005.jpg").unlink()


def in_two_widths(folder: Path) -> None:
    (folder / "00012.jpg").rename(folder / "0012.jpg")


def with_a_broken_picture(folder: Path) -> None:
    (folder / "00001.jpg").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (without_clock, "pictures have no clock; write how many make a second into a file fps.txt"),
        (with_a_word_for_a_clock, "fps.txt should hold the number of its pictures that make a second"),
        (with_a_gap, "its pictures cannot be put in order: picture 5 is missing; extract them anew"),
        (in_two_widths, "its pictures cannot be put in order: their numbers differ in length"),
        (with_a_broken_picture, "no frame of it can be decoded"),
    ],
)
def test_what_cannot_be_read_says_why(clip: Path, spoil, complaint: str):
    spoil(clip)
    with pytest.raises(VideoError, match=complaint):
        Video(clip)
    (entry,) = scan_folder(clip.parent, progress=False)
    assert entry.status == "unreadable" and complaint in entry.error


@pytest.mark.parametrize(
    "names",
    [
        ["00001.jpg"],
        ["00001.jpg", "poster.jpg"],
        ["00001.jpg", "00002.png"],
        ["img_00001.jpg", "flow_x_00001.jpg", "flow_y_00001.jpg"],
        ["frame10.png", "frame11.png"],
        ["00001.jpg", "00002.jpg", "a.mp4"],
    ],
)
def test_other_folders_are_folders(names: list[str]):
    assert not are_frames(names)
    assert are_frames(["00001.jpg", "00002.jpg", "fps.txt"])
