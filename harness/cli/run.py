"""``harness run``: variants run, judged, stored and shown; a job that was interrupted goes on with --resume."""

from __future__ import annotations

import shlex
import sys
import typing
from pathlib import Path

import click

from harness.cli.shared import (
    MOST_SEEDS,
    Number,
    ended_with,
    executing,
    interrupted,
    job_options,
    refuse_changes,
    shelve,
    tell_all,
    warn_before_runs,
)
from harness.errors import HarnessError
from harness.judging import outcome
from harness.store import commands

if typing.TYPE_CHECKING:
    from harness.records import Plan, Scenario, Tier


@click.command("run")
@click.argument("names", nargs=-1, metavar="[SCENARIO[:VARIANT]]...")
@click.option(
    "--seeds", type=Number(1, MOST_SEEDS), default=1, show_default=True, help="Runs of each variant."
)
@click.option(
    "--count/--no-count",
    default=None,
    help="Count the work and probe determinism in two more short runs per variant; by default from 5 seeds on.",
)
@click.option(
    "--keep-weights",
    is_flag=True,
    help="Store each run's weights; another job can predict with them (--weights).",
)
@click.option(
    "--weights", default="", metavar="JOB",
    help="Predict once more with the weights that this job stored; harness compare then compares labels.",
)  # fmt: skip
@job_options
@click.pass_context
def run_command(
    context: click.Context, /, names: tuple[str, ...], out: Path | None, resume: Path | None,
    baselines_folder: Path | None, scenario_paths: tuple[str, ...], tier: Tier, force: bool,
    executor: str, scheduler: str, workers: int | None, **options: typing.Any,  # noqa: ANN401
) -> int:  # fmt: skip
    """Run variants, judge them and write a report.

    Without a name the default variant of every scenario runs. Exit code 1: an identity is violated; 2: something could not be measured.

    Example: harness run kmnist_svd_logreg:o-ma --tier short --seeds 5
    """
    from harness.judging import baselines, jobs, waivers
    from harness.running import plans
    from harness.session import choosing
    from harness.sources import catalogue
    from harness.store import project

    where = {"name": executor, "scheduler": scheduler, "workers": workers}
    if resume is not None:
        refuse_changes(context, resume, "run")
        return _resume(resume, where)
    settings = choosing.Settings(tier=tier, scenario_paths=scenario_paths, **options)
    declared = catalogue.load_all(scenario_paths)
    roots = baselines.search_path(baselines_folder)
    waivers.read(roots)  # a damaged file is said before anything is measured
    wanted = choosing.requests(
        choosing.select(declared, names, tier, built_in=not project.find().scenarios), settings
    )
    warn_before_runs(settings.threads)
    plan = plans.make(wanted, shlex.join(["harness", *sys.argv[1:]]), baselines_folder)
    folder = out or jobs.default_folder()
    with plans.claimed(folder):
        plans.begin(plan, folder, force=force)
        return _run(plan, declared, roots, folder, where)


def _resume(folder: Path, where: dict[str, typing.Any]) -> int:
    from harness.judging import baselines
    from harness.running import plans
    from harness.sources import catalogue

    plan = plans.read(folder)
    if plan.gate is not None:  # before anything is made there
        raise HarnessError(f"the job in '{folder}' is a gate", f"Type: {commands.resume(plan, folder)}")
    with plans.claimed(folder):
        plan = plans.resume(folder)
        paths = sorted({path for request in plan.requests for path in request.scenario_paths})
        roots = baselines.search_path(Path(plan.baselines) if plan.baselines else None)
        return _run(plan, catalogue.load_all(paths), roots, folder, where)


def _run(
    plan: Plan, declared: dict[str, Scenario], roots: list[Path], out: Path, where: dict[str, typing.Any]
) -> int:
    """Do what is missing of a plan, judge, store, show; after an interrupt, store and show what was finished."""
    from rich.console import Console

    from harness.cli import terminal
    from harness.running import executors, plans
    from harness.session import procedure, storing

    console, stopped = Console(), False
    try:
        with executing(console, where) as executor:
            wanted = plans.missing(plan, out)
            results = executors.run_all(executor, wanted, declared, out)
            for _ in terminal.follow(console, results, wanted):
                pass
    except KeyboardInterrupt:
        stopped = True
    job = procedure.assemble(plans.ended(plan, out), declared, roots, out)
    well = tell_all(
        lambda: terminal.show(console, job, storing.store(job, declared, out)), lambda: shelve(out)
    )
    if stopped:
        return interrupted(f". Next: {commands.resume(plan, out)}")
    return ended_with(outcome.exit_code(job), well=well)
