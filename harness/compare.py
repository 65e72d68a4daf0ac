"""Pure comparison of results with identities, a baseline and expectations.

A baseline's own seeds give a t bound that an exact rank test must confirm (`harness.statistics`); published
values are judged in `harness.expectations`. Formulas, levels and measured error rates: docs/statistics.md.
"""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from harness import environment, expectations, reduced
from harness.records import Comparison, Judgement
from harness.statistics import rank_p, rank_p_floor, runs_to_decide, spread, t_quantile

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.records import (
        Baseline,
        BaselineMetric,
        Kind,
        Measured,
        Measurement,
        RunResult,
        Scenario,
        Tier,
        Verdict,
    )
    from harness.reduced import Checks

    Floats = NDArray[np.float64]

LEVEL_BOUND = 0.005
LEVEL_RANK = 0.01
MEMORY_FLOOR_BYTES = 1.5 * 2**20
MEMORY_FLOOR_SHARE = 0.03
ROUNDING = 1e-6
"""Relative difference that float32 sums in another order may show; no regression below it."""
NOT_MEASURED = "NOT_MEASURED: this system does not let a process reset and read its peak"
RESUMED = "RESUMED: an earlier attempt at the run had finished part of it, in another process"
_PEAKS = ("peak_bytes", "above_imports_bytes", "left_bytes")
_TIMES = ("seconds", "images_per_second")
SEEDS_TO_JUDGE = 3
"""Below three runs a rank test means nothing."""


def compare(
    scenario: Scenario,
    variant: str,
    tier: Tier,
    results: Sequence[RunResult],
    baseline: tuple[Baseline, str] | None,
    *,
    paired: bool = False,
) -> Comparison:
    """Judge all runs of one variant and tier.

    Parameters
    ----------
    scenario : Scenario
        Declares gated metrics and expectations.
    variant, tier : str
        Which runs these are.
    results : sequence of RunResult
        Runs of that variant and tier, failed ones included.
    baseline : (Baseline, path) or None
        The stored baseline nearest to this environment and the file it came from; or base runs and what they are called.
    paired : bool
        Whether the reference is base runs of the same job, interleaved with these: then runtime may be gated.

    Returns
    -------
    Comparison
        Identities first, then baseline, then expectations.
    """
    found = reduced.reduce(results, judged_metrics(scenario))
    done = found.done
    key = f"{scenario.name}:{variant}"
    declared = [expected for expected in scenario.expectations if expected.variant == variant]
    return Comparison(
        scenario=scenario.name,
        variant=variant,
        tier=tier,
        seeds=tuple(result.request.seed for result in done),
        failed=tuple(found.failed),
        judgements=(
            *(_identity(name, checks) for name, checks in found.checks.items()),
            *(
                _gated(metric, f"{key} --tier {tier}", done, baseline, paired=paired)
                for metric in scenario.gated
            ),
            *(expectations.judge(expected, key, tier, done) for expected in declared),
        ),
    )


# -- identities --------------------------------------------------------------------


def judged_metrics(scenario: Scenario) -> list[str]:
    """Name every metric that a judgement of the scenario may look at."""
    expected = (name for each in scenario.expectations for name in (each.metric, *each.order))
    return list(dict.fromkeys(("test_images", *scenario.gated, *expected)))


def _identity(name: str, checks: Checks) -> Judgement:
    """Judge an identity by its worst check; no statistics, the tolerance decides."""
    worst, broken = checks.worst, checks.broken
    violated = f"{worst.formula}: violated in {broken} of {checks.count} checks. {worst.detail}"
    return Judgement(
        against="identity",
        metric=name,
        kind="identity",
        verdict="VIOLATED" if broken else "HOLDS",
        n=checks.count,
        value=worst.error,
        reference=worst.tolerance,
        upper=worst.tolerance,
        test="tolerance from dtype, shape and norm" if worst.tolerance else "nothing may differ",
        reason=violated if broken else worst.formula,
        gated=True,
    )


