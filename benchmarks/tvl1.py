"""Time TV-L1 beside OpenCV's DualTVL1 and compare their accuracy; print JSON.

    python benchmarks/tvl1.py [--scenes FOLDER] [--threads 2] [--repeats 3] > tvl1.json

16 pairs of 256 x 340 pixels: textures that move, or, with ``--scenes`` (what ``kinema flow evaluate`` takes), the
scenes scaled to that size and their mirror images. OpenCV's stands in ``opencv-contrib-python-headless`` alone: in an
environment that has that in place of ``opencv-python-headless``; elsewhere ours is timed by itself. All methods take
turns in each repeat, so that other work on the machine slows all of them. Seconds are given by the clock and of
processor time, which other work disturbs less: median, least and greatest over the repeats. "times as fast" is the
median over the repeats of a method's seconds by the clock divided by ours. With ``--scenes`` the endpoint errors
(pixels) of both on the scenes at full size are measured too; those of all estimators are what ``kinema flow evaluate``
gives.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import spread, surroundings

from kinema import flow as kf
from kinema.evaluation import Scene, find_scenes

HEIGHT, WIDTH, BATCH = 256, 340, 16
SAME_SETTINGS = {"ScalesNumber": 5, "WarpingsNumber": 5, "OuterIterations": 1, "ScaleStep": 0.5}
RIVAL = hasattr(cv2, "optflow")
Pair = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


def dual_tvl1(first: np.ndarray, second: np.ndarray, **settings: float) -> np.ndarray:
    """OpenCV's flow of each pair, with its defaults but for ``settings``."""
    method = cv2.optflow.createOptFlow_DualTVL1()
    for name, value in settings.items():
        getattr(method, f"set{name}")(value)
    return np.stack([method.calc(a, b, None).transpose(2, 0, 1) for a, b in zip(first, second, strict=True)])


def error(flow: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> float:
    return float(np.linalg.norm(flow - truth, axis=0)[valid].mean())


def grey(scene: Scene) -> Pair:
    """Grey frames, flow ``(2, H, W)`` and where it is known."""
    true = scene.read()
    first, second = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (true.first, true.second))
    return first, second, true.flow, true.valid


def scaled(pair: Pair) -> Pair:
    def shrunk(image: np.ndarray) -> np.ndarray:
        return cv2.resize(np.ascontiguousarray(image), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)

    first, second, flow, valid = pair
    share = shrunk(valid.astype(np.float32))
    known = [shrunk(np.where(valid, part, 0)) / np.maximum(share, 1e-3) for part in flow]
    factors = np.array([WIDTH / first.shape[1], HEIGHT / first.shape[0]], np.float32)
    return shrunk(first), shrunk(second), np.stack(known) * factors[:, None, None], share > 0.99


def mirrored(pair: Pair, axis: int) -> Pair:
    first, second, flow, valid = (np.flip(part, axis) for part in pair)
    signs = np.array([-1, 1] if axis == -1 else [1, -1], np.float32)
    return first, second, flow * signs[:, None, None], valid


def moving_texture(seed: int) -> Pair:
    """A texture that turns, grows and drifts by a few pixels."""
    draw = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(draw.random((HEIGHT, WIDTH)), (0, 0), draw.uniform(1.5, 5))
    first = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    move = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), draw.uniform(-2, 2), draw.uniform(0.98, 1.02))
    move[:, 2] += draw.uniform(-3, 3, 2)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    flow = np.stack([row[0] * x + row[1] * y + row[2] for row in move]) - [x, y]
    second = cv2.warpAffine(first, move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return first, second, flow.astype(np.float32), np.ones(first.shape, bool)


def race(pairs: list[Pair], repeats: int) -> list[dict[str, Any]]:
    first, second = (np.stack([pair[i] for pair in pairs]) for i in (0, 1))
    methods: dict[str, Method] = {"kinema": kf.create_estimator("tvl1").pairs}
    if RIVAL:
        methods["OpenCV, its defaults"] = dual_tvl1
        methods[f"OpenCV, {SAME_SETTINGS}"] = partial(dual_tvl1, **SAME_SETTINGS)
    times: dict[str, list[float]] = {name: [] for name in methods}
    processor: dict[str, list[float]] = {name: [] for name in methods}
    errors = {}
    methods["kinema"](first[:2], second[:2])
    for _ in range(repeats):
        for name, method in methods.items():
            start, started = time.perf_counter(), time.process_time()
            flow = method(first, second)
            times[name].append((time.perf_counter() - start) / len(pairs))
            processor[name].append((time.process_time() - started) / len(pairs))
            errors[name] = np.mean([error(field, *pair[2:]) for field, pair in zip(flow, pairs, strict=True)])
    return [
        {
            "method": name,
            "seconds_per_pair": spread(took),
            "processor_seconds_per_pair": spread(processor[name]),
            "kinema is times as fast": statistics.median(a / b for a, b in zip(took, times["kinema"], strict=True)),
            "mean_endpoint_error": float(errors[name]),
        }
        for name, took in times.items()
    ]


def accuracy(scenes: list[Scene]) -> list[dict[str, Any]]:
    methods: dict[str, Method] = {"kinema": kf.create_estimator("tvl1").pairs}
    if RIVAL:
        methods["OpenCV, its defaults"] = dual_tvl1
    rows = []
    for scene in scenes:
        first, second, truth, valid = grey(scene)
        errors = {name: error(f(first[None], second[None])[0], truth, valid) for name, f in methods.items()}
        rows.append({"scene": scene.name, **{name: round(value, 4) for name, value in errors.items()}})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="repeats of each measurement (3)")
    parser.add_argument("--threads", type=int, default=2, help="threads of either library (2)")
    parser.add_argument("--scenes", type=Path, help="folder of scenes with true flow")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    kf.set_opencv_threads(options.threads)
    scenes = find_scenes(options.scenes) if options.scenes else []
    if scenes:
        plain = [scaled(grey(scene)) for scene in scenes if "crop50" not in scene.name]
        pairs = [*plain, *(mirrored(p, -1) for p in plain), *(mirrored(p, -2) for p in plain)][:BATCH]
    else:
        pairs = [moving_texture(seed) for seed in range(BATCH)]
    result: dict[str, Any] = {
        **surroundings(options.threads, opencv=cv2.__version__, numpy=np.__version__),
        "pairs": {"count": len(pairs), "height": HEIGHT, "width": WIDTH, "real": bool(scenes)},
        "speed": race(pairs, options.repeats),
    }
    if scenes:
        result["endpoint_errors"] = accuracy(scenes)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
