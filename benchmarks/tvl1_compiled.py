"""Time TV-L1 beside itself with an iteration that ``torch.compile`` has fused; print JSON.

    python benchmarks/tvl1_compiled.py [--device cpu] [--threads 2] [--batch 16] [--repeats 5] > tvl1_compiled.json

kinema iterates by a dozen operations in place. Compiled, an iteration is one pass that reads and writes each field
once, but makes new fields, and has to be compiled first (``first_call_s``; the largest difference of the flow, in
pixels, is that of rounding). Pairs are textures of 256 x 340 pixels that move; both take turns. The floor is the time
in which memory of ``--bandwidth`` bytes a second could move what the iterations have to, each field once, if nothing
else were done; for a GPU, where one thread counts the iterations.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch
import torch.nn.functional as F
from common import in_turns, spread, surroundings
from torch import Tensor
from tvl1 import HEIGHT, WIDTH, moving_texture

from kinema.flow import TVL1, duality, tvl1
from kinema.flow.median import median_filter

FIELDS_MOVED = 17
"""In an iteration: u (2), p (4), offset (1), slope (2) and gradient (2) are read, u and p are written."""

pixels_iterated = 0
"""Pixels of all iterations of all pairs."""


def iteration(
    u: Tensor, p: Tensor, data: duality.DataTerm, bound: float, theta: float, rate: float
) -> tuple[Tensor, Tensor]:
    """One iteration of :func:`kinema.flow.duality.minimise`, as a function of whole fields."""
    u = u + data.gradient * (data.offset + (data.slope * u).sum(0)).clamp(-bound, bound)
    x, y = p
    u = u + theta * (x - F.pad(x, (1, 0))[..., :-1] + y - F.pad(y, (0, 0, 1, 0))[..., :-1, :])
    gradient_x = F.pad(u[..., 1:] - u[..., :-1], (0, 1))
    gradient_y = F.pad(u[..., 1:, :] - u[..., :-1, :], (0, 0, 0, 1))
    norm = 1 + rate * (gradient_x.square() + gradient_y.square()).sqrt()
    return u, torch.stack(((x + rate * gradient_x) / norm, (y + rate * gradient_y) / norm))


compiled = torch.compile(iteration, dynamic=True)  # the number of pairs that go on changes


def minimise_compiled(u: Tensor, p: Tensor, data: duality.DataTerm, **settings: Any) -> None:
    """:func:`kinema.flow.duality.minimise` by the compiled iteration."""
    global pixels_iterated
    theta = settings["theta"]
    active, now_u, now_p = torch.arange(u.shape[1], device=u.device), u, p
    for _ in range(settings["outer_iterations"]):
        now_u = median_filter(now_u, settings["median_filtering"])
        for count in range(1, settings["inner_iterations"] + 1):
            before = now_u
            now_u, now_p = compiled(now_u, now_p, data, settings["lambda_"] * theta, theta, settings["tau"] / theta)
            pixels_iterated += now_u[0].numel()
            if count % duality.CHECK_EVERY and count != settings["inner_iterations"]:
                continue
            change = torch.linalg.vector_norm(before - now_u, dim=(0, 2, 3)) / before[0, 0].numel() ** 0.5
            going = change > settings["epsilon"]
            left = int(going.sum())
            if left == len(active):
                continue
            u.index_copy_(1, active, now_u)
            p.index_copy_(2, active, now_p)
            if left == 0:
                return
            active, keep = active[going], going.nonzero()[:, 0]
            now_u, now_p = now_u.index_select(1, keep), now_p.index_select(2, keep)
            data = duality.DataTerm(
                data.offset[keep], data.slope.index_select(1, keep), data.gradient.index_select(1, keep)
            )
    u.index_copy_(1, active, now_u)
    p.index_copy_(2, active, now_p)


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
        tvl1.minimise = {"in place": duality.minimise, "compiled": minimise_compiled}[name]
        flow[name] = estimator.pairs(first, second).cpu()  # waits for the device

    start = time.perf_counter()
    run("compiled")
    first_call = time.perf_counter() - start
    pixels = pixels_iterated
    took = in_turns({name: lambda name=name: run(name) for name in ("in place", "compiled")}, options.repeats)
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
