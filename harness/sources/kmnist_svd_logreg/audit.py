"""Checks of 'Image Classification in Practice: High Efficiency and Performance From Singular Value Decomposition'."""

from __future__ import annotations

import functools
import itertools
import math
import typing
from fractions import Fraction

from harness.sources.auditing import (
    AuditFinding,
    allowed,
    as_interval,
    find,
    number,
    printed,
    repeats,
    rounds_to,
    show,
)
from harness.sources.kmnist_svd_logreg.published import EXPECTATIONS, NAMES, ROWS, SECTIONS, SOURCE, TABLES

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.sources.kmnist_svd_logreg.published import Row

THIRD_DIGIT = 0.0005
SIDE, PIXELS = 28, 784
"""Section 2.1: images of 28 × 28, arrays of length 784."""
GRID = (3, 3, 2, 4)
"""Sections 5.1 and 5.2: choices of learning rate, batch size, normalisation and singular value limit."""
BEST_LIMIT = 8
FINAL = (0.1, 32, "z-score")
"""Rate, batch size and normalisation of the final model."""
SMALL = (0.001, "min-max", 3)
"""Rate, normalisation and limit of the three rows that differ in batch size only."""
_finding = functools.partial(AuditFinding, SOURCE.slug)


def audit(tables: Mapping[str, Sequence[Row]] = ROWS) -> list[AuditFinding]:
    """Check sizes and counts, the claims on memory and accuracy, the columns of both tables, and the orderings stated."""
    rows = [row for table in tables.values() for row in table]
    sizes = {row.k: row.size for row in rows}
    settings = (f"{len(table)} of {math.prod(GRID)} settings printed for {NAMES[pair]}" for pair, table in tables.items())  # fmt: skip
    return [
        _finding(
            "Tables 1 and 2",
            "percent size of each singular value limit",
            "k × (1 + m + n) of m × n elements (Section 3.1), m = n = 28",
            ", ".join(f"k={k}: {show(_size(k))} printed {size:.3f}" for k, size in sizes.items()),
            all(rounds_to(_size(row.k), row.size, THIRD_DIGIT) for row in rows),
        ),
        *_counts(),
        *itertools.chain.from_iterable(_pair(pair, table) for pair, table in tables.items()),
        _finding(
            "Sections 5.1 and 5.2",
            "best of 3 learning rates, 3 batch sizes, 2 normalisations and 4 limits",
            "rows of the tables",
            ", ".join(settings),
            None,
        ),
        *repeats(SOURCE.slug, EXPECTATIONS),
    ]


def _size(k: int) -> Fraction:
    return Fraction(k * (1 + 2 * SIDE), PIXELS)


def _counts() -> Iterator[AuditFinding]:
    """Compare the counts of images, pixels and folds with each other."""

    def value(metric: str) -> Fraction:
        return number(find(EXPECTATIONS, metric, variant="o-ma"))

    classes, pixels = value("data.classes"), value("data.pixels")
    train, test = value("data.train_per_class") * classes, value("data.test_per_class") * classes
    for claim, check, got, said in (
        ("60000 training samples", "samples per class × classes", train, value("data.train_images")),
        ("10000 test samples", "samples per class × classes", test, value("data.test_images")),
        ("arrays of length 784", "28 × 28", SIDE * SIDE, pixels),
        ("785 inputs", "pixels and one bias", pixels + 1, value("inputs")),
        ("10% validation set on each fold", "1 / folds", 1 / value("folds"), value("validation_share")),
    ):
        yield _finding("Sections 2 and 6", claim, check, f"{show(got)} against {show(said)}", got == said)


