"""Label Studio's exports in JSON and JSON-MIN: a list of tasks, each a video with regions.

A timeline region (``timelinelabels``) is a range of frames from 1 on, its last one included; a region of a time series
(``timeserieslabels``) goes by seconds; a tracked box is an interval for each stretch in which it is enabled. A task's
data may say ``fps``. Of several annotations of a task the last counts, and predictions where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from kinema.annotations.format import Format
from kinema.annotations.interval import Interval, by_file, frames_of
from kinema.annotations.videos import LabelledVideos
from kinema.common.files import write_json
from kinema.errors import DataError
from kinema.video.folder import SUFFIXES

TIMELINE, SERIES, BOX = "timelinelabels", "timeserieslabels", "sequence"


def _knows(tasks: Any) -> bool:
    return isinstance(tasks, list) and any(
        isinstance(task, dict) and {"annotations", "predictions", "annotation_id"} & task.keys() for task in tasks
    )


def _read(tasks: list[dict[str, Any]], videos: LabelledVideos) -> Iterator[Interval]:
    several, others = 0, 0
    for task in tasks:
        data = task.get("data", task)
        file = _video(data)
        given = [one for one in task.get("annotations") or [] if not one.get("was_cancelled")]
        several += len(given) > 1
        regions = [*given, *(() if given else task.get("predictions") or [])]
        results = regions[-1]["result"] if regions else _minimal(task)
        for result in results:
            value = result["value"]
            spans = list(_spans(file, value, data.get("fps"), videos))
            others += not spans
            for start, end, labels in spans:
                for label in labels:
                    yield Interval.of(file, start, end, label, confidence=result.get("score"))
    if several:
        videos.notes.append(f"{several} tasks have several annotations, of which the last was taken")
    if others:
        videos.notes.append(f"{others} regions without labels of a time were left out")


def _minimal(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The regions of a task of JSON-MIN, which stand under the names of the labelling interface."""
    lists = [value for value in task.values() if isinstance(value, list)]
    return [{"value": one} for value in lists for one in value if isinstance(one, dict)]


def _video(data: dict[str, Any]) -> str:
    """The video of a task, without what Label Studio puts before its name."""
    texts = [value for value in data.values() if isinstance(value, str)]
    named = [text for text in texts if PurePosixPath(text).suffix.lower() in SUFFIXES]
    text = next(iter(named), data.get("video"))
    if not isinstance(text, str):
        raise DataError('a task names no video; its data needs one, such as "video": "a.mp4"')
    if (local := re.match(r"/data/local-files/?\?d=(.+)", text)) is not None:
        return unquote(local[1])
    return re.sub(r"^/data/upload/(\d+/)?([0-9a-f]{8}-)?", "", text)


def _spans(
    file: str, value: dict[str, Any], fps: object, videos: LabelledVideos
) -> Iterator[tuple[float, float, list[str]]]:
    """Start and end in seconds, and the labels, of what a region's value says of times."""
    if TIMELINE in value:
        rate = videos.fps(file, fps)
        for one in value["ranges"]:
            yield (one["start"] - 1) / rate, one["end"] / rate, value[TIMELINE]
    elif SERIES in value:
        if isinstance(value["start"], str):
            raise DataError(f"a region begins at {value['start']!r}; dates do not say where in a video that is")
        yield value["start"], value["end"], value[SERIES]
    elif BOX in value and value.get("labels"):
        frames, duration = value.get("framesCount"), value.get("duration")
        rate = videos.fps(file, frames / duration if frames and duration else fps)
        begun: int | None = None
        shapes = sorted(value[BOX], key=lambda shape: shape["frame"])
        for shape in shapes:
            if begun is None and shape.get("enabled", True):
                begun = shape["frame"]
            if begun is not None and not shape.get("enabled", True):
                yield (begun - 1) / rate, shape["frame"] / rate, value["labels"]
                begun = None
        if begun is not None:
            yield (begun - 1) / rate, max(frames or 0, shapes[-1]["frame"]) / rate, value["labels"]


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    tasks = []
    for file, part in by_file(intervals).items():
        fps = videos.fps(file)
        result = []
        for number, one in enumerate(part):
            first, stop = frames_of(one.start, one.end, fps)
            score = {} if one.confidence is None else {"score": one.confidence}
            value = {"ranges": [{"start": first + 1, "end": stop}], TIMELINE: [one.label]}
            names = {"from_name": "timelineLabels", "to_name": "video", "type": TIMELINE}
            result.append({"id": f"r{number}", **names, "value": value, **score})
        tasks.append({"data": {"video": file, "fps": fps}, "annotations": [{"result": result}]})
    write_json(path, tasks)


FORMAT = Format(
    "label-studio", "Label Studio", "json", ".json", _knows, _read, _write, subjects=False, point="one frame long"
)
