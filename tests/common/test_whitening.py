"""Whitening of nuisance against its closed form, and a basis that keeps inner products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import fractional_matrix_power
from scipy.stats import ortho_group

from kinema.common.vectors import unit
from kinema.common.whitening import Basis, Whitening
from kinema.errors import CheckpointError, ConfigError, DataError, OutputError

seeds = st.integers(0, 2**32 - 1)


def copies(count: int = 4, windows: int = 30, length: int = 6, seed: int = 0) -> np.ndarray:
    """Windows apart from each other, and copies that differ by other amounts in each of some mixed directions."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((length, length)) * np.linspace(0.2, 2, length)
    nuisance = rng.standard_normal((count, windows, length)) @ mixing
    return rng.standard_normal(length) + 2 * rng.standard_normal((windows, length)) + nuisance


def scatter(values: np.ndarray) -> np.ndarray:
    """(K, N, D) -> the scatter within copies (D, D), window by window."""
    total = np.zeros((values.shape[2],) * 2)
    for window in values.transpose(1, 0, 2).astype(np.float64):
        for copy in window:
            total += np.outer(copy - window.mean(0), copy - window.mean(0))
    return total / (values.shape[1] * (values.shape[0] - 1))


@pytest.mark.parametrize(("windows", "length"), [(30, 6), (3, 20)], ids=["many windows", "long features"])
@pytest.mark.parametrize("shrinkage", [0.05, 0.3, 1.0])
def test_the_closed_form(windows, length, shrinkage):
    sample = copies(4, windows, length)
    within = scatter(sample)
    level = np.trace(within) / min(length, 3 * windows)
    shrunk = (1 - shrinkage) * within + shrinkage * level * np.eye(length)
    expected = (sample - sample.mean((0, 1))) @ fractional_matrix_power(shrunk, -0.5)
    found = Whitening.fit(sample, shrinkage).transform(sample)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_without_shrinkage_copies_differ_alike_in_all_directions():
    sample = copies()
    found = scatter(Whitening.fit(sample, 1e-9).transform(sample))
    np.testing.assert_allclose(found, np.eye(6), atol=1e-4)


def test_with_nothing_but_shrinkage_the_mean_alone_is_taken_away():
    sample = copies()
    found = Whitening.fit(sample, 1.0).transform(sample)
    np.testing.assert_allclose(unit(found), unit((sample - sample.mean((0, 1))).astype(np.float32)), atol=1e-5)


def test_what_was_hidden_in_nuisance_comes_out():
    """Two kinds of windows differ by little, where their copies differ by less; elsewhere copies differ by much."""
    rng = np.random.default_rng(0)
    kinds = np.arange(60) % 2
    sample = 5 * rng.standard_normal((4, 60, 8)) * np.array([0.04, 1, 1, 1, 1, 1, 1, 1])
    sample[:, :, 0] += kinds

    def r1(features: np.ndarray) -> float:
        similar = unit(features) @ unit(features).T
        np.fill_diagonal(similar, -2)
        return float((kinds[similar.argmax(1)] == kinds).mean())

    shown = sample[0].astype(np.float32)
    assert r1(shown - shown.mean(0)) < 0.7
    assert r1(Whitening.fit(sample[1:], 0.001).transform(shown)) > 0.95


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(0.01, 1), st.sampled_from([3, 40]))
def test_it_is_affine(seed, shrinkage, windows):
    whitening = Whitening.fit(copies(3, windows, 8, seed), shrinkage)
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 5, 8))
    share = rng.uniform(-1, 2)
    mixed = whitening.transform(share * x + (1 - share) * y)
    expected = share * whitening.transform(x) + (1 - share) * whitening.transform(y)
    np.testing.assert_allclose(mixed, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(0.01, 1), st.floats(0.01, 100), st.sampled_from([3, 40]))
def test_neither_turning_nor_scaling_nor_moving_the_features_matters(seed, shrinkage, scale, windows):
    sample = copies(3, windows, 8, seed)
    turn = ortho_group.rvs(8, random_state=seed)
    found = Whitening.fit(scale * sample @ turn + 3, shrinkage).transform(scale * sample @ turn + 3)
    expected = Whitening.fit(sample, shrinkage).transform(sample) @ turn
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("sample", "shrinkage", "error", "words"),
    [
        (copies(1), 0.2, DataError, "at least 2 copies of 2 windows, not 1 of 30"),
        (copies(3, 1), 0.2, DataError, "at least 2 copies of 2 windows, not 3 of 1"),
        (copies()[0], 0.2, DataError, r"fitted to \(copies, windows, values\), not to an array of \(30, 6\)"),
        (copies() * np.nan, 0.2, DataError, "not finite"),
        (np.ones((3, 4, 5)), 0.2, DataError, "copies that differ"),
        (copies(), 0.0, ConfigError, "above 0 and not above 1, not 0"),
        (copies(), 1.5, ConfigError, "above 0 and not above 1, not 1.5"),
    ],
)
def test_what_cannot_be_fitted(sample, shrinkage, error, words):
    with pytest.raises(error, match=words):
        Whitening.fit(sample, shrinkage)


