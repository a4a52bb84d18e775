"""What the videos of an index are called: their paths below its folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from os.path import commonpath
from pathlib import Path


def naming_roots(roots: Sequence[Path], paths: Sequence[str]) -> tuple[Path, ...]:
    """The folders that were indexed, or what all videos have in common, of an index of before folders were noted."""
    if not roots and paths:
        return (Path(commonpath([str(Path(path).parent) for path in paths])),)
    return tuple(roots)


def base_of(path: Path, roots: Sequence[Path]) -> Path | None:
    """Below which folder a video is named: its indexed folder, or the one around it if there are several."""
    root = next((root for root in roots if path.is_relative_to(root)), None)
    return root.parent if root is not None and len(roots) > 1 else root


def short_name(path: str, roots: Sequence[Path]) -> str:
    """A video's path below its indexed folder, which comes first where there are several; its bare name elsewhere."""
    base = base_of(Path(path), roots)
    return Path(path).name if base is None else Path(path).relative_to(base).as_posix()


def short_names(paths: Iterable[str], roots: Sequence[Path]) -> Iterator[str]:
    """As :func:`short_name`, of many: each folder is looked at once."""
    before: dict[str, str] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in before:
            before[folder] = short_name(path, roots).removesuffix(name)
        yield before[folder] + name
