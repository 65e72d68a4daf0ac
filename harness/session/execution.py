"""A run or a gate from its settings to its judged job, for the command line and for Python programs."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
import typing
from pathlib import Path

from harness import export
from harness.data.cache import machine_lock
from harness.errors import HarnessError, unknown
from harness.judging import baselines as stored_baselines
from harness.judging import jobs, probes, waivers
from harness.judging.gate.trials import first_runs
from harness.machine.environment import git_commit
from harness.records import Outputs
from harness.running import executors, plans, sides
from harness.session import choosing, procedure, why
from harness.sources import catalogue
from harness.store import commands, files

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.records import GateSettings, Job, Plan, RunRequest, RunResult, Scenario
    from harness.running.executors import Executor
    from harness.running.sides import Sides

    Follow = Callable[[Iterable[RunResult], Sequence[RunRequest]], Iterable[RunResult]]
    Selection = Sequence[tuple[Scenario, str]]


def _here() -> contextlib.AbstractContextManager[Executor]:
    return executors.opened("local")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where the runs of a job are done, and what shows their progress."""

    execute: Callable[[], contextlib.AbstractContextManager[Executor]] = _here
    """Opens what runs workers."""
    follow: Follow = lambda results, _: results
    """Passes on the results of the requested runs as they come."""
    local: bool = True
    """Whether workers run on this machine, so that memory can be measured here again."""


HERE, NO_OUTPUTS = Where(), Outputs()


class Ended(typing.NamedTuple):
    """A judged job that is not stored yet."""

    job: Job
    """Everything that was finished."""
    declared: Mapping[str, Scenario]
    """Scenarios by name."""
    folder: Path
    """The job's folder."""
    outputs: Outputs
    """What a gate is to write in addition."""
    stopped: bool
    """Whether Ctrl-C ended it."""


def run(
    names: Sequence[str], settings: choosing.Settings, *, command: str, baselines: Path | None = None,
    out: Path | None = None,
    force: bool = False, where: Where = HERE,
) -> Ended:  # fmt: skip
    """Run variants and judge them; `names` are those of `choosing.select`, `command` repeats the job, `baselines` is read first.

    The job lies in `out`, a new folder by default; one that is stored there is replaced with `force` only.
    """
    declared, selection, roots = choosing.chosen(names, settings, baselines)
    plan = plans.make(choosing.requests(selection, settings), command, baselines)
    folder = out or jobs.default_folder()
    with plans.claimed(folder):
        plans.begin(plan, folder, force=force)
        return _conduct(plan, declared, roots, folder, None, where)


def gate(
    names: Sequence[str], settings: choosing.Settings, limits: GateSettings, *, command: str,
    baselines: Path | None = None,
    out: Path | None = None, force: bool = False, coin: int | None = None, outputs: Outputs = NO_OUTPUTS,
    where: Where = HERE,
) -> Ended:  # fmt: skip
    """Run, compare with stored baselines or another commit, and confirm on fresh runs what looks worse.

    Parameters
    ----------
    names, settings, command, baselines, out, force, where
        As for `run`.
    limits : GateSettings
        Reference, budget and strictness; seeds and scenario files come from `settings`.
    coin : int, optional
        Seed of the coin that orders pairs; from the commits by default, so that the same command gives the same order.
    outputs : Outputs
        What is to be written in addition; a file that may not be replaced is refused here.
    """
    limits = dataclasses.replace(
        limits, seeds=settings.seeds, scenario_paths=files.absolute(settings.scenario_paths)
    )
    declared, selection, roots = choosing.chosen(names, settings, baselines)
    _refuse_outputs(outputs, selection, force=force)
    folder = out or jobs.default_folder()
    if not force:
        plans.refuse_stored(folder)
    with one_gate(), plans.claimed(folder), _both_sides(limits.against, settings.scenario_paths) as opened:
        completed, wanted = _first_look(selection, settings, limits, opened, coin=coin, new_allowed=not names)
        plan = plans.make(wanted, command, baselines)
        plan = dataclasses.replace(plan, gate=completed, outputs=outputs)
        plans.begin(plan, folder, force=force)
        return _conduct(plan, declared, roots, folder, opened, where)


