"""The gate's rounds: do the runs that a decision asks for, until it asks for none; put the job together."""

from __future__ import annotations

import dataclasses
import itertools
import time
import typing

from harness import baselines, files, flips, jobs, plans, predictions, reduced
from harness.compare import judged_metrics
from harness.errors import BaselineError, HarnessError
from harness.gate import outcome, trials
from harness.gate.trials import CONFIRM_SEED, Evidence, Want
from harness.measure.stages import clocks
from harness.scenarios import find

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.flips import Found
    from harness.predictions import Reader
    from harness.records import GateSettings, Job, Plan, Probe, Round, RunRequest, RunResult, Scenario, Tier

    Rounds = dict[Round, list[RunResult]]


def conduct(
    plan: Plan,
    declared: Mapping[str, Scenario],
    roots: Sequence[Path],
    out: Path,
    do: Callable[[Sequence[RunRequest]], None],
    *,
    interleave: Callable[[Sequence[RunRequest]], Sequence[RunRequest]],
) -> Plan:
    """Run a gate to its end and return its plan as it grew; what was measured lies in `out`.

    Parameters
    ----------
    plan : Plan
        With `gate` set; its requests are those of the first look, or, of a job that goes on, all so far.
    declared : mapping
        Scenarios by name.
    roots : sequence of Path
        Folders of baselines.
    out : Path
        The job's claimed folder.
    do : callable
        Does runs, in this order, and stores their results below `out`.
    interleave : callable
        Orders the runs of both sides, pair by pair.
    """
    begun, tried, read = time.monotonic(), set[str](), predictions.reader(out)
    while True:
        todo = [request for request in plans.missing(plan, out) if request.key not in tried]
        do(todo)
        tried |= {request.key for request in todo}
        settings = _settings(plan)
        within = time.monotonic() - begun < 60 * settings.max_minutes
        found = _evidence(plans.results(plan, out), (), declared, roots, settings, read)
        further = _next(plan, found, settings) if within else []
        if not further:
            return plan
        # the plan grows on disk first: a gate that is killed here goes on with these
        plan = dataclasses.replace(plan, requests=(*plan.requests, *interleave(further)))
        files.write_json(out / "plan.json", plan)


def _settings(plan: Plan) -> GateSettings:
    if plan.gate is None:
        raise HarnessError("the job is no gate", "Type: harness gate")
    return plan.gate


def _next(plan: Plan, found: Sequence[Evidence], settings: GateSettings) -> list[RunRequest]:
    """List the runs of the next look; none when all is decided, or the budget holds no more.

    What the screen cannot have keeps nothing from its confirm round that it has flagged already. Half a look decides nothing: where not all
    variants' fresh runs can be had, whole variants are confirmed, those with the fewest first.
    """
    left = settings.max_runs - len(plan.requests)
    for screening in (True, False):
        state = trials.decide(found, settings, screening=screening)
        every = [request for want in state.wanted for request in _further(plan, want)]
        if 0 < len(every) <= left:
            return every
    looks = [_further(plan, want) for want in sorted(state.wanted, key=lambda want: want.runs)]
    return next((look for look in looks if 0 < len(look) <= left), [])


def _further(plan: Plan, want: Want) -> list[RunRequest]:
    """List the runs that are wanted and not planned yet, on each side that the plan has."""
    planned = [
        request
        for request in plan.requests
        if (request.scenario, request.variant, request.purpose) == (want.scenario, want.variant, "measure")
    ]
    begun = [request.seed for request in planned if request.round == want.round]
    start = min(begun, default=min(request.seed for request in planned) + CONFIRM_SEED)
    known = {request.key for request in planned}
    templates = {request.side: request for request in reversed(planned)}
    wanted = [
        dataclasses.replace(template, round=want.round, seed=seed)
        for seed in range(start, start + want.runs)
        for template in templates.values()
    ]
    return [request for request in wanted if request.key not in known]


# -- putting the job together -----------------------------------------------------------------


def assemble(
    plan: Plan, declared: Mapping[str, Scenario], roots: Sequence[Path], out: Path, *, minutes: float, stopped: bool
) -> Job:  # fmt: skip
    """Judge everything that a gate measured so far and put it into one job.

    Parameters
    ----------
    plan : Plan
        The gate's.
    declared, roots
        Scenarios by name, and folders of baselines.
    out : Path
        Folder of the job, where the results of both sides and all rounds lie.
    minutes : float
        How long it took.
    stopped : bool
        Whether it was ended from outside.
    """
    job = jobs.unjudged(plan, plans.results(plan, out), out)
    if job.gate is None:
        raise HarnessError("the job is no gate", "Type: harness run")
    gate = dataclasses.replace(
        job.gate, minutes=round(minutes, 2), interrupted=stopped or job.gate.interrupted
    )
    return rejudge(dataclasses.replace(job, gate=gate), declared, roots, out)


