"""A whole evaluation: from an encoder's file, a folder of videos and their labels to a JSON file."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kinema.config import ClipConfig
from kinema.data.benchmarks import BenchmarkChoice, read_labels
from kinema.data.labels import LabelledSet, first_few
from kinema.evaluation.features import Features, Precision, extract_features
from kinema.evaluation.folds import Split
from kinema.evaluation.probe import ProbeResult, evaluate_probe
from kinema.evaluation.retrieval import RetrievalResult, evaluate_retrieval
from kinema.files import make_folder, write_json
from kinema.models import open_encoder
from kinema.provenance import config_sha256, ids_sha256, software_versions

Protocol = Literal["retrieval", "probe"]


@dataclass(frozen=True)
class Evaluation:
    """The result of a protocol and all that is needed to understand and repeat it.

    Attributes:
        protocol: what was evaluated.
        result: its figures.
        encoder: name, hash of the file (None if untrained) and card.
        data: label column, group column, counts, hours and hashes.
        features: how features were made.
        files: the videos, in the order that the result's indices refer to.
        notes: sentences about what a reader of the figures should know.
        versions: of the software.
        timings: seconds; all that may differ between two equal runs.
    """

    protocol: Protocol
    result: RetrievalResult | ProbeResult
    encoder: dict[str, Any]
    data: dict[str, Any]
    features: dict[str, Any]
    files: tuple[str, ...] = field(repr=False)
    notes: tuple[str, ...]
    versions: dict[str, str]
    timings: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        result = self.result.to_dict()
        spec = {"protocol": result.pop("spec"), "features": self.features}
        return {
            "protocol": self.protocol,
            "result": result,
            "spec": spec,
            "spec_sha256": config_sha256(spec),
            "encoder": self.encoder,
            "data": self.data,
            "notes": list(self.notes),
            "versions": self.versions,
            "timings": self.timings,
            "files": list(self.files),
        }

    def summary(self) -> str:
        """The figures in a few lines for a terminal."""
        return "\n".join([f"{self.encoder['name']}: {self.result.summary()}", *self.notes])


def evaluate(
    protocol: Protocol,
    run: str | Path,
    data: str | Path,
    labels: str | Path | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    out: str | Path | None = None,
    *,
    split: Split = "auto",
    clip: ClipConfig | None = None,
    clips: int = 10,
    batch_size: int = 64,
    workers: int | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    like: str | Path | None = None,
    seed: int = 0,
    benchmark: BenchmarkChoice | None = None,
) -> Evaluation:
    """Evaluate one encoder on labelled videos.

    Args:
        protocol: ``retrieval`` or ``probe``.
        run: the encoder, as :func:`kinema.models.open_encoder` takes it.
        data: the folder of videos.
        labels: CSV file with ``file``, the label's column and optionally ``split``; None for class folders.
        label_column: the column to predict.
        group_column: a column whose groups are never on both sides of a comparison.
        out: JSON file to write; None to write nothing.
        split: how videos are held out.
        clip: geometry of the clips; None for what the encoder was made for.
        clips: clips per video, whose features are averaged.
        batch_size: clips per forward pass.
        workers: processes that decode video; None for one less than there are cores.
        device: "auto", "cpu", "cuda", ...
        precision: ``auto`` for bfloat16 where it helps, or ``32``.
        like: with ``random``, a run whose architecture and clip geometry to take; None for the tiny preset's.
        seed: with ``random``, of the weights.
        benchmark: a standard benchmark, whose official lists take the place of ``labels``.

    Raises:
        KinemaError: labels, videos, the encoder or the output file are at fault; one sentence says which and how.
    """
    began = time.perf_counter()
    if out is not None:
        make_folder(Path(out).parent)  # an unwritable place is better found out before the work than after
    labelled = read_labels(data, labels, label_column, group_column, benchmark)
    encoder = open_encoder(run, like=like, seed=seed)
    features = extract_features(
        {"encoder": encoder.module},
        labelled.paths,
        clip or encoder.clip,
        clips=clips,
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
    )
    measure = evaluate_retrieval if protocol == "retrieval" else evaluate_probe
    result: RetrievalResult | ProbeResult = measure(features["encoder"], labelled, split)
    evaluation = Evaluation(
        protocol=protocol,
        result=result,
        encoder=encoder.facts,
        data=_describe(labelled, label_column, group_column, features),
        features=features.spec(),
        files=labelled.files,
        notes=_notes(result, labelled, features),
        versions=software_versions(),
        timings={
            "seconds": time.perf_counter() - began,
            "features": features.seconds,
            "waiting_for_frames": features.waiting,
        },
    )
    if out is not None:
        write_json(out, evaluation.to_dict())
    return evaluation


def _describe(labelled: LabelledSet, label_column: str, group_column: str | None, features: Features) -> dict[str, Any]:
    names = [labelled.classes[label] for label in labelled.labels]
    return {
        "label_column": label_column,
        "group_column": group_column,
        "videos": len(labelled),
        "hours": features.duration / 3600,
        "classes": list(labelled.classes),
        "files_sha256": ids_sha256(labelled.files),
        "labels_sha256": ids_sha256(f"{file},{name}" for file, name in zip(labelled.files, names, strict=True)),
        **labelled.facts,
    }


def _notes(result: RetrievalResult | ProbeResult, labelled: LabelledSet, features: Features) -> tuple[str, ...]:
    """What a reader of the figures should know, in sentences."""
    notes = [labelled.gaps] if labelled.gaps else []
    for positions, what in (
        (features.short, "shorter than a clip, their last frame is held"),
        (features.early, "shorter than their header says, their clips lie in what there is"),
    ):
        if positions:
            names = first_few([labelled.files[position] for position in positions])
            notes.append(f"{len(positions)} of {len(labelled)} videos are {what}: {names}.")
    if isinstance(result, RetrievalResult) and result.unanswerable:
        notes.append(f"{result.unanswerable} queries have no video of their label to find and count as wrong.")
    if isinstance(result, ProbeResult) and result.not_converged:
        limit = result.spec.max_iterations
        notes.append(f"{result.not_converged} trainings of the probe had not converged after {limit} iterations.")
    return tuple(notes)
