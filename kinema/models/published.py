"""Published weights into a network of kinema, with a report of what matched."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from kinema.common.tensors import read_weights
from kinema.errors import CheckpointError, first_line
from kinema.models.layouts import SOURCES, Source, source_of

CONTAINERS = ("state_dict", "model_state", "model")
"""Under which name a checkpoint of a training holds its weights."""

SHOWN = 5
"""Names of each kind in a report's words."""


@dataclass(frozen=True)
class WeightsReport:
    """What became of a file's weights.

    Attributes:
        file: its name.
        source: whose layout it has.
        matched: names, in kinema's words, that were loaded.
        missing: that the network has and the file has not.
        unexpected: that the encoder in the file has and the network has not.
        reshaped: that both have, with another shape: ``name (shape in the file, not shape in the network)``.
        left_out: names in the file that are no part of an encoder: classifiers, queues, other networks.
    """

    file: str
    source: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the file and the network hold the same weights."""
        return not (self.missing or self.unexpected or self.reshaped)

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        kinds = ("matched", "missing", "unexpected", "reshaped", "left_out")
        return {kind: len(getattr(self, kind)) for kind in kinds}

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in self.counts.items())
        lines = [f"{self.file} ({self.source}): {counts}"]
        for kind in ("missing", "unexpected", "reshaped"):
            names = getattr(self, kind)
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            lines += [f"  {kind}: {', '.join(names[:SHOWN])}{more}"] if names else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Published:
    """An encoder's weights out of a published checkpoint.

    Attributes:
        path: the file.
        source: whose it is.
        weights: by kinema's names, with the classification layer if there is one.
        left_out: names in the file of what is no part of the encoder.
    """

    path: Path
    source: Source
    weights: dict[str, Tensor]
    left_out: tuple[str, ...]


def read_published(path: str | Path) -> Published:
    """Read a checkpoint of one of the sources in :mod:`kinema.models.layouts`; nothing in it is executed.

    Args:
        path: a safetensors file, or one of PyTorch's.

    Raises:
        CheckpointError: the file is missing or damaged, holds more than weights, or has none of the layouts.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there are no weights at {path}; name an encoder of kinema or a file with a state dict")
    weights = _tensors(_unpacked(path))
    source = source_of(weights)
    if source is None:
        first = next(iter(weights), None)
        known = ", ".join(dict.fromkeys(source.name for source in SOURCES))
        raise CheckpointError(
            f"{path} holds no encoder of a layout that kinema knows ({known}); "
            + (f"its first weight is called {first}" if first else "it holds no weights by name")
        )
    inside = {name.removeprefix(source.prefix): v for name, v in weights.items() if name.startswith(source.prefix)}
    outside = tuple(name for name in weights if not name.startswith(source.prefix))
    return Published(path, source, source.layout.translate(inside), outside)


def fill(network: nn.Module, published: Published, partial: bool = False) -> WeightsReport:
    """Put published weights into a network, all of them or none.

    Counts of batches seen (``num_batches_tracked``), which older files lack, are left as they are where they are
    missing. A classification layer in the file is left out where the network has none.

    Args:
        network: a backbone, or one with a motion hierarchy around it.
        published: the weights.
        partial: load what matches where not everything does.

    Raises:
        CheckpointError: not everything matches, and ``partial`` is off; or nothing does.
    """
    expected = network.state_dict()
    classifier = published.source.layout.classifier
    classifies = any(name.startswith(classifier) for name in expected)
    weights = {n: v for n, v in published.weights.items() if classifies or not n.startswith(classifier)}
    same = {n: v for n, v in weights.items() if n in expected and v.shape == expected[n].shape}
    report = WeightsReport(
        file=str(published.path),
        source=published.source.name,
        matched=tuple(same),
        missing=tuple(n for n in expected if n not in weights and not n.endswith("num_batches_tracked")),
        unexpected=tuple(n for n in weights if n not in expected),
        reshaped=tuple(
            f"{n} {_shape(v)}, not {_shape(expected[n])}" for n, v in weights.items() if n in expected and n not in same
        ),
        left_out=(*published.left_out, *(n for n in published.weights if n not in weights)),
    )
    if not same or not (partial or report.complete):
        words = "; ".join(str(report).split("\n  ")).removeprefix(f"{published.path} ")
        raise CheckpointError(
            f"{published.path} holds another architecture than {type(network).__name__}: {words}; "
            + ("take what matches with partial, or " if same else "")
            + "name the model that it was trained as"
        )
    network.load_state_dict(same, strict=False)
    return report


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape))


def _unpacked(path: Path) -> Any:
    try:
        return read_weights(path)
    except Exception as error:  # torch names no error for a damaged file: zip, pickle and key errors all occur
        if isinstance(error, pickle.UnpicklingError) and re.search("nsupported (global|class)", str(error)):
            raise CheckpointError(
                f"{path} holds pickled objects beside its weights, which kinema does not run; if you trust it, save "
                "its weights alone with torch.save(torch.load(PATH, weights_only=False)['state_dict'], NEW)"
            ) from error
        reason = first_line(error, type(error).__name__)
        if isinstance(error, pickle.UnpicklingError | LookupError | EOFError):  # say nothing, or advise to run the file
            reason = "torch.save did not write it, or not all of it"
        raise CheckpointError(f"{path} is damaged or no file of weights ({reason}); copy it again") from error


def _tensors(content: Any) -> dict[str, Tensor]:
    """The weights by name in what a file held, without the prefix that parallel training leaves."""
    for name in CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping):
        return {}
    return {str(n).removeprefix("module."): value for n, value in content.items() if isinstance(value, Tensor)}
