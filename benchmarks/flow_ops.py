"""Time the flow room on this machine, one thread, and print JSON.

    python benchmarks/flow_ops.py [--scenes FOLDER] > flow_ops.json

Times are milliseconds: median, least and greatest of the repeats. With ``--scenes`` (what ``kinema flow
evaluate`` takes) the estimators' mean endpoint errors are measured too, in pixels, on the central square of each scene
scaled to the sizes that are timed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from common import in_turns, spread, surroundings
from torch import Tensor

from kinema import flow as kf
from kinema.evaluation import TrueFlow, find_scenes

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *[("dis", {"preset": preset}) for preset in ("ultrafast", "fast", "medium")],
    ("dis", {"finest_scale": 0}),
    ("dis", {"finest_scale": 1}),
    ("farneback", {}),
    ("farneback", {"window": 15}),
]
SIZES = (64, 112)


def timed(work: Callable[[], object], repeats: int, per: int = 1) -> dict[str, Any]:
    """Milliseconds of ``work`` divided by ``per``."""
    return spread([1e3 * seconds / per for seconds in in_turns({"": work}, repeats)[""]])


def moving_clip(frames: int, size: int) -> np.ndarray:
    """A texture that turns and drifts: ``(frames, size, size, 3)`` uint8."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).random((2 * size, 2 * size, 3)), (0, 0), 2)
    texture = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    turns = [cv2.getRotationMatrix2D((size + 1.5 * t, size), 2.0 * t, 1.0) for t in range(frames)]
    half = slice(size // 2, size // 2 + size)
    return np.stack([cv2.warpAffine(texture, turn, (2 * size, 2 * size))[half, half] for turn in turns])


def estimators(repeats: int) -> list[dict[str, Any]]:
    rows = []
    for size in SIZES:
        clip = moving_clip(9, size)
        for name, parameters in SETTINGS:
            estimator = kf.create_estimator(name, **parameters)
            took = timed(partial(estimator.estimate, clip), repeats, per=8)
            rows.append({"estimator": name, **parameters, "size": size, "ms_per_pair": took})
    return rows


def endpoint_errors(folder: Path) -> list[dict[str, Any]]:
    def scaled(true: TrueFlow, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        height, width = true.valid.shape
        side = min(width, height)
        rows, columns = (slice((n - side) // 2, (n - side) // 2 + side) for n in (height, width))

        def shrunk(image: np.ndarray) -> np.ndarray:
            square = np.ascontiguousarray(image[rows, columns])
            return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)

        share = shrunk(true.valid.astype(np.float32))
        known = np.where(true.valid, true.flow, 0).transpose(1, 2, 0)
        truth = shrunk(known) / np.maximum(share, 1e-3)[..., None] * (size / side)
        first, second = (shrunk(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in (true.first, true.second))
        return first, second, truth.transpose(2, 0, 1), share > 0.5

    scenes = [scene.read() for scene in find_scenes(folder) if "crop50" not in scene.name]
    out = []
    for size in SIZES:
        pairs = [scaled(true, size) for true in scenes]
        for name, parameters in SETTINGS:
            estimator = kf.create_estimator(name, **parameters)
            errors = [
                np.linalg.norm(estimator.pairs(a[None], b[None])[0] - truth, axis=0)[valid].mean()
                for a, b, truth, valid in pairs
            ]
            out.append({"estimator": name, **parameters, "size": size, "mean_px": round(float(np.mean(errors)), 3)})
        still = np.mean([np.linalg.norm(truth, axis=0)[valid].mean() for _, _, truth, valid in pairs])
        out.append({"estimator": "no motion at all", "size": size, "mean_px": round(float(still), 3)})
    return out


def antialiasing_matrix(start: Tensor, length: Tensor, pixels: int, samples: int) -> Tensor:
    """``(B, samples, pixels)`` triangle weights whose support grows as the box shrinks."""
    step = (length / samples)[:, None]
    centres = start[:, None] + (torch.arange(samples) + 0.5) * step
    distance = (torch.arange(pixels) + 0.5 - centres[:, :, None]).abs() / step.clamp(min=1)[:, :, None]
    weights = (1 - distance).clamp(min=0)
    return weights / weights.sum(-1, keepdim=True)


def crops(repeats: int) -> dict[str, Any]:
    """64 clips of 8 frames, 64 x 64, to 48 x 48: the sampler in use and the ways that were tried beside it."""
    draw = torch.Generator().manual_seed(0)
    clips = torch.rand(64, 3, 8, 64, 64, generator=draw)
    fields = 4 * torch.rand(64, 2, 8, 64, 64, generator=draw) - 2
    side = 64 * (0.6 + 0.4 * torch.rand(64, generator=draw)).sqrt()
    corner = (64 - side)[:, None] * torch.rand(64, 2, generator=draw)
    boxes = torch.cat((corner, side[:, None].expand(-1, 2)), dim=1)
    flip = torch.rand(64, generator=draw) < 0.5

    def matrices() -> tuple[Tensor, Tensor]:
        rows = antialiasing_matrix(boxes[:, 0], boxes[:, 2], 64, 48)
        columns = antialiasing_matrix(boxes[:, 1], boxes[:, 3], 64, 48)
        return rows, torch.where(flip[:, None, None], columns.flip(1), columns)

    def products() -> Tensor:
        rows, columns = matrices()
        return torch.matmul(rows[:, None], torch.bmm(clips.flatten(1, 3), columns.mT).view(64, 24, 64, 48))

    def products_by_clip() -> Tensor:
        return torch.stack([row @ (clip @ column.mT) for clip, row, column in zip(clips, *matrices(), strict=True)])

    def interpolate_by_clip() -> Tensor:
        whole = boxes.round().int().tolist()
        cut = [c[..., t : t + h, left : left + w] for c, (t, left, h, w) in zip(clips, whole, strict=True)]
        return torch.stack([F.interpolate(c, size=(48, 48), mode="bilinear", antialias=True) for c in cut])

    return {
        "crop_resize": timed(partial(kf.crop_resize, clips, boxes, (48, 48), flip), repeats),
        "crop_resize_uint8": timed(partial(kf.crop_resize, (255 * clips).byte(), boxes, (48, 48), flip), repeats),
        "crop_resize_flow": timed(partial(kf.crop_resize_flow, fields, boxes, (48, 48), flip), repeats),
        "tried_two_matrix_products_antialiased": timed(products, repeats),
        "tried_two_matrix_products_clip_by_clip": timed(products_by_clip, repeats),
        "tried_interpolate_antialiased_clip_by_clip": timed(interpolate_by_clip, repeats),
    }


def field_ops(repeats: int) -> dict[str, Any]:
    """64 clips of 8 fields of 48 x 48, as the flow encoder gets them; and a video of 64 fields of 64 x 64 for MDS."""
    fields = torch.randn(64, 2, 8, 48, 48, generator=torch.Generator().manual_seed(0))
    angle, video = torch.linspace(0, 6, 64), torch.randn(64, 2, 64, 64)
    return {
        "flow_to_wheel": timed(partial(kf.flow_to_wheel, fields), repeats),
        "scale_flow": timed(partial(kf.scale_flow, fields), repeats),
        "rotate_flow": timed(partial(kf.rotate_flow, fields, angle), repeats),
        "motion_differential_vectors": timed(partial(kf.motion_differential, video), repeats),
        "motion_differential_wheel": timed(partial(kf.motion_differential, video, "wheel"), repeats),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30, help="repeats of each measurement (30)")
    parser.add_argument("--scenes", type=Path, help="folder of scenes with true flow")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kf.set_opencv_threads(1)
    result: dict[str, Any] = {
        **surroundings(1, opencv=cv2.__version__, numpy=np.__version__),
        "estimators": estimators(options.repeats),
        "crops_ms": crops(options.repeats),
        "field_ops_ms": field_ops(options.repeats),
    }
    if options.scenes:
        result["endpoint_errors"] = endpoint_errors(options.scenes)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
