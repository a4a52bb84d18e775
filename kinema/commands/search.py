"""Searching one's own videos by movement."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse.typing import PositiveFloat, PositiveInt

from kinema.commands.searching import labels_of, open_library, print_added, print_answer, print_seen
from kinema.common.addresses import shown
from kinema.common.clock import seconds_of
from kinema.common.files import make_folder
from kinema.common.progress import following
from kinema.common.streams import in_one_line
from kinema.config import BoutConfig
from kinema.errors import ConfigError


def embed(
    folder: str,
    out: str,
    encoder: str = "motion",
    length: PositiveFloat | None = None,
    stride: PositiveFloat | None = None,
    crop: str | None = None,
    thumbnails: bool = False,
    batch_size: PositiveInt = 64,
    workers: PositiveInt | None = None,
    device: str = "auto",
    cluster: str | None = None,
) -> None:
    """Write the vectors of a folder's videos to a Parquet file, one row a window.

    Args:
        folder: folder of videos, searched with all folders in it; or its address, such as s3://bucket/videos.
        out: Parquet file to write. The index OUT.index beside it holds what is done, so that the next call goes on, or
            embeds only what is new or has changed; kinema search --index takes it too.
        encoder: motion, which comes with kinema, the folder of a run, or an encoder file.
        length: seconds of a window; what the encoder's clip spans by default.
        stride: seconds from one window to the next; half a window by default.
        crop: cut windows around their subject: motion (what moves), or a file or folder of boxes or keypoints, of
            DeepLabCut, SLEAP, COCO or a table; whole frames by default.
        thumbnails: add a column of JPEG pictures.
        batch_size: windows per forward pass.
        workers: threads that decode; as many as there are cores by default.
        device: auto (every GPU there is), cpu, cuda:1, several with commas between them, ...
        cluster: let a Ray cluster decode and embed: auto (that of this machine), an address, or local.
    """
    make_folder(Path(out).parent)
    library = open_library(out + ".index", encoder, length, stride, crop=crop, device=device)
    print_added(library, folder, library.add(folder, batch_size=batch_size, workers=workers, cluster=cluster))
    print(f"{out}: {library.export(out, thumbnails)} windows")


def index(
    folder: str,
    index: str,
    encoder: str | None = None,
    length: PositiveFloat | None = None,
    stride: PositiveFloat | None = None,
    mirror: bool | None = None,
    crop: str | None = None,
    batch_size: PositiveInt = 64,
    workers: PositiveInt | None = None,
    device: str = "auto",
    cluster: str | None = None,
) -> None:
    """Index a folder of videos, or bring its index up to date; it can be searched meanwhile.

    Args:
        folder: folder of videos, searched with all folders in it; or its address, such as s3://bucket/videos.
        index: folder of the index, or its address on a server (postgresql://...); made where there is none.
        encoder: the folder of a run, or an encoder file; motion, which comes with kinema, by default. An index that
            exists knows its own.
        length: seconds of a window; what the encoder's clip spans by default.
        stride: seconds from one window to the next; half a window by default.
        mirror: whether a movement and its mirror image count as alike, as they do by default; say false where left and
            right are to be told apart.
        crop: cut windows around their subject: motion (what moves), or a file or folder of boxes or keypoints, of
            DeepLabCut, SLEAP, COCO or a table; whole frames by default.
        batch_size: windows per forward pass.
        workers: threads that decode; as many as there are cores by default.
        device: auto (every GPU there is), cpu, cuda:1, several with commas between them, ...
        cluster: let a Ray cluster decode and embed: auto (that of this machine), an address, or local.
    """
    from kinema.search.connection import store_of

    if encoder is None and not store_of(index).exists():
        encoder = "motion"
    library = open_library(index, encoder, length, stride, mirror, crop, device)
    print_added(library, folder, library.add(folder, batch_size=batch_size, workers=workers, cluster=cluster))
    print(f"{shown(library.path)}: {library.count()} windows")


def copy(source: str, target: str) -> None:
    """Copy an index with its labels to where there is none: from a folder to a server, or back; nothing is embedded.

    Args:
        source: folder of the index, or its address (postgresql://...).
        target: folder or address.
    """
    from kinema.search.connection import named
    from kinema.search.copying import copy_index

    count = copy_index(source, target)
    print(f"{named(target)}: {count} windows")


def search(
    clip: str,
    index: str,
    start: str | None = None,
    end: str | None = None,
    own: bool = False,
    top: PositiveInt = 10,
    by: Literal["motion", "appearance"] = "motion",
    out: str = "search.html",
    path: str | None = None,
    after: str | None = None,
    before: str | None = None,
    min_strength: float | None = None,
    max_strength: float | None = None,
    exact: bool = False,
    encoder: str | None = None,
    device: str = "auto",
) -> None:
    """Find the places in an index that move like a clip.

    Args:
        clip: video file, or its address; it, and copies of it, are not among what is found.
        index: folder of the index, or its address.
        start: ask only for the part of the clip from here on, in seconds or as m:ss.s.
        end: and up to here.
        own: find other places in the clip's own video too; the part that is asked for says where it is.
        top: how many places.
        by: motion, or appearance (what the middle frames look like), for the table; the page has both.
        out: HTML page to write.
        path: only videos whose path matches this pattern, such as '*/2024/*.mp4'.
        after: only windows that start at this time of their video or later, in seconds or as m:ss.s.
        before: only windows that end at this time of their video or earlier.
        min_strength: only windows that move at least so much, in widths of the frame per second.
        max_strength: only windows that move at most so much.
        exact: compare with every window; slower, and next to never another answer.
        encoder: the index's encoder, where it lies elsewhere than when the index was made.
        device: auto (every GPU there is), cpu, cuda:1, several with commas between them, ...
    """
    from kinema.search import Filters, Library
    from kinema.search.sheet import write_sheet
    from kinema.video.fragment import fragment_of

    if own and start is None and end is None and fragment_of(clip) is None:
        raise ConfigError(
            "--own finds other places in the clip's own video: say by --start and --end which part you mean"
        )
    part = _seconds("start", start), _seconds("end", end)
    filters = Filters(path, _seconds("after", after), _seconds("before", before), min_strength, max_strength)
    make_folder(Path(out).parent)
    library = Library(index, encoder, device=device)
    with following(f"Reading {Path(clip).name}") as told:
        asked = library.embed(clip, *part, told)
    answers = library.search_all(asked, top=top, filters=filters, within=own, exact=exact)
    for answer in answers:
        if answer.by == by:
            print_answer(answer)
    write_sheet(library, answers, out)
    print(out)


def watch(
    source: str,
    classifier: str,
    config: BoutConfig,
    index: str | None = None,
    encoder: str | None = None,
    bouts: bool = False,
    out: str | None = None,
    to: str | None = None,
    fps: PositiveFloat | None = None,
    device: str = "auto",
) -> None:
    """Label the windows of a video, camera or stream as they come, with the time that each label took.

    Args:
        source: video file, camera (/dev/video0) or address (rtsp://...).
        classifier: folder of what `kinema finetune` trained, or file of a classifier of an index's windows, as `kinema
            label --save` writes it.
        config: how bouts are made.
        index: folder of the index that a file of a classifier belongs to, whose encoder and windows are used.
        encoder: the index's encoder, where it lies elsewhere than when the index was made.
        bouts: print bouts as they end, in place of windows.
        out: file of bouts to write at the end, where nothing is yet; of any format of `kinema labels convert`.
        to: format of OUT; by its name by default.
        fps: frames a second, where OUT counts frames.
        device: auto (every GPU there is), cpu, cuda:1, several with commas between them, ...
    """
    import statistics

    from kinema.annotations.writing import check_target, write_labels
    from kinema.search.watching import LiveBouts

    if out is not None:
        check_target(out, to)
    latencies, found, ended = [], [], False
    live = LiveBouts(source, config)
    try:
        for seen in labels_of(source, classifier, index, encoder, device):
            latencies.append(seen.latency)
            over = live.add(seen)
            found += over
            print_seen(seen, over, bouts)
        ended = True
    finally:  # however it ends, what was seen is kept
        rest = live.finish()
        found += rest
        print_seen(None, rest, bouts)
        if out is not None and (found or ended):
            for line in write_labels(out, found, to, fps):
                print(in_one_line(line))
    if latencies:
        print(f"{len(latencies)} windows; latency {1e3 * statistics.median(latencies):.0f} ms (median)")


def _seconds(option: str, text: str | None) -> float | None:
    try:
        return None if text is None else seconds_of(text)
    except ValueError as error:
        raise ConfigError(f"--{option}: {error}") from error
