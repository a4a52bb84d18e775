from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.errors import DataError
from kinema.evaluation import RetrievalSpec, evaluate_retrieval
from kinema.evaluation.neighbours import nearest

SPEC = RetrievalSpec(recall_at=(1, 2, 5, 10, 20, 50))


def slow_recall(features, labels, galleries, k, means=None):
    """R@k by the definition, one pair at a time. ``galleries``: for each query the videos it may find."""
    hits = []
    for query, gallery in galleries.items():
        query_mean, gallery_mean = means(query) if means else (0.0, 0.0)
        similarities = []
        for other in gallery:
            a = [float(x) for x in features[query] - query_mean]
            b = [float(x) for x in features[other] - gallery_mean]
            dot = sum(x * y for x, y in zip(a, b, strict=True))
            similarities.append((dot / (math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))), -other))
        best = sorted(similarities, reverse=True)[:k]
        hits.append(any(labels[-other] == labels[query] for _, other in best))
    return sum(hits) / len(hits)


def random_case(seed, videos=40, classes=4):
    rng = np.random.default_rng(seed)
    labels = np.arange(videos) % classes
    features = rng.normal(size=(videos, 5)) + 1.5 * rng.normal(size=(classes, 5))[labels] + 1.0
    return features, labels, rng


@pytest.mark.parametrize("seed", range(3))
def test_split_against_the_slow_reference(labelled_set, seed):
    features, labels, rng = random_case(seed)
    splits = rng.permutation(["train"] * 25 + ["test"] * 15).tolist()
    train = [n for n, split in enumerate(splits) if split == "train"]
    test = [n for n, split in enumerate(splits) if split == "test"]
    result = evaluate_retrieval(features, labelled_set(labels, splits), spec=SPEC)
    galleries = dict.fromkeys(test, train)
    means = features[test].mean(0), features[train].mean(0)
    assert set(result.plain.recall) == {1, 2, 5, 10, 20}  # 50 is more than the gallery has
    for k in result.plain.recall:
        assert result.plain.recall[k] == pytest.approx(slow_recall(features, labels, galleries, k))
        assert result.centred.recall[k] == pytest.approx(slow_recall(features, labels, galleries, k, lambda _: means))
    assert result.queries == test
    assert result.smallest_gallery == 25
    assert result.chance == pytest.approx(np.mean([np.mean(labels[train] == labels[query]) for query in test]))
    for index in range(4):
        own = {query: train for query in test if labels[query] == index}
        assert result.plain.per_class[f"class{index}"] == pytest.approx(slow_recall(features, labels, own, 1))


@pytest.mark.parametrize("seed", range(3))
def test_leave_one_group_out_against_the_slow_reference(labelled_set, seed):
    features, labels, rng = random_case(seed)
    groups = rng.permutation(list("abcde") * 8).tolist()
    galleries = {q: [n for n in range(40) if groups[n] != groups[q]] for q in range(40)}

    def gallery_mean(query):
        mean = features[galleries[query]].mean(0)
        return mean, mean

    result = evaluate_retrieval(features, labelled_set(labels, groups=groups), spec=SPEC)
    for k in (1, 5):
        assert result.plain.recall[k] == pytest.approx(slow_recall(features, labels, galleries, k))
        assert result.centred.recall[k] == pytest.approx(slow_recall(features, labels, galleries, k, gallery_mean))
    for query, found in zip(result.queries, result.plain.neighbours, strict=True):
        assert all(groups[n] != groups[query] for n in found)


@pytest.mark.parametrize("seed", range(3))
def test_leave_one_video_out_against_the_slow_reference(labelled_set, seed):
    features, labels, _ = random_case(seed)
    galleries = {q: [n for n in range(40) if n != q] for q in range(40)}
    mean = features.mean(0)
    result = evaluate_retrieval(features, labelled_set(labels), spec=SPEC)
    for k in (1, 5, 20):
        assert result.plain.recall[k] == pytest.approx(slow_recall(features, labels, galleries, k))
        assert result.centred.recall[k] == pytest.approx(
            slow_recall(features, labels, galleries, k, lambda _: (mean, mean))
        )
    assert result.smallest_gallery == 39
    assert all(query not in found for query, found in zip(result.queries, result.plain.neighbours, strict=True))
    assert all(query not in found for query, found in zip(result.queries, result.centred.neighbours, strict=True))


