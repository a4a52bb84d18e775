"""What an evaluation leaves: the figures of its protocols, and all that is needed to understand and repeat them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from kinema.common.provenance import config_sha256, ids_sha256
from kinema.config.requests import EvaluationConfig, Protocol
from kinema.data.labels import LabelledSet
from kinema.errors import first_few
from kinema.evaluation.diagnosis import DiagnosisResult
from kinema.evaluation.features import Features
from kinema.evaluation.few_label import FewLabelResult
from kinema.evaluation.knn import KNNResult
from kinema.evaluation.pairs import PairsResult
from kinema.evaluation.probe import ProbeResult
from kinema.evaluation.retrieval import RetrievalResult
from kinema.evaluation.triplets import TripletsResult

Result = RetrievalResult | KNNResult | ProbeResult | FewLabelResult | PairsResult | DiagnosisResult


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of a protocol, or of all, and all that is needed to understand and repeat them.

    Attributes:
        protocol: what was evaluated.
        results: the figures, by protocol.
        left_out: of ``all``, the protocols that the data do not allow, and why.
        encoder: name, hash of the file (None if untrained) and card.
        data: label columns, group column, counts, hours and hashes.
        features: how features were made.
        labelled: the videos, in the order that the results' indices refer to.
        appearance: the same videos labelled by appearance, if they are.
        values: (N, D) features of the clips as they are.
        notes: sentences about what a reader of the figures should know.
        versions: of the software.
        timings: seconds, and how many videos were read now; all that may differ between two equal runs.
        baselines: of ``all``, what other encoders retrieve on the same videos, by name.
    """

    protocol: Protocol
    results: Mapping[Protocol, Result]
    left_out: Mapping[Protocol, str]
    encoder: dict[str, Any]
    data: dict[str, Any]
    features: dict[str, Any]
    labelled: LabelledSet
    appearance: LabelledSet | None
    values: Tensor = field(repr=False)
    notes: tuple[str, ...]
    versions: dict[str, str]
    timings: dict[str, float]
    baselines: Mapping[str, RetrievalResult] = field(default_factory=dict)

    @property
    def result(self) -> Result:
        """The figures, where a single protocol was asked for."""
        (result,) = self.results.values()
        return result

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; of all protocols, each has its figures below ``results``."""
        told = {name: described(result, self.features) for name, result in self.results.items()}
        others = {name: result.to_dict() for name, result in self.baselines.items()}
        everything = {"results": told, "baselines": others, "left_out": dict(self.left_out)}
        return {
            "protocol": self.protocol,
            **(everything if self.protocol == "all" else told[self.protocol]),
            "encoder": self.encoder,
            "data": self.data,
            "notes": list(self.notes),
            "versions": self.versions,
            "timings": self.timings,
            "files": list(self.labelled.files),
        }

    def summary(self) -> str:
        """The figures in a few lines for a terminal."""
        name = self.encoder["name"]
        if self.protocol != "all":
            return "\n".join([f"{name}: {self.result.summary()}", *self.notes])
        lines = [f"{name}, {protocol}: {result.summary()}" for protocol, result in self.results.items()]
        return "\n".join([*lines, *(f"{p} is left out: {why}" for p, why in self.left_out.items()), *self.notes])


def described(result: Result | TripletsResult, features: dict[str, Any]) -> dict[str, Any]:
    """The figures of a protocol and what was measured, with its fingerprint, as plain values."""
    figures = result.to_dict()
    spec = {"protocol": figures.pop("spec"), "features": features}
    return {"result": figures, "spec": spec, "spec_sha256": config_sha256(spec)}


def describe_data(
    labelled: LabelledSet,
    appearance: LabelledSet | None,
    asked: EvaluationConfig,
    features: Features,
) -> dict[str, Any]:
    """What was evaluated on, with fingerprints, as plain values."""
    facts: dict[str, Any] = {
        "label_column": asked.label_column,
        "group_column": asked.group_column,
        "videos": len(labelled),
        "hours": features.duration / 3600,
        "classes": list(labelled.classes),
        "files_sha256": ids_sha256(labelled.files),
        "labels_sha256": labels_sha256(labelled),
    }
    if appearance is not None:
        facts["appearance_column"] = asked.appearance_column
        facts["appearance_classes"] = list(appearance.classes)
        facts["appearance_sha256"] = labels_sha256(appearance)
    return {**facts, **labelled.facts}


def labels_sha256(labelled: LabelledSet) -> str:
    """A fingerprint of the videos and their labels, whatever the videos hold."""
    pairs = zip(labelled.files, labelled.labels, strict=True)
    return ids_sha256(f"{file},{labelled.classes[label]}" for file, label in pairs)


def notes_on(results: Iterable[Result], labelled: LabelledSet, features: Features) -> tuple[str, ...]:
    """What a reader of the figures should know, in sentences."""
    notes = [labelled.gaps] if labelled.gaps else []
    short = "they are slowed down to it" if features.clip.stretch else "their last frame is held"
    for positions, what in (
        (features.short, f"shorter than a clip, {short}"),
        (features.early, "shorter than their header says, their clips lie in what there is"),
    ):
        if positions:
            names = first_few([labelled.files[position] for position in positions])
            notes.append(f"{len(positions)} of {len(labelled)} videos are {what}: {names}.")
    for result in results:
        if isinstance(result, RetrievalResult) and result.unanswerable:
            notes.append(f"{result.unanswerable} queries have no video of their label to find and count as wrong.")
        if isinstance(result, RetrievalResult) and result.whitening is not None:
            notes += _on_whitening(result.whitening)
        if isinstance(result, ProbeResult) and result.not_converged:
            limit = result.spec.max_iterations
            notes.append(f"{result.not_converged} trainings of the probe had not converged after {limit} iterations.")
        if isinstance(result, DiagnosisResult) and result.appearance is None:
            notes.append(
                "No labels of appearance were given (--appearance-column), so that the motion share, the retrieval by "
                "appearance and the similarity of pairs are left out of the diagnosis."
            )
        if isinstance(result, PairsResult):
            notes += [f"The pair {pair} is left out: {why}." for pair, why in result.left_out.items()]
    return tuple(notes)


def _on_whitening(fitted: dict[str, Any]) -> list[str]:
    if fitted["left_out"]:
        return [f"Whitened figures are left out: {fitted['left_out']}."]
    if not fitted["transductive"]:
        return []
    return [
        f"The whitening was fitted on the videos that are compared, without their labels ({fitted['copies']} augmented "
        f"copies of each of {fitted['windows']} windows): whitened figures are transductive."
    ]
