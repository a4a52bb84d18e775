"""Features on disk, so that what was computed once is computed no more, and a kill costs seconds.

A store is a folder. In it each recipe (an encoder, the geometry of clips, precision, versions) has a folder of its own
with ``recipe.json`` and parts, which are safetensors files written at once or not at all. A row belongs to a video by
what the file holds (:func:`~kinema.common.provenance.quick_sha256`), so that moved or renamed videos keep theirs.
Several processes may share a store: the name of a part is a hash of the videos in it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from kinema.common.files import make_folder, write_json
from kinema.common.provenance import config_sha256, ids_sha256
from kinema.common.tensors import read_about, read_tensors, write_tensors
from kinema.errors import VideoError
from kinema.video.identity import quick_content_sha256

SECONDS = 10.0
"""Between two parts: what a kill costs at most, beside the batch at hand."""


@dataclass(frozen=True)
class Facts:
    """What reading a video tells of it.

    Attributes:
        duration: seconds.
        short: it is shorter than a clip.
        early: it ends before its header says; its clips lie in what there is.
    """

    duration: float
    short: bool
    early: bool


@dataclass(frozen=True)
class Row:
    """A video under one encoder: its features, float32 of any shape on the CPU, and the facts."""

    feature: Tensor
    facts: Facts


def fingerprint(path: str | Path) -> str | None:
    """Of what a file holds; None if it cannot be read, which whoever decodes it will say better."""
    try:
        return quick_content_sha256(path)
    except VideoError:
        return None


class FeatureStore:
    """The features of one recipe.

    Args:
        folder: of the whole store.
        recipe: all that decides a feature beside the video; plain values.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: str | Path, recipe: Mapping[str, Any]):
        self.folder = make_folder(Path(folder) / config_sha256(recipe)[:16])
        if not (self.folder / "recipe.json").exists():
            write_json(self.folder / "recipe.json", recipe)
        self._pending: dict[str, Row] = {}
        self._written = time.monotonic()

    def read(self, names: Container[str]) -> Iterator[tuple[str, Row]]:
        """The rows of the videos with these fingerprints, one part after another, so that no more than one is held. A
        damaged part is left out, and its rows are made again."""
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                own = json.loads(read_about(path)["videos"])
                if not any(name in names for name in own):
                    continue
                part, _ = read_tensors(path)
                columns = [part[name].tolist() for name in ("duration", "short", "early")]
                facts = [Facts(*row) for row in zip(*columns, strict=True)]
                rows = list(zip(own, part["features"], facts, strict=True))
            except (SafetensorError, OSError, KeyError, ValueError):
                continue
            yield from ((name, Row(feature, fact)) for name, feature, fact in rows if name in names)

    def add(self, rows: Mapping[str, Row]) -> None:
        """Keep rows, by the fingerprint of the video; they reach the disk some seconds later, or with :meth:`flush`.

        Raises:
            OutputError: the disk is full.
        """
        self._pending |= rows
        if time.monotonic() - self._written >= SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last part.

        Raises:
            OutputError: the disk is full.
        """
        names, rows = list(self._pending), list(self._pending.values())
        if rows:
            part = {
                "features": torch.stack([row.feature for row in rows]),
                "duration": torch.tensor([row.facts.duration for row in rows], dtype=torch.float64),
                "short": torch.tensor([row.facts.short for row in rows]),
                "early": torch.tensor([row.facts.early for row in rows]),
            }
            path = self.folder / f"{ids_sha256(names)[:16]}.safetensors"
            write_tensors(path, part, {"videos": json.dumps(names)})
        self._pending, self._written = {}, time.monotonic()


def encoder_sha256(encoder: nn.Module) -> str:
    """SHA-256 of all that a module shows of itself: weights, structure, card, and the source of its modules' classes.

    What they call elsewhere is not seen.
    """
    digest = hashlib.sha256(
        f"{encoder!r}{json.dumps(getattr(encoder, 'card', {}), sort_keys=True, default=str)}".encode()
    )
    for name, value in encoder.state_dict().items():
        digest.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    for kind in sorted({type(module) for module in encoder.modules()}, key=lambda kind: kind.__qualname__):
        try:
            digest.update(inspect.getsource(kind).encode())
        except (OSError, TypeError):  # made at run time
            digest.update(kind.__qualname__.encode())
    return digest.hexdigest()