def resume(
    folder: Path, *, gate: bool, outputs: Outputs = NO_OUTPUTS, where: Where = HERE
) -> Ended:  # fmt: skip
    """Do the missing runs of a stored job, which must be a gate's or must not be; `outputs` replace what its plan names."""
    plan = plans.read(folder)
    if (plan.gate is not None) != gate:
        what = f"the job in '{folder}' is {'no' if gate else 'a'} gate"
        raise HarnessError(what, f"Type: {commands.resume(plan, folder)}")
    # with a base, requests name each side's own copies
    paths = (
        plan.gate.scenario_paths
        if plan.gate
        else sorted({path for one in plan.requests for path in one.scenario_paths})
    )
    against = plan.gate.base_commit if plan.gate and plan.gate.against else ""
    declared = catalogue.load_all(paths)
    variants = sorted({(request.scenario, request.variant) for request in plan.requests})
    selection = [(catalogue.find(declared, name), variant) for name, variant in variants]
    _refuse_outputs(outputs, selection, force=False)
    with one_gate() if gate else contextlib.nullcontext(), plans.claimed(folder):
        plan = plans.resume(folder)
        fields = (field.name for field in dataclasses.fields(Outputs))
        named = {name: value for name in fields if (value := getattr(outputs, name))}
        plan = dataclasses.replace(plan, outputs=dataclasses.replace(plan.outputs, **named))
        roots = stored_baselines.search_path(Path(plan.baselines) if plan.baselines else None)
        with _both_sides(against, paths) as opened:
            return _conduct(reopened(plan, opened), declared, roots, folder, opened, where)


# -- how a gate begins -------------------------------------------------------------------


def one_gate() -> contextlib.AbstractContextManager[None]:
    """Let one gate at a time run on this machine: two would disturb each other's times; a second one is a `HarnessError`."""
    return machine_lock("gate.lock", 0.0, "another gate runs on this machine")


def _both_sides(
    against: str, scenario_paths: Sequence[str]
) -> contextlib.AbstractContextManager[Sides | None]:
    """Check out both sides of a comparison; nothing where stored baselines are the reference."""
    return sides.opened(against, scenario_paths, Path()) if against else contextlib.nullcontext()


def _refuse_outputs(outputs: Outputs, selection: Selection, *, force: bool) -> None:
    """Refuse, before anything is measured, a file that writing would lose, and metrics that nothing judges."""
    refuse_unknown(outputs.explained, selection)
    if outputs.junit and not force:
        export.refuse_other(Path(outputs.junit), "junit.xml")
    if outputs.summary:
        plans.refuse_job_file(Path(outputs.summary))


def refuse_unknown(metrics: Sequence[str], selection: Selection) -> None:
    """Refuse metrics to explain that no gate of these variants judges, so that a slip is said before hours of runs.

    Parameters
    ----------
    metrics : sequence of str
        Each a metric, or ``SCENARIO[:VARIANT]/METRIC``. Counts of work are known after the runs only: any name of one passes.
    selection : sequence of (Scenario, str)
        Scenarios and variants.

    Raises
    ------
    UnknownNameError
        With the nearest metric that is judged.
    """
    for metric in metrics:
        place, _, name = metric.rpartition("/")
        meant = [one for one, variant in selection if place in {"", one.name, f"{one.name}:{variant}"}]
        if not any(waivers.judges(scenario, (), name) for scenario in meant):
            known = {gated for scenario, _ in selection for gated in scenario.gated}
            raise unknown("metric of this job", metric, known)


