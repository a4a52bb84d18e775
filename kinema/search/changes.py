"""What has happened to a folder of videos since it was indexed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kinema.common.addresses import address_of, shown
from kinema.errors import DataError, VideoError
from kinema.search.database import FileState
from kinema.video import find_videos
from kinema.video.damage import may_pass
from kinema.video.folder import without_videos
from kinema.video.identity import content_sha256, size_and_time

UNSETTLED = -1
"""In place of the time of a file that was not the same before and after it was read: the next time it is read again."""


def settled(state: FileState, error: str) -> tuple[FileState, str]:
    """What is to be kept of a file that has just been read, and what is wrong with it.

    It may be another by now, or the storage may have failed: it is read again the next time then.

    Args:
        state: as the file was before it was read.
        error: what reading it found wrong; empty if nothing.
    """
    again = replace(state, mtime=UNSETTLED)
    try:
        same = size_and_time(state.path) == (state.size, state.mtime)
    except VideoError:
        same = False
    if not same:
        return again, "it was changed, moved or deleted while it was read; run `kinema index` again"
    return (again if may_pass(error) else state), error


def content_of(state: FileState) -> str:
    """The SHA-256 of a file that has just been read, by whoever has read it; empty where it cannot be read again."""
    try:
        return state.sha256 or content_sha256(state.path)
    except VideoError:
        return ""


@dataclass(frozen=True)
class Changes:
    """What has to be done.

    Attributes:
        new: to be embedded; their content is not known yet, unless it might have been that of a file that was moved.
        changed: to be embedded; their path is known, with other content.
        moved: what they are now, by their path in the index.
        touched: files with another time and the same content.
        deleted: paths that are gone.
        unreadable: paths that cannot be opened at all, and why.
        unchanged: how many files are as before.
    """

    new: tuple[FileState, ...]
    changed: tuple[FileState, ...]
    moved: Mapping[str, FileState]
    touched: tuple[FileState, ...]
    deleted: tuple[str, ...]
    unreadable: Mapping[str, str]
    unchanged: int


def find_changes(folder: Path, known: Mapping[str, FileState], alone: bool = True) -> Changes:
    """Compare a folder with what is known of it: sizes and times first, contents where these differ.

    Args:
        folder: absolute; what is known of paths outside of it is left alone.
        known: by absolute path.
        alone: whether what is known was indexed by this machine: what other folders held, and hold no longer, may have
            been moved here. Another machine's folders need not be seen from here.

    Raises:
        DataError: there is no such folder, or no video in it.
    """
    videos, others = find_videos(folder)
    paths = [shown(path) for path in videos]
    below = {path for path in known if Path(path).is_relative_to(folder)}
    if not paths:
        if not below:
            raise DataError(without_videos(folder, others))
        kept = f"the index keeps the {len(below)} that it knew, delete it if they are gone for good"
        raise DataError(f"{shown(folder)} holds no videos; {kept}")
    gone = below - set(paths)
    lost = (path for path in known if path in gone or (alone and path not in below and _lost(path)))
    elsewhere = {known[path].sha256: path for path in lost if known[path].mtime != UNSETTLED}
    sizes = {known[path].size for path in elsewhere.values()}
    new: list[FileState] = []
    changed: list[FileState] = []
    touched: list[FileState] = []
    moved: dict[str, FileState] = {}
    unreadable: dict[str, str] = {}
    unchanged = 0
    for path in paths:
        before = known.get(path)
        try:
            path.encode()
            now = FileState(path, *size_and_time(path), before.sha256 if before else "")
            if before == now:
                unchanged += 1
                continue
            if before is not None or now.size in sizes:  # what else is new is read anyway, and its content noted then
                now = replace(now, sha256=content_sha256(path))
        except UnicodeEncodeError:
            unreadable[path] = "its name is not valid UTF-8; rename it"
            continue
        except VideoError as error:
            unreadable[path] = error.reason
            continue
        if before is not None:
            same = before.sha256 == now.sha256 and before.mtime != UNSETTLED
            (touched if same else changed).append(now)
        elif (old := elsewhere.pop(now.sha256, None)) is not None:
            moved[old] = now
        else:
            new.append(now)
    return Changes(
        new=tuple(new),
        changed=tuple(changed),
        moved=moved,
        touched=tuple(touched),
        deleted=tuple(sorted(gone - moved.keys())),
        unreadable=unreadable,
        unchanged=unchanged,
    )


def _lost(path: str) -> bool:
    """Whether a file of another folder is gone; of another bucket each object would have to be asked for."""
    return address_of(path) is None and not Path(path).exists()
