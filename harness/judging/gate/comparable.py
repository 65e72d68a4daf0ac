"""Which gated metrics can be compared with their reference at all; looks decide about those that can. Pure."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from harness.judging import baselines, flips, probes
from harness.judging.gate import rules, values
from harness.judging.statistics import spread
from harness.machine import environment
from harness.records import Judgement
from harness.records.metrics import LABEL_SCORES, ROW_COUNTS

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judging.gate.values import Evidence
    from harness.records import (
        Baseline,
        BaselineMetric,
        Cause,
        Direction,
        GateSettings,
        Kind,
        Measured,
        RunResult,
        Verdict,
    )

    Reference = tuple[Baseline, str]
    Obstacle = tuple[Cause, str]

SEEDS_TO_VARY = 3
"""From so many seeds on, a scenario that draws at random must give more than one result."""
_EXPLAINED: tuple[Cause, ...] = ("not_measured", "resumed")
"""Why a metric may be missing without anything being wrong."""


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A gated metric that looks may decide."""

    judgement: Judgement
    """What is known before any look; INCONCLUSIVE until then."""
    better: Direction
    """Direction in which it improves."""
    floor: float
    """Smallest difference that counts, in its unit; of a runtime it is a ratio, and not this."""


def gated(each: Evidence, settings: GateSettings, first: int) -> list[Judgement | Candidate]:
    """Go through a variant's gated metrics, and its counts of work, in the order declared; the screen's look at scores takes the `first` runs."""
    head = values.finished(each.head.get("screen", ()))[:first]
    base: Reference | None = None
    trouble: Obstacle | None = ("damaged", each.damaged) if each.damaged else None
    if each.base is not None:
        place = f"base {settings.against}"
        shaped = baselines.of_base(values.finished(each.base.get("screen", ()))[:first])
        lost = [run.error for runs in each.base.values() for run in runs if run.status != "ok"]
        base = (shaped, place) if shaped else None
        trouble = ("base_failed", f"the base side did not finish: {lost[0]}") if lost and not shaped else None
        work = probes.against_base(each.counted, each.probe, each.base_counted, place)
    else:
        work = probes.against_stored(each.counted, each.probe, each.stored)
    if each.damaged:
        work = [_ruled(judgement, "damaged", each.damaged) for judgement in work]
    return [
        *_constant_seeds(each),
        *(_metric(name, each, settings, head, base, trouble) for name in each.scenario.gated),
        *work,
    ]


def _constant_seeds(each: Evidence) -> list[Judgement]:
    """Refuse scores that no seed changes, in a scenario that does not declare itself deterministic: its spread would be an illusion."""
    runs = [run for found in each.head.values() for run in values.finished(found)]
    seeds = {run.request.seed for run in runs}
    if each.scenario.deterministic or len(seeds) < SEEDS_TO_VARY:
        return []
    first = runs[0].metrics
    scored = sorted(name for name, m in first.items() if m.kind == "accuracy" and m.better != "none")
    if not scored or any(run.metrics.get(name) != first[name] for run in runs for name in scored):
        return []
    reason = f"{len(seeds)} seeds give the same {', '.join(scored)}: no generator uses the seed"
    step = "give run.seed to every generator, or declare the scenario deterministic=True"
    blank = _blank("seeds", "accuracy", len(runs), gated=True)
    return [dataclasses.replace(_ruled(blank, "constant_seeds", reason), next_step=step)]


def _blank(metric: str, kind: Kind, n: int, *, gated: bool) -> Judgement:
    return Judgement(
        against="baseline", metric=metric, verdict="INCONCLUSIVE", cause="too_few", kind=kind, n=n, gated=gated
    )  # fmt: skip


def _ruled(judgement: Judgement, cause: Cause, reason: str, verdict: Verdict = "ERROR") -> Judgement:
    return dataclasses.replace(judgement, verdict=verdict, cause=cause, reason=reason)


