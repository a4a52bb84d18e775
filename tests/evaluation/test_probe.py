from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from kinema.errors import DataError
from kinema.evaluation import ProbeSpec, evaluate_probe
from kinema.evaluation.probe import LinearProbe

QUICK = ProbeSpec(strengths=(0.01, 1.0))


def blobs(seed=0, videos=120, classes=3, spread=1.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(videos) % classes
    return rng.normal(size=(classes, 6))[labels] * 2 + spread * rng.normal(size=(videos, 6)), labels, rng


def slow_top(train, train_labels, test, test_labels, strength, k):
    """Accuracy by the definition: standardise by hand, fit, look at each video's scores one at a time."""
    mean, deviation = train.mean(0), train.std(0)
    model = LogisticRegression(C=strength, max_iter=5000).fit((train - mean) / deviation, train_labels)
    scores = ((test - mean) / deviation) @ model.coef_.T + model.intercept_
    hits = [label in model.classes_[np.argsort(-row)][:k] for row, label in zip(scores, test_labels, strict=True)]
    return float(np.mean(hits))


def test_split_against_the_slow_reference(labelled_set):
    features, labels, rng = blobs(classes=8, spread=2.5)
    splits = rng.permutation(["train"] * 80 + ["test"] * 40)
    result = evaluate_probe(features, labelled_set(labels, splits.tolist()), spec=QUICK)
    train, test = splits == "train", splits == "test"
    (strength,) = result.strengths
    case = features[train], labels[train], features[test], labels[test], strength
    assert result.top1 == pytest.approx(slow_top(*case, k=1))
    assert result.top5 == pytest.approx(slow_top(*case, k=5))
    assert 0.3 < result.top1 < result.top5 < 1.0
    predicted = np.array(result.predicted)
    assert result.queries == np.flatnonzero(test).tolist()
    own = {c: float(np.mean(predicted[labels[test] == c] == c)) for c in range(8)}
    assert result.per_class == {f"class{c}": share for c, share in own.items()}
    assert result.mean_class == pytest.approx(np.mean(list(own.values())))
    assert result.chance == pytest.approx(np.mean([np.mean(labels[train] == label) for label in labels[test]]))


def test_leave_one_group_out_never_trains_on_the_group(labelled_set):
    """Each group has its own code for the labels, beside a weak common one: reading the code needs the same group."""
    rng = np.random.default_rng(0)
    labels, groups = np.tile([0, 1], 40), np.repeat(list("abcdefgh"), 10)
    features = rng.normal(size=(80, 9))
    for column, group in enumerate("abcdefgh"):
        features[groups == group, column] = 50 * (2 * labels[groups == group] - 1)
    apart = evaluate_probe(features, labelled_set(labels, groups=groups.tolist()), spec=QUICK)
    mixed = evaluate_probe(features, labelled_set(labels), spec=QUICK)
    assert mixed.top1 > 0.95
    assert apart.top1 < 0.7
    assert len(apart.per_round) == 8
    assert apart.top1 == pytest.approx(np.mean(apart.per_round))
    assert apart.top5 is None


def test_separable_features_are_read_perfectly_and_noise_is_at_chance(labelled_set):
    labels = np.arange(200) % 4
    perfect = evaluate_probe(torch.eye(4)[torch.tensor(labels)], labelled_set(labels), spec=QUICK)
    assert perfect.top1 == perfect.mean_class == 1.0
    noise = np.random.default_rng(0).normal(size=(200, 8))
    result = evaluate_probe(noise, labelled_set(labels), spec=QUICK)
    assert result.top1 == pytest.approx(0.25, abs=0.08)
    assert result.chance == pytest.approx(0.25, abs=0.01)


def test_the_strength_is_chosen_on_training_videos_alone(labelled_set):
    """Turning the labels of the test videos round changes the score but not what was chosen."""
    features, labels, _ = blobs(classes=2, spread=4.0)
    splits = ["train"] * 80 + ["test"] * 40
    turned = np.where(np.arange(120) < 80, labels, 1 - labels)
    spec = ProbeSpec(strengths=(1e-3, 1e-1, 10.0))
    first = evaluate_probe(features, labelled_set(labels, splits), spec=spec)
    second = evaluate_probe(features, labelled_set(turned, splits), spec=spec)
    assert first.strengths == second.strengths
    assert first.predicted == second.predicted
    assert first.top1 == pytest.approx(1 - second.top1)


def test_strong_regularisation_is_chosen_where_there_is_noise_and_weak_where_detail_counts():
    rng = np.random.default_rng(0)
    probe = LinearProbe(ProbeSpec(strengths=(1e-3, 1e3), held_out=1000), 2)
    labels = np.arange(200) % 2
    noisy = rng.normal(size=(200, 150))  # as many directions as videos, one of which tells a little
    noisy[:, 0] += 2 * labels - 1
    assert probe.choose(noisy, labels, None) == 1e-3
    light = rng.normal(size=200)  # common to both features; only their small difference tells, against a strong bias
    fine = np.stack([light, light + 0.05 * (2 * labels - 1), 0.5 * rng.normal(size=200) + (2 * labels - 1)], 1)
    assert probe.choose(fine, labels, None) == 1e3


def test_held_out_parts_keep_groups_together_and_cover_as_much_as_asked():
    labels, groups = np.tile([0, 1], 50), np.repeat(np.arange(10), 10)
    parts = list(LinearProbe(ProbeSpec(), 2)._parts(labels, groups))
    assert len(parts) == 5
    for train, held_out in parts:
        assert not set(groups[train]) & set(groups[held_out])
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(100))


def test_labels_with_few_videos_can_still_be_held_out(labelled_set):
    features, labels, _ = blobs(videos=12, classes=3)
    splits = ["train"] * 6 + ["test"] * 6
    assert evaluate_probe(features, labelled_set(labels, splits), spec=QUICK).top1 > 0.5
    with_one_each = ["train"] * 3 + ["test"] * 9
    result = evaluate_probe(features, labelled_set(labels, with_one_each), spec=QUICK)
    assert result.strengths == [1.0]  # nothing can be held out: the middle one


def test_labels_that_were_never_trained_on_are_never_predicted(labelled_set):
    features, labels, _ = blobs(videos=60)
    splits = np.where((labels == 2) | (np.arange(60) % 2 == 0), "test", "train")
    result = evaluate_probe(features, labelled_set(labels, splits.tolist()), spec=QUICK)
    assert 2 not in result.predicted
    assert result.per_class["class2"] == 0.0


def test_a_training_that_does_not_converge_is_counted(labelled_set):
    features, labels, _ = blobs()
    result = evaluate_probe(features, labelled_set(labels), spec=ProbeSpec(strengths=(1.0, 10.0), max_iterations=1))
    assert result.not_converged > 0
    assert evaluate_probe(features, labelled_set(labels), spec=QUICK).not_converged == 0


def test_a_round_with_one_label_to_train_on_is_refused(labelled_set):
    features, labels, _ = blobs(classes=2)
    groups = np.where(labels == 0, "a", "b").tolist()
    with pytest.raises(DataError, match="single label"):
        evaluate_probe(features, labelled_set(labels, groups=groups), spec=QUICK)


def test_the_result_is_plain_json_and_the_same_twice(labelled_set):
    features, labels, _ = blobs(spread=3.0)
    first, second = (evaluate_probe(features, labelled_set(labels), spec=QUICK) for _ in range(2))
    assert json.dumps(first.to_dict()) == json.dumps(second.to_dict())
    assert f"{first.top1:.3f}" in first.summary()
