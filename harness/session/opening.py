"""How a gate begins: the runs of its first look, one gate at a time on a machine."""

from __future__ import annotations

import contextlib
import dataclasses
import typing

from harness.data.cache import machine_lock
from harness.errors import HarnessError, unknown
from harness.judging import probes, waivers
from harness.judging.gate.trials import first_runs
from harness.machine.environment import git_commit
from harness.running import sides
from harness.session import choosing

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.records import GateSettings, Plan, RunRequest, Scenario
    from harness.running.sides import Sides


@contextlib.contextmanager
def one_gate() -> Iterator[None]:
    """Let one gate at a time run on this machine: two would disturb each other's times.

    Raises
    ------
    HarnessError
        If another one runs.
    """
    import filelock

    with contextlib.ExitStack() as holding:
        try:
            holding.enter_context(machine_lock("gate.lock", 0.0))
        except filelock.Timeout as error:
            step = f"Wait until it ends; it holds {error.lock_file}"
            raise HarnessError("another gate runs on this machine", step) from error
        yield


def refuse_unknown(metrics: Sequence[str], selection: Sequence[tuple[Scenario, str]]) -> None:
    """Refuse metrics to explain that no gate of these variants judges: a slip is said before hours of runs.

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
        meant = [
            scenario
            for scenario, variant in selection
            if place in {"", scenario.name, f"{scenario.name}:{variant}"}
        ]
        if not any(waivers.judges(scenario, (), name) for scenario in meant):
            known = {gated for scenario, _ in selection for gated in scenario.gated}
            raise unknown("metric of this job", metric, known)


def first_look(
    selection: Sequence[tuple[Scenario, str]], settings: choosing.Settings, asked: GateSettings, opened: Sides | None, *,
    coin: int | None, new_allowed: bool,
) -> tuple[GateSettings, list[RunRequest]]:  # fmt: skip
    """Complete a gate's settings and list the runs that it begins with.

    Parameters
    ----------
    selection : sequence of (Scenario, str)
        Scenarios and variants.
    settings : Settings
        How they are run.
    asked : GateSettings
        What the caller asked for.
    opened : Sides or None
        Both sides' code; None if stored baselines are the reference.
    coin : int or None
        Seed of the coin; from the commits if None, so that the same command gives the same order.
    new_allowed : bool
        Whether a scenario that base does not have is run on head alone, and has no baseline; if not, it is an error.
    """
    wanted = [
        request
        for scenario, variant in selection
        for request in choosing.requests(
            [(scenario, variant)],
            dataclasses.replace(settings, seeds=first_runs(scenario, asked), count=False),
        )
    ]
    # seed by seed, so that an interrupted gate has whole rounds
    wanted.sort(key=lambda request: request.seed)
    wanted += probes.requests(wanted, {scenario.name: scenario for scenario, _ in selection})
    if opened is None:
        return dataclasses.replace(
            asked, head_commit=git_commit(paths=settings.scenario_paths), coin=coin or 0
        ), wanted
    base = sides.declared(opened, "base")
    new = sides.lacking(base, selection, settings.tier) if new_allowed else set()
    # scenario versions that differ are seen in the results too, and make what they measured INCOMPARABLE
    shared = [one for one in selection if (one[0].name, one[1]) not in new]
    sides.check(opened, shared, settings.tier, base=base)
    drawn = int(opened.head.commit[:6], 16) ^ int(opened.base.commit[:6], 16) if coin is None else coin
    gate = dataclasses.replace(
        asked,
        base_commit=opened.base.commit,
        head_commit=opened.head.commit,
        coin=drawn,
        code_changed=opened.code_changed,
        dependencies_changed=opened.dependencies_changed,
        notes=opened.notes,
    )
    # determinism is probed on the head side alone
    once = [
        request for request in wanted if not request.repeat and (request.scenario, request.variant) not in new
    ]
    both = [*sides.requests_of("base", once, opened), *sides.requests_of("head", wanted, opened)]
    return gate, list(sides.interleave(both, drawn))


def reopened(plan: Plan, opened: Sides | None) -> Plan:
    """Let the runs of a gate that goes on import from where the two sides lie now.

    Parameters
    ----------
    plan : Plan
        What the gate has to do.
    opened : Sides or None
        Both sides' code; None if stored baselines are the reference.
    """
    if opened is None:
        return plan
    requests = [
        moved for request in plan.requests for moved in sides.requests_of(request.side, [request], opened)
    ]
    return dataclasses.replace(plan, requests=tuple(requests))
