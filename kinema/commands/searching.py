"""What the commands of searching share.

The parser looks at all that a command's own module names, types among it, so what is slow to import is named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kinema.common.addresses import shown
from kinema.common.clock import clock
from kinema.common.streams import in_one_line
from kinema.errors import ConfigError, DataError

if TYPE_CHECKING:
    from kinema.annotations import Interval
    from kinema.config.windows import IndexConfig, KnownEncoderConfig
    from kinema.search import Answer, Labelled, Library


def filled(index: str, folder: str, config: IndexConfig, encoder: str | None, mirror: bool | None = None) -> Library:
    """An index, made where there is none, to which a folder's videos are added; what that did is printed.

    Raises:
        DataError: no video can be used, and there were none before.
    """
    from kinema.search import Library, Windowing

    windowing = None if config.length is None and config.stride is None else Windowing(config.length, config.stride)
    library = Library(index, encoder, windowing=windowing, mirror=mirror, crop=config.crop, device=config.device)
    added = library.add(folder, config)
    for video in added.problems:
        print(in_one_line(f"{'partial' if video.windows else 'unreadable'}: {video.path}: {video.error}"))
    for name in added.remade:
        print(f"made anew: {name}, which was damaged or gone")
    print(added)
    if added.problems and not library.count():
        raise DataError(
            f"none of the {len(added.problems)} videos in {shown(folder)} can be used: mend what is said of each, or "
            "name another folder"
        )
    if not added.whitened:
        print("there are too few windows to learn from them what does not count; add videos for better hits")
    return library


def labels_of(source: str, classifier: str, index: str | None, known: KnownEncoderConfig) -> Iterator[Labelled]:
    """The labels of a source, by a network that was finetuned or by a classifier of an index's windows.

    Raises:
        ConfigError: an index is missing, or named where none is needed.
    """
    from kinema.search import Classifier, Library
    from kinema.search.watching import network_of, watch_with_network

    trained = network_of(classifier)
    if trained is not None:
        if index is not None or known.encoder is not None:
            raise ConfigError(f"{trained} is a network by itself: leave out --index and --encoder")
        return watch_with_network(source, trained, device=known.device)
    if index is None:
        raise ConfigError(
            f"{classifier} is no folder that `kinema finetune` wrote; for a classifier's file, name the index that it "
            "belongs to (--index)"
        )
    return Library(index, known.encoder, device=known.device).watch(source, Classifier.load(classifier))


def print_answer(answer: Answer) -> None:
    """The hits as a table, after what should be known of them."""
    for note in answer.notes:
        print(in_one_line(f"note: {note}"))
    print(f"{'':>4}{'cosine':>7}{'from':>10}{'to':>10}{'strength':>10}  video")
    for place, hit in enumerate(answer.hits, 1):
        at = f"{clock(hit.start):>10}{clock(hit.end):>10}"
        print(f"{place:>3}.{hit.score:>7.3f}{at}{hit.window.strength:>10.3f}  {in_one_line(hit.path)}")
    count = answer.query.windows
    print(f"{count} window{'s' * (count != 1)} asked for, by {answer.by}, in {1e3 * answer.seconds:.1f} ms")


def print_seen(seen: Labelled | None, over: Sequence[Interval], bouts: bool) -> None:
    """Print the window that was labelled last, or the bouts that it shows to be over."""
    if bouts:
        for one in over:
            at = f"{clock(one.start):>9} to {clock(one.end):>9}"
            print(in_one_line(f"{at}  {one.label}  {one.confidence:.2f}"), flush=True)
    elif seen is not None:
        passed = f"  ({seen.dropped} windows passed over)" if seen.dropped else ""
        print(
            f"{clock(seen.start):>9} to {clock(seen.end):>9}  {seen.label}  {seen.probability:.2f}  "
            f"latency {1e3 * seen.latency:.0f} ms{passed}",
            flush=True,
        )
