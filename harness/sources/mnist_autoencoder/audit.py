"""Checks of 'Image Processing: Handwritten Digit Classification'."""

from __future__ import annotations

import functools
import typing

from harness.sources.auditing import declared
from harness.sources.auditing.classification import harmonic
from harness.sources.auditing.findings import AuditFinding
from harness.sources.auditing.intervals import Interval, printed, total
from harness.sources.mnist_autoencoder.published import (
    ACCURACY,
    AVERAGES,
    EXPECTATIONS,
    FINETUNE_EPOCHS,
    HEAD_EPOCHS,
    PER_CLASS,
    RIGHT,
    SCORES,
    SOURCE,
    TEST_IMAGES,
    TOTAL_EPOCHS,
    WRONG,
)

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

SECOND_DIGIT = 0.005
FIT_EPOCHS, ALLOWED_EPOCHS = 100, 200
"""Section 4.1: 200 epochs, 100 for every fit; the settings above Figure 12 put it as '2n(n + n)'."""

_finding = functools.partial(AuditFinding, source=SOURCE.slug)


def audit() -> list[AuditFinding]:
    """Check counts against accuracy, the classification report against itself, and sums of epochs."""
    return [
        labels_counted(RIGHT, WRONG, TEST_IMAGES),
        accuracy_from_counts(RIGHT, TEST_IMAGES, ACCURACY),
        support(PER_CLASS, TEST_IMAGES),
        f1_column(PER_CLASS),
        *averages(PER_CLASS),
        recall_gives_accuracy(PER_CLASS, ACCURACY),
        predictions_counted(PER_CLASS, TEST_IMAGES),
        epochs(HEAD_EPOCHS, FINETUNE_EPOCHS, TOTAL_EPOCHS),
        epochs_formula(FIT_EPOCHS, ALLOWED_EPOCHS),
        *declared.repeats(SOURCE.slug, EXPECTATIONS),
    ]


def labels_counted(right: int, wrong: int, images: int) -> AuditFinding:
    """Add right and wrong labels."""
    return _finding(
        place="Section 4.3",
        claim=f"found {right} correct and {wrong} incorrect labels",
        check=f"{images} test images",
        found=f"{right} + {wrong} = {right + wrong}",
        consistent=right + wrong == images,
    )


def accuracy_from_counts(right: int, images: int, accuracy: float) -> AuditFinding:
    """Divide right labels by images."""
    share = printed(right, 0) / images
    return _finding(
        place="Table 1",
        claim=f"test accuracy {accuracy:.2%}",
        check=f"{right} of {images} right (Section 4.3)",
        found=f"{float(share.low):.4%}",
        consistent=share.overlaps(printed(accuracy, 0.00005)),
    )


def support(rows: Sequence[tuple[float, float, float, int]], images: int) -> AuditFinding:
    """Add the supports of the classes."""
    summed = sum(row[3] for row in rows)
    return _finding(
        place="Table 2",
        claim=f"support {images}",
        check="sum over the ten classes",
        found=str(summed),
        consistent=summed == images,
    )


def f1_column(rows: Sequence[tuple[float, float, float, int]]) -> AuditFinding:
    """Hold each class's F1 against the harmonic mean of its precision and recall."""
    wrong = [
        label for label, (p, r, f1, _) in enumerate(rows) if not harmonic(_two(p), _two(r)).overlaps(_two(f1))
    ]
    return _finding(
        place="Table 2",
        claim="F1-score of each class",
        check="2PR / (P + R) of the printed precision and recall",
        found=f"{len(rows) - len(wrong)} of {len(rows)} classes agree"
        + (f"; not class {', '.join(map(str, wrong))}" if wrong else ""),
        consistent=not wrong,
    )


def averages(rows: Sequence[tuple[float, float, float, int]]) -> list[AuditFinding]:
    """Hold each average row against the mean of its column, plain and weighted by support."""
    weights = {"macro": [1] * len(rows), "weighted": [row[3] for row in rows]}
    return [
        _average(average, name, [row[place] for row in rows], weights[average], AVERAGES[average][place])
        for average in AVERAGES
        for place, name in enumerate(SCORES)
    ]


def _average(
    average: str, name: str, column: Sequence[float], weights: Sequence[int], said: float
) -> AuditFinding:
    mean = _weighted(column, weights)
    return _finding(
        place="Table 2",
        claim=f"{average} avg {name} {said:.2f}",
        check="mean of the ten printed classes",
        found=str(mean),
        consistent=mean.overlaps(_two(said)),
    )


def recall_gives_accuracy(rows: Sequence[tuple[float, float, float, int]], accuracy: float) -> AuditFinding:
    """Weight recalls by support: their mean is the accuracy."""
    mean = _weighted([row[1] for row in rows], [row[3] for row in rows])
    return _finding(
        place="Table 2",
        claim="recall and support of each class",
        check=f"weighted mean of recalls is the accuracy, {accuracy:.4f} (Table 1)",
        found=str(mean),
        consistent=mean.overlaps(printed(accuracy, 0.00005)),
    )


def predictions_counted(rows: Sequence[tuple[float, float, float, int]], images: int) -> AuditFinding:
    """Add recall × support / precision over the classes: every image is predicted once."""
    predicted = total(_two(r) * count / _two(p) for p, r, _, count in rows)
    return _finding(
        place="Table 2",
        claim="precision of each class",
        check=f"recall × support / precision adds up to {images} predictions",
        found=str(predicted),
        consistent=predicted.overlaps(images),
    )


def epochs(head: int, finetune: int, said: int) -> AuditFinding:
    """Add the epochs of both fits."""
    return _finding(
        place="Section 3.2.3",
        claim=f"{said} epochs in total",
        check=f"{head} + {finetune}",
        found=str(head + finetune),
        consistent=head + finetune == said,
    )


def epochs_formula(each: int, said: int) -> AuditFinding:
    """Read 'Epochs = 2n(n + n)' both ways: as a product, and as the other settings are put, 'total (first + second)'."""
    product, summed = 2 * each * (each + each), each + each
    return _finding(
        place="Section 4.1",
        claim="Epochs = 2n(n + n)",
        check=f"{said} epochs, {each} for every fit",
        found=f"as a product {product}, as 'total (first + second)' {summed}",
        consistent=True if product == said else None if summed == said else False,
    )


def _two(value: float) -> Interval:
    return printed(value, SECOND_DIGIT)


def _weighted(column: Sequence[float], weights: Sequence[int]) -> Interval:
    return total(_two(value) * weight for value, weight in zip(column, weights, strict=True)) / sum(weights)
