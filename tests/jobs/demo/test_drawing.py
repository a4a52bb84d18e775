"""Videos are drawn for the report by a rule that knows labels alone."""

from __future__ import annotations

import numpy as np

from kinema.jobs.demo.people import draw_one_each

LABELS = ["walk", "jump", "run", "jump", "walk", "run", "walk", "jump"]


def test_each_label_is_drawn_once_in_order_and_the_same_each_time() -> None:
    drawn = draw_one_each(LABELS)
    assert [LABELS[i] for i in drawn] == ["jump", "run", "walk"]
    assert draw_one_each(LABELS) == drawn


def test_a_few_labels_are_drawn_first() -> None:
    labels = [f"{n % 20:02}" for n in range(200)]
    chosen = [labels[i] for i in draw_one_each(labels, 6)]
    assert len(set(chosen)) == 6
    assert chosen == sorted(chosen) != sorted(set(labels))[:6]


def test_every_video_can_be_drawn() -> None:
    """No place of a label is preferred: over many labels of four videos each place comes about as often."""
    labels = [str(n // 4) for n in range(4 * 400)]
    places = np.bincount([i % 4 for i in draw_one_each(labels)], minlength=4)
    assert places.sum() == 400
    assert places.min() > 70
