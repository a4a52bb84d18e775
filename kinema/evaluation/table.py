"""Features while they are gathered: those that a store holds already, and those that are made now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import DataError
from kinema.evaluation.looks import Look
from kinema.evaluation.store import Facts, FeatureStore, Row, encoder_sha256, fingerprint
from kinema.provenance import software_versions

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
        self._asked = asked
        self._paths = paths
        self._places = {name: range(len(paths)) if seen.only is None else seen.only for name, seen in asked.items()}
        self._rows: dict[str, dict[int, Row]] = {name: {} for name in asked}
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
            known = store.read()
            self._rows[name] = {
                place: known[key] for place in self._places[name] if (key := self._keys[place]) in known
            }

    def missing(self) -> dict[int, list[str]]:
        """By the position of a video, the names of those who have yet to see it."""
        todo: dict[int, list[str]] = {}
        for name, places in self._places.items():
            for place in places:
                if place not in self._rows[name]:
                    todo.setdefault(place, []).append(name)
        return dict(sorted(todo.items()))

    def add(self, name: str, facts: Mapping[int, Facts], features: Sequence[Tensor]) -> None:
        """Take in the features of some videos under the encoder ``name``, and facts by position.

        Raises:
            DataError: one of them is not finite.
        """
        features = [feature.clone() for feature in features]  # inference mode's own may not be used outside it
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

    def finished(self) -> tuple[dict[str, Tensor], dict[int, Facts]]:
        """Features (n, ...) by encoder, a row for each video that it looks at, and the facts of each video seen."""
        places = self._places.items()
        values = {name: torch.stack([self._rows[name][place].feature for place in seen]) for name, seen in places}
        facts = {place: row.facts for rows in self._rows.values() for place, row in rows.items()}
        return values, dict(sorted(facts.items()))

    def __enter__(self) -> FeatureTable:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self._stores.values():
            store.flush()
