"""Geometry of the small drawings in tables: values and bounds, errors and tolerances."""

from __future__ import annotations

import math
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 132.0
"""Width of every small drawing, in its own units."""
_MARGIN = 7.0
_LOWEST, _HIGHEST = -8.0, 2.0
"""Powers of ten of error over tolerance that the identity bar spans."""
_DOUBLINGS = 4
"""Powers of two on each side of 1 that a ratio's axis spans."""


class Strip(typing.NamedTuple):
    """Places of single runs' values on one axis with the band that they are compared with."""

    dots: tuple[float, ...]
    band: tuple[float, float] | None  # left edge and width of the allowed range
    reference: float | None  # the published value or the baseline's mean
    whisker: tuple[float, float] | None = None  # ends of an interval round the value
    base: tuple[float, ...] = ()  # the baseline's single values


def strip(
    dots: Sequence[float], lower: float | None, upper: float | None, reference: float | None, base: Sequence[float] = ()
) -> Strip | None:  # fmt: skip
    """Place values, bounds, reference and its single values on one axis; None without a value or anything to compare it with."""
    values, then = (list(filter(math.isfinite, side)) for side in (dots, base))
    marks = [mark for mark in (lower, upper, reference, *then) if mark is not None and math.isfinite(mark)]
    if not values or not marks:
        return None
    low, high = min(values + marks), max(values + marks)
    reach = (high - low) or abs(high) or 1.0

    def place(value: float) -> float:
        return round(_MARGIN + (WIDTH - 2 * _MARGIN) * ((value - low) / reach if high > low else 0.5), 1)

    return Strip(
        dots=tuple(map(place, values)),
        band=_band(None if lower is None else place(lower), None if upper is None else place(upper)),
        reference=None if reference is None or not math.isfinite(reference) else place(reference),
        base=tuple(map(place, then)),
    )


def _band(left: float | None, right: float | None) -> tuple[float, float] | None:
    if left is None and right is None:
        return None
    start = left or 0.0
    return start, round(max(1.5, (WIDTH if right is None else right) - start), 1)


def difference_strip(value: float, interval: tuple[float, float] | None, margin: float | None) -> Strip:
    """Place a difference with its interval on an axis round zero, which is the reference; the band is the margin on both sides."""
    ends = interval or (value, value)
    reach = max(map(abs, (value, *ends, margin or 0.0))) or 1.0

    def place(number: float) -> float:
        return round(WIDTH / 2 + (WIDTH / 2 - _MARGIN) * number / reach, 1)

    return Strip(
        dots=(place(value),),
        band=None if margin is None else _band(place(-margin), place(margin)),
        reference=place(0.0),
        whisker=None if interval is None else (place(ends[0]), place(ends[1])),
    )


def ratio_strip(ratio: float, interval: tuple[float, float] | None) -> Strip:
    """Place a ratio above 0 with its interval on a logarithmic axis from 1/16 to 16, whose middle is 1; what lies beyond stands at the end."""

    def place(number: float) -> float:
        power = math.log2(number) / _DOUBLINGS if number > 0 else -1.0
        return round(WIDTH / 2 + (WIDTH / 2 - _MARGIN) * min(1.0, max(-1.0, power)), 1)

    whisker = None if interval is None else (place(interval[0]), place(interval[1]))
    return Strip(dots=(place(ratio),), band=None, reference=place(1.0), whisker=whisker)


def ratio_place(error: float, tolerance: float) -> float:
    """Place an error on the logarithmic axis of error over tolerance, 0 to 100; the tolerance lies at 80."""
    if not math.isfinite(error) or (tolerance <= 0 and error > 0):
        return 100.0
    if error <= 0:
        return 0.0
    power = math.log10(error / tolerance)
    return round(100 * min(1.0, max(0.0, (power - _LOWEST) / (_HIGHEST - _LOWEST))), 1)


TOLERANCE_PLACE = ratio_place(1.0, 1.0)
