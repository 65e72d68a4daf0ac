"""The confusion matrices and classification reports of `digits1000_cnn`, as printed and with damage repaired."""

from __future__ import annotations

import dataclasses
import typing

Matrix = tuple[tuple[int, ...], ...]
LOST = -1
"""Stands in a matrix for a number that the print has lost."""


def _matrix(text: str) -> Matrix:
    """Read a matrix of whole numbers; ``?`` becomes `LOST`."""
    return tuple(
        tuple(LOST if cell == "?" else int(cell) for cell in line.split())
        for line in text.strip().splitlines()
    )


def _columns(text: str) -> tuple[tuple[float, ...], ...]:
    """Read precision, recall and F1, a line each, and return the three of each class."""
    lines = (map(float, line.split()) for line in text.strip().splitlines())
    return tuple(zip(*lines, strict=True))


BASELINE_MATRIX = _matrix("""
4 4 3 3 4 2 4 0 3 3
6 1 2 1 5 1 5 4 3 2
3 3 3 4 4 4 0 3 2 4
4 0 0 3 3 3 4 6 4 3
1 2 5 1 1 7 1 4 4 4
2 4 3 4 3 1 2 3 3 5
3 4 5 2 4 1 4 0 5 2
3 1 2 5 3 7 3 2 2 2
3 4 2 5 3 2 4 1 3 3
3 6 3 5 3 2 2 2 2 2
""")
DROPOUT_AS_PRINTED = _matrix("""
2 2 3 7 1 2 4 3 2 4
3 3 3 5 4 3 3 1 1 4
5 5 3 3 1 1 1 0 0 5 6
1 4 2 3 5 2 6 2 1 4
3 2 2 5 4 1 5 1 3 4
6 4 2 2 2 2 2 1 2 6 3
4 3 3 5 3 0 3 2 2 5
3 0 2 4 3 2 6 5 2 3
5 3 1 3 5 0 3 3 7 0
1 3 4 3 1 5 2 4 3 4
""")
"""Rows 2 and 5 are printed with eleven numbers."""
DROPOUT_MATRIX: Matrix = (
    *DROPOUT_AS_PRINTED[:2],
    (5, 5, 3, 3, 1, 1, 1, 0, 5, 6),
    *DROPOUT_AS_PRINTED[3:5],
    (6, 4, 2, 2, 2, 2, 1, 2, 6, 3),
    *DROPOUT_AS_PRINTED[6:],
)
AUGMENTATION_MATRIX = _matrix("""
7 5 0 5 1 3 3 2 1 3
3 4 2 8 2 0 3 3 1 4
3 2 3 7 2 1 5 1 2 4
2 4 3 3 2 4 0 1 5 6
1 3 4 6 5 5 4 1 1 0
2 4 3 5 1 1 2 2 3 7
3 5 2 6 4 0 1 4 1 4
5 1 4 4 5 3 1 0 4 3
2 3 2 7 4 2 6 0 1 3
2 5 1 5 3 4 2 3 1 4
""")
FINAL_AS_PRINTED = _matrix("""
29 0 0 0 0 0 1 0 ? ?
0 29 1 0 0 0 0 0 0 0
? ? ? 0 0 0 0 0 2 ?
? 0 0 20 0 4 1 ? ? ?
1 0 0 0 28 0 1 0 0 ?
0 0 0 2 1 26 0 0 0 1
0 0 0 0 0 0 30 0 0 0
1 0 0 2 1 0 0 24 0 2
0 0 1 2 0 0 0 0 27 0
0 0 0 4 1 0 0 0 0 25
""")
"""The print has lost eleven numbers (``?``); indentation says which column the others stand in."""
FINAL_MATRIX: Matrix = (
    (29, 0, 0, 0, 0, 0, 1, 0, 0, 0),
    FINAL_AS_PRINTED[1],
    (1, 0, 27, 0, 0, 0, 0, 0, 2, 0),
    (0, 0, 0, 20, 0, 4, 1, 0, 5, 0),
    (1, 0, 0, 0, 28, 0, 1, 0, 0, 0),
    *FINAL_AS_PRINTED[5:],
)

