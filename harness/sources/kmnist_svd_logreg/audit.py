"""Checks of 'Image Classification in Practice: High Efficiency and Performance From Singular Value Decomposition'."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import typing
from fractions import Fraction

from harness.sources.auditing import declared
from harness.sources.auditing.findings import AuditFinding
from harness.sources.auditing.intervals import as_interval, printed, rounds_to, show
from harness.sources.kmnist_svd_logreg.published import EXPECTATIONS, NAMES, ROWS, SECTIONS, SOURCE, TABLES

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

THIRD_DIGIT = 0.0005
SIDE, PIXELS = 28, 784
"""Section 2.1: images of 28 × 28, arrays of length 784."""
GRID = {"learning rates": 3, "batch sizes": 3, "normalisations": 2, "singular value limits": 4}
"""Sections 5.1 and 5.2: choices of each hyperparameter."""
BEST_LIMIT = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of Table 1 or 2, in the order of its columns."""

    rate: float
    """Learning rate."""
    batch: int
    """Batch size."""
    normalisation: str
    """z-score or min-max."""
    k: int
    """Singular value limit."""
    size: float
    """Percent size, a share."""
    validation: float
    """SVD validation accuracy."""
    test: float
    """SVD testing accuracy."""
    percent: float
    """Percent testing accuracy, a ratio."""

    @property
    def twin(self) -> tuple[float, int, str]:
        """Setting of the uncompressed model beside it."""
        return self.rate, self.batch, self.normalisation


TABLE_ROWS = {pair: tuple(Row(*row) for row in rows) for pair, rows in ROWS.items()}
FINAL = (0.1, 32, "z-score")
"""Rate, batch size and normalisation of the final model."""
SMALL = (0.001, "min-max", 3)
"""Rate, normalisation and limit of the three rows that differ in batch size only."""
_Score = typing.Literal["validation", "test"]
_SCORES: tuple[_Score, ...] = ("validation", "test")
_finding = functools.partial(AuditFinding, source=SOURCE.slug)


def audit() -> list[AuditFinding]:
    """Check sizes, the claims on memory and accuracy, the columns of both tables, and the orderings stated."""
    found = [percent_sizes([row for rows in TABLE_ROWS.values() for row in rows]), *counts()]
    for pair, rows in TABLE_ROWS.items():
        found += [
            final_claim(pair, rows),
            memory_claim(pair, rows),
            best_validation(pair, rows),
            *twins(pair, rows),
        ]
        found += [best_limit(pair, rows, score) for score in _SCORES]
        found += [smaller_batches(pair, rows, score) for score in _SCORES]
        found += [larger_rates(pair, rows), better_than_original(pair, rows)]
    return [*found, printed_settings(TABLE_ROWS), *declared.repeats(SOURCE.slug, EXPECTATIONS)]


def percent_sizes(rows: Sequence[Row]) -> AuditFinding:
    """Hold each printed percent size against k(1+28+28)/784."""
    sizes = {row.k: row.size for row in rows}
    wrong = {k: size for k, size in sizes.items() if not rounds_to(_size(k), size, THIRD_DIGIT)}
    told = ", ".join(f"k={k}: {show(_size(k))} printed {size:.3f}" for k, size in sizes.items())
    return _finding(
        place="Tables 1 and 2",
        claim="percent size of each singular value limit",
        check="k × (1 + m + n) of m × n elements (Section 3.1), m = n = 28",
        found=told,
        consistent=not wrong,
    )


def _size(k: int) -> Fraction:
    return Fraction(k * (1 + 2 * SIDE), PIXELS)