def _measurements(done: Sequence[RunResult]) -> list[Measurement]:
    return [result.measurement for result in done if result.measurement is not None]


# -- baseline: what cannot be judged -------------------------------------------------------------


def _gated(
    metric: str, key: str, done: Sequence[RunResult], baseline: tuple[Baseline, str] | None, *, paired: bool
) -> Judgement:
    """Judge one gated metric, or say why it cannot be judged."""
    found = [result.metrics[metric] for result in done if metric in result.metrics]
    again = f"harness run {key} --seeds 10 --out DIR, then: harness baseline propose DIR --reason '...'"
    blank = Judgement(
        against="baseline", metric=metric, verdict="ERROR", n=len(found), next_step=again, gated=True
    )
    problem = _unusable(metric, found, done)
    if problem:
        if not done:
            blank = dataclasses.replace(blank, next_step=f"harness run {key}, once its runs do not fail")
        kind: Kind = found[0].kind if found else _kind_of(metric)
        explained = NOT_MEASURED in problem or RESUMED in problem
        verdict: Verdict = "INCOMPARABLE" if explained else "ERROR"
        return dataclasses.replace(blank, verdict=verdict, kind=kind, reason=problem)
    values = np.asarray([measured.value for measured in found], np.float64)  # (runs,)
    blank = dataclasses.replace(
        blank,
        kind=found[0].kind,
        gated=paired or found[0].kind != "runtime",
        unit=found[0].unit,
        value=float(values.mean()),
        spread=spread(values),
    )
    if baseline is None:
        return dataclasses.replace(
            blank, verdict="NO_BASELINE", reason="none is stored for this variant and tier"
        )
    blank = dataclasses.replace(blank, place=baseline[1])
    return _against(baseline, blank, found[0], values, done, paired=paired)


def _unusable(metric: str, found: Sequence[Measured], done: Sequence[RunResult]) -> str:
    """Say why a gated metric cannot be judged at all; empty if it can."""
    if not done:
        return "no run finished"
    if len(found) < len(done):
        return _missing(metric, done, len(found))
    if not all(isinstance(measured.value, (int, float)) for measured in found):
        return "it is an array; only a number can be gated"
    if not all(np.isfinite(measured.value) for measured in found):
        return "it is not finite in every run"
    if found[0].better == "none" and found[0].kind in {"accuracy", "memory"}:
        return "it declares no direction; record it with better='higher' or better='lower'"
    return ""


def _kind_of(metric: str) -> Kind:
    """Return the kind of a metric that no run has, by its name."""
    if metric.endswith(_PEAKS):
        return "memory"
    return "runtime" if metric.endswith(_TIMES) else "accuracy"


def _missing(metric: str, done: Sequence[RunResult], found: int) -> str:
    measurements = _measurements(done)
    parts = [f"measured in {found} of {len(done)} runs"]
    blind = any(stage.peak_bytes is None for measurement in measurements for stage in measurement.stages)
    if blind and metric.endswith(_PEAKS):
        parts.append(NOT_MEASURED)
    lacking = (result.measurement for result in done if metric not in result.metrics)
    if metric.endswith((*_PEAKS, *_TIMES)) and all(one is not None and one.resumed for one in lacking):
        parts.append(RESUMED)
    parts += sorted({problem for measurement in measurements for problem in measurement.problems})
    return "; ".join(parts)


