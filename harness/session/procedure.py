"""One session, whoever begins it: do the runs that a decision asks for, until it asks for none; judge all of them; put the job together.

A plain run is a gate that may ask for no further runs.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import time
import typing

from harness.errors import BaselineError
from harness.judging import baselines, flips, jobs, outcome, reduced, waivers
from harness.judging.compare import judged_metrics
from harness.judging.gate import remeasuring, trials, values
from harness.judging.gate.trials import CONFIRM_SEED, Want
from harness.judging.gate.values import Evidence
from harness.measure.stages import clocks
from harness.records import GateSettings
from harness.running import plans
from harness.sources.catalogue import find
from harness.store import files, predictions

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.records import Job, Measurement, Plan, Probe, Round, RunRequest, RunResult, Scenario, Tier
    from harness.store.predictions import Reader

    Rounds = dict[Round, list[RunResult]]


def conduct(
    plan: Plan, declared: Mapping[str, Scenario], roots: Sequence[Path], out: Path,
    do: Callable[[Sequence[RunRequest]], None], *,
    interleave: Callable[[Sequence[RunRequest]], Sequence[RunRequest]] = tuple,
    keep: Callable[[Plan], None] | None = None,
    remeasure: remeasuring.Measure | None = None,
) -> Plan:  # fmt: skip
    """Run a job to its end and return its plan as it grew; what was measured lies in `out`.

    Parameters
    ----------
    plan : Plan
        Of a gate its requests are those of the first look, or, of a job that goes on, all so far. Without `gate` it never grows.
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
    keep : callable, optional
        Stores a plan that grew; in ``plan.json`` by default.
    remeasure : callable, optional
        Does runs of a baseline's commit on this machine; without it memory of another kind of machine stays INCOMPARABLE.
    """
    begun, tried, read = time.monotonic(), set[str](), predictions.reader(out)
    supplied = set[tuple[str, str, str]]()
    while True:
        todo = [request for request in plans.missing(plan, out) if request.key not in tried]
        do(todo)
        if plan.gate is None or time.monotonic() - begun >= 60 * plan.gate.max_minutes:
            return plan
        settings = plan.gate
        tried |= {request.key for request in todo}
        gathered = _evidence(plans.results(plan, out), (), declared, roots, settings, out, read)
        elsewhere = remeasuring.lacking(gathered, settings) if remeasure and settings.remeasure else []
        elsewhere = [each for each in elsewhere if each.name not in supplied]
        if remeasure and elsewhere:
            supplied |= {each.name for each in elsewhere}
            left = 60 * settings.max_minutes - (time.monotonic() - begun)
            plan = plans.noted(plan, remeasuring.supply(elsewhere, plan, out, remeasure, seconds=left), out)
            gathered = _evidence(plans.results(plan, out), (), declared, roots, settings, out, read)
        further = _next(plan, gathered, settings)
        if not further:
            return plan
        # the plan grows on disk first: a gate that is killed here goes on with these
        plan = dataclasses.replace(plan, requests=(*plan.requests, *interleave(further)))
        if keep is None:
            files.write_json(out / "plan.json", plan)
        else:
            keep(plan)


def _next(plan: Plan, found: Sequence[Evidence], settings: GateSettings) -> list[RunRequest]:
    """List the runs of the next look; none when all is decided, or the budget holds no more.

    If the screen cannot get more runs, what it has flagged is confirmed all the same. If the budget cannot confirm every variant, the cheapest
    variants are confirmed in full.
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
    plan: Plan, declared: Mapping[str, Scenario], roots: Sequence[Path], out: Path, *, minutes: float = 0.0,
    stopped: bool = False
) -> Job:  # fmt: skip
    """Judge everything that the runs of a plan left in `out` so far and put it into one job.

    Parameters
    ----------
    plan : Plan
        What there is to do.
    declared, roots
        Scenarios by name, and folders of baselines.
    out : Path
        Folder of the job, where the results of both sides and all rounds lie.
    minutes : float
        How long a gate took.
    stopped : bool
        Whether it was ended from outside.
    """
    job = jobs.unjudged(plan, plans.results(plan, out), out)
    if job.gate is not None:
        interrupted = stopped or job.gate.interrupted
        gate = dataclasses.replace(job.gate, minutes=round(minutes, 2), interrupted=interrupted)
        job = dataclasses.replace(job, gate=gate)
    return rejudge(job, declared, roots, out)


