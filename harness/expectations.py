"""Pure judgement of published values against the spread over seeds, and against the size of the test set.

A published value lies within the resolution of our runs or it does not: prediction intervals at 99% of Hahn
and Meeker (1991). The cases and their formulas are in docs/statistics.md.
"""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from harness.records import Expectation, Judgement
from harness.statistics import predicted_share, t_quantile

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.records import Cause, DatasetUse, RunResult, Tier, Verdict

    Floats = NDArray[np.float64]

LEVEL = 0.01
SEEDS_TO_JUDGE = 3
"""Below three runs a spread means nothing."""
ROUNDING = 1e-9
"""Decimal prints have no exact binary form: relative slack of every comparison."""

_NO_STATISTICS = ("exact", "at_most", "at_least")
_TESTS = {
    "spread": "prediction interval at 99% from the spread over seeds, floor one test image",
    "draw": "prediction interval at 99%, the larger of the spread over seeds and binomial sampling",
    "mean": "99% interval of the difference of two means over seeds",
    "split": "99% interval from the spread over seeds and the sampling of two test sets",
    "exact": "every run equal to the printed digits",
    "at_most": "every run at or below the printed bound",
    "at_least": "every run at or above the printed bound",
    "ordering": "lead of the first over each other, 99% one-sided over seeds",
}


def judge(expected: Expectation, key: str, tier: Tier, done: Sequence[RunResult]) -> Judgement:
    """Judge one published value, or say why it is not judged.

    Parameters
    ----------
    expected : Expectation
        The published value and its rule.
    key : str
        ``scenario:variant``, for the next command to type.
    tier : str
        Tier of the runs.
    done : sequence of RunResult
        Finished runs of one variant and tier. Where times are judged, those that something disturbed are left out.
    """
    first_tier = expected.tiers[0] if expected.tiers else tier
    blank = Judgement(
        against="expectation",
        metric=expected.metric,
        verdict="NOT_JUDGED",
        unit=expected.unit,
        reference=expected.value,
        place=expected.place,
        row=expected.row,
        next_step=f"harness run {key} --tier {first_tier} --seeds 10",
    )
    if expected.unreadable:
        return dataclasses.replace(blank, verdict="UNREADABLE", reason=expected.unreadable)
    if not done:
        return dataclasses.replace(blank, reason="no run finished")
    timed = _is_timed(expected, done)
    if timed:
        done = [result for result in done if not result.disturbed] or done
    blank = _with_obstacle(expected, blank, tier, done, timed=timed)
    try:
        values, published = _stack(expected, done), _published(expected)
        _check_pair(expected, values, published, done)
    except ValueError as error:
        # off its own protocol a metric may be absent; on it, a metric that is missing is never silent
        verdict: Verdict = "NOT_JUDGED" if blank.reason else "ERROR"
        return dataclasses.replace(blank, verdict=verdict, reason=blank.reason or str(error))
    blank = _described(expected, blank, values)
    if blank.reason:
        return blank
    if expected.rule not in _NO_STATISTICS and len(values) < SEEDS_TO_JUDGE:
        runs = f"{len(values)} run{'s' * (len(values) > 1)}"
        few = f"{runs} cannot show a spread; judge with --seeds {SEEDS_TO_JUDGE} or more"
        return dataclasses.replace(blank, reason=few)
    return _excuse(expected, _hold_against(expected, blank, values, published))


def _with_obstacle(
    expected: Expectation, blank: Judgement, tier: Tier, done: Sequence[RunResult], *, timed: bool
) -> Judgement:
    """Give a reason not to judge that lies in the protocol: another tier, data that is not all there, or times of a busy machine."""
    if tier not in expected.tiers:
        return dataclasses.replace(
            blank, reason=f"published for the {'/'.join(expected.tiers)} tier, this is the {tier} tier"
        )
    if timed and done[0].disturbed:
        return dataclasses.replace(blank, reason="DISTURBED: other processes used the machine in every run")
    short = _incomplete(done) if expected.needs_complete else []
    if not short:
        return blank
    fetch = f"harness data fetch {' '.join(use.name for use in short)}"
    return dataclasses.replace(
        blank, reason="incomplete data: " + "; ".join(use.found for use in short), next_step=fetch
    )


