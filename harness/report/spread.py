"""Geometry of the drawing in a finding: the baseline's single runs above, the new ones below, on one axis with numbers."""

from __future__ import annotations

import collections
import math
import statistics
import typing

from harness.report.numbers import LEAST_WRITTEN_OUT, scientific

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.report.numbers import Scale

    Bounds = tuple[float | None, float | None]

WIDTH = 340.0
"""Width, in the drawing's own units."""
_MARGIN, _RADIUS = 16.0, 3.2
_LABEL, _ROW, _TALLEST, _AXIS = 13.0, 7.0, 28.0, 22.0
"""Heights: of a lane's label, of one dot, of the tallest heap of dots, of the axis with its numbers."""
_TICKS = 4


class Lane(typing.NamedTuple):
    """Single values of one side."""

    label: str  # what they are, with their number
    now: bool  # whether these are the runs in question
    top: float  # where the lane begins
    dots: tuple[tuple[float, float], ...]  # places of the values; equal ones are heaped


class Spread(typing.NamedTuple):
    """Single runs of both sides with what was allowed."""

    lanes: tuple[Lane, ...]  # the baseline's runs if there are any, then those in question
    band: tuple[float, float] | None  # left edge and width of the allowed range
    reference: float | None  # place of the published value or of the baseline's mean
    ticks: tuple[tuple[float, str], ...]  # places and numbers of the axis; the last one bears the unit
    axis: float  # height of the axis
    height: float  # of the whole
    text: str  # text alternative


def spread(
    runs: Sequence[float], base: Sequence[float], bounds: Bounds, reference: float | None, scale: Scale
) -> Spread | None:
    """Draw single values of the runs and of the baseline on one axis; None without a run, or without anything to compare it with.

    `bounds` is the allowed range, `reference` the published value or the baseline's mean, `scale` how the row writes its numbers.
    """
    now, then = (sorted(filter(math.isfinite, values)) for values in (runs, base))
    marks = [mark for mark in (*bounds, reference) if mark is not None and math.isfinite(mark)]
    if not now or not (then or marks):
        return None
    axis = _Axis([*now, *then, *marks])
    lanes, top = [], 0.0
    for label, values in (("baseline", then), ("now", now)):
        if values:
            dots, tall = _heaped([axis.place(value) for value in values], top + _LABEL)
            count = f"{label}, {len(values)} run{'s' * (len(values) != 1)}"
            lanes.append(Lane(label=count, now=label == "now", top=top, dots=dots))
            top += _LABEL + tall
    band = None
    if bounds != (None, None):
        left, right = (
            end if bound is None or not math.isfinite(bound) else axis.place(bound)
            for bound, end in zip(bounds, (0.0, WIDTH), strict=True)
        )
        band = left, round(max(2.0, right - left), 1)
    return Spread(
        lanes=tuple(lanes), band=band,
        reference=None if reference is None or not math.isfinite(reference) else axis.place(reference),
        ticks=axis.ticks(scale), axis=top + 3, height=top + _AXIS, text=_in_words(now, then, bounds, reference, scale),
    )  # fmt: skip


class _Axis:
    """A linear axis from the lowest to the highest of some values."""

    def __init__(self, values: Sequence[float]) -> None:
        self.low, self.high = min(values), max(values)
        if self.high / 2 <= self.low / 2:  # a constant stands in the middle
            half = abs(self.low) / 2 or 0.5
            self.low, self.high = self.low - half, self.high + half

    def place(self, value: float) -> float:
        """Return where a value lies, from the left; halves first, so that no difference of large numbers overflows."""
        share = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return round(_MARGIN + (WIDTH - 2 * _MARGIN) * share, 1)

    def ticks(self, scale: Scale) -> tuple[tuple[float, str], ...]:
        """Choose round numbers, in the unit that is shown."""
        low, high = self.low * scale.factor, self.high * scale.factor
        ends = tuple((self.place(end), scale.text(end)) for end in (self.low, self.high))
        if not 1e-9 < high - low < 1e15:  # too fine or too large for round numbers
            return ends
        least = (high - low) / _TICKS  # the step is 1, 2 or 5 times a power of ten
        power = 10.0 ** math.floor(math.log10(least))
        step = next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        marks = [number * step for number in range(first, last + 1)]
        if len(marks) < 2:
            return ends
        tiny = max(map(abs, marks)) < LEAST_WRITTEN_OUT
        texts = [scientific(mark) if tiny else f"{mark:,.{digits}f}".replace("-", "−") for mark in marks]
        texts[-1] += scale.suffix
        return tuple((self.place(mark / scale.factor), text) for mark, text in zip(marks, texts, strict=True))


def _heaped(places: Sequence[float], top: float) -> tuple[tuple[tuple[float, float], ...], float]:
    """Heap dots that would cover each other, downwards from `top`; return them and the height they take."""
    slots = [round(place / (2 * _RADIUS)) for place in places]
    highest = max(collections.Counter(slots).values())
    row = min(_ROW, _TALLEST / highest)
    seen, dots = collections.Counter[int](), []
    for place, slot in zip(places, slots, strict=True):
        dots.append((place, round(top + _RADIUS + 1 + row * seen[slot], 1)))
        seen[slot] += 1
    return tuple(dots), row * (highest - 1) + 2 * _RADIUS + 4


def _in_words(
    now: Iterable[float], then: Iterable[float], bounds: Bounds, reference: float | None, scale: Scale
) -> str:
    """Say what the drawing shows."""
    parts = []
    for label, values in (("Baseline", list(then)), ("Now", list(now))):
        if values:
            low, middle, high = (scale.text(v) for v in (values[0], statistics.median(values), values[-1]))
            parts.append(
                f"{label}: {len(values)} run{'s' * (len(values) != 1)}, {low} to {high}, median {middle}."
            )
    if reference is not None and not then:
        parts.append(f"Reference: {scale.text(reference)}.")
    lower, upper = (scale.text(bound, none="") for bound in bounds)
    if lower and upper:
        parts.append(f"Allowed: {lower} to {upper}.")
    elif lower or upper:
        parts.append(f"Allowed: at least {lower}." if lower else f"Allowed: at most {upper}.")
    return " ".join(parts)
