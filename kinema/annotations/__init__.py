"""Labels of stretches of videos, read from and written to the formats of the tools that people label with.

:class:`Interval` is what all formats come down to; :func:`read_intervals` and :func:`write_intervals` go by the names
and contents of files, and ``kinema labels convert`` is both in one call. Everything is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.annotations.conversion import Converted, convert
    from kinema.annotations.files import read_intervals, write_intervals
    from kinema.annotations.interval import Interval
    from kinema.annotations.registry import FORMATS
    from kinema.annotations.videos import LabelledVideos

__all__ = ["FORMATS", "Converted", "Interval", "LabelledVideos", "convert", "read_intervals", "write_intervals"]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "conversion": ("Converted", "convert"),
        "files": ("read_intervals", "write_intervals"),
        "interval": ("Interval",),
        "registry": ("FORMATS",),
        "videos": ("LabelledVideos",),
    },
)
