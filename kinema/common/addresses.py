"""Addresses of what lies in a storage, such as ``s3://bucket/videos``, as text; nothing here asks the storage.

A :class:`~pathlib.Path` makes one slash of the two, and all of its operations on names work on what is left. So an
address may go wherever a path may: what touches files tells it apart, and what people see gets its slashes back.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.DOTALL)


def address_of(path: str | Path) -> str | None:
    """The address that ``path`` is, in full; None for a path of the file system."""
    found = ADDRESS.fullmatch(str(path))
    if found is None:
        return None
    scheme, rest = found.groups()
    return f"{scheme}://{'/' if scheme == 'file' else ''}{rest}"


def shown(path: str | Path) -> str:
    """``path`` as people write it: an address, or a path as it is."""
    return address_of(path) or str(path)


def resolved(path: str | Path) -> Path:
    """``path`` absolute and with links followed; an address without a slash at its end."""
    return Path(path) if address_of(path) else Path(path).resolve()


def absolute(path: str | Path) -> str:
    """``path`` as it is called from anywhere, links not followed; an address as people write it."""
    return address_of(path) or os.path.abspath(path)
