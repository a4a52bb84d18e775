"""Files of NWB, whose tables have columns of their users' choice."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime

import pytest

from kinema.annotations import Interval, read_intervals, write_intervals
from kinema.errors import ConfigError, DataError

if importlib.util.find_spec("pynwb") is None:

    def test_without_pynwb_it_is_named(tmp_path):
        path = tmp_path / "session.nwb"
        path.write_bytes(b"\x89HDF\r\n\x1a\n")
        with pytest.raises(ConfigError, match=r"kinema\[nwb\]"):
            read_intervals(path)
        with pytest.raises(ConfigError, match=r"kinema\[nwb\]"):
            write_intervals(tmp_path / "made.nwb", [Interval("a.mp4", 0, 1, "walk")])
        assert [one.name for one in tmp_path.iterdir()] == ["session.nwb"]

    pytest.skip("needs PyNWB: pip install kinema[nwb]", allow_module_level=True)

import pynwb
from pynwb.epoch import TimeIntervals
from pynwb.event import EventsTable
from pynwb.image import ImageSeries


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
        ImageSeries(name=name, external_file=[f"{name}.mp4"], format="external", timestamps=[begin, begin + 0.04])
    )


def test_intervals_trials_and_events_are_read_in_the_videos_time(session, tmp_path):
    add_video(session)
    table = TimeIntervals(name="grooming", description="bouts")
    table.add_interval(start_time=11.0, stop_time=12.5)
    session.add_time_intervals(table)
    session.add_trial_column("label", "stage")
    session.add_trial(start_time=13.0, stop_time=14.0, label="reach")
    events = EventsTable(name="licks", description="by hand")
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


def test_other_files_of_hdf5_are_refused(tmp_path):
    (tmp_path / "other.nwb").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    with pytest.raises(DataError, match="cannot be read as NWB"):
        read_intervals(tmp_path / "other.nwb")
