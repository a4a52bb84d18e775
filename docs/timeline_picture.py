"""Make the picture of the timeline in docs/images: generated people one after another, with the system's Chromium.

python docs/timeline_picture.py
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from screenshots import CHROMIUM, save

from kinema.data.synthetic import synthesise
from kinema.data.synthetic.files import write_video
from kinema.search import Library
from kinema.video import Video

SIDE, FPS, FRAMES, CLASSES, CLIPS, LABELLED = 128, 16, 64, 3, 18, 9


def scenes(folder: Path) -> list[tuple[Path, str]]:
    """Short videos of one person each, of the most frequent movements, as they come."""
    settings: dict[str, Any] = {
        "difficulty": "figures",
        "size": SIDE,
        "frames": FRAMES,
        "fps": FPS,
        "kinds": ["person"],
    }
    synthesise(folder, videos=60, test_share=0.0, **settings)
    with (folder / "labels.csv").open() as file:
        rows = [(folder / row["file"], row["motion"].replace("person_", "")) for row in csv.DictReader(file)]
    often = [name for name, _ in Counter(name for _, name in rows).most_common(CLASSES)]
    return [row for row in rows if row[1] in often][:CLIPS]


def frames(clips: Sequence[tuple[Path, str]]) -> Iterator[np.ndarray]:
    """The middles of their frames, one clip after another."""
    for path, _ in clips:
        with Video(path) as video:
            for frame in video.at_times([(number + 0.5) / FPS for number in range(FRAMES)]).frames:
                top, left = ((side - SIDE) // 2 for side in frame.shape[:2])
                yield frame[top : top + SIDE, left : left + SIDE]


def picture(index: Path, names: Sequence[str]) -> None:
    """Serve the index of the one video, label the first of its clips by what they are, and save what is seen."""
    from playwright.sync_api import sync_playwright

    number = Library(index).windows()[0].id
    length = FRAMES / FPS
    acts = [
        {"act": "add", "video": number, "start": length * place, "end": length * (place + 1), "class": name}
        for place, name in enumerate(names[:LABELLED])
    ]
    words = [sys.executable, "-m", "kinema.cli", "serve", "--index", str(index), "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = re.match(r"\S+", server.stdout.readline())
    assert address is not None
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_context(viewport={"width": 1280, "height": 980}, color_scheme="light").new_page()
            page.set_default_timeout(180_000)
            page.goto(address[0])
            post = "body => fetch('/api/labels', { method: 'POST', body }).then(answer => answer.status)"
            assert page.evaluate(post, json.dumps({"acts": acts})) == 200
            page.goto(f"{address[0]}?like={number}#timeline/{number}@{length * (LABELLED + 0.5)}")
            page.reload()
            with page.expect_response("**/similarity*"):
                page.locator("#timeline-opened").wait_for()
            page.locator("#timeline-canvas").focus()
            page.keyboard.press("k")
            page.wait_for_timeout(3000)  # until the video, too, is seen
            save(page, "serve-timeline")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Make the video, its index and the picture, in a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clips = scenes(folder / "made")
        (folder / "videos").mkdir()
        write_video(folder / "videos" / "people.mp4", frames(clips), FPS)
        Library(folder / "index", "motion").add(folder / "videos")
        picture(folder / "index", [name for _, name in clips])


if __name__ == "__main__":
    main()
