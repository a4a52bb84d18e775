"""What the formats in XML share when they are written."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from kinema.annotations.interval import Interval
from kinema.errors import DataError


def check(intervals: Sequence[Interval], title: str) -> None:
    """Make sure that all names can be written.

    Raises:
        DataError: one has a sign that XML has no place for.
    """
    for one in intervals:
        for text in (one.file, one.label, one.subject or ""):
            if any(sign in text for sign in "\ufffe\uffff"):
                raise DataError(f"{title} is XML, which cannot hold the name {text!r}; rename it")


def write(path: Path, root: ET.Element) -> None:
    """Write a document, indented, in UTF-8."""
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
