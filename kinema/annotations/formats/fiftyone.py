"""FiftyOne's ``samples.json``, of an exported dataset: temporal detections, whose support is frames from 1 on, the
last one included.

An attribute ``subject`` of a detection says who it is of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kinema.annotations.format import Format
from kinema.annotations.interval import Interval, by_file, frames_of
from kinema.annotations.videos import LabelledVideos
from kinema.common.files import write_json

ONE, MANY = "TemporalDetection", "TemporalDetections"
FIELD = "events"
"""Of a sample, which holds what is written."""


def _knows(dataset: Any) -> bool:
    samples = dataset.get("samples") if isinstance(dataset, dict) else None
    return isinstance(samples, list) and all(isinstance(one, dict) and "filepath" in one for one in samples)


def _read(dataset: dict[str, Any], videos: LabelledVideos) -> Iterator[Interval]:
    for sample in dataset["samples"]:
        file, known = sample["filepath"], sample.get("metadata") or {}
        for value in sample.values():
            kind = value.get("_cls") if isinstance(value, dict) else None
            for one in {ONE: [value], MANY: value.get("detections") or []}[kind] if kind in (ONE, MANY) else []:
                fps = videos.fps(file, known.get("frame_rate"))
                first, last = one["support"]
                who = one.get("subject")
                yield Interval.of(file, (first - 1) / fps, last / fps, one["label"], who, one.get("confidence"))


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    samples = []
    for file, part in by_file(intervals).items():
        fps, info = videos.fps(file), videos.info(file)
        known: dict[str, Any] = {"_cls": "VideoMetadata", "frame_rate": fps}
        if info is not None:
            known |= {"frame_width": info.width, "frame_height": info.height, "duration": info.duration}
            known |= {"total_frame_count": info.frames}
        detections = []
        for one in part:
            first, stop = frames_of(one.start, one.end, fps)
            made = {"_cls": ONE, "tags": [], "label": one.label, "support": [first + 1, stop]}
            optional = {"confidence": one.confidence, "subject": one.subject}
            detections.append(made | {name: value for name, value in optional.items() if value is not None})
        field = {"_cls": MANY, "detections": detections}
        samples.append({"filepath": file, "_media_type": "video", "tags": [], "metadata": known, FIELD: field})
    write_json(path, {"samples": samples})


FORMAT = Format("fiftyone", "FiftyOne", "json", "samples.json", _knows, _read, _write, point="one frame long")