def counts() -> list[AuditFinding]:
    """Hold the counts of images, pixels and folds against each other."""
    value = {name: declared.number(declared.find(EXPECTATIONS, name, variant="o-ma")) for name in _COUNTED}
    classes = value["data.classes"]
    checks = (
        (
            "60000 training samples",
            "samples per class × classes",
            value["data.train_per_class"] * classes,
            value["data.train_images"],
        ),
        (
            "10000 test samples",
            "samples per class × classes",
            value["data.test_per_class"] * classes,
            value["data.test_images"],
        ),
        ("arrays of length 784", "28 × 28", SIDE * SIDE, value["data.pixels"]),
        ("785 inputs", "pixels and one bias", value["data.pixels"] + 1, value["inputs"]),
        ("10% validation set on each fold", "1 / folds", 1 / value["folds"], value["validation_share"]),
    )
    return [
        _finding(
            place="Sections 2 and 6",
            claim=claim,
            check=check,
            found=f"{show(got)} against {show(said)}",
            consistent=got == said,
        )
        for claim, check, got, said in checks
    ]


_COUNTED = (
    "data.train_images",
    "data.train_per_class",
    "data.test_images",
    "data.test_per_class",
    "data.classes",
    "data.pixels",
    "inputs",
    "folds",
    "validation_share",
)


def _limited(rows: Sequence[Row], k: int) -> Row:
    """Return the row of the final setting (0.1, 32, z-score) with limit k."""
    return next(row for row in rows if (row.twin, row.k) == (FINAL, k))


def _by_limit(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.twin == FINAL]


def final_claim(pair: str, rows: Sequence[Row]) -> AuditFinding:
    """Hold the accuracy said to come with 40% less memory against the table's row of that size."""
    said = declared.find(EXPECTATIONS, "accuracy", variant=pair, place="Section 1", rule="spread")
    row = _limited(rows, BEST_LIMIT)
    return _finding(
        place=said.place,
        claim=said.row,
        check=f"{TABLES[pair]}: test accuracy at k = {BEST_LIMIT}, the limit of that size",
        found=f"{row.test:.3f} rounds to {row.test:.0%}, said {float(declared.number(said)):.0%}",
        consistent=declared.allowed(said).overlaps(printed(row.test, THIRD_DIGIT)),
    )


def memory_claim(pair: str, rows: Sequence[Row]) -> AuditFinding:
    """Hold '40% less memory', one significant digit, against the printed size."""
    said = declared.find(EXPECTATIONS, "saved_share", variant=pair, place="Abstract")
    saved = as_interval(1) - printed(_limited(rows, BEST_LIMIT).size, THIRD_DIGIT)
    return _finding(
        place="Abstract",
        claim=said.row,
        check=f"{TABLES[pair]}: 1 - percent size at k = {BEST_LIMIT}",
        found=f"saves {saved} of the elements",
        consistent=declared.allowed(said).overlaps(saved),
    )


def best_validation(pair: str, rows: Sequence[Row]) -> AuditFinding:
    """Hold the text's highest validation accuracy against the column."""
    said = declared.find(
        EXPECTATIONS, "lr0.1-b32-z-score-k8.validation_accuracy", variant=f"{pair}-grid", place=SECTIONS[pair]
    )
    highest = max(row.validation for row in rows)
    return _finding(
        place=SECTIONS[pair],
        claim=said.row,
        check=f"{TABLES[pair]}: largest of the column",
        found=f"largest printed {highest:.3f}",
        consistent=declared.allowed(said).overlaps(printed(highest, THIRD_DIGIT)),
    )


