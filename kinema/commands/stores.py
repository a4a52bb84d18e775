"""What the commands that fill stores of flow share; the parser imports what a command's own module names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kinema.common.streams import in_one_line
from kinema.errors import DataError

if TYPE_CHECKING:
    from kinema.data.extraction import Extraction
    from kinema.video import Manifest


def entries_of(videos: str, manifest: str | None) -> Manifest:
    """The videos of a folder, as a manifest has them or as a scan finds them."""
    from kinema.video import read_manifest, scan_folder

    return scan_folder(videos) if manifest is None else read_manifest(manifest)


def print_extraction(done: Extraction, source: str, out: str) -> None:
    """Say what came into a store, and what did not.

    Raises:
        DataError: nothing did.
    """
    for path, reason in done.failures[:20]:
        print(in_one_line(f"left out: {path}: {reason}"), file=sys.stderr)
    if done.failures and not done.made + done.found:
        path, reason = done.failures[0]
        raise DataError(f"nothing of {source} has flow in {out} now (the first is {path}: {reason})")
    print(f"{out}: {done.made} videos added, {done.found} found, {len(done.failures)} left out")
    if done.report:
        print(done.report)
