"""From the runs of a job to proposed baselines: what a baseline keeps of them, and why it may refuse. Pure; a run is looked at once."""

from __future__ import annotations

import datetime as dt
import typing

from harness.errors import BaselineError, unknown
from harness.judging import baselines, probes, reduced, trajectories
from harness.judging.baselines import SCHEMA, SEEDS_AT_LEAST
from harness.machine import environment
from harness.records import Baseline, BaselineMetric
from harness.store import stored

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Job, RunRequest, RunResult, Scenario, Trajectory

SEEDS_ADVISED = 10


def propose(job: Job, scenarios: Mapping[str, Scenario], *, reason: str, who: str) -> list[Baseline]:
    """Build a baseline from every variant and tier of a job: at least 5 finished runs of each; 10 are advised.

    Raises
    ------
    UnknownNameError
        If a run is of a scenario that is not declared.
    BaselineError
        If there are too few runs, failed runs, a seed twice, runs of more than one environment, data set or
        scenario version, no commit, or seeds that change nothing although the scenario draws at random.
    """
    for name, _, _ in stored.groups(job.results):
        if name not in scenarios:
            raise unknown("scenario", name, scenarios)
    groups: dict[tuple[str, ...], list[RunResult]] = {}
    lighter = reduced.Lighter()  # a job of any size is passed through once
    for result in job.results:
        request = result.request
        key = (request.scenario, request.variant, request.tier, request.backend, request.device)
        groups.setdefault(key, []).append(lighter.to_set_beside(result))
    return [_propose(job, scenarios[key[0]], runs, reason, who) for key, runs in groups.items()]


def _propose(job: Job, scenario: Scenario, runs: Sequence[RunResult], reason: str, who: str) -> Baseline:
    request, measurements = runs[0].request, [run.measurement for run in runs if run.measurement]
    name = f"{request.scenario}:{request.variant} ({request.tier})"
    errors = [run.error for run in runs if run.status != "ok" or run.measurement is None]
    if errors:
        raise BaselineError(f"{len(errors)} runs of {name} failed", f"First: {errors[0]}")
    if len(runs) < SEEDS_AT_LEAST:
        what = f"{name} has {len(runs)} runs, a baseline needs at least {SEEDS_AT_LEAST}"
        raise BaselineError(what, f"Run it with --seeds {SEEDS_ADVISED}")
    seeds = tuple(run.request.seed for run in runs)
    if len(set(seeds)) < len(seeds):
        raise BaselineError(f"the runs of {name} have one seed twice", "Run each seed once")
    for what, count in {
        "environments": len({environment.fingerprint(found.environment) for found in measurements}),
        "scenario versions": len({found.scenario_version for found in measurements}),
        "states of the data": len({tuple(use.sha256 for use in found.datasets) for found in measurements}),
    }.items():
        if count > 1:
            step = "Run them all on one machine"
            raise BaselineError(f"the runs of {name} come from {count} {what}", step)
    if not job.commit:
        raise BaselineError("the runs have no commit", "Run inside a git checkout")
    metrics = _metrics(scenario, runs)
    scored = [metric for metric in metrics.values() if metric.kind == "accuracy" and metric.better != "none"]
    if scored and not scenario.deterministic and all(len(set(metric.values)) == 1 for metric in scored):
        step = "Give run.seed to its generators, or declare it deterministic"
        raise BaselineError(f"no accuracy metric of {name} differs between its {len(seeds)} seeds", step)
    counted, followed = _counted(job, request)
    first = measurements[0]
    place = {
        "code",
        "commit",
        "imported_from",
    }  # where the code lay: a gate's worktree, the harness's own folder
    return Baseline(
        schema=SCHEMA, scenario=request.scenario, scenario_version=first.scenario_version, variant=request.variant,
        tier=request.tier, who=who, reason=reason, date=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        commit=job.commit, seeds=seeds, datasets=first.datasets, metrics=metrics, counted=counted, trajectories=followed,
        environment={field: value for field, value in first.environment.items() if field not in place},
    )  # fmt: skip


def _metrics(scenario: Scenario, runs: Sequence[RunResult]) -> dict[str, BaselineMetric]:
    """Collect what a baseline keeps: gated numbers, those of stages and of the main prediction set, not a grid's side scores.

    Runtime is kept from undisturbed runs only, and a number if every run has it.
    """
    kept, disturbed = {}, any(run.disturbed for run in runs)
    missing = set(scenario.gated)
    for name, measured in runs[0].metrics.items():
        if name not in scenario.gated and measured.kind not in {"memory", "runtime", "work"} and "." in name:
            continue
        values = baselines.numbers(name, runs)
        if disturbed and measured.kind == "runtime":
            missing.discard(name)
        elif len(values) == len(runs):
            missing.discard(name)
            kept[name] = BaselineMetric(
                values=values, unit=measured.unit, kind=measured.kind, better=measured.better
            )
    if missing:
        names = ", ".join(name for name in scenario.gated if name in missing)
        what = f"{names} (gated by {scenario.name}) was not measured as a number in every run"
        raise BaselineError(what, "Look at the runs' problems in the report")
    return kept


def _counted(job: Job, request: RunRequest) -> tuple[dict[str, BaselineMetric], dict[str, Trajectory]]:
    """Return what a variant's counting run counted and followed, but for what its repeat did not share, and whether all was equal."""
    key = ("head", request.scenario, request.variant, request.backend, request.device)
    for first, second in probes.pairs(job.counted):
        own = first.request
        if (own.side, own.scenario, own.variant, own.backend, own.device) != key:
            continue
        again = probes.reference_of(second)
        counts = {
            name: metric for name, metric in probes.reference_of(first).items() if again.get(name) == metric
        }
        for probe in job.probes:
            if (probe.scenario, probe.variant) == (request.scenario, request.variant) and probes.made(probe):
                equal = float(probes.repeatable(probe))
                counts.setdefault(
                    probes.REPEATABLE, BaselineMetric(values=[equal], unit="", kind="work", better="higher")
                )
        ours = probes.followed(first)
        loose = trajectories.unlike(ours, probes.followed(second))
        followed = {
            name: found
            for name, found in ours.items()
            if found.values and f"{trajectories.PREFIX}{name}" not in loose
        }
        return counts, followed
    return {}, {}
