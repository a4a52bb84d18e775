"""``kinema flow extract`` for tests, and what it wrote."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from kinema.cli import main
from kinema.config import ExtractConfig

FORK = multiprocessing.get_context("fork")  # a new interpreter would load all of torch first
DIS = ExtractConfig(estimator="dis", short_side=48)
OPTIONS = ["--estimator", "dis", "--short-side", 48]


def extract(videos: Path, out: Path, *words: object) -> int:
    return main([str(word) for word in ("flow", "extract", videos, "--out", out, *OPTIONS, *words)])


def contents(store: Path) -> dict[str, bytes]:
    """All of a store but its locks."""
    files = {path.relative_to(store).as_posix(): path for path in store.rglob("*") if path.is_file()}
    locks = (".making", ".writing")
    return {name: path.read_bytes() for name, path in sorted(files.items()) if not path.name.startswith(locks)}
