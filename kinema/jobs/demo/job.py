"""``kinema demo``: make videos, train on them, compare, report."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.files import make_folder, write_json
from kinema.common.processes import available_cores
from kinema.common.provenance import software_versions
from kinema.config import PretrainConfig, ReadoutConfig
from kinema.data.labels import LabelledSet
from kinema.data.synthetic import synthesise
from kinema.evaluation import evaluate_probe
from kinema.evaluation.gather import Gathered, gather_several
from kinema.jobs.demo.people import DRAWN_WITH, NEIGHBOURS, draw_one_each, find_people
from kinema.jobs.synthetic_comparison import CLIPS, read_labels, retrieve
from kinema.models import open_encoder
from kinema.models.sources import RANDOM
from kinema.report.demo import write_demo_report
from kinema.report.demo_content import SHOWN, DemoContent, LabelledVideo, PeopleContent, Query, Way
from kinema.training import Run, pretrain
from kinema.training.metrics import METRICS, read_metrics
from kinema.video import scan_folder
from kinema.video.manifest import MANIFEST

TRAINED = ("moco", "mscl")
MAP_POINTS = 300
PROBED: tuple[Way, ...] = (SHOWN, "pooled")
"""Ways with a linear probe, of which plain linear maps make little difference."""
READ_BY = ReadoutConfig("layer2", (8, 3, 3), root=True, unit="time", frames=16)
"""The readout of the encoders, unless the settings name one; chosen on seed 3 (docs/results.md). It is not the preset's
own, since what is recorded of that (``kinema/results``) is of pooled features."""


def demo(out: str | Path, config: PretrainConfig, *, videos: int) -> list[Path]:
    """Make videos, train RGB MoCo and MSCL on the same clips, compare both with a random encoder, and report.

    Beside that stands what the encoder that comes with kinema finds among generated people. What an earlier,
    interrupted call with the same settings left in ``out`` is used.

    Args:
        out: folder to write: ``report.html``, ``results.json``, the ``videos``, those of ``people``, and a folder for
            each run.
        config: the settings of both trainings.
        videos: number of synthetic videos, a fifth of them for testing.

    Returns:
        The files to look at.
    """
    began = time.monotonic()
    out = make_folder(out)
    if config.readout == ReadoutConfig():
        config = replace(config, readout=READ_BY)
    _say(f"making {videos} videos")
    synthesise(out / "videos", videos=videos, seed=config.seed, workers=available_cores())
    train = out / "videos" / "train"
    manifest = out / MANIFEST
    scan_folder(train, manifest)
    runs: dict[str, Run] = {}
    for method in TRAINED:
        _say(f"training {method}")
        runs[method] = pretrain(
            train, out / method, config, method=method, preset="tiny", manifest=manifest, resume=True
        )
    _say("evaluating")
    labelled = read_labels(out / "videos")
    gathered = _gather(runs, config, labelled["motion"])
    features = {name: _ways(each) for name, each in gathered.items()}
    measured, neighbours = _compare(features, labelled)
    _say("looking at people")
    people = find_people(out / "people")
    earlier = sum(run.earlier_seconds for run in runs.values())
    results = {
        "methods": measured,
        "readout": asdict(config.readout),
        "people": {"methods": people.methods, "chance": people.chance, "videos": people.videos},
        "seconds": round(time.monotonic() - began + earlier, 1),
        "clips_seen": runs["mscl"].card["training"]["clips_seen"],
        "seeds": [config.seed],
        "data_wait": {method: round(run.card["training"]["data_wait"], 4) for method, run in runs.items()},
        "training_seconds": {method: round(run.card["training"]["seconds"], 1) for method, run in runs.items()},
        "versions": software_versions(),
    }
    _say("writing the report")
    content = _content(out, results, features, labelled, neighbours, people)
    report = write_demo_report(out / "report.html", content)
    for title, methods in (("objects", measured), ("people", people.methods)):
        for name, ways in methods.items():
            for way, figures in ways.items():
                told = "  ".join(f"{figure} {value:.3f}" for figure, value in figures.items())
                print(f"{title:9}{name:8}{way:19}{told}")
    return [report, write_json(out / "results.json", results)]


def _gather(runs: Mapping[str, Run], config: PretrainConfig, motion: LabelledSet) -> dict[str, Gathered]:
    """The features of all videos; whitening is fitted on those of training."""
    encoders = {RANDOM: open_encoder(RANDOM, like=runs["mscl"].out, seed=config.seed)}
    encoders |= {name: open_encoder(run.out) for name, run in runs.items()}
    clip, train = encoders[RANDOM].clip, _positions(motion, "train")
    return gather_several(encoders, motion.paths, clip, fit_on=train, transductive=False, clips=CLIPS)


def _ways(each: Gathered) -> dict[Way, np.ndarray]:
    readout, pooled = np.asarray(each.readout.values), np.asarray(each.pooled.values)
    assert each.readout.whitening is not None and each.pooled.whitening is not None
    return {
        "readout, whitened": each.readout.whitening.transform(readout),
        "readout": readout,
        "pooled, whitened": each.pooled.whitening.transform(pooled),
        "pooled": pooled,
    }


def _compare(
    features: Mapping[str, Mapping[Way, np.ndarray]], labelled: Mapping[str, LabelledSet]
) -> tuple[dict[str, dict[Way, dict[str, float]]], dict[str, list[list[int]]]]:
    """Method to way to figures, and method to the neighbours of every query by the way that is shown."""
    measured: dict[str, dict[Way, dict[str, float]]] = {}
    neighbours = {}
    for name, ways in features.items():
        retrieved = {way: retrieve(values, labelled) for way, values in ways.items()}
        measured[name] = {way: figures for way, (figures, _) in retrieved.items()}
        for way in PROBED:
            measured[name][way]["motion_probe"] = evaluate_probe(ways[way], labelled["motion"]).top1
        _, neighbours[name] = retrieved[SHOWN]
    return measured, neighbours


def _content(
    out: Path,
    results: dict[str, Any],
    features: Mapping[str, Mapping[Way, np.ndarray]],
    labelled: Mapping[str, LabelledSet],
    neighbours: Mapping[str, Sequence[Sequence[int]]],
    people: PeopleContent,
) -> DemoContent:
    names = {column: [table.classes[label] for label in table.labels] for column, table in labelled.items()}
    motion = labelled["motion"]
    everything = [LabelledVideo(path, *labels) for path, *labels in zip(motion.paths, *names.values(), strict=True)]
    test = _positions(motion, "test")
    queries = [
        Query(
            everything[test[place]],
            {name: [everything[j] for j in rows[place][:NEIGHBOURS]] for name, rows in neighbours.items()},
        )
        for place in draw_one_each([names["motion"][i] for i in test])
    ]
    points = test[:MAP_POINTS]
    seed = results["seeds"][0]
    return DemoContent(
        results=results,
        chance={column: 1 / len(table.classes) for column, table in labelled.items()},
        test_videos=len(test),
        curves={method: read_metrics(out / method / METRICS) for method in TRAINED},
        queries=queries,
        drawn_with=DRAWN_WITH,
        people=people,
        features={name: ways[SHOWN][points] for name, ways in features.items()},
        points=[everything[i] for i in points],
        samples=[query.video for query in queries],
        commands=[f"kinema demo --out {out} --videos {len(everything)} --seed {seed}"],
        folder=str(out),
        environment={
            **results["versions"],
            "machine": f"{platform.system()}, {platform.machine()}, {available_cores()} cores",
        },
    )


def _positions(labelled: LabelledSet, split: str) -> list[int]:
    assert labelled.splits is not None
    return [position for position, side in enumerate(labelled.splits) if side == split]


def _say(words: str) -> None:
    print(f"kinema demo: {words}", file=sys.stderr, flush=True)
