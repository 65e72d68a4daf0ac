"""Scores of a printed confusion matrix, and what its margins say of cells that the print has lost."""

from __future__ import annotations

import dataclasses
import typing
from fractions import Fraction

from harness.sources.auditing.intervals import Interval, printed

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOST = -1
"""Stands in a matrix for a number that the print has lost."""

Matrix = typing.Sequence[typing.Sequence[int]]


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """Exact scores of one class."""

    precision: Fraction
    """Right among those predicted; 0 where none is."""
    recall: Fraction
    """Right among those of the class."""
    f1: Fraction
    """Harmonic mean of both."""


def harmonic(a: Interval, b: Interval) -> Interval:
    """Return 2ab / (a + b) for non-negative intervals; it rises with both, so the corners bound it."""

    def mean(x: Fraction, y: Fraction) -> Fraction:
        return 2 * x * y / (x + y) if x + y else Fraction(0)

    return Interval(mean(max(a.low, Fraction(0)), max(b.low, Fraction(0))), mean(a.high, b.high))


def hits(matrix: Matrix) -> int:
    """Add the diagonal."""
    return sum(row[label] for label, row in enumerate(matrix))


def images(matrix: Matrix) -> int:
    """Add all cells."""
    return sum(map(sum, matrix))


def scores(matrix: Matrix) -> list[Scores]:
    """Return precision, recall and F1 of each class; rows are true classes."""
    columns = [sum(row[label] for row in matrix) for label in range(len(matrix))]
    return [
        _class_scores(matrix[label][label], columns[label], sum(matrix[label]))
        for label in range(len(matrix))
    ]


def _class_scores(right: int, predicted: int, support: int) -> Scores:
    share = _ratio(right, predicted), _ratio(right, support)
    return Scores(*share, _ratio(2 * right, predicted + support))


def _ratio(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)


def agrees(scored: Scores, row: Sequence[float], half_width: float) -> bool:
    """Return whether a printed row of precision, recall and F1 is this one, rounded."""
    exact = (scored.precision, scored.recall, scored.f1)
    return all(printed(said, half_width).overlaps(value) for said, value in zip(row, exact, strict=True))


def ways_to_drop(row: Sequence[int], size: int, support: int) -> set[tuple[int, ...]]:
    """Return every row of `size` numbers with sum `support` that is left when surplus numbers of a print are dropped."""
    if len(row) == size:
        return {tuple(row)} if sum(row) == support else set()
    shorter = (tuple(row[:place]) + tuple(row[place + 1 :]) for place in range(len(row)))
    return {done for left in shorter for done in ways_to_drop(left, size, support)}


def fillings(row: Sequence[int], support: int) -> Iterator[tuple[int, ...]]:
    """Yield every way to put counts in place of `LOST` so that the row adds up to `support`."""
    if LOST not in row:
        if sum(row) == support:
            yield tuple(row)
        return
    place = list(row).index(LOST)
    left = support - sum(cell for cell in row if cell != LOST)
    for count in range(left + 1):
        yield from fillings((*row[:place], count, *row[place + 1 :]), support)


def completions(
    options: Sequence[Sequence[tuple[int, ...]]], table: Sequence[Sequence[float]], half_width: float
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield every matrix, one of the `options` for each row, whose scores round to the printed table.

    Parameters
    ----------
    options : sequence of sequences of rows
        Possible rows of each class.
    table : sequence of (precision, recall, f1)
        Printed scores of each class.
    half_width : float
        Half the last digit of `table`.
    """
    kept = [_by_recall(rows, label, table[label][1], half_width) for label, rows in enumerate(options)]
    limits = [_column_limit(kept[label], label, table[label][0], half_width) for label in range(len(table))]
    for matrix in _grow((), kept, limits):
        if all(agrees(scored, row, half_width) for scored, row in zip(scores(matrix), table, strict=True)):
            yield matrix


def _by_recall(
    rows: Sequence[tuple[int, ...]], label: int, recall: float, half_width: float
) -> list[tuple[int, ...]]:
    said = printed(recall, half_width)
    return [row for row in rows if said.overlaps(Fraction(row[label], sum(row)))]


def _column_limit(
    rows: Sequence[tuple[int, ...]], label: int, precision: float, half_width: float
) -> Fraction | None:
    """Return the largest number of predictions of a class that its precision allows; None where precision may be 0."""
    least = printed(precision, half_width).low
    most = max((row[label] for row in rows), default=0)
    return most / least if least > 0 else None


def _grow(
    done: tuple[tuple[int, ...], ...],
    options: Sequence[Sequence[tuple[int, ...]]],
    limits: Sequence[Fraction | None],
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Add row after row, dropping what overfills a column."""
    if len(done) == len(options):
        yield done
        return
    for row in options[len(done)]:
        grown = (*done, row)
        filled = [sum(column) for column in zip(*grown, strict=True)]
        if all(limit is None or count <= limit for count, limit in zip(filled, limits, strict=True)):
            yield from _grow(grown, options, limits)
