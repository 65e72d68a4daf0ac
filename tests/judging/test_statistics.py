"""Quantiles against printed tables, and the exact rank test against every permutation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judging import statistics

TIED = st.lists(st.integers(0, 4).map(float), min_size=3, max_size=4)


@pytest.mark.parametrize(
    ("level", "degrees", "printed"),
    [(0.995, 9, 3.250), (0.995, 4, 4.604), (0.99, 9, 2.821), (0.975, 1, 12.706)],
)
def test_t_quantiles_are_those_of_printed_tables(level: float, degrees: int, printed: float) -> None:
    """Student's t agrees with the printed tables to their three digits."""
    assert statistics.t_quantile(level, degrees) == pytest.approx(printed, abs=5e-4)


def test_spread_of_one_run_is_none() -> None:
    """One value has no spread, and two have the usual one."""
    assert statistics.spread(np.array([0.9])) is None
    assert statistics.spread(np.array([1.0, 3.0])) == pytest.approx(math.sqrt(2))


@given(st.lists(st.integers(-1000, 1000), min_size=6, max_size=14, unique=True), st.integers(3, 5))
def test_without_ties_it_is_the_exact_test(values: list[int], cut: int) -> None:
    """Without ties nothing is broken: SciPy's exact p comes out."""
    from scipy.stats import mannwhitneyu

    low, high = np.asarray(values[:cut], float), np.asarray(values[cut:], float)
    expected = mannwhitneyu(low, high, alternative="less", method="exact").pvalue
    assert statistics.rank_p(low, high) == pytest.approx(expected)


@settings(max_examples=15, deadline=None)
@given(TIED, TIED)
def test_with_ties_the_level_holds_over_every_permutation(low: list[float], high: list[float]) -> None:
    """Among all ways to deal the values out, at most a share p reaches a p that small."""
    pooled = np.asarray(low + high)
    found = []
    for chosen in itertools.combinations(range(len(pooled)), len(low)):
        mask = np.zeros(len(pooled), bool)
        mask[list(chosen)] = True
        found.append(statistics.rank_p(pooled[mask], pooled[~mask]))
    for p in set(found):
        assert np.mean(np.asarray(found) <= p + 1e-12) <= p + 1e-12


@pytest.mark.parametrize(("a", "b"), [(1, 10), (3, 10), (5, 10), (5, 5)])
def test_floor_is_the_p_of_perfect_separation(a: int, b: int) -> None:
    """Groups that do not overlap reach exactly the stated floor."""
    low, high = np.arange(a, dtype=float), 100 + np.arange(b, dtype=float)
    assert statistics.rank_p(low, high) == pytest.approx(statistics.rank_p_floor(a, b))


@pytest.mark.parametrize(("against", "needed"), [(10, 3), (5, 4), (20, 3)])
def test_runs_to_decide_is_the_smallest_number_that_can(against: int, needed: int) -> None:
    """The number reaches the level, and one run fewer (or the least) does not."""
    assert statistics.runs_to_decide(against, 0.01, 3) == needed
    assert statistics.rank_p_floor(needed, against) <= 0.01
    assert needed == 3 or statistics.rank_p_floor(needed - 1, against) > 0.01
