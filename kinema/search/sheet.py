"""A page that shows a query and what was found by motion and by appearance, side by side, as moving pictures."""

from __future__ import annotations

import base64
from pathlib import Path

from kinema.common.clock import clock
from kinema.errors import VideoError, blaming
from kinema.report.pages import MovingPicture, read_part, shown, write_page
from kinema.search.library import Library
from kinema.search.results import Answer

SHORT_SIDE = 112


def _moving(path: str | Path, start: float, end: float) -> MovingPicture:
    frames = read_part(path, start, end, SHORT_SIDE)
    with blaming(path):
        return shown(frames)


def write_sheet(library: Library, answers: list[Answer], out: str | Path) -> Path:
    """Write the page; all answers are to the same query.

    A hit whose video is gone is shown by the still picture that the index keeps.

    Raises:
        OutputError: it cannot be written.
        VideoError: the query cannot be read.
    """
    pictures: dict[tuple[str, float, float], MovingPicture] = {}
    for hit in (hit for answer in answers for hit in answer.hits):
        key = (hit.path, hit.start, hit.end)
        if key not in pictures:
            try:
                pictures[key] = _moving(*key)
            except VideoError:
                kept = base64.b64encode(library.thumbnail(hit.window)).decode()
                pictures[key] = MovingPicture(*2 * (f"data:image/jpeg;base64,{kept}",))
    query = answers[0].query
    return write_page(
        out,
        "search.html.j2",
        query=query,
        name=Path(query.path).name,
        shown=_moving(query.path, query.start, query.end),
        answers=answers,
        pictures=pictures,
        clock=clock,
    )
