"""BORIS's aggregated events: a table in which a state is one row with a start and a stop.

Times are those of the observation, which go on through its media and include its time offset.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.annotations.format import Format
from kinema.annotations.formats.boris import on_media
from kinema.annotations.formats.intervals import Table
from kinema.annotations.interval import Interval
from kinema.annotations.videos import LabelledVideos
from kinema.errors import DataError

NOBODY = "No focal subject"
COLUMNS = (
    "Observation id",
    "Observation date",
    "Description",
    "Observation type",
    "Source",
    "Time offset (s)",
    "Coding duration",
    "Media duration (s)",
    "FPS (frame/s)",
    "Subject",
    "Observation duration by subject by observation",
    "Behavior",
    "Behavioral category",
    "Behavior type",
    "Start (s)",
    "Stop (s)",
    "Duration (s)",
    "Media file name",
    "Image index start",
    "Image index stop",
    "Image file path start",
    "Image file path stop",
    "Comment start",
    "Comment stop",
)
"""As BORIS 8 writes them, where an ethogram has no modifiers and a project no variables."""


def _knows(table: Table) -> bool:
    return {"Observation id", "Behavior", "Start (s)", "Stop (s)"} <= set(table[0])


def _read(table: Table, videos: LabelledVideos) -> Iterator[Interval]:
    if "Media file name" not in table[0]:
        raise DataError("it has no column 'Media file name'; export the aggregated events anew, with BORIS 8")
    others = 0
    for number, row in enumerate(table[1], 1):
        if row.get("Observation type", "Media file") != "Media file":
            others += 1
            continue
        try:
            offset = float(row.get("Time offset (s)") or 0)
            start, end = (float(row[name]) - offset for name in ("Start (s)", "Stop (s)"))
        except ValueError as error:
            raise DataError(
                f"row {number} has no start or no stop; mend its states with BORIS and export it anew"
            ) from error
        media, lengths = _media(row)
        subject = "" if row.get("Subject") == NOBODY else row.get("Subject", "")
        yield from on_media(media, {"length": lengths}, start, end, row["Behavior"], subject)
    if others:
        videos.notes.append(f"{others} rows of observations without video files were left out")


def _media(row: dict[str, str]) -> tuple[list[str], dict[str, float]]:
    """The media of the first player, and the length of each; where there is one, its name will do."""
    name, source = row["Media file name"], row.get("Source", "")
    lengths = row.get("Media duration (s)", "").split("|")[0].split(";")
    if len(lengths) < 2 or not source.startswith("player #1:"):
        return [name], {}
    media = source.removeprefix("player #1:").split("|player #2:")[0].split(";")
    return media, {file: float(length) for file, length in zip(media, lengths, strict=True)}


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in intervals:
            info = videos.info(one.file)
            point = one.start == one.end
            known = {
                "Observation id": one.file,
                "Observation type": "Media file",
                "Source": f"player #1:{one.file}",
                "Time offset (s)": "0.0",
                "Media duration (s)": f"{info.duration:.3f}" if info else "NA",
                "FPS (frame/s)": f"{info.fps:.3f}" if info else "NA",
                "Subject": one.subject or NOBODY,
                "Behavior": one.label,
                "Behavioral category": "Not defined",
                "Behavior type": "POINT" if point else "STATE",
                "Start (s)": f"{one.start:.3f}",
                "Stop (s)": f"{one.end:.3f}",
                "Duration (s)": "NA" if point else f"{one.end - one.start:.3f}",
                "Media file name": one.file,
            }
            writer.writerow([known.get(name, "") for name in COLUMNS])


FORMAT = Format("boris-events", "BORIS's events", "table", ".tsv", _knows, _read, _write, confidence=False)
