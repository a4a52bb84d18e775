"""The main job from end to end, on videos it makes itself: ``kinema demo``."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinema.config import MethodName, PretrainConfig
from kinema.data.labels import LabelledSet
from kinema.data.synthetic import synthesise
from kinema.evaluation import Features, extract_features
from kinema.files import make_folder, write_json
from kinema.models import load_encoder, random_encoder
from kinema.provenance import software_versions
from kinema.report.demo import DemoContent, LabelledVideo, Query, write_demo_report
from kinema.synthetic_comparison import CLIPS, compare, read_labels
from kinema.training import Run, pretrain
from kinema.training.callbacks import METRICS, read_metrics
from kinema.video import scan_folder, write_manifest
from kinema.video.manifest import MANIFEST

TRAINED: tuple[MethodName, ...] = ("moco", "mscl")
NEIGHBOURS = 4
QUERIES = 6
MAP_POINTS = 300


def demo(out: str | Path, config: PretrainConfig, *, videos: int = 1500) -> list[Path]:
    """Make videos, train RGB MoCo and MSCL on the same clips, compare both with a random encoder, and report.

    What an earlier, interrupted call with the same settings left in ``out`` is used.

    Args:
        out: folder to write: ``report.html``, ``results.json``, the ``videos`` and a folder for each run.
        config: the settings of both trainings.
        videos: number of synthetic videos, a fifth of them for testing.

    Returns:
        The files to look at.
    """
    began = time.monotonic()
    out = make_folder(out)
    _say(f"making {videos} videos")
    synthesise(out / "videos", videos, config.seed, workers=os.cpu_count() or 1)
    train = out / "videos" / "train"
    manifest = write_manifest(scan_folder(train), out / MANIFEST)
    runs: dict[str, Run] = {}
    for method in TRAINED:
        _say(f"training {method}")
        runs[method] = pretrain(
            train, out / method, config, method=method, preset="tiny", manifest=manifest, resume=True
        )
    _say("evaluating")
    encoders = {"random": random_encoder(config.model, config.seed)}
    encoders |= {name: load_encoder(run.out) for name, run in runs.items()}
    labelled = read_labels(out / "videos")
    features = extract_features(encoders, labelled["motion"].paths, config.clip, clips=CLIPS)
    measured, neighbours = compare(features, labelled)
    earlier = sum(run.earlier_seconds for run in runs.values())
    results = {
        "methods": measured,
        "seconds": round(time.monotonic() - began + earlier, 1),
        "clips_seen": runs["mscl"].card["training"]["clips_seen"],
        "seeds": [config.seed],
        "data_wait": {method: round(run.card["training"]["data_wait"], 4) for method, run in runs.items()},
        "training_seconds": {method: round(run.card["training"]["seconds"], 1) for method, run in runs.items()},
        "versions": software_versions(),
    }
    _say("writing the report")
    report = write_demo_report(out / "report.html", _content(out, results, features, labelled, neighbours))
    for name, figures in measured.items():
        print(f"{name:7}" + "  ".join(f"{figure} {value:.3f}" for figure, value in figures.items()))
    return [report, write_json(out / "results.json", results)]


def _content(
    out: Path,
    results: dict[str, Any],
    features: Features,
    labelled: Mapping[str, LabelledSet],
    neighbours: Mapping[str, Sequence[Sequence[int]]],
) -> DemoContent:
    names = {column: [table.classes[label] for label in table.labels] for column, table in labelled.items()}
    motion = labelled["motion"]
    assert motion.splits is not None
    everything = [LabelledVideo(path, *labels) for path, *labels in zip(motion.paths, *names.values(), strict=True)]
    test = np.flatnonzero([split == "test" for split in motion.splits])
    one_each = [next(i for i in test if names["motion"][i] == name) for name in motion.classes]
    shown = one_each[:: max(1, len(one_each) // QUERIES)][:QUERIES]
    place = {video: row for row, video in enumerate(test)}
    queries = [
        Query(
            everything[i],
            {method: [everything[j] for j in rows[place[i]][:NEIGHBOURS]] for method, rows in neighbours.items()},
        )
        for i in shown
    ]
    points = test[:MAP_POINTS]
    seed = results["seeds"][0]
    return DemoContent(
        results=results,
        chance={column: 1 / len(table.classes) for column, table in labelled.items()},
        test_videos=len(test),
        curves={method: read_metrics(out / method / METRICS) for method in TRAINED},
        queries=queries,
        features={name: values[points].numpy() for name, values in features.values.items()},
        points=[everything[i] for i in points],
        samples=[everything[i] for i in one_each],
        commands=[f"kinema demo --out {out} --videos {len(everything)} --seed {seed}"],
        folder=str(out),
        environment={
            **results["versions"],
            "machine": f"{platform.system()}, {platform.machine()}, {os.cpu_count()} cores",
        },
    )


def _say(words: str) -> None:
    print(f"kinema demo: {words}", file=sys.stderr, flush=True)
