"""Where the level of a sequence changes, and which of its points are spikes. Pure; docs/history.md has the error rates.

Change points come from ruptures: the least-squares segmentation whose number of segments is penalised (Killick, Fearnhead and Eckley
2012). A change needs two points on its far side, so the newest point alone never makes one: that is what a gate is for.
"""

from __future__ import annotations

import dataclasses
import math
import typing

import numpy as np

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.records import Direction

    Floats = NDArray[np.float64]

PENALTY = 3.0
"""Cost of a level, times ln(points), in units of the noise's variance."""
LEAST_NOISY = 6
"""Shorter lines with noise have no change points; values that repeat exactly need two on each side."""
LEAST_SEGMENT = 2
NEAR = 20
"""Points on each side of a step that are compared with a trend."""
SPIKE = 5.0
"""Distance of a spike from its neighbours, in standard deviations of the noise."""
SPARKS = "▁▂▃▄▅▆▇█"
_NORMAL_MAD = 0.6745
_ROUNDING = 1e-6

Direct = typing.Literal["better", "worse", "differs"]


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A commit from which a metric has another level, or the only one that has."""

    index: int
    """First point of the new level, or the spike."""
    before: float
    """Mean of the level that ended, or of the points round the spike."""
    after: float
    """Mean of the new level, or value of the spike."""
    direction: Direct
    """Whether that is better, worse, or a metric without direction that differs."""
    spike: bool = False
    """Whether the level returned with the next point."""


def changes(values: Floats, better: Direction, *, spikes: bool = False) -> list[Change]:
    """Find where the level of a sequence, (points,) oldest first, changes; with `spikes` also single points far from those before and after."""
    starts, alone = segmented(values)
    inner = np.setdiff1d(np.arange(len(values)), alone)
    found = []
    for a, start, b in zip([0, *starts], starts, [*starts[1:], len(values)], strict=False):
        before, after = (
            float(values[inner[(inner >= a) & (inner < b)]].mean()) for a, b in ((a, start), (start, b))
        )
        found.append(Change(start, before, after, _direction(before, after, better)))
    for index in alone if spikes else ():
        before, after = float(values[index - 1] + values[index + 1]) / 2, float(values[index])
        found.append(Change(index, before, after, _direction(before, after, better), spike=True))
    return sorted(found, key=lambda change: change.index)


def segmented(values: Floats) -> tuple[list[int], list[int]]:
    """Return the first index of every level but the first, and the indices of spikes."""
    if len(values) < 2 * LEAST_SEGMENT or np.ptp(values) == 0:
        return [], []
    repeated = _repeated(values)
    if repeated is not None:
        return repeated
    if len(values) < LEAST_NOISY:
        return [], []
    spread = noise(values)
    alone, calm = _spikes(values, spread)
    return _levels((calm - np.median(calm)) / spread), alone


def _repeated(values: Floats) -> tuple[list[int], list[int]] | None:
    """Return levels and spikes of values that repeat exactly, so that every step is real; None if they have noise.

    Noise on a coarse grid repeats too. It gives itself away by values that occur once and are gone: where these are as rare as the
    root of a twentieth of the points, two of them in a row, which would look like a level, are expected in less than a twentieth of sequences.
    """
    count = len(values)
    moved = np.flatnonzero(np.abs(np.diff(values)) > _rounding(values)) + 1
    edges = [0, *moved.tolist(), count]
    lengths = np.diff(edges)
    single = [edge for edge, length in zip(edges, lengths, strict=False) if length == 1 and edge < count - 1]
    levels = int((lengths > 1).sum())
    if len(single) > max(int(count > 4), math.sqrt(count / 20)) or not levels or levels > 1 + count / 3:
        return None
    calm, alone = values.copy(), []
    for index in single:
        if index > 0 and abs(values[index + 1] - calm[index - 1]) <= _rounding(values):
            alone.append(index)
        calm[index] = values[index + 1]
    if lengths[-1] == 1:
        calm[-1] = calm[-2]
    return (np.flatnonzero(np.abs(np.diff(calm)) > _rounding(values)) + 1).tolist(), alone


def _rounding(values: Floats) -> float:
    return max(_ROUNDING * float(np.abs(values).max()), float(np.finfo(np.float64).tiny))


def noise(values: Floats) -> float:
    """Estimate the standard deviation round the levels from successive differences, which a few steps hardly touch.

    Means of 2, 4, 8 ... points are looked at too, as long as there are ten: noise that drifts moves them further apart than their
    number explains, and the largest estimate counts. It is raised for short sequences, whose estimate is itself uncertain. Where most
    values repeat, it is taken from the differences that are not zero.
    """
    count, size, largest = len(values), 1, 0.0
    while size == 1 or count // size >= 10:
        blocks = values[count % size :].reshape(-1, size).mean(axis=1)  # (count // size,)
        steps = np.abs(np.diff(blocks))
        sd = float(np.median(steps)) / (_NORMAL_MAD * math.sqrt(2))
        if size == 1:
            moving = steps[steps > 0]
            sd = sd or float(np.median(moving)) / math.sqrt(2)
            largest = sd * (1 + 4 / count)
        else:
            largest = max(largest, sd * math.sqrt(size) * (1 - 1 / math.sqrt(len(blocks))))
        size *= 2
    return max(largest, _rounding(values))


def _spikes(values: Floats, spread: float) -> tuple[list[int], Floats]:
    """Return the indices of spikes, and the values with what lies round a spike in its place."""
    calm, alone = values.copy(), []
    near = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2)
    for index in (np.flatnonzero(near > SPIKE * spread) + 1).tolist():
        before, after = calm[max(0, index - 2) : index], values[index + 1 : index + 3]
        both = np.concatenate([before, after])
        away, apart = abs(values[index] - np.median(both)), abs(before.mean() - after.mean())
        level = apart < away / 2 and np.ptp(both) <= max(SPIKE * spread, away / 2)
        if len(both) > 2 and away > SPIKE * spread and level:
            alone.append(index)
            calm[index] = np.median(both)
    # what the first or the newest point says alone is no level either
    for edge, near_edge in ((0, 1), (-1, -2)):
        if abs(values[edge] - calm[near_edge]) > SPIKE * spread:
            calm[edge] = calm[near_edge]
    return alone, calm


def _levels(signal: Floats) -> list[int]:
    """Return where levels begin in a signal whose noise has variance 1; a slow trend is no step.

    A step must explain the points round it better than a straight line does, by ln(points).
    """
    import ruptures

    count = len(signal)
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_SEGMENT).fit(signal[:, None])  # (points, 1)
    starts = [int(end) for end in search.predict(pen=PENALTY * math.log(count))[:-1]]
    while starts:
        edges = [0, *starts, count]
        gains = [
            _gain(signal[max(a, start - NEAR) : start], signal[start : min(b, start + NEAR)])
            for a, start, b in zip(edges, starts, edges[2:], strict=False)
        ]
        weakest = int(np.argmin(gains))
        if gains[weakest] >= math.log(count):
            break
        del starts[weakest]
    return starts


def _gain(before: Floats, after: Floats) -> float:
    """Return by how much two levels leave less of the squares than one straight line."""
    both = np.concatenate([before, after])
    times = np.arange(len(both)) - (len(both) - 1) / 2
    slope = float(times @ both) / float(times @ times)
    line = both - both.mean() - slope * times
    return float(line @ line) - float(before.var() * len(before) + after.var() * len(after))


def _direction(before: float, after: float, better: Direction) -> Direct:
    if better == "none":
        return "differs"
    return "better" if (after > before) == (better == "higher") else "worse"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Draw the newest values as a row of blocks, lowest to highest; a constant is a row of the lowest."""
    shown = np.asarray(values[-width:], np.float64)
    span = float(np.ptp(shown)) if len(shown) else 0.0
    if span == 0:
        return SPARKS[0] * len(shown)
    heights = (shown - shown.min()) / span * (len(SPARKS) - 1)
    return "".join(SPARKS[round(float(height))] for height in heights)