def _is_timed(expected: Expectation, done: Sequence[RunResult]) -> bool:
    names = expected.order or (expected.metric,)
    return any(
        result.metrics[name].kind == "runtime" for result in done for name in names if name in result.metrics
    )


def _incomplete(done: Sequence[RunResult]) -> list[DatasetUse]:
    used = [use for result in done if result.measurement for use in result.measurement.datasets]
    return list({use.name: use for use in used if not use.complete}.values())


# -- what is compared with what --------------------------------------------------------------------


def _stack(expected: Expectation, done: Sequence[RunResult]) -> Floats:
    """Stack the judged values, (runs, ...); of an ordering the leads over each rival, (runs, rivals).

    Raises
    ------
    ValueError
        If a run lacks the metric, shapes differ between runs, or a value is not finite.
    """
    names = expected.order or (expected.metric,)
    for name in names:
        having = sum(name in result.metrics for result in done)
        if having < len(done):
            raise ValueError(f"metric '{name}' was measured in {having} of {len(done)} runs")
    try:
        table = np.asarray([[result.metrics[name].value for name in names] for result in done], np.float64)
    except ValueError as error:
        raise ValueError(f"metric '{expected.metric}' has another shape in each run") from error
    if not np.isfinite(table).all():
        raise ValueError(f"metric '{expected.metric}' is not finite in every run")
    if not expected.order:
        return table[:, 0]  # (runs, ...)
    if table.ndim != 2 or len(names) < 2:
        raise ValueError(f"'{expected.metric}' must order two or more numbers")
    leads = table[:, :1] - table[:, 1:]  # (runs, rivals)
    return np.asarray(-leads if expected.better == "lower" else leads)


def _published(expected: Expectation) -> Floats:
    if expected.order:
        return np.zeros(len(expected.order) - 1)
    published = np.asarray(expected.value, np.float64)
    if not np.isfinite(published).all():
        raise ValueError("the expectation declares no value")
    return published


def _check_pair(expected: Expectation, values: Floats, published: Floats, done: Sequence[RunResult]) -> None:
    """Refuse to compare what differs in shape or unit."""
    if published.shape != values.shape[1:]:
        raise ValueError(f"measured shape {values.shape[1:]}, published {published.shape}")
    measured = done[0].metrics[expected.order[0] if expected.order else expected.metric].unit
    # a share may stand beside a named count, but percent never beside a share
    if measured != expected.unit and ((measured and expected.unit) or "%" in {measured, expected.unit}):
        raise ValueError(f"measured in '{measured}', published in '{expected.unit}'")


def _described(expected: Expectation, blank: Judgement, values: Floats) -> Judgement:
    mean = values.mean(axis=0)
    over_runs = values.std(axis=0, ddof=1) if len(values) > 1 else None
    return dataclasses.replace(
        blank,
        n=len(values),
        value=float(mean.min()) if expected.order else mean.tolist(),
        spread=float(np.max(over_runs)) if over_runs is not None else None,
    )


# -- the judgement --------------------------------------------------------------------


def _hold_against(expected: Expectation, blank: Judgement, values: Floats, published: Floats) -> Judgement:
    """Find the element that lies furthest outside its bounds; it gives the verdict."""
    width = _resolution(expected, values, published)
    deviation = _deviation(expected, values - published)
    below = np.full_like(width, -np.inf) if expected.rule == "at_most" else -deviation - width
    above = np.full_like(width, -np.inf) if expected.rule in {"at_least", "ordering"} else deviation - width
    excess = np.maximum(below, above).ravel()
    worst = int(excess.argmax())
    off, allowed = float(deviation.ravel()[worst]), float(width.ravel()[worst])
    verdict: Verdict = "REPRODUCED" if excess[worst] <= 0 else "BELOW" if off < 0 else "ABOVE"
    # without statistics the printed digits are all there is to resolve
    resolution = expected.half_width or None if expected.rule in _NO_STATISTICS else float(np.max(width))
    cause: Cause = "exact" if expected.rule in _NO_STATISTICS else ""
    judged = dataclasses.replace(
        blank, verdict=verdict, cause=cause, resolution=resolution, test=_TESTS[expected.rule]
    )
    if expected.order:
        return _as_ordering(expected, judged, values, worst, off, allowed)
    return _with_bounds(expected, judged, published, worst, off, allowed)


