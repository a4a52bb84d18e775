"""How far estimators of optical flow are from true flow, and how long they take.

Measures of one scene are over the pixels whose flow is known. Means are over scenes, so that a large picture counts no
more than a small one; shares are from 0 to 1.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.files import make_folder, write_csv, write_json
from kinema.common.processes import available_cores
from kinema.common.progress import track
from kinema.common.provenance import software_versions
from kinema.errors import ConfigError, DataError
from kinema.evaluation.flow_scenes import TrueFlow, find_scenes
from kinema.flow import parse_estimator

NO_MOTION = "no motion"
"""The row to compare with: what it costs to say that nothing moves."""


@dataclass(frozen=True)
class FlowErrors:
    """How far an estimated field is from the true one.

    Attributes:
        endpoint: mean length of the difference of the vectors, pixels (EPE).
        endpoint_visible: the same over what both frames show; None where no mask tells.
        endpoint_occluded: the same over what the second frame does not show; None where no mask tells, or nothing is.
        fl_all: share of vectors off by more than 3 pixels and more than 5 % of the true length (KITTI's Fl-all).
        over_1px: share of vectors off by more than 1 pixel.
        over_3px: by more than 3 pixels.
        over_5px: by more than 5 pixels.
        angular: mean angle between (u, v, 1) of both, degrees (Barron, Fleet and Beauchemin, IJCV 1994).
    """

    endpoint: float
    endpoint_visible: float | None
    endpoint_occluded: float | None
    fl_all: float
    over_1px: float
    over_3px: float
    over_5px: float
    angular: float


MEASURES = tuple(field.name for field in dataclasses.fields(FlowErrors))
_COLUMNS = ("scene", "estimator", *MEASURES, "seconds_per_pair")
_HEADINGS = ("EPE px", "visible", "occluded", "Fl-all %", "> 1 px %", "> 3 px %", "> 5 px %", "angle °", "s/pair")


def flow_errors(flow: np.ndarray, truth: TrueFlow) -> FlowErrors:
    """Compare ``flow (2, H, W)``, pixels, with the truth wherever that is known."""
    valid = truth.valid
    u, v = flow[:, valid].astype(np.float64)
    true_u, true_v = truth.flow[:, valid].astype(np.float64)
    off = np.hypot(u - true_u, v - true_v)
    # The angle from the lengths of cross and dot product: exact near zero, where the arc cosine is not.
    cross = np.sqrt((u - true_u) ** 2 + (v - true_v) ** 2 + (u * true_v - v * true_u) ** 2)
    angle = np.arctan2(cross, u * true_u + v * true_v + 1)

    def mean_where(chosen: np.ndarray) -> float | None:
        return float(off[chosen].mean()) if chosen.any() else None

    occluded = None if truth.occluded is None else truth.occluded[valid]
    return FlowErrors(
        endpoint=float(off.mean()),
        endpoint_visible=None if occluded is None else mean_where(~occluded),
        endpoint_occluded=None if occluded is None else mean_where(occluded),
        fl_all=float(((off > 3) & (off > 0.05 * np.hypot(true_u, true_v))).mean()),
        over_1px=float((off > 1).mean()),
        over_3px=float((off > 3).mean()),
        over_5px=float((off > 5).mean()),
        angular=float(np.degrees(angle).mean()),
    )


@dataclass(frozen=True)
class FlowEvaluation:
    """What :func:`evaluate_flow` has measured.

    Attributes:
        truth: the folder or CSV file.
        parameters: of each estimator, by what it was called.
        scenes: a row for each scene and estimator: its names, measures and seconds per pair.
        left_out: scenes that could not be read, and those that an estimator refused, each with the reason.
    """

    truth: str
    parameters: dict[str, dict[str, Any]]
    scenes: list[dict[str, Any]]
    left_out: list[dict[str, str]]

    def means(self) -> list[dict[str, Any]]:
        """A row for each estimator: how many scenes it has, with a mask among them, and means over those that tell."""
        rows = []
        for name in dict.fromkeys(row["estimator"] for row in self.scenes):
            own = [row for row in self.scenes if row["estimator"] == name]
            mean = {}
            for column in _COLUMNS[2:]:
                values = [row[column] for row in own if row[column] is not None]
                mean[column] = statistics.fmean(values) if values else None
            masked = sum(row["endpoint_visible"] is not None for row in own)
            rows.append({"estimator": name, "scenes": len(own), "with_mask": masked, **mean})
        return rows

    def table(self) -> list[tuple[str, ...]]:
        """The means, for a terminal: headings, and a row for each estimator."""
        rows: list[tuple[str, ...]] = [("estimator", "scenes", "with mask", *_HEADINGS)]
        for row in self.means():
            cells = (_cell(heading, row[column]) for heading, column in zip(_HEADINGS, _COLUMNS[2:], strict=True))
            rows.append((row["estimator"], str(row["scenes"]), str(row["with_mask"]), *cells))
        return rows

    def write(self, out: str | Path) -> list[Path]:
        """Write everything as JSON, and a table of all scenes beside it as CSV; return both paths.

        Raises:
            OutputError: they cannot be written.
        """
        import cv2
        import torch

        threads = {"torch": torch.get_num_threads(), "opencv": cv2.getNumThreads()}
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # Windows has none
        facts = {
            "truth": self.truth,
            "parameters": self.parameters,
            "means": self.means(),
            "scenes": self.scenes,
            "left_out": self.left_out,
            "machine": {"cores": available_cores(), "load": load, "threads": threads},
            "versions": software_versions(),
        }
        rows = ([scene.get(name, "") for name in _COLUMNS] for scene in self.scenes)
        return [write_json(out, facts), write_csv(Path(out).with_suffix(".csv"), [_COLUMNS, *rows])]


def evaluate_flow(truth: str | Path, estimators: Sequence[str], out: str | Path | None = None) -> FlowEvaluation:
    """Estimate the flow of every scene with true flow, and measure errors and time.

    Args:
        truth: see :mod:`kinema.evaluation.flow_scenes`.
        estimators: names, with settings where wanted: see :func:`kinema.flow.parse_estimator`.
        out: JSON file to write, and a CSV file of the same name; None to write nothing.

    Raises:
        ConfigError: an estimator is unknown or lacks something on this machine, or ``out`` will not do.
        CheckpointError: an estimator's weights are damaged.
        DataError: there are no scenes, or none of them can be read.
        OutputError: the files cannot be written.
    """
    methods = {text: parse_estimator(text) for text in estimators}
    for method in methods.values():
        method.require()
    if out is not None:
        if Path(out).suffix.lower() != ".json":
            raise ConfigError(f"the result {out} is JSON, with a CSV file beside it: let its name end in .json")
        if Path(truth).resolve() == Path(out).with_suffix(".csv").resolve():
            raise ConfigError(f"the table beside {out} would overwrite {truth}: choose another name")
        make_folder(Path(out).parent)  # an unwritable place is better found out before the work than after
    scenes = find_scenes(truth)
    for method in methods.values():
        method.estimate(np.zeros((2, *[max(32, method.minimum_side)] * 2), np.uint8))  # what is loaded on first use
    rows: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    for scene in track(scenes, "estimating flow"):
        try:
            true = scene.read()
        except DataError as error:
            left_out.append({"scene": scene.name, "reason": str(error)})
            continue
        still = flow_errors(np.zeros_like(true.flow), true)
        names = {"scene": scene.name, "estimator": NO_MOTION}
        rows.append({**names, **dataclasses.asdict(still), "seconds_per_pair": None})
        for name, method in methods.items():
            began = time.perf_counter()
            try:
                (flow,) = method.pairs(true.first[None], true.second[None])
            except ConfigError as error:
                left_out.append({"scene": scene.name, "estimator": name, "reason": str(error)})
                continue
            seconds = time.perf_counter() - began
            errors = dataclasses.asdict(flow_errors(flow, true))
            rows.append({"scene": scene.name, "estimator": name, **errors, "seconds_per_pair": seconds})
    if all(row["estimator"] == NO_MOTION for row in rows):
        raise DataError(f"none of the {len(scenes)} scenes of {truth} can be used; {left_out[0]['reason']}")
    parameters = {name: method.parameters for name, method in methods.items()}
    evaluation = FlowEvaluation(str(truth), parameters, rows, left_out)
    if out is not None:
        evaluation.write(out)
    return evaluation


def _cell(heading: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if "%" in heading else f"{value:.3f}"
