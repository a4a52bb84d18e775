"""Recognition with labels: train a network on labelled videos and test it, by split, by group or in parts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.files import write_csv, write_json
from kinema.common.processes import is_first
from kinema.common.provenance import file_sha256, ids_sha256, software_versions
from kinema.common.storage import missing
from kinema.config import FinetuneConfig, overlaid
from kinema.config.requests import FinetuneTask
from kinema.data.benchmarks import read_labels
from kinema.data.crops import check_boxes
from kinema.data.kept_labels import asked_for, keep_labels, kept_labels
from kinema.data.labels import LabelledSet
from kinema.errors import DataError, first_few
from kinema.evaluation.features import extract_features
from kinema.evaluation.few_label import check_few, draw_few
from kinema.evaluation.figures import classification
from kinema.evaluation.folds import Fold, Folds, training_folds
from kinema.evaluation.outcome import labels_sha256
from kinema.methods import Recognition
from kinema.methods.beginning import network_settings, new_network
from kinema.methods.recognition import CLASSIFIER_FILE, save_classifier
from kinema.models.weights import weights_file
from kinema.training.checks import check_finetuning
from kinema.training.fitted import Fitted, recorded
from kinema.training.folder import agreed_videos, run_folder
from kinema.training.hardware import count_devices
from kinema.training.ranks import find_place
from kinema.training.rendezvous import all_together
from kinema.training.run import fit
from kinema.video import ManifestEntry
from kinema.video.manifest import MANIFEST, UNREADABLE

RESULTS = "results.json"
PREDICTIONS = "predictions.csv"


@dataclass(frozen=True)
class Recognised:
    """What a training with labels left.

    Attributes:
        out: its folder.
        results: what ``results.json`` holds.
        files: what a user would look for.
    """

    out: Path
    results: dict[str, Any]
    files: list[Path]

    def summary(self) -> str:
        """The main figures in one line."""
        found = self.results
        if not found["queries"]:
            return f"trained on all {found['data']['videos']} labelled videos, so that none is left to test it on"
        top5 = "" if found["top5"] is None else f", top-5 {found['top5']:.3f}"
        return (
            f"top-1 {found['top1']:.3f}{top5}, mean over classes {found['mean_class']:.3f} "
            f"({found['queries']} test videos, {found['scheme']})"
        )


def finetune(
    videos: str | Path,
    out: str | Path,
    config: FinetuneConfig,
    task: FinetuneTask | None = None,
    *,
    preset: str = "",
    manifest: str | Path | None = None,
    resume: bool = False,
    **settings: Any,
) -> Recognised:
    """Train a network to recognise classes, and test it on videos that it has not seen.

    Every round of the split is a training of its own, in a folder of its own where there are several. Test videos are
    looked at in ``config.clips`` clips at equal distances, centrally cropped, whose probabilities are averaged.

    Args:
        videos: the folder.
        out: folder for ``results.json``, ``predictions.csv`` and the runs.
        config: how the network is trained.
        task: what it is to recognise, and what it begins with; None for the classes of folders, from scratch.
        preset: name of the preset that the settings began as, for the cards.
        manifest: what ``kinema scan`` wrote of the folder; None to scan it now.
        resume: go on where an earlier call with the same settings was stopped.
        settings: fields of :class:`~kinema.config.requests.FinetuneTask` by name, in place of those of ``task``.

    Raises:
        KinemaError: videos, labels, settings, weights, a checkpoint or the output folder are at fault; or the loss is
            not finite.
        Stopped: the user asked to stop; a checkpoint was left.
    """
    task = overlaid("finetune", task or FinetuneTask(), settings)
    asked = asked_for(task)
    place = find_place(count_devices(config.trainer), config.trainer.nodes)
    with all_together(place, Path(out)) as together:
        labelled = (kept_labels(Path(out), videos, asked) if resume else None) or read_labels(videos, task)
        motion, weights, classes = task.motion, task.weights, list(labelled.classes)
        folds = training_folds(labelled, task.split, config.seed)
        config = network_settings(config, motion, weights)
        check_finetuning(config, motion)
        check_boxes(config.clip, labelled.folder, labelled.paths)
        check_few(task.per_class, task.samples)
        rng = partial(np.random.default_rng, config.seed)
        drawn = [
            draw_few(fold.gallery, labelled.labels, rng(), task.per_class, task.samples).tolist() for fold in folds
        ]
        with run_folder(out, together) as out:
            if manifest is None and resume and (out / MANIFEST).exists():
                manifest = out / MANIFEST
            entries = agreed_videos(videos, out, manifest, together, labelled.files)
            manifest = out / MANIFEST
            _refuse_missing(entries, manifest, labelled, folds)
            if is_first():
                keep_labels(out, labelled, asked)
            runs = [out / f"round-{number}" for number in range(1, len(folds) + 1)] if len(folds) > 1 else [out]
            rounds = []
            for run, fold, videos_drawn in zip(runs, folds, drawn, strict=True):
                if run != out and is_first():
                    words = run.name.replace("-", " ")
                    print(f"kinema finetune: {words} of {len(folds)}", file=sys.stderr, flush=True)
                chosen = {labelled.files[i]: int(labelled.labels[i]) for i in videos_drawn}
                fitted = fit(
                    videos,
                    run,
                    config,
                    lambda: new_network(config, len(classes), motion, weights),
                    {
                        "method": f"recognition with motion {motion}",
                        "labels": ids_sha256([f"{file},{label}" for file, label in chosen.items()])[:12],
                        "weights": "none" if weights is None else file_sha256(weights_file(weights))[:12],
                    },
                    together,
                    hierarchical=motion == "hcml",
                    facts={"method": "recognition", "preset": preset, "motion": motion, "classes": classes},
                    labels=chosen,
                    manifest=manifest,
                    resume=resume,
                    save=partial(_save, classes=classes),
                )
                if fitted.trainer.first:  # one of several processes tests
                    rounds.append(_probabilities(_network(fitted), labelled, fold, config))
            tested, results = len(folds.queries) > 0, dict[str, Any]()
            if rounds:
                results = _results(rounds, folds, labelled, config, task)
                write_json(out / RESULTS, results)
                if tested:
                    _write_predictions(out / PREDICTIONS, rounds, folds, labelled)
            tables = [out / RESULTS, *([out / PREDICTIONS] if tested else [])]
            return Recognised(out, results, [*tables, *(run for run in runs if run != out)])


def _network(fitted: Fitted) -> Recognition:
    method = fitted.trainer.module.method
    assert isinstance(method, Recognition)
    return method


def _save(fitted: Fitted, classes: Sequence[str]) -> None:
    """The network as it is now: the encoder and the classifier on it."""
    fitted.save()
    save_classifier(_network(fitted), fitted.trainer.module.out / CLASSIFIER_FILE, classes)


def _refuse_missing(entries: Sequence[ManifestEntry], path: Path, labelled: LabelledSet, folds: Folds) -> None:
    """Refuse a manifest without a labelled video, or in which a video that is to be tested cannot be read.

    A test without some of its videos would be another test; before the training is the time to find that out.
    """
    wanted = set(labelled.files)
    found = {entry.path: entry for entry in entries if entry.path in wanted}
    unknown = [file for file in labelled.files if file not in found]
    if unknown:
        raise DataError(
            f"the labels name {first_few(unknown)}, which {path} does not hold; give them the ending of a video, or "
            "begin anew in another folder"
        )
    tested = [found[labelled.files[index]] for fold in folds.folds for index in fold.queries]
    bad = [f"{entry.path} ({entry.error})" for entry in tested if entry.status == UNREADABLE]
    gone = missing(labelled.folder, [labelled.videos[index] for fold in folds.folds for index in fold.queries])
    if gone:
        raise DataError(f"test videos are gone: {first_few(gone)}; bring them back, or begin anew in another folder")
    if bad:
        raise DataError(
            f"test videos cannot be read: {first_few(bad)}; mend them or take them out of the labels (with a "
            "benchmark: out of the folder)"
        )


def _probabilities(method: Recognition, labelled: LabelledSet, fold: Fold, config: FinetuneConfig) -> np.ndarray:
    """(Q, classes) of the fold's test videos, the mean over their clips."""
    if not len(fold.queries):
        return np.zeros((0, len(labelled.classes)), np.float32)
    found = extract_features(
        {"probabilities": method},
        [labelled.paths[index] for index in fold.queries],
        config.clip,
        clips=config.clips,
        workers=config.trainer.workers,
        precision="32" if config.trainer.precision == "32" else "auto",
    )
    return found["probabilities"].numpy()