def _deviation(expected: Expectation, offsets: Floats) -> Floats:
    """Reduce offsets (runs, ...) to the mean, or to the worst run where every run must keep a bound."""
    if expected.rule == "at_most":
        return np.asarray(offsets.max(axis=0))
    if expected.rule == "at_least":
        return np.asarray(offsets.min(axis=0))
    if expected.rule == "exact":
        high, low = offsets.max(axis=0), offsets.min(axis=0)
        return np.asarray(np.where(np.abs(high) >= np.abs(low), high, low))
    return np.asarray(offsets.mean(axis=0))


def _with_bounds(
    expected: Expectation, judged: Judgement, published: Floats, worst: int, off: float, allowed: float
) -> Judgement:
    where = f" in element {worst + 1}" if published.ndim else ""
    if judged.verdict == "REPRODUCED":
        reason = "within the bound" if expected.rule in _NO_STATISTICS else "within the resolution"
    else:
        reason = f"off by {off:+.4g}{where}, resolution {allowed:.4g}"
    lower = upper = None
    if published.ndim == 0:
        lower = None if expected.rule == "at_most" else float(published) - allowed
        upper = None if expected.rule == "at_least" else float(published) + allowed
    return dataclasses.replace(judged, lower=lower, upper=upper, reason=reason)


def _as_ordering(
    expected: Expectation, judged: Judgement, values: Floats, worst: int, lead: float, allowed: float
) -> Judgement:
    holds, runs = int((values.min(axis=1) >= 0).sum()), len(values)
    tie = "; the lead cannot be told from a tie" if abs(lead) <= allowed else ""
    reason = (
        f"the stated order held in {holds} of {runs} runs; nearest rival '{expected.order[worst + 1]}'{tie}"
    )
    over_runs = float(values[:, worst].std(ddof=1))
    return dataclasses.replace(
        judged, value=lead, spread=over_runs, lower=-allowed, resolution=allowed, reason=reason
    )


def _resolution(expected: Expectation, values: Floats, published: Floats) -> Floats:
    """Half-width B within which a difference cannot be told from noise, shaped as one run's value.

    The cases are in docs/statistics.md. Elements of an array, and rivals of an ordering, share the level
    (Bonferroni).
    """
    rounding = expected.half_width + ROUNDING * np.maximum(np.abs(published), np.abs(values).max(axis=0))
    if expected.rule in _NO_STATISTICS:
        return np.asarray(rounding)
    s, n = np.asarray(values.std(axis=0, ddof=1)), expected.test_images
    share = np.clip(values.mean(axis=0), 0.0, 1.0)
    sampling = np.sqrt(share * (1 - share) / n) if n else np.zeros_like(s)
    sides = 1 if expected.rule == "ordering" else 2
    level = 1 - LEVEL / sides / max(1, s.size)
    half = t_quantile(level, len(values) - 1) * _standard_error(expected, s, sampling, len(values))
    if expected.rule == "draw" and n:
        counted = predicted_share(share, len(values) * n, n, level=level, above=published >= share)
        half = np.maximum(np.where(sampling > s, 0.0, half), counted)
    one_image = 1 / n if n else 0.0
    return np.asarray(np.maximum(rounding + half, one_image))


def _standard_error(expected: Expectation, s: Floats, sampling: Floats, k: int) -> Floats:
    """Return the standard error of ours minus theirs over seeds; where another test set was used, of its sampling too."""
    if expected.rule == "mean":
        return np.asarray(s * np.sqrt(1 / k + 1 / expected.runs))
    if expected.rule == "split":
        return np.asarray(np.sqrt(s**2 * (1 + 1 / k) + 2 * sampling**2))
    if expected.rule == "ordering":
        return np.asarray(s / np.sqrt(k))
    return np.asarray(s * np.sqrt(1 + 1 / k))


def _excuse(expected: Expectation, judged: Judgement) -> Judgement:
    """Turn a gap that is known and explained into KNOWN_GAP, and notice one that has closed."""
    if not expected.gap:
        return judged
    if judged.verdict in {"BELOW", "ABOVE"}:
        reason = f"{expected.gap} ({judged.verdict}: {judged.reason})"
        return dataclasses.replace(judged, verdict="KNOWN_GAP", reason=reason)
    return dataclasses.replace(judged, reason=f"the known gap has closed, remove its note: {expected.gap}")
