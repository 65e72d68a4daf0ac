"""A gate from its plan to its judged job, for the command line and for Python programs."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing
from pathlib import Path

from harness.errors import HarnessError
from harness.running import executors, plans, sides
from harness.session import procedure, why

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from harness.records import Job, Plan, RunRequest, RunResult, Scenario
    from harness.running.executors import Executor
    from harness.running.sides import Sides

    Follow = Callable[[Iterable[RunResult], Sequence[RunRequest]], Iterable[RunResult]]


@contextlib.contextmanager
def both_sides(against: str, scenario_paths: Sequence[str]) -> Iterator[Sides | None]:
    """Check out both sides of a comparison for a while; nothing where stored baselines are the reference.

    Parameters
    ----------
    against : str
        REF of the base; empty for stored baselines.
    scenario_paths : sequence of str
        The user's scenario files.
    """
    if not against:
        yield None
        return
    with sides.opened(against, scenario_paths, Path()) as opened:
        yield opened


def conduct(
    plan: Plan, declared: Mapping[str, Scenario], roots: Sequence[Path], out: Path, opened: Sides | None,
    execute: Callable[[], contextlib.AbstractContextManager[Executor]], *, follow: Follow = lambda results, _: results, local: bool = True,
) -> tuple[Job, bool]:  # fmt: skip
    """Do a gate's rounds and judge them; after an interrupt, what was finished.

    Parameters
    ----------
    plan : Plan
        Of a gate that begins or goes on.
    declared, roots
        Scenarios by name, and folders of baselines.
    out : Path
        The job's claimed folder.
    opened : Sides or None
        Both sides' code; None if stored baselines are the reference.
    execute : callable
        Opens what runs workers.
    follow : callable
        Passes on the results of the requested runs as they come, to show progress.
    local : bool
        Whether workers run on this machine, so that memory can be measured here again.

    Returns
    -------
    Job, bool
        The judged job, which is not stored yet, and whether Ctrl-C ended it.
    """
    stopped, begun, unproved = False, time.monotonic(), set[str]()
    try:
        with execute() as executor:

            def do(requests: Sequence[RunRequest]) -> None:
                # the tests between two rounds need it; an interrupt within the import of a compiled module would come out as another error
                import scipy.stats  # noqa: F401

                for result in follow(executors.run_all(executor, requests, declared, out), requests):
                    if opened is not None:
                        unproved.add(sides.prove(result, opened))

            def again(requests: Sequence[RunRequest], folder: Path) -> Sequence[RunResult]:
                if not local:
                    raise HarnessError(
                        "the runs of this gate are done by Dask workers", "Leave --executor out"
                    )
                return list(follow(executors.run_all(executor, requests, declared, folder), requests))

            coin = plan.gate.coin if plan.gate else 0
            plan = procedure.conduct(
                plan, declared, roots, out, do, interleave=lambda requests: sides.interleave(requests, coin), remeasure=again
            )  # fmt: skip
    except KeyboardInterrupt:
        stopped, plan = True, plans.read(out)
    minutes = (time.monotonic() - begun) / 60
    plan = plans.noted(plans.ended(plan, out), sorted(unproved - {""})[:1], out)
    job = procedure.assemble(plan, declared, roots, out, minutes=minutes, stopped=stopped)
    if local and not stopped and job.gate is not None and job.gate.settings.why:
        with execute() as executor:
            places = why.explained(
                job,
                roots,
                opened,
                lambda requests, folder: list(
                    follow(executors.run_all(executor, requests, declared, folder), requests)
                ),
            )
        job = dataclasses.replace(job, gate=dataclasses.replace(job.gate, why=places))
    return job, stopped
