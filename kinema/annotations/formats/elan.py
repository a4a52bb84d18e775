"""ELAN documents (``.eaf``): annotations on tiers, in milliseconds, of one recording.

The label is an annotation's value, or its tier's name where that is empty; the subject is the tier's participant.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path, PurePosixPath

from kinema.annotations.format import Format
from kinema.annotations.formats import xml
from kinema.annotations.interval import Interval, lanes
from kinema.annotations.videos import LabelledVideos
from kinema.errors import DataError
from kinema.video.folder import SUFFIXES

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
TYPE = "labels"


def _knows(root: ET.Element) -> bool:
    return root.tag == "ANNOTATION_DOCUMENT"


def _read(root: ET.Element, videos: LabelledVideos) -> Iterator[Interval]:
    version = root.get("FORMAT", "none")
    if version.split(".")[0] not in ("2", "3"):
        raise DataError(f"its format is {version}, and known are 2 and 3; save it with a newer ELAN")
    header = root.find("HEADER")
    units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise DataError(f"its times are in {units}; save it with a newer ELAN, which writes milliseconds")
    file, origin = _media(root)
    times, derived = _times(root), 0
    for tier in root.iter("TIER"):
        derived += len(tier.findall("ANNOTATION/REF_ANNOTATION"))
        for one in tier.findall("ANNOTATION/ALIGNABLE_ANNOTATION"):
            start, end = (times[one.attrib[f"TIME_SLOT_REF{which}"]] + origin for which in (1, 2))
            label = (one.findtext("ANNOTATION_VALUE") or "").strip() or tier.attrib["TIER_ID"]
            yield Interval.of(file, start / 1000, end / 1000, label, tier.get("PARTICIPANT"))
    if derived:
        videos.notes.append(f"{derived} annotations without times of their own, which refer to others, were left out")


def _media(root: ET.Element) -> tuple[str, float]:
    """The first video of a document, and the milliseconds by which the document begins after it."""
    described = root.findall("HEADER/MEDIA_DESCRIPTOR")
    for one in described:
        file = one.get("RELATIVE_MEDIA_URL") or one.get("MEDIA_URL") or ""
        if file and (one.get("MIME_TYPE", "").startswith("video/") or PurePosixPath(file).suffix.lower() in SUFFIXES):
            return file, float(one.get("TIME_ORIGIN", 0))
    raise DataError("it names no video; link one with ELAN (Edit, Linked Files)")


def _times(root: ET.Element) -> dict[str, float]:
    """Milliseconds of each slot; those without a time lie evenly between those that have one."""
    slots = [(one.attrib["TIME_SLOT_ID"], one.get("TIME_VALUE")) for one in root.findall("TIME_ORDER/TIME_SLOT")]
    known = [place for place, (_, value) in enumerate(slots) if value is not None]
    times = {name: float(value) for name, value in slots if value is not None}
    for before, after in pairwise(known):
        low, high = times[slots[before][0]], times[slots[after][0]]
        for place in range(before + 1, after):
            times[slots[place][0]] = low + (high - low) * (place - before) / (after - before)
    return times


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    """A tier for each subject, and further ones for intervals that overlap those there."""
    xml.check(intervals, "ELAN")
    rounded = []
    for one in intervals:
        start = round(1000 * one.start)
        rounded.append((one, start, max(round(1000 * one.end), start + 1)))
    rounded.sort(key=lambda item: item[1:])
    chosen = lanes((one.subject, start, end) for one, start, end in rounded)
    if any(chosen):
        videos.notes.append("intervals that overlap others of their subject are on tiers of their own")
    file = intervals[0].file
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": INSTANCE,
            "xsi:noNamespaceSchemaLocation": SCHEMA,
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    whole = file if videos.folder is None else (videos.folder / file).resolve().as_uri()
    relative = {} if file.startswith("/") else {"RELATIVE_MEDIA_URL": f"./{file}"}
    kind = {".mpg": "mpeg", ".mpeg": "mpeg", ".mov": "quicktime"}.get(PurePosixPath(file).suffix.lower(), "mp4")
    ET.SubElement(header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": whole, "MIME_TYPE": f"video/{kind}", **relative})
    ET.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"}).text = str(len(intervals))
    order = ET.SubElement(root, "TIME_ORDER")
    tiers: dict[tuple[str | None, int], ET.Element] = {}
    slots = []
    for number, ((one, start, end), lane) in enumerate(zip(rounded, chosen, strict=True), 1):
        key = one.subject, lane
        if key not in tiers:
            taken = {tier.attrib["TIER_ID"] for tier in tiers.values()}
            name = (one.subject or TYPE) + (f" {lane + 1}" if lane else "")
            while name in taken:
                name += "'"
            who = {"PARTICIPANT": one.subject} if one.subject else {}
            tiers[key] = ET.Element("TIER", {"LINGUISTIC_TYPE_REF": TYPE, "TIER_ID": name, **who})
        refs = {f"TIME_SLOT_REF{which}": f"ts{2 * number - 2 + which}" for which in (1, 2)}
        slots += [(start, refs["TIME_SLOT_REF1"]), (end, refs["TIME_SLOT_REF2"])]
        made = ET.SubElement(tiers[key], "ANNOTATION")
        made = ET.SubElement(made, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{number}", **refs})
        ET.SubElement(made, "ANNOTATION_VALUE").text = one.label
    for value, name in sorted(slots):
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": name, "TIME_VALUE": str(value)})
    root.extend(tiers.values())
    ET.SubElement(
        root,
        "LINGUISTIC_TYPE",
        {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": TYPE, "TIME_ALIGNABLE": "true"},
    )
    xml.write(path, root)


FORMAT = Format(
    "elan",
    "ELAN",
    "xml",
    ".eaf",
    _knows,
    _read,
    _write,
    confidence=False,
    point="a millisecond long",
    single=True,
)
