"""Make the pictures of the page in docs/images, of an index of the synthetic videos, with the system's Chromium.

kinema demo --out demo
kinema index demo/videos --encoder demo/mscl --index demo/index
python docs/screenshots.py demo/index demo/videos/test/00003.mp4
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
COMPLETE = """[...document.images].every(image => image.complete || !image.checkVisibility()
    || (image.loading === "lazy" && image.getBoundingClientRect().top > innerHeight))"""


def main() -> None:
    """Serve the index, open it as desktop and as phone, and save each view."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", help="folder of the index")
    parser.add_argument("clip", help="video to search with")
    asked = parser.parse_args()
    words = [sys.executable, "-m", "kinema.cli", "serve", "--index", asked.index, "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = re.match(r"\S+", server.stdout.readline())
    IMAGES.mkdir(exist_ok=True)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            assert address is not None
            desktop = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light").new_page()
            desktop.set_default_timeout(180_000)
            desktop.goto(address[0])
            desktop.locator("#samples li").first.wait_for()
            save(desktop, "serve-start")
            search(desktop, asked.clip)
            desktop.locator(".motion .shot").nth(1).hover()
            desktop.wait_for_selector(".flowing")
            desktop.wait_for_timeout(1000)  # until it has faded in
            save(desktop, "serve-search")
            label(desktop)
            desktop.locator("#tab-map").click()
            desktop.get_by_text("lie close together").wait_for()
            desktop.locator("#map canvas").focus()
            desktop.keyboard.press("ArrowRight")
            desktop.wait_for_selector("aside .card")
            save(desktop, "serve-map")
            phone = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
            phone.set_default_timeout(180_000)
            phone.goto(address[0])
            search(phone, asked.clip)
            phone.locator(".columns").scroll_into_view_if_needed()
            save(phone, "serve-phone")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def search(page: Page, clip: str) -> None:
    """Send the clip and search with all of it."""
    page.set_input_files("#file", clip)
    page.locator("#go").click()
    page.wait_for_selector("#results .appearance .card")


def label(page: Page) -> None:
    """Label the first hits of each column."""
    for name, column in (("like the clip", ".motion"), ("unlike it", ".appearance")):
        page.locator("#results .labels input").fill(name)
        page.keyboard.press("Enter")
        for place in range(4):
            page.locator(f"#results {column} .card .deeds button:last-child").nth(place).click()


def save(page: Page, name: str) -> None:
    """Save what is seen, when its pictures have come."""
    while not page.evaluate(COMPLETE):
        page.wait_for_timeout(100)
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").save(IMAGES / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
