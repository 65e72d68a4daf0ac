"""Checks of 'Image Processing: Handwritten Digit Classification'."""

from __future__ import annotations

import functools
import typing
from fractions import Fraction

from harness.sources.auditing import AuditFinding, Interval, exact, printed, repeats, rounds_to, total
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
    from collections.abc import Iterator, Sequence

    Rows = Sequence[tuple[float, float, float, int]]

FIT_EPOCHS, ALLOWED_EPOCHS = 100, 200
"""Section 4.1: 200 epochs, 100 for every fit; the settings above Figure 12 put it as '2n(n + n)'."""

_finding = functools.partial(AuditFinding, SOURCE.slug)
_two = functools.partial(printed, half_width=0.005)


def audit(right: int = RIGHT, rows: Rows = PER_CLASS, finetune: int = FINETUNE_EPOCHS) -> list[AuditFinding]:
    """Check counts against accuracy, the classification report against itself, and sums of epochs."""
    share = exact(right) / TEST_IMAGES
    epochs, product = HEAD_EPOCHS + finetune, 2 * FIT_EPOCHS * (FIT_EPOCHS + FIT_EPOCHS)
    summed = FIT_EPOCHS + FIT_EPOCHS
    return [
        _finding(
            "Section 4.3",
            f"found {right} correct and {WRONG} incorrect labels",
            f"{TEST_IMAGES} test images",
            f"{right} + {WRONG} = {right + WRONG}",
            right + WRONG == TEST_IMAGES,
        ),
        _finding(
            "Table 1",
            f"test accuracy {ACCURACY:.2%}",
            f"{right} of {TEST_IMAGES} right (Section 4.3)",
            f"{float(share):.4%}",
            rounds_to(share, ACCURACY, 0.00005),
        ),
        *_report(rows),
        _finding(
            "Section 3.2.3",
            f"{TOTAL_EPOCHS} epochs in total",
            f"{HEAD_EPOCHS} + {finetune}",
            str(epochs),
            epochs == TOTAL_EPOCHS,
        ),
        _finding(
            "Section 4.1",
            "Epochs = 2n(n + n)",
            f"{ALLOWED_EPOCHS} epochs, {FIT_EPOCHS} for every fit",
            f"as a product {product}, as 'total (first + second)' {summed}",
            True if product == ALLOWED_EPOCHS else None if summed == ALLOWED_EPOCHS else False,
        ),
        *repeats(SOURCE.slug, EXPECTATIONS),
    ]


def _report(rows: Rows) -> Iterator[AuditFinding]:
    """Compare the classification report of Table 2 with itself and with the accuracy."""
    supports, finding = [row[3] for row in rows], functools.partial(_finding, "Table 2")
    images = sum(supports)
    yield finding(f"support {TEST_IMAGES}", "sum over the ten classes", str(images), images == TEST_IMAGES)

    wrong = [
        str(label) for label, (p, r, f1, _) in enumerate(rows) if not _f1(_two(p), _two(r)).overlaps(_two(f1))
    ]
    agreeing = f"{len(rows) - len(wrong)} of {len(rows)} classes agree"
    agreeing += f"; not class {', '.join(wrong)}" if wrong else ""
    check = "2PR / (P + R) of the printed precision and recall"
    yield finding("F1-score of each class", check, agreeing, not wrong)

    for average, said in AVERAGES.items():
        weights = supports if average == "weighted" else [1] * len(rows)
        for place, name in enumerate(SCORES):
            mean = total(_two(row[place]) * weight for row, weight in zip(rows, weights, strict=True)) / sum(
                weights
            )
            claim = f"{average} avg {name} {said[place]:.2f}"
            yield finding(
                claim, "mean of the ten printed classes", str(mean), mean.overlaps(_two(said[place]))
            )

    mean = total(_two(row[1]) * row[3] for row in rows) / images
    check = f"weighted mean of recalls is the accuracy, {ACCURACY:.4f} (Table 1)"
    yield finding("recall and support of each class", check, str(mean), rounds_to(mean, ACCURACY, 0.00005))

    # every image is predicted once
    predicted = total(_two(r) * count / _two(p) for p, r, _, count in rows)
    check = f"recall × support / precision adds up to {TEST_IMAGES} predictions"
    yield finding("precision of each class", check, str(predicted), predicted.overlaps(TEST_IMAGES))


def _f1(precision: Interval, recall: Interval) -> Interval:
    """Return 2PR / (P + R), which rises with both, so the corners bound it; 0 of nothing."""

    def mean(p: Fraction, r: Fraction) -> Fraction:
        return 2 * p * r / (p + r) if p + r else Fraction(0)

    return Interval(
        mean(max(precision.low, Fraction(0)), max(recall.low, Fraction(0))), mean(precision.high, recall.high)
    )
