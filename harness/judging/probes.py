"""Counted runs: which to make, whether two of them agree bit by bit, and the verdict on their counts.

Work is judged by equality, in one run: the same code counts the same on any machine, however loud. Only where two equal runs
count differently is a count not judged.
"""

from __future__ import annotations

import dataclasses
import typing

from harness.errors import StorageError
from harness.judging import trajectories
from harness.machine import environment
from harness.measure.work import PREFIX
from harness.records import BaselineMetric, Judgement, Probe, time_limit
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from harness.records import (
        Baseline,
        Cause,
        Measured,
        RunRequest,
        RunResult,
        Scenario,
        Tier,
        Trajectory,
        Verdict,
    )

    Reference = Mapping[str, BaselineMetric]

REPEATABLE = "work.repeatable"
"""Whether two equal runs predicted and counted the same, bit by bit: 1 or 0. A baseline keeps it among its counts."""
COUNTED_SEED = 0
"""Seed of every counting run: where training stops early, another seed does other work."""
NOT_COUNTED = "no work was counted"


def lowest_tier(scenario: Scenario, variant: str) -> Tier:
    """Return the lowest tier that a variant has: there its work is counted.

    Raises
    ------
    ValueError
        If it has none.
    """
    having = scenario.tiers_of(variant)
    if not having:
        raise ValueError(f"{scenario.name}:{variant} has no tier, so nothing of it can be counted")
    return having[0]


def requests(measured: Iterable[RunRequest], scenarios: Mapping[str, Scenario]) -> list[RunRequest]:
    """List the counting runs that belong to measured ones: two of each variant, backend, device and side, always at one seed.

    They are equal but for `repeat`, 0 and 1; in the variant's lowest tier, without a limit of memory.
    """
    first: dict[tuple[str, ...], RunRequest] = {}
    for request in measured:
        key = (request.scenario, request.variant, request.backend, request.device, request.side)
        first.setdefault(key, request)
    found = []
    for request in first.values():
        tier = lowest_tier(scenarios[request.scenario], request.variant)
        counting = dataclasses.replace(
            request, tier=tier, seed=COUNTED_SEED, purpose="count", repeat=0, round="screen", memory_limit=None,
            time_limit=request.time_limit if request.tier == tier else time_limit(tier), keep_weights=False, weights="",
        )  # fmt: skip
        found += [counting, dataclasses.replace(counting, repeat=1)]
    return found


# -- the probe ---------------------------------------------------------------------------------------------------------


def counts(result: RunResult) -> dict[str, Measured]:
    """Return what a counting run counted, by metric name; empty if it counted nothing."""
    return {
        name: measured
        for name, measured in result.metrics.items()
        if measured.kind == "work" and name.startswith(PREFIX)
    }


def followed(result: RunResult) -> Mapping[str, Trajectory]:
    """Return the first losses of each training that a counting run followed, by name."""
    return result.measurement.trajectories if result.measurement is not None else {}


def pairs(counted: Sequence[RunResult]) -> list[tuple[RunResult, RunResult]]:
    """Pair the counting runs that differ in nothing but `repeat`, in their order."""
    second = {result.request: result for result in counted if result.request.repeat == 1}
    found = []
    for result in counted:
        again = dataclasses.replace(result.request, repeat=1)
        if result.request.repeat == 0 and again in second:
            found.append((result, second[again]))
    return found


def compare(first: RunResult, second: RunResult, folder: Path) -> Probe:
    """Compare two counting runs with all else equal, bit by bit; `folder` is the job's, where both have stored their predictions.

    A failed run gives a probe that could not be made, with the reason.
    """
    request, runs = first.request, (first, second)
    probe = Probe(
        scenario=request.scenario, variant=request.variant, tier=request.tier, seed=request.seed,
        predictions_equal=False, work_equal=False,
    )  # fmt: skip
    failed = next((run for run in runs if run.status != "ok"), None)
    if failed is not None:
        return dataclasses.replace(probe, differing=(f"a counting run failed: {failed.error}",))
    a, b = counts(first), counts(second)
    if not a or not b:
        return dataclasses.replace(probe, differing=(NOT_COUNTED,))
    try:
        ours, theirs = (files.read_npz_below(folder, f"{run.folder}/predictions.npz") for run in runs)
    except StorageError as error:
        return dataclasses.replace(probe, differing=(str(error),))
    sets = [name for name in {**ours, **theirs} if not _same(ours.get(name), theirs.get(name))]
    work = [name for name in {**a, **b} if a.get(name) != b.get(name)]
    work += trajectories.unlike(followed(first), followed(second))
    return dataclasses.replace(
        probe, predictions_equal=not sets, work_equal=not work, differing=(*sets, *work)
    )


