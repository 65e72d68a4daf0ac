"""The tests of the audit without `scipy.stats` give what they give with it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sources.auditing.significance import Sample, binomial_p, welch_p

CHANCES = st.sampled_from([0.0, 1.0]) | st.floats(1e-6, 1 - 1e-6)
SAMPLES = st.builds(Sample, st.floats(-10, 10), st.floats(1e-6, 10), st.integers(2, 50))


@settings(deadline=None)
@given(st.integers(1, 2000), st.floats(0, 1), CHANCES)
def test_the_binomial_test_is_that_of_scipy(total: int, share: float, chance: float) -> None:
    """Every count at every chance has SciPy's two-sided p, certain and impossible hits included."""
    from scipy.stats import binomtest

    right = round(share * total)
    expected = binomtest(right, total, chance).pvalue
    assert binomial_p(right, total, chance) == pytest.approx(expected, rel=1e-9, abs=1e-200)


@pytest.mark.parametrize(("right", "total", "chance"), [(-1, 5, 0.5), (6, 5, 0.5), (0, 0, 0.5), (1, 5, 1.1)])
def test_an_impossible_count_is_refused(right: int, total: int, chance: float) -> None:
    """More hits than trials, no trials and a chance above one are no binomial count."""
    with pytest.raises(ValueError, match="no binomial count"):
        binomial_p(right, total, chance)


@settings(deadline=None)
@given(SAMPLES, SAMPLES)
def test_welchs_test_is_that_of_scipy(first: Sample, second: Sample) -> None:
    """Every pair of printed means, deviations and numbers of runs has SciPy's p."""
    from scipy.stats import ttest_ind_from_stats

    expected = ttest_ind_from_stats(*first, *second, equal_var=False).pvalue
    assert welch_p(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_without_deviations_equal_means_are_equal() -> None:
    """Where nothing varies the p is 1 or 0."""
    assert welch_p(Sample(0.5, 0.0, 5), Sample(0.5, 0.0, 5)) == 1.0
    assert welch_p(Sample(0.5, 0.0, 5), Sample(0.6, 0.0, 5)) == 0.0
