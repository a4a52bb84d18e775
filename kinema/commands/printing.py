"""What the commands of labelling and of flow share; the parser looks at all that a command's own module names."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kinema.common.addresses import shown
from kinema.common.clock import clock
from kinema.common.streams import in_one_line
from kinema.errors import DataError, OutputError, first_few

if TYPE_CHECKING:
    from kinema.annotations.agreement import Agreement
    from kinema.annotations.budgets import Budget
    from kinema.data.extraction import Extraction
    from kinema.jobs.labelling import Taught
    from kinema.search import Labels
    from kinema.search.label_history import Version
    from kinema.video import Manifest


def print_notes(notes: Iterable[str]) -> None:
    """Print sentences on what was left out or changed, each once."""
    for note in dict.fromkeys(notes):
        print(in_one_line(f"note: {note}"))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns, the first to the left and the others to the right."""
    table = [tuple(map(in_one_line, row)) for row in (head, *rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(head))]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip())


def print_taught(taught: Taught) -> None:
    """Say what a classifier learned from, how it does on videos held out, and what speaks against trusting it."""
    counts = ", ".join(f"{count} of {name}" for name, count in taught.examples.items())
    print(in_one_line(f"trained on {sum(taught.examples.values())} windows: {counts}"))
    figures = taught.held_out
    if figures is not None:
        print(figures.summary())
        frames = {} if figures.agreement is None else {one.label: one for one in figures.agreement.classes}
        rows = []
        for one in figures.classes:
            whole = frames.get(one.label)
            row = (one.label, str(one.windows), str(one.videos), share(one.precision), share(one.recall))
            bouts = (share(whole.frame_f1), share(whole.bout_f1)) if whole else ("-", "-")
            rows.append((*row, *(bouts if frames else ())))
        head = ("class", "windows", "videos", "precision", "recall")
        print_table((*head, *(("frame F1", "bout F1") if frames else ())), rows)
    for note in taught.notes:
        print(in_one_line(f"note: {note}"))


def print_budgets(budgets: Sequence[Budget], videos: int, seconds: float) -> None:
    """Print how much time goes into each class."""
    print(f"{videos} video{'s' * (videos != 1)} of {clock(seconds)} in all")
    rows = [
        (
            one.label,
            str(one.bouts),
            clock(one.seconds),
            "-" if one.share is None else f"{one.share:.1%}",
            "-" if one.mean is None else f"{one.mean:.2f} s",
        )
        for one in budgets
    ]
    print_table(("class", "bouts", "time", "share", "mean"), rows)


def print_agreement(found: Agreement) -> None:
    """Print how two files of labels agree."""
    rows = [
        (
            one.label,
            clock(one.seconds[0]),
            clock(one.seconds[1]),
            str(one.bouts[0]),
            str(one.bouts[1]),
            *(share(value) for value in (one.kappa, one.precision, one.recall, one.frame_f1, one.bout_f1)),
        )
        for one in found.classes
    ]
    head = ("class", "time A", "time B", "bouts A", "bouts B", "kappa", "precision", "recall", "frame F1", "bout F1")
    print_table(head, rows)
    print(
        f"Cohen's kappa {share(found.kappa)}, agreement {share(found.frame_accuracy)}, mean frame F1 "
        f"{share(found.frame_f1)}, bout F1 {share(found.bout_f1)} (IoU {found.overlap:g}); {found.videos} videos of "
        f"{clock(found.seconds)}, in frames of {found.step:g} s"
    )
    if found.left_out > 0:
        print(
            f"note: kappa and agreement leave out {found.left_out:.1%} of the frames, where a side has several classes"
        )


def share(value: float | None) -> str:
    """A figure for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def open_labels(index: str, to_change: bool = False) -> Labels:
    """The labels of an index that there is.

    Raises:
        DataError: there is none.
        OutputError: they are to be changed and cannot be written.
    """
    from kinema.search import Labels
    from kinema.search.connection import store_of

    store = store_of(index)
    if not store.exists():
        raise store.missing()
    labels = Labels(index)
    if to_change and not labels.kept:
        raise OutputError(f"cannot write {shown(labels.path)}; give write permission for it and its folder")
    return labels


def print_change(labels: Labels, kind: str, change: int | None) -> None:
    """Undo or redo a change, or the one whose turn it is, and say what that was."""
    made = (labels.undo if kind == "undo" else labels.redo)(change)
    (one,) = labels.history(made + 1, 1)
    print(in_one_line(f"{shown(labels.path)}: change {made}, the {kind} of {one.of}: {done_by(one)}"))


def done_by(change: Version) -> str:
    """What a change did to labels and classes, in words."""
    counts = ((change.added, "added"), (change.changed, "changed"), (change.removed, "removed"))
    said = [f"{count} {how}" for count, how in counts if count]
    said += [first_few(change.classes)] if change.classes else []
    return ", ".join(said) or "all as before"


def entries_of(videos: str, manifest: str | None) -> Manifest:
    """The videos of a folder, as a manifest has them or as a scan finds them."""
    from kinema.video import read_manifest, scan_folder

    return scan_folder(videos) if manifest is None else read_manifest(manifest)


def print_extraction(done: Extraction, source: str, out: str) -> None:
    """Say what came into a store, and what did not.

    Raises:
        DataError: nothing did.
    """
    for path, reason in done.failures[:20]:
        print(in_one_line(f"left out: {path}: {reason}"), file=sys.stderr)
    if done.failures and not done.made + done.found:
        path, reason = done.failures[0]
        raise DataError(f"nothing of {source} has flow in {out} now (the first is {path}: {reason})")
    print(f"{out}: {done.made} videos added, {done.found} found, {len(done.failures)} left out")
    if done.report:
        print(done.report)
