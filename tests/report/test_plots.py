"""Charts draw the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.report.plots import (
    accuracy_curve,
    embedding_map,
    label_styles,
    loss_curves,
    loss_terms,
    project,
    result_bars,
)

SHARES = st.floats(0, 1)


@settings(max_examples=10, deadline=None)
@given(random=SHARES, moco=SHARES, mscl=SHARES, chance=SHARES)
def test_bars_are_as_long_as_the_scores(random: float, moco: float, mscl: float, chance: float) -> None:
    scores = {"random": random, "moco": moco, "mscl": mscl}
    axes = result_bars(scores, chance, trials=100).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(list(scores.values()))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Untrained", "RGB MoCo", "MSCL"]
    *whiskers, line = axes.lines
    assert list(line.get_xdata()) == pytest.approx([chance, chance])
    for whisker, score in zip(whiskers, scores.values(), strict=True):
        low, high = whisker.get_xdata()
        assert high - low == pytest.approx(2 * np.sqrt(score * (1 - score) / 100))


def test_loss_terms_are_named_and_unknown_ones_kept() -> None:
    rows = [{"step": 0.0, "loss": 9.0, "loss_rgb": 4.0}, {"step": 1.0, "loss_new_idea": 5.0}]
    terms = loss_terms(rows)
    assert list(terms) == ["loss_rgb", "loss_new_idea"]
    assert terms["loss_rgb"][0] == "pictures ↔ pictures"
    assert terms["loss_new_idea"][0] == "new idea"
    assert len({colour for _, colour in terms.values()}) == 2


def test_without_terms_the_sum_is_drawn() -> None:
    rows = [{"step": float(i), "loss": 3.0 - i} for i in range(3)]
    axes = loss_curves(rows, loss_terms(rows)).axes[0]
    raw, _ = axes.lines
    assert list(raw.get_ydata()) == [3.0, 2.0, 1.0]


def test_gaps_and_values_that_are_not_finite_are_left_out() -> None:
    rows = [{"step": 0.0, "loss_rgb": 2.0}, {"step": 1.0}, {"step": 2.0, "loss_rgb": float("nan")}]
    rows.append({"step": 3.0, "loss_rgb": 1.0})
    raw, _ = loss_curves(rows, loss_terms(rows)).axes[0].lines
    assert list(raw.get_xdata()) == [0.0, 3.0]
    assert list(raw.get_ydata()) == [2.0, 1.0]


@settings(max_examples=15, deadline=None)
@given(values=st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_running_mean_stays_within_the_values_it_averages(values: list[float]) -> None:
    rows = [{"step": float(i), "loss": value} for i, value in enumerate(values)]
    _, smooth = loss_curves(rows, {"loss": ("sum", "#000000")}).axes[0].lines
    reach = len(values) // 40
    for i, mean in enumerate(smooth.get_ydata()):
        assert mean == pytest.approx(np.mean(values[max(i - reach, 0) : i + reach + 1]), abs=1e-6)


def test_accuracy_curve_draws_the_accuracy_and_chance() -> None:
    rows = [{"step": float(i), "lmcl_accuracy": 0.1 * i} for i in range(5)]
    lines = accuracy_curve(rows, chance=0.125).axes[0].lines
    assert list(lines[0].get_ydata()) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert list(lines[-1].get_ydata()) == [0.125, 0.125]
    assert len(accuracy_curve(rows, chance=None).axes[0].lines) == 2


@settings(max_examples=10, deadline=None)
@given(count=st.integers(1, 48))
def test_every_label_looks_different(count: int) -> None:
    styles = label_styles([f"label {i}" for i in range(count)] * 2)
    assert len(styles) == count
    assert len({(style.colour, style.marker) for style in styles.values()}) == count


def test_projection_is_reproducible_and_keeps_groups_together() -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], 20)
    features = np.eye(8)[groups] + generator.normal(0, 0.05, (60, 8))
    points = project(features)
    assert points.shape == (60, 2)
    assert np.array_equal(points, project(features))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.diag(np.full(60, np.inf))
    assert (groups[distances.argmin(1)] == groups).all()


def test_projection_of_a_handful() -> None:
    assert np.isfinite(project(np.random.default_rng(0).normal(size=(5, 4)))).all()


def test_map_draws_each_label_in_its_style() -> None:
    labels = ["a", "b", "a"]
    points = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    first, second = embedding_map(points, labels, label_styles(labels)).axes[0].collections
    assert np.array_equal(np.asarray(first.get_offsets()), points[[0, 2]])
    assert np.array_equal(np.asarray(second.get_offsets()), points[[1]])
