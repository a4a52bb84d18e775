"""Draw what few labelled intervals teach, docs/images/few_intervals.webp, from what experiments/few_intervals.py wrote.

python docs/few_intervals_picture.py FOLDER/few_intervals.json [OTHER/few_intervals.json ...]
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

IMAGES = Path(__file__).parent / "images"
CHANCE = {"ut_interaction": 1 / 6, "weizmann4": 1 / 4, "mouse": 1 / 6, "miracl_words": 1 / 10}
WAYS = {
    "motion, whole": ("motion", "#1f6fb4", "-"),
    "motion, motion": ("motion, cropped", "#1f6fb4", ":"),
    "histogram, whole": ("histogram of flow", "#a0522d", "--"),
    "histogram, motion": ("histogram, cropped", "#a0522d", ":"),
}
"""Name, colour and line of each encoder and crop."""
ONE_LEFT = ("ut_interaction", "9")
"""Labels that leave a single sequence, of six windows: the spread of draws would hide all else."""


def draw(results: dict[str, dict[str, Any]]) -> Figure:
    """A panel a set: top-1 over intervals a class, with the standard deviation of draws."""
    figure = Figure(figsize=(11, 3), layout="constrained")
    for axes, (name, ways) in zip(figure.subplots(1, len(results), sharey=True), results.items(), strict=True):
        for way, (label, colour, line) in WAYS.items():
            if way in ways:
                found = {count: one for count, one in ways[way]["intervals"].items() if (name, count) != ONE_LEFT}
                counts = [int(count) for count in found]
                mean, spread = ([one[what] for one in found.values()] for what in ("top1", "spread"))
                axes.errorbar(counts, mean, spread, label=label, color=colour, linestyle=line, marker="o", capsize=3)
        axes.axhline(CHANCE[name], color="#888888", linewidth=1)
        axes.set(title=name, xlabel="intervals a class", ylim=(0, 1.05))
        axes.set_xscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
    figure.axes[0].set_ylabel("top-1, other groups")
    handles = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def main() -> None:
    """Bring the files together, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    results: dict[str, dict[str, Any]] = {name: {} for name in CHANCE}
    for file in parser.parse_args().files:
        for name, ways in json.loads(file.read_text()).items():
            if name in results:
                results[name] |= ways
    picture = io.BytesIO()
    draw({name: ways for name, ways in results.items() if ways}).savefig(picture, dpi=110)
    Image.open(picture).convert("RGB").save(IMAGES / "few_intervals.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
