"""Times in a video as people write them: minutes and seconds."""

from __future__ import annotations

import math
import re


def clock(seconds: float) -> str:
    """Seconds as ``m:ss.s``, or ``h:mm:ss.s`` from an hour on; what is endless is the end."""
    if seconds < 0:
        return f"-{clock(-seconds)}"
    if seconds == math.inf:
        return "the end"
    tenths = round(10 * seconds)
    minutes, tenths = divmod(tenths, 600)
    rest = f"{tenths // 10:02}.{tenths % 10}"
    return f"{minutes}:{rest}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest}"


def seconds_of(text: str) -> float:
    """The seconds that ``90``, ``90.5``, ``1:30.5`` or ``0:01:30.5`` stand for.

    Raises:
        ValueError: it is none of these.
    """
    found = re.fullmatch(r"(?:(?:(\d+):)?(\d{1,2}):(?=\d\d(?:\.|$)))?(\d+(?:\.\d*)?|\.\d+)", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no time; write seconds (90.5) or minutes and seconds (1:30.5)")
    hours, minutes, rest = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + rest
