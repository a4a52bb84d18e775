"""The labels that a training began with, kept beside it, so that it goes on with them whatever has become of the files.

A video that has gone since counts as one that broke (:mod:`kinema.data.left_out`), and not as other labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.files import write_json
from kinema.common.object_cache import fetched
from kinema.common.provenance import file_sha256
from kinema.common.storage import exists, is_folder
from kinema.config.requests import LabelConfig
from kinema.data.labels import LabelledSet
from kinema.video.identity import content_sha256

KEPT = "labels.json"


def asked_for(asked: LabelConfig) -> dict[str, Any]:
    """What labels a user asks for, to be compared with what was asked for before; plain values."""
    contents, table = None, asked.labels
    if table is not None and exists(table):
        if is_folder(table):  # of another tool's files, a video each
            contents = content_sha256(table)
        else:
            with fetched(table) as local:
                contents = file_sha256(local)
    lists = {"fold": asked.fold, "annotations": asked.annotations, "max_missing": asked.max_missing}
    named = {"name": asked.benchmark, **lists}
    return {
        "table": contents,
        "label_column": asked.label_column,
        "group_column": asked.group_column,
        "benchmark": asked.benchmark and {name: str(value) for name, value in named.items()},
    }


def keep_labels(out: Path, labelled: LabelledSet, asked: Mapping[str, Any]) -> None:
    """Write the labels into a training's folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_json(
        out / KEPT,
        {
            "asked": asked,
            "files": labelled.files,
            "labels": labelled.labels.tolist(),
            "classes": labelled.classes,
            "splits": labelled.splits,
            "groups": labelled.groups,
            "facts": labelled.facts,
        },
    )


def kept_labels(out: Path, folder: str | Path, asked: Mapping[str, Any]) -> LabelledSet | None:
    """The labels that a training began with; None if there are none, or others were asked for.

    Args:
        out: the training's folder.
        folder: of the videos.
        asked: by :func:`asked_for`.
    """
    try:
        kept = json.loads((out / KEPT).read_text(encoding="utf-8"))
        if kept.pop("asked") != asked:
            return None
        columns = {name: kept[name] and tuple(kept[name]) for name in ("files", "classes", "splits", "groups")}
        return LabelledSet(Path(folder), labels=np.array(kept["labels"], np.int64), facts=kept["facts"], **columns)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # damaged: then they are read again
        return None
