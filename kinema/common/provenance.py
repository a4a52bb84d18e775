"""Where a result comes from: the fingerprints and versions that every result and encoder file carries."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

ORIGIN = ("config_sha256", "data_sha256", "commit", "kinema", "torch")
"""How a row of results came about, by column; fingerprints have 12 digits."""

PACKAGES = ("torch", "numpy", "av", "scikit-learn", "safetensors")
OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
"""Packages that all hold OpenCV; whichever was installed last is the one that is imported."""


ENDS = 1 << 16
"""Bytes at either end of a file that its quick fingerprint is made of."""


def software_versions() -> dict[str, str]:
    """Versions of kinema, Python and the packages that can change a number; those not installed are left out."""
    from kinema import __version__

    versions = {"kinema": __version__, "python": platform.python_version(), **installed(PACKAGES)}
    for version in installed(OPENCV).values():
        versions.setdefault("opencv", version)
    return versions


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Versions of packages; those not installed are left out."""
    versions = {}
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def quick_sha256(path: str | Path) -> str:
    """SHA-256 of a file's length and ends: quick for large files, and the same on every machine that holds a copy.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as stream:
        length = stream.seek(0, 2)
        stream.seek(0)
        first = stream.read(ENDS)
        stream.seek(max(0, length - ENDS))
        return ends_sha256(length, first, stream.read(ENDS))


def ends_sha256(length: int, first: bytes, last: bytes) -> str:
    """As :func:`quick_sha256`, of a length and of up to :data:`ENDS` bytes from the beginning and from the end."""
    return hashlib.sha256(f"{length}:".encode() + first + last).hexdigest()


def ids_sha256(ids: Iterable[str]) -> str:
    """SHA-256 of the sorted ids, one a line: the same for the same set, whatever its order. Names that are no UTF-8
    count by their bytes.
    """
    lines = "".join(f"{name}\n" for name in sorted(ids))
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def differing(found: Mapping[str, Any], wanted: Mapping[str, Any], *, words: str = "{} was {}, is {}") -> list[str]:
    """Which of two sets of plain settings are not the same, sorted by name; ``words`` of name and both values."""
    return [
        words.format(name, found.get(name), wanted.get(name))
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]


def config_sha256(config: Any) -> str:
    """SHA-256 of plain values as JSON with sorted keys: the same for the same settings."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def origin(settings: Any, root: Path, files: Iterable[Path], versions: Mapping[str, str]) -> dict[str, str]:
    """How a row of results came about: the columns :data:`ORIGIN`.

    Args:
        settings: all that decide the result, as plain values.
        root: folder of the data.
        files: the data; of each its place below ``root`` and its bytes count.
        versions: of the software that made the result, as of :func:`software_versions`.
    """
    data = ids_sha256(f"{path.relative_to(root).as_posix()},{file_sha256(path)}" for path in files)
    values = (config_sha256(settings)[:12], data[:12], code_commit(), versions["kinema"], versions["torch"])
    return dict(zip(ORIGIN, values, strict=True))


def code_commit() -> str:
    """The commit of the code, marked if code or recipes were changed since; unknown where it is no checkout."""

    def git(*words: str) -> str:
        folder = Path(__file__).parents[1]
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("diff", "HEAD", "--", "*.py", "*.yaml")
        return git("rev-parse", "--short=12", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
