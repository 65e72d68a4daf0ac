"""``harness gate``: run, compare, confirm, exit code."""

from __future__ import annotations

import dataclasses
import functools
import os
import shlex
import sys
import typing
from pathlib import Path

import click

from harness.cli.shared import (
    MOST_SEEDS,
    Number,
    Seconds,
    ended_with,
    executing,
    explanations,
    interrupted,
    job_options,
    refuse_changes,
    shelve,
    tell_all,
    warn_before_runs,
)
from harness.errors import HarnessError
from harness.records import Outputs
from harness.store import commands
from harness.store.visible import visible

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from harness.records import Job, Plan, Scenario, Tier
    from harness.running.sides import Sides

_OUTPUTS = tuple(field.name for field in dataclasses.fields(Outputs))


@click.command("gate")
@click.argument("names", nargs=-1, metavar="[SCENARIO[:VARIANT]]...")
@click.option(
    "--seeds",
    type=Number(1, MOST_SEEDS),
    default=5,
    show_default=True,
    help="Runs of each variant in the screen.",
)
@click.option(
    "--against",
    default="",
    metavar="REF",
    help="Commit to compare with; it runs next to this one. Without it: stored baselines.",
)
@click.option(
    "--no-against", is_flag=True, help="Compare with stored baselines, whatever the configuration says."
)
@click.option(
    "--max-runs",
    type=Number(1, MOST_SEEDS),
    default=1000,
    show_default=True,
    help="Runs of the whole gate.",
)
@click.option(
    "--max-minutes",
    type=Seconds(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Minutes after which no further round of runs begins.",
)
@click.option(
    "--coin",
    type=Number(0),
    help="Seed for the random order of base and head; from their commits by default.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Exit code 2 also for a time that is undecided or not comparable, and for memory of another kind of machine that cannot be measured here.",
)
@click.option(
    "--expectations",
    is_flag=True,
    help="Published values count too: exit code 1 if one is BELOW or ABOVE, 2 if one was not measured.",
)
@click.option(
    "--remeasure/--no-remeasure",
    default=True,
    show_default=True,
    help="If another kind of machine made a baseline, measure its commit's memory here.",
)
@click.option(
    "--why/--no-why",
    default=True,
    show_default=True,
    help="After a confirmed regression, run both sides once more under a profiler and say where it comes from.",
)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML.")
@click.option("--summary", type=click.Path(path_type=Path), metavar="FILE", help="Append a Markdown summary.")
@click.option(
    "--explain",
    "explained",
    multiple=True,
    metavar="METRIC",
    help="Print the arithmetic of a metric's verdict.",
)
@job_options
@click.pass_context
def gate_command(
    context: click.Context, /, names: tuple[str, ...], out: Path | None, resume: Path | None,
    baselines_folder: Path | None, executor: str, scheduler: str, workers: int | None,
    junit: Path | None, summary: Path | None, explained: tuple[str, ...], **options: typing.Any,  # noqa: ANN401
) -> int:  # fmt: skip
    """Run, compare, and say by the exit code whether it is worse.

    It compares with stored baselines, or with another commit that runs next to this one. What looks worse is confirmed on fresh runs.

    0 passed; 1 worse or slower; 2 could not measure, or undecided; 3 a person must decide: improved, no baseline, not
    comparable; 130 interrupted.

    Example: harness gate --against main
    """
    where = {"name": executor, "scheduler": scheduler, "workers": workers}
    outputs = Outputs(
        junit=str(junit.absolute()) if junit else "", summary=str(summary.absolute()) if summary else "", explained=explained
    )  # fmt: skip
    if resume is not None:
        refuse_changes(context, resume, "gate")
        return _resume(resume, where, outputs)
    return _begin(names, out, baselines_folder, where, outputs, **options)


def _begin(
    names: Sequence[str], out: Path | None, baselines_folder: Path | None, where: dict[str, typing.Any], outputs: Outputs, *,
    scenario_paths: tuple[str, ...], tier: Tier, seeds: int, against: str, no_against: bool, max_runs: int, max_minutes: float,
    coin: int | None, strict: bool, expectations: bool, remeasure: bool, why: bool, force: bool, **options: typing.Any,  # noqa: ANN401
) -> int:  # fmt: skip
    """Plan a gate's first look, and conduct it."""
    from harness.judging import baselines, jobs, waivers
    from harness.records import GateSettings
    from harness.running import plans
    from harness.session import choosing, gating, opening
    from harness.sources import catalogue
    from harness.store import files, project

    against = "" if no_against else against
    if against and where["name"] != "local":
        raise HarnessError("--against runs on this machine only", "Leave --executor out, or add --no-against")
    asked = GateSettings(
        against=against, seeds=seeds, max_runs=max_runs, max_minutes=max_minutes, strict=strict, expectations=expectations,
        remeasure=remeasure, why=why,
        scenario_paths=files.absolute(scenario_paths),
    )  # fmt: skip
    settings = choosing.Settings(tier=tier, seeds=seeds, scenario_paths=scenario_paths, **options)
    declared = catalogue.load_all(scenario_paths)
    selection = choosing.select(declared, names, tier, built_in=not project.find().scenarios)
    opening.refuse_unknown(outputs.explained, selection)
    _refuse_outputs(outputs, force=force)
    roots = baselines.search_path(baselines_folder)
    waivers.read(roots)  # a damaged file is said before anything is measured
    warn_before_runs(settings.threads)
    folder = out or jobs.default_folder()
    if not force:
        plans.refuse_stored(folder)
    with opening.one_gate(), plans.claimed(folder), gating.both_sides(against, scenario_paths) as sides:
        gate, wanted = opening.first_look(selection, settings, asked, sides, coin=coin, new_allowed=not names)
        command = shlex.join(["harness", *sys.argv[1:]])
        plan = dataclasses.replace(plans.make(wanted, command, baselines_folder), gate=gate, outputs=outputs)
        plans.begin(plan, folder, force=force)
        return _conduct(plan, declared, roots, folder, where, sides)


def _resume(folder: Path, where: dict[str, typing.Any], outputs: Outputs) -> int:
    """Do what a gate's plan lacks, and write what it was to write, unless other files are named now."""
    from harness.judging import baselines
    from harness.running import plans
    from harness.session import gating, opening
    from harness.sources import catalogue

    plan = plans.read(folder)
    gate = plan.gate
    if gate is None:
        raise HarnessError(f"the job in '{folder}' is no gate", f"Type: {commands.resume(plan, folder)}")
    declared = catalogue.load_all(gate.scenario_paths)
    asked = {(request.scenario, request.variant) for request in plan.requests}
    opening.refuse_unknown(
        outputs.explained, [(catalogue.find(declared, name), variant) for name, variant in asked]
    )
    _refuse_outputs(outputs, force=False)
    with opening.one_gate(), plans.claimed(folder):
        plan = plans.resume(folder)
        kept = {name: value for name in _OUTPUTS if (value := getattr(outputs, name))}
        plan = dataclasses.replace(plan, outputs=dataclasses.replace(plan.outputs, **kept))
        with gating.both_sides(gate.base_commit if gate.against else "", gate.scenario_paths) as sides:
            roots = baselines.search_path(Path(plan.baselines) if plan.baselines else None)
            plan = opening.reopened(plan, sides)
            return _conduct(plan, declared, roots, folder, where, sides)


def _refuse_outputs(outputs: Outputs, *, force: bool) -> None:
    """Refuse, before anything is measured, a file that writing would lose."""
    from harness import export
    from harness.running import plans

    if outputs.junit and not force:
        export.refuse_other(Path(outputs.junit), "junit.xml")
    if outputs.summary:
        plans.refuse_job_file(Path(outputs.summary))


def _conduct(
    plan: Plan, declared: Mapping[str, Scenario], roots: Sequence[Path], out: Path, where: dict[str, typing.Any],
    opened: Sides | None,
) -> int:  # fmt: skip
    """Do a gate's rounds; after an interrupt, store and show what was finished."""
    from rich.console import Console

    from harness.cli import terminal
    from harness.session import gating, storing

    console = Console()
    execute, follow = (
        functools.partial(executing, console, where),
        functools.partial(terminal.follow, console),
    )
    local = where["name"] == "local"
    job, stopped = gating.conduct(plan, declared, roots, out, opened, execute, follow=follow, local=local)
    well = tell_all(lambda: terminal.show(console, job, storing.store(job, declared, out)))
    tell_all(lambda: shelve(out))
    code = _tell(console, job, plan.outputs, out, well=well)
    return interrupted(f". Next: {commands.resume(plan, out)}") if stopped else code


def _tell(console: Console, job: Job, outputs: Outputs, out: Path, *, well: bool) -> int:
    """Write what was asked for besides the report, which went `well`, and return the exit code; what fails takes no verdict away."""
    from harness.judging import outcome

    besides = tell_all(
        lambda: _write_junit(job, outputs.junit),
        lambda: _append_summary(job, outputs.summary),
        lambda: _annotate(job),
        *explanations(console, job, outputs.explained),
    )
    code = ended_with(outcome.exit_code(job), well=well and besides)
    lacking = "" if well and besides else ", but not all that was asked for could be written"
    sentence = f"Gate: {outcome.meaning(job)}{lacking} (exit code {code}); {visible(str(out))}"
    tell_all(lambda: console.print(sentence, markup=False, highlight=False, soft_wrap=True))
    return code


def _write_junit(job: Job, path: str) -> None:
    from harness.export import junit
    from harness.store import files

    if path:
        files.write_named(Path(path), junit.xml_parts(job))


def _append_summary(job: Job, path: str) -> None:
    """Add to a summary whatever it holds: GitHub's own file of a step is appended to by every step."""
    from harness.export import summary
    from harness.store import files

    if path:
        files.append_named(Path(path), summary.markdown(job))


def _annotate(job: Job) -> None:
    from harness.export import github

    if os.environ.get("GITHUB_ACTIONS") == "true":
        click.echo("\n".join(github.commands(job)))
