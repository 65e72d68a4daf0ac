"""Checks of 'Assignment IV, Image Processing and Pattern Recognition'."""

from __future__ import annotations

import functools
import typing
from fractions import Fraction

from harness.sources.auditing import AuditFinding, exact, printed, repeats, rounds_to
from harness.sources.digits1000_cnn.published import (
    CLASSES,
    CODE_FILTERS,
    EXPECTATIONS,
    FILTERS,
    HARDEST,
    LOGS,
    PER_CLASS_TEST,
    SCORES,
    SOURCE,
    TEST_IMAGES,
    TRAIN_IMAGES,
)
from harness.sources.digits1000_cnn.reports import DROPOUT_AS_PRINTED, FINAL_AS_PRINTED, LOST, REPORTS

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.sources.digits1000_cnn.reports import Matrix, Report

    Cells = tuple[int, ...]
    Logs = Mapping[str, tuple[float | None, float, float]]

SECOND_DIGIT, FOURTH_DIGIT = 0.005, 0.00005
LEVEL, CHANCE = 0.01, 0.1
SAMPLES, MISTAKEN, SHOWN = 10, 1, 5
"""Section 4: one of ten values was mistaken; Figures 6 to 10 show five."""
CODE_BATCH = 64
"""Index: batch_size = 64."""

_finding = functools.partial(AuditFinding, SOURCE.slug)


def audit(reports: Mapping[str, Report] = REPORTS, logs: Logs = LOGS) -> list[AuditFinding]:
    """Check counts, logs, matrices and reports against each other, and the sentences on them."""
    total, per_class, train, test = 1000, 100, 70, 30
    claim = f"{total} digits, {per_class} per class, {train}% to train and {test}% to test"
    found = f"{CLASSES} × {per_class} = {CLASSES * per_class}; {train} + {test} = {train + test}"
    holds = CLASSES * per_class == total and train + test == per_class
    dropout = [ways_to_drop(row, CLASSES, PER_CLASS_TEST) for row in DROPOUT_AS_PRINTED]
    final = [fillings(row, PER_CLASS_TEST) for row in FINAL_AS_PRINTED]
    return [
        _finding("Section 2", claim, "classes × images per class; parts of a class", found, holds),
        *(finding for name, log in logs.items() for finding in _whole_images(reports[name].place, log)),
        *(finding for name, report in reports.items() for finding in _report(name, report, logs)),
        _damaged("dropout", reports["dropout"], dropout),
        _damaged("final", reports["final"], final),
        *_sentences(reports["final"].matrix, logs),
        *repeats(SOURCE.slug, EXPECTATIONS),
    ]


def _whole_images(place: str, log: tuple[float | None, float, float]) -> Iterator[AuditFinding]:
    """Compare each logged accuracy with the nearest whole number of images."""
    for what, share, total in (("training", log[0], TRAIN_IMAGES), ("validation", log[2], TEST_IMAGES)):
        if share is not None:
            right = round(share * total)
            claim, found = f"{what} accuracy {share:.4f}", f"{right}/{total} = {right / total:.4f}"
            holds = rounds_to(Fraction(right, total), share, FOURTH_DIGIT)
            yield _finding(place, claim, f"a whole number of {total} images", found, holds)


