"""Rooms import only what lies above them in the table of docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = re.findall(r"^\| (`kinema/[^|]+) \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
PLACES = {room: number for number, row in enumerate(ROWS) for room in re.findall(r"`(?:kinema/)?(\w+)(?:/|\.py)`", row)}
FILES = [path.relative_to(ROOT / "kinema") for path in (ROOT / "kinema").rglob("*.py")]


def room_of(path: Path) -> str:
    return path.with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """The rooms that a file imports from, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / "kinema" / path).read_text())):
        if isinstance(node, ast.ImportFrom):
            of_rooms = node.module == "kinema"
            names = [f"kinema.{alias.name}" for alias in node.names] if of_rooms else [node.module or ""]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name.split(".")[1] for name in names if name.startswith("kinema.") and "__" not in name)


def test_every_room_is_in_the_table_and_there():
    there = {path.stem for path in (ROOT / "kinema").iterdir() if path.suffix in ("", ".py")}
    assert {name for name in there if not name.startswith("__")} == PLACES.keys()


def test_no_room_imports_one_below_it():
    own = [path for path in FILES if room_of(path) in PLACES]
    wrong = [f"{path}: {other}" for path in own for other in imported(path) if PLACES[other] > PLACES[room_of(path)]]
    assert len(own) > 100 and not wrong
