"""Differences that are too small to count, by kind of metric: the table of docs/statistics.md. Pure."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from harness.records import Kind

RELATIVE = 1e-6
"""Share of the reference that float32 sums in another order may differ by."""
ABSOLUTE = 1e-12
"""What rounding leaves where the reference is zero."""
EXACT = 1e-12
"""Share of the reference for counts and sizes: whole numbers, stored as float64."""
MEMORY_SHARE = 0.03
MEMORY_BYTES = 1.5 * 2**20


def smallest(kind: Kind, unit: str, reference: float, images: float | None = None) -> float:
    """Return the smallest difference that counts, in the metric's unit.

    Parameters
    ----------
    kind, unit : str
        Of the metric. A runtime's floor is a ratio, `harness.judging.gate.rules.SLOWDOWN_FLOOR`.
    reference : float
        What is differed from.
    images : float, optional
        Number of test images, where the harness scored the metric from predicted classes: then one image is the floor. None for
        everything else, whatever its unit.
    """
    size = abs(reference)
    if kind == "memory":
        return max(MEMORY_SHARE * size, MEMORY_BYTES)
    if kind in {"work", "size"}:
        return max(EXACT * size, ABSOLUTE)
    one_image = (1.0 if unit else 1 / images) if images else 0.0
    return max(RELATIVE * size, ABSOLUTE, one_image)


def above(difference: float, floor: float) -> bool:
    """Whether a difference counts; means of equal decimals differ in the last bits, so exactly one test image does not."""
    return difference > floor * (1 + RELATIVE)
