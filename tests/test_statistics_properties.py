"""What must hold for any scores."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.statistics.comparisons import compare_all, difference_of
from benchmark.statistics.effects import effect_size
from benchmark.statistics.intervals import t_interval
from benchmark.statistics.paired import combined_differences, differences, holm, signed_rank
from benchmark.statistics.power import detectable_difference, patients_needed, smallest_claim, smallest_p
from benchmark.statistics.ranks import (
    competition_ranks,
    mean_ranks,
    middle_ranks,
    open_ranks,
    tiers,
)

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
small_differences = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=10)
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(st.lists(numbers, min_size=2, max_size=30))
@settings(deadline=None)
def test_interval_holds_the_mean_and_grows_with_the_level(values: list[float]) -> None:
    narrow, wide = t_interval(values, 0.9), t_interval(values, 0.99)
    assert wide.low <= narrow.low <= narrow.mean <= narrow.high <= wide.high
    assert min(values) - 1e-6 <= narrow.mean <= max(values) + 1e-6


def test_interval_of_one_or_no_patient_says_so() -> None:
    assert t_interval([3.0]).mean == 3.0
    assert math.isnan(t_interval([3.0]).low)
    assert t_interval([]).n == 0
    assert math.isnan(t_interval([]).mean)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [t_interval(row) for row in rng.normal(5.0, 2.0, (2000, 6))]
    assert np.mean([i.low <= 5.0 <= i.high for i in intervals]) == pytest.approx(0.95, abs=0.015)


@given(small_differences, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_signed_rank_ignores_order_and_mirrors(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    result = signed_rank(values)
    assert signed_rank(shuffled) == result
    assert signed_rank([-value for value in values]).p == result.p
    assert signed_rank([7.5 * value for value in values]).p == result.p


@given(small_differences)
@settings(deadline=None)
def test_signed_rank_equals_full_enumeration(values: list[float]) -> None:
    result = signed_rank(values)
    nonzero = [value for value in values if value]
    ranks = middle_ranks([abs(value) for value in nonzero]).tolist()
    middle = sum(ranks) / 2
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(nonzero))]
    extreme = sum(abs(w - middle) >= abs(result.w_plus - middle) for w in sums)
    assert result.p == pytest.approx(extreme / len(sums), abs=1e-12)
    assert result.p >= smallest_p(result.n) or result.n == 0


@pytest.mark.parametrize("n", [40, 50, 51, 80])
@pytest.mark.parametrize("digits", [1, 6])
def test_signed_rank_agrees_with_scipy_on_many_patients(n: int, digits: int) -> None:
    from scipy.stats import wilcoxon

    values = np.round(np.random.default_rng(n).normal(0.3, 1.0, n), digits)
    result = signed_rank(values)
    exact = result.n <= 50
    method = "exact" if exact and digits == 6 else "approx"
    expected = wilcoxon(values, method=method, correction=False).pvalue
    assert result.p == pytest.approx(expected, abs=0.02 if exact and digits == 1 else 1e-9)


def test_no_difference_is_no_evidence() -> None:
    assert signed_rank([0.0, 0.0]).p == 1.0
    assert signed_rank([]).p == 1.0


def test_differences_keep_decimal_ties() -> None:
    assert 0.49 - 0.45 != 0.58 - 0.54
    assert len(set(differences([0.49, 0.58], [0.45, 0.54]))) == 1
    assert differences([0.0], [0.0]).tolist() == [0.0]
    assert differences([1e-9], [0.0]).tolist() == [1e-9]
    with pytest.raises(ValueError, match="shapes"):
        differences([1.0, 2.0], [1.0])


@given(probabilities)
@settings(deadline=None)
def test_holm_is_monotone_bounded_and_between_raw_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for (p, a), (q, b) in itertools.product(zip(p_values, adjusted, strict=True), repeat=2):
        assert p > q or a <= b
    for p, a in zip(p_values, adjusted, strict=True):
        assert p <= a <= min(1.0, len(p_values) * p) + 1e-12


@given(probabilities, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_holm_ignores_order(p_values: list[float], random: object) -> None:
    order = list(range(len(p_values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    adjusted = holm(p_values)
    assert holm([p_values[i] for i in order]) == [adjusted[i] for i in order]


def test_holm_refuses_what_is_not_a_probability() -> None:
    with pytest.raises(ValueError, match="not all probabilities"):
        holm([0.1, float("nan")])


@pytest.mark.parametrize(("models", "needed"), [(2, 6), (3, 6), (6, 7), (7, 8), (13, 8), (20, 9)])
def test_patients_needed_for_any_verdict(models: int, needed: int) -> None:
    """Unanimous patients are told apart from there on, and not before."""
    assert patients_needed(models) == needed
    assert smallest_claim(needed, models) <= 0.05 < smallest_claim(needed - 1, models)


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(-5, 5).map(float), min_size=1))
@settings(deadline=None)
def test_ranks_do_not_change_under_monotone_maps(values: dict[str, float]) -> None:
    ranks = competition_ranks(values, higher_is_better=True)
    assert ranks == competition_ranks({m: math.exp(v) for m, v in values.items()}, higher_is_better=True)
    assert ranks == competition_ranks({m: -v for m, v in values.items()}, higher_is_better=False)
    assert min(ranks.values()) == 1
    blocks = [values, {m: v**3 for m, v in values.items()}]
    average = mean_ranks(blocks, higher_is_better=True)
    assert average == mean_ranks([values], higher_is_better=True)
    assert sum(average.values()) == pytest.approx(len(values) * (len(values) + 1) / 2)


def test_ties_share_ranks() -> None:
    assert competition_ranks({"a": 1.0, "b": 2.0, "c": 2.0, "d": 3.0}, higher_is_better=True) == {
        "d": 1,
        "b": 2,
        "c": 2,
        "a": 4,
    }
    assert mean_ranks([{"a": 1.0, "b": 1.0}, {"b": 1.0}], higher_is_better=True) == {"a": 1.5, "b": 1.25}


def apart(*pairs: str) -> set[frozenset[str]]:
    return {frozenset(pair) for pair in pairs}


def test_tiers_hold_what_is_not_separated_from_their_best() -> None:
    assert tiers("abcd", apart("ac", "ad", "bd")) == {"a": "a", "b": "a", "c": "b", "d": "b"}
    assert tiers("abc", apart("ab")) == {"a": "a", "b": "b", "c": "a"}
    many = [str(i) for i in range(30)]
    letters = tiers(many, {frozenset(pair) for pair in itertools.combinations(many, 2)})
    assert (letters["25"], letters["26"], letters["29"]) == ("z", "aa", "ad")


def test_open_ranks_are_what_the_tests_leave_open() -> None:
    ranges = open_ranks("abcd", apart("ac", "ad", "bd"))
    assert ranges == {"a": (1, 2), "b": (1, 3), "c": (2, 4), "d": (3, 4)}
    assert open_ranks("abcd", set())["d"] == (1, 4)


def test_comparisons_use_the_shared_patients_and_count_the_others_as_lost() -> None:
    nan = math.nan
    scores = np.array([[nan, 5.0, 0.0], [1.0, 2.0, nan]])
    (comparison,) = compare_all(["a", "b"], {"x": scores}, {"x": True}, "x")
    assert (comparison.first, comparison.second, comparison.patients) == ("a", "b", 1)
    assert comparison.difference.interval.mean == 3.0
    assert comparison.ahead == 1.0  # won 5 against 2 (rank 1) and one patient (2.5), lost one (2.5)
    (nothing,) = compare_all(["a", "b"], {"x": np.array([[1.0, nan], [nan, 1.0]])}, {"x": True}, "x")
    assert (nothing.patients, nothing.p) == (0, 1.0)
    assert math.isnan(nothing.difference.interval.mean)
    missing = np.array([np.full(8, nan), np.arange(8.0)])
    (lost,) = compare_all(["a", "b"], {"x": missing}, {"x": False}, "x")
    assert lost.p == smallest_p(8)
    assert lost.ahead < 0


@given(small_differences)
@settings(deadline=None)
def test_one_metric_combined_is_that_metric(values: list[float]) -> None:
    assert signed_rank(combined_differences([np.array(values)])).p == signed_rank(values).p
    assert signed_rank(combined_differences([np.array(values)] * 3)).p == signed_rank(values).p


def test_metrics_that_disagree_cancel() -> None:
    values = np.arange(1.0, 11.0)
    assert signed_rank(combined_differences([values, -values])).p == 1.0
    assert signed_rank(combined_differences([values, 1e6 * values])).p == smallest_p(10)


def test_difference_of_two_models() -> None:
    first, second = np.array([3.0, 4.0, 5.0, math.nan]), np.array([1.0, 3.0, 2.0, 9.0])
    found = difference_of(first, second, higher_is_better=True)
    assert (found.interval.mean, found.interval.n) == (2.0, 3)
    assert found.sd == pytest.approx(1.0)
    assert found.effect.size == pytest.approx(2.0)
    assert found.effect.low < 2.0 < found.effect.high
    assert difference_of(second, first, higher_is_better=True).interval.mean == -2.0


@pytest.mark.parametrize(("n", "true"), [(5, 0.0), (12, 0.8)])
def test_effect_size_interval_covers(n: int, true: float) -> None:
    samples = np.random.default_rng(1).normal(true, 1.0, (600, n))
    found = [effect_size(float(row.mean()), float(row.std(ddof=1)), n) for row in samples]
    assert np.mean([each.low <= true <= each.high for each in found]) == pytest.approx(0.95, abs=0.03)


def test_effect_size_of_degenerate_differences() -> None:
    assert math.isnan(effect_size(1.0, math.nan, 1).size)
    assert effect_size(0.0, 0.0, 5).size == 0.0
    assert effect_size(-1.0, 0.0, 5).size == -math.inf


def test_detectable_difference_has_the_power_it_claims() -> None:
    from scipy.stats import ttest_1samp

    shift = detectable_difference(2.0, 12)
    samples = np.random.default_rng(0).normal(shift, 2.0, (4000, 12))
    found = ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.02)
    assert detectable_difference(2.0, 24) < shift < detectable_difference(2.0, 12, alpha=0.005)
    assert detectable_difference(4.0, 12) == pytest.approx(2 * shift)
    assert detectable_difference(0.0, 12) == 0.0
    assert math.isnan(detectable_difference(1.0, 1))


def test_statistics_import_nothing_heavy() -> None:
    code = (
        "import benchmark.statistics.bootstrap, benchmark.statistics.comparisons, benchmark.statistics.agreement, sys;"
        "print([m for m in ('scipy', 'pandas', 'torch') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
