"""Pure comparison of results with expectations, identities and a baseline. All statistics live here.

Expectations are held against the spread over seeds (prediction interval of Hahn and Meeker 1991, 99%); baselines against a one-sided t bound from the
baseline's own seeds that an exact rank test (Mann and Whitney 1947) must confirm. See docs/statistics.md.
"""

from __future__ import annotations

import dataclasses
import functools
import typing

import numpy as np

from harness import environment
from harness.records import Comparison, Expectation, Judgement, RunResult, Verdict

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.records import Baseline, BaselineMetric, IdentityCheck, Kind, Measured, Scenario, Tier, Value

    Floats = NDArray[np.float64]

LEVEL_EXPECTATION = 0.01
LEVEL_BOUND = 0.005
LEVEL_RANK = 0.01
MEMORY_FLOOR_BYTES = 1.5 * 2**20
MEMORY_FLOOR_SHARE = 0.03
SEEDS_TO_JUDGE = 3
"""Below three runs neither a spread nor a rank test means anything."""


def compare(
    scenario: Scenario,
    variant: str,
    tier: Tier,
    results: Sequence[RunResult],
    baseline: tuple[Baseline, str] | None,
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
        The stored baseline nearest to this environment and the file it came from.

    Returns
    -------
    Comparison
        Identities first, then baseline, then expectations.
    """
    done = [result for result in results if result.status == "ok"]
    key = f"{scenario.name}:{variant}"
    judgements = [*_identities(done), *_against_baseline(scenario, key, tier, done, baseline)]
    declared = [expected for expected in scenario.expectations if expected.variant == variant]
    judgements += [_expectation(expected, key, tier, done) for expected in declared]
    return Comparison(
        scenario=scenario.name,
        variant=variant,
        tier=tier,
        seeds=tuple(result.request.seed for result in done),
        failed=tuple(result.error for result in results if result.status != "ok"),
        judgements=tuple(judgements),
    )


# -- identities -------------------------------------------------------------------------------------------------------


def _identities(done: Sequence[RunResult]) -> list[Judgement]:
    """Judge each identity by its worst run; no statistics, the tolerance decides."""
    checks: dict[str, list[IdentityCheck]] = {}
    for result in done:
        if result.measurement is not None:
            for check in result.measurement.identities:
                checks.setdefault(check.name, []).append(check)
    return [_identity(name, found) for name, found in checks.items()]


def _identity(name: str, checks: Sequence[IdentityCheck]) -> Judgement:
    worst = max(checks, key=lambda check: check.error / check.tolerance if check.tolerance else check.error)
    broken = sum(not check.holds for check in checks)
    return Judgement(
        against="identity",
        metric=name,
        kind="identity",
        verdict="VIOLATED" if broken else "HOLDS",
        n=len(checks),
        value=worst.error,
        reference=worst.tolerance,
        upper=worst.tolerance,
        test="tolerance from dtype, shape and norm",
        reason=f"{worst.formula}: violated in {broken} of {len(checks)} checks. {worst.detail}"
        if broken
        else worst.formula,
        gated=True,
    )


# -- baseline ---------------------------------------------------------------------------------------------------------


def _against_baseline(
    scenario: Scenario, key: str, tier: Tier, done: Sequence[RunResult], baseline: tuple[Baseline, str] | None
) -> list[Judgement]:
    return [_gated(scenario, key, tier, metric, done, baseline) for metric in scenario.gated] if done else []


def _gated(
    scenario: Scenario,
    key: str,
    tier: Tier,
    metric: str,
    done: Sequence[RunResult],
    baseline: tuple[Baseline, str] | None,
) -> Judgement:
    """Judge one gated metric, or say why it cannot be judged."""
    found = [result.metrics[metric] for result in done if metric in result.metrics]
    kind = found[0].kind if found else "accuracy"
    blank = Judgement(
        against="baseline", metric=metric, verdict="ERROR", kind=kind, n=len(found), gated=kind != "runtime",
        next_step=f"harness run {key} --tier {tier} --seeds 10, then: harness baseline propose",
    )  # fmt: skip
    if len(found) < len(done):
        return _missing(blank, metric, done, len(found))
    values = _numbers(found)
    summary = dataclasses.replace(
        blank, unit=found[0].unit, value=float(values.mean()), spread=_spread(values)
    )
    if baseline is None:
        return dataclasses.replace(
            summary, verdict="NO_BASELINE", reason="no baseline is stored for this variant and tier"
        )
    stored, path = baseline
    summary = dataclasses.replace(summary, place=path)
    obstacles = _obstacles(scenario, found[0].kind, done, stored)
    if metric not in stored.metrics:
        return dataclasses.replace(
            summary, verdict="NO_BASELINE", reason="the stored baseline has no such metric"
        )
    if obstacles:
        return dataclasses.replace(summary, verdict="INCOMPARABLE", reason="; ".join(obstacles))
    return _JUDGES.get(kind, _judge_score)(summary, found[0], values, stored.metrics[metric], done)


def _missing(blank: Judgement, metric: str, done: Sequence[RunResult], found: int) -> Judgement:
    memory = metric.endswith("_bytes") and found == 0
    problems = [text for result in done if result.measurement for text in result.measurement.problems]
    reason = f"measured in {found} of {len(done)} runs"
    if memory:
        reason += "; NOT_MEASURED: this system does not let a process reset and read its peak"
    if problems:
        reason += "; " + "; ".join(sorted(set(problems)))
    return dataclasses.replace(blank, reason=reason, kind="memory" if memory else blank.kind)


def _obstacles(scenario: Scenario, kind: Kind, done: Sequence[RunResult], stored: Baseline) -> list[str]:
    """Say what forbids comparing these runs with that baseline."""
    found = []
    if stored.scenario_version != scenario.version:
        found.append(f"scenario version {scenario.version}, baseline has {stored.scenario_version}")
    measurement = done[0].measurement
    if measurement is None:
        return [*found, "nothing was measured"]
    theirs = {use.name: use.sha256 for use in stored.datasets}
    found += [
        f"data set {use.name} differs in content"
        for use in measurement.datasets
        if theirs.get(use.name) != use.sha256
    ]
    found += environment.differences(kind, measurement.environment, stored.environment)
    if kind == "runtime" and any(result.disturbed for result in done):
        found.append("DISTURBED: other processes used the machine")
    return found


def _judge_score(
    summary: Judgement, measured: Measured, values: Floats, stored: BaselineMetric, done: Sequence[RunResult]
) -> Judgement:
    """One-sided t bound from the baseline's seeds, floor of one test image, confirmed by an exact rank test."""
    base = np.asarray(stored.values)
    sign = -1.0 if measured.better == "lower" else 1.0
    images = done[0].metrics.get("test_images")
    share = measured.kind == "accuracy" and measured.unit == ""
    floor = 1.0 / float(_number(images)) if images is not None and share else 0.0
    width = max(t_quantile(1 - LEVEL_BOUND, len(base) - 1) * _standard_error(base, len(values)), floor)
    gap = sign * float(base.mean() - values.mean())
    verdict = _decide(gap, width, sign * base, sign * values)
    return dataclasses.replace(
        summary,
        verdict=verdict,
        reference=float(base.mean()),
        lower=float(base.mean() - width),
        upper=float(base.mean() + width),
        resolution=width,
        test=f"t bound at {LEVEL_BOUND:g} from {len(base)} baseline runs, exact rank test at {LEVEL_RANK:g}, floor one test image",
        reason=_baseline_reason(verdict, "worse" if gap > 0 else "better", len(values)),
    )


def _judge_memory(
    summary: Judgement, measured: Measured, values: Floats, stored: BaselineMetric, done: Sequence[RunResult]
) -> Judgement:
    """Growth by Hodges and Lehmann's median difference beyond max(3%, 4 sd, 1.5 MiB), confirmed by an exact rank test."""
    del measured, done
    base = np.asarray(stored.values)
    growth = float(np.median(np.subtract.outer(values, base)))
    width = max(MEMORY_FLOOR_SHARE * float(np.median(base)), 4 * float(base.std(ddof=1)), MEMORY_FLOOR_BYTES)
    verdict = _decide(growth, width, -base, -values)
    return dataclasses.replace(
        summary,
        verdict=verdict,
        reference=float(base.mean()),
        lower=float(np.median(base)) - width,
        upper=float(np.median(base)) + width,
        resolution=width,
        test=f"growth beyond max(3%, 4 sd, 1.5 MiB), exact rank test at {LEVEL_RANK:g}",
        reason=_baseline_reason(verdict, "larger" if growth > 0 else "smaller", len(values)),
    )


def _show_runtime(
    summary: Judgement, measured: Measured, values: Floats, stored: BaselineMetric, done: Sequence[RunResult]
) -> Judgement:
    """Set a time beside its baseline without judging it: two days of one machine differ by more than most changes."""
    del measured, done
    base = np.asarray(stored.values)
    ratio = float(np.median(np.divide.outer(values, base)))
    return dataclasses.replace(
        summary,
        verdict="NOT_JUDGED",
        reference=float(base.mean()),
        reason=f"{ratio:.2f} times the baseline; runtime is gated only between interleaved runs of one job",
    )


def _judge_work(
    summary: Judgement, measured: Measured, values: Floats, stored: BaselineMetric, done: Sequence[RunResult]
) -> Judgement:
    """Counts and stored bytes are compared for equality, seed by seed where seeds agree."""
    del done
    base = np.asarray(stored.values)
    low, high = float(base.min()), float(base.max())
    worse = values.max() > high if measured.better == "lower" else values.min() < low
    better = values.min() < low if measured.better == "lower" else values.max() > high
    verdict: Verdict = "REGRESSED" if worse else "IMPROVED" if better else "PASS"
    return dataclasses.replace(
        summary,
        verdict=verdict,
        reference=float(base.mean()),
        lower=low,
        upper=high,
        test="equality",
        reason="as in the baseline" if verdict == "PASS" else "differs from every baseline run",
    )


_JUDGES = {
    "accuracy": _judge_score,
    "memory": _judge_memory,
    "runtime": _show_runtime,
    "work": _judge_work,
    "size": _judge_work,
}


def _decide(gap: float, width: float, base: Floats, values: Floats) -> Verdict:
    """Decide by bound and rank test; `gap` above 0 is worse, `base` and `values` are turned so that larger is better."""
    if abs(gap) <= width:
        return "PASS"
    if len(values) < SEEDS_TO_JUDGE:
        return "INCONCLUSIVE"
    low, high = (values, base) if gap > 0 else (base, values)
    if rank_p(low, high) > LEVEL_RANK:
        return "PASS" if rank_p_floor(len(low), len(high)) <= LEVEL_RANK else "INCONCLUSIVE"
    return "REGRESSED" if gap > 0 else "IMPROVED"


def _baseline_reason(verdict: Verdict, direction: str, n: int) -> str:
    if verdict == "PASS":
        return "within the bounds"
    if verdict == "INCONCLUSIVE":
        return f"{direction} than the baseline allows, but {n} run{'s' * (n > 1)} cannot decide: 5 would (--seeds 5)"
    return f"{direction} than the baseline allows, in bound and ranks"


def rank_p(low: Floats, high: Floats) -> float:
    """Exact one-sided Mann-Whitney p that `low` ranks below `high`; ties are counted against a finding."""
    from scipy.stats import mannwhitneyu

    # with ties SciPy's exact distribution is not corrected: breaking them against the finding keeps the level
    ranked_low, ranked_high = _break_ties(np.asarray(low), np.asarray(high))
    return float(mannwhitneyu(ranked_low, ranked_high, alternative="less", method="exact").pvalue)


def _break_ties(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    both = np.concatenate([high, low])
    order = np.argsort(both, kind="stable")
    ranks = np.empty(len(both))
    ranks[order] = np.arange(len(both))
    return ranks[len(high) :], ranks[: len(high)]


@functools.cache
def rank_p_floor(a: int, b: int) -> float:
    """Smallest p that a one-sided exact rank test of `a` against `b` runs can reach: 1 / (a + b choose a)."""
    from math import comb

    return 1 / comb(a + b, a)


# -- expectations -----------------------------------------------------------------------------------------------------


def _expectation(expected: Expectation, key: str, tier: Tier, done: Sequence[RunResult]) -> Judgement:
    """Judge one published value, or say why it is not judged."""
    blank = Judgement(
        against="expectation", metric=expected.metric, verdict="NOT_JUDGED", unit=expected.unit, reference=expected.value,
        place=expected.place, row=expected.row, next_step=f"harness run {key} --tier {expected.tiers[0]} --seeds 10",
    )  # fmt: skip
    if expected.unreadable:
        return dataclasses.replace(blank, verdict="UNREADABLE", reason=expected.unreadable)
    values = _values(expected, done)
    if values is None or not len(values):
        reason = (
            "no run finished" if not done else f"metric '{expected.metric}' was not measured in every run"
        )
        return dataclasses.replace(
            blank, verdict="ERROR" if done and tier in expected.tiers else "NOT_JUDGED", reason=reason
        )
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else None
    blank = dataclasses.replace(
        blank,
        n=len(values),
        value=mean.tolist(),
        spread=float(np.max(spread)) if spread is not None else None,
    )
    obstacle = _why_not_judged(expected, tier, done)
    if obstacle:
        return dataclasses.replace(blank, reason=obstacle)
    return _excuse(expected, _judge_expectation(expected, blank, values, done))


def _values(expected: Expectation, done: Sequence[RunResult]) -> Floats | None:
    """Stack the judged values, (runs,) or (runs, ...); for an ordering the smallest lead of the first over the rest."""
    names = expected.order or (expected.metric,)
    if any(name not in result.metrics for result in done for name in names):
        return None
    if not expected.order:
        return np.asarray([result.metrics[expected.metric].value for result in done], np.float64)
    table = np.asarray(
        [[_number(result.metrics[name]) for name in names] for result in done]
    )  # (runs, metrics)
    leads = table[:, :1] - table[:, 1:]
    return (-leads if expected.better == "lower" else leads).min(axis=1) if len(done) else None


def _why_not_judged(expected: Expectation, tier: Tier, done: Sequence[RunResult]) -> str:
    if tier not in expected.tiers:
        return f"published for the {expected.tiers[0]} tier, this is the {tier} tier"
    short = [
        use.found
        for result in done[:1]
        if result.measurement
        for use in result.measurement.datasets
        if not use.complete
    ]
    if expected.needs_complete and short:
        return "incomplete data: " + "; ".join(short)
    if expected.rule not in _NO_STATISTICS and len(done) < SEEDS_TO_JUDGE:
        return f"{len(done)} run{'s' * (len(done) > 1)} show no spread; judge with --seeds {SEEDS_TO_JUDGE} or more"
    return ""


def _judge_expectation(
    expected: Expectation, blank: Judgement, values: Floats, done: Sequence[RunResult]
) -> Judgement:
    published = np.asarray(0.0 if expected.order else expected.value, np.float64)
    if published.shape != values.shape[1:]:
        reason = f"measured shape {values.shape[1:]}, published {published.shape}"
        return dataclasses.replace(blank, verdict="ERROR", reason=reason)
    width = _resolution(expected, values, done)
    difference = values.mean(axis=0) - published
    if expected.rule == "ordering":
        verdict: Verdict = "BELOW" if difference + width < 0 else "REPRODUCED"
    elif expected.rule in _BOUNDS:
        difference = (values.max(axis=0) if expected.rule == "at_most" else values.min(axis=0)) - published
        verdict = _bound(expected.rule, difference, width)
    else:
        verdict = _outside(difference, width)
    return dataclasses.replace(
        blank,
        verdict=verdict,
        resolution=float(np.max(width)),
        lower=float(published - width) if published.ndim == 0 else None,
        upper=float(published + width) if published.ndim == 0 else None,
        test=_TESTS[expected.rule],
        reason=_expectation_reason(expected, verdict, difference, width, values),
    )


def _bound(rule: str, difference: Floats, width: Floats) -> Verdict:
    if rule == "at_most":
        return "ABOVE" if np.any(difference > width) else "REPRODUCED"
    return "BELOW" if np.any(difference < -width) else "REPRODUCED"


def _outside(difference: Floats, width: Floats) -> Verdict:
    """Return the verdict of the element that lies furthest outside, in units of its width."""
    if np.all(np.abs(difference) <= width):
        return "REPRODUCED"
    excess = (np.abs(difference) - width).ravel()
    return "BELOW" if difference.ravel()[int(excess.argmax())] < 0 else "ABOVE"


_BOUNDS = ("at_most", "at_least")
_NO_STATISTICS = ("exact", *_BOUNDS)
_TESTS = {
    "spread": "prediction interval at 99% from the spread over seeds, floor one test image",
    "draw": "prediction interval at 99%, the larger of the spread over seeds and binomial sampling",
    "mean": "99% interval of the difference of two means over seeds",
    "split": "99% interval from the spread over seeds and the sampling of two test sets",
    "exact": "equality to the printed digits",
    "at_most": "every run at or below the printed bound",
    "at_least": "every run at or above the printed bound",
    "ordering": "lead of the first over each other, 99% one-sided over seeds",
}


def _resolution(expected: Expectation, values: Floats, done: Sequence[RunResult]) -> Floats:
    """Half-width B within which a difference cannot be told from noise; see docs/statistics.md for the table of cases.

    Shape as one run's value. Arrays share the level among their elements (Bonferroni).
    """
    k = len(values)
    rounding = np.full(values.shape[1:], expected.half_width)
    if expected.rule in _NO_STATISTICS:
        # decimal prints have no exact binary form
        return rounding + 1e-9 * np.abs(values).max(axis=0)
    s, mean = values.std(axis=0, ddof=1), np.clip(values.mean(axis=0), 0.0, 1.0)
    level = 1 - LEVEL_EXPECTATION / (1 if expected.rule == "ordering" else 2) / max(1, s.size)
    t = np.full(s.shape, t_quantile(level, k - 1))
    n = expected.test_images
    sampling = np.sqrt(mean * (1 - mean) / n) if n else np.zeros_like(s)
    if expected.rule == "draw":
        t = np.where(sampling > s, t_quantile(level, 10**9), t)
        error = np.maximum(s, sampling) * np.sqrt(1 + 1 / k)
    elif expected.rule == "mean":
        error = s * np.sqrt(1 / k + 1 / expected.runs)
    elif expected.rule == "split":
        error = np.sqrt(s**2 * (1 + 1 / k) + 2 * sampling**2)
    elif expected.rule == "ordering":
        error = s / np.sqrt(k)
    else:
        error = s * np.sqrt(1 + 1 / k)
    return np.maximum(rounding + t * error, 1 / n if n else 0.0)


def _expectation_reason(
    expected: Expectation, verdict: Verdict, difference: Floats, width: Floats, values: Floats
) -> str:
    if expected.rule == "ordering":
        holds = int((values >= 0).sum())
        told = "" if abs(float(difference)) > float(width) else "; the lead cannot be told from a tie"
        return f"the stated order held in {holds} of {len(values)} runs{told}"
    if verdict == "REPRODUCED":
        return "within the resolution"
    worst = int(np.argmax((np.abs(difference) - width).ravel()))
    where = f" in element {worst + 1}" if difference.ndim else ""
    return (
        f"off by {difference.ravel()[worst]:+.4g}{where}, resolution {np.asarray(width).ravel()[worst]:.4g}"
    )


def _excuse(expected: Expectation, judged: Judgement) -> Judgement:
    """Turn a gap that is known and explained into KNOWN_GAP, and notice one that has closed."""
    if not expected.gap:
        return judged
    if judged.verdict in {"BELOW", "ABOVE"}:
        return dataclasses.replace(
            judged, verdict="KNOWN_GAP", reason=f"{expected.gap} ({judged.verdict}: {judged.reason})"
        )
    if judged.verdict == "REPRODUCED":
        return dataclasses.replace(
            judged, reason=f"the known gap has closed, remove its note: {expected.gap}"
        )
    return judged


# -- small statistics -------------------------------------------------------------------------------------------------


@functools.cache
def t_quantile(level: float, degrees: int) -> float:
    """Quantile of Student's t at `level` with `degrees` of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, level))


def _standard_error(base: Floats, candidates: int) -> float:
    """Standard error of the difference of means, from the baseline alone: a noisier candidate must not widen its own bound."""
    return float(base.std(ddof=1) * np.sqrt(1 / candidates + 1 / len(base)))


def _numbers(found: Sequence[Measured]) -> Floats:
    return np.asarray([_number(measured) for measured in found], np.float64)


def _number(measured: Measured) -> float:
    return _as_float(measured.value)


def _as_float(value: Value) -> float:
    if isinstance(value, list):
        raise TypeError("an array metric cannot be gated or ordered; name a number")
    return float(value)


def _spread(values: Floats) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None