def _first_look(
    selection: Selection, settings: choosing.Settings, limits: GateSettings, opened: Sides | None, *,
    coin: int | None,
    new_allowed: bool,
) -> tuple[GateSettings, list[RunRequest]]:  # fmt: skip
    """Complete a gate's settings and list the runs that it begins with.

    With `new_allowed` a scenario that base does not have is run on head alone, and has no baseline; if not, it is an error.
    """
    wanted: list[RunRequest] = []
    for scenario, variant in selection:
        own = dataclasses.replace(settings, seeds=first_runs(scenario, limits), count=False)
        wanted += choosing.requests([(scenario, variant)], own)
    # seed by seed, so that an interrupted gate has whole rounds
    wanted.sort(key=lambda request: request.seed)
    wanted += probes.requests(wanted, {scenario.name: scenario for scenario, _ in selection})
    if opened is None:
        head = git_commit(paths=settings.scenario_paths)
        return dataclasses.replace(limits, head_commit=head, coin=coin or 0), wanted
    base = sides.declared(opened, "base")
    new = sides.lacking(base, selection, settings.tier) if new_allowed else set()
    # scenario versions that differ are seen in the results too, and make what they measured INCOMPARABLE
    shared = [one for one in selection if (one[0].name, one[1]) not in new]
    sides.check(opened, shared, settings.tier, base=base)
    drawn = int(opened.head.commit[:6], 16) ^ int(opened.base.commit[:6], 16) if coin is None else coin
    completed = dataclasses.replace(
        limits, base_commit=opened.base.commit, head_commit=opened.head.commit, coin=drawn,
        code_changed=opened.code_changed,
        dependencies_changed=opened.dependencies_changed, notes=opened.notes,
    )  # fmt: skip
    # determinism is probed on the head side alone
    once = [one for one in wanted if not one.repeat and (one.scenario, one.variant) not in new]
    both = [*sides.requests_of("base", once, opened), *sides.requests_of("head", wanted, opened)]
    return completed, sides.interleave(both, drawn)


def reopened(plan: Plan, opened: Sides | None) -> Plan:
    """Let the runs of a job that goes on import from where the two sides lie now."""
    if opened is None:
        return plan
    moved = [one for request in plan.requests for one in sides.requests_of(request.side, [request], opened)]
    return dataclasses.replace(plan, requests=tuple(moved))


# -- to its end --------------------------------------------------------------------------


def _conduct(
    plan: Plan, declared: Mapping[str, Scenario], roots: Sequence[Path], out: Path, opened: Sides | None,
    where: Where
) -> Ended:  # fmt: skip
    """Do a job's runs and judge them; after an interrupt, judge what was finished."""
    stopped, begun, unproved = False, time.monotonic(), set[str]()

    def aside(executor: Executor, requests: Sequence[RunRequest], folder: Path) -> Sequence[RunResult]:
        return list(where.follow(executors.run_all(executor, requests, declared, folder), requests))

    try:
        with where.execute() as executor:

            def do(requests: Sequence[RunRequest]) -> None:
                if plan.gate is not None:
                    # the tests between two rounds need it; an interrupt within the import of a compiled module would come out as another error
                    import scipy.stats  # noqa: F401

                for result in where.follow(executors.run_all(executor, requests, declared, out), requests):
                    if opened is not None:
                        unproved.add(sides.prove(result, opened))

            def again(requests: Sequence[RunRequest], folder: Path) -> Sequence[RunResult]:
                if not where.local:
                    what = "the runs of this gate are done by Dask workers"
                    raise HarnessError(what, "Leave --executor out")
                return aside(executor, requests, folder)

            coin = plan.gate.coin if plan.gate else 0
            plan = procedure.conduct(
                plan, declared, roots, out, do, interleave=lambda requests: sides.interleave(requests, coin),
                remeasure=again
            )  # fmt: skip
    except KeyboardInterrupt:
        stopped, plan = True, plans.read(out)
    minutes = (time.monotonic() - begun) / 60
    plan = plans.noted(plans.ended(plan, out), sorted(unproved - {""})[:1], out)
    job = procedure.assemble(plan, declared, roots, out, minutes=minutes, stopped=stopped)
    if where.local and not stopped and job.gate is not None and job.gate.settings.why:
        try:
            with where.execute() as executor:
                causes = why.explained(job, roots, opened, functools.partial(aside, executor))
            job = dataclasses.replace(job, gate=dataclasses.replace(job.gate, why=causes))
        except KeyboardInterrupt:  # the verdict stands
            stopped = True
    return Ended(job, declared, out, plan.outputs, stopped)
