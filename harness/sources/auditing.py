"""What the checks of printed numbers share: exact intervals, findings, and looking up what a source declares.

A number printed as 0.989 stands for every value from 0.9885 to 0.9895. Bounds are fractions of the decimal digits as printed, so no
check hangs on binary rounding.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing
from fractions import Fraction

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.records import Expectation

Number = int | float | Fraction
ENDLESS = Fraction(10) ** 30
"""Stands for infinity: beyond anything printed."""


@dataclasses.dataclass(frozen=True, slots=True)
class AuditFinding:
    """A claim of a source compared with its other numbers; nothing was run for it."""

    source: str
    """Slug of the source."""
    place: str
    """Where the claim stands."""
    claim: str
    """What is said."""
    check: str
    """What it was compared with."""
    found: str
    """What came out, with numbers."""
    consistent: bool | None
    """True or False as computed; None where the prints leave it open."""


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """All values from `low` to `high`, both included; arithmetic contains every result that its operands allow."""

    low: Fraction
    high: Fraction

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

    def overlaps(self, other: Interval | Number) -> bool:
        """Return whether some value lies in both."""
        other = as_interval(other)
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        return show(self.low) if self.low == self.high else f"{show(self.low)} to {show(self.high)}"


def exact(number: Number) -> Fraction:
    """Return the fraction that the shortest decimal form of a finite number denotes: 0.1 gives 1/10."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def as_interval(value: Interval | Number) -> Interval:
    """Return an interval as it is, and a number as one that holds it alone."""
    return value if isinstance(value, Interval) else Interval(exact(value), exact(value))


def printed(value: Number, half_width: Number) -> Interval:
    """Return what a number printed with the rounding `half_width` (half its last digit) stands for."""
    return Interval(exact(value) - exact(half_width), exact(value) + exact(half_width))


def rounds_to(value: Interval | Number, shown: Number, half_width: Number) -> bool:
    """Return whether an exact value may be printed as `shown`."""
    return printed(shown, half_width).overlaps(value)


def total(parts: Iterable[Interval]) -> Interval:
    """Return the sum of intervals."""
    return sum(parts, start=as_interval(0))


def show(value: Number) -> str:
    """Write a number with six significant digits."""
    return f"{float(value):.6g}"


def find(expectations: Iterable[Expectation], metric: str, **fields: object) -> Expectation:
    """Return the one expectation of `metric` whose fields have the given values; LookupError unless there is exactly one."""
    matching = [
        e
        for e in expectations
        if e.metric == metric and all(getattr(e, name) == value for name, value in fields.items())
    ]
    if len(matching) != 1:
        raise LookupError(f"{len(matching)} expectations of '{metric}' with {fields}, not one")
    return matching[0]


def number(expected: Expectation) -> Fraction:
    """Return the printed number itself; TypeError if it is an array, or nothing readable."""
    if expected.value is None or isinstance(expected.value, list):
        raise TypeError(f"'{expected.metric}' is no single number")
    return exact(expected.value)


def numbers(expected: Expectation) -> list[Interval]:
    """Return what each number of a printed array stands for; TypeError if it is no array."""
    if not isinstance(expected.value, list):
        raise TypeError(f"'{expected.metric}' is no array")
    return [printed(item, expected.half_width) for item in expected.value]


def allowed(expected: Expectation) -> Interval:
    """Return the values that a print allows: its rounding, or one side of a bound."""
    middle = printed(number(expected), expected.half_width)
    if expected.rule == "at_most":
        return Interval(-ENDLESS, middle.high)
    return Interval(middle.low, ENDLESS) if expected.rule == "at_least" else middle


def repeats(source: str, expectations: Sequence[Expectation]) -> list[AuditFinding]:
    """Compare numbers that a source states more than once.

    Returns
    -------
    list of AuditFinding
        One for each pair of prints that no value satisfies, and one that counts the pairs that agree.
    """
    groups: dict[tuple[str, str], list[Expectation]] = {}
    for expected in expectations:
        # a spread without rounding is a paraphrase of a bound, not a print
        paraphrase = expected.rule == "spread" and not expected.half_width
        if isinstance(expected.value, float) and not paraphrase:
            groups.setdefault((expected.variant, expected.metric), []).append(expected)
    pairs = [pair for group in groups.values() for pair in itertools.combinations(group, 2)]
    clashes = [(first, second) for first, second in pairs if not allowed(first).overlaps(allowed(second))]
    findings = []
    for first, second in clashes:
        check, found = f"{first.place}: {first.row}", f"{_bound(second)} against {_bound(first)}"
        findings.append(AuditFinding(source, second.place, second.row, check, found, consistent=False))
    if len(pairs) > len(clashes):
        found = f"{len(pairs) - len(clashes)} of {len(pairs)} pairs agree"
        found += ", the others stand above" if clashes else ""
        claim, check = "numbers stated in more than one place", "pairs of statements of one number"
        findings.append(AuditFinding(source, "throughout", claim, check, found, consistent=True))
    return findings


def _bound(expected: Expectation) -> str:
    words = {"at_most": "at most ", "at_least": "at least "}
    return words.get(expected.rule, "") + show(number(expected))
