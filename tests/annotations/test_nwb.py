"""Files of NWB, whose tables have columns of their users' choice."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kinema.annotations import Interval, read_intervals, write_intervals
from kinema.errors import DataError, OutputError

h5py = pytest.importorskip("h5py", reason="needs h5py: pip install kinema[pose]")
pynwb = pytest.importorskip("pynwb", reason="needs PyNWB: pip install kinema[nwb]")


@pytest.fixture
def session():
    return pynwb.NWBFile(
        session_description="a mouse", identifier="m1", session_start_time=datetime(2024, 5, 1, tzinfo=UTC)
    )


def written(session, path):
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(session)
    return path


def add_video(session, name="camera", begin=10.0):
    session.add_acquisition(
        pynwb.image.ImageSeries(
            name=name, external_file=[f"{name}.mp4"], format="external", timestamps=[begin, begin + 0.04]
        )
    )


def test_intervals_trials_and_events_are_read_in_the_videos_time(session, tmp_path):
    add_video(session)
    table = pynwb.epoch.TimeIntervals(name="grooming", description="bouts")
    table.add_interval(start_time=11.0, stop_time=12.5)
    session.add_time_intervals(table)
    session.add_trial_column("label", "stage")
    session.add_trial(start_time=13.0, stop_time=14.0, label="reach")
    events = pynwb.event.EventsTable(name="licks", description="by hand")
    events.add_column(name="event_type", description="kind")
    events.add_row(timestamp=15.0, event_type="lick")
    session.add_events_table(events)
    found, read = read_intervals(written(session, tmp_path / "session.nwb"))
    assert found.name == "nwb"
    assert read == [
        Interval("camera.mp4", 1.0, 2.5, "grooming"),
        Interval("camera.mp4", 3.0, 4.0, "reach"),
        Interval("camera.mp4", 5.0, 5.0, "lick"),
    ]


def test_a_session_of_several_cameras_needs_a_column(session, tmp_path):
    add_video(session, "left")
    add_video(session, "right")
    session.add_epoch(start_time=11.0, stop_time=12.0, tags=["rest"])
    with pytest.raises(DataError, match="no column 'video'"):
        read_intervals(written(session, tmp_path / "session.nwb"))


def test_each_tag_of_an_epoch_is_a_label(session, tmp_path):
    add_video(session, begin=0.0)
    session.add_epoch(start_time=1.0, stop_time=2.0, tags=["rest", "dark"])
    read = read_intervals(written(session, tmp_path / "session.nwb"))[1]
    assert [one.label for one in read] == ["dark", "rest"]


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.0.6", "its version of NWB is 1.0.6, and known is 2"),
        ("3.0.0", "its version of NWB is 3.0.0, and known is 2"),
        (None, "it says no version of NWB, and known is 2"),
    ],
)
def test_another_version_is_refused(session, tmp_path, refused, version, said):
    add_video(session)
    session.add_trial(start_time=13.0, stop_time=14.0)
    path = written(session, tmp_path / "session.nwb")
    with h5py.File(path, "a") as file:
        del file.attrs["nwb_version"]
        if version is not None:
            file.attrs["nwb_version"] = version
    assert f"{path}: {said}" in refused("labels", "convert", path, tmp_path / "made.csv")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nothing", "holds no labels"),
        ("early", "'trials' in camera.mp4 begins at -5 s"),
        ("cut", "cannot be read as NWB"),
    ],
)
def test_sessions_without_labels_before_the_video_or_cut_short_are_refused(session, tmp_path, refused, what, said):
    add_video(session)
    if what != "nothing":
        session.add_trial(start_time=5.0, stop_time=6.0)
    path = written(session, tmp_path / "session.nwb")
    if what == "cut":
        path.write_bytes(path.read_bytes()[:30_000])
    assert said in refused("labels", "convert", path, tmp_path / "made.csv")
    assert not (tmp_path / "made.csv").exists()


def test_a_table_that_lacks_a_column_is_refused(session, tmp_path, refused):
    add_video(session)
    session.add_trial(start_time=5.0, stop_time=6.0)
    path = written(session, tmp_path / "session.nwb")
    with h5py.File(path, "a") as file:
        del file["intervals/trials/stop_time"]
    assert f"{path}: it cannot be read as NWB" in refused("labels", "convert", path, tmp_path / "made.csv")


def test_other_files_of_hdf5_are_refused(tmp_path):
    (tmp_path / "other.nwb").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    with pytest.raises(DataError, match="cannot be read as NWB"):
        read_intervals(tmp_path / "other.nwb")


def test_where_a_disk_is_full_the_file_is_named(small_disk):
    disk, fill = small_disk
    fill()
    with pytest.raises(OutputError, match=r"cannot write .*labels\.nwb: No space left on device"):
        write_intervals(disk / "labels.nwb", [Interval("a.mp4", 0.0, 1.0, "walk")])
    assert [path.name for path in disk.iterdir()] == ["filling"]


def test_a_file_of_any_name_is_written_without_a_word_and_has_an_identifier_of_its_own(tmp_path, recwarn):
    one = Interval("a.mp4", 0.0, 1.0, "walk")
    paths = [write_intervals(tmp_path / name, [one], "nwb")[0] for name in ("labels", "labels.nwb")]
    assert not recwarn.list
    found = set()
    for path in paths:
        with pynwb.NWBHDF5IO(path, "r") as io:
            found.add(io.read().identifier)
    assert len(found) == 2 and not any("labels" in name for name in found)
