"""Checks of 'Assignment IV, Image Processing and Pattern Recognition'."""

from __future__ import annotations

import functools
import typing

from harness.sources.auditing import classification, declared
from harness.sources.auditing.findings import AuditFinding
from harness.sources.auditing.intervals import exact, rounds_to
from harness.sources.auditing.significance import binomial_p
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
from harness.sources.digits1000_cnn.reports import DROPOUT_AS_PRINTED, FINAL_AS_PRINTED, FINAL_MATRIX, REPORTS

if typing.TYPE_CHECKING:
    from harness.sources.digits1000_cnn.reports import Matrix, Report

SECOND_DIGIT, FOURTH_DIGIT = 0.005, 0.00005
LEVEL = 0.01
CHANCE = 0.1
SAMPLES, MISTAKEN, SHOWN = 10, 1, 5
"""Section 4: one of ten values was mistaken; Figures 6 to 10 show five."""
CODE_BATCH = 64
"""Index: batch_size = 64."""

_finding = functools.partial(AuditFinding, source=SOURCE.slug)


def audit() -> list[AuditFinding]:
    """Check counts, logs, matrices and reports against each other, and the sentences on them."""
    found = [images(1000, 100, 70, 30)]
    found += [step for name, log in LOGS.items() for step in whole_images(name, log)]
    for name, report in REPORTS.items():
        found += [
            *matrix_and_report(report),
            *([accuracy_and_matrix(name, report, LOGS[name][2])] if name in LOGS else []),
        ]
        if report.variant != name:
            found.append(chance(report))
    return [
        *found,
        damaged("dropout", dropout_ways()),
        damaged("final", final_ways()),
        hardest(FINAL_MATRIX),
        samples(LOGS["final"][2]),
        samples_shown(),
        imitated(LOGS),
        loss_decreased(LOGS),
        final_filters(),
        prediction_steps(),
        *declared.repeats(SOURCE.slug, EXPECTATIONS),
    ]


def images(total: int, per_class: int, train: int, test: int) -> AuditFinding:
    """Add the parts of a class, and the classes."""
    return _finding(
        place="Section 2",
        claim=f"{total} digits, {per_class} per class, {train}% to train and {test}% to test",
        check="classes × images per class; parts of a class",
        found=f"{CLASSES} × {per_class} = {CLASSES * per_class}; {train} + {test} = {train + test}",
        consistent=CLASSES * per_class == total and train + test == per_class,
    )


def whole_images(name: str, log: tuple[float | None, float, float]) -> list[AuditFinding]:
    """Hold each logged accuracy against the nearest whole number of images."""
    parts = (("training accuracy", log[0], TRAIN_IMAGES), ("validation accuracy", log[2], TEST_IMAGES))
    return [
        _whole(REPORTS[name].place, what, share, total) for what, share, total in parts if share is not None
    ]


def _whole(place: str, what: str, share: float, total: int) -> AuditFinding:
    right = round(share * total)
    return _finding(
        place=place,
        claim=f"{what} {share:.4f}",
        check=f"a whole number of {total} images",
        found=f"{right}/{total} = {right / total:.4f}",
        consistent=rounds_to(exact(right) / total, share, FOURTH_DIGIT),
    )


def matrix_and_report(report: Report) -> list[AuditFinding]:
    """Compute supports, per-class scores, accuracy and averages from the matrix, and hold the printed report against them."""
    scored = classification.scores(report.matrix)
    wrong = [
        str(c)
        for c, row in enumerate(report.classes)
        if not classification.agrees(scored[c], row, SECOND_DIGIT)
    ]
    short = [str(c) for c, row in enumerate(report.matrix) if sum(row) != PER_CLASS_TEST]
    right = classification.hits(report.matrix)
    accuracy = exact(right) / classification.images(report.matrix)
    found = [
        _finding(
            place=report.place,
            claim=f"support {PER_CLASS_TEST} of each class",
            check="row sums of the matrix",
            found=f"{CLASSES - len(short)} of {CLASSES} rows",
            consistent=not short,
        ),
        _finding(
            place=report.place,
            claim="precision, recall and F1 of each class",
            check="computed from the confusion matrix",
            found=f"{CLASSES - len(wrong)} of {CLASSES} classes agree"
            + (f"; not class {', '.join(wrong)}" if wrong else ""),
            consistent=not wrong,
        ),
        _finding(
            place=report.place,
            claim=f"accuracy {report.accuracy:.2f} of the report",
            check="diagonal of the matrix",
            found=f"{right} right = {float(accuracy):.4f}",
            consistent=rounds_to(accuracy, report.accuracy, SECOND_DIGIT),
        ),
    ]
    return [*found, _averages(report, scored)]


def _averages(report: Report, scored: list[classification.Scores]) -> AuditFinding:
    """Hold both rows of averages against the matrix; supports are equal, so both are the plain mean."""
    means = {name: sum(getattr(one, name) for one in scored) / len(scored) for name in SCORES}
    wrong = [
        f"{average} {name}"
        for average, row in report.averages.items()
        for name, said in zip(SCORES, row, strict=True)
        if not rounds_to(means[name], said, SECOND_DIGIT)
    ]
    told = ", ".join(f"{name} {float(mean):.4f}" for name, mean in means.items())
    return _finding(
        place=report.place,
        claim=f"macro and weighted averages{report.averages_state}",
        check="computed from the confusion matrix",
        found=f"{told}{'; not ' + ', '.join(wrong) if wrong else ''}",
        consistent=not wrong,
    )


