"""Geometry of the drawing in a finding: the baseline's single runs above, the new ones below, on one axis with numbers."""

from __future__ import annotations

import collections
import dataclasses
import math
import statistics
import typing

from harness.report.numbers import LEAST_WRITTEN_OUT, scientific

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.report.numbers import Scale

WIDTH = 340.0
"""Width, in the drawing's own units."""
_MARGIN, _RADIUS = 16.0, 3.2
_LABEL, _ROW, _TALLEST, _AXIS = 13.0, 7.0, 28.0, 22.0
"""Heights: of a lane's label, of one dot, of the tallest heap of dots, of the axis with its numbers."""
_TICKS = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Single values of one side."""

    label: str
    """What they are, with their number."""
    now: bool
    """Whether these are the runs in question."""
    top: float
    """Where the lane begins."""
    dots: tuple[tuple[float, float], ...]
    """Places of the values; equal ones are heaped."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Single runs of both sides with what was allowed."""

    lanes: tuple[Lane, ...]
    """The baseline's runs if there are any, then those in question."""
    band: tuple[float, float] | None
    """Left edge and width of the allowed range."""
    reference: float | None
    """Place of the published value or of the baseline's mean."""
    ticks: tuple[tuple[float, str], ...]
    """Places and numbers of the axis; the last one bears the unit."""
    axis: float
    """Height of the axis."""
    height: float
    """Height of the whole."""
    text: str
    """Text alternative."""


def spread(
    runs: Sequence[float],
    base: Sequence[float],
    bounds: tuple[float | None, float | None],
    reference: float | None,
    scale: Scale,
) -> Spread | None:
    """Draw single values on one axis; None without a run, or without anything to hold it against.

    Parameters
    ----------
    runs, base : sequences of float
        Values in question, and those of the baseline.
    bounds : (float or None, float or None)
        Allowed range.
    reference : float or None
        Published value, or the baseline's mean.
    scale : Scale
        How the row writes its numbers.
    """
    now, then = (sorted(filter(math.isfinite, values)) for values in (runs, base))
    marks = [mark for mark in (*bounds, reference) if mark is not None and math.isfinite(mark)]
    if not now or not (then or marks):
        return None
    axis = _Axis([*now, *then, *marks])
    lanes, top = [], 0.0
    for label, values in (("baseline", then), ("now", now)):
        if not values:
            continue
        dots, tall = _heaped([axis.place(value) for value in values], top + _LABEL)
        told = f"{label}, {len(values)} run{'s' * (len(values) != 1)}"
        lanes.append(Lane(label=told, now=label == "now", top=top, dots=dots))
        top += _LABEL + tall
    return Spread(
        lanes=tuple(lanes), band=_band(axis, bounds),
        reference=None if reference is None or not math.isfinite(reference) else axis.place(reference),
        ticks=axis.ticks(scale), axis=top + 3, height=top + _AXIS, text=_told(now, then, bounds, reference, scale),
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
        step = _step((high - low) / _TICKS)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        found = [number * step for number in range(first, last + 1)]
        if len(found) < 2:
            return ends
        tiny = max(map(abs, found)) < LEAST_WRITTEN_OUT
        texts = [
            scientific(number) if tiny else f"{number:,.{digits}f}".replace("-", "−") for number in found
        ]
        texts[-1] += scale.suffix
        return tuple(
            (self.place(number / scale.factor), text) for number, text in zip(found, texts, strict=True)
        )


def _step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is no smaller than `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


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


def _band(axis: _Axis, bounds: tuple[float | None, float | None]) -> tuple[float, float] | None:
    if bounds == (None, None):
        return None
    left, right = (
        end if bound is None or not math.isfinite(bound) else axis.place(bound)
        for bound, end in zip(bounds, (0.0, WIDTH), strict=True)
    )
    return left, round(max(2.0, right - left), 1)


def _told(
    now: Iterable[float],
    then: Iterable[float],
    bounds: tuple[float | None, float | None],
    reference: float | None,
    scale: Scale,
) -> str:
    """Say what the drawing shows."""
    parts = []
    for label, values in (("Baseline", list(then)), ("Now", list(now))):
        if values:
            middle = f"{scale.text(values[0])} to {scale.text(values[-1])}, median {scale.text(statistics.median(values))}"
            parts.append(f"{label}: {len(values)} run{'s' * (len(values) != 1)}, {middle}.")
    if reference is not None and not then:
        parts.append(f"Reference: {scale.text(reference)}.")
    ends = [scale.text(bound, none="") for bound in bounds]
    if any(ends):
        parts.append(
            f"Allowed: {' to '.join(ends) if all(ends) else ('at least ' + ends[0] if ends[0] else 'at most ' + ends[1])}."
        )
    return " ".join(parts)