def _against(
    baseline: tuple[Baseline, str],
    blank: Judgement,
    measured: Measured,
    values: Floats,
    done: Sequence[RunResult],
    *,
    paired: bool,
) -> Judgement:
    """Hold one metric's runs against the stored ones, unless something forbids it."""
    stored, _ = baseline
    if blank.metric not in stored.metrics:
        return dataclasses.replace(blank, verdict="NO_BASELINE", reason="the reference has no such metric")
    theirs = stored.metrics[blank.metric]
    obstacles = [*redefined(measured, theirs), *_obstacles(measured.kind, done, stored)]
    # the gate leaves out pairs that something disturbed; elsewhere one is enough
    if measured.kind == "runtime" and not paired and any(result.disturbed for result in done):
        obstacles.append("DISTURBED: other processes used the machine")
    if obstacles:
        return dataclasses.replace(blank, verdict="INCOMPARABLE", reason="; ".join(obstacles))
    base = np.asarray(theirs.values, np.float64)  # (baseline runs,)
    blank = dataclasses.replace(blank, reference=float(base.mean()), reference_runs=tuple(base.tolist()))
    if measured.kind == "runtime":
        return _show_runtime(blank, values, base)
    if _same_seed_by_seed(values, theirs, done, stored):
        return dataclasses.replace(
            blank, verdict="PASS", test="equality, seed by seed", reason="equal to the baseline, seed by seed"
        )
    if measured.kind == "memory":
        return _judge_memory(blank, values, base)
    if measured.kind in {"work", "size"} and np.ptp(base) == 0:
        return _judge_constant(blank, measured, values, base)
    return _judge_score(blank, measured, values, base, smallest_difference(measured, base, done))


def redefined(declared: object, theirs: BaselineMetric) -> list[str]:
    """Name what a metric's declaration says otherwise than when the baseline was stored."""
    fields = ("unit", "kind", "better")
    changed = [(name, getattr(declared, name), getattr(theirs, name)) for name in fields]
    return [f"{name} of the metric: '{ours}', not '{old}'" for name, ours, old in changed if ours != old]


def _obstacles(kind: Kind, done: Sequence[RunResult], stored: Baseline) -> list[str]:
    """Say what forbids comparing these runs, any of them, with that baseline."""
    measurements = _measurements(done)
    if len(measurements) < len(done):
        return ["a run has no measurement"]
    found: list[str] = []
    for measurement in measurements:
        if stored.scenario_version != measurement.scenario_version:
            found.append(f"scenario version: {measurement.scenario_version}, not {stored.scenario_version}")
        found += environment.other_data(measurement.datasets, stored.datasets)
        found += environment.differences(kind, measurement.environment, stored.environment)
    return list(dict.fromkeys(found))


# -- baseline: the judges --------------------------------------------------------------------


def _same_seed_by_seed(
    values: Floats, theirs: BaselineMetric, done: Sequence[RunResult], stored: Baseline
) -> bool:
    by_seed = dict(zip(stored.seeds, theirs.values, strict=True))
    return all(by_seed.get(result.request.seed) == value for result, value in zip(done, values, strict=True))


def smallest_difference(measured: Measured, base: Floats, done: Sequence[RunResult]) -> float:
    """Return the smallest difference of means that counts: one test image, or what rounding may do."""
    images = done[0].metrics.get("test_images")
    rounding = ROUNDING * abs(float(base.mean()))
    if measured.kind != "accuracy" or images is None or isinstance(images.value, list):
        return rounding
    one_image = {"": 1 / images.value, "images": 1.0}.get(measured.unit, 0.0)
    return max(rounding, one_image)


def _judge_score(
    blank: Judgement, measured: Measured, values: Floats, base: Floats, floor: float
) -> Judgement:
    """One-sided t bound from the baseline's seeds and an exact rank test, which must agree."""
    sign = -1.0 if measured.better == "lower" else 1.0
    # from the baseline alone: a candidate that got noisier must not widen its own bound
    error = float(base.std(ddof=1)) * np.sqrt(1 / len(values) + 1 / len(base))
    width = max(t_quantile(1 - LEVEL_BOUND, len(base) - 1) * float(error), floor)
    gap = sign * float(base.mean() - values.mean())
    verdict, reason = _decide(gap, width, sign * base, sign * values, ("worse", "better"))
    if measured.better == "none" and verdict == "IMPROVED":
        verdict, reason = "REGRESSED", f"differs: {reason}"
    return dataclasses.replace(
        blank,
        verdict=verdict,
        lower=float(base.mean() - width),
        upper=float(base.mean() + width),
        resolution=width,
        test=f"t bound at {LEVEL_BOUND:g} from {len(base)} baseline runs, exact rank test at {LEVEL_RANK:g}, "
        f"floor {floor:.3g}",
        reason=reason,
    )