def _report(name: str, report: Report, logs: Logs) -> Iterator[AuditFinding]:
    """Compute supports, scores, accuracy and averages from the matrix, and compare the printed report with them."""
    from scipy.stats import binomtest

    finding, scored = functools.partial(_finding, report.place), scores(report.matrix)
    short = [label for label, row in enumerate(report.matrix) if sum(row) != PER_CLASS_TEST]
    found = f"{CLASSES - len(short)} of {CLASSES} rows"
    yield finding(f"support {PER_CLASS_TEST} of each class", "row sums of the matrix", found, not short)

    wrong = [str(label) for label, row in enumerate(report.classes) if not agrees(scored[label], row)]
    found = f"{CLASSES - len(wrong)} of {CLASSES} classes agree" + (
        f"; not class {', '.join(wrong)}" if wrong else ""
    )
    yield finding(
        "precision, recall and F1 of each class", "computed from the confusion matrix", found, not wrong
    )

    right, total = sum(row[label] for label, row in enumerate(report.matrix)), _images(report.matrix)
    accuracy = Fraction(right, total)
    claim, found = f"accuracy {report.accuracy:.2f} of the report", f"{right} right = {float(accuracy):.4f}"
    yield finding(claim, "diagonal of the matrix", found, rounds_to(accuracy, report.accuracy, SECOND_DIGIT))

    # supports are equal, so both rows of averages are the plain mean
    means = [sum(column) / len(scored) for column in zip(*scored, strict=True)]
    wrong = [
        f"{average} {score}"
        for average, row in report.averages.items()
        for score, mean, said in zip(SCORES, means, row, strict=True)
        if not rounds_to(mean, said, SECOND_DIGIT)
    ]
    found = ", ".join(f"{score} {float(mean):.4f}" for score, mean in zip(SCORES, means, strict=True))
    found += f"; not {', '.join(wrong)}" if wrong else ""
    claim = f"macro and weighted averages{report.averages_state}"
    yield finding(claim, "computed from the confusion matrix", found, not wrong)

    if name in logs:
        said, check = logs[name][2], "diagonal of the confusion matrix printed with it"
        found, holds = f"{right} of {total} = {float(accuracy):.4f}", rounds_to(accuracy, said, FOURTH_DIGIT)
        yield finding(f"val_accuracy {said:.4f} ({name})", check, found, holds)
    if report.variant != name:
        p = binomtest(right, total, CHANCE).pvalue
        claim = "the matrix was read from a shuffled iterator (shuffle = True)"
        check = f"diagonal against chance, {CHANCE:.0%}, exact binomial test"
        yield finding(claim, check, f"{right} of {total}: p = {p:.2f}", bool(p > LEVEL))


def _damaged(name: str, report: Report, options: Iterable[Iterable[Cells]]) -> AuditFinding:
    """Say whether a damaged matrix is determined by its margins, and whether the declared one is it."""
    ways = list(completions([list(rows) for rows in options], report.classes))
    check = "matrices with rows of 30 whose precisions, recalls and F1 round to the report"
    holds = ways[0] == report.matrix if len(ways) == 1 else None if ways else False
    claim = f"confusion matrix, print damaged ({name})"
    return _finding(report.place, claim, check, f"{len(ways)} possible", holds)


def _sentences(matrix: Matrix, logs: Logs) -> Iterator[AuditFinding]:
    """Check what the text says of the final matrix and of the variants."""
    from scipy.stats import binomtest

    recalls = [recall for _, recall, _ in scores(matrix)]
    worst = recalls.index(min(recalls))
    claim = f"class {HARDEST} was the most difficult to accurately predict"
    found = f"lowest recall: class {worst}, {float(recalls[worst]):.2f}"
    holds = None if recalls.count(recalls[worst]) > 1 else worst == HARDEST
    yield _finding("Section 3", claim, "recall from the confusion matrix", found, holds)

    (_, loss, accuracy), final = logs["baseline"], logs["final"][2]
    p = binomtest(SAMPLES - MISTAKEN, SAMPLES, final).pvalue
    claim, check = (
        "one out of ten values was mistaken",
        f"accuracy {final:.4f} on the test set, exact binomial test",
    )
    found = f"expected {SAMPLES * (1 - final):.1f} mistakes: p = {p:.2f}"
    yield _finding("Section 4", claim, check, found, bool(p > LEVEL))
    yield _finding(
        "Section 4", claim, "Figures 6 to 10, one prediction each", f"{SHOWN} shown, {SAMPLES} counted", None
    )

    _, augmented_loss, augmented = logs["augmentation"]
    claim = "none of the previous modifications could imitate the baseline"
    check = "val_accuracy of the sections (dropout's is lost)"
    found = f"baseline {accuracy:.4f}, augmentation {augmented:.4f}"
    yield _finding("Section 3", claim, check, found, augmented < accuracy)
    change = exact(augmented_loss) - exact(loss)
    check = "val_loss of the sections before (dropout's is lost)"
    found = f"against the baseline it changed by {float(change):+.4f}"
    yield _finding("Section 3, augmentation", "a decrease in loss was seen", check, found, change < 0 or None)

    claim = "for the final model epochs went from 8 to 12, padding was kept, shuffle was disabled"
    filters = FILTERS["augmentation"]
    found = f"code {CODE_FILTERS}, variant before {filters}"
    yield _finding(
        "Section 3, final model",
        claim,
        "filters of the code in the Index",
        found,
        filters == CODE_FILTERS or None,
    )
    steps, claim = PER_CLASS_TEST // CODE_BATCH, "predict(testing_iterator, num_of_test_samples//batch_size)"
    found = f"{steps}; the matrix holds {_images(matrix)} of {TEST_IMAGES}"
    yield _finding(
        "Index, code",
        claim,
        f"{PER_CLASS_TEST} // {CODE_BATCH}; images in the matrix",
        found,
        bool(steps) or None,
    )


