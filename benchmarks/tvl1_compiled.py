"""Time TV-L1 beside itself with an iteration that ``torch.compile`` has fused; print JSON.

    python benchmarks/tvl1_compiled.py [--device cpu] [--threads 2] [--batch 16] [--repeats 5] > tvl1_compiled.json

kinema iterates by a dozen operations in place. Compiled, an iteration can be a pass or two over all fields, and has to
be compiled first (``first_call_s``; the largest difference of the flow, in pixels, is that of rounding). Pairs are
textures of 256 x 340 pixels that move; both take turns. The floor is the time in which memory of ``--bandwidth`` bytes
a second could move what the iterations have to, each field once, if nothing else were done; for a GPU, where one thread
counts the iterations.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
import torch.nn.functional as F
from common import in_turns, spread, surroundings
from torch import Tensor
from tvl1 import HEIGHT, WIDTH, moving_texture

from kinema.flow import TVL1, duality

FIELDS_MOVED = 17
"""In an iteration: u (2), p (4), offset (1), slope (2) and gradient (2) are read, u and p are written."""

pixels_iterated = 0
"""Pixels of all iterations of all pairs."""


@torch.compile(dynamic=True)  # the number of pairs that go on changes
def fused(u: Tensor, p: Tensor, data: duality.DataTerm, bound: float, theta: float, step: float) -> None:
    """What :func:`kinema.flow.duality.iterate` does, said of whole fields."""
    new = u + data.gradient * (data.offset + (data.slope * u).sum(0)).clamp(-bound, bound)
    x, y = p
    new = new + theta * (x - F.pad(x, (1, 0))[..., :-1] + y - F.pad(y, (0, 0, 1, 0))[..., :-1, :])
    gradient = torch.stack(
        (F.pad(new[..., 1:] - new[..., :-1], (0, 1)), F.pad(new[..., 1:, :] - new[..., :-1, :], (0, 0, 0, 1)))
    )
    u.copy_(new)
    p.copy_((p + step * gradient) / (1 + step * gradient.square().sum(0).sqrt()))


def iterate_fused(
    u: Tensor, p: Tensor, data: duality.DataTerm, bound: float, theta: float, step: float, *_scratch: Tensor
) -> None:
    """In the place of :func:`kinema.flow.duality.iterate`; counts pixels."""
    global pixels_iterated
    fused(u, p, data, bound, theta, step)
    pixels_iterated += u[0].numel()


WAYS = {"in place": duality.iterate, "compiled": iterate_fused}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    parser.add_argument("--threads", type=int, default=2, help="threads on a CPU (2)")
    parser.add_argument("--batch", type=int, default=16, help="pairs (16)")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each measurement (5)")
    parser.add_argument("--bandwidth", type=float, help="bytes a second that the device's memory can move at best")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pairs = [moving_texture(seed)[:2] for seed in range(options.batch)]
    first, second = (
        torch.stack([torch.from_numpy(frame) for frame in frames]).to(options.device)
        for frames in zip(*pairs, strict=True)
    )
    estimator = TVL1()
    flow = {}

    def run(name: str) -> None:
        duality.iterate = WAYS[name]
        flow[name] = estimator.pairs(first, second).cpu()  # waits for the device

    start = time.perf_counter()
    run("compiled")
    first_call = time.perf_counter() - start
    pixels = pixels_iterated
    took = in_turns({name: lambda name=name: run(name) for name in WAYS}, options.repeats)
    rates = {name: [options.batch / seconds for seconds in times] for name, times in took.items()}
    result = {
        **surroundings(options.threads),
        "device": torch.cuda.get_device_name() if options.device.startswith("cuda") else "cpu",
        "size": [HEIGHT, WIDTH],
        "batch": options.batch,
        "pairs_a_second": {name: spread(values) for name, values in rates.items()},
        "compiled_is_times_as_fast": spread(
            [one / other for one, other in zip(took["in place"], took["compiled"], strict=True)]
        ),
        "first_call_s": round(first_call, 1),
        "largest_difference_px": round(float((flow["in place"] - flow["compiled"]).abs().max()), 4),
        "gigabytes_moved_at_least": round(pixels * FIELDS_MOVED * 4e-9, 2),
    }
    if options.bandwidth:
        result["floor_pairs_a_second"] = round(options.batch * options.bandwidth / (pixels * FIELDS_MOVED * 4), 1)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
