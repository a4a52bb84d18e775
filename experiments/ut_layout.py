"""Real clips: what it is worth to keep apart where and when something moves, in encoders and in hand-made histograms.

    python experiments/ut_layout.py VIDEOS FOLDER

FOLDER is what ``ut_interaction.py`` wrote. The figures are retrieval R@1, one sequence left out at a time, with the
square root of the features: averaged over everything, kept in the order of time, kept by place, and both. Histograms of
optical flow (eight directions weighted by speed, and still) show what the same pixels would give without learning.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.config import ClipConfig
from kinema.data.labels import LabelledSet
from kinema.evaluation import evaluate_retrieval, extract_features
from kinema.flow import FlowEstimator, create_estimator
from kinema.models import VideoEncoder, load_encoder
from kinema.models.sources import clip_of

SECONDS = 1.5
"""Of each video; windows of a clip's length lie in it."""
WINDOWS = 6
LAYOUTS = {"averaged": (1, 2), "in order": (2,), "by place": (1,), "by place, in order": ()}
"""Dimensions that are averaged, of features (videos, windows, places, channels)."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """What is taken of a window (B, 3, T, H, W) from 0 to 1: a map (B, C, h, w), and how finely it is kept."""

    maps: Callable[[Tensor], Tensor]
    places: tuple[int, int]


class Layout(nn.Module):
    """A measure of each window and place of one long clip."""

    def __init__(self, window: int, measure: Measure):
        super().__init__()
        self.window, self.measure = window, measure

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) from 0 to 1 -> (B, windows * places * C)."""
        starts = np.linspace(0, clips.shape[2] - self.window, WINDOWS).round().astype(int)
        maps = torch.stack([self.measure.maps(clips[:, :, start : start + self.window]) for start in starts], dim=1)
        places = F.adaptive_avg_pool2d(maps.flatten(0, 1).float(), self.measure.places).unflatten(0, maps.shape[:2])
        return places.flatten(3).transpose(2, 3).flatten(1)


def learned(encoder: VideoEncoder) -> Measure:
    """The last stage, at its own resolution."""
    return Measure(lambda clips: encoder.stages(clips)["layer4"].mean(dim=2), (3, 2))


def histograms(estimator: FlowEstimator, still: float = 0.4) -> Measure:
    """Directions at each pixel, weighted by speed; none below ``still`` pixels."""

    def maps(clips: Tensor) -> Tensor:
        frames = (clips * 255).round().to(torch.uint8).permute(0, 2, 3, 4, 1)
        u, v = estimator.estimate(frames).unbind(2)
        speed = torch.hypot(u, v)
        direction = ((torch.atan2(v, u) + torch.pi) / (2 * torch.pi) * 8).long() % 8
        bins = F.one_hot(direction.masked_fill(speed < still, 8), 9)
        return (bins * speed.masked_fill(speed < still, 0.02).unsqueeze(-1)).mean(dim=1).permute(0, 3, 1, 2)

    return Measure(maps, (6, 4))


def recall(features: Tensor, places: tuple[int, int], labelled: LabelledSet) -> dict[str, float]:
    """R@1 for each layout of features (videos, windows * places * C), which are not negative."""
    parts = features.view(len(features), WINDOWS, places[0] * places[1], -1)
    found = {}
    for name, averaged in LAYOUTS.items():
        kept = parts.mean(dim=averaged) if averaged else parts
        found[name] = evaluate_retrieval(kept.flatten(1).sqrt(), labelled).plain.recall[1]
    return found


def main() -> None:
    """Measure and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    labelled = LabelledSet.read(args.videos, args.folder / "labels.csv", "label", "group")

    def measured(clip: ClipConfig, measures: dict[str, Measure]) -> dict[str, dict[str, float]]:
        long = dataclasses.replace(clip, frames=1 + int(SECONDS / (clip.step or 1)))
        layouts = {name: Layout(clip.frames, measure) for name, measure in measures.items()}
        features = extract_features(layouts, labelled.paths, long, clips=1, batch_size=8, precision="32")
        return {name: recall(features[name], measure.places, labelled) for name, measure in measures.items()}

    encoders = {file.parent.name: load_encoder(file) for file in sorted(args.folder.glob("*/encoder.safetensors"))}
    own = clip_of(next(iter(encoders.values())))
    fine = dataclasses.replace(own, short_side=64, size=(104, 64), step=own.step and own.step / 2)
    flows = {"DIS": create_estimator("dis", finest_scale=1), "Farneback": create_estimator("farneback", window=13)}
    by_hand = {f"histogram, {name}": histograms(estimator) for name, estimator in flows.items()}
    rows: dict[str, list[dict[str, float]]] = {}
    for name, figures in measured(
        own, {name: learned(encoder) for name, encoder in encoders.items()} | by_hand
    ).items():
        rows.setdefault(name.rpartition("-")[0] or f"{name}, the encoders' frames", []).append(figures)
    for name, figures in measured(fine, by_hand).items():
        rows[f"{name}, larger frames, half the step"] = [figures]
    lines = [f"| features | {' | '.join(LAYOUTS)} |", "|---" * (1 + len(LAYOUTS)) + "|"]
    for name, measurements in rows.items():
        cells = [f"{statistics.mean(figures[layout] for figures in measurements):.3f}" for layout in LAYOUTS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
