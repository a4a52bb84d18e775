from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from kinema.errors import DataError
from kinema.evaluation import KNNSpec, evaluate_knn, evaluate_retrieval


def case(seed, videos=60, classes=7):
    rng = np.random.default_rng(seed)
    labels = np.arange(videos) % classes
    return rng.normal(size=(videos, 5)) + 1.2 * rng.normal(size=(classes, 5))[labels], labels, rng


def slow_votes(features, labels, query, gallery, k, temperature):
    """Votes by class, one pair at a time."""
    similar = []
    for other in gallery:
        a, b = features[query], features[other]
        similar.append(
            (sum(x * y for x, y in zip(a, b, strict=True)) / math.dist(a, [0] * 5) / math.dist(b, [0] * 5), other)
        )
    votes = dict.fromkeys(range(max(labels) + 1), 0.0)
    for cosine, other in sorted(similar, key=lambda pair: (-pair[0], pair[1]))[:k]:
        votes[labels[other]] += math.exp(cosine / temperature)
    return votes


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("held_out", ["split", "group", "video"])
def test_votes_against_the_slow_reference(labelled_set, held_out, seed):
    features, labels, rng = case(seed)
    splits = rng.permutation(["train"] * 40 + ["test"] * 20).tolist()
    groups = rng.permutation(list("abcdef") * 10).tolist()
    galleries = {
        "split": {q: [n for n in range(60) if splits[n] == "train"] for q in range(60) if splits[q] == "test"},
        "group": {q: [n for n in range(60) if groups[n] != groups[q]] for q in range(60)},
        "video": {q: [n for n in range(60) if n != q] for q in range(60)},
    }[held_out]
    labelled = labelled_set(labels, splits if held_out == "split" else None, groups if held_out == "group" else None)
    result = evaluate_knn(features, labelled, spec=KNNSpec(k=(1, 5, 20, 200), temperature=0.2))
    assert list(result.by_k) == [1, 5, 20]  # no gallery has 200
    for k, found in result.by_k.items():
        top1, top5 = [], []
        for query, predicted in zip(result.queries, found.predicted, strict=True):
            votes = slow_votes(features.tolist(), labels.tolist(), query, galleries[query], k, 0.2)
            order = sorted(votes, key=lambda label: (-votes[label], label))
            assert predicted == order[0]
            top1.append(order[0] == labels[query])
            top5.append(labels[query] in order[:5])
        assert sorted(result.queries) == sorted(galleries)
        assert (found.top1, found.top5) == (pytest.approx(np.mean(top1)), pytest.approx(np.mean(top5)))
        asked = labels[result.queries]
        assert found.mean_class == pytest.approx(np.mean([np.mean(np.array(top1)[asked == c]) for c in range(7)]))


def test_one_neighbour_is_what_retrieval_finds_first(labelled_set):
    features, labels, _ = case(0)
    labelled = labelled_set(labels)
    assert evaluate_knn(features, labelled).by_k[1].top1 == evaluate_retrieval(features, labelled).plain.recall[1]


def test_near_votes_outweigh_many(labelled_set):
    """In closed form: one neighbour at cosine 1 against two at 0.8 has more votes if exp(0.2 / t) > 2."""
    features = np.array([[1, 0], [0.8, 0.6], [0.8, -0.6], [1, 0]])
    labelled = labelled_set([0, 1, 1, 0], ["train", "train", "train", "test"])
    for temperature, right in ((0.2 / math.log(2.2), 1.0), (0.2 / math.log(1.8), 0.0)):
        assert evaluate_knn(features, labelled, spec=KNNSpec(k=(3,), temperature=temperature)).by_k[3].top1 == right


def test_a_small_temperature_does_not_overflow(labelled_set):
    features, labels, _ = case(1)
    result = evaluate_knn(features, labelled_set(labels), spec=KNNSpec(k=(1, 5), temperature=1e-4))
    assert result.by_k[1].predicted == result.by_k[5].predicted


def test_the_result_is_plain_json_and_names_what_is_wrong(labelled_set):
    features, labels, _ = case(2)
    result = evaluate_knn(torch.tensor(features), labelled_set(labels))
    written = json.loads(json.dumps(result.to_dict()))
    assert written["k20"]["top1"] == result.by_k[20].top1 and written["spec"]["temperature"] == 0.07
    assert "k 20" in result.summary() and next(result.figures()).name == "top-1, k 1"
    with pytest.raises(DataError, match="k-NN with k 200 needs more videos to compare with than 59"):
        evaluate_knn(features, labelled_set(labels), spec=KNNSpec(k=(200, 300)))
    features[3, 1] = np.inf
    with pytest.raises(DataError, match=r"3\.mp4"):
        evaluate_knn(features, labelled_set(labels))