@pytest.mark.parametrize("held_out", ["split", "group"])
def test_with_groups_both_figures_are_given(labelled_set, held_out):
    """A group's videos share what says nothing of the label, so that within groups everybody finds the neighbour."""
    features, labels, rng = random_case(0)
    groups = np.repeat(np.arange(8), 5)
    features = features + 30 * np.eye(8)[groups][:, :5]
    splits = rng.permutation(["train"] * 25 + ["test"] * 15).tolist() if held_out == "split" else None
    names = [f"g{group}" for group in groups]
    result = evaluate_retrieval(features, labelled_set(labels, splits, names), spec=SPEC)
    without = evaluate_retrieval(features, labelled_set(labels, splits), spec=SPEC)
    together = result.ignoring_groups
    assert (together.plain, together.centred) == (without.plain.recall, without.centred.recall)
    assert together.scheme == without.scheme != result.scheme
    assert together.plain != result.plain.recall
    written = json.loads(json.dumps(result.to_dict()))["ignoring_groups"]
    assert (written["plain"]["r1"], written["centred"]["r5"]) == (together.plain[1], together.centred[5])
    assert f"{together.plain[1]:.3f} and {together.centred[1]:.3f} within groups too" in result.summary()
    assert "R@1 plain within groups too" in [figure.name for figure in result.figures()]


def test_groups_that_make_no_difference_are_not_told_twice(labelled_set):
    features, labels, _ = random_case(1)
    splits, groups = ["train"] * 20 + ["test"] * 20, ["a"] * 20 + ["b"] * 20
    assert evaluate_retrieval(features, labelled_set(labels, splits, groups)).ignoring_groups is None
    assert evaluate_retrieval(features, labelled_set(labels)).ignoring_groups is None
    assert evaluate_retrieval(features, labelled_set(labels, groups=groups), "video").ignoring_groups is None


def test_perfect_features_find_their_own_kind(labelled_set):
    labels = np.arange(30) % 3
    result = evaluate_retrieval(torch.eye(3)[torch.tensor(labels)], labelled_set(labels))
    assert result.plain.recall[1] == result.centred.recall[1] == 1.0
    assert result.plain.per_class == {"class0": 1.0, "class1": 1.0, "class2": 1.0}


def test_features_of_nothing_are_at_chance(labelled_set):
    labels = np.arange(3000) % 10
    features = np.random.default_rng(0).normal(size=(3000, 16))
    result = evaluate_retrieval(features, labelled_set(labels))
    assert result.chance == pytest.approx(299 / 2999)
    assert result.plain.recall[1] == pytest.approx(0.1, abs=0.02)
    assert result.plain.recall[50] > 0.98


def test_a_common_offset_hides_the_labels_from_plain_cosine_only(labelled_set):
    """A query set recorded under other light: centring each split takes the light away."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(4), 20)
    splits = ["train"] * 40 + ["test"] * 40
    features = (
        np.eye(4)[labels]
        + 0.01 * rng.normal(size=(80, 4))
        + np.where(np.arange(80) < 40, 0.0, 1.0)[:, None] * [9, 0, 0, 0]
    )
    result = evaluate_retrieval(features, labelled_set(labels, splits))
    assert result.plain.recall[1] < 0.5
    assert result.centred.recall[1] == 1.0


def test_equal_similarities_go_to_the_earlier_row(labelled_set):
    features = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    splits = ["train", "train", "train", "train", "test"]
    result = evaluate_retrieval(features, labelled_set([1, 0, 0, 1, 0], splits), spec=RetrievalSpec(recall_at=(1, 2)))
    assert result.plain.neighbours == [[0, 1, 2, 3]]
    assert result.plain.recall == {1: 0.0, 2: 1.0}


def test_a_collapsed_encoder_is_at_chance_and_not_an_error(labelled_set):
    labels = np.arange(40) % 4
    for features in (np.zeros((40, 8)), np.full((40, 8), 0.3)):
        result = evaluate_retrieval(features, labelled_set(labels))
        assert result.plain.recall[1] == result.centred.recall[1] == pytest.approx(result.chance, abs=0.03)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), min_size=1, max_size=5),
    k=st.integers(1, 6),
)
def test_nearest_is_a_stable_sort(rows, k):
    expected = [sorted(range(6), key=lambda column: (-row[column], column))[:k] for row in rows]
    assert nearest(np.array(rows, dtype=float), k).tolist() == expected


def test_a_query_without_a_partner_counts_as_wrong(labelled_set):
    features = np.eye(3)[[0, 0, 1, 1, 2, 2]]
    result = evaluate_retrieval(features, labelled_set([0, 0, 1, 1, 2, 2], groups="ababcc"))
    assert result.unanswerable == 2
    assert result.plain.recall[1] == pytest.approx(4 / 6)


def test_features_that_are_not_finite_name_a_file(labelled_set):
    features = np.ones((4, 2))
    features[2, 1] = np.nan
    with pytest.raises(DataError, match=r"1 of 4 features .* 2\.mp4"):
        evaluate_retrieval(features, labelled_set([0, 0, 1, 1]))
    with pytest.raises(ValueError, match="expected"):
        evaluate_retrieval(np.ones((3, 2)), labelled_set([0, 0, 1, 1]))


def test_the_result_is_plain_json_and_the_same_twice(labelled_set):
    features, labels, _ = random_case(0)
    first, second = (evaluate_retrieval(features, labelled_set(labels)).to_dict() for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
    assert first["plain"]["r1"] > first["chance"]
    assert first["spec"]["version"] == 2
    assert json.loads(json.dumps(first))["centred"]["r5"] == first["centred"]["r5"]
