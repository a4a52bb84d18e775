"""A page that shows a query and what was found by motion and by appearance, side by side, as moving pictures."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from kinema import __version__
from kinema.clock import clock
from kinema.errors import VideoError, blaming
from kinema.files import write_text
from kinema.report.pictures import PALETTE, animation, still
from kinema.search.library import Library
from kinema.search.results import Answer
from kinema.video import Video, View

FPS = 8
LONGEST_SHOWN = 3.0
"""Seconds that a moving picture shows."""
SHORT_SIDE = 112


@dataclass(frozen=True)
class Moving:
    """A moving picture and a still one, as data URIs."""

    moving: str
    still: str


def moving_picture(path: str | Path, start: float, end: float) -> Moving:
    """The part of a video from ``start`` to ``end`` seconds, at most :data:`LONGEST_SHOWN`.

    Raises:
        VideoError: it cannot be read.
    """
    count = max(2, round((min(end, start + LONGEST_SHOWN) - start) * FPS))
    with Video(path, View(short_side=SHORT_SIDE)) as video:
        frames = video.at_times((start + (np.arange(count) + 0.25) / FPS).tolist()).frames
    with blaming(path):
        return Moving(animation(frames, FPS, scale=1), still(frames[len(frames) // 2], scale=1))


def write_sheet(library: Library, answers: list[Answer], out: str | Path) -> Path:
    """Write the page; all answers are to the same query.

    A hit whose video is gone is shown by the still picture that the index keeps.

    Raises:
        OutputError: it cannot be written.
        VideoError: the query cannot be read.
    """
    pages = Environment(
        loader=PackageLoader("kinema", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    pictures: dict[tuple[str, float, float], Moving] = {}
    for hit in (hit for answer in answers for hit in answer.hits):
        key = (hit.path, hit.start, hit.end)
        if key not in pictures:
            try:
                pictures[key] = moving_picture(*key)
            except VideoError:
                kept = base64.b64encode(library.thumbnail(hit.window)).decode()
                pictures[key] = Moving(*2 * (f"data:image/jpeg;base64,{kept}",))
    query = answers[0].query
    page = pages.get_template("search.html.j2").render(
        query=query,
        name=Path(query.path).name,
        shown=moving_picture(query.path, query.start, query.end),
        answers=answers,
        pictures=pictures,
        palette=PALETTE,
        clock=clock,
        version=__version__,
    )
    return write_text(out, page)
