"""Look up what a source declares, and hold repeated prints of one number against each other."""

from __future__ import annotations

import itertools
import typing
from fractions import Fraction

from harness.sources.auditing.findings import AuditFinding
from harness.sources.auditing.intervals import Interval, exact, printed, show

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.records import Expectation

ENDLESS = Fraction(10) ** 30
"""Stands for infinity: beyond anything printed."""


def find(expectations: Iterable[Expectation], metric: str, **fields: object) -> Expectation:
    """Return the one expectation of `metric` whose fields have the given values.

    Raises
    ------
    LookupError
        If there is none, or more than one.
    """
    found = [
        e
        for e in expectations
        if e.metric == metric and all(getattr(e, name) == value for name, value in fields.items())
    ]
    if len(found) != 1:
        raise LookupError(
            f"{len(found)} expectations of '{metric}' with {fields}; name one that is declared once"
        )
    return found[0]


def number(expected: Expectation) -> Fraction:
    """Return the printed number itself.

    Raises
    ------
    TypeError
        If it is an array, or nothing readable.
    """
    if expected.value is None or isinstance(expected.value, list):
        raise TypeError(f"'{expected.metric}' is no single number")
    return exact(expected.value)


def numbers(expected: Expectation) -> list[Interval]:
    """Return what each number of a printed array stands for.

    Raises
    ------
    TypeError
        If it is no array.
    """
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
    """Hold numbers that a source states more than once against each other.

    Returns
    -------
    list of AuditFinding
        One for each pair of prints that no value satisfies, and one that counts the pairs that agree.
    """
    pairs = list(_pairs(expectations))
    clashes = [(first, second) for first, second in pairs if not allowed(first).overlaps(allowed(second))]
    agreeing = len(pairs) - len(clashes)
    summary = AuditFinding(
        source=source,
        place="throughout",
        claim="numbers stated in more than one place",
        check="pairs of statements of one number",
        found=f"{agreeing} of {len(pairs)} pairs agree" + (", the others stand above" if clashes else ""),
        consistent=True,
    )
    return [*(_clash(source, first, second) for first, second in clashes), *([summary] if agreeing else [])]


def _pairs(expectations: Sequence[Expectation]) -> Iterator[tuple[Expectation, Expectation]]:
    groups: dict[tuple[str, str], list[Expectation]] = {}
    for expected in expectations:
        # a spread without rounding is a paraphrase of a bound, not a print
        paraphrase = expected.rule == "spread" and not expected.half_width
        if isinstance(expected.value, float) and not paraphrase:
            groups.setdefault((expected.variant, expected.metric), []).append(expected)
    for group in groups.values():
        yield from itertools.combinations(group, 2)


def _clash(source: str, first: Expectation, second: Expectation) -> AuditFinding:
    return AuditFinding(
        source=source,
        place=second.place,
        claim=second.row,
        check=f"{first.place}: {first.row}",
        found=f"{_said(second)} against {_said(first)}",
        consistent=False,
    )


def _said(expected: Expectation) -> str:
    words = {"at_most": "at most ", "at_least": "at least "}
    return words.get(expected.rule, "") + show(number(expected))