def _same(a: NDArray[np.generic] | None, b: NDArray[np.generic] | None) -> bool:
    """Whether two arrays have the same dtype, shape and bits."""
    if a is None or b is None:
        return False
    return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()


def repeatable(probe: Probe) -> bool:
    """Whether two equal runs predicted and counted the same."""
    return probe.predictions_equal and probe.work_equal


def made(probe: Probe) -> bool:
    """Whether a probe could be made: one that could not names a reason, and no count that differs."""
    return probe.work_equal or any(name.startswith((PREFIX, trajectories.PREFIX)) for name in probe.differing)


# -- the verdict -------------------------------------------------------------------------------------------------------


def reference_of(result: RunResult) -> dict[str, BaselineMetric]:
    """Turn what a run counted into a reference: for a gate's base side, or a baseline."""
    return {
        name: BaselineMetric(values=[_number(count)], unit=count.unit, kind=count.kind, better=count.better)
        for name, count in counts(result).items()
    }


def _number(count: Measured) -> float:
    return float(typing.cast("float", count.value))


def obstacles(counted: RunResult, stored: Baseline) -> list[str]:
    """Say what forbids comparing a run's counts with a baseline's.

    The data count only if they are the same tier's: a baseline of a higher tier notes data that its counting run never read.
    """
    measurement = counted.measurement
    if measurement is None:
        return []
    found = environment.differences("work", measurement.environment, stored.environment)
    if measurement.scenario_version != stored.scenario_version:
        found.append(f"scenario version: {measurement.scenario_version}, not {stored.scenario_version}")
    if counted.request.tier == stored.tier:
        found += environment.other_data(measurement.datasets, stored.datasets)
    return found


def against_stored(
    counted: RunResult | None, probe: Probe | None, nearest: tuple[Baseline, str] | None
) -> list[Judgement]:
    """Judge counts and trajectories against a stored baseline; a job that counted nothing has nothing to judge."""
    if counted is None:
        return []
    stored, place = nearest or (None, "")
    hindered = obstacles(counted, stored) if stored and (stored.counted or stored.trajectories) else []
    work = judge_work(counted, probe, stored.counted if stored else None, place, hindered=hindered)
    if stored is None or counted.measurement is None:
        return work
    same = _same_bits(probe, counted.measurement.environment, stored.environment)
    found = trajectories.judge(followed(counted), stored.trajectories, place, same=same, hindered=hindered)
    return [*work, *found]


def against_base(
    counted: RunResult | None, probe: Probe | None, base: RunResult | None, place: str
) -> list[Judgement]:
    """Judge counts and trajectories against those of a gate's base side."""
    if counted is None:
        return []
    ours, theirs = counted.measurement, base.measurement if base else None
    hindered = []
    if ours and theirs and ours.scenario_version != theirs.scenario_version:
        hindered.append(f"scenario version: {ours.scenario_version}, not {theirs.scenario_version}")
    work = judge_work(counted, probe, reference_of(base) if base else None, place, hindered=hindered)
    if not ours or not theirs:
        return work
    same = _same_bits(probe, ours.environment, theirs.environment)
    loose = probe.differing if probe else ()
    before = theirs.trajectories
    found = trajectories.judge(followed(counted), before, place, same=same, hindered=hindered, loose=loose)
    return [*work, *found]


