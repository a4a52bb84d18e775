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
from kinema.errors import ConfigError, DataError

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (intervals, boris, boris_events, elan, cvat, label_studio, via, fiftyone, activitynet, nwb)
}
"""By name."""


def format_named(name: str) -> Format:
    """The format of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in FORMATS:
        raise ConfigError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def format_to_write(path: Path, name: str | None) -> Format:
    """The format of a name, or, without one, that which a file to be written means by its own.

    Raises:
        ConfigError: there is no format of that name.
        DataError: the file's name means none, or several.
    """
    if name is not None:
        return format_named(name)
    exact = [one for one in FORMATS.values() if path.name == one.suffix]
    fitting = exact or [one for one in FORMATS.values() if path.suffix and path.suffix.lower() == one.suffix]
    if len(fitting) != 1:
        names = ", ".join(one.name for one in fitting or FORMATS.values())
        said = "could be of several formats" if fitting else "is of no known format"
        raise DataError(f"{path} {said} by its name; say which with --to: {names}")
    return fitting[0]
