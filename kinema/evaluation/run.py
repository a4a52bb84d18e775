"""A whole evaluation: from an encoder's file, a folder of videos and their labels to a JSON file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from kinema.common.files import make_folder, write_json
from kinema.common.provenance import software_versions
from kinema.config import overlaid
from kinema.config.requests import EvaluationConfig, FeatureConfig, Protocol, Split
from kinema.data.benchmarks import read_labels
from kinema.data.labels import LabelledSet
from kinema.errors import ConfigError, DataError
from kinema.evaluation.diagnosis import evaluate_diagnosis
from kinema.evaluation.few_label import FewLabelSpec, evaluate_few_label
from kinema.evaluation.gather import gather, open_asked
from kinema.evaluation.knn import evaluate_knn
from kinema.evaluation.outcome import Evaluation, Result, describe_data, notes_on
from kinema.evaluation.pairs import checked_pairs, evaluate_pairs
from kinema.evaluation.probe import evaluate_probe
from kinema.evaluation.retrieval import evaluate_retrieval
from kinema.evaluation.shortcuts import NORMAL, ORDERS

FeatureSettings = TypeVar("FeatureSettings", bound=FeatureConfig)

CACHE = "features"
"""Folder beside a result in which its features are kept."""


ONLY_OF: dict[str, tuple[Protocol, ...]] = {
    "appearance_column": ("diagnosis", "all"),
    "per_class": ("few-label", "all"),
    "samples": ("few-label", "all"),
    "draws": ("few-label", "all"),
    "jitter": ("retrieval", "all"),
    "shaken": ("retrieval", "all"),
    "pairs": ("pairs", "all"),
}
"""Settings that mean something to some protocols only."""


def evaluate(
    protocol: Protocol,
    run: str | Path,
    data: str | Path,
    config: EvaluationConfig | None = None,
    *,
    out: str | Path | None = None,
    **settings: Any,
) -> Evaluation:
    """Evaluate one encoder on labelled videos.

    ::

        found = evaluate("retrieval", "RUN", "VIDEOS", labels="labels.csv", label_column="action")

    Args:
        protocol: one of them, or ``all``: whatever the data allow, from one decoding of the videos.
        run: the encoder, as :func:`kinema.models.open_encoder` takes it.
        data: the folder of videos.
        config: how; None for the defaults.
        out: JSON file to write; None to write nothing. Features are kept beside it, unless ``cache`` names a folder.
        settings: fields of :class:`~kinema.config.requests.EvaluationConfig` by name, in place of those of ``config``.

    Raises:
        KinemaError: labels, videos, settings, the encoder or the output file are at fault; one sentence says which
            and how.
    """
    began = time.perf_counter()
    config = overlaid("evaluate", config or EvaluationConfig(), settings)
    for name, users in ONLY_OF.items():
        if getattr(config, name) is not None and protocol not in users:
            raise ConfigError(
                f"{name} is a setting of the protocols {' and '.join(users)}, not of {protocol}; leave it out"
            )
    config, split = kept_beside(out, config), config.split
    labelled = read_labels(data, config)
    appearance = _appearance(labelled, config)
    checked_pairs(labelled, config.pairs or ())
    encoder, used = open_asked(run, config.readout, config.clip, like=config.like, seed=config.seed)
    fit_on, transductive = _fit_on(labelled, split)
    gathered = gather(
        encoder,
        labelled.paths,
        used,
        fit_on=fit_on if protocol in ("retrieval", "all") else (),
        transductive=transductive,
        orders=ORDERS if protocol in ("diagnosis", "all") else (),
        jitter=config.jitter,
        shaken=config.shaken,
        **config.extraction,
    )
    features, values = gathered.features, torch.as_tensor(gathered.readout.values)
    by_order: dict[str, Tensor] = {NORMAL: values} | gathered.reordered
    measures: dict[Protocol, Callable[[], Result]] = {
        "retrieval": lambda: evaluate_retrieval(
            gathered.readout, labelled, split, pooled=gathered.pooled, whitening=gathered.whitening
        ),
        "knn": lambda: evaluate_knn(values, labelled, split),
        "probe": lambda: evaluate_probe(values, labelled, split),
        "few-label": lambda: evaluate_few_label(values, labelled, split, _few_labels(config)),
        "pairs": lambda: evaluate_pairs(values, labelled, split, pairs=config.pairs),
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
        data=describe_data(labelled, appearance, config, features),
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


def kept_beside(out: str | Path | None, config: FeatureSettings) -> FeatureSettings:
    """Settings by which features are kept beside the file that will be written, if one will, unless they name a folder.

    Raises:
        OutputError: the file's folder cannot be made, which is better found out before the work than after.
    """
    if out is None:
        return config
    folder = make_folder(Path(out).parent)
    return replace(config, cache=config.cache or folder / CACHE)


def _appearance(labelled: LabelledSet, config: EvaluationConfig) -> LabelledSet | None:
    if config.appearance_column is None:
        return None
    if config.labels is None:
        raise ConfigError("an appearance column needs a table of labels; name one with --labels")
    return LabelledSet.read(labelled.folder, config.labels, config.appearance_column, config.group_column)


def _few_labels(config: EvaluationConfig) -> FewLabelSpec:
    per_class = () if config.samples and config.per_class is None else config.per_class
    asked = {"per_class": per_class, "samples": config.samples, "draws": config.draws}
    return FewLabelSpec(**{name: value for name, value in asked.items() if value is not None})  # type: ignore[arg-type]


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
    """The results of all protocols that the data allow, one at the least, and why they do not allow the others."""
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
