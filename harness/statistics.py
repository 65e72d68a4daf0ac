"""The few statistics that judging uses: quantiles, an exact rank test, and what it can decide at all."""

from __future__ import annotations

import functools
import itertools
import math
import typing

import numpy as np

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@functools.cache
def t_quantile(level: float, degrees: int) -> float:
    """Quantile of Student's t at `level` with `degrees` of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, level))


@functools.cache
def normal_quantile(level: float) -> float:
    """Quantile of the standard normal distribution at `level`."""
    from scipy.special import ndtri

    return float(ndtri(level))


def spread(values: Floats) -> float | None:
    """Return the standard deviation over runs, (runs,) to a number; None below two runs."""
    return float(values.std(ddof=1)) if len(values) > 1 else None


def rank_p(low: Floats, high: Floats) -> float:
    """Exact one-sided p that `low` ranks below `high` (Mann and Whitney 1947); ties count against it.

    SciPy's exact distribution takes no account of ties. Each tie is broken against the finding here, so that
    the level holds.

    Parameters
    ----------
    low, high : float64 arrays of shapes (m,) and (n,)
        Values of the group said to be lower, and of the other.
    """
    from scipy.stats import mannwhitneyu

    # a stable sort puts equal values of `high`, which comes first, below those of `low`
    ranks = np.empty(len(high) + len(low))
    ranks[np.argsort(np.concatenate([high, low]), kind="stable")] = np.arange(len(ranks))
    test = mannwhitneyu(ranks[len(high) :], ranks[: len(high)], alternative="less", method="exact")
    return float(test.pvalue)


def rank_p_floor(a: int, b: int) -> float:
    """Smallest p that the exact rank test of `a` against `b` runs can reach: 1 / (a + b choose a)."""
    return 1 / math.comb(a + b, a)


def runs_to_decide(against: int, level: float, least: int) -> int:
    """Fewest runs, at least `least`, whose rank test against `against` runs can reach `level`."""
    return next(runs for runs in itertools.count(least) if rank_p_floor(runs, against) <= level)
