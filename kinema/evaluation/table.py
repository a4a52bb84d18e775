"""Features while they are gathered: those that a store holds already, and those that are made now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import DataError, VideoError
from kinema.evaluation.store import Facts, FeatureStore, Row, encoder_sha256
from kinema.provenance import software_versions
from kinema.video.identity import quick_content_sha256

KEYED_VERSIONS = ("kinema", "torch", "numpy", "av", "opencv-contrib-python-headless")
"""Packages of which another version may give other features."""


class FeatureTable:
    """A row for each encoder and video; leaving its context writes down what was added.

    Args:
        encoders: by name.
        paths: the video files.
        cache: folder of a store of features; None for none.
        recipe: all that decides a feature beside the video, the encoder and the software; plain values.

    Raises:
        OutputError: the store cannot be written.
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        paths: Sequence[str | Path],
        cache: str | Path | None,
        recipe: Mapping[str, Any],
    ):
        self._paths = paths
        self._rows: dict[str, dict[int, Row]] = {name: {} for name in encoders}
        self._keys: list[str | None] = []
        self._stores: dict[str, FeatureStore] = {}
        if cache is not None:
            self._keys = [_fingerprint(path) for path in paths]
            found = software_versions()
            whole = {**recipe, "versions": {package: found.get(package) for package in KEYED_VERSIONS}}
            self._stores = {
                name: FeatureStore(cache, {"encoder": encoder_sha256(encoder), **whole})
                for name, encoder in encoders.items()
            }
        for name, store in self._stores.items():
            known = store.read()
            self._rows[name] = {place: known[key] for place, key in enumerate(self._keys) if key in known}

    def missing(self) -> tuple[list[int], list[str]]:
        """Positions of the videos that an encoder has yet to see, and the names of those encoders."""
        running = [name for name, rows in self._rows.items() if len(rows) < len(self._paths)]
        return [p for p in range(len(self._paths)) if any(p not in self._rows[name] for name in running)], running

    def add(self, name: str, facts: Mapping[int, Facts], features: Tensor) -> None:
        """Take in the features (len(facts), D) of some videos under the encoder ``name``, and facts by position.

        Raises:
            DataError: one of them is not finite.
        """
        features = features.clone()  # what inference mode made may not be used outside it otherwise
        for position, feature in zip(facts, features, strict=True):
            if not torch.isfinite(feature).all():
                raise DataError(
                    f"the encoder {name} gives features that are not finite, the first for {self._paths[position]}; "
                    "its training has probably diverged, or bfloat16 is too coarse for it (--precision 32)"
                )
        rows = {p: Row(feature, seen) for (p, seen), feature in zip(facts.items(), features, strict=True)}
        self._rows[name] |= rows
        if name in self._stores:
            self._stores[name].add({key: row for p, row in rows.items() if (key := self._keys[p]) is not None})

    def finished(self) -> tuple[dict[str, Tensor], list[Facts]]:
        """Features (N, D) by encoder, and the facts of each video, when none is missing."""
        places = range(len(self._paths))
        values = {name: torch.stack([rows[p].feature for p in places]) for name, rows in self._rows.items()}
        first = next(iter(self._rows.values()))
        return values, [first[p].facts for p in places]

    def __enter__(self) -> FeatureTable:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self._stores.values():
            store.flush()


def _fingerprint(path: str | Path) -> str | None:
    """Of what a file holds; None if it cannot be read, which whoever decodes it will say better."""
    try:
        return quick_content_sha256(path)
    except VideoError:
        return None
