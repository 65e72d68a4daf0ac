"""Exact interval arithmetic on printed numbers: what a rounded print says, and no more.

A number printed as 0.989 stands for every value from 0.9885 to 0.9895. Bounds are fractions of the decimal digits as printed, so no
check hangs on binary rounding.
"""

from __future__ import annotations

import dataclasses
import typing
from fractions import Fraction

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

Number = int | float | Fraction


def exact(number: Number) -> Fraction:
    """Return the fraction that the shortest decimal form of `number` denotes: 0.1 gives 1/10.

    Raises
    ------
    ValueError
        If it is not finite.
    """
    if isinstance(number, float):
        return Fraction(repr(number))
    return Fraction(number)


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """All values from `low` to `high`, both included."""

    low: Fraction
    """Least value."""
    high: Fraction
    """Greatest value."""

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"an interval from {float(self.low):g} to {float(self.high):g} is empty")

    def __add__(self, other: Interval | Number) -> Interval:
        other = as_interval(other)
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval | Number) -> Interval:
        other = as_interval(other)
        return Interval(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Interval | Number) -> Interval:
        other = as_interval(other)
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(corners), max(corners))

    def __truediv__(self, other: Interval | Number) -> Interval:
        """Divide; ZeroDivisionError if the divisor may be zero."""
        other = as_interval(other)
        if other.low <= 0 <= other.high:
            raise ZeroDivisionError("the divisor's interval contains zero")
        return self * Interval(1 / other.high, 1 / other.low)

    def squared(self) -> Interval:
        """Return all squares; narrower than a product with itself where the sign is open."""
        ends = (self.low**2, self.high**2)
        return Interval(Fraction(0) if self.low <= 0 <= self.high else min(ends), max(ends))

    def overlaps(self, other: Interval | Number) -> bool:
        """Return whether some value lies in both."""
        other = as_interval(other)
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        return show(self.low) if self.low == self.high else f"{show(self.low)} to {show(self.high)}"


def as_interval(value: Interval | Number) -> Interval:
    """Return an interval as it is, and a number as one that holds it alone."""
    return value if isinstance(value, Interval) else Interval(exact(value), exact(value))


def printed(value: Number, half_width: Number) -> Interval:
    """Return what a number printed with the rounding `half_width` (half its last digit) stands for."""
    return Interval(exact(value) - exact(half_width), exact(value) + exact(half_width))


def total(parts: Iterable[Interval | Number]) -> Interval:
    """Return the sum of `parts`; zero of none."""
    result = as_interval(0)
    for part in parts:
        result += part
    return result


def rounds_to(value: Number, shown: Number, half_width: Number) -> bool:
    """Return whether an exact value may be printed as `shown`."""
    return printed(shown, half_width).overlaps(value)


def show(value: Number) -> str:
    """Write a number with six significant digits."""
    return f"{float(value):.6g}"
