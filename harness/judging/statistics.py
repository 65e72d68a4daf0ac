"""The few statistics that judging uses: quantiles, an exact rank test, and what it can decide at all."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import typing

import numpy as np

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

K = typing.TypeVar("K", bound=typing.Hashable)


@functools.cache
def t_quantile(level: float, degrees: int) -> float:
    """Quantile of Student's t at `level` with `degrees` of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, level))


@functools.cache
def chi2_quantile(level: float, degrees: float) -> float:
    """Quantile of the chi-square distribution with `degrees` degrees of freedom at `level`."""
    from scipy.special import chdtri

    return float(chdtri(degrees, 1 - level))


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
    # how many of `high` each of `low` is not below: a tie counts as above
    above = np.searchsorted(np.sort(high), low, side="right")  # (m,)
    return _rank_p_of(int(above.sum()), len(low), len(high))


@functools.lru_cache(maxsize=65536)
def _rank_p_of(above: int, low: int, high: int) -> float:
    """Return the exact p of Mann and Whitney's U, which depends on U and the sizes only: a gate of many metrics asks for few of them."""
    from scipy.stats import mannwhitneyu

    whole, rest = divmod(above, high)
    # samples with that U: some of `low` above all of `high`, one above `rest` of it, the others below
    values = np.full(low, -0.5)
    values[:whole] = high
    if rest:
        values[whole] = rest - 0.5
    return float(mannwhitneyu(values, np.arange(high), alternative="less", method="exact").pvalue)


def rank_p_floor(a: int, b: int) -> float:
    """Smallest p that the exact rank test of `a` against `b` runs can reach: 1 / (a + b choose a)."""
    return 1 / math.comb(a + b, a)


def runs_to_decide(against: int, level: float, least: int) -> int:
    """Fewest runs, at least `least`, whose rank test against `against` runs can reach `level`."""
    return next(runs for runs in itertools.count(least) if rank_p_floor(runs, against) <= level)


# -- tests and estimates of the gate --------------------------------------------------------------


def signflip_p(differences: Floats) -> float:
    """Exact chance, under random signs, of a sum at least as large as the one found (Fisher 1935).

    Parameters
    ----------
    differences : float64 array of shape (n,)
        Multiples of one half, such as differences of mid-ranks.

    Returns
    -------
    float
        1 / 2^n at least; 1 where nothing differs.
    """
    halves = np.rint(2 * np.asarray(differences, np.float64)).astype(np.int64)
    # in units of what all have in common: the same images flipped by every checkpoint take no longer than by one
    halves //= max(1, int(np.gcd.reduce(halves, initial=0)))
    chances = np.array([1.0])
    for size in np.abs(halves[halves != 0]).tolist():
        half = chances / 2
        chances = np.zeros(len(half) + 2 * size)
        chances[: len(half)] = half
        chances[2 * size :] += half
    return min(1.0, float(chances[int(np.abs(halves).sum() + halves.sum()) :].sum()))


