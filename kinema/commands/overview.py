"""Labels to look at: snippets of each class, and a report of an index."""

from __future__ import annotations

from jsonargparse.typing import PositiveFloat

from kinema.commands.printing import print_budgets, print_notes, print_table
from kinema.common.streams import in_one_line
from kinema.config.requests import ExamplesConfig
from kinema.errors import ConfigError


def write_snippets(
    folder: str,
    config: ExamplesConfig,
    index: str | None = None,
    labels: str | None = None,
    videos: str | None = None,
    clips: bool = False,
    from_: str | None = None,
    fps: PositiveFloat | None = None,
) -> None:
    """Write moving pictures of each class of labels, a sheet of all classes, and clips.

    Args:
        folder: folder to write, where nothing is yet.
        config: which labels are shown.
        index: folder of the index that the labels are kept with, or that holds the videos of LABELS.
        labels: file of labels, of any format of `kinema labels convert`, in place of the index's own.
        videos: folder of the videos of LABELS, in place of an index.
        clips: cut each example out of its video, too, as CLASS/VIDEO_START-END.mp4 in the folder clips.
        from_: format of LABELS; by its name and content by default.
        fps: frames a second, where times are frames; what the file or the videos say by default.
    """
    from kinema.common.files import refuse_present
    from kinema.overview import labels_in_files, labels_in_index, write_snippets
    from kinema.overview.labelled import no_labels

    refuse_present(folder)
    if videos is not None and index is None and labels is not None:
        labelled = labels_in_files(labels, videos, from_, fps)
    elif videos is None and index is not None:
        labelled = labels_in_index(index, labels, from_, fps)
        if not labelled.intervals:
            raise no_labels(index)
    else:
        raise ConfigError(
            "name an index (--index), or a file of labels and the folder of its videos (--labels, --videos)"
        )
    done, notes = write_snippets(labelled, folder, config, clips=clips)
    print_notes((*labelled.notes, *notes))
    rows = [(one.label, str(one.labels), str(one.examples), str(one.videos), str(one.grid or "-")) for one in done]
    print_table(("class", "labels", "shown", "videos", "picture"), rows)
    print(in_one_line(folder))


def report(
    index: str,
    config: ExamplesConfig,
    out: str = "report.html",
    labels: str | None = None,
    from_: str | None = None,
    fps: PositiveFloat | None = None,
) -> None:
    """Write a page on an index: what it holds, what its classes look like and take of the time, and what happens when.

    Args:
        index: folder of the index, or its address.
        config: which labels are shown.
        out: HTML page to write.
        labels: file of labels of its videos, of any format of `kinema labels convert`, in place of the index's own.
        from_: format of LABELS; by its name and content by default.
        fps: frames a second, where times are frames; what the file or the videos say by default.
    """
    from kinema.overview import labels_in_index, write_index_report
    from kinema.overview.labelled import no_labels

    labelled = labels_in_index(index, labels, from_, fps)
    done = write_index_report(index, labelled, out, config)
    print_notes(done.notes)
    if not labelled.intervals:
        print_notes([str(no_labels(index))])
    print_budgets(done.budgets, done.videos, done.seconds)
    print(in_one_line(str(done.path)))
