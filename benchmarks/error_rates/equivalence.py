"""How often `harness compare` calls two groups equivalent or DIFFERENT, by simulation; docs/compare.md prints the table."""

from __future__ import annotations

import collections
import typing

import numpy as np

from harness.judging import equivalence

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = ("none", "2 true sd", "the printed margin")
"""True differences."""
LEVEL, SD = 0.5, 0.001
"""Mean and standard deviation of a run, as shares: 2 sd stay below half a point."""
FIXED = 100 * 2 * SD
"""Margin of 2 true standard deviations, in points."""


def table(trials: int, seed: int) -> list[dict[str, typing.Any]]:
    """Return one row for every number of runs, margin and true difference, with the shares of both verdicts.

    Parameters
    ----------
    trials : int
        Pairs of groups of normal values a row.
    seed : int
        Of all draws.
    """
    return list(_rows(trials, np.random.default_rng(seed)))


def _rows(trials: int, generator: np.random.Generator) -> Iterator[dict[str, typing.Any]]:
    for runs in (5, 7, 10, 20):
        for points in (FIXED, None):
            # with a fixed margin the printed one is 2 true standard deviations
            for difference in ROWS if points is None else ROWS[:2]:
                counts = _count(generator, trials, runs, points, difference)
                shares = {word: counts[word] / trials for word in ("equivalent", "different")}
                yield {
                    "runs": runs,
                    "margin": "2 true sd" if points else "2 sd of A",
                    "difference": difference,
                    **shares,
                }


def _count(
    generator: np.random.Generator, trials: int, runs: int, points: float | None, difference: str
) -> collections.Counter[str]:
    found: collections.Counter[str] = collections.Counter()
    for _ in range(trials):
        a = generator.normal(LEVEL, SD, runs)
        chosen = equivalence.USUAL if points is None else equivalence.Margin(points, "points")
        margin = chosen.of(a, share=True) or 0.0
        away = {"none": 0.0, "2 true sd": 2 * SD, "the printed margin": margin}[difference]
        b = generator.normal(LEVEL + away, SD, runs)
        found[equivalence.judge(a, b, margin).verdict] += 1
    return found
