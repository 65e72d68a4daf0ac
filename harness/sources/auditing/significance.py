"""The two tests that checks of printed numbers use, on `scipy.special`: `scipy.stats` takes longer to import than the whole audit."""

from __future__ import annotations

import math
import typing

import numpy as np

_TIE = 1e-7
"""Counts whose chances differ by less, relatively, are equally likely; SciPy's own allowance."""


class Sample(typing.NamedTuple):
    """A group as a source prints it."""

    mean: float
    """Mean over the runs."""
    deviation: float
    """Standard deviation of a single run."""
    runs: int
    """How many there were, at least 2."""


def binomial_p(right: int, total: int, chance: float) -> float:
    """Two-sided exact p of `right` hits: the share of all outcomes that are no likelier.

    Parameters
    ----------
    right, total : int
        Hits, and trials.
    chance : float
        Probability of a hit.

    Raises
    ------
    ValueError
        If there are more hits than trials, no trials, or the chance is none.
    """
    from scipy.special import gammaln, xlog1py, xlogy

    if not 0 <= right <= total or total < 1 or not 0 <= chance <= 1:
        raise ValueError(f"{right} of {total} at a chance of {chance:g} is no binomial count")
    hits = np.arange(total + 1.0)
    ways = gammaln(total + 1) - gammaln(hits + 1) - gammaln(total - hits + 1)
    shares = np.exp(ways + xlogy(hits, chance) + xlog1py(total - hits, -chance))  # (total + 1,)
    return min(1.0, float(shares[shares <= shares[right] * (1 + _TIE)].sum()))


def welch_p(first: Sample, second: Sample) -> float:
    """Two-sided p that two means are equal, by Welch's t test (1947) of unequal variances."""
    from scipy.special import stdtr

    parts = [group.deviation**2 / group.runs for group in (first, second)]
    error = sum(parts)
    if error == 0:
        return float(first.mean == second.mean)
    lost = sum(part**2 / (group.runs - 1) for part, group in zip(parts, (first, second), strict=True))
    return 2 * float(stdtr(error**2 / lost, -abs(first.mean - second.mean) / math.sqrt(error)))
