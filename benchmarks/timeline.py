"""Measure the timeline of a video of hours, in the server and in Chromium, and print JSON.

    python benchmarks/timeline.py [--hours 4] [--repeats 5] [--folder KEPT] > timeline.json

The index is a real one of a few synthetic videos, made with the encoder that comes with kinema, to which the library's
own code adds the windows of one long video: one every half second, whose vectors go from one of 40 kinds of movement to
another every 20 seconds or so. The video itself is encoded in full, at 64 x 48 pixels and 5 frames per second.

* ``index``: windows, and seconds to write the long video and its rows.
* ``first_ms``: of each question to the server when it is asked first, with what it has to read and to compute, of a
  page that has been there for 20 s, after the search that likeness is of; ``edited`` is that for predicted bouts after
  one more label. ``first_cpu_ms``: of processor time, which other work on the machine lengthens less.
* ``server_ms``: of each question afterwards, for all of the video, for a tenth and for a minute at places that move;
  ``server_cpu_ms``: the mean of processor time, that of who asks included.
* ``summary_kib``: bytes of the answer for all of the video.
* ``opened_ms``: from the address to the first picture of the timeline, in Chromium.
* ``drawing_ms``: of one picture of the timeline, while the wheel zooms from hours to frames and drags pan, at 1,400
  pixels; ``frame_ms`` is the time from one picture to the next meanwhile.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import uvicorn
from common import spread, surroundings

from kinema.common.vectors import unit
from kinema.data.synthetic import synthesise
from kinema.data.synthetic.files import write_video
from kinema.search import Library, approximate, database
from kinema.search.connection import connected, transaction
from kinema.search.database import FileState
from kinema.search.embedder import EmbeddedWindow
from kinema.search.values import stored_length
from kinema.serve import create_app
from kinema.video.identity import content_sha256, size_and_time

SETTLED = 20.0
"""Seconds until the page has done what it does ahead."""
FPS, SIZE, STRIDE, KINDS, BOUT = 5.0, (48, 64), 0.5, 40, 20.0
BINS = 1400


def frames(count: int) -> Iterator[np.ndarray]:
    """A square that wanders, so that there is something to see."""
    height, width = SIZE
    for number in range(count):
        frame = np.full((height, width, 3), 40, np.uint8)
        x, y = number % (width - 8), number // 7 % (height - 8)
        frame[y : y + 8, x : x + 8] = (number % 255, 180, 90)
        yield frame


def windows(seconds: float, lengths: dict[str, int]) -> Iterator[EmbeddedWindow]:
    """The long video's windows, in the order of time."""
    rng = np.random.default_rng(0)
    kinds = {by: rng.standard_normal((KINDS, length), np.float32) for by, length in lengths.items()}
    kind, until = 0, 0.0
    for start in np.arange(0.0, seconds - 2 * STRIDE, STRIDE).tolist():
        if start >= until:
            kind, until = int(rng.integers(KINDS)), start + rng.exponential(BOUT)
        vectors = {
            by: unit(kinds[by][kind] + 0.7 * rng.standard_normal(length, np.float32)) for by, length in lengths.items()
        }
        strength = float(rng.gamma(2.0, 0.02 * (1 + kind % 5)))
        yield EmbeddedWindow(start, start + 2 * STRIDE, strength, vectors["motion"], vectors["appearance"], b"")


def build(folder: Path, hours: float) -> dict[str, Any]:
    """A library of a few short videos and the long one, in `videos` and `index`."""
    synthesise(folder / "made", videos=12, difficulty="easy", size=64, frames=48, fps=16.0)
    home = folder / "videos"
    home.mkdir()
    for path in (folder / "made").rglob("*.mp4"):
        shutil.copy(path, home)
    library = Library(folder / "index", "motion")
    library.add(home)
    began, long, seconds = time.perf_counter(), home / "long.mp4", 3600 * hours
    write_video(long, frames(round(seconds * FPS)), fps=FPS)
    written = time.perf_counter()
    with connected(library.path) as db:
        lengths = {"motion": stored_length(db, "motion"), "appearance": stored_length(db, "appearance")}
        state = FileState(str(long), *size_and_time(long), content_sha256(long))
        with transaction(db):
            database.put_video(db, 0, state, windows(seconds, lengths), "")
        approximate.refresh(db, library.path)
    ended = time.perf_counter()
    return {
        "windows": library.count(),
        "video_s": round(written - began, 1),
        "rows_s": round(ended - written, 1),
        "values_of_a_vector": lengths["motion"],
    }


