"""Searching one's own videos by movement: :class:`Library` indexes folders and answers with places that move alike.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.config.windows import Windowing
    from kinema.search.classifier import Classifier
    from kinema.search.labels import Labels
    from kinema.search.library import Library
    from kinema.search.results import Added, Answer, By, EmbeddedQuery, Filters, Hit, IndexedVideo, Query, Window
    from kinema.search.watching import Labelled

__all__ = [
    "Added",
    "Answer",
    "By",
    "Classifier",
    "EmbeddedQuery",
    "Filters",
    "Hit",
    "IndexedVideo",
    "Labelled",
    "Labels",
    "Library",
    "Query",
    "Window",
    "Windowing",
]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "classifier": ("Classifier",),
        "labels": ("Labels",),
        "library": ("Library",),
        "results": ("Added", "Answer", "By", "EmbeddedQuery", "Filters", "Hit", "IndexedVideo", "Query", "Window"),
        "watching": ("Labelled",),
        "windows": ("Windowing",),
    },
)