def rejudge(
    job: Job, declared: Mapping[str, Scenario], roots: Sequence[Path], out: Path | None = None
) -> Job:
    """Judge the results of a stored job again, a gate's as a gate does; everything measured stays as it is.

    Parameters
    ----------
    job : Job
        A gate's or a plain run's.
    declared, roots
        Scenarios by name, and folders of baselines.
    out : Path, optional
        Folder of the job. Without it no flipped images are found, nor decide where both sides have the same weights.

    Raises
    ------
    UnknownNameError
        If a stored run is of a scenario that is not declared here.
    """
    if job.gate is None:
        return jobs.rejudge(job, declared, roots, out)
    every = itertools.chain(job.results, job.counted, job.gate.base_results)
    read = predictions.reader(out) if out is not None else None
    found = _evidence(every, job.probes, declared, roots, job.gate.settings, read)
    state = trials.decide(found, job.gate.settings, more=False)
    gate = dataclasses.replace(job.gate, trials=state.trials)
    judged = tuple(jobs.waived(state.comparisons, roots))
    return outcome.closed(dataclasses.replace(job, gate=gate, comparisons=judged))


def _evidence(
    results: Iterable[RunResult],
    probed: Iterable[Probe],
    declared: Mapping[str, Scenario],
    roots: Sequence[Path],
    settings: GateSettings,
    read: Reader | None,
) -> list[Evidence]:
    """Sort results by variant, side and round; one evidence a variant that was measured."""
    groups: dict[tuple[str, str, Tier], dict[str, Rounds]] = {}
    counted: dict[tuple[str, str, str], RunResult] = {}
    lightened = _light(results, declared)
    for result in sorted(lightened, key=lambda result: (result.request.seed, result.request.repeat)):
        request = result.request
        if request.purpose == "count":
            counted.setdefault((request.scenario, request.variant, request.side), result)
        else:
            sides = groups.setdefault((request.scenario, request.variant, request.tier), {})
            sides.setdefault(request.side, {}).setdefault(request.round, []).append(result)
    found = {(probe.scenario, probe.variant): probe for probe in probed}
    return [
        dataclasses.replace(
            _one(declared[name], variant, tier, sides, roots, settings, read),
            counted=counted.get((name, variant, "head")),
            base_counted=counted.get((name, variant, "base")),
            probe=found.get((name, variant)),
        )
        for (name, variant, tier), sides in groups.items()
    ]


def _light(results: Iterable[RunResult], declared: Mapping[str, Scenario]) -> Iterator[RunResult]:
    """Pass on what a decision looks at: of measured runs what is judged; counted ones are few, and stay whole."""
    lighter = reduced.Lighter()
    metrics = {
        name: [*judged_metrics(found), *(time for gated in found.gated for time in clocks(gated))]
        for name, found in declared.items()
    }
    for run in results:
        name = find(declared, run.request.scenario).name
        yield run if run.request.purpose == "count" else lighter(run, metrics[name])


def _one(
    scenario: Scenario,
    variant: str,
    tier: Tier,
    sides: Mapping[str, Rounds],
    roots: Sequence[Path],
    settings: GateSettings,
    read: Reader | None,
) -> Evidence:
    head = sides.get("head", {})
    measured = next(
        (run.measurement for runs in head.values() for run in runs if run.measurement is not None), None
    )
    stored, damaged = None, ""
    flipped: list[Found] = []
    first = [run for run in head.get("screen", ()) if run.status == "ok"][
        : trials.first_runs(scenario, settings)
    ]
    names = flips.main_sets(scenario.gated)
    if not settings.against and measured is not None:
        try:
            stored = baselines.find(roots, scenario.name, variant, tier, measured.environment)
            flipped = flips.against_baseline(first, stored, names, read) if stored and read else []
        except BaselineError as error:
            damaged = str(error)
    elif settings.against and read:
        base = [run for run in sides.get("base", {}).get("screen", ()) if run.status == "ok"]
        flipped = flips.against_base(first, base, names, read, f"base {settings.against}")
    return Evidence(
        scenario=scenario,
        variant=variant,
        tier=tier,
        head=head,
        base=sides.get("base", {}) if settings.against else None,
        stored=stored,
        damaged=damaged,
        flipped=tuple(flipped),
    )
