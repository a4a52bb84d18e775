"""Make the pictures of the guides in docs/images: contact sheets of generated people and hands.

python docs/guide_pictures.py FOLDER
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from PIL import Image

from kinema.annotations import Interval, write_intervals
from kinema.data.synthetic import synthesise
from kinema.overview import labels_in_files, write_snippets

IMAGES = Path(__file__).parent / "images"
FPS, FRAMES, COUNT = 16.0, 48, 6
SHOWN = {
    "sport": ("person", 160, ("jumping_jack", "squat", "kick", "punch", "raise_arms")),
    "gestures": ("hand", 120, ("swipe_left", "swipe_right", "beckon", "close", "turn_over")),
}
"""Of each guide the kind of figure, how many videos, and the motions that are seen."""


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


def main() -> None:
    """Make both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for guide in SHOWN:
        sheet(guide, folder)


if __name__ == "__main__":
    main()
