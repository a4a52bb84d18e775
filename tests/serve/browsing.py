"""What tests do in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page


AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm install --no-save axe-core")
"""Of a test that asks for :func:`faults_of_access`."""


def faults_of_access(page: Page) -> list[str]:
    """What axe finds that gets in people's way, be it minor."""
    page.evaluate(AXE.read_text())
    return [fault["id"] for fault in page.evaluate("axe.run(document)")["violations"]]


def send(page: Page, clip: str | Path) -> None:
    """Send a clip and wait until it can be asked about."""
    from playwright.sync_api import expect

    page.set_input_files("#file", clip)
    expect(page.locator("#asked-name")).to_have_text(Path(clip).name)
    expect(page.locator("#from")).to_be_focused()


def found(page: Page) -> None:
    """Wait for the answer of a search."""
    from playwright.sync_api import expect

    expect(page.locator("#status")).to_contain_text("Found")


def search(page: Page, clip: str | Path) -> None:
    """Send a clip and search with all of it."""
    send(page, clip)
    page.locator("#go").click()
    found(page)