def _metric(
    metric: str,
    each: Evidence,
    settings: GateSettings,
    head: Sequence[RunResult],
    base: Reference | None,
    trouble: Obstacle | None,
) -> Judgement | Candidate:
    """Prepare one gated metric for the looks, or say why it cannot be compared."""
    having = [run.metrics[metric] for run in head if metric in run.metrics]
    declared = each.scenario.metric(metric)
    kind = having[0].kind if having else declared.kind if declared else "accuracy"
    interleaved = each.base is not None
    reference = base if interleaved else each.reference(kind)
    blank = _blank(metric, kind, len(having), gated=interleaved or kind != "runtime")
    unusable = _unusable(metric, kind, having, head)
    if unusable:
        return _ruled(blank, *unusable, "INCOMPARABLE" if unusable[0] in _EXPLAINED else "ERROR")
    numbers = values.numbers(head, metric)  # (runs,)
    place = reference[1] if reference else ""
    blank = dataclasses.replace(
        blank, unit=having[0].unit, value=float(numbers.mean()), spread=spread(numbers), place=place
    )
    if trouble:
        return _ruled(blank, *trouble)
    if reference is None and each.base:
        few = f"base {settings.against} finished fewer than two runs of this variant; give --seeds 2 or more"
        return _ruled(blank, "too_few", few, "INCONCLUSIVE")
    if reference is None:
        whose = f"base {settings.against} has no run of it"
        absent = whose if interleaved else "none is stored for this variant and tier"
        return _ruled(blank, "no_reference", absent, "NO_BASELINE")
    stored, _ = reference
    theirs = stored.metrics.get(metric)
    if theirs is None:
        return _ruled(blank, "new_metric", "the reference has no such metric", "NO_BASELINE")
    obstacles = redefined(having[0], theirs)
    obstacles += _obstacles(kind, head, stored, settings, interleaved=interleaved)
    if obstacles:
        reason = "; ".join(dict.fromkeys(reason for _, reason in obstacles))
        return _ruled(blank, obstacles[0][0], reason, "INCOMPARABLE")
    return _next_to(blank, having[0], numbers, theirs, stored, head, interleaved=interleaved)


def _unusable(
    metric: str, kind: Kind, having: Sequence[Measured], head: Sequence[RunResult]
) -> Obstacle | None:
    """Say why a gated metric has no numbers to compare; None if it has."""
    if not head:
        return "no_run", "no run finished"
    if len(having) < len(head):
        return _missing(metric, kind, head, len(having))
    if any(isinstance(measured.value, list) for measured in having):
        return "array", "it is an array; only a number can be gated"
    if not all(np.isfinite(measured.value) for measured in having):
        return "not_finite", "it is not finite in every run"
    if having[0].better == "none" and kind in {"accuracy", "memory"}:
        return "no_direction", "it declares no direction; record it with better='higher' or better='lower'"
    return None


def _missing(metric: str, kind: Kind, head: Sequence[RunResult], count: int) -> Obstacle:
    """Say in how many runs a metric is missing, and whether that is explained: no peaks here, or a run that was resumed."""
    measured = [run.measurement for run in head if run.measurement is not None]
    lacking = [run.measurement for run in head if metric not in run.metrics]
    cause: Cause = "missing"
    parts = [f"measured in {count} of {len(head)} runs"]
    if kind == "memory" and any(stage.peak_bytes is None for found in measured for stage in found.stages):
        cause = "not_measured"
        parts.append("this system does not let a process reset and read its peak memory")
    elif kind in {"memory", "runtime"} and all(found is not None and found.resumed for found in lacking):
        cause = "resumed"
        parts.append("an earlier attempt at the run had finished part of it, in another process")
    parts += sorted({problem for found in measured for problem in found.problems})
    return cause, "; ".join(parts)


def redefined(declared: object, theirs: BaselineMetric) -> list[Obstacle]:
    """Name what a metric's declaration says otherwise than when the baseline was stored."""
    changed = [(name, getattr(declared, name), getattr(theirs, name)) for name in ("unit", "kind", "better")]
    return [
        ("redefined", f"{name} of the metric: '{ours}', not '{old}'")
        for name, ours, old in changed
        if ours != old
    ]


def _obstacles(
    kind: Kind, head: Sequence[RunResult], stored: Baseline, settings: GateSettings, *, interleaved: bool
) -> list[Obstacle]:
    """Say what forbids comparing these runs, any of them, with the reference."""
    if kind == "runtime" and settings.code_changed:
        changed = f"what measures changed between base and head: {', '.join(settings.code_changed)}"
        return [("measuring_changed", changed)]
    measured = [run.measurement for run in head if run.measurement is not None]
    if len(measured) < len(head):
        return [("missing", "a run has no measurement")]
    found: list[Obstacle] = []
    for each in measured:
        if stored.scenario_version != each.scenario_version:
            version = f"scenario version: {each.scenario_version}, not {stored.scenario_version}"
            found.append(("version", version))
        other = environment.differences(kind, each.environment, stored.environment)
        found += [("data", data) for data in environment.other_data(each.datasets, stored.datasets)]
        found += [("environment", field) for field in other]
        for stage in each.stages if kind in {"memory", "runtime"} else ():
            for name, count in stage.threads_changed.items():
                wanted = f"{count} threads, {each.request.threads} were asked for"
                found.append(("threads", f"stage {stage.name} set {name} to {wanted}"))
    if kind == "accuracy":
        found += _other_test(head, stored)
    # interleaved pairs share what disturbs them; elsewhere one disturbed run is enough
    if kind == "runtime" and not interleaved and any(run.disturbed for run in head):
        found.append(("disturbed", "other processes used the machine"))
    return found


