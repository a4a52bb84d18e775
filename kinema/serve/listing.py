"""The list of a library's videos, which takes long to make of many, and is given out while others add to them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kinema.common.last_used import LastUsed
from kinema.errors import KinemaError
from kinema.search import IndexedVideo, Library
from kinema.search.labelled_videos import base_of, naming_roots, short_names

SLOW, PATIENCE = 0.1, 20
"""Where it takes more than so many seconds to list a library, the list is good for so many times as long, whatever
others add to it meanwhile, and is then made anew while the earlier one is given out."""


@dataclass(frozen=True)
class Contents:
    """A library as it was listed.

    Attributes:
        state: of the library.
        slow: whether it took long.
        good_until: until when it is good whatever the library's state, as of :func:`time.monotonic`.
        roots: the folders below which videos are named.
        videos: all.
        readable: those that have windows, with their names.
        folders: that hold videos, and those around them, by name.
    """

    state: int
    slow: bool
    good_until: float
    roots: tuple[Path, ...]
    videos: tuple[IndexedVideo, ...]
    readable: tuple[tuple[str, IndexedVideo], ...]
    folders: Mapping[str, Path]


class Listing:
    """Lists a library when it has changed; threads may share one.

    Args:
        library: may grow meanwhile.
    """

    def __init__(self, library: Library):
        self._library = library
        self._making = threading.Lock()
        self._contents: Contents | None = None
        self._known_roots: LastUsed[tuple[Path, ...]] = LastUsed(1)

    def seen(self) -> Contents:
        """What the library held when it was last looked at."""
        return self._contents or self.now()

    def now(self) -> Contents:
        """What the library holds, or held a moment ago: nobody waits for what takes long if there is an earlier list.

        Raises:
            DataError: there is no index, or it is damaged.
        """
        contents, state = self._contents, self._library.state
        if contents is not None and (contents.state == state or time.monotonic() < contents.good_until):
            return contents
        if contents is not None and contents.slow:
            if self._making.acquire(blocking=False):  # released by the thread
                threading.Thread(target=self._make_beside, name="listing", daemon=True).start()
            return contents
        with self._making:
            if self._contents is None or self._contents.state != state:
                self._contents = self._made()
            return self._contents

    def roots(self, state: int) -> tuple[Path, ...]:
        """The folders that are indexed in a state, which decide what may be shown."""
        return self._known_roots.get(state, lambda: tuple(self._library.roots))

    def _make_beside(self) -> None:
        """What a thread does, which releases the lock that was taken for it."""
        try:
            with suppress(KinemaError):  # the next request that reads the index says it
                self._contents = self._made()
        finally:
            self._making.release()

    def _made(self) -> Contents:
        state, began = self._library.state, time.monotonic()
        videos = tuple(self._library.videos())
        roots = naming_roots(self.roots(state), [video.path for video in videos])
        names = short_names((video.path for video in videos), roots)
        readable = tuple((name, video) for name, video in zip(names, videos, strict=True) if video.windows)
        folders, ended = _folders(roots, videos), time.monotonic()
        slow = ended - began > SLOW
        patience = PATIENCE * (ended - began) if slow else 0.0
        return Contents(state, slow, ended + patience, roots, videos, readable, folders)


def _folders(roots: Sequence[Path], videos: Sequence[IndexedVideo]) -> dict[str, Path]:
    """The folders that hold videos, and those around them, by the name that is shown; sorted."""
    folders = {}
    for holding in map(Path, dict.fromkeys(os.path.dirname(video.path) for video in videos)):
        base = base_of(holding, roots)
        if base is None:
            continue
        for parent in (holding, *holding.parents):
            if parent == base or parent in folders:
                break
            folders[parent] = parent.relative_to(base).as_posix()
    return {name: folder for folder, name in sorted(folders.items(), key=lambda item: item[1])}