def _judge_memory(blank: Judgement, values: Floats, base: Floats) -> Judgement:
    """Growth by the median of all differences (Hodges and Lehmann 1963), confirmed by an exact rank test."""
    growth = float(np.median(np.subtract.outer(values, base)))
    middle = float(np.median(base))
    width = max(MEMORY_FLOOR_SHARE * middle, 4 * float(base.std(ddof=1)), MEMORY_FLOOR_BYTES)
    verdict, reason = _decide(growth, width, -base, -values, ("larger", "smaller"))
    return dataclasses.replace(
        blank,
        verdict=verdict,
        reference=middle,
        lower=middle - width,
        upper=middle + width,
        resolution=width,
        test=f"growth beyond max(3%, 4 sd, 1.5 MiB), exact rank test at {LEVEL_RANK:g}",
        reason=f"{reason}; median difference {growth / 2**20:+.2f} MiB",
    )


def _judge_constant(blank: Judgement, measured: Measured, values: Floats, base: Floats) -> Judgement:
    """Hold counts and sizes that all baseline runs share to equality, in every run."""
    constant = float(base[0])
    off = values[np.abs(values - constant) > 1e-12 * abs(constant)]
    improved = off > constant if measured.better == "higher" else off < constant
    verdict: Verdict = "PASS" if not len(off) else "REGRESSED"
    if len(off) and measured.better != "none" and improved.all():
        verdict = "IMPROVED"
    differs = f"{len(off)} of {len(values)} runs differ from what all {len(base)} baseline runs share"
    return dataclasses.replace(
        blank,
        verdict=verdict,
        lower=constant,
        upper=constant,
        test="equality",
        reason=differs if len(off) else "equal to the baseline",
    )


def _show_runtime(blank: Judgement, values: Floats, base: Floats) -> Judgement:
    """Set a time beside its baseline without judging it: two days of one machine may differ by more."""
    ratio = f"{np.median(values) / np.median(base):.2f} times the baseline; " if np.median(base) > 0 else ""
    reason = f"{ratio}runtime is gated only between interleaved runs of one job"
    return dataclasses.replace(blank, verdict="NOT_JUDGED", reason=reason)


def _decide(
    gap: float, width: float, base: Floats, values: Floats, words: tuple[str, str]
) -> tuple[Verdict, str]:
    """Decide by bound and rank test together.

    Parameters
    ----------
    gap : float
        How much worse; below 0 it is better.
    width : float
        Gap that is allowed in either direction.
    base, values : float64 arrays of shapes (baseline runs,) and (runs,)
        Turned so that larger is better.
    words : (str, str)
        What worse and better are called.

    Returns
    -------
    verdict, reason
        PASS within the width; beyond it REGRESSED or IMPROVED if the ranks agree, else INCONCLUSIVE.
    """
    # means of equal decimals differ in the last bits: a gap of exactly one test image is within the floor
    if abs(gap) <= width * (1 + ROUNDING):
        return "PASS", "within the bounds"
    told = f"{words[gap < 0]} than the bound allows"
    runs = len(values)
    if runs < SEEDS_TO_JUDGE or rank_p_floor(len(base), runs) > LEVEL_RANK:
        needed = runs_to_decide(len(base), LEVEL_RANK, SEEDS_TO_JUDGE)
        few = f"{runs} run{'s' * (runs > 1)} cannot decide"
        return "INCONCLUSIVE", f"{told}, but {few}: {needed} would (--seeds {needed})"
    p = rank_p(values, base) if gap > 0 else rank_p(base, values)
    if p > LEVEL_RANK:
        doubt = f"the rank test does not confirm it (p = {p:.2g})"
        return (
            "INCONCLUSIVE",
            f"{told}, but {doubt}: look at single runs, decide with --seeds {2 * runs} or more",
        )
    return "REGRESSED" if gap > 0 else "IMPROVED", f"{told}, and the ranks agree (p = {p:.2g})"