def rejudge(
    job: Job, declared: Mapping[str, Scenario], roots: Sequence[Path], out: Path | None = None,
    today: dt.date | None = None
) -> Job:  # fmt: skip
    """Judge the results of a job again; everything measured stays as it is.

    A gate's variants are decided together, because its error rates are those of the whole gate; those of a plain run each for itself.

    Parameters
    ----------
    job : Job
        A gate's or a plain run's.
    declared, roots
        Scenarios by name, and folders of baselines; the first that has waivers decides what is WAIVED.
    out : Path, optional
        Folder of the job. Without it no flipped images are found, nor decide where both sides have the same weights.
    today : date, optional
        Day that waivers are held against; today in UTC by default.

    Raises
    ------
    UnknownNameError
        If a stored run is of a scenario that is not declared here.
    BaselineError
        If the waivers are damaged. A damaged baseline raises nothing: what needed it is an ERROR.
    """
    settings = job.gate.settings if job.gate else GateSettings(seeds=max(1, len(job.results)))
    every = itertools.chain(job.results, job.counted, job.gate.base_results if job.gate else ())
    gathered = _evidence(every, job.probes, declared, roots, settings, out)
    together = [gathered] if job.gate else [[each] for each in gathered]
    states = [trials.decide(family, settings, more=False) for family in together]
    day = today or dt.datetime.now(dt.UTC).date()
    every_one = [comparison for state in states for comparison in state.comparisons]
    comparisons = tuple(waivers.apply(every_one, waivers.read(roots), day))
    return outcome.closed(dataclasses.replace(job, comparisons=comparisons))


def _evidence(
    results: Iterable[RunResult], probed: Iterable[Probe], declared: Mapping[str, Scenario],
    roots: Sequence[Path],
    settings: GateSettings, out: Path | None, read: Reader | None = None,
) -> list[Evidence]:  # fmt: skip
    """Sort results by variant, side and round; one evidence a variant that was measured, with its reference: base runs, or stored baselines.

    `read` reads predictions below `out`, once for all calls with the same one.
    """
    read = read or (None if out is None else predictions.reader(out))
    groups: dict[tuple[str, str, Tier], dict[str, Rounds]] = {}
    counted: dict[tuple[str, str, str], RunResult] = {}
    for result in sorted(_light(results, declared), key=lambda run: (run.request.seed, run.request.repeat)):
        request = result.request
        if request.purpose == "count":
            counted.setdefault((request.scenario, request.variant, request.side), result)
        else:
            sides = groups.setdefault((request.scenario, request.variant, request.tier), {})
            sides.setdefault(request.side, {}).setdefault(request.round, []).append(result)
    probes = {(probe.scenario, probe.variant): probe for probe in probed}
    found = []
    for (name, variant, tier), sides in groups.items():
        head, base, work = sides.get("head", {}), sides.get("base", {}), counted.get((name, variant, "head"))
        every = [run for runs in head.values() for run in runs]
        # with a base each side's runs name their own copies of the user's files
        own = (
            settings.scenario_paths
            if settings.against
            else next((run.request.scenario_paths for run in every), ())
        )
        evidence = Evidence(
            scenario=declared[name], variant=variant, tier=tier, head=head,
            base=base if settings.against else None, stored=None,
            stored_here=None, counted=work, paths=own, folder="RUN" if out is None else str(out),
            base_counted=counted.get((name, variant, "base")), probe=probes.get((name, variant)),
        )  # fmt: skip
        first = values.finished(head.get("screen", ()))[: trials.first_runs(declared[name], settings)]
        sets = flips.main_sets(declared[name].gated)
        measured = next((run.measurement for run in (*every, work) if run and run.measurement), None)
        if settings.against and read:
            other = values.finished(base.get("screen", ()))
            flipped = flips.against_base(first, other, sets, read, f"base {settings.against}")
            evidence = dataclasses.replace(evidence, flipped=tuple(flipped))
        elif not settings.against and measured is not None:
            evidence = _with_baselines(evidence, measured, first, sets, roots, out, read)
        found.append(evidence)
    return found


def _with_baselines(
    evidence: Evidence, measured: Measurement, first: Sequence[RunResult], sets: Sequence[str],
    roots: Sequence[Path], out: Path | None,
    read: Reader | None,
) -> Evidence:  # fmt: skip
    """Add the stored baselines, memory that was measured here again, and flipped images; a damaged baseline is a reason."""
    name, variant, tier = evidence.scenario.name, evidence.variant, evidence.tier
    try:
        references = baselines.find(
            roots, name, variant, tier, measured.environment, version=measured.scenario_version,
            data=measured.datasets
        )  # fmt: skip
        if references is None:
            return evidence
        near = references.nearest
        evidence = dataclasses.replace(evidence, stored=references.newest, stored_here=near)
        if out is not None:
            again = remeasuring.of_job(out, name, variant, tier, near[0], measured.environment)
            evidence = dataclasses.replace(evidence, stored_here=again or near)
        if read:
            flipped = flips.against_baseline(first, references.newest, sets, read)
            evidence = dataclasses.replace(evidence, flipped=tuple(flipped))
    except BaselineError as error:
        evidence = dataclasses.replace(evidence, damaged=str(error))
    return evidence


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
