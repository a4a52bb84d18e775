"""Neurodata Without Borders (``.nwb``), through PyNWB: tables of intervals and of events, in seconds of the session.

The label is the first of the columns in :data:`LABELS` that is there, or else the table's name; the video a column
``video``, or else the one external file that the session's acquisition names, whose starting time counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from kinema.annotations.format import Format
from kinema.annotations.interval import Interval
from kinema.annotations.videos import LabelledVideos
from kinema.common.extras import needed_for
from kinema.errors import DataError, words_of

LABELS = ("label", "labels", "behavior", "behaviour", "event_type", "tags")
TABLE = "behaviour"
VERSION = "2"
"""Of the format, all of whose releases are read."""


def _pynwb() -> Any:
    with needed_for("a file of NWB"):
        import pynwb
    return pynwb


def _knows(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def _read(path: Path, videos: LabelledVideos) -> list[Interval]:
    pynwb = _pynwb()
    try:
        with pynwb.NWBHDF5IO(path, "r") as io:
            version = io.nwb_version[0]
            if version is None or version.split(".")[0] != VERSION:
                said = "it says no version of NWB" if version is None else f"its version of NWB is {version}"
                raise DataError(f"{said}, and known is {VERSION}; write it anew with PyNWB")
            session = io.read()
            external, begin = _external(pynwb, session)
            tables = [session.trials, session.epochs, *session.intervals.values(), *session.events.values()]
            unique = {table.name: table for table in tables if table is not None}
            return [one for table in unique.values() for one in _rows(table, external, begin)]
    except DataError:
        raise
    except Exception as error:  # HDF5, HDMF and PyNWB have errors of many kinds, some derived from no other
        raise DataError(f"it cannot be read as NWB ({words_of(error, 100)}); write it anew") from error


def _external(pynwb: Any, session: Any) -> tuple[str | None, float]:
    """The one video that a session names, and when it begins in the session; None if it names none or several."""
    series = [
        one for one in session.acquisition.values() if isinstance(one, pynwb.image.ImageSeries) and one.external_file
    ]
    files = [file for one in series for file in one.external_file]
    if len(files) != 1:
        return None, 0.0
    times = series[0].timestamps
    return str(files[0]), float(times[0] if times is not None and len(times) else series[0].starting_time or 0)


def _rows(table: Any, external: str | None, begin: float) -> Iterator[Interval]:
    point = "timestamp" in table.colnames
    name = next((one for one in LABELS if one in table.colnames), None)
    for row in table.to_dataframe().to_dict("records"):
        file, shift = (row["video"], 0.0) if "video" in row else (external, begin)
        if file is None:
            raise DataError(
                f"its table {table.name!r} has no column 'video', and the session names no video, or several"
            )
        start = float(row["timestamp" if point else "start_time"]) - shift
        length = float(row.get("duration", 0.0)) if point else 0.0
        end = start + (0.0 if length != length else length) if point else float(row["stop_time"]) - shift
        label = row[name] if name is not None else table.name
        sure = row.get("confidence")
        confidence = None if sure is None or float(sure) != float(sure) else float(sure)  # NaN where a row has none
        for text in [label] if isinstance(label, str) or not hasattr(label, "__len__") else list(label):
            yield Interval.of(file, start, end, text, row.get("subject"), confidence)


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    """A table of intervals, whose times are those of each video."""
    pynwb = _pynwb()
    import h5py  # which PyNWB needs

    session = pynwb.NWBFile(
        session_description="labels of videos, in seconds from each video's first frame",
        identifier=str(uuid4()),
        session_start_time=datetime.now(UTC),
    )
    table = pynwb.epoch.TimeIntervals(name=TABLE, description="labelled stretches of videos")
    table.add_column(name="label", description="what happens")
    table.add_column(name="video", description="the video's path")
    optional = [name for name in ("subject", "confidence") if any(getattr(one, name) is not None for one in intervals)]
    missing: dict[str, Any] = {"subject": "", "confidence": float("nan")}
    for name in optional:
        table.add_column(name=name, description={"subject": "who does it", "confidence": "from 0 to 1"}[name])
    for one in intervals:
        values = {name: missing[name] if (value := getattr(one, name)) is None else value for name in optional}
        table.add_interval(start_time=one.start, stop_time=one.end, label=one.label, video=one.file, **values)
    session.add_time_intervals(table)
    content = BytesIO()  # where a disk is full, HDF5 cannot even close its file
    with h5py.File(content, "w") as file, pynwb.NWBHDF5IO(mode="w", file=file) as io:
        io.write(session)
    path.write_bytes(content.getvalue())


FORMAT = Format("nwb", "NWB", "nwb", ".nwb", _knows, _read, _write)
