"""A folder of optical flow, one file for each video: what extraction writes and training reads.

``store.json`` says how all of it was made, ``manifest.parquet`` of which videos; the flow of ``a/b.mp4`` is
``a/b.mp4.flow`` (:mod:`kinema.flow.container`). Files are complete or absent, so that several machines can write them,
into one folder or into folders that are copied together afterwards, and a killed extraction goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.files import clear_leftovers, make_folder, write_json
from kinema.common.locking import locked
from kinema.common.provenance import differing
from kinema.errors import ConfigError, DataError
from kinema.flow.container import VideoFlow, open_video_flow, write_video_flow

DESCRIPTION = "store.json"
FORMAT = 2
SUFFIX = ".flow"


class FlowStore:
    """The flow of many videos on disk, made by one recipe.

    Args:
        folder: made if missing.
        recipe: everything that the numbers depend on, as plain values: estimator and parameters, cut and scale of the
            frames, times.

    Raises:
        ConfigError: the folder holds flow by another recipe; the message says what differs.
        DataError: ``store.json`` is damaged, or of another version of kinema.
        OutputError: the folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path, recipe: Mapping[str, Any]):
        self.folder = Path(folder)
        self.recipe = json.loads(json.dumps(recipe))  # tuples become lists, as in the file
        description = self.folder / DESCRIPTION
        if not description.exists():
            make_folder(folder)
            with self._locked(".making", wait=True):  # some begin together, and each finds a folder without a store
                if not description.exists():
                    if any(not path.name.startswith(".") for path in self.folder.iterdir()):
                        raise ConfigError(f"{self.folder} is neither empty nor a flow store: choose another folder")
                    write_json(description, {"format": FORMAT, "recipe": self.recipe})
        if changed := differing(read_recipe(self.folder), self.recipe, words="{} was {!r}, is {!r}"):
            raise ConfigError(
                f"the flow store {self.folder} was made otherwise ({'; '.join(changed)}); use the same settings, or "
                "another folder"
            )

    def path(self, name: str) -> Path:
        """The file of the video of that name in the manifest, present or not."""
        return self.folder / f"{name}{SUFFIX}"

    def write(self, name: str, video: str, fields: Iterable[tuple[float, np.ndarray]]) -> VideoFlow:
        """Write a video's flow; see :func:`~kinema.flow.container.write_video_flow`.

        Args:
            name: of the video in the manifest.
            video: its fingerprint.
            fields: times in seconds, and fields.
        """
        path = self.path(name)
        clear_leftovers(path)
        return write_video_flow(path, fields, {"video": video})

    def has(self, name: str) -> bool:
        """Whether there is flow of a video, good or bad."""
        return self.path(name).exists()

    def open(self, name: str, video: str) -> VideoFlow:
        """The flow of a video.

        Args:
            name: of the video in the manifest.
            video: its fingerprint.

        Raises:
            DataError: it is missing, damaged, or that of another file of the same name.
        """
        flow = open_video_flow(os.path.join(self.folder, name + SUFFIX))
        if flow.about.get("video") != video:
            raise DataError(
                f"{flow.path} holds the flow of an earlier {name}, which has changed since: "
                "delete it and run `kinema flow extract` again"
            )
        return flow

    def writing(self) -> AbstractContextManager[None]:
        """Be the one who adds to the store, alone or with the processes and machines that work for it.

        Raises:
            OutputError: another process is writing it.
        """
        return self._locked(".writing")

    def _locked(self, name: str, wait: bool = False) -> AbstractContextManager[None]:
        busy = (
            f"cannot write to the flow store {self.folder}: another process is writing to it; wait for it, or use "
            "another folder"
        )
        return locked(self.folder / name, busy, wait=wait)


def stored_names(folder: str | Path) -> list[str]:
    """The videos whose flow a store holds, sorted; without what a killed writer left unfinished."""
    files = (path.relative_to(folder).as_posix() for path in Path(folder).rglob(f"*{SUFFIX}"))
    return sorted(file.removesuffix(SUFFIX) for file in files if not file.endswith(f".tmp{SUFFIX}"))


def read_recipe(folder: str | Path) -> dict[str, Any]:
    """How the flow of a store was made.

    Raises:
        DataError: there is no store, it is damaged, or it is of another version of kinema.
    """
    path = Path(folder) / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        version, recipe = int(description["format"]), dict(description["recipe"])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{folder} is no flow store: make one with `kinema flow extract`") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged, or no description of a flow store ({error}): put back a copy of it, or extract into "
            "another folder"
        ) from error
    if version != FORMAT:
        advice = "update kinema" if version > FORMAT else "extract it again into another folder"
        raise DataError(f"{folder} has format {version} of flow stores, this kinema reads {FORMAT}: {advice}")
    return recipe
