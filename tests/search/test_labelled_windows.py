"""Which classes windows are of, against a slow count of moments."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.search.labelled_windows import classes_of, covered


@pytest.mark.parametrize("seed", range(20))
def test_what_spans_cover_is_what_moments_say(seed):
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 40, 8)
    spans = np.stack([starts, starts + rng.integers(1, 12, 8)], 1) / 4
    first = rng.integers(0, 48, 15)
    windows = np.stack([first, first + rng.integers(1, 16, 15)], 1) / 4
    moments = np.arange(0, 80) / 4 + 0.125  # the middles of quarters, of which all times are multiples
    inside = ((moments[:, None] > spans[:, 0]) & (moments[:, None] < spans[:, 1])).any(1)
    expected = [inside[(moments > start) & (moments < end)].sum() / 4 for start, end in windows]
    assert covered(windows, spans) == pytest.approx(np.array(expected))


def test_more_than_half_of_a_window_or_its_own_labels_decide():
    windows = np.array([[0.0, 1.0], [0.5, 1.5], [1.0, 2.0]])
    assert classes_of(windows, []) == [(), (), ()]
    assert classes_of(windows, [(0, 1, "a")]) == [("a",), (), ()], "half of its neighbour is not more than half"
    assert classes_of(windows, [(0, 0.3, "a"), (0.2, 0.55, "a"), (0.4, 0.4, "b")]) == [("a",), (), ()]
    assert classes_of(windows, [(0, 2, "a"), (0.5, 1.5, "b")]) == [("a",), ("b",), ("a",)]
    assert classes_of(windows, [(0, 2, "a"), (0.7, 1.4, "b")]) == [("a",), ("a", "b"), ("a",)]
    assert classes_of(windows, [(1, 2, "b"), (1, 2, "a"), (1, 1.1, "c")])[2] == ("a", "b")
