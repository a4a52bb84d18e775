"""Measuring encoders on labelled videos."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from jsonargparse import ArgumentParser

from kinema.config import ClipConfig, ReadoutConfig
from kinema.config.requests import EvaluationConfig, FeatureConfig, Protocol

Request = TypeVar("Request", bound=FeatureConfig)


def evaluate(protocol: Protocol, data: str, out: str, config: EvaluationConfig, run: str = "motion") -> None:
    """Measure what an encoder has learned, on labelled videos.

    Args:
        protocol: retrieval (does the nearest video show the same?), knn (what do the nearest videos say it shows?),
            probe (how good is a linear classifier?), few-label (and with few labels?), pairs (can it tell opposites
            apart?), diagnosis (does it go by motion or by appearance?), or all of these that the data allow.
        data: folder of videos, or its address.
        out: JSON file to write; for all, a folder for results.json, results.csv and report.html.
        config: how.
        run: motion, the encoder that comes with kinema; folder of a run, file of an encoder or of published weights,
            random for an untrained encoder, histogram for a hand-made histogram of optical flow, torchvision:MODEL,
            hf:FOLDER or hf:OWNER/NAME of the Hugging Face Hub, or module:function of yours.
    """
    from kinema.jobs.full_evaluation import evaluate_and_write

    evaluation, files = evaluate_and_write(protocol, run, data, out, _checked(config))
    print(evaluation.summary(), *files, sep="\n")


def evaluate_triplets(folder: str, config: FeatureConfig, encoder: str = "motion", out: str | None = None) -> None:
    """Ask whether a clip of the same motion is nearer than one of another.

    Args:
        folder: folder of triplets, CATEGORY/example_N/{ref,positive,negative}.mp4.
        config: how features are made.
        encoder: what to judge, as for kinema evaluate.
        out: JSON file to write.
    """
    from kinema.evaluation.run_triplets import evaluate_triplet_folder

    evaluation = evaluate_triplet_folder(folder, encoder, _checked(config), out=out)
    print(evaluation.summary())
    if out is not None:
        print(out)


def _checked(config: Request) -> Request:
    """The settings of readout and clips as their types want them."""
    given = {"readout": (ReadoutConfig, config.readout), "clip": (ClipConfig, config.clip)}
    checked = {name: checked_settings(kind, asked) for name, (kind, asked) in given.items() if asked is not None}
    return replace(config, **checked)  # type: ignore[arg-type]


def checked_settings(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Settings of a dataclass by name, as its types want them.

    Raises:
        ArgumentError: there is no such setting, or not with such a value.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind)
    return vars(parser.parse_object(given, defaults=False))
