"""Make pictures of generated people and hands in docs/images: contact sheets of guides, and what moves in the gallery.

python docs/guide_pictures.py FOLDER
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from kinema.annotations import Interval, write_intervals
from kinema.common.files import atomic_path
from kinema.data.synthetic import synthesise
from kinema.overview import labels_in_files, write_snippets
from kinema.report.flow_pictures import show_flow
from kinema.report.pictures import animated_webp

IMAGES = Path(__file__).parent / "images"
FPS, FRAMES, COUNT = 16.0, 48, 6
SHOWN = {
    "sport": ("person", 160, ("jumping_jack", "squat", "kick", "punch", "raise_arms")),
    "gestures": ("hand", 120, ("swipe_left", "swipe_right", "beckon", "close", "turn_over")),
}
"""Of each guide the kind of figure, how many videos, and the motions that are seen."""
MOVING = {"sport": "jumping_jack", "gestures": "swipe_left"}
"""Of each guide the class that moves in the gallery."""
WATCHED = ("person_wave_both", "still")
"""Motion and camera of the video whose flow is seen."""


def sheet(guide: str, folder: Path) -> None:
    """Make the videos, label those of the motions, and save their contact sheet."""
    kind, videos, motions = SHOWN[guide]
    home = folder / guide
    synthesise(home, videos=videos, seed=3, difficulty="figures", size=96, frames=FRAMES, fps=FPS, kinds=[kind])
    with (home / "labels.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["motion"].removeprefix(f"{kind}_") in motions]
    seconds = FRAMES / FPS
    found = [
        Interval(row["file"], 0.0, seconds, row["motion"].removeprefix(f"{kind}_").replace("_", " ")) for row in rows
    ]
    (labels,) = write_intervals(folder / f"{guide}.csv", found)
    write_snippets(labels_in_files(labels, home), folder / f"{guide}-snippets", count=COUNT)
    picture = Image.open(folder / f"{guide}-snippets" / "contact_sheet.png")
    picture.convert("RGB").save(IMAGES / f"{guide}.webp", quality=82, method=6)
    shutil.copy(folder / f"{guide}-snippets" / f"{MOVING[guide]}.webp", IMAGES / f"{guide}-{MOVING[guide]}.webp")


def flow(folder: Path) -> None:
    """Save a person beside the flow, as `kinema flow show` draws it."""
    with (folder / "sport" / "labels.csv").open(newline="") as table:
        still = next(row["file"] for row in csv.DictReader(table) if (row["motion"], row["camera"]) == WATCHED)
    with Image.open(show_flow(folder / "sport" / still, folder / "flow.gif", seconds=1.5, size=128)) as shown:
        frames = np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(shown)])
    with atomic_path(IMAGES / "flow.webp") as temporary:
        temporary.write_bytes(animated_webp(frames, int(FPS), scale=1, quality=40))


def main() -> None:
    """Make all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for guide in SHOWN:
        sheet(guide, folder)
    flow(folder)


if __name__ == "__main__":
    main()
