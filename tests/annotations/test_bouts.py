"""Bouts from probabilities: against a slow, obvious reference, and all at once as one by one."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.annotations import Interval
from kinema.annotations.bouts import BACKGROUND, BoutFinder, find_bouts
from kinema.annotations.budgets import Budget, budgets
from kinema.config import BoutConfig
from kinema.errors import ConfigError, DataError


def bins_of(starts, ends, shares, config):
    """Smoothed probabilities by bin; a bin without windows has none."""
    bins: dict[int, list[np.ndarray]] = {}
    for start, end, share in zip(starts, ends, shares, strict=True):
        for place in range(ceil(start / config.step - 0.5), ceil(end / config.step - 0.5)):
            bins.setdefault(place, []).append(np.asarray(share, float))
    means = {place: sum(found) / len(found) for place, found in bins.items()}
    half = round(config.smooth / config.step) // 2
    smoothed = {}
    for place in means:
        near = [means[other] for other in range(place - half, place + half + 1) if other in means]
        smoothed[place] = sum(near) / len(near)
    return smoothed


def reference(starts, ends, shares, classes, config):
    """(label, first bin, bin after the last, confidence) of the bouts, one bin after another."""
    smoothed = bins_of(starts, ends, shares, config)
    if not smoothed:
        return []
    none = np.zeros(len(classes))
    first, stop = min(smoothed), max(smoothed) + 1
    values = [smoothed.get(place, none) for place in range(first, stop)]
    state, states = None, []
    for value in values:
        best = int(value.argmax())
        if value[best] >= config.enter:
            state = best
        elif state is not None and value[state] < config.leave:
            state = None
        states.append(None if state is None or classes[state] == BACKGROUND else state)
    bouts: list[list[int]] = []
    for place, label in enumerate(states):
        if label is not None and bouts and bouts[-1][0] == label and bouts[-1][2] == place:
            bouts[-1][2] += 1
        elif label is not None:
            bouts.append([label, place, place + 1])

    def closed(bouts):
        kept: list[list[int]] = []
        for label, begin, end in bouts:
            if kept and kept[-1][0] == label and (begin - kept[-1][2]) * config.step <= config.gap + 1e-9:
                kept[-1][2] = end
            else:
                kept.append([label, begin, end])
        return kept

    bouts = [bout for bout in closed(bouts) if (bout[2] - bout[1]) * config.step >= config.shortest - 1e-9]
    return [
        (classes[label], first + begin, first + end, np.mean([value[label] for value in values[begin:end]]))
        for label, begin, end in closed(bouts)
    ]


@st.composite
def streams(draw):
    """Windows in the order of time, with pauses, of two to four classes, and settings."""
    count, classes = draw(st.integers(1, 40)), draw(st.integers(2, 4))
    steps = draw(st.lists(st.sampled_from([0.0, 0.04, 0.25, 0.8, 3.0]), min_size=count, max_size=count))
    lengths = draw(st.lists(st.sampled_from([0.02, 0.3, 1.6]), min_size=count, max_size=count))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    shares = rng.dirichlet(np.full(classes, draw(st.sampled_from([0.2, 1.0]))), count)
    if draw(st.booleans()):  # what changes slowly makes longer bouts
        shares = np.cumsum(shares, 0) / np.arange(1, count + 1)[:, None]
    starts = np.cumsum(steps)
    leave = draw(st.sampled_from([0.1, 0.3, 0.5]))
    config = BoutConfig(
        step=draw(st.sampled_from([0.1, 0.25])),
        smooth=draw(st.sampled_from([0.0, 0.3, 1.0])),
        enter=draw(st.sampled_from([0.5, 0.7])),
        leave=leave,
        gap=draw(st.sampled_from([0.0, 0.3, 2.0])),
        shortest=draw(st.sampled_from([0.0, 0.3, 1.0])),
    )
    names = tuple("abcd"[:classes]) if draw(st.booleans()) else (BACKGROUND, *"abc"[: classes - 1])
    return starts, starts + lengths, shares, names, config


@settings(max_examples=80, deadline=None)
@given(streams())
def test_bouts_are_those_of_the_obvious_way(stream):
    starts, ends, shares, classes, config = stream
    found = find_bouts("v.mp4", starts, ends, shares, classes, config)
    wanted = reference(starts, ends, shares, classes, config)
    assert [one.label for one in found] == [label for label, *_ in wanted]
    for one, (_, first, stop, sure) in zip(found, wanted, strict=True):  # beside a pause only as far as windows go
        assert one.start == pytest.approx(first * config.step, abs=config.step / 2 + 1e-9)
        assert one.end == pytest.approx(stop * config.step, abs=config.step / 2 + 1e-9)
        assert one.confidence == pytest.approx(sure)


@settings(max_examples=50, deadline=None)
@given(streams(), st.integers(1, 7))
def test_windows_one_by_one_give_the_same_bouts_to_the_bit(stream, at_once):
    starts, ends, shares, classes, config = stream
    whole = find_bouts("v.mp4", starts, ends, shares, classes, config)
    finder, found = BoutFinder("v.mp4", classes, config), []
    for at in range(0, len(starts), at_once):
        part = slice(at, at + at_once)
        found += finder.add(starts[part], ends[part], shares[part])
    assert found + finder.finish() == whole


@settings(max_examples=50, deadline=None)
@given(streams())
def test_bouts_follow_one_another_and_keep_to_the_settings(stream):
    starts, ends, shares, classes, config = stream
    found = find_bouts("v.mp4", starts, ends, shares, classes, config)
    for one in found:
        assert starts[0] <= one.start < one.end <= ends.max() and one.label != BACKGROUND
        assert 0 <= one.confidence <= 1
    for one, after in pairwise(found):
        assert one.end <= after.start + 1e-9
        assert one.label != after.label or after.start - one.end > config.gap - 1e-6


def windows(*labels, length=1.0):
    """Windows side by side, each sure of class a, of class b, or of neither."""
    shares = {"a": (0.9, 0.1), "b": (0.1, 0.9), ".": (0.45, 0.45), "+": (0.48, 0.1), "-": (0.2, 0.2)}
    starts = np.arange(len(labels)) * length
    return starts, starts + length, np.array([shares[label] for label in labels])


@pytest.mark.parametrize(
    ("labels", "settings", "wanted"),
    [
        ("aa-bb", {}, "a 0-2, b 3-5"),
        ("a++-", {"leave": 0.4}, "a 0-3"),  # what is below entering goes on, and does not begin
        ("++a-", {"leave": 0.4}, "a 2-3"),
        ("a-a-b", {"gap": 1.0}, "a 0-3, b 4-5"),
        ("a--a-b", {"gap": 1.0}, "a 0-1, a 3-4, b 5-6"),
        ("aaba", {"shortest": 2.0}, "a 0-2"),
        ("aabaa", {"shortest": 2.0, "gap": 1.0}, "a 0-5"),  # a gap that dropping opens is closed
        ("a-a--", {"shortest": 2.0, "gap": 1.0}, "a 0-3"),
    ],
)
def test_what_the_settings_do(labels, settings, wanted):
    config = BoutConfig(
        **{"step": 0.1, "smooth": 0.0, "enter": 0.5, "leave": 0.5, "gap": 0.0, "shortest": 0.0} | settings
    )
    found = find_bouts("v.mp4", *windows(*labels), ("a", "b"), config)
    assert ", ".join(f"{one.label} {one.start:.0f}-{one.end:.0f}" for one in found) == wanted


def test_a_pause_of_years_costs_nothing_and_ends_a_bout():
    starts = np.array([0.0, 1.0, 1e9, 1e9 + 1])
    found = find_bouts("v.mp4", starts, starts + 1, np.tile([0.9, 0.1], (4, 1)), ("a", "b"))
    assert [(one.start, one.end) for one in found] == [(0, 2), (1e9, 1e9 + 2)]


def test_budgets_sum_up_bouts_by_class():
    found = [Interval("v", 0, 2, "a"), Interval("v", 5, 6, "a"), Interval("w", 0, 3, "b")]
    assert budgets(found, 12.0, ("a", "b", "c")) == [
        Budget("a", 3, 0.25, 2, 1.5),
        Budget("b", 3, 0.25, 1, 3),
        Budget("c", 0, 0, 0, None),
    ]


def test_what_is_no_setting_and_no_window():
    for wrong, sentence in (
        ({"smooth": -1}, "smooth of bouts must be a number from 0 on, not -1"),
        ({"smooth": 1e9}, r"smoothed over 1e\+09 s, more than 1000 steps of 0\.1 s; smooth less"),
        ({"step": 0}, "step of bouts must be a millisecond or more, not 0 s"),
        ({"enter": 0.3}, "entered at a probability of 0.3 and left below 0.4"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            BoutConfig(**wrong)
    with pytest.raises(DataError, match=r"has a window of 1e\+06 s; give bouts a larger step"):
        find_bouts("v.mp4", np.zeros(1), np.full(1, 1e6), np.ones((1, 1)), ("a",))
    with pytest.raises(ValueError, match="order of time"):
        find_bouts("v.mp4", np.array([1.0, 0.0]), np.array([2.0, 1.0]), np.ones((2, 1)), ("a",))
