"""The formats that labels are read and written in."""

from __future__ import annotations

from pathlib import Path

from kinema.annotations.format import Format
from kinema.annotations.formats import (
    activitynet,
    boris,
    boris_events,
    cvat,
    elan,
    fiftyone,
    intervals,
    label_studio,
    nwb,
    via,
)
from kinema.errors import DataError

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        intervals.FORMAT,
        boris.FORMAT,
        boris_events.FORMAT,
        elan.FORMAT,
        cvat.FORMAT,
        label_studio.FORMAT,
        via.FORMAT,
        fiftyone.FORMAT,
        activitynet.FORMAT,
        nwb.FORMAT,
    )
}
"""By name."""


def known_by_name(path: Path) -> Format:
    """The format that a file to be written means by its name.

    Raises:
        DataError: it means none, or several.
    """
    exact = [one for one in FORMATS.values() if path.name == one.suffix]
    fitting = exact or [one for one in FORMATS.values() if path.suffix and path.suffix.lower() == one.suffix]
    if len(fitting) != 1:
        names = ", ".join(one.name for one in fitting or FORMATS.values())
        said = "could be of several formats" if fitting else "is of no known format"
        raise DataError(f"{path} {said} by its name; say which with --to: {names}")
    return fitting[0]
