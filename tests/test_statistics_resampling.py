"""The shared bootstrap: what is drawn, what it estimates, and the intervals and orders made from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.statistics.agreement import kendall, resampled_tau
from benchmark.statistics.bootstrap import Resamples
from benchmark.statistics.intervals import bca_interval
from benchmark.statistics.ranks import metric_ranks, middle_ranks, rank_intervals


def scores(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(10.0, 2.0, shape)


def test_resampled_means_have_the_mean_and_the_variance_they_stand_for() -> None:
    values = scores((9, 3))
    means = Resamples(9, "x").means(values)
    assert means.mean(axis=0) == pytest.approx(values.mean(axis=0), abs=0.05)
    assert means.var(axis=0) == pytest.approx(values.var(axis=0, ddof=1) / 9, rel=0.05)


def test_seeds_add_their_own_variance() -> None:
    rng = np.random.default_rng(1)
    entry = rng.normal(0.0, 1.0, (4, 1)) + rng.normal(0.0, 0.01, (4, 30))
    resamples = Resamples(30, "x")
    many, one = resamples.two_level_means(entry[None], "many"), resamples.two_level_means(entry[None, :1], "one")
    assert many.var() == pytest.approx(entry.mean(axis=1).var(ddof=1) / 4, rel=0.05)
    assert one.var() < 1e-4


@pytest.mark.parametrize("seeds", [2, 5, 9, 12])
def test_two_levels_are_the_weighted_means_of_all_seeds_and_patients(seeds: int) -> None:
    entry = scores((3, seeds, 9))
    drawn = Resamples(9, "x").two_level_means(entry, "name")
    assert drawn.shape == (10_000, 3)
    assert drawn.mean(axis=0) == pytest.approx(entry.mean(axis=(1, 2)), abs=0.05)
    additive = np.arange(float(seeds))[:, None] + np.zeros(9)
    assert Resamples(9, "x").two_level_means(additive[None], "name").var() == pytest.approx(
        np.arange(seeds).var(ddof=1) / seeds, rel=0.05
    )


def test_the_same_patients_are_drawn_alike_and_entries_do_not_depend_on_each_other() -> None:
    entry = scores((1, 3, 8))
    again = [Resamples(8, "data", 500).two_level_means(entry, "a") for _ in range(2)]
    assert (again[0] == again[1]).all()
    resamples = Resamples(8, "data", 500)
    resamples.two_level_means(scores((1, 5, 8), 1), "b")
    assert (resamples.two_level_means(entry, "a") == again[0]).all()
    assert not np.allclose(resamples.two_level_means(entry, "b"), again[0])
    assert not np.allclose(Resamples(8, "other data", 500).two_level_means(entry, "a"), again[0])
    by_patient = np.tile(scores((1, 1, 8)), (1, 3, 1))
    assert np.allclose(resamples.two_level_means(by_patient, "a"), resamples.two_level_means(by_patient, "b"))


def test_equal_entries_stay_tied_in_every_resample() -> None:
    resamples = Resamples(37, "x", 2500)
    one, other = scores((3, 1, 37)), scores((3, 1, 37), 5)
    first = resamples.two_level_means(one, "a")
    resamples.two_level_means(other, "b")
    assert (resamples.two_level_means(one.copy(), "c") == first).all()


def test_one_patient_has_nothing_to_resample() -> None:
    assert np.ptp(Resamples(1, "x", 50).means(np.array([[3.0]]))) == 0.0


@given(st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=1, max_size=6))
@settings(deadline=None)
def test_middle_ranks_agree_with_counting(rows: list[list[int]]) -> None:
    found = middle_ranks(rows)
    for row, ranks in zip(rows, found, strict=True):
        assert ranks.tolist() == [sum(v < w for v in row) + (sum(v == w for v in row) + 1) / 2 for w in row]


def test_incomplete_entries_come_after_complete_ones() -> None:
    means = np.array([[5.0, 9.0, 1.0, 9.0]])
    assert metric_ranks(means, np.array([0.0, 2.0, 0.0, 1.0])).tolist() == [[1.0, 4.0, 2.0, 3.0]]
    assert metric_ranks(means, np.zeros(4)).tolist() == [[3.0, 1.5, 4.0, 1.5]]


def test_rank_intervals_hold_the_observed_rank_and_shrink_with_patients() -> None:
    shift = np.array([0.0, 1.0, 4.0])
    widths = []
    for n in (6, 200):
        means = Resamples(n, "x").means(scores((n, 3)) + shift)
        limits = rank_intervals(metric_ranks(means, np.zeros(3)))
        assert all(low <= rank <= high for (low, high), rank in zip(limits.tolist(), (3, 2, 1), strict=True))
        widths.append(int((limits[:, 1] - limits[:, 0]).sum()))
    assert widths[1] <= widths[0]
    assert widths[1] == 0
    tied = rank_intervals(np.ones((100, 3)))
    assert tied.tolist() == [[2, 2]] * 3


def test_tau_of_resamples_is_kendalls() -> None:
    orders = np.random.default_rng(3).integers(0, 4, (20, 6)).astype(float)
    observed = np.arange(6.0)
    for row, tau in zip(orders, resampled_tau(orders, observed), strict=True):
        expected = kendall(dict(zip("abcdef", row, strict=True)), dict(zip("abcdef", observed, strict=True))).tau
        assert tau == pytest.approx(expected, nan_ok=True)
    assert math.isnan(resampled_tau(np.ones((1, 3)), np.arange(3.0))[0])


def test_bca_agrees_with_scipy() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(4).lognormal(0.0, 0.7, 60)
    ours = bca_interval(values, Resamples(60, "x").means(values[:, None])[:, 0])
    theirs = bootstrap((values,), np.mean, method="BCa", n_resamples=10_000, random_state=1, vectorized=True)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, rel=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, rel=0.02)
    assert ours.mean - ours.low < ours.high - ours.mean  # skewed to the right
    flat = bca_interval(np.ones(30), np.ones(100))
    assert (flat.low, flat.high) == (1.0, 1.0)
