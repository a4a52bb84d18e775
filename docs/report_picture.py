"""Make the picture of the report in docs/images, of an index of generated figures, with the system's Chromium.

kinema synth figures --difficulty figures --videos 300 --seed 11 --size 96 --frames 54
kinema index figures --index figures-index
python docs/report_picture.py figures-index figures/labels.csv
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from screenshots import save

from kinema.annotations import Interval, write_intervals
from kinema.overview import labels_in_index, write_index_report
from kinema.search import Library

CLASSES = ("pair_hug", "pair_push", "hand_close")


def main() -> None:
    """Label the middle of the videos of some classes, write the report, and save how it begins."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", help="folder of the index")
    parser.add_argument("labels", help="labels.csv of the generated videos")
    asked = parser.parse_args()
    with open(asked.labels, encoding="utf-8") as file:
        moved = {row["file"]: row["motion"] for row in csv.DictReader(file)}
    library, found = Library(asked.index), []
    for video in library.videos():
        name = "/".join(Path(video.path).parts[-2:])
        if moved[name] in CLASSES:
            end = library.windows_of(video.path)[-1].end
            found.append(Interval(name, round(0.25 * end, 2), round(0.75 * end, 2), moved[name].replace("_", " ")))
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder:
        (file_of_labels,) = write_intervals(Path(folder, "labels.csv"), found)
        page = Path(folder, "report.html")
        write_index_report(asked.index, labels_in_index(asked.index, file_of_labels), page)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            view = browser.new_context(
                viewport={"width": 1000, "height": 1000}, color_scheme="light", reduced_motion="reduce"
            ).new_page()
            view.goto(page.as_uri())
            view.evaluate("document.querySelector('.pause').hidden = true; scrollTo(0, 330)")
            save(view, "report")
            browser.close()


if __name__ == "__main__":
    main()
