"""Projects of the VGG Image Annotator 3: segments of videos, in seconds, with values of the project's attributes.

The attribute ``subject`` says who a segment is of; every other attribute of segments that has a value is a label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kinema.annotations.format import Format
from kinema.annotations.interval import Interval
from kinema.annotations.videos import LabelledVideos
from kinema.common.files import write_json
from kinema.errors import DataError

SUBJECT = "subject"
SEGMENT = "FILE1_Z2_XY0"
"""Where attributes of a stretch of time are anchored."""
TEXT, SELECT = 1, 4
"""Kinds of attributes."""
VIDEO, LOCAL = 4, 1
"""Kind and place of a file."""
SHORTEST = 1e-3


def _knows(project: Any) -> bool:
    return isinstance(project, dict) and {"project", "attribute", "file", "view", "metadata"} <= project.keys()


def _read(project: dict[str, Any], videos: LabelledVideos) -> Iterator[Interval]:
    version = str(project["project"].get("data_format_version", "3"))
    if version.split(".")[0] != "3":
        raise DataError(f"its data format is {version}, and known is 3; save it with VIA 3")
    regions = 0
    for segment in project["metadata"].values():
        times = segment["z"]
        if segment["xy"] or not times:
            regions += 1
            continue
        files = project["view"][str(segment["vid"])]["fid_list"]
        file = project["file"][str(files[0])]
        values = {
            project["attribute"][key]["aname"]: _texts(project["attribute"][key], text)
            for key, text in segment["av"].items()
        }
        who = next(iter(values.pop(SUBJECT, [])), None)
        labels = [text for texts in values.values() for text in texts]
        if not labels:
            raise DataError(f"the segment from {times[0]} s of {file['fname']} has no label; give it one with VIA")
        for label in labels:
            yield Interval.of(file["fname"], times[0], times[-1], label, who)
    if regions:
        videos.notes.append(f"{regions} regions and notes on whole files, which have no stretch of time, were left out")


def _texts(attribute: dict[str, Any], value: Any) -> list[str]:
    """What a value means: options are known by number, and of check boxes several may be ticked."""
    options = attribute.get("options") or {}
    parts = str(value).split(",") if attribute["type"] == 2 else [str(value)]
    return [text for part in parts if (text := str(options.get(part, part)).strip())]


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    labels = sorted({one.label for one in intervals})
    options = {str(number): label for number, label in enumerate(labels)}
    numbers = {label: number for number, label in options.items()}
    files = {file: str(number) for number, file in enumerate(dict.fromkeys(one.file for one in intervals), 1)}
    shared = {"anchor_id": SEGMENT, "desc": "", "default_option_id": ""}
    attributes = {"1": {"aname": "label", **shared, "type": SELECT, "options": options}}
    if any(one.subject for one in intervals):
        attributes["2"] = {"aname": SUBJECT, **shared, "type": TEXT, "options": {}}
    metadata = {}
    for number, one in enumerate(intervals):
        end = one.end if one.start < one.end else one.start + SHORTEST
        values = {"1": numbers[one.label], **({"2": one.subject} if one.subject else {})}
        segment = {"vid": files[one.file], "flg": 0, "z": [round(one.start, 6), round(end, 6)], "xy": [], "av": values}
        metadata[f"{files[one.file]}_{number}"] = segment
    write_json(
        path,
        {
            "project": {
                "pid": "__VIA_PROJECT_ID__",
                "rev": "__VIA_PROJECT_REV_ID__",
                "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
                "pname": "",
                "data_format_version": "3.1.1",
                "creator": "kinema",
                "created": 0,
                "vid_list": list(files.values()),
            },
            "config": {
                "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
                "ui": {
                    "file_content_align": "center",
                    "file_metadata_editor_visible": True,
                    "spatial_metadata_editor_visible": True,
                    "temporal_segment_metadata_editor_visible": True,
                    "spatial_region_label_attribute_id": "",
                    "gtimeline_visible_row_count": "4",
                },
            },
            "attribute": attributes,
            "file": {
                key: {"fid": key, "fname": file, "type": VIDEO, "loc": LOCAL, "src": ""} for file, key in files.items()
            },
            "metadata": metadata,
            "view": {key: {"fid_list": [key]} for key in files.values()},
        },
    )


FORMAT = Format("via", "VIA 3", "json", ".json", _knows, _read, _write, confidence=False, point="a millisecond long")
