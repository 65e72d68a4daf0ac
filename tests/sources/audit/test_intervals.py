"""Interval arithmetic is exact and contains every result that its operands allow."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sources.auditing.intervals import Interval, as_interval, exact, printed, rounds_to, total

numbers = st.fractions(min_value=-100, max_value=100, max_denominator=1000)
shares = st.fractions(min_value=0, max_value=1)


@st.composite
def members(draw: st.DrawFn) -> tuple[Interval, Fraction]:
    """Draw an interval and a number in it."""
    low, high = sorted((draw(numbers), draw(numbers)))
    return Interval(low, high), low + draw(shares) * (high - low)


def contains(interval: Interval, value: Fraction) -> bool:
    """Say whether `value` lies in `interval`."""
    return interval.low <= value <= interval.high


@settings(deadline=None)
@given(members(), members())
def test_every_operation_contains_the_result_of_its_members(
    first: tuple[Interval, Fraction], second: tuple[Interval, Fraction]
) -> None:
    """Sum, difference, product, quotient and square of members lie in those of their intervals."""
    (a, x), (b, y) = first, second
    assert contains(a + b, x + y)
    assert contains(a - b, x - y)
    assert contains(a * b, x * y)
    assert contains(a.squared(), x * x)
    if not b.low <= 0 <= b.high:
        assert contains(a / b, x / y)


@settings(deadline=None)
@given(st.lists(members(), max_size=5))
def test_a_total_contains_the_sum_of_members(parts: list[tuple[Interval, Fraction]]) -> None:
    """The sum of intervals contains the sum of one member of each."""
    assert contains(total(part for part, _ in parts), sum((x for _, x in parts), Fraction(0)))


@settings(deadline=None)
@given(members(), members())
def test_intervals_that_do_not_overlap_have_no_common_value(
    first: tuple[Interval, Fraction], second: tuple[Interval, Fraction]
) -> None:
    """A verdict of no overlap is symmetric, and never hides a member of both."""
    (a, x), (b, _) = first, second
    assert a.overlaps(b) == b.overlaps(a)
    if not a.overlaps(b):
        assert not contains(b, x)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(2, 5))
def test_a_share_rounds_to_its_own_print(right: int, digits: int) -> None:
    """Whatever Python prints of a share, the share is among the values which that print stands for."""
    shown = float(f"{right / 300:.{digits}f}")
    assert rounds_to(Fraction(right, 300), shown, 0.5 * 10**-digits)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(2, 299))
def test_another_share_does_not_round_to_four_digits_of_this_one(right: int, away: int) -> None:
    """Four digits tell the 301 shares of 300 images apart."""
    other = (right + away) % 301
    if other != right:
        assert not rounds_to(Fraction(other, 300), float(f"{right / 300:.4f}"), 0.00005)


def test_a_decimal_is_read_as_printed() -> None:
    """0.989 with half of its last digit reaches from 0.9885 to 0.9895 exactly."""
    assert printed(0.989, 0.0005) == Interval(Fraction(9885, 10000), Fraction(9895, 10000))
    assert exact(8.9e-8) == Fraction(89, 10**9)


def test_touching_prints_overlap_and_separate_ones_do_not() -> None:
    """0.990 and 0.989 share 0.9895; 0.990 and 0.988 share nothing."""
    assert printed(0.990, 0.0005).overlaps(printed(0.989, 0.0005))
    assert not printed(0.990, 0.0005).overlaps(printed(0.988, 0.0005))


def test_division_by_what_may_be_zero_is_refused() -> None:
    """A divisor that contains zero has no bounded quotient."""
    with pytest.raises(ZeroDivisionError, match="contains zero"):
        as_interval(1) / Interval(Fraction(-1), Fraction(1))


def test_an_empty_interval_is_refused() -> None:
    """Bounds in the wrong order are an error, not an interval that nothing overlaps."""
    with pytest.raises(ValueError, match="from 2 to 1 is empty"):
        Interval(Fraction(2), Fraction(1))
