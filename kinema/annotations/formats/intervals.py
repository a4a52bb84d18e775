"""A table of intervals, the plainest format: ``file,start,end,label``, ``subject`` and ``confidence`` where known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.annotations.format import Format
from kinema.annotations.interval import Interval
from kinema.annotations.videos import LabelledVideos
from kinema.common.clock import seconds_of
from kinema.common.files import write_csv
from kinema.errors import DataError
from kinema.video.fragment import in_decimals

Table = tuple[list[str], list[dict[str, str]]]
NEEDED = ("file", "start", "end", "label")
OPTIONAL = ("subject", "confidence")


def _knows(table: Table) -> bool:
    return set(NEEDED) <= set(table[0])


def _read(table: Table, videos: LabelledVideos) -> Iterator[Interval]:
    """An empty end is that of a point."""
    for number, row in enumerate(table[1], 1):
        try:
            start = _seconds(row["start"])
            end = _seconds(row["end"]) if row["end"].strip() else start
            confidence = _share(row.get("confidence", "").strip())
            yield Interval.of(row["file"], start, end, row["label"], row.get("subject"), confidence)
        except (ValueError, DataError) as error:
            raise DataError(f"row {number}: {error}") from error


def _seconds(text: str) -> float:
    """Of plain numbers, and of minutes and seconds."""
    try:
        return float(text)
    except ValueError:
        return seconds_of(text)


def _share(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise DataError(f"the confidence {text!r} is no number; write one from 0 to 1, or nothing") from None


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    columns = [*NEEDED, *(name for name in OPTIONAL if any(getattr(one, name) is not None for one in intervals))]

    def fields(one: Interval) -> list[str]:
        texts = {"start": in_decimals(one.start), "end": in_decimals(one.end)}
        sure = "" if one.confidence is None else in_decimals(one.confidence)
        texts |= {"file": one.file, "label": one.label, "subject": one.subject or "", "confidence": sure}
        return [texts[name] for name in columns]

    write_csv(path, [columns, *map(fields, intervals)])


FORMAT = Format("csv", "plain CSV", "table", ".csv", _knows, _read, _write)