def _pair(pair: str, rows: Sequence[Row]) -> Iterator[AuditFinding]:
    """Check what is said of one pair of classes against its table."""
    table, section = TABLES[pair], SECTIONS[pair]
    by_limit = {row.k: row for row in rows if row[:3] == FINAL}
    best, highest = by_limit[BEST_LIMIT], max(row.validation for row in rows)
    said = find(EXPECTATIONS, "accuracy", variant=pair, place="Section 1", rule="spread")
    check = f"{table}: test accuracy at k = {BEST_LIMIT}, the limit of that size"
    rounded = f"{best.test:.3f} rounds to {best.test:.0%}, said {float(number(said)):.0%}"
    holds = allowed(said).overlaps(printed(best.test, THIRD_DIGIT))
    yield _finding(said.place, said.row, check, rounded, holds)

    said = find(EXPECTATIONS, "saved_share", variant=pair, place="Abstract")
    saved = as_interval(1) - printed(best.size, THIRD_DIGIT)
    check, found = f"{table}: 1 - percent size at k = {BEST_LIMIT}", f"saves {saved} of the elements"
    yield _finding("Abstract", said.row, check, found, allowed(said).overlaps(saved))

    metric = "lr0.1-b32-z-score-k8.validation_accuracy"
    said = find(EXPECTATIONS, metric, variant=f"{pair}-grid", place=section)
    holds = allowed(said).overlaps(printed(highest, THIRD_DIGIT))
    yield _finding(
        section, said.row, f"{table}: largest of the column", f"largest printed {highest:.3f}", holds
    )

    yield from _twins(table, rows)

    for score, place in (("validation", section), ("test", "Section 6")):
        column = {k: getattr(row, score) for k, row in by_limit.items()}
        rivals = [value for k, value in column.items() if k != BEST_LIMIT]
        # rounding keeps order: a larger print is larger, and equal prints leave it open
        best_of_all = _first(column[BEST_LIMIT], max(rivals))
        claim, check = f"k = {BEST_LIMIT} has the best performance", f"{table}: {score} accuracy over k"
        yield _finding(
            place, claim, check, ", ".join(f"k={k}: {value:.3f}" for k, value in column.items()), best_of_all
        )

    for score in ("validation", "test"):
        small = [row for row in rows if (row.rate, row.normalisation, row.k) == SMALL]
        batches = sorted((row.batch, getattr(row, score)) for row in small)
        steps = [a - b for (_, a), (_, b) in itertools.pairwise(batches)]
        claim = "the smaller the batch size, the better the performance with SVD"
        check = f"{table}: {score} accuracy over batch sizes"
        found = ", ".join(f"{batch}: {value:.3f}" for batch, value in batches)
        yield _finding(section, claim, check, found, _first(min(steps), 0))

    rates = sorted({row.rate for row in rows if row.normalisation == "z-score"})
    claim = "the larger the learning rate with z-score normalization, the better"
    found = f"printed with z-score: {', '.join(map(str, rates))} only; nothing to compare"
    yield _finding(section, claim, f"{table}: rates printed with z-score", found, None)

    above = [row for row in rows if row.percent > 1]
    listed = ", ".join(f"{r.rate:g}/{r.batch}/{r.normalisation}/k={r.k}: {r.percent:.3f}" for r in above)
    claim = f"SVD processed images could achieve better performance than the original ({NAMES[pair]})"
    check = f"{table}: percent testing accuracy above 1.000"
    found = f"{len(above)} of {len(rows)} rows: {listed or 'none'}"
    yield _finding("Section 6", claim, check, found, bool(above))


def _first(value: float, rival: float) -> bool | None:
    """Return whether a printed value is ahead of another; None where they are equal."""
    return None if value == rival else value > rival


def _twins(table: str, rows: Sequence[Row]) -> Iterator[AuditFinding]:
    """Divide test accuracy by percent: rows that differ in k only must give one uncompressed accuracy."""
    groups: dict[tuple[float, int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault(row[:3], []).append(row)
    for (rate, batch, normalisation), group in groups.items():
        if len(group) == 1:
            continue
        implied = {r.k: printed(r.test, THIRD_DIGIT) / printed(r.percent, THIRD_DIGIT) for r in group}
        common = max(part.low for part in implied.values()) <= min(part.high for part in implied.values())
        listed = "; ".join(f"k={k}: {part}" for k, part in implied.items())
        yield _finding(
            table,
            "percent testing accuracy: of the same model without SVD",
            f"test / percent over the rows {rate:g}, {batch}, {normalisation}, which share that model",
            f"uncompressed accuracy implied by {listed}: {'one value fits all' if common else 'no value fits all'}",
            common,
        )
