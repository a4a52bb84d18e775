"""CVAT for video 1.1: tracks of boxes by frame; CVAT for images 1.1 of a video's frames: tags by frame; one video each.

A track is an interval for each stretch in which its shape is not outside; a tag is one for each run of frames. Frames
count from 0. A track's or tag's attribute ``subject`` says who it is of.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.annotations.format import Format
from kinema.annotations.formats import xml
from kinema.annotations.interval import Interval, frames_of, posix
from kinema.annotations.videos import LabelledVideos
from kinema.errors import DataError

SUBJECT = "subject"


def _knows(root: ET.Element) -> bool:
    return root.tag == "annotations" and root.find("meta") is not None


def _read(root: ET.Element, videos: LabelledVideos) -> Iterator[Interval]:
    version = root.findtext("version", "none")
    if version != "1.1":
        raise DataError(f"its version is {version}, and known is 1.1; export it as 'CVAT for video 1.1'")
    if root.find("meta/project") is not None:
        raise DataError("it is a whole project of CVAT, whose videos cannot be told apart; export one task at a time")
    file = posix(root.findtext("meta//source") or root.findtext("meta/task/name"))
    fps = videos.fps(file)
    for label, subject, first, stop in (*_tracked(root), *_tagged(root)):
        yield Interval.of(file, first / fps, stop / fps, label, subject)


def _tracked(root: ET.Element) -> Iterator[tuple[str, str | None, int, int]]:
    """Label, subject, first frame and the one after the last, of each stretch of each track."""
    last = root.findtext("meta//stop_frame")
    for track in root.findall("track"):
        shapes = sorted(track, key=lambda shape: int(shape.attrib["frame"]))
        begun: ET.Element | None = None
        for shape in shapes:
            outside = shape.get("outside") == "1"
            if begun is not None and (outside or _subject(shape) != _subject(begun)):
                yield track.attrib["label"], _subject(begun), int(begun.attrib["frame"]), int(shape.attrib["frame"])
                begun = None
            if begun is None and not outside:
                begun = shape
        if begun is not None:  # a shape that never goes outside stays to the end
            stop = max(int(shapes[-1].attrib["frame"]), int(last or 0)) + 1
            yield track.attrib["label"], _subject(begun), int(begun.attrib["frame"]), stop


def _tagged(root: ET.Element) -> list[tuple[str, str | None, int, int]]:
    """The same of each run of frames with a tag."""
    frames: dict[tuple[str, str | None], set[int]] = {}
    for image in root.findall("image"):
        for tag in image.findall("tag"):
            frames.setdefault((tag.attrib["label"], _subject(tag)), set()).add(int(image.attrib["id"]))
    found: list[tuple[str, str | None, int, int]] = []
    for (label, subject), numbers in frames.items():
        for number in sorted(numbers):
            if found and found[-1][:2] == (label, subject) and found[-1][3] == number:
                found[-1] = (*found[-1][:3], number + 1)
            else:
                found.append((label, subject, number, number + 1))
    return found


def _subject(element: ET.Element) -> str | None:
    return next((one.text for one in element.findall("attribute") if one.get("name") == SUBJECT), None)


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    """A track for each interval, whose box is the whole frame."""
    xml.check(intervals, "CVAT")
    file = intervals[0].file
    fps, info = videos.fps(file), videos.info(file)
    if info is None:
        videos.notes.append(
            "the boxes of CVAT's tracks are one pixel large, since only --videos says how large frames are"
        )
    width, height = (info.width, info.height) if info else (1, 1)
    spans = [frames_of(one.start, one.end, fps) for one in intervals]
    known = info.frames or round(info.duration * fps) if info else 0
    size = max(known, *(stop for _, stop in spans))
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    texts = {
        "name": file,
        "size": size,
        "mode": "interpolation",
        "start_frame": 0,
        "stop_frame": size - 1,
        "source": file,
    }
    for name, text in texts.items():
        ET.SubElement(task, name).text = str(text)
    labels = ET.SubElement(task, "labels")
    subjects = sorted({one.subject for one in intervals if one.subject})
    for label in sorted({one.label for one in intervals}):
        made = ET.SubElement(labels, "label")
        ET.SubElement(made, "name").text = label
        attributes = ET.SubElement(made, "attributes")
        if subjects:
            attribute = ET.SubElement(attributes, "attribute")
            values = {"name": SUBJECT, "mutable": "False", "input_type": "text", "default_value": "", "values": ""}
            for name, text in values.items():
                ET.SubElement(attribute, name).text = text
    if subjects:
        videos.notes.append(f"CVAT takes the subjects where the task's labels have a text attribute {SUBJECT!r}")
    for number, (one, span) in enumerate(zip(intervals, spans, strict=True)):
        track = ET.SubElement(root, "track", {"id": str(number), "label": one.label, "source": "manual"})
        for frame, outside in zip(span, "01", strict=True):
            if frame == size:  # a track that lasts to the end is never outside
                break
            place = {"xtl": "0.00", "ytl": "0.00", "xbr": f"{width:.2f}", "ybr": f"{height:.2f}", "z_order": "0"}
            shape = {"frame": str(frame), "keyframe": "1", "outside": outside, "occluded": "0", **place}
            box = ET.SubElement(track, "box", shape)
            if one.subject:
                ET.SubElement(box, "attribute", {"name": SUBJECT}).text = one.subject
    xml.write(path, root)


FORMAT = Format(
    "cvat", "CVAT", "xml", ".xml", _knows, _read, _write, confidence=False, point="one frame long", single=True
)
