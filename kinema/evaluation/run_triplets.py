"""From an encoder and a folder of triplets to a JSON file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.common.files import write_json
from kinema.common.provenance import ids_sha256, software_versions
from kinema.config import overlaid
from kinema.config.requests import FeatureConfig
from kinema.evaluation.gather import gather, open_asked
from kinema.evaluation.outcome import described
from kinema.evaluation.run import kept_beside
from kinema.evaluation.triplets import TripletsResult, evaluate_triplets, find_triplets


@dataclass(frozen=True)
class TripletsEvaluation:
    """What the triplets tell of an encoder, and all that is needed to understand and repeat it.

    Attributes:
        result: the figures.
        encoder: name, hash of the file (None if untrained) and card.
        features: how features were made.
        files: the videos, relative to the folder: reference, positive and negative of one triplet after another.
        versions: of the software.
    """

    result: TripletsResult
    encoder: dict[str, Any]
    features: dict[str, Any]
    files: tuple[str, ...]
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "protocol": "triplets",
            **described(self.result, self.features),
            "encoder": self.encoder,
            "data": {"triplets": self.result.triplets, "files_sha256": ids_sha256(self.files)},
            "versions": self.versions,
            "files": list(self.files),
        }

    def summary(self) -> str:
        """The figures in a few lines for a terminal."""
        return f"{self.encoder['name']}: {self.result.summary()}"


def evaluate_triplet_folder(
    folder: str | Path,
    encoder: str | Path = "motion",
    config: FeatureConfig | None = None,
    *,
    out: str | Path | None = None,
    **settings: Any,
) -> TripletsEvaluation:
    """Evaluate one encoder on ``CATEGORY/example_N/{ref,positive,negative}.mp4``.

    Args:
        folder: the folder of triplets.
        encoder: as :func:`kinema.models.open_encoder` takes it.
        config: how features are made; None for the defaults.
        out: JSON file to write; None to write nothing. Features are kept beside it, unless ``cache`` names a folder.
        settings: fields of :class:`~kinema.config.requests.FeatureConfig` by name, in place of those of ``config``.

    Raises:
        KinemaError: the triplets, videos, settings, the encoder or the output file are at fault.
    """
    config = kept_beside(out, overlaid("evaluate triplets", config or FeatureConfig(), settings))
    triplets = find_triplets(folder)
    opened, used = open_asked(encoder, config.readout, config.clip)
    paths = [path for triplet in triplets for path in triplet.paths]
    gathered = gather(opened, paths, used, fit_on=range(len(paths)), transductive=True, **config.extraction)
    evaluation = TripletsEvaluation(
        result=evaluate_triplets(triplets, gathered.readout, gathered.pooled, gathered.whitening),
        encoder=opened.facts,
        features=gathered.features.spec(),
        files=tuple(path.relative_to(folder).as_posix() for path in paths),
        versions=software_versions(),
    )
    if out is not None:
        write_json(out, evaluation.to_dict())
    return evaluation
