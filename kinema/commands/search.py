"""Searching one's own videos by movement."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse.typing import PositiveFloat, PositiveInt

from kinema.commands.searching import filled, labels_of, print_answer, print_seen
from kinema.common.addresses import shown
from kinema.common.clock import seconds_of
from kinema.common.files import make_folder
from kinema.common.progress import following
from kinema.common.streams import in_one_line
from kinema.config import BoutConfig
from kinema.config.windows import IndexConfig, KnownEncoderConfig
from kinema.errors import ConfigError


def embed(
    folder: str,
    out: str,
    config: IndexConfig,
    encoder: str = "motion",
    thumbnails: bool = False,
) -> None:
    """Write the vectors of a folder's videos to a Parquet file, one row a window.

    Args:
        folder: folder of videos, searched with all folders in it; or its address, such as s3://bucket/videos.
        out: Parquet file to write. The index OUT.index beside it holds what is done, so that the next call goes on, or
            embeds only what is new or has changed; kinema search --index takes it too.
        config: how the index is made.
        encoder: motion, which comes with kinema, the folder of a run, or an encoder file.
        thumbnails: add a column of JPEG pictures.
    """
    make_folder(Path(out).parent)
    library = filled(out + ".index", folder, config, encoder)
    print(f"{out}: {library.export(out, thumbnails)} windows")


def index(
    folder: str,
    index: str,
    config: IndexConfig,
    encoder: str | None = None,
    mirror: bool | None = None,
) -> None:
    """Index a folder of videos, or bring its index up to date; it can be searched meanwhile.

    Args:
        folder: folder of videos, searched with all folders in it; or its address, such as s3://bucket/videos.
        index: folder of the index, or its address on a server (postgresql://...); made where there is none.
        config: how it is made.
        encoder: the folder of a run, or an encoder file; motion, which comes with kinema, by default. An index that
            exists knows its own.
        mirror: whether a movement and its mirror image count as alike, as they do by default; say false where left and
            right are to be told apart.
    """
    from kinema.search.connection import store_of

    if encoder is None and not store_of(index).exists():
        encoder = "motion"
    library = filled(index, folder, config, encoder, mirror)
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
    known: KnownEncoderConfig,
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
) -> None:
    """Find the places in an index that move like a clip.

    Args:
        clip: video file, or its address; it, and copies of it, are not among what is found.
        index: folder of the index, or its address.
        known: its encoder.
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
    library = Library(index, known.encoder, device=known.device)
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
    known: KnownEncoderConfig,
    index: str | None = None,
    bouts: bool = False,
    out: str | None = None,
    to: str | None = None,
    fps: PositiveFloat | None = None,
) -> None:
    """Label the windows of a video, camera or stream as they come, with the time that each label took.

    Args:
        source: video file, camera (/dev/video0) or address (rtsp://...).
        classifier: folder of what `kinema finetune` trained, or file of a classifier of an index's windows, as `kinema
            label --save` writes it.
        config: how bouts are made.
        known: the encoder of the index.
        index: folder of the index that a file of a classifier belongs to, whose encoder and windows are used.
        bouts: print bouts as they end, in place of windows.
        out: file of bouts to write at the end, where nothing is yet; of any format of `kinema labels convert`.
        to: format of OUT; by its name by default.
        fps: frames a second, where OUT counts frames.
    """
    import statistics

    from kinema.annotations.files import check_target, write_labels
    from kinema.search.watching import LiveBouts

    if out is not None:
        check_target(out, to)
    latencies, found, ended = [], [], False
    live = LiveBouts(source, config)
    try:
        for seen in labels_of(source, classifier, index, known):
            latencies.append(seen.latency)
            over = live.add(seen)
            found += over
            print_seen(seen, over, bouts)
        ended = True
    finally:  # however it ends, what was seen is kept
        rest = live.finish()
        found += rest
        try:
            print_seen(None, rest, bouts)
        finally:  # nobody may be reading what is printed
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