_AS_PRINTED = "as printed"
_DROPOUT_REPAIR = (
    "two rows print eleven numbers: row sums of 30 and the precisions leave one way to drop the surplus"
)
_FINAL_REPAIR = (
    "eleven numbers are lost: row sums of 30, recalls and precisions leave one way to fill them in"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A confusion matrix and classification report as one variant's section prints them."""

    place: str
    """Where."""
    variant: str
    """Variant whose prediction set ``test`` is judged."""
    matrix: Matrix
    """Images by true (row) and predicted class, completed where the print is damaged."""
    state: str
    """How complete the print of the matrix is."""
    classes: tuple[tuple[float, ...], ...]
    """Precision, recall and F1 of each class."""
    accuracy: float
    """Row accuracy of the report."""
    averages: typing.Mapping[str, tuple[float, float, float]]
    """Precision, recall and F1 of the rows of averages."""
    averages_state: str = ""
    """What the print has lost of these rows; empty if nothing."""


REPORTS: dict[str, Report] = {
    "baseline": Report(
        place="Section 3, baseline", variant="misaligned", matrix=BASELINE_MATRIX, state=_AS_PRINTED, accuracy=0.08,
        averages={"macro": (0.08, 0.08, 0.08), "weighted": (0.08, 0.08, 0.08)},
        classes=_columns("""
            0.12 0.03 0.11 0.09 0.03 0.03 0.14 0.08 0.10 0.07
            0.13 0.03 0.10 0.10 0.03 0.03 0.13 0.07 0.10 0.07
            0.13 0.03 0.10 0.10 0.03 0.03 0.14 0.07 0.10 0.07
        """),
    ),
    "dropout": Report(
        place="Section 3, dropout", variant="misaligned-dropout", matrix=DROPOUT_MATRIX, state=_DROPOUT_REPAIR, accuracy=0.12,
        averages={"macro": (0.12, 0.12, 0.12), "weighted": (0.12, 0.12, 0.12)},
        averages_state=" (the row is cut off; the matrix determines it)",
        classes=_columns("""
            0.06 0.10 0.12 0.07 0.14 0.11 0.09 0.22 0.22 0.11
            0.07 0.10 0.10 0.10 0.13 0.07 0.10 0.17 0.23 0.13
            0.06 0.10 0.11 0.09 0.14 0.08 0.09 0.19 0.23 0.12
        """),
    ),
    "augmentation": Report(
        place="Section 3, augmentation", variant="misaligned-augmentation", matrix=AUGMENTATION_MATRIX, state=_AS_PRINTED, accuracy=0.10,
        averages={"macro": (0.09, 0.10, 0.09), "weighted": (0.09, 0.10, 0.09)},
        classes=_columns("""
            0.23 0.11 0.12 0.05 0.17 0.04 0.04 0.00 0.05 0.11
            0.23 0.13 0.10 0.10 0.17 0.03 0.03 0.00 0.03 0.13
            0.23 0.12 0.11 0.07 0.17 0.04 0.04 0.00 0.04 0.12
        """),
    ),
    "final": Report(
        place="Section 3, final model", variant="final", matrix=FINAL_MATRIX, state=_FINAL_REPAIR, accuracy=0.88,
        averages={"macro": (0.89, 0.88, 0.88), "weighted": (0.89, 0.88, 0.88)},
        classes=_columns("""
            0.91 1.00 0.93 0.67 0.90 0.87 0.91 1.00 0.79 0.89
            0.97 0.97 0.90 0.67 0.93 0.87 1.00 0.80 0.90 0.83
            0.94 0.98 0.92 0.67 0.92 0.87 0.95 0.89 0.84 0.86
        """),
    ),
}  # fmt: skip
"""By the variant whose section prints them."""
