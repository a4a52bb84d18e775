"""Does the prime motion block find motion? Photometric training on synthetic videos, then endpoint errors.

    python experiments/prime_motion.py [--scenes FOLDER] [--steps N] [--seed N] > prime_motion.json

A narrow R3D-18's stem and first stage and the prime motion block learn together, from the reconstruction of frames
alone; no true flow is looked at. Then mean endpoint errors in pixels, beside those of no motion at all and of an
optical flow estimator (DIS): on the synthetic test split, whose textures never occur in training, and on real or
rendered scenes (what ``kinema flow evaluate`` takes), of which the central square is scaled to the size of the
training. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

import kinema
from kinema.common.progress import track
from kinema.data.synthetic import DIFFICULTIES, SynthConfig, plan, render
from kinema.evaluation import Scene, find_scenes
from kinema.flow import create_estimator, set_opencv_threads
from kinema.methods.photometric import photometric_loss, smoothness
from kinema.models import DisplacementHead, PrimeMotion
from kinema.models.resnet3d import r3d_18

SIZE = 64
FRAMES = 4
"""Of a training clip."""
PACES = (1, 2, 3)
"""Frames of the video from one frame of a clip to the next; faster motion is taken from the same videos."""
MOVING = 0.5
"""Pixels per frame; what is faster counts as moving."""


class Motion(nn.Module):
    """The first stage of a narrow R3D-18 with a prime motion block."""

    def __init__(self, width: int, reduction: int, radius: int):
        super().__init__()
        backbone = r3d_18(width, patch=2)
        self.features = nn.Sequential(backbone.stem, backbone.layer1)
        self.prime = PrimeMotion(width, reduction, radius)
        self.head = DisplacementHead(self.prime.width)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) from 0 to 1 -> displacement (B, 2, T - 1, H, W) in pixels."""
        motion = self.prime(self.features((clips - 0.45) / 0.225))
        return self.head(motion, (clips.shape[3], clips.shape[4]))


def videos(split: str, count: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Synthetic videos (N, 3, T, H, W) uint8 and their true flow (N, T - 1, 2, H, W)."""
    share = 0.25
    total = round(count / (share if split == "test" else 1 - share))
    config = SynthConfig(total, seed, size=SIZE, frames=16, test_share=share)
    specs = [spec for spec in plan(config) if spec.split == split][:count]
    made = [render(spec, DIFFICULTIES[config.difficulty], SIZE, config.frames, config.fps) for spec in specs]
    frames = torch.from_numpy(np.stack([video.frames for video in made])).permute(0, 4, 1, 2, 3).contiguous()
    return frames, np.stack([video.flow for video in made])


def train(model: Motion, shown: Tensor, args: argparse.Namespace) -> list[float]:
    """Fit the model; the mean losses of twenty parts of the training."""
    draw = torch.Generator().manual_seed(args.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.steps)
    losses = []
    for _ in track(range(args.steps), "training", args.steps):
        chosen = torch.randint(len(shown), (args.batch,), generator=draw).tolist()
        pace = PACES[int(torch.randint(len(PACES), (), generator=draw))]
        starts = torch.randint(shown.shape[2] - pace * (FRAMES - 1), (args.batch,), generator=draw).tolist()
        picked = [shown[n, :, s : s + pace * FRAMES : pace] for n, s in zip(chosen, starts, strict=True)]
        clips = torch.stack(picked).float() / 255
        flow = model(clips)
        grey = clips.mean(dim=1, keepdim=True)  # as the method compares frames
        first, second = grey[:, :, :-1], grey[:, :, 1:]
        loss = photometric_loss(first, second, flow) + args.smoothness * smoothness(flow, first)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return [round(float(part.mean()), 4) for part in np.array_split(np.array(losses), 20)]


@torch.no_grad()
def endpoint_errors(model: Motion, frames: Tensor, truth: np.ndarray, valid: np.ndarray) -> dict[str, float | None]:
    """Mean errors on videos (N, 3, T, H, W) uint8 with flow (N, T - 1, 2, H, W) where ``valid`` (N, T - 1, H, W)."""
    pictures = frames.permute(0, 2, 3, 4, 1).contiguous().numpy()
    dis = create_estimator("dis", finest_scale=0)
    found = {
        "no motion": np.zeros_like(truth),
        "prime motion": np.concatenate(
            [model(part.float() / 255).transpose(1, 2).numpy() for part in frames.split(16)]
        ),
        "DIS": np.stack([dis.pairs(clip[:-1], clip[1:]) for clip in pictures]),
    }
    moving = valid & (np.linalg.norm(truth, axis=2) > MOVING)
    figures: dict[str, float | None] = {}
    for name, flow in found.items():
        error = np.linalg.norm(flow - truth, axis=2)
        figures[name] = round(float(error[valid].mean()), 3)
        figures[f"{name}, where it moves"] = round(float(error[moving].mean()), 3) if moving.any() else None
    return figures


def read_scene(scene: Scene) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """A scene's central square at ``SIZE``: frames (1, 3, 2, H, W), flow (1, 1, 2, H, W), known (1, 1, H, W)."""
    true = scene.read()
    height, width = true.valid.shape
    side = min(width, height)
    rows, columns = (slice((n - side) // 2, (n - side) // 2 + side) for n in (height, width))

    def shrunk(image: np.ndarray) -> np.ndarray:
        way = cv2.INTER_AREA if side > SIZE else cv2.INTER_LINEAR
        return cv2.resize(np.ascontiguousarray(image[rows, columns]), (SIZE, SIZE), interpolation=way)

    share = shrunk(true.valid.astype(np.float32))  # unknown flow reads as zero
    truth = shrunk(true.flow.transpose(1, 2, 0)) / np.maximum(share, 1e-3)[..., None] * (SIZE / side)
    frames = np.stack([shrunk(frame) for frame in (true.first, true.second)])
    shown = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].contiguous()
    return shown, truth.transpose(2, 0, 1)[None, None], (share > 0.5)[None, None]


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, help="folder of scenes with true flow")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--videos", type=int, default=480, help="of training")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--smoothness", type=float, default=0.04)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--reduction", type=int, default=2)
    parser.add_argument("--radius", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    set_opencv_threads(1)
    torch.manual_seed(args.seed)
    model = Motion(args.width, args.reduction, args.radius)
    shown, _ = videos("train", args.videos, args.seed)
    test, truth = videos("test", 120, args.seed)
    start = time.perf_counter()
    losses = train(model, shown, args)
    seconds = time.perf_counter() - start
    model.eval()
    result: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "threads_used": 1, "load": os.getloadavg()[0]},
        "versions": {"python": platform.python_version(), "kinema": kinema.__version__, "torch": torch.__version__},
        "settings": {name: value for name, value in vars(args).items() if name != "scenes"},
        "training_seconds": round(seconds),
        "losses": losses,
        "synthetic": endpoint_errors(model, test, truth, np.ones_like(truth[:, :, 0], dtype=bool)),
    }
    if args.scenes:
        scenes = find_scenes(args.scenes)
        result["scenes"] = {scene.name: endpoint_errors(model, *read_scene(scene)) for scene in scenes}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
