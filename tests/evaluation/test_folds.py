from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.errors import ConfigError, DataError
from kinema.evaluation.folds import group_folds, leave_one_video_out, make_folds, split_folds, stratified_folds


def test_test_videos_are_queries_and_train_videos_the_gallery(labelled_set):
    (fold,) = split_folds(labelled_set([0, 1, 0, 1], ["train", "test", "test", "train"]))
    assert fold.gallery.tolist() == [0, 3]
    assert fold.queries.tolist() == [1, 2]
    assert fold.gallery_sizes.tolist() == [2, 2]


def test_a_group_on_both_sides_of_a_split_is_kept_apart(labelled_set):
    splits = ["train", "train", "test", "test", "train", "test"]
    folds = split_folds(labelled_set([0, 1, 0, 1, 0, 1], splits, "abaccd"))
    found = {int(query): fold.gallery.tolist() for fold in folds for query in fold.queries}
    assert found == {2: [1, 4], 3: [0, 1], 5: [0, 1, 4]}


def test_a_split_whose_groups_are_disjoint_stays_one_round(labelled_set):
    assert len(split_folds(labelled_set([0, 1, 0, 1], ["train", "train", "test", "test"], "aabb"))) == 1


@settings(max_examples=30, deadline=None)
@given(groups=st.lists(st.sampled_from("abcde"), min_size=4, max_size=30).filter(lambda g: len(set(g)) > 1))
def test_leave_one_group_out_asks_every_video_once_and_against_all_other_groups(labelled_set, groups):
    folds = group_folds(labelled_set(np.arange(len(groups)) % 2, groups=groups))
    assert len(folds) == len(set(groups))
    asked = np.concatenate([fold.queries for fold in folds])
    assert sorted(asked) == list(range(len(groups)))
    for fold in folds:
        for query in fold.queries:
            assert fold.gallery.tolist() == [n for n, group in enumerate(groups) if group != groups[query]]


def test_one_video_at_a_time_compares_everything_with_everything_else(labelled_set):
    (fold,) = leave_one_video_out(labelled_set([0, 0, 1, 1]))
    assert fold.gallery.tolist() == fold.queries.tolist() == [0, 1, 2, 3]
    assert fold.gallery_sizes.tolist() == [3, 3, 3, 3]


@pytest.mark.filterwarnings("error")  # none of scikit-learn reaches who calls
def test_stratified_parts_cover_all_and_keep_the_share_of_each_label(labelled_set):
    labels = np.repeat([0, 1], [20, 10])
    folds = stratified_folds(labelled_set(labels))
    assert len(folds) == 5
    assert sorted(np.concatenate([fold.queries for fold in folds])) == list(range(30))
    for fold in folds:
        assert np.bincount(labels[fold.queries]).tolist() == [4, 2]
        assert not set(fold.gallery) & set(fold.queries)
    again = stratified_folds(labelled_set(labels))
    assert all((a.queries == b.queries).all() for a, b in zip(folds, again, strict=True))
    assert len(stratified_folds(labelled_set([0, 0, 1, 1, 1, 1]))) == 2


@pytest.mark.parametrize(
    ("splits", "groups", "scheme"),
    [
        (["train", "test"] * 2, None, "test against train"),
        (["train", "test"] * 2, "abcd", "test against train, no group on both sides"),
        (None, "aabb", "leave one group out (2 groups)"),
        (None, None, "leave one video out"),
    ],
)
def test_auto_takes_the_split_then_the_groups_then_single_videos(labelled_set, splits, groups, scheme):
    assert make_folds(labelled_set([0, 0, 1, 1], splits, groups), "auto", "retrieval").scheme == scheme


def test_what_the_probe_holds_out_without_split_or_groups(labelled_set):
    assert make_folds(labelled_set([0] * 5 + [1] * 5), "auto", "probe").scheme == "5 stratified parts"


def test_an_explicit_choice_wins_over_the_split(labelled_set):
    labelled = labelled_set([0, 0, 1, 1], ["train", "test"] * 2, "aabb")
    assert make_folds(labelled, "group", "retrieval").scheme.startswith("leave one group out")


def test_what_cannot_be_held_out_is_said(labelled_set):
    plain = labelled_set([0, 0, 1, 1])
    with pytest.raises(ConfigError, match="column 'split'"):
        make_folds(plain, "split", "retrieval")
    with pytest.raises(ConfigError, match="--group-column"):
        make_folds(plain, "group", "probe")
    with pytest.raises(DataError, match="4 videos into train and 0 into test"):
        split_folds(labelled_set([0, 0, 1, 1], ["train"] * 4))
    with pytest.raises(DataError, match="one group 'a'"):
        group_folds(labelled_set([0, 0, 1, 1], groups="aaaa"))
    with pytest.raises(DataError, match="nothing to compare with"):
        split_folds(labelled_set([0, 0, 1, 1], ["train", "train", "test", "test"], "aaab"))
