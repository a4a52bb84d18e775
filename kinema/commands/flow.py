"""Optical flow as a tool of its own."""

from __future__ import annotations

from typing import Literal

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from kinema.commands.printing import entries_of, print_extraction, print_table
from kinema.common.processes import available_cores
from kinema.common.streams import in_one_line
from kinema.config import ExtractConfig


def list_estimators() -> None:
    """List the estimators of optical flow, with their settings and what they need."""
    from kinema.flow.estimators import describe_estimators

    print(describe_estimators())


def extract(
    videos: str,
    out: str,
    config: ExtractConfig,
    manifest: str | None = None,
    workers: NonNegativeInt | None = None,
    device: str = "auto",
    cluster: str | None = None,
) -> None:
    """Write the optical flow of every video of a folder to a store that training reads; interrupt and resume at will.

    Args:
        videos: folder of videos, searched with all folders in it.
        out: folder of the store; what it holds already is kept.
        config: all settings.
        manifest: what `kinema scan` wrote of the folder; it is scanned now by default.
        workers: processes, or threads that decode for a GPU; as many as there are cores by default, 0 for none beside
            this one.
        device: where tvl1 and raft compute: auto (a GPU if there is one), cpu, cuda, cuda:1, ...
        cluster: let a Ray cluster do it: auto (that of this machine), an address, or local.
    """
    from kinema.data.extraction import extract_flow, store_reader

    reader = store_reader(videos, out, config)
    entries = entries_of(videos, manifest)
    workers = available_cores() if workers is None else workers
    print_extraction(extract_flow(reader, entries, workers, device, cluster), videos, out)


def import_flow(
    folder: str,
    videos: str,
    out: str,
    config: ExtractConfig,
    bound: PositiveFloat = 20.0,
    manifest: str | None = None,
) -> None:
    """Put flow that other tools extracted into a store: folders of flow_x_*.jpg and flow_y_*.jpg, or of .flo files.

    Args:
        folder: for each video a/b.mp4 it holds a folder a/b with one file, or one pair of files, for each field.
        videos: the folder of the videos themselves.
        out: folder of the store; what it holds already is kept.
        config: how the flow was made, as training will be told.
        bound: pixels that the ends of a picture's range of grey levels stand for.
        manifest: what `kinema scan` wrote of the videos; they are scanned now by default.
    """
    from kinema.data.exchange import import_fields
    from kinema.data.extraction import store_reader

    reader = store_reader(videos, out, config)
    print_extraction(import_fields(folder, reader, entries_of(videos, manifest), bound), folder, out)


def export_flow(store: str, out: str, format: Literal["jpg", "flo"] = "jpg", bound: PositiveFloat = 20.0) -> None:
    """Write a store's flow in the field's own formats: a folder for each video.

    Args:
        store: what `kinema flow extract` wrote.
        out: folder to write.
        format: jpg writes flow_x_00001.jpg and flow_y_00001.jpg, ...; flo writes flow_00001.flo, ..., exact.
        bound: pixels that the ends of a picture's range of grey levels stand for; longer components are cut.
    """
    from kinema.data.exchange import export_fields

    for path in export_fields(store, out, format, bound):
        print(path)


def evaluate_flow(truth: str, out: str, estimators: str = "dis,farneback,tvl1") -> None:
    """Compare estimators of optical flow with true flow.

    Args:
        truth: folder of scene folders (frame10.png, frame11.png, flow10.flo, perhaps the masks occlusions.png and
            invalid.png) or of KITTI's layout, or a CSV file with the columns first, second, truth and perhaps
            occlusions and invalid.
        out: JSON file to write; a table of all scenes goes into a CSV file of the same name.
        estimators: names separated by commas, each with settings where wanted, such as dis:preset=medium,tvl1.
    """
    from kinema.evaluation import evaluate_flow

    evaluation = evaluate_flow(truth, [name.strip() for name in estimators.split(",")], out)
    for row in evaluation.left_out:
        by = f" by {row['estimator']}" if "estimator" in row else ""
        print(in_one_line(f"left out: {row['scene']}{by}: {row['reason']}"))
    head, *rows = evaluation.table()
    print_table(head, rows)
    print(out)


def show_flow(
    video: str,
    out: str,
    estimator: str = "dis",
    start: float = 0.0,
    seconds: PositiveFloat = 3.0,
    size: PositiveInt = 192,
) -> None:
    """Draw a video beside its optical flow, as colours and as arrows, above how much the motion changes.

    Args:
        video: video file.
        out: file to write: .mp4 or .gif for a moving picture, .png for a sheet of some moments.
        estimator: name of the estimator, with settings where wanted, such as dis:preset=medium.
        start: where to begin, in seconds.
        seconds: how much to show.
        size: shorter side of the frames in pixels; flow is estimated at this size.
    """
    from kinema.report.flow_pictures import show_flow

    print(show_flow(video, out, estimator, start, seconds, size))
