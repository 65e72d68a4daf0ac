"""Whether two groups of runs score alike: Welch's two one-sided tests against a margin, 5% on each side.

A verdict is a statement about the margin that is printed with it. EQUIVALENT: the difference lies within. DIFFERENT: it lies beyond.
INCONCLUSIVE: neither was shown. docs/compare.md has the error rates.
"""

from __future__ import annotations

import dataclasses
import math
import typing

import numpy as np

from harness.records import Equivalence
from harness.statistics import runs_for_tost, spread, welch_tost

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Margin = float | typing.Literal["spread"] | None
"""Points (hundredths of a share); or 2 standard deviations of A, however large; or, by default, these and at most half a point."""
LEVEL = 0.05
"""Of each of the two tests."""
MARGIN_SPREADS = 2.0
MARGIN_SHARE = 0.005
"""Half a point: the most that counts as no difference between shares, however much runs vary."""


def is_share(unit: str, a: Floats, b: Floats) -> bool:
    """Whether values are shares between 0 and 1, which are told in points."""
    values = np.concatenate([a, b])
    return not unit and bool((values >= 0).all() and (values <= 1).all())


def margin_for(unit: str, a: Floats, b: Floats, asked: Margin) -> float | None:
    """Return the difference that counts as none: as asked for, or 2 standard deviations of A, for shares at most half a point.

    Parameters
    ----------
    unit : str
        Unit of the values.
    a, b : float64 arrays of shapes (m,) and (n,)
        Values of both sides.
    asked : Margin
        Points hold for shares only; elsewhere it is 2 standard deviations.

    Returns
    -------
    float or None
        None where A's single run has no spread to take it from.
    """
    share = is_share(unit, a, b)
    if isinstance(asked, (int, float)) and share:
        return asked / 100
    sd = spread(a)
    if sd is None:
        return None
    margin = MARGIN_SPREADS * sd
    return min(margin, MARGIN_SHARE) if share and asked != "spread" else margin


def judge(
    metric: str, unit: str, a: Floats, b: Floats, *, asked: Margin = None, identical: int = 0
) -> Equivalence:
    """Judge one score.

    Parameters
    ----------
    metric, unit : str
        What the values are.
    a, b : float64 arrays of shapes (m,) and (n,)
        Values of A's and of B's runs.
    asked : Margin
        See `margin_for`.
    identical : int
        Runs on each side whose every prediction is the other side's too, if that is true of all: then nothing is left to chance.
    """
    margin = margin_for(unit, a, b, asked)
    blank = Equivalence(
        metric=metric, unit=unit, verdict="INCONCLUSIVE", mean=(float(a.mean()), float(b.mean())), spread=(spread(a), spread(b)),
        runs=(len(a), len(b)), difference=float(b.mean() - a.mean()), lower=None, upper=None, margin=margin, p=None,
        runs_to_decide=None, reason="",
    )  # fmt: skip
    if identical:
        told = f"every prediction of {identical} run{'s' * (identical > 1)} is the same on both sides"
        return dataclasses.replace(blank, verdict="EQUIVALENT", reason=told)
    if min(len(a), len(b)) < 2 or margin is None:
        return _too_few(blank)
    test = welch_tost(a, b, margin, LEVEL)
    judged = dataclasses.replace(blank, lower=test.lower, upper=test.upper, p=max(test.p_low, test.p_high))
    if np.ptp(a) == np.ptp(b) == 0 and test.difference == 0:
        return dataclasses.replace(
            judged, verdict="EQUIVALENT", p=0.0, reason="every value is the same on both sides"
        )
    if judged.p is not None and judged.p <= LEVEL:
        return dataclasses.replace(
            judged, verdict="EQUIVALENT", reason="the difference lies within the margin"
        )
    if test.lower >= margin or test.upper <= -margin:
        return dataclasses.replace(judged, verdict="DIFFERENT", reason=_different(a, margin))
    return _undecided(judged, margin)


def _different(a: Floats, margin: float) -> str:
    if margin == 0 and np.ptp(a) == 0:
        return "A's runs do not vary, so that any difference lies beyond 2 standard deviations; --margin names one that matters"
    return "the difference lies beyond the margin"


def _too_few(blank: Equivalence) -> Equivalence:
    """Say how many runs would decide if both sides were alike."""
    known = [sd for sd in blank.spread if sd is not None]
    # without a spread the margin is 2 of them, whatever they are
    sd, margin = (known[0], blank.margin) if known and blank.margin else (1.0, MARGIN_SPREADS)
    return dataclasses.replace(
        blank,
        reason="a single run has no spread to judge by",
        runs_to_decide=runs_for_tost(0.0, margin, sd),
    )


def _undecided(judged: Equivalence, margin: float) -> Equivalence:
    sd = math.sqrt(sum((found or 0.0) ** 2 for found in judged.spread) / 2)
    runs = runs_for_tost(judged.difference, margin, sd)
    none = judged.lower is not None and judged.upper is not None and judged.lower <= 0 <= judged.upper
    told = (
        "it may be none, and may lie beyond the margin"
        if none
        else "it is not zero, but may lie within the margin or beyond"
    )
    if runs is None:
        told += (
            "; found as near the margin as it is, no thousand runs would decide: name another with --margin"
        )
    return dataclasses.replace(judged, reason=told, runs_to_decide=runs)
