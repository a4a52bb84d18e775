"""Why torchcodec does not load: its libraries, one for each version of FFmpeg, are loaded to hear what the system says.

torchcodec itself tells no more than that it could not, or puts it into a traceback of pages.
"""

from __future__ import annotations

import ctypes
import re
from importlib.util import find_spec
from pathlib import Path

MISSING = re.compile(r"(\S+): cannot open shared object|Library not loaded: (\S+)|Could not find module '(\S+)'")
FFMPEG = re.compile(r"(^|/)(lib)?(av|sw|postproc)[a-z]*[.-]")
CUDA = re.compile(r"(^|/)(lib)?(nv|npp|cu|c10_cuda|torch_cuda)")


def root_cause(error: Exception) -> str:
    """Why torchcodec does not load, in a sentence with the way out.

    Args:
        error: what importing it raised.
    """
    spec = find_spec("torchcodec")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    said: dict[int, str] = {}
    for library in folder.glob("libtorchcodec_core*.*") if folder is not None else ():
        if why := _refused(library):
            said[int("".join(filter(str.isdigit, library.stem)) or 0)] = why
    return verdict(said) or _first_cause(error)


def verdict(said: dict[int, str]) -> str:
    """What of the system's words on each library matters; empty where there are none.

    Args:
        said: by the version of FFmpeg that a library is for.
    """
    lacks = {number: _missing(why) for number, why in said.items()}
    others = {number: why for number, why in said.items() if not FFMPEG.search(lacks[number])}
    if not said:
        return ""
    if not others:
        tried = ", ".join(Path(lacks[number]).name for number in sorted(lacks, reverse=True))
        return (
            f"no FFmpeg of version {min(said)} to {max(said)} is found ({tried} are missing); install one with its "
            "shared libraries"
        )
    number = max(others)
    lacking, tried = Path(lacks[number]).name, f"for FFmpeg {number}"
    if CUDA.search(lacks[number]):
        return f"it lacks {lacking} of CUDA; install a build of torchcodec for CPUs, or CUDA's libraries"
    if lacking:
        return f"{tried} it lacks {lacking}"
    if "undefined symbol" in said[number] or "Symbol not found" in said[number]:
        return f"{tried} it was built for another version of PyTorch; install the torchcodec that goes with this one"
    return f"{tried} the system says: {' '.join(said[number].split())[:200]}"


def _refused(library: Path) -> str:
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error)
    return ""


def _missing(why: str) -> str:
    found = MISSING.search(why)
    return next(filter(None, found.groups()), "") if found else ""


def _first_cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