def _results(
    rounds: list[np.ndarray],
    folds: Folds,
    labelled: LabelledSet,
    config: FinetuneConfig,
    task: FinetuneTask,
) -> dict[str, Any]:
    queries = folds.queries
    tested = len(queries) > 0
    figures = classification(np.concatenate(rounds), labelled.labels[queries], labelled.classes) if tested else None
    return {
        "top1": figures and figures.top1,
        "top5": figures and figures.top5,
        "mean_class": figures and figures.mean_class,
        "per_class": figures and figures.per_class,
        "per_round": figures and figures.per_round(folds),
        "queries": len(queries),
        "scheme": folds.scheme,
        "spec": {
            "version": 1,
            "clips": config.clips,
            "mean_of": "probabilities",
            "videos_per_class": task.per_class,
            "samples": task.samples,
        },
        "motion": task.motion,
        "config": recorded(config),
        "data": {
            "videos": len(labelled),
            "sha256": labels_sha256(labelled),
            **labelled.facts,
        },
        "versions": software_versions(),
    }


def _write_predictions(path: Path, rounds: list[np.ndarray], folds: Folds, labelled: LabelledSet) -> None:
    """A row for each test video: its file, its class, the likeliest class and that one's probability."""
    table = [("file", "label", "predicted", "probability")]
    for scores, fold in zip(rounds, folds.folds, strict=True):
        for index, row in zip(fold.queries, scores, strict=True):
            best = int(row.argmax())
            names = labelled.classes[labelled.labels[index]], labelled.classes[best]
            table.append((labelled.files[index], *names, f"{row[best]:.4f}"))
    write_csv(path, table)
