"""Which videos are compared with which: the splits of every protocol, as one typed value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kinema.config.requests import Split, TrainingSplit
from kinema.data.labels import LabelledSet
from kinema.errors import ConfigError, DataError


@dataclass(frozen=True, eq=False)
class Fold:
    """One round of an evaluation: queries are answered from the gallery (for a probe: tested after training on it).

    Attributes:
        gallery: (G,) int64 indices of videos, ascending.
        queries: (Q,) int64 indices of videos, ascending.
    """

    gallery: np.ndarray
    queries: np.ndarray

    @property
    def gallery_sizes(self) -> np.ndarray:
        """(Q,) videos that each query is compared with: the gallery without the query itself."""
        return len(self.gallery) - np.isin(self.queries, self.gallery)

    def chance(self, labels: np.ndarray) -> np.ndarray:
        """(Q,) share of the videos each query is compared with that have its label, by the ``labels`` (N,) of all."""
        counts = np.bincount(labels[self.gallery], minlength=labels.max() + 1)
        return (counts[labels[self.queries]] - np.isin(self.queries, self.gallery)) / self.gallery_sizes


@dataclass(frozen=True)
class Folds:
    """All rounds; every query is asked once.

    Attributes:
        scheme: in words, for the result file.
        folds: the rounds.
    """

    scheme: str
    folds: tuple[Fold, ...]

    def __iter__(self):
        return iter(self.folds)

    def __len__(self) -> int:
        return len(self.folds)

    @property
    def queries(self) -> np.ndarray:
        """(Q,) int64: the queries of all rounds, one round after another."""
        return np.concatenate([fold.queries for fold in self.folds])

    def chance(self, labels: np.ndarray) -> np.ndarray:
        """(Q,) for each query, the share of its gallery with its label; ``labels`` (N,) are those of all videos."""
        return np.concatenate([fold.chance(labels) for fold in self.folds])

    @property
    def smallest_gallery(self) -> int:
        """Videos that the query with the fewest is compared with."""
        return int(min(fold.gallery_sizes.min() for fold in self.folds))

    def same_rounds(self, other: Folds) -> bool:
        """Whether all queries are asked of the same galleries as in ``other``."""
        pairs = zip(self.folds, other.folds, strict=False)
        return len(self) == len(other) and all(
            np.array_equal(one.gallery, two.gallery) and np.array_equal(one.queries, two.queries) for one, two in pairs
        )


def make_folds(labelled: LabelledSet, split: Split, protocol: Literal["retrieval", "probe"], seed: int = 0) -> Folds:
    """The rounds that ``split`` asks for.

    One video at a time means, for retrieval, a single round in which everything is both query and gallery (a video is
    never compared with itself); for the probe, five stratified parts, each held out once. Where parts of videos are
    labelled, those of one video are held out together.

    Raises:
        ConfigError: ``split`` asks for a column that the table has not or that was not named.
        DataError: the split leaves one side empty.
    """
    if split == "auto":
        split = "split" if labelled.splits is not None else "video"
        if split == "video" and labelled.groups not in (None, labelled.videos):
            split = "group"
    if split == "split":
        return split_folds(labelled)
    if split == "group":
        return group_folds(labelled)
    return leave_one_video_out(labelled) if protocol == "retrieval" else stratified_folds(labelled, seed=seed)


def training_folds(labelled: LabelledSet, split: TrainingSplit, seed: int = 0) -> Folds:
    """The rounds of a training with labels: as of :func:`make_folds`, or one in which all videos train."""
    if split != "none":
        return make_folds(labelled, split, "probe", seed)
    everything = np.arange(len(labelled))
    return Folds("all videos train, none is tested", (Fold(everything, everything[:0]),))


def split_folds(labelled: LabelledSet) -> Folds:
    """Test videos against train videos, never against those of their own group."""
    if labelled.splits is None:
        raise ConfigError("the labels have no column 'split' (train or test); add it, or hold out by group or video")
    is_test = np.array(labelled.splits) == "test"
    gallery, queries = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    if not len(gallery) or not len(queries):
        raise DataError(
            f"column 'split' puts {len(gallery)} videos into train and {len(queries)} into test; both need some"
        )
    if labelled.groups is None:
        return Folds("test against train", (Fold(gallery, queries),))
    groups = np.array(labelled.groups)
    shared = np.intersect1d(groups[gallery], groups[queries])
    if not len(shared):
        return Folds("test against train, no group on both sides", (Fold(gallery, queries),))
    apart = [Fold(gallery, queries[~np.isin(groups[queries], shared)])]
    apart += [Fold(gallery[groups[gallery] != group], queries[groups[queries] == group]) for group in shared]
    return _checked("test against train, without the train videos of the query's group", apart)


def group_folds(labelled: LabelledSet) -> Folds:
    """Leave one group out: each group's videos against all videos of the other groups."""
    if labelled.groups is None:
        raise ConfigError("holding out by group needs --group-column, the column that names each video's group")
    return _leave_one_out(labelled.groups, "group")


def leave_one_video_out(labelled: LabelledSet) -> Folds:
    """Everything against everything else, as a single round; the retrieval keeps a video from finding itself.

    Parts of a video are found by those of the others alone.
    """
    if len(set(labelled.videos)) < len(labelled):
        return _leave_one_out(labelled.videos, "video")
    everything = np.arange(len(labelled))
    return Folds("leave one video out", (Fold(everything, everything),))


def stratified_folds(labelled: LabelledSet, parts: int = 5, seed: int = 0) -> Folds:
    """``parts`` stratified parts (fewer if a label has fewer videos), each held out once."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    videos = np.array(labelled.videos)
    if len(set(videos)) < len(labelled):
        parts = min(parts, min(len(set(videos[labelled.labels == n])) for n in range(len(labelled.classes))))
        if parts < 2:
            raise DataError("a class has all its parts in one video, which cannot be held out; label it in another too")
        splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
        rounds = splitter.split(labelled.labels, labelled.labels, videos)
    else:
        parts = min(parts, int(np.bincount(labelled.labels).min()))
        rounds = StratifiedKFold(parts, shuffle=True, random_state=seed).split(labelled.labels, labelled.labels)
    return Folds(f"{parts} stratified parts", tuple(Fold(gallery, queries) for gallery, queries in rounds))


def _leave_one_out(owners: Sequence[str], what: str) -> Folds:
    names, owned = np.unique(np.array(owners), return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"all videos are of the one {what} '{names[0]}'; leave-one-{what}-out needs at least two {what}s"
        )
    return _checked(
        f"leave one {what} out ({len(names)} {what}s)",
        [Fold(np.flatnonzero(owned != number), np.flatnonzero(owned == number)) for number in range(len(names))],
    )


def _checked(scheme: str, folds: list[Fold]) -> Folds:
    folds = [fold for fold in folds if len(fold.queries)]
    if any(not len(fold.gallery) for fold in folds):
        raise DataError(f"{scheme}: a group leaves nothing to compare with; use more groups")
    return Folds(scheme, tuple(folds))
