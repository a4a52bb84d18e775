"""Make the pictures of the timeline, budgets and classes in docs/images, of generated people, with Chromium.

python docs/timeline_picture.py FOLDER

Clips of people who do one of four exercises are joined into three videos, of which one is labelled as a whole and one
in its first half.
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright
from screenshots import CHROMIUM, save

from kinema.annotations import Interval
from kinema.data.synthetic import synthesise
from kinema.data.synthetic.files import write_video
from kinema.search import Labels, Library
from kinema.video import Video

EXERCISES = {"jumping_jack": "jumping jack", "squat": "squat", "raise_arms": "raise arms", "march": "march"}
FPS, FRAMES, SIDE, VIDEOS = 16.0, 48, 96, 3


def middle(path: Path) -> np.ndarray:
    """The frames of a clip, (T, SIDE, SIDE, 3), without what sticks out of a square."""
    with Video(path) as video:
        frames = video.read().frames
    top, left = ((length - SIDE) // 2 for length in frames.shape[1:3])
    return frames[:, top : top + SIDE, left : left + SIDE]


def workouts(folder: Path) -> list[list[Interval]]:
    """Join clips into the videos of ``folder/videos``; return what is done when in each."""
    people = folder / "people"
    synthesise(people, videos=160, seed=3, difficulty="figures", size=SIDE, frames=FRAMES, fps=FPS, kinds=["person"])
    by_name: dict[str, list[Path]] = {}
    with (people / "labels.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            by_name.setdefault(row["motion"].removeprefix("person_"), []).append(people / row["file"])
    (folder / "videos").mkdir()
    found = []
    for number in range(VIDEOS):
        chosen = [(name, path) for name in EXERCISES for path in by_name[name][number::VIDEOS]]
        order = np.random.default_rng(number).permutation(len(chosen)).tolist()
        frames, done, name = [], list[Interval](), f"workout {number + 1}.mp4"
        for place in order:
            kind, path = chosen[place]
            start = len(frames) / FPS
            frames += list(middle(path))
            done.append(Interval(name, start, len(frames) / FPS, EXERCISES[kind]))
        write_video(folder / "videos" / name, frames, FPS)
        found.append(done)
    return found


def main() -> None:
    """Make the videos, index and label them, and save all views."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(exist_ok=True)
    done = workouts(folder)
    library = Library(folder / "index", "motion")
    library.add(folder / "videos")
    Labels(library.path).add_intervals([*done[0], *done[1][: len(done[1]) // 2]])
    windows = library.windows_of(next(video.path for video in library.videos() if "workout 2" in video.path))
    words = [sys.executable, "-m", "kinema.cli", "serve", "--index", str(library.path), "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address = re.match(r"\S+", server.stdout.readline())
        assert address is not None
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light").new_page()
            page.set_default_timeout(300_000)
            page.goto(f"{address[0]}?like={windows[2].id}")
            page.locator("#results .motion .card").first.wait_for()
            page.locator("#tab-classes").click()
            page.wait_for_selector("#predicted .card")
            save(page, "serve-classes")
            page.evaluate(f"location.hash = 'timeline/{windows[0].id}@8'; dispatchEvent(new PopStateEvent('popstate'))")
            page.locator("#timeline-canvas").wait_for()
            page.wait_for_timeout(15_000)  # until all lanes are drawn
            save(page, "serve-timeline")
            page.locator("#timeline-budget summary").click()
            page.locator("#timeline-budget tbody tr").first.wait_for()
            page.locator("#timeline-budget").scroll_into_view_if_needed()
            page.wait_for_timeout(1000)
            save(page, "serve-agreement")
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