def test_features_of_another_length():
    with pytest.raises(DataError, match="fitted to features of 6 values and is given 7: fit it to this encoder"):
        Whitening.fit(copies()).transform(np.zeros((2, 7)))
    with pytest.raises(DataError, match="fitted to features of 6 values and is given 7: fit it to this encoder"):
        Basis.fit(copies()[0], 4).transform(np.zeros((2, 7)))


# a basis


def low_rank(count: int, seed: int, length: int = 400, rank: int = 300, noise: float = 0.0) -> np.ndarray:
    """Features that lie in some directions more than in others, as those of real encoders do."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((rank, length)) / np.arange(1, rank + 1)[:, None] ** 0.75
    draw = np.random.default_rng(seed)
    return draw.standard_normal((count, rank)) @ directions + noise * draw.standard_normal((count, length))


def cosines(features: np.ndarray) -> np.ndarray:
    return (unit(features) @ unit(features).T)[np.triu_indices(len(features), 1)]


@pytest.mark.parametrize(("seen", "error"), [(20, 0.05), (500, 0.02)])
def test_a_basis_keeps_cosines_of_features_that_it_has_not_seen(seen, error):
    """The root of the mean square error, of a quarter of the values; where the sample is small most are random."""
    basis, unseen = Basis.fit(low_rank(seen, 1), 100), low_rank(100, 2)
    shorter = basis.transform(unseen)
    assert shorter.shape == (100, 100) and shorter.dtype == np.float32
    assert np.sqrt(np.square(cosines(shorter) - cosines(unseen)).mean()) < error


def test_inner_products_are_kept_on_average_over_the_draw():
    sample, (x, y) = low_rank(10, 1, 60), np.random.default_rng(3).standard_normal((2, 60))
    bases = [Basis.fit(sample, 20, seed) for seed in range(300)]
    products = [float(basis.transform(x) @ basis.transform(y)) for basis in bases]
    spread = np.std(products) / np.sqrt(len(products))
    assert abs(np.mean(products) - x @ y) < 4 * spread
    assert abs(np.mean([np.square(basis.transform(x)).sum() for basis in bases]) / (x @ x) - 1) < 0.05


def test_a_basis_keeps_what_is_principal_as_it_is():
    directions = Basis.fit(low_rank(50, 1), 80).directions.astype(np.float64)
    squares = directions @ directions.T
    lengths = np.diag(squares)
    np.testing.assert_allclose(squares, np.diag(lengths), atol=1e-5)
    np.testing.assert_allclose(lengths, np.repeat([1, 350 / 30], [50, 30]), rtol=1e-5)
    _, _, right = np.linalg.svd(low_rank(50, 1), full_matrices=False)
    np.testing.assert_allclose(np.abs(directions[:50] @ right.T), np.eye(50), atol=1e-3)


def test_short_features_stay_as_they_are():
    x = copies()[0].astype(np.float32)
    assert np.array_equal(Basis.fit(x[:2], 6).transform(x), x)
    assert Basis.fit(low_rank(3, 0), 1).transform(low_rank(2, 1)).shape == (2, 1)


def test_the_same_sample_and_seed_give_the_same_basis():
    one, same, other = (Basis.fit(low_rank(9, 1), 20, seed) for seed in (5, 5, 6))
    assert one.to_bytes() == same.to_bytes() != other.to_bytes()


@pytest.mark.parametrize(
    ("sample", "values", "error"),
    [(np.zeros((0, 5)), 3, DataError), (np.full((2, 5), np.inf), 3, DataError), (np.ones((2, 5)), 0, ConfigError)],
)
def test_what_gives_no_basis(sample, values, error):
    with pytest.raises(error, match="a basis"):
        Basis.fit(sample, values)


# kept


@pytest.mark.parametrize("kept", [Whitening.fit(copies()), Whitening.fit(copies(2, 2, 9)), Basis.fit(copies()[0], 3)])
def test_it_comes_back_from_a_file_and_from_bytes(tmp_path, kept):
    kind, x = type(kept), copies(1, 5, 9 if isinstance(kept, Whitening) and len(kept.mean) == 9 else 6)[0]
    path = kept.save(tmp_path / "kept.safetensors")
    for back in (kind.load(path), kind.from_bytes(kept.to_bytes())):
        assert np.array_equal(back.transform(x), kept.transform(x))


@pytest.mark.parametrize("value", [np.nan, np.inf, -3e38])
def test_numbers_that_no_fit_gives_are_damage(value):
    whitening = Whitening.fit(copies())
    gains = whitening.gains.copy()
    gains[2] = value
    with pytest.raises(CheckpointError, match="what was kept is damaged or no whitening; fit it again"):
        Whitening.from_bytes(replace(whitening, gains=gains).to_bytes())


def test_files_that_are_damaged_or_something_else(tmp_path):
    path = Whitening.fit(copies()).save(tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=r"w\.safetensors is damaged or no basis; fit it again"):
        Basis.load(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match=r"w\.safetensors is damaged or no whitening; fit it again"):
        Whitening.load(path)
    with pytest.raises(CheckpointError, match=r"none cannot be read \(No such file or directory\); fit it again"):
        Whitening.load(tmp_path / "none")
    with pytest.raises(OutputError, match="cannot write"):
        Whitening.fit(copies()).save(path / "below")