def accuracy_and_matrix(name: str, report: Report, accuracy: float) -> AuditFinding:
    """Hold the logged accuracy against the matrix of the same section: the same model, the same images."""
    right, total = classification.hits(report.matrix), classification.images(report.matrix)
    return _finding(
        place=report.place,
        claim=f"val_accuracy {accuracy:.4f} ({name})",
        check="diagonal of the confusion matrix printed with it",
        found=f"{right} of {total} = {right / total:.4f}",
        consistent=rounds_to(exact(right) / total, accuracy, FOURTH_DIGIT),
    )


def chance(report: Report) -> AuditFinding:
    """Test whether the diagonal is what labels in an order of their own would give: one in ten, exact binomial test."""
    right, total = classification.hits(report.matrix), classification.images(report.matrix)
    p = binomial_p(right, total, CHANCE)
    return _finding(
        place=report.place,
        claim="the matrix was read from a shuffled iterator (shuffle = True)",
        check=f"diagonal against chance, {CHANCE:.0%}, exact binomial test",
        found=f"{right} of {total}: p = {p:.2f}",
        consistent=p > LEVEL,
    )


def dropout_ways() -> list[Matrix]:
    """Return every matrix that dropping surplus numbers from the dropout print leaves, and that its report allows."""
    options = [
        sorted(classification.ways_to_drop(row, CLASSES, PER_CLASS_TEST)) for row in DROPOUT_AS_PRINTED
    ]
    return list(classification.completions(options, REPORTS["dropout"].classes, SECOND_DIGIT))


def final_ways() -> list[Matrix]:
    """Return every way to fill in the numbers that the final matrix has lost, and that its report allows."""
    options = [list(classification.fillings(row, PER_CLASS_TEST)) for row in FINAL_AS_PRINTED]
    return list(classification.completions(options, REPORTS["final"].classes, SECOND_DIGIT))


def damaged(name: str, ways: list[Matrix]) -> AuditFinding:
    """Say whether a damaged matrix is determined by its margins, and whether the declared one is it."""
    report = REPORTS[name]
    one = len(ways) == 1
    return _finding(
        place=report.place,
        claim=f"confusion matrix, print damaged ({name})",
        check="matrices with rows of 30 whose precisions, recalls and F1 round to the report",
        found=f"{len(ways)} possible",
        consistent=ways[0] == report.matrix if one else False if not ways else None,
    )


def hardest(matrix: Matrix) -> AuditFinding:
    """Hold 'class 3 was the most difficult' against recall."""
    recalls = [scored.recall for scored in classification.scores(matrix)]
    worst = min(range(len(recalls)), key=recalls.__getitem__)
    tied = recalls.count(recalls[worst]) > 1
    return _finding(
        place="Section 3",
        claim=f"class {HARDEST} was the most difficult to accurately predict",
        check="recall from the confusion matrix",
        found=f"lowest recall: class {worst}, {float(recalls[worst]):.2f}",
        consistent=None if tied else worst == HARDEST,
    )


def samples(accuracy: float) -> AuditFinding:
    """Hold one mistake among ten single images against the accuracy on the test set, exact binomial test."""
    p = binomial_p(SAMPLES - MISTAKEN, SAMPLES, accuracy)
    return _finding(
        place="Section 4",
        claim="one out of ten values was mistaken",
        check=f"accuracy {accuracy:.4f} on the test set, exact binomial test",
        found=f"expected {SAMPLES * (1 - accuracy):.1f} mistakes: p = {p:.2f}",
        consistent=p > LEVEL,
    )


def samples_shown() -> AuditFinding:
    """Count the predictions that the figures show."""
    return _finding(
        place="Section 4",
        claim="one out of ten values was mistaken",
        check="Figures 6 to 10, one prediction each",
        found=f"{SHOWN} shown, {SAMPLES} counted",
        consistent=None,
    )


def imitated(logs: typing.Mapping[str, tuple[float | None, float, float]]) -> AuditFinding:
    """Hold 'none of the modifications could imitate the baseline' against the accuracies printed."""
    baseline, other = logs["baseline"][2], logs["augmentation"][2]
    return _finding(
        place="Section 3",
        claim="none of the previous modifications could imitate the baseline",
        check="val_accuracy of the sections (dropout's is lost)",
        found=f"baseline {baseline:.4f}, augmentation {other:.4f}",
        consistent=other < baseline,
    )


def loss_decreased(logs: typing.Mapping[str, tuple[float | None, float, float]]) -> AuditFinding:
    """Hold 'a decrease in loss was seen' with augmentation against the one loss printed before it."""
    change = exact(logs["augmentation"][1]) - exact(logs["baseline"][1])
    return _finding(
        place="Section 3, augmentation",
        claim="a decrease in loss was seen",
        check="val_loss of the sections before (dropout's is lost)",
        found=f"against the baseline it changed by {float(change):+.4f}",
        consistent=True if change < 0 else None,
    )


def final_filters() -> AuditFinding:
    """Set the filters of the printed code beside those of the last variant described: text names no return to the smaller ones."""
    return _finding(
        place="Section 3, final model",
        claim="for the final model epochs went from 8 to 12, padding was kept, shuffle was disabled",
        check="filters of the code in the Index",
        found=f"code {CODE_FILTERS}, variant before {FILTERS['augmentation']}",
        consistent=True if FILTERS["augmentation"] == CODE_FILTERS else None,
    )


def prediction_steps() -> AuditFinding:
    """Compute the argument that the printed code gives to `predict`, and count the images that the matrix holds."""
    counted = classification.images(FINAL_MATRIX)
    return _finding(
        place="Index, code",
        claim="predict(testing_iterator, num_of_test_samples//batch_size)",
        check=f"{PER_CLASS_TEST} // {CODE_BATCH}; images in the matrix",
        found=f"{PER_CLASS_TEST // CODE_BATCH}; the matrix holds {counted} of {TEST_IMAGES}",
        consistent=True if PER_CLASS_TEST // CODE_BATCH else None,
    )
