"""From a few labels to labels of everything."""

from __future__ import annotations

from jsonargparse.typing import PositiveFloat

from kinema.commands.printing import print_agreement, print_budgets, print_notes, print_taught
from kinema.common.streams import in_one_line
from kinema.config import BoutConfig
from kinema.config.windows import PredictionConfig
from kinema.errors import ConfigError


def label(
    index: str,
    out: str,
    config: BoutConfig,
    labels: str | None = None,
    classifier: str | None = None,
    save: str | None = None,
    background: bool | None = None,
    report: str | None = None,
    from_: str | None = None,
    to: str | None = None,
    fps: PositiveFloat | None = None,
) -> None:
    """Label all videos of an index, by a classifier that a few labelled intervals teach.

    Args:
        index: folder of the index, or its address.
        out: file of bouts to write, where nothing is yet; of any format of `kinema labels convert`, by its name.
        config: how bouts are made.
        labels: file of labelled intervals, of any format of `kinema labels convert`; the index's own labels by default.
        classifier: what --save wrote, in place of labels.
        save: file of the classifier to write, where nothing is yet.
        background: whether what has no label, in videos that have some, is none of the classes; so it is by default of
            a file of labels, and not of the index's own.
        report: JSON file of the figures to write, where nothing is yet.
        from_: format of the labels; by name and content by default.
        to: format of OUT; by its name by default.
        fps: frames a second, where times are frames; what the file says by default.
    """
    from kinema.annotations.files import check_target, check_videos, write_labels
    from kinema.common.files import write_json
    from kinema.jobs.labelling import Taught, known_labels, label_library, teach
    from kinema.search import Classifier, Library

    if labels is not None and classifier is not None:
        raise ConfigError("--labels make a classifier, and --classifier is one: leave one of them out")
    if classifier is not None and not (save is None and background is None):
        raise ConfigError("--save and --background belong to labels: leave them out beside --classifier")
    check_target(out, to, save, report)
    library = Library(index)
    check_videos(out, to, lambda: sum(1 for video in library.videos() if video.windows))
    taught: Taught | None = None
    if classifier is None:
        whole = labels is not None if background is None else background
        taught = teach(library, known_labels(library, labels, from_, fps), background=whole, config=config)
        print_taught(taught)
    known = Classifier.load(classifier or "") if taught is None else taught.classifier
    done = label_library(library, known, config)
    written = [] if save is None else [known.save(save)]  # all of it before anything is said, which may find no reader
    if report is not None:
        written.append(write_json(report, done.to_dict() | ({} if taught is None else taught.to_dict())))
    lines = write_labels(out, done.intervals, to, fps)
    print_notes(done.notes)
    print_budgets(done.budgets, done.videos, done.seconds)
    for line in (*map(str, written), *lines):
        print(in_one_line(line))


def predict(
    videos: str,
    model: str,
    out: str,
    bouts: BoutConfig,
    config: PredictionConfig,
    windows: bool = False,
    to: str | None = None,
    fps: PositiveFloat | None = None,
) -> None:
    """Label videos by a network that `kinema finetune` trained: each as a whole, or its bouts.

    Args:
        videos: folder of videos, searched with all folders in it; or a video.
        model: folder of the training.
        out: file of labels to write, where nothing is yet; of any format of `kinema labels convert`, by its name. What
            is done is kept beside it until all is, so that the next call goes on.
        bouts: how bouts are made of windows.
        config: how the network is shown the videos.
        windows: find bouts; otherwise a video has the class that its windows have on average.
        to: format of OUT; by its name by default.
        fps: frames a second, where OUT counts frames.
    """
    from kinema.annotations.files import check_target, check_videos, write_labels
    from kinema.jobs.predicting import forget, predict, videos_at

    check_target(out, to)
    check_videos(out, to, lambda: len(videos_at(videos)[1]))
    done = predict(videos, model, out, bouts if windows else None, config)
    lines = write_labels(out, done.intervals, to, fps)
    forget(out)
    for note in done.notes:
        print(in_one_line(note))
    print_budgets(done.budgets, done.videos, done.seconds)
    for line in lines:
        print(in_one_line(line))


def compare_labels(
    a: str,
    b: str,
    step: PositiveFloat = 0.04,
    overlap: PositiveFloat = 0.5,
    videos: str | None = None,
    fps: PositiveFloat | None = None,
    out: str | None = None,
) -> None:
    """Say how two files of labels of the same videos agree, such as two people's, or a person's and a program's.

    Args:
        a: file of labels, or folder of files of one format; what precision and recall take for the truth.
        b: another.
        step: seconds of a frame.
        overlap: share of their union (IoU) that two bouts of a class have in common, if one finds the other.
        videos: folder of the videos, which then says how long they are; else they end with their last label.
        fps: frames a second, where times are frames; what the files or the videos say by default.
        out: JSON file of the figures to write, where nothing is yet.
    """
    from kinema.annotations.comparison import compare_files
    from kinema.common.files import refuse_present, write_json

    refuse_present(out)
    found, notes = compare_files(a, b, step=step, overlap=overlap, videos=videos, fps=fps)
    print_notes(notes)
    print_agreement(found)
    if out is not None:
        print(write_json(out, found.to_dict()))