def twins(pair: str, rows: Sequence[Row]) -> list[AuditFinding]:
    """Divide test accuracy by percent: rows that differ in k only must give one uncompressed accuracy."""
    groups: dict[tuple[float, int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.twin, []).append(row)
    return [_twin(pair, setting, group) for setting, group in groups.items() if len(group) > 1]


def _twin(pair: str, setting: tuple[float, int, str], rows: Sequence[Row]) -> AuditFinding:
    implied = {row.k: printed(row.test, THIRD_DIGIT) / printed(row.percent, THIRD_DIGIT) for row in rows}
    common = max(part.low for part in implied.values()) <= min(part.high for part in implied.values())
    told = "; ".join(f"k={k}: {part}" for k, part in implied.items())
    return _finding(
        place=TABLES[pair],
        claim="percent testing accuracy: of the same model without SVD",
        check=f"test / percent over the rows {setting[0]:g}, {setting[1]}, {setting[2]}, which share that model",
        found=f"uncompressed accuracy implied by {told}: {'one value fits all' if common else 'no value fits all'}",
        consistent=common,
    )


def best_limit(pair: str, rows: Sequence[Row], score: _Score) -> AuditFinding:
    """Hold 'k = 8 is best' against a column; equal prints leave it open. Rounding keeps order, so a larger print is larger."""
    column = {row.k: getattr(row, score) for row in _by_limit(rows)}
    rivals = {k: value for k, value in column.items() if k != BEST_LIMIT}
    ahead = [k for k, value in rivals.items() if value > column[BEST_LIMIT]]
    tied = [k for k, value in rivals.items() if value == column[BEST_LIMIT]]
    told = ", ".join(f"k={k}: {value:.3f}" for k, value in column.items())
    return _finding(
        place=SECTIONS[pair] if score == "validation" else "Section 6",
        claim=f"k = {BEST_LIMIT} has the best performance",
        check=f"{TABLES[pair]}: {score} accuracy over k",
        found=told,
        consistent=False if ahead else None if tied else True,
    )


def smaller_batches(pair: str, rows: Sequence[Row], score: _Score) -> AuditFinding:
    """Hold 'the smaller the batch, the better' against the three rows that differ in batch size only."""
    column = sorted(
        (row.batch, getattr(row, score)) for row in rows if (row.rate, row.normalisation, row.k) == SMALL
    )
    steps = [a - b for (_, a), (_, b) in itertools.pairwise(column)]
    return _finding(
        place=SECTIONS[pair],
        claim="the smaller the batch size, the better the performance with SVD",
        check=f"{TABLES[pair]}: {score} accuracy over batch sizes",
        found=", ".join(f"{batch}: {value:.3f}" for batch, value in column),
        consistent=False if min(steps) < 0 else None if min(steps) == 0 else True,
    )


def larger_rates(pair: str, rows: Sequence[Row]) -> AuditFinding:
    """Look for the rows that 'the larger the learning rate with z-score, the better' speaks of."""
    rates = sorted({row.rate for row in rows if row.normalisation == "z-score"})
    return _finding(
        place=SECTIONS[pair],
        claim="the larger the learning rate with z-score normalization, the better",
        check=f"{TABLES[pair]}: rates printed with z-score",
        found=f"printed with z-score: {', '.join(map(str, rates))} only; nothing to compare"
        if len(rates) == 1
        else f"rates {rates}",
        consistent=None,
    )


def better_than_original(pair: str, rows: Sequence[Row]) -> AuditFinding:
    """Hold 'SVD processed images could achieve better performance than the original' against the percent column."""
    above = [row for row in rows if row.percent > 1]
    told = ", ".join(
        f"{row.rate:g}/{row.batch}/{row.normalisation}/k={row.k}: {row.percent:.3f}" for row in above
    )
    return _finding(
        place="Section 6",
        claim=f"SVD processed images could achieve better performance than the original ({NAMES[pair]})",
        check=f"{TABLES[pair]}: percent testing accuracy above 1.000",
        found=f"{len(above)} of {len(rows)} rows: {told or 'none'}",
        consistent=bool(above),
    )


def printed_settings(tables: Mapping[str, Sequence[Row]]) -> AuditFinding:
    """Count how much of the grid the tables print."""
    size = functools.reduce(lambda a, b: a * b, GRID.values())
    return _finding(
        place="Sections 5.1 and 5.2",
        claim="best of 3 learning rates, 3 batch sizes, 2 normalisations and 4 limits",
        check="rows of the tables",
        found=f"{', '.join(f'{len(rows)} of {size} settings printed for {NAMES[pair]}' for pair, rows in tables.items())}",
        consistent=None,
    )
