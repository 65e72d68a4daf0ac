"""Which commit moved a metric: a binary search whose every answer is noisy. Pure; docs/history.md has the error rates.

A search keeps the chance of every commit that the metric has its new level from there on, asks for a run at the commit that halves
these chances, and ends when one commit has almost all of them (Horstein 1963; Burnashev and Zigangirov 1974). Two runs that
contradict each other cost further runs and do not lead it astray, as they do plain bisection.
"""

from __future__ import annotations

import typing

import numpy as np

from harness.judging.gate import rules

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from harness.records import Kind, Look

    Floats = NDArray[np.float64]
    Values = Sequence[Sequence[float]]

SURE = 0.997
"""Chance of one commit at which a search ends."""
LIKELY = 0.9
"""Chance from which on a commit is only held against the one before it."""
DEGREES = 4.0
"""Degrees of freedom of Student's t in which noise is thought of: a run far off counts for little."""
LEAST_NOISE = 0.1
"""Standard deviation, as a share of the gap between the levels, of one value that is taken for seen: runs that agree by chance prove no silence."""
ROUNDS = 12
"""Steps of the fit of two levels."""
MOST_VALUES = 40
"""Values of one commit after which further ones are not asked for."""
LEAST_VALUES = 2
"""Values that the commits on both sides of the step need before a search ends."""
END_LOOKS = (5, 10, 20)
"""Runs of each end at which scores and memory are looked at; times have the looks of a gate's confirm round."""


def halves(count: int) -> Iterator[int]:
    """Yield the places 0 to `count` - 1: both ends, then halves, quarters and so on: what is still open is spread evenly at any time."""
    yield from sorted({0, count - 1})
    gaps = [(0, count - 1)]
    while gaps:
        low, high = gaps.pop(0)
        middle = (low + high) // 2
        if low < middle:
            yield middle
            gaps += [(low, middle), (middle, high)]


# -- do the ends differ? --------------------------------------------------------------------------


def end_looks(kind: Kind) -> tuple[int, ...]:
    """Return the numbers of runs, or of pairs for times, at which the two ends are looked at."""
    return tuple(rules.RUNTIME_CONFIRM) if kind == "runtime" else END_LOOKS


def look(metric: str, kind: Kind, unit: str, good: Floats, bad: Floats, images: float | None = None) -> Look:
    """Look at both ends in the direction in which they differ, by the gate's own test of such a metric.

    Parameters
    ----------
    metric, kind, unit : str
        Name, kind and unit.
    good, bad : float64 arrays of shape (n,)
        Values; times as pairs. n is one of `end_looks`.
    images : float, optional
        See `harness.judging.gate.rules.smallest`.
    """
    higher = float(bad.mean()) > float(good.mean())
    if kind == "runtime":
        slow, fast = (bad, good) if higher else (good, bad)
        return rules.runtime_look(metric, fast, slow, round_="confirm")
    worse: rules.Worse = "higher" if higher else "lower"
    taken: rules.Taken = "single" if len(bad) == END_LOOKS[0] else "confirm"
    if kind == "memory":
        return rules.memory_look(metric, good, bad, worse=worse, round_=taken)
    floor = rules.smallest(kind, unit, float(good.mean()), images)
    return rules.score_look(metric, good, bad, worse=worse, round_=taken, floor=floor)


# -- where between them? --------------------------------------------------------------------------


