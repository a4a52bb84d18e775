"""Asking the page, for tests."""

from __future__ import annotations

import json
from typing import Any

from starlette.testclient import TestClient


def searched(page: TestClient, source: dict[str, Any], **asked: Any) -> list[dict[str, Any]]:
    answer = page.post("/api/search", json={"source": source, **asked})
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def sentence(text: str) -> bool:
    return len(text) > 10 and "Traceback" not in text and "\n" not in text