# -- confusion matrices, rows are true classes ----------------------------------------------------


def _images(matrix: Matrix) -> int:
    return sum(map(sum, matrix))


def scores(matrix: Matrix) -> list[tuple[Fraction, Fraction, Fraction]]:
    """Return precision, recall and F1 of each class; 0 where there is nothing to divide by."""

    def ratio(part: int, whole: int) -> Fraction:
        return Fraction(part, whole) if whole else Fraction(0)

    predicted, support = list(map(sum, zip(*matrix, strict=True))), list(map(sum, matrix))
    return [
        (ratio(row[c], predicted[c]), ratio(row[c], support[c]), ratio(2 * row[c], predicted[c] + support[c]))
        for c, row in enumerate(matrix)
    ]


def agrees(scored: Iterable[Fraction], row: Iterable[float]) -> bool:
    """Return whether a row printed with two digits is precision, recall and F1 of one class."""
    return all(rounds_to(value, said, SECOND_DIGIT) for value, said in zip(scored, row, strict=True))


def ways_to_drop(row: Cells, size: int, support: int) -> set[Cells]:
    """Return every row of `size` numbers with sum `support` that is left when surplus numbers of a print are dropped."""
    if len(row) == size:
        return {row} if sum(row) == support else set()
    shorter = (row[:place] + row[place + 1 :] for place in range(len(row)))
    return {whole for left in shorter for whole in ways_to_drop(left, size, support)}


def fillings(row: Cells, support: int) -> Iterator[Cells]:
    """Yield every way to put counts in place of `LOST` so that the row adds up to `support`."""
    if LOST not in row:
        if sum(row) == support:
            yield row
        return
    place, left = row.index(LOST), support - sum(cell for cell in row if cell != LOST)
    for count in range(left + 1):
        yield from fillings((*row[:place], count, *row[place + 1 :]), support)


def completions(options: Sequence[Iterable[Cells]], table: Sequence[Sequence[float]]) -> Iterator[Matrix]:
    """Yield every matrix, one of the `options` for each row, whose scores round to the printed table.

    Parameters
    ----------
    options : sequence of iterables of rows
        Possible rows of each class.
    table : sequence of (precision, recall, f1)
        Printed scores of each class, with two digits.
    """
    kept: list[list[Cells]] = []
    limits: list[Fraction | None] = []
    for label, (rows, (precision, recall, _)) in enumerate(zip(options, table, strict=True)):
        kept.append([row for row in rows if rounds_to(Fraction(row[label], sum(row)), recall, SECOND_DIGIT)])
        least = printed(precision, SECOND_DIGIT).low
        # as many predictions of the class as its precision allows, however many of them are right
        limits.append(max((row[label] for row in kept[-1]), default=0) / least if least > 0 else None)

    def grown(matrix: Matrix) -> Iterator[Matrix]:
        if len(matrix) == len(kept):
            yield matrix
            return
        for row in kept[len(matrix)]:
            filled = map(sum, zip(*matrix, row, strict=True))
            if all(limit is None or count <= limit for count, limit in zip(filled, limits, strict=True)):
                yield from grown((*matrix, row))

    for matrix in grown(()):
        if all(agrees(scored, row) for scored, row in zip(scores(matrix), table, strict=True)):
            yield matrix
