"""A whole evaluation: from an encoder's file, a folder of videos and their labels to a JSON file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kinema.config import ClipConfig, ReadoutConfig
from kinema.data.benchmarks import BenchmarkChoice, read_labels
from kinema.data.labels import LabelledSet
from kinema.errors import ConfigError, DataError
from kinema.evaluation.diagnosis import evaluate_diagnosis
from kinema.evaluation.features import Precision
from kinema.evaluation.few_label import FewLabelSpec, evaluate_few_label
from kinema.evaluation.folds import Split
from kinema.evaluation.gather import gather
from kinema.evaluation.knn import evaluate_knn
from kinema.evaluation.opening import open_asked
from kinema.evaluation.orders import NORMAL, ORDERS
from kinema.evaluation.outcome import Evaluation, Protocol, Result, describe_data, notes_on
from kinema.evaluation.pairs import Pair, checked_pairs, evaluate_pairs
from kinema.evaluation.probe import evaluate_probe
from kinema.evaluation.retrieval import evaluate_retrieval
from kinema.files import make_folder, write_json
from kinema.provenance import software_versions

CACHE = "features"
"""Folder beside a result in which its features are kept."""


def evaluate(
    protocol: Protocol,
    run: str | Path,
    data: str | Path,
    labels: str | Path | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    out: str | Path | None = None,
    *,
    appearance_column: str | None = None,
    split: Split = "auto",
    few_label: FewLabelSpec | None = None,
    pairs: Sequence[Pair] | None = None,
    jitter: int | None = None,
    shaken: float | None = None,
    readout: ReadoutConfig | Mapping[str, Any] | None = None,
    clip: ClipConfig | Mapping[str, Any] | None = None,
    clips: int = 10,
    batch_size: int = 64,
    workers: int | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    cache: str | Path | None = None,
    like: str | Path | None = None,
    seed: int = 0,
    benchmark: BenchmarkChoice | None = None,
    cluster: str | None = None,
) -> Evaluation:
    """Evaluate one encoder on labelled videos.

    Args:
        protocol: one of them, or ``all``: whatever the data allow, from one decoding of the videos.
        run: the encoder, as :func:`kinema.models.open_encoder` takes it.
        data: the folder of videos.
        labels: CSV file with ``file``, the label's column and optionally ``split``; None for class folders.
        label_column: the column to predict; the motion, where there is one of the appearance too.
        group_column: a column whose groups are never on both sides of a comparison.
        out: JSON file to write; None to write nothing.
        appearance_column: for ``diagnosis`` and ``all``, the column with the appearance; None if it is unknown.
        split: how videos are held out.
        few_label: for ``few-label`` and ``all``, how many labels; None for the default.
        pairs: for ``pairs`` and ``all``, names of classes, two by two; None for those of opposite names.
        jitter: for ``retrieval`` and ``all``, how often videos are seen through shifted crops too; None for never.
        shaken: for ``retrieval`` and ``all``, by how many pixels (a standard deviation) the frames of the videos are
            shaken, with a texture, in a further comparison; None for none.
        readout: what of the encoder's network is a clip's feature, or settings by name in place of its own.
        clip: geometry of the clips, or settings by name in place of what the encoder was made for.
        clips: clips per video, whose features are averaged.
        batch_size: clips per forward pass.
        workers: processes that decode video; None for one less than there are cores.
        device: "auto", "cpu", "cuda", ...
        precision: ``auto`` for bfloat16 where it helps, or ``32``.
        cache: folder in which features are kept and looked for; None for one beside ``out``, or none without.
        like: with ``random``, a run whose architecture and clips to take; None for the settings' own defaults.
        seed: with ``random``, of the weights.
        benchmark: a standard benchmark, whose official lists take the place of ``labels``.
        cluster: whose machines read videos and compute features (:mod:`kinema.cluster`); None for this one.

    Raises:
        KinemaError: labels, videos, settings, the encoder or the output file are at fault; one sentence says which
            and how.
    """
    began = time.perf_counter()
    for name, value, users in (
        ("appearance_column", appearance_column, ("diagnosis", "all")),
        ("few_label", few_label, ("few-label", "all")),
        ("jitter", jitter, ("retrieval", "all")),
        ("shaken", shaken, ("retrieval", "all")),
        ("pairs", pairs, ("pairs", "all")),
    ):
        if value is not None and protocol not in users:
            raise ConfigError(
                f"{name} is a setting of the protocols {' and '.join(users)}, not of {protocol}; leave it out"
            )
    if out is not None:
        make_folder(Path(out).parent)  # an unwritable place is better found out before the work than after
        cache = cache or Path(out).parent / CACHE
    labelled = read_labels(data, labels, label_column, group_column, benchmark)
    appearance = _appearance(labelled, labels, appearance_column, group_column)
    checked_pairs(labelled, pairs or ())
    encoder, used = open_asked(run, readout, clip, like=like, seed=seed)
    fit_on, transductive = _fit_on(labelled, split)
    gathered = gather(
        encoder,
        labelled.paths,
        used,
        fit_on=fit_on if protocol in ("retrieval", "all") else (),
        transductive=transductive,
        orders=ORDERS if protocol in ("diagnosis", "all") else (),
        jitter=jitter,
        shaken=shaken,
        clips=clips,
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
        cache=cache,
        cluster=cluster,
    )
    features, values = gathered.features, torch.as_tensor(gathered.readout.values)
    by_order: dict[str, Tensor] = {NORMAL: values} | gathered.reordered
    measures: dict[Protocol, Callable[[], Result]] = {
        "retrieval": lambda: evaluate_retrieval(
            gathered.readout, labelled, split, pooled=gathered.pooled, whitening=gathered.whitening
        ),
        "knn": lambda: evaluate_knn(values, labelled, split),
        "probe": lambda: evaluate_probe(values, labelled, split),
        "few-label": lambda: evaluate_few_label(values, labelled, split, few_label),
        "pairs": lambda: evaluate_pairs(values, labelled, split, pairs=pairs),
        "diagnosis": lambda: evaluate_diagnosis(by_order, labelled, appearance, split),
    }
    if protocol == "all":
        results, left_out = _whatever_is_possible(measures)
    else:
        results, left_out = {protocol: measures[protocol]()}, {}
    evaluation = Evaluation(
        protocol=protocol,
        results=results,
        left_out=left_out,
        encoder=encoder.facts,
        data=describe_data(labelled, appearance, label_column, appearance_column, group_column, features),
        features=features.spec(),
        labelled=labelled,
        appearance=appearance,
        values=values,
        notes=notes_on(results.values(), labelled, features),
        versions=software_versions(),
        timings={
            "seconds": time.perf_counter() - began,
            "features": features.seconds,
            "waiting_for_frames": features.waiting,
            "videos_read": features.read,
        },
    )
    if out is not None:
        write_json(out, evaluation.to_dict())
    return evaluation


def _appearance(
    labelled: LabelledSet, labels: str | Path | None, column: str | None, group_column: str | None
) -> LabelledSet | None:
    if column is None:
        return None
    if labels is None:
        raise ConfigError("an appearance column needs a table of labels; name one with --labels")
    return LabelledSet.read(labelled.folder, labels, column, group_column)


def _fit_on(labelled: LabelledSet, split: Split) -> tuple[Sequence[int], bool]:
    """The videos whose windows a whitening is fitted on, and whether those that are asked are among them."""
    if split in ("auto", "split") and labelled.splits is not None:
        train = [position for position, side in enumerate(labelled.splits) if side == "train"]
        if train:
            return train, False
    return range(len(labelled)), True


def _whatever_is_possible(
    measures: Mapping[Protocol, Callable[[], Result]],
) -> tuple[dict[Protocol, Result], dict[Protocol, str]]:
    """The results of all protocols that the data allow, and why they do not allow the others.

    Raises:
        DataError: they allow none.
    """
    results: dict[Protocol, Result] = {}
    left_out: dict[Protocol, str] = {}
    for name, measure in measures.items():
        try:
            results[name] = measure()
        except DataError as error:
            left_out[name] = str(error)
            if len(left_out) == len(measures):
                raise
    return results, left_out