@contextmanager
def served(index: Path) -> Iterator[str]:
    """The address of the page, on a free port, in a thread."""
    server = uvicorn.Server(uvicorn.Config(create_app(index), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def labelled(client: httpx.Client, video: int, seconds: float, count: int = 300) -> None:
    """Labels of three classes all over the video, as the page makes them."""
    rng = np.random.default_rng(count)
    acts = [
        {"act": "add", "video": video, "start": round(start, 2), "end": round(start + 4.0, 2), "class": name}
        for start, name in zip(
            np.sort(rng.uniform(0, seconds - 10, count)).tolist(),
            rng.choice(["one", "two", "three"], count),
            strict=True,
        )
    ]
    client.post("/api/labels", json={"acts": acts}).raise_for_status()


def asked(client: httpx.Client, video: int, seconds: float, repeats: int) -> dict[str, Any]:
    """Milliseconds of each question, the first time and afterwards."""
    like = client.get("/api/videos").json()["videos"][0]["id"]
    questions: dict[str, Callable[[float, float], httpx.Response]] = {
        name: lambda start, end, name=name, more=more: client.get(
            f"/api/timeline/{video}/{name}", params={"from": start, "to": end, "bins": BINS, **more}, timeout=300
        ).raise_for_status()
        for name, more in (("strength", {}), ("similarity", {"like": like}), ("predicted", {}))
    }
    client.post("/api/search", json={"source": {"like": like}}).raise_for_status()
    first, cpu, later, later_cpu, sizes = {}, {}, {}, {}, {}
    for name, ask in questions.items():
        began, busy = time.perf_counter(), time.process_time()
        answer = ask(0.0, seconds)
        first[name] = round(1e3 * (time.perf_counter() - began), 1)
        cpu[name] = round(1e3 * (time.process_time() - busy), 1)
        sizes[name] = round(len(answer.content) / 1024, 1)
        times, busy = [], time.process_time()
        for repeat in range(repeats):
            for length in (seconds, seconds / 10, 60.0):
                start = (seconds - length) * (repeat + 0.5) / repeats
                began = time.perf_counter()
                ask(start, start + length)
                times.append(1e3 * (time.perf_counter() - began))
        later[name] = spread(times, 1)
        later_cpu[name] = round(1e3 * (time.process_time() - busy) / len(times), 1)
    labelled(client, video, seconds, 1)
    for name, ask in (
        ("edited", lambda: questions["predicted"](0.0, seconds)),
        ("doubtful", lambda: client.get("/api/doubtful").raise_for_status()),
    ):
        began, busy = time.perf_counter(), time.process_time()
        ask()
        first[name] = round(1e3 * (time.perf_counter() - began), 1)
        cpu[name] = round(1e3 * (time.process_time() - busy), 1)
    return {
        "first_ms": first,
        "first_cpu_ms": cpu,
        "server_ms": later,
        "server_cpu_ms": later_cpu,
        "summary_kib": sizes,
    }


WATCH = """() => {
    window.gaps = []; let last = performance.now(); window.watching = true;
    const tick = now => { window.gaps.push(now - last); last = now; if (window.watching) raf(tick); };
    raf(tick);
}"""
TIMED = """window.drawn = []; window.raf = window.requestAnimationFrame;
window.requestAnimationFrame = work => raf(now => {
    const began = performance.now(); work(now); window.drawn.push(performance.now() - began);
});"""
SHOWN = "document.querySelector('#timeline-canvas').width > 300 && window.drawn.length > 0"


def drawn(where: str, video: int) -> dict[str, Any]:
    """Milliseconds of drawing, in Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(TIMED)
        like = f"?like={video}"
        page.goto(f"{where}/{like}")
        page.locator("#results .motion .card").first.wait_for()
        began = time.perf_counter()
        page.evaluate(f"location.hash = 'timeline/{video}@60'; dispatchEvent(new PopStateEvent('popstate'))")
        while not page.evaluate(SHOWN):
            page.wait_for_timeout(5)
        opened = 1e3 * (time.perf_counter() - began)
        page.wait_for_timeout(3000)
        box = page.locator("#timeline-canvas").bounding_box()
        assert box is not None
        page.evaluate("window.drawn = []")
        page.evaluate(WATCH)
        for way in (-1, 1):
            for _ in range(40):
                page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 50)
                page.mouse.wheel(0, way * 150)
                page.wait_for_timeout(25)
            page.mouse.down()
            for step in range(30):
                page.mouse.move(box["x"] + (0.6 - 0.01 * step) * box["width"], box["y"] + 50)
                page.wait_for_timeout(16)
            page.mouse.up()
        times, gaps = page.evaluate("window.drawn"), page.evaluate("(window.watching = false, window.gaps)")
        browser.close()
    return {
        "opened_ms": round(opened, 1),
        "drawing_ms": spread(times, 2) | {"p99": round(float(np.quantile(times, 0.99)), 2)},
        "frame_ms": spread(gaps, 1) | {"p99": round(float(np.quantile(gaps, 0.99)), 1)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="where the library is kept, and found again; a temporary one if not"
    )
    settings = parser.parse_args()
    result = surroundings(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = settings.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        if not (folder / "index").is_dir():
            result["index"] = build(folder, settings.hours)
        library = Library(folder / "index")
        video = next(one for one in library.videos() if one.path.endswith("long.mp4"))
        seconds = library.windows_of(video.path)[-1].end
        assert video.first is not None
        with served(library.path) as where:
            with httpx.Client(base_url=where, headers={"Origin": where}, timeout=300) as client:
                labelled(client, video.first, seconds)
                time.sleep(SETTLED)
                result |= asked(client, video.first, seconds, settings.repeats)
            result |= drawn(where, video.first)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
