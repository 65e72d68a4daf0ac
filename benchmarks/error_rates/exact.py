"""The gate's tests for many trials at once: exact, and held against `harness.statistics` in the tests of this package.

Rows are trials. Nothing here decides at what level an alarm is raised: levels and floors are the gate's own.
"""

from __future__ import annotations

import functools
import math
import typing

import numpy as np

from harness.statistics import normal_scores

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

CLOSE = 1e-12
_CHUNK = 4_000_000
"""Numbers held at once, at most; keeps a step's working memory below about 100 MB."""


def signflip_p(differences: Floats) -> Floats:
    """Exact chance, under random signs, of a sum at least as large as the one found, (trials, n) to (trials,).

    The number of ways to reach each sum is read off the product of cosines that is its Fourier transform, which has no more
    terms than there are sums, so that nothing is approximated.
    """
    if not len(differences):
        return np.empty(0)
    halves = np.rint(2 * differences).astype(np.int64)
    if not (halves % 2).any():
        halves //= 2
    size = np.abs(halves)  # (trials, n)
    total = size.sum(axis=1)
    # X, the sum of the sizes whose sign is drawn positive, lies between 0 and the total; p = P(X >= reached)
    reached = (total + halves.sum(axis=1)) // 2
    terms = int(total.max()) | 1  # odd: frequencies above zero come in equal pairs
    rows = max(1, _CHUNK // terms)
    parts = [
        _fourier_tail(size[start : start + rows], total[start : start + rows], reached[start : start + rows], terms + 2)
        for start in range(0, len(size), rows)
    ]  # fmt: skip
    return np.clip(np.concatenate(parts), 0.0, 1.0)


def _fourier_tail(
    size: NDArray[np.int64], total: NDArray[np.int64], reached: NDArray[np.int64], period: int
) -> Floats:
    """P(X >= reached), where X takes each size with chance one half; `period` is odd and above every total."""
    cosines = np.cos(np.pi * np.arange(2 * period) / period)
    k = np.arange(1, (period + 1) // 2)  # (frequencies,)
    product = np.ones((len(size), len(k)))
    for column in size.T:  # a loop over n: all trials and frequencies at once
        product *= cosines[np.multiply.outer(column, k) % (2 * period)]
    many = (total - reached + 1)[:, None]  # sums that count, (trials, 1)
    kernel = np.sin(np.pi * (many * k % (2 * period)) / period) / np.sin(np.pi * k / period)
    turned = cosines[reached[:, None] * k % (2 * period)]
    return np.asarray((many[:, 0] + 2 * (product * kernel * turned).sum(axis=1)) / period)


def signflip_within(differences: Floats, level: float) -> Bools:
    """Whether `signflip_p` is at most `level`, (trials, n) to (trials,); computed only where no bound tells.

    Of a sum z standard deviations from 0, p is at most exp(-z²/2) (Hoeffding 1963), and at least 1/20 while z is at most 1
    (Oleszkiewicz 1996).
    """
    if level >= 0.05:
        raise ValueError(f"the lower bound holds below a level of 0.05, not at {level:g}")
    norm = np.sqrt((differences**2).sum(axis=1))
    z = np.divide(differences.sum(axis=1), norm, out=np.zeros(len(norm)), where=norm > 0)
    within = np.exp(-0.5 * np.maximum(z, 0) ** 2) <= level
    open_ = ~within & (z > 1 - 1e-9)
    within[open_] = signflip_p(differences[open_]) <= level + CLOSE
    return np.asarray(within)


def paired_rank_differences(base: Floats, head: Floats) -> Floats:
    """Rank all values of a trial together; normal scores of head's ranks minus those of base's, (trials, n)."""
    from scipy.stats import rankdata

    pairs = base.shape[1]
    scores = normal_scores(rankdata(np.concatenate([base, head], axis=1), axis=1), 2 * pairs)  # (trials, 2 n)
    return np.asarray(scores[:, pairs:] - scores[:, :pairs])


def median_ratio(base: Floats, head: Floats) -> Floats:
    """Median of all n x n ratios head to base, (trials, n) to (trials,)."""
    return _pairwise_median(base, head, np.divide)


def median_difference(base: Floats, head: Floats) -> Floats:
    """Median of all m x n differences head minus base (Hodges and Lehmann 1963), to (trials,)."""
    return _pairwise_median(base, head, np.subtract)


def _pairwise_median(base: Floats, head: Floats, combine: np.ufunc) -> Floats:
    if not len(base):
        return np.empty(0)
    rows = max(1, _CHUNK // (base.shape[1] * head.shape[1]))
    parts = []
    for start in range(0, len(base), rows):
        chunk = slice(start, start + rows)
        all_pairs = combine(head[chunk, :, None], base[chunk, None, :])  # (rows, n, m)
        parts.append(np.median(all_pairs.reshape(len(all_pairs), -1), axis=1))
    return np.concatenate(parts)


def rank_p(low: Floats, high: Floats) -> Floats:
    """Exact one-sided p that `low` ranks below `high`, (trials, m) and (trials, n) to (trials,); ties count against it."""
    above = (low[:, :, None] >= high[:, None, :]).sum(axis=(1, 2))  # (trials,)
    return np.asarray(_rank_tail(low.shape[1], high.shape[1])[above])


@functools.cache
def _rank_tail(m: int, n: int) -> Floats:
    """P(U <= u) for u = 0 to m n, by counting (Mann and Whitney 1947): the Gaussian binomial coefficient's terms."""
    counts = [1] + [0] * (m * n)
    for i in range(1, m + 1):
        for u in range(m * n, n + i - 1, -1):  # times 1 - q^(n+i)
            counts[u] -= counts[u - n - i]
        for u in range(i, m * n + 1):  # divided by 1 - q^i
            counts[u] += counts[u - i]
    ways = math.comb(m + n, m)
    return np.cumsum([count / ways for count in counts])


def pooled_t_p(base: Floats, head: Floats) -> Floats:
    """One-sided p of Student's t test that `head` lies above `base`, (trials, n) each to (trials,)."""
    from scipy.special import stdtr

    n = base.shape[1]
    error = np.sqrt((base.var(axis=1, ddof=1) + head.var(axis=1, ddof=1)) / n)
    t = np.divide(
        head.mean(axis=1) - base.mean(axis=1), error, out=np.full(len(error), -np.inf), where=error > 0
    )
    return np.asarray(stdtr(2 * n - 2, -t))


def t_bound_p(base: Floats, head: Floats) -> Floats:
    """One-sided p that `head` lies below `base` by a t bound whose spread is that of `base` alone, to (trials,)."""
    from scipy.special import stdtr

    m, n = base.shape[1], head.shape[1]
    error = base.std(axis=1, ddof=1) * math.sqrt(1 / m + 1 / n)
    gap = base.mean(axis=1) - head.mean(axis=1)
    certain = np.where(gap > 0, np.inf, -np.inf)
    return np.asarray(stdtr(m - 1, -np.divide(gap, error, out=certain, where=error > 0)))
