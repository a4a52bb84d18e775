from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from kinema.errors import ConfigError, DataError
from kinema.evaluation import FewLabelSpec, ProbeSpec, evaluate_few_label
from kinema.evaluation.few_label import draw_few

ONE = ProbeSpec(strengths=(0.1,))


def case(seed=0, videos=120, classes=4):
    rng = np.random.default_rng(seed)
    labels = np.arange(videos) % classes
    return rng.normal(size=(videos, 6)) + rng.normal(size=(classes, 6))[labels], labels


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=60), count=st.integers(1, 60), seed=st.integers(0, 99))
def test_draws_are_of_the_gallery_and_even(labels, count, seed):
    labels = np.array(labels)
    gallery = np.flatnonzero(np.arange(len(labels)) % 3 > 0)
    if not len(gallery):
        return
    there = Counter(labels[gallery].tolist())
    few = draw_few(gallery, labels, np.random.default_rng(seed), count, None)
    assert Counter(labels[few].tolist()) == {label: min(count, number) for label, number in there.items()}
    assert (np.diff(few) > 0).all() and set(few) <= set(gallery)
    if count > len(gallery):
        with pytest.raises(DataError, match=f"there are {len(gallery)} videos to train on"):
            draw_few(gallery, labels, np.random.default_rng(seed), None, count)
        return
    few = draw_few(gallery, labels, np.random.default_rng(seed), None, count)
    assert len(few) == count and (np.diff(few) > 0).all() and set(few) <= set(gallery)
    taken = Counter(labels[few].tolist())
    most = max(taken.values())
    assert all(taken[label] >= min(there[label], most - 1) for label in there)  # nobody is two behind, but for want


def test_who_gets_the_last_samples_is_drawn():
    labels = np.arange(40) % 4
    odd = {
        tuple(Counter(labels[draw_few(np.arange(40), labels, np.random.default_rng(s), None, 5)]).most_common(1)[0])
        for s in range(40)
    }
    assert odd == {(label, 2) for label in range(4)}


def test_each_draw_against_the_slow_reference(labelled_set):
    features, labels = case()
    splits = ["train"] * 80 + ["test"] * 40
    spec = FewLabelSpec(per_class=(1, 6, 50), samples=(9, 500), draws=3, seed=4, probe=ONE)
    result = evaluate_few_label(features, labelled_set(labels, splits), spec=spec)
    assert [(size.per_class, size.samples) for size in result.sizes] == [(1, None), (6, None), (None, 9)]
    for size in result.sizes:
        expected = []
        for draw in range(3):
            few = draw_few(np.arange(80), labels, np.random.default_rng([4, draw, 0]), size.per_class, size.samples)
            mean, spread = features[few].mean(0), features[few].std(0)
            spread = np.where(spread == 0, 1, spread)
            model = LogisticRegression(C=0.1, max_iter=5000).fit((features[few] - mean) / spread, labels[few])
            expected.append(np.mean(model.predict((features[80:] - mean) / spread) == labels[80:]))
        assert size.by_draw == pytest.approx(expected, abs=0.026)  # one of forty may lie on the border
        assert size.top1 == pytest.approx(np.mean(size.by_draw))
        assert size.top1_spread == pytest.approx(np.std(size.by_draw, ddof=1))
    assert result.sizes[1].top1 > result.sizes[0].top1
    assert result.chance == pytest.approx(0.25)


def test_draws_depend_on_the_seed_alone(labelled_set):
    features, labels = case()
    spec = FewLabelSpec(per_class=(2,), probe=ONE)
    first, again, other = (
        evaluate_few_label(
            features, labelled_set(labels), spec=FewLabelSpec(per_class=(2,), seed=seed, probe=ONE)
        ).to_dict()
        for seed in (0, 0, 1)
    )
    assert json.dumps(first) == json.dumps(again)
    assert first["sizes"] != other["sizes"]
    assert spec.draws == len(first["sizes"][0]["by_draw"]) == 5
    single = evaluate_few_label(features, labelled_set(labels), spec=FewLabelSpec(per_class=(2,), draws=1, probe=ONE))
    assert single.sizes[0].top1_spread is None and "±" not in single.summary()


def test_too_few_videos_and_impossible_settings(labelled_set):
    features, labels = case(videos=12)
    with pytest.raises(DataError, match=r"too few videos to train on, 8 in all and 2 of a class .* --per-class"):
        evaluate_few_label(features, labelled_set(labels), spec=FewLabelSpec(per_class=(5,), probe=ONE))
    for settings_, words in (
        ({"per_class": (0,)}, "per_class must be at least 1, not 0"),
        ({"samples": (1,)}, "samples must be at least 2, not 1"),
        ({"per_class": ()}, "need per_class or samples"),
        ({"draws": 0}, "draws must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=words):
            FewLabelSpec(**settings_)