def _same_bits(probe: Probe | None, ours: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    """Whether equal code must give equal bits: equal runs do here, and times of both environments could be compared."""
    return probe is not None and repeatable(probe) and not environment.differences("runtime", ours, theirs)


def judge_work(
    counted: RunResult,
    probe: Probe | None,
    reference: Reference | None,
    place: str,
    *,
    hindered: Sequence[str] = (),
) -> list[Judgement]:
    """Judge every count of a counting run, and every count that it lacks, by equality.

    Parameters
    ----------
    counted : RunResult
        The first counting run.
    probe : Probe or None
        What comparing it with its repeat showed.
    reference : mapping or None
        One value a count, from a baseline's `counted` or `reference_of` a base run; None if there is none. With `REPEATABLE`
        in it the probe itself is judged too.
    place : str
        Where the reference comes from: the baseline file, or REF.
    hindered : sequence of str
        What forbids the comparison (`obstacles`): every count is then INCOMPARABLE.

    Returns
    -------
    list of Judgement
        One a count: PASS, REGRESSED (more; or any difference where no direction is better), IMPROVED, NO_BASELINE,
        INCOMPARABLE, ERROR (it is missing), or NOT_JUDGED (two equal runs count differently here). `REPEATABLE` is REGRESSED
        where equal runs came to differ. A failed run or probe adds an ERROR called ``work``.
    """
    found, known = counts(counted), dict(reference or {})
    repeated = known.pop(REPEATABLE, None)
    blank = Judgement(
        against="baseline", metric="work", verdict="ERROR", kind="work", n=1 if found else 0, test="equality in one run",
        place=place, gated=True, cause="uncounted",
    )  # fmt: skip
    judged = []
    if trouble := _trouble(counted, probe):
        judged.append(dataclasses.replace(blank, reason=trouble))
    if found and not known and not hindered and not trouble:
        reason = f"none is stored for any of {len(found)} counts"
        judged.append(dataclasses.replace(blank, verdict="NO_BASELINE", cause="no_reference", reason=reason))
    for name, count in found.items():
        own = dataclasses.replace(blank, metric=name, unit=count.unit, value=count.value)
        if hindered:
            reason = "; ".join(hindered)
            judged.append(
                dataclasses.replace(own, verdict="INCOMPARABLE", cause="environment", reason=reason)
            )
        elif probe is not None and name in probe.differing:
            reason = "two equal runs count it differently here: give every generator its seed, and order what threads do"
            judged.append(
                dataclasses.replace(own, verdict="NOT_JUDGED", cause="not_repeatable", reason=reason)
            )
        elif known:
            judged.append(_judge(own, count, known.get(name)))
    if hindered or (found and not known):
        return judged
    reason = (
        "it is in the baseline, and was not counted in this run; the report says what could not be counted"
    )
    judged += [
        dataclasses.replace(blank, metric=name, unit=old.unit, reference=old.values[0], n=0, reason=reason)
        for name, old in known.items()
        if name not in found
    ]
    if probe is not None and repeated is not None and made(probe):
        judged.append(_repeated(blank, probe, repeated))
    return judged


def _trouble(counted: RunResult, probe: Probe | None) -> str:
    """Say why work could not be counted or probed at all; empty if it could."""
    if counted.status != "ok":
        return f"the counting run failed: {counted.error}"
    if not counts(counted):
        return NOT_COUNTED
    return (
        ""
        if probe is None or made(probe)
        else f"determinism could not be probed: {'; '.join(probe.differing)}"
    )


def _judge(own: Judgement, count: Measured, old: BaselineMetric | None) -> Judgement:
    """Compare one count with its reference."""
    if old is None:
        reason = "none is stored for this count"
        return dataclasses.replace(own, verdict="NO_BASELINE", cause="new_metric", reason=reason)
    now, before = _number(count), old.values[0]
    verdict: Verdict = "REGRESSED"
    cause: Cause = "unequal"
    reason = f"{now:,.0f} instead of {before:,.0f}" + (f", {now / before - 1:+.2%}" if before else "")
    if now == before:
        verdict, cause, reason = "PASS", "equal", "equal to the baseline"
    elif count.better == "none":
        reason += ": another protocol"
    elif (now < before) == (count.better == "lower"):
        verdict = "IMPROVED"
        reason += ": less work"
    else:
        reason += ": more work"
    return dataclasses.replace(
        own, verdict=verdict, cause=cause, reason=reason, reference=before, lower=before, upper=before
    )


def _repeated(blank: Judgement, probe: Probe, old: BaselineMetric) -> Judgement:
    """Judge whether equal runs are still equal: a generator without a seed changes no mean, and no other metric would show it."""
    now = float(repeatable(probe))
    verdict: Verdict
    if not old.values[0]:
        verdict, reason = "NOT_JUDGED", "two equal runs differed when the baseline was made"
    elif now:
        verdict, reason = "PASS", "two equal runs are equal, bit by bit"
    else:
        verdict = "REGRESSED"
        reason = (
            f"two equal runs differ now in {', '.join(probe.differing)}; none did when the baseline was made: "
            "give every generator its seed, and order what threads do"
        )
    return dataclasses.replace(
        blank, metric=REPEATABLE, verdict=verdict, cause="repeatable" if now else "not_repeatable", n=2, value=now,
        reference=old.values[0], reason=reason,
    )  # fmt: skip
