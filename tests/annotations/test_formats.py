"""What is read of files as each tool writes them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kinema.annotations import Interval, LabelledVideos, read_intervals

SAMPLES = Path(__file__).parent / "samples"
WALK, PECK = "walk", "peck"

READ = {
    "intervals.csv": (
        "csv",
        [
            Interval("b, c.mp4", 10.25, 12, "stand, still", "hen 2"),
            Interval("barn/a.mp4", 1.5, 3, WALK, "hen 1"),
            Interval("barn/a.mp4", 4, 4, PECK),
        ],
    ),
    "project.boris": (  # the offset of 100 s goes, and what lasts from one video into the next is in both
        "boris",
        [
            Interval("C:/videos/a.mp4", 1.5, 3, WALK, "hen 1"),
            Interval("C:/videos/a.mp4", 2, 10, WALK),
            Interval("C:/videos/a.mp4", 3.5, 3.5, PECK, "hen 1"),
            Interval("C:/videos/b.mp4", 0, 2, WALK),
        ],
    ),
    "events.tsv": (
        "boris-events",
        [
            Interval("a.mp4", 1.5, 3, WALK, "hen 1"),
            Interval("a.mp4", 3.5, 3.5, PECK, "hen 1"),
            Interval("b.mp4", 2, 4, WALK),
        ],
    ),
    "elan.eaf": (  # the document begins a second after the video, and a slot without a time lies between two
        "elan",
        [
            Interval("C:/Users/ann/a b.mp4", 1.5, 2.5, "wave", "Ann"),
            Interval("C:/Users/ann/a b.mp4", 2.5, 3.5, "point & nod", "Ann"),
            Interval("C:/Users/ann/a b.mp4", 3.5, 4, "gaze"),
        ],
    ),
    "cvat_video.xml": (  # at 25 frames a second; the last shape stays to the end of the task
        "cvat",
        [
            Interval("a.mp4", 0.4, 0.48, WALK, "hen 1"),
            Interval("a.mp4", 0.8, 0.84, PECK),
            Interval("a.mp4", 1.6, 2, WALK, "hen 1"),
        ],
    ),
    "cvat_images.xml": (
        "cvat",
        [
            Interval("a.mp4", 0, 0.08, WALK),
            Interval("a.mp4", 0.04, 0.08, PECK),
            Interval("a.mp4", 0.16, 0.2, WALK),
        ],
    ),
    "label_studio.json": (
        "label-studio",
        [
            Interval("a.mp4", 1, 2, WALK),
            Interval("a.mp4", 4, 5, "hen"),
            Interval("a.mp4", 4.5, 6.25, PECK),
            Interval("a.mp4", 9, 10, "hen"),
            Interval("barn/b.mp4", 0, 1, WALK, None, 0.75),
        ],
    ),
    "label_studio_min.json": ("label-studio", [Interval("hens/a.mp4", 1, 2, WALK)]),
    "via.json": (
        "via",
        [
            Interval("a.mp4", 1.5, 3.25, WALK, "hen 1"),
            Interval("b.mp4", 0, 2, "cluck"),
            Interval("b.mp4", 0, 2, "crow"),
            Interval("b.mp4", 0, 2, "stand still"),
        ],
    ),
    "samples.json": (
        "fiftyone",
        [
            Interval("data/a.mp4", 0, 0.2, "step"),
            Interval("data/a.mp4", 1, 2, WALK, None, 0.9),
            Interval("data/a.mp4", 4, 4.04, PECK, "hen 1"),
        ],
    ),
    "activitynet.json": ("activitynet", [Interval("v_0001", 6.25, 80.5, "Walking")]),
    "activitynet_results.json": ("activitynet", [Interval("v_0001", 2.75, 59.5, "Walking", None, 0.64)]),
}


@pytest.mark.parametrize("name", READ)
def test_a_file_of_each_tool_is_known_and_read(name):
    expected, intervals = READ[name]
    found, read = read_intervals(SAMPLES / name, videos=LabelledVideos(fps=25))
    assert found.name == expected
    assert read == intervals


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("project.boris", "1 observations without video files"),
        ("project.boris", "modifiers of 1 events"),
        ("elan.eaf", "1 annotations without times of their own"),
        ("label_studio.json", "1 regions without labels of a time"),
        ("via.json", "2 regions and notes"),
    ],
)
def test_what_is_left_out_on_reading_is_said(name, said):
    videos = LabelledVideos(fps=25)
    read_intervals(SAMPLES / name, videos=videos)
    assert any(said in note for note in videos.notes)


def test_a_frame_rate_in_the_file_counts_unless_the_user_gives_one():
    times = [read_intervals(SAMPLES / "samples.json", videos=LabelledVideos(fps=fps))[1][1] for fps in (None, 50)]
    assert [(one.start, one.end) for one in times] == [(1, 2), (0.5, 1)]


def test_of_several_annotations_of_a_task_the_last_counts(tmp_path):
    def annotation(label):
        return {"result": [{"value": {"start": 1, "end": 2, "timeserieslabels": [label]}}]}

    tasks = [{"data": {"video": "a.mp4"}, "annotations": [annotation("first"), annotation("second")]}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    videos = LabelledVideos()
    assert read_intervals(tmp_path / "tasks.json", videos=videos)[1] == [Interval("a.mp4", 1, 2, "second")]
    assert videos.notes == ["1 tasks have several annotations, of which the last was taken"]


def test_a_folder_of_files_is_read_as_one(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"file,start,end,label\n{name}.mp4,1,2,walk\n")
    assert [one.file for one in read_intervals(tmp_path)[1]] == ["one.mp4", "two.mp4"]


def test_of_a_data_set_of_fiftyone_the_samples_are_read(tmp_path):
    shutil.copy(SAMPLES / "samples.json", tmp_path)
    (tmp_path / "metadata.json").write_text('{"version": "1.0"}')
    assert read_intervals(tmp_path)[1] == read_intervals(SAMPLES / "samples.json")[1]
