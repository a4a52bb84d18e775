"""What a step of dense motion prediction costs, part by part, beside what its loader costs; JSON.

    python benchmarks/dense_motion.py [--batch N] [--size N] [--threads N] [--repeats N]

The network is R3D-18 of width 16 with the quick stem, kept time and a pyramid of 64 channels, on clips of 8 frames; the
loader reads videos held in memory and estimates four fields a clip over one frame of the file by DIS, in one thread.
The parts take turns. Times are milliseconds of processor time over all threads, which other work on the machine
disturbs less than the clock: median, least and greatest of the repeats. ``steps_per_second`` is what the medians of the
whole step allow with that many threads, if the loader has a processor of its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from common import in_turns, spread, surroundings

from kinema.common.precision import autocast_for
from kinema.config import AugmentConfig, ClipConfig, FlowConfig, ModelConfig, MSCLConfig, SamplingConfig
from kinema.data.augment import augment_colors
from kinema.data.camera import film
from kinema.data.fields import ClipReader
from kinema.data.pairs import Batch, ClipPairs, collate
from kinema.data.sampler import Draw
from kinema.data.synthetic import synthesise
from kinema.flow import set_opencv_threads
from kinema.methods import MSCL, Views, draw
from kinema.methods.dense_motion import motion_target
from kinema.models.short_conv import short_convolutions
from kinema.video import scan_folder

MODEL = ModelConfig(width=16, patch=4, keep_time=True, pyramid=64)
CAMERA = AugmentConfig(
    flip=0.5,
    grey=0.0,
    blur=0.0,
    still_texture=0.1,
    fading=0.6,
    flicker=0.05,
    rolling_light=0.05,
    shake=0.45,
    sensor_noise=0.012,
)


def read(pairs: ClipPairs, batch: int) -> Batch:
    return collate([pairs[Draw(number % len(pairs), (0, 0, number))] for number in range(batch)])


def train(method: MSCL, views: Views, generator: torch.Generator) -> None:
    with autocast_for(torch.device("cpu")), short_convolutions(torch.device("cpu")):
        terms = method.losses(views, draw(len(views.query), generator)).terms
    torch.stack(list(terms.values())).sum().backward()
    method.zero_grad()


def forward(method: MSCL, clips: torch.Tensor) -> None:
    with autocast_for(torch.device("cpu")):
        method.rgb.encoder.stages(clips)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16, help="clips of a step (16)")
    parser.add_argument("--size", type=int, default=80, help="side of a frame in pixels (80)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the step (1)")
    parser.add_argument("--repeats", type=int, default=10, help="repeats of each part (10)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    set_opencv_threads(1)
    torch.manual_seed(0)
    clip = ClipConfig(frames=8, step=1 / 16, size=(options.size, options.size), squeeze=True)
    flow = FlowConfig(parameters={"finest_scale": 1}, step_frames=1)
    generator = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        synthesise(Path(folder), videos=options.batch, size=64)
        reader = ClipReader(folder, clip, flow, hold_mib=256)
        pairs = ClipPairs(scan_folder(folder), reader, SamplingConfig(paces=(1, 2)), CAMERA, True, with_key=False)
        batch = read(pairs, options.batch)
        clips, fields, seconds = batch["query"] / 255, batch["query_flow"].float(), batch["flow_seconds"]
        seen = Views(clips, None, fields, None, seconds)
        mscl = MSCLConfig(rgb=0, flow=0, cross=0, lmcl=0, motion=1.0, motion_boundaries=True)
        method = MSCL(MODEL, mscl)
        for module in method.modules():
            if isinstance(module, torch.nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        grid = (clip.frames // 2, options.size // 8, options.size // 8)
        parts = {
            "loader, one thread": partial(read, pairs, options.batch),
            "colours": partial(augment_colors, clips, CAMERA, generator),
            "camera": partial(film, clips, CAMERA, generator, fields, seconds),
            "target": partial(motion_target, fields, seconds, grid, True, False),
            "encoder, forward": partial(forward, method, clips),
            "losses, forward and backward": partial(train, method, seen, generator),
        }
        times = in_turns(parts, options.repeats, time.process_time)
    found = {name: spread([1e3 * value for value in taken], 1) for name, taken in times.items()}
    whole = sum(found[name]["median"] for name in ("colours", "camera", "losses, forward and backward"))
    result = {
        **surroundings(options.threads),
        "batch": options.batch,
        "milliseconds": found,
        "steps_per_second": round(1e3 * options.threads / whole, 2),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
