"""From an encoder and a folder of triplets to a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.evaluation.gather import gather
from kinema.evaluation.opening import open_asked
from kinema.evaluation.run import CACHE
from kinema.evaluation.triplets import TripletsResult, evaluate_triplets, find_triplets
from kinema.files import make_folder, write_json
from kinema.provenance import config_sha256, ids_sha256, software_versions


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
        figures = self.result.to_dict()
        spec = {"protocol": figures.pop("spec"), "features": self.features}
        return {
            "protocol": "triplets",
            "result": figures,
            "spec": spec,
            "spec_sha256": config_sha256(spec),
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
    out: str | Path | None = None,
    *,
    readout: Mapping[str, Any] | None = None,
    clip: Mapping[str, Any] | None = None,
    clips: int = 10,
    cache: str | Path | None = None,
    **settings: Any,
) -> TripletsEvaluation:
    """Evaluate one encoder on ``CATEGORY/example_N/{ref,positive,negative}.mp4``.

    Args:
        folder: the folder of triplets.
        encoder: as :func:`kinema.models.open_encoder` takes it.
        out: JSON file to write; None to write nothing.
        readout: settings of the readout in place of the encoder's own.
        clip: settings of the clips in place of the encoder's own.
        clips: clips per video.
        cache: folder in which features are kept and looked for; None for one beside ``out``, or none without.
        settings: of the extraction, as of :func:`~kinema.evaluation.features.extract_features`.

    Raises:
        KinemaError: the triplets, videos, settings, the encoder or the output file are at fault.
    """
    if out is not None:
        make_folder(Path(out).parent)
        cache = cache or Path(out).parent / CACHE
    triplets = find_triplets(folder)
    opened, used = open_asked(encoder, readout, clip)
    paths = [path for triplet in triplets for path in triplet.paths]
    gathered = gather(
        opened, paths, used, fit_on=range(len(paths)), transductive=True, clips=clips, cache=cache, **settings
    )
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