def _other_test(head: Sequence[RunResult], stored: Baseline) -> list[Obstacle]:
    """Refuse scores over another number of test images: that is no better or worse score but another test."""
    ours = {run.metrics["test_images"].value for run in head if "test_images" in run.metrics}
    theirs = set(stored.metrics["test_images"].values) if "test_images" in stored.metrics else ours
    if ours <= theirs:
        return []
    shown = (" or ".join(f"{count:g}" for count in sorted(found)) for found in (ours, theirs))
    noun = next(run.metrics["test_images"].unit for run in head if "test_images" in run.metrics)
    return [("other_test", "{} test {noun}, not {}".format(*shown, noun=noun))]


def _next_to(
    blank: Judgement,
    declared: Measured,
    numbers: values.Floats,
    theirs: BaselineMetric,
    stored: Baseline,
    head: Sequence[RunResult],
    *,
    interleaved: bool,
) -> Judgement | Candidate:
    """Compare runs with the reference's; equality and what is only shown need no look."""
    base = np.asarray(theirs.values, np.float64)  # (reference runs,)
    blank = dataclasses.replace(blank, reference=float(base.mean()), reference_runs=tuple(base.tolist()))
    if blank.kind == "runtime" and not interleaved:
        middle = float(np.median(base))
        ratio = f"{np.median(numbers) / middle:.2f} times the baseline; " if middle > 0 else ""
        reason = f"{ratio}runtime is gated only between interleaved runs of one job"
        return _ruled(blank, "shown", reason, "NOT_JUDGED")
    floor = rules.smallest(blank.kind, blank.unit, float(base.mean()), scored_images(head, blank.metric))
    by_seed = dict(zip(stored.seeds, theirs.values, strict=True))
    equal = all(by_seed.get(run.request.seed) == one for run, one in zip(head, numbers, strict=True))
    if equal and blank.kind != "runtime":
        passed = _ruled(blank, "equal", "equal to the reference, seed by seed", "PASS")
        return dataclasses.replace(passed, test="equality, seed by seed")
    if blank.kind in {"work", "size"} and np.ptp(base) == 0:
        shared = f"all {len(base)} reference runs share"
        return constant(blank, declared.better, numbers, float(base[0]), floor, shared)
    return Candidate(blank, declared.better, floor)


def constant(
    blank: Judgement, better: Direction, numbers: values.Floats, reference: float, floor: float, shared: str
) -> Judgement:
    """Compare every run with one value, but for the floor: counts, sizes, and values of a test that has no spread."""
    off = numbers[np.abs(numbers - reference) > floor]
    verdict: Verdict = "PASS"
    reason = "equal to the reference"
    if len(off):
        gains = off > reference if better == "higher" else off < reference
        verdict = "IMPROVED" if better != "none" and gains.all() else "REGRESSED"
        reason = f"{len(off)} of {len(numbers)} runs differ from what {shared}"
    judged = _ruled(blank, "unequal" if len(off) else "equal", reason, verdict)
    lower, upper, test = reference - floor, reference + floor, "equality but for rounding"
    return dataclasses.replace(judged, reference=reference, lower=lower, upper=upper, test=test)


def scored_images(runs: Iterable[RunResult], metric: str) -> float | None:
    """Return the number of test images behind a score that the harness computed from predicted classes or labels; None for any other metric."""
    name, score = flips.scored_set(metric)
    for run in runs:
        found = run.measurement
        of_classes = found is not None and score in LABEL_SCORES and name in found.predictions
        if not of_classes and not (found is not None and score in ROW_COUNTS and name in found.others):
            return None
        images, scored = run.metrics.get("test_images"), run.metrics.get(metric)
        if images is None or isinstance(images.value, list):
            return None
        return images.value if scored is None or scored.unit in {"", images.unit} else None
    return None
