"""Labels to look at: snippets of each class, and a report of an index. Everything is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.overview.index_report import write_index_report
    from kinema.overview.labelled import LabelledFiles, labels_in_files, labels_in_index
    from kinema.overview.snippets import write_snippets

__all__ = ["LabelledFiles", "labels_in_files", "labels_in_index", "write_index_report", "write_snippets"]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "index_report": ("write_index_report",),
        "labelled": ("LabelledFiles", "labels_in_files", "labels_in_index"),
        "snippets": ("write_snippets",),
    },
)