def chances(values: Values, gap: float, *, from_zero: bool = False) -> Floats:
    """Return the chance of each commit but the first that it is the first one of the new level.

    Parameters
    ----------
    values : sequence of sequences of float
        Values of each commit, oldest first; empty for a commit that has not run. The last has some.
    gap : float
        By how much the ends differ, in the unit of the values, not 0.
    from_zero : bool
        Whether the values are differences from the first commit, so that the old level is 0 exactly.

    Returns
    -------
    float64 array of shape (commits - 1,)
        They add up to 1. Commits between two that ran share theirs evenly.
    """
    having = [place for place, own in enumerate(values) if len(own) and place]
    flat = np.concatenate([np.asarray(values[place], np.float64) for place in [0, *having]]) / abs(gap)
    owner = np.repeat([0, *having], [len(values[place]) for place in [0, *having]])  # (n,)
    old = (
        owner < np.asarray(having)[:, None]
    )  # (cuts, n), whether a value is of the old level if the cut is there
    scores = _fits(flat, old, from_zero=from_zero)
    cut = np.searchsorted(
        having, np.arange(1, len(values))
    )  # (commits - 1,), the cut that each commit belongs to
    shares = np.exp(scores - scores.max())[cut]
    return np.asarray(shares / shares.sum())


def _fits(flat: Floats, old: NDArray[np.bool_], *, from_zero: bool) -> Floats:
    """Return the log likelihood of two levels in noise of Student's t for each cut, (cuts,), as a fit of so many unknowns is worth."""
    groups = (old, ~old)
    weights = np.ones(old.shape)
    squares = np.empty(old.shape)
    for _ in range(ROUNDS):
        for is_new, group in enumerate(groups):
            held = weights * group
            mass = held.sum(axis=1)
            centre = (held @ flat) / np.maximum(mass, 1e-300) * (is_new or not from_zero)
            squares = np.where(group, (flat - centre[:, None]) ** 2, squares)  # (cuts, n)
        scale = ((weights * squares).sum(axis=1) + LEAST_NOISE**2) / (len(flat) + 1)  # (cuts,)
        weights = (DEGREES + 1) / (DEGREES + squares / scale[:, None])
    tails = np.log1p(squares / (DEGREES * scale[:, None])).sum(axis=1)
    fitted = -((len(flat) + 1) / 2) * np.log(scale) - (DEGREES + 1) / 2 * tails
    unknowns = 2 if from_zero else 3
    return np.asarray(fitted * (len(flat) - unknowns) / len(flat))


def exact_chances(values: Values) -> Floats:
    """Return the same for values without noise: a commit whose value is nearer to the last one's than to the first one's has moved."""
    first, last = values[0][0], values[-1][0]
    moved = [bool(own) and abs(own[0] - last) < abs(own[0] - first) for own in values]
    until = moved.index(True)
    since = max(place for place, own in enumerate(values[:until]) if own)
    places = np.arange(1, len(values))
    open_ = ((places > since) & (places <= until)).astype(np.float64)
    return np.asarray(open_ / open_.sum())


def following(shares: Floats, values: Values, *, least: int = LEAST_VALUES) -> int | None:
    """Return the place of the commit to run next; None if nothing is left to ask for: see `decided`.

    It is the commit that halves the chances best. Once one commit is likely, it and the one before it run in turn, until it is all but certain
    and both have `least` values: a single run may be an accident.

    Parameters
    ----------
    shares : float64 array of shape (commits - 1,)
        See `chances`.
    values : sequence of sequences of float
        Values of each commit; none of the first one if they are differences from it.
    least : int
        Values that both need; 1 for a metric without noise.
    """
    best = int(np.argmax(shares)) + 1
    sure = shares[best - 1] >= SURE
    able = [
        place
        for place in range(0 if len(values[0]) else 1, len(values))
        if len(values[place]) < (least if sure else MOST_VALUES)
    ]
    beside = [place for place in (best - 1, best) if place in able]
    if sure or (beside and shares[best - 1] >= LIKELY):
        return min(beside, key=lambda place: len(values[place]), default=None)
    below = np.cumsum(shares)  # (commits - 1,), chance that a commit has the new level
    inner = [place for place in able if 0 < place < len(values) - 1]
    return min(
        inner,
        key=lambda place: (round(abs(float(below[place - 1]) - 0.5), 6), len(values[place])),
        default=None,
    )


def decided(shares: Floats) -> int | None:
    """Return the place of the commit that is all but certain; None if there is none."""
    best = int(np.argmax(shares))
    return best + 1 if shares[best] >= SURE else None