def paired_rank_p(base: Floats, head: Floats) -> float:
    """Exact p that `head` ranks above `base`, pair by pair, when a coin ordered each pair.

    All values are ranked together; differences of the ranks' normal scores (van der Waerden 1952), rounded to whole 32nds, are tested by
    `signflip_p`. As weights of a rank test they lose nothing to the t test on bell-shaped noise and gain on any other (Chernoff and Savage
    1958). The coin alone makes the level hold, whatever the noise looks like.

    Parameters
    ----------
    base, head : float64 arrays of shape (n,)
        Value i of both is one pair.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([base, head]))  # (2 n,), equal values share their middle rank
    scores = np.rint(32 * ndtri(ranks / (len(ranks) + 1)))
    return signflip_p(scores[len(base) :] - scores[: len(base)])


def predicted_share(
    share: Floats, seen: int, images: int, *, level: float, above: NDArray[np.bool_]
) -> Floats:
    """Return how far from `share` the share of further images may lie by drawing them alone: exact counts, rare ones too.

    A count is accepted if Fisher's exact test (1935) of it against what was seen does not refuse it. A normal bound is too narrow
    where a share is small: one cell of a confusion matrix holds a handful of images.

    Parameters
    ----------
    share : float64 array of any shape
        Shares found, 0 to 1.
    seen, images : int
        Images that they rest on, and images of the further draw.
    level : float
        Probability, of one side, that a further share keeps the distance.
    above : bool array of that shape
        Which side: whether the further share is the larger.

    Returns
    -------
    float64 array of that shape
        Distance, at least 0.
    """
    from scipy.stats import hypergeom

    found, side = np.asarray(share, np.float64).ravel(), np.asarray(above).ravel()
    # a share that lies below is a share of the other images that lies above
    successes = np.rint(np.where(side, found, 1 - found) * seen)
    low, high = np.floor(successes / seen * images), np.full(found.shape, images + 1.0)
    while (high - low > 1).any():  # accepted, refused
        middle = np.floor((low + high) / 2)
        refused = hypergeom.sf(middle - 1, seen + images, successes + middle, images) <= 1 - level
        low, high = np.where(refused, low, middle), np.where(refused, middle, high)
    return np.asarray(np.maximum(low / images - successes / seen, 0.0).reshape(np.shape(share)))


def worse_p(base: Floats, head: Floats) -> tuple[float, float]:
    """One-sided p values that `head` lies below `base`: of a t bound from `base` alone, and of exact ranks.

    The spread is the baseline's only: a candidate that got noisier must not widen its own bound. Ranks of fewer
    than three runs on a side decide nothing: their p is 1.

    Parameters
    ----------
    base, head : float64 arrays of shapes (m,) and (n,)
        Turned so that larger is better; m at least 2.
    """
    from scipy.special import stdtr

    error = float(base.std(ddof=1)) * math.sqrt(1 / len(base) + 1 / len(head))
    gap = float(base.mean() - head.mean())
    certain = 0.0 if gap > 0 else 1.0
    bound = float(stdtr(len(base) - 1, -gap / error)) if error > 0 else certain
    ranks = rank_p(head, base) if min(len(base), len(head)) >= 3 else 1.0
    return bound, ranks


def pooled_t_p(base: Floats, head: Floats) -> float:
    """One-sided p of Student's t test that `head` lies above `base`, variances pooled; 1 where nothing varies.

    Parameters
    ----------
    base, head : float64 arrays of shape (n,)
        n at least 2.
    """
    from scipy.special import stdtr

    error = math.sqrt((base.var(ddof=1) + head.var(ddof=1)) / len(base))
    return float(stdtr(2 * len(base) - 2, -(head.mean() - base.mean()) / error)) if error > 0 else 1.0


def median_interval(pairwise: Floats, shape: tuple[int, int], level: float = 0.99) -> tuple[float, float]:
    """Interval of a median of all pairwise differences or ratios, by inverting the rank test (Hodges and Lehmann 1963).

    Parameters
    ----------
    pairwise : float64 array of shape (m * n,)
        All differences or ratios.
    shape : (m, n)
        How many values there were on each side.
    level : float
        Coverage, by the normal approximation of the rank sum; with few runs the extremes, which cover less.
    """
    m, n = shape
    ordered = np.sort(pairwise)
    away = normal_quantile(0.5 + level / 2) * math.sqrt(m * n * (m + n + 1) / 12)
    first = max(0, math.floor(m * n / 2 - away))
    return float(ordered[first]), float(ordered[m * n - 1 - first])


def holm(ratios: Mapping[K, float]) -> dict[K, tuple[int, bool]]:
    """Step down through tests made at once (Holm 1979).

    Parameters
    ----------
    ratios : mapping
        Test to its p as a share of its own level.

    Returns
    -------
    dict
        Test to the divisor of its level and whether it is confirmed.
    """
    found: dict[K, tuple[int, bool]] = {}
    confirmed = True
    for rank, (key, ratio) in enumerate(sorted(ratios.items(), key=lambda pair: pair[1])):
        divisor = len(ratios) - rank
        confirmed = confirmed and ratio * divisor <= 1 + 1e-9
        found[key] = divisor, confirmed
    return found


# -- equivalence ----------------------------------------------------------------------------------

MOST_RUNS = 1000
"""Where more runs a side would be needed, the answer is that no number of runs decides it."""
_FAR = 35.0


@dataclasses.dataclass(frozen=True, slots=True)
class Tost:
    """Two one-sided tests of one difference against a margin on each side (Schuirmann 1987)."""

    difference: float
    """Mean of the second group less mean of the first."""
    lower: float
    """Lower end of the interval that leaves `level` out on each side."""
    upper: float
    """Its upper end."""
    p_low: float
    """p of the test that the difference lies above ``-margin``."""
    p_high: float
    """p of the test that it lies below ``margin``."""


def welch_tost(first: Floats, second: Floats, margin: float, level: float = 0.05) -> Tost:
    """Test whether two means differ by less than a margin, by two one-sided t tests of unequal variances (Welch 1947).

    Both p lie below `level` exactly where the interval lies within ``(-margin, margin)``. An interval that misses the true
    difference on one side is drawn in a share `level`; so is, at most, a true difference of the margin called smaller, whatever
    the margin was computed from.

    Parameters
    ----------
    first, second : float64 arrays of shapes (m,) and (n,)
        At least two values each.
    margin : float
        Not negative, in the unit of the values.
    level : float
        Share of errors on each side.
    """
    from scipy.special import stdtr, stdtrit

    difference = float(second.mean() - first.mean())
    # equal values have no variance, but their mean may be rounded
    parts = [float(group.var(ddof=1)) / len(group) if np.ptp(group) else 0.0 for group in (first, second)]
    error = math.sqrt(sum(parts))
    if error == 0:
        p_low, p_high = float(difference <= -margin), float(difference >= margin)
        return Tost(difference, difference, difference, p_low, p_high)
    # shares first: variances far below one would underflow when squared
    lost = [
        (part / error**2) ** 2 / (len(group) - 1) for part, group in zip(parts, (first, second), strict=True)
    ]
    degrees = 1 / sum(lost)
    away = float(stdtrit(degrees, 1 - level)) * error
    p_low = float(stdtr(degrees, -(difference + margin) / error))
    p_high = float(stdtr(degrees, (difference - margin) / error))
    return Tost(difference, difference - away, difference + away, p_low, p_high)


def tost_power(runs: int, difference: float, margin: float, sd: float, level: float = 0.05) -> float:
    """Chance that `runs` a side show a true `difference` to lie within the margin, or beyond it if it does.

    Within, it is the Bonferroni bound ``P(T1) + P(T2) - 1``, each from the noncentral t distribution; it is exact to three
    digits where the power is worth having.

    Parameters
    ----------
    runs : int
        On each side, at least 2.
    difference, margin, sd : float
        True difference, margin, and standard deviation of a single run on both sides, in one unit; `sd` above 0.
    level : float
        Level of each side.
    """
    from scipy.special import nctdtr

    degrees, error = 2 * (runs - 1), sd * math.sqrt(2 / runs)
    critical = t_quantile(1 - level, degrees)

    def reached(distance: float) -> float:
        # so far out the distribution function is not computed, and the chance is 1 to every digit
        shift = min(distance / error, _FAR)
        return 1 - float(nctdtr(degrees, shift, critical))

    gap = abs(difference) - margin
    return reached(gap) if gap > 0 else max(0.0, reached(-gap) + reached(margin + abs(difference)) - 1)


def runs_for_tost(difference: float, margin: float, sd: float, power: float = 0.9) -> int | None:
    """Fewest runs a side with which a true `difference` would be decided with chance `power`; None above `MOST_RUNS`."""
    if sd == 0:
        return 2
    return fewest(1, lambda runs: tost_power(runs, difference, margin, sd) >= power)


def fewest(too_few: int, enough: Callable[[int], bool]) -> int | None:
    """Return the smallest number of runs above `too_few` that is enough; None if `MOST_RUNS` are not. More are never worse."""
    if not enough(MOST_RUNS):
        return None
    low, high = too_few, MOST_RUNS  # `low` is too few, `high` is enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def sign_test(net: NDArray[np.int64]) -> float:
    """Two-sided exact p of net changes that a coin would have turned round: McNemar's test where each is 1, 0 or -1.

    Parameters
    ----------
    net : int64 array of shape (n,)
        Changes for the worse less those for the better, item by item.
    """
    return min(1.0, 2 * min(signflip_p(net.astype(np.float64)), signflip_p(-net.astype(np.float64))))


def rank_coverage(a: int, b: int, level: float = 0.99) -> float:
    """Coverage of `median_interval` from `a` and `b` runs: `level`, or less where few runs leave only the extremes."""
    return min(level, 1 - 2 * rank_p_floor(a, b))
