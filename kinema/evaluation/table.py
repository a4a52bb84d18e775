"""Features while they are gathered: those that a store holds already, and those that are made now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinema.common.provenance import software_versions
from kinema.errors import DataError
from kinema.evaluation.looks import Look
from kinema.evaluation.store import Facts, FeatureStore, Row, encoder_sha256, fingerprint

KEYED_VERSIONS = ("kinema", "torch", "numpy", "av", "opencv")
"""Packages of which another version may give other features."""


ASKED = 16
"""Videos whose fingerprints are asked for at a time, since storages take their time to answer."""


@dataclass(frozen=True, eq=False)
class Seen:
    """An encoder and how it looks at videos.

    Attributes:
        encoder: from clips (B, 3, T, H, W) with values from 0 to 1 to features (B, D).
        look: which clips it is shown.
        only: positions of the videos that it looks at; None for all.
    """

    encoder: nn.Module
    look: Look
    only: tuple[int, ...] | None = None


class Columns:
    """What is known of some videos under one encoder.

    Args:
        places: positions of the videos.

    Attributes:
        places: of the videos, in the order of rows.
        there: (N,) bool, whether there is a row.
        duration: (N,) float64, seconds.
        short: (N,) bool.
        early: (N,) bool.
    """

    def __init__(self, places: Sequence[int]):
        self.places = places
        self.there, self.short, self.early = (np.zeros(len(places), bool) for _ in range(3))
        self.duration = np.zeros(len(places))
        self._features: Tensor | None = None

    def put(self, row: int, found: Row) -> None:
        """Take in a row."""
        if self._features is None:
            with torch.inference_mode(False):  # whose tensors may not be used outside it
                self._features = torch.empty(len(self.places), *found.feature.shape)
        self._features[row] = found.feature
        self.duration[row], self.short[row], self.early[row] = astuple(found.facts)
        self.there[row] = True

    def features(self) -> Tensor:
        """(N, ...) float32 of all videos, each of which has a row."""
        assert self._features is not None and self.there.all(), "all have been seen"
        return self._features


class FeatureTable:
    """A row for each encoder and video; leaving its context writes down what was added.

    Args:
        asked: the encoders and their looks, by name.
        paths: the video files.
        cache: folder of a store of features; None for none.
        recipe: all that decides a feature beside the video, the encoder, its look and the software; plain values.

    Raises:
        OutputError: the store cannot be written.
    """

    def __init__(
        self,
        asked: Mapping[str, Seen],
        paths: Sequence[str | Path],
        cache: str | Path | None,
        recipe: Mapping[str, Any],
    ):
        self._paths = paths
        self._columns = {
            name: Columns(range(len(paths)) if seen.only is None else seen.only) for name, seen in asked.items()
        }
        self._keys: list[str | None] = []
        self._stores: dict[str, FeatureStore] = {}
        if cache is not None:
            with ThreadPoolExecutor(ASKED) as pool:
                self._keys = list(pool.map(fingerprint, paths))
            found = software_versions()
            whole = {**recipe, "versions": {package: found.get(package) for package in KEYED_VERSIONS}}
            self._stores = {
                name: FeatureStore(cache, {"encoder": encoder_sha256(seen.encoder), **seen.look.spec(), **whole})
                for name, seen in asked.items()
            }
        for name, store in self._stores.items():
            own, rows = self._columns[name], dict[str, list[int]]()
            for row, place in enumerate(own.places):
                if (key := self._keys[place]) is not None:
                    rows.setdefault(key, []).append(row)  # several where a video has copies
            for key, found_row in store.read(rows):
                for row in rows[key]:
                    own.put(row, found_row)

    def missing(self) -> dict[int, list[str]]:
        """By the position of a video, the names of those who have yet to see it."""
        todo: dict[int, list[str]] = {}
        for name, own in self._columns.items():
            for row in np.flatnonzero(~own.there).tolist():
                todo.setdefault(own.places[row], []).append(name)
        return dict(sorted(todo.items()))

    def add(self, name: str, facts: Mapping[int, Facts], features: Sequence[Tensor]) -> None:
        """Take in the features of some videos under the encoder ``name``, and facts by position.

        Raises:
            DataError: one of them is not finite.
        """
        for position, feature in zip(facts, features, strict=True):
            if not torch.isfinite(feature).all():
                raise DataError(
                    f"the encoder {name} gives features that are not finite, the first for {self._paths[position]}; "
                    "its training has probably diverged, or bfloat16 is too coarse for it (--precision 32)"
                )
        rows = {p: Row(feature, seen) for (p, seen), feature in zip(facts.items(), features, strict=True)}
        own = self._columns[name]
        for position, row in rows.items():
            own.put(own.places.index(position), row)
        if name in self._stores:
            self._stores[name].add({key: row for p, row in rows.items() if (key := self._keys[p]) is not None})

    def finished(self) -> tuple[dict[str, Tensor], float, tuple[int, ...], tuple[int, ...]]:
        """Features (n, ...) by encoder, a row for each video that it looks at; of the videos seen how long they are
        together, in seconds, and the positions of those that are short, and that end early."""
        columns = self._columns
        facts = {name: np.zeros(len(self._paths)) for name in ("duration", "short", "early")}
        for own in columns.values():
            for name, values in facts.items():
                values[np.asarray(own.places)] = getattr(own, name)
        short, early = (tuple(np.flatnonzero(facts[name]).tolist()) for name in ("short", "early"))
        return {name: own.features() for name, own in columns.items()}, float(facts["duration"].sum()), short, early

    def __enter__(self) -> FeatureTable:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self._stores.values():
            store.flush()
