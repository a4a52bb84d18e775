"""Annotations as ActivityNet's, and results as its challenge takes them: segments in seconds by video.

A video is known by a name without ending there; files that are written hold the whole name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kinema.annotations.format import Format
from kinema.annotations.interval import Interval
from kinema.annotations.videos import LabelledVideos
from kinema.common.files import write_json


def _knows(content: Any) -> bool:
    return isinstance(content, dict) and any(isinstance(content.get(name), dict) for name in ("database", "results"))


def _read(content: dict[str, Any], videos: LabelledVideos) -> Iterator[Interval]:
    if "database" in content:
        listed = {file: entry.get("annotations") or [] for file, entry in content["database"].items()}
    else:
        listed = content["results"]
    for file, segments in listed.items():
        for one in segments:
            start, end = one["segment"]
            yield Interval.of(file, start, end, one["label"], confidence=one.get("score"))


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    database: dict[str, Any] = {}
    for one in intervals:
        if one.file not in database:
            info = videos.info(one.file)
            length = {"duration": round(info.duration, 3)} if info else {}
            database[one.file] = {"subset": "", **length, "annotations": []}
        score = {} if one.confidence is None else {"score": one.confidence}
        segment = [round(one.start, 6), round(one.end, 6)]
        database[one.file]["annotations"].append({"segment": segment, "label": one.label, **score})
    write_json(path, {"version": "kinema", "taxonomy": [], "database": database})


FORMAT = Format("activitynet", "ActivityNet", "json", ".json", _knows, _read, _write, subjects=False)
