"""The command line: parse, call, print, return an exit code."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import shlex
import sys
import typing
from pathlib import Path

import click

from harness import __version__
from harness.cli.compare import compare_command
from harness.cli.gate import gate_command
from harness.cli.pages import history_command, index_command, ledger_command
from harness.cli.plan import plan_command
from harness.cli.shared import (
    MOST_SEEDS,
    Known,
    baselines_option,
    executing,
    interrupted,
    job_options,
    refuse_changes,
    scenario_option,
    shelve,
)
from harness.errors import HarnessError
from harness.records import TIERS
from harness.visible import visible

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Plan, Scenario, Tier


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; every error becomes one message here.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    int
        0, or 1 (identity violated), 2 (it could not be done), 130 (interrupted).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = cli.main(args=arguments, prog_name="harness", standalone_mode=False)
    except HarnessError as error:
        return _fail(str(error))
    except click.exceptions.Abort:
        return interrupted()
    except KeyboardInterrupt:
        return interrupted()
    except click.ClickException as error:
        return _fail(error.format_message())
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # rich ends so too
            return _reader_gone()
        # nothing of ours exits so: a scenario file did, and its 0 would look like success
        return _fail(
            f"a scenario file ended the program (exit code {ended.code}). Let it raise an error instead"
        )
    except OSError as error:
        # a name that no file system takes, before anything tried to read or write there
        return _fail(f"{error.strerror}: '{error.filename}'")
    return code if isinstance(code, int) else 0


def _reader_gone() -> int:
    """End quietly where who read the output (head, less) has gone; what is still to be written goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _fail(message: str) -> int:
    click.echo(visible(f"harness: error: {message}"), err=True)
    return 2


class _Commands(click.Group):
    """The commands; a reader that has gone ends them with the reason kept, where click would exit without one."""

    def invoke(self, ctx: click.Context) -> typing.Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise SystemExit(0) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Benchmark and regression-test harness for published image-classification results."""


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is declared, as JSON.")
@scenario_option
def list_command(*, as_json: bool, scenario_paths: tuple[str, ...]) -> None:
    """List scenarios with their variants, tiers and expectations."""
    from harness import listing, scenarios

    found = scenarios.load_all(scenario_paths)
    click.echo(
        json.dumps(listing.as_plain(found), indent=1, ensure_ascii=False)
        if as_json
        else listing.as_text(found)
    )


@cli.command("run")
@click.argument("names", nargs=-1, metavar="[SCENARIO[:VARIANT]]...")
@click.option(
    "--seeds", type=click.IntRange(1, MOST_SEEDS), default=1, show_default=True, help="Runs of each variant."
)
@click.option(
    "--count/--no-count",
    default=None,
    help="Count the work and probe determinism in two more short runs a variant; done by default from 5 seeds on.",
)
@click.option(
    "--keep-weights", is_flag=True, help="Keep each run's weights, for a job elsewhere to predict with."
)
@click.option(
    "--weights", default="", metavar="JOB",
    help="Predict with the weights of this job's runs too, which it kept: harness compare then holds label against label.",
)  # fmt: skip
@job_options
@click.pass_context
def run_command(
    context: click.Context, /, names: tuple[str, ...], out: Path | None, resume: Path | None,
    baselines_folder: Path | None, scenario_paths: tuple[str, ...], tier: Tier,
    executor: str, scheduler: str, workers: int | None, **options: typing.Any,  # noqa: ANN401
) -> int:  # fmt: skip
    """Run variants, judge them and write the report; the default variant of every scenario if none is named."""
    from harness import baselines, jobs, plans, scenarios, waivers

    where = {"name": executor, "scheduler": scheduler, "workers": workers}
    if resume is not None:
        refuse_changes(context, resume, "run")
        return _resume(resume, where)
    settings = jobs.Settings(tier=tier, scenario_paths=scenario_paths, **options)
    declared = scenarios.load_all(scenario_paths)
    roots = baselines.search_path(baselines_folder)
    waivers.read(roots)  # a damaged file is said before anything is measured
    wanted = jobs.requests(jobs.select(declared, names, tier), settings)
    plan = plans.make(wanted, shlex.join(["harness", *sys.argv[1:]]), baselines_folder)
    folder = out or jobs.default_folder()
    with plans.claimed(folder):
        plans.begin(plan, folder)
        return _run(plan, declared, roots, folder, where)


def _resume(folder: Path, where: dict[str, typing.Any]) -> int:
    from harness import baselines, plans, scenarios

    if plans.read(folder).gate is not None:  # before anything is made there
        raise HarnessError(f"the job in '{folder}' is a gate", f"Type: harness gate --resume {folder}")
    with plans.claimed(folder):
        plan = plans.resume(folder)
        paths = sorted({path for request in plan.requests for path in request.scenario_paths})
        roots = baselines.search_path(Path(plan.baselines) if plan.baselines else None)
        return _run(plan, scenarios.load_all(paths), roots, folder, where)


def _run(
    plan: Plan, declared: dict[str, Scenario], roots: list[Path], out: Path, where: dict[str, typing.Any]
) -> int:
    """Do what is missing of a plan, judge, store, show; after an interrupt, store and show what was finished."""
    from rich.console import Console

    from harness import executors, jobs, plans, terminal

    console, stopped = Console(), False
    try:
        with executing(console, where) as executor:
            wanted = plans.missing(plan, out)
            results = executors.run_all(executor, wanted, declared, out)
            for _ in terminal.follow(console, results, wanted):
                pass
    except KeyboardInterrupt:
        stopped = True
    job = jobs.assemble(plans.results(plan, out), declared, roots, plan.command, out)
    terminal.show(console, job, jobs.store(job, declared, out))
    shelve(out)
    return interrupted(f". Next: harness run --resume {out}") if stopped else jobs.exit_code(job)


cli.add_command(gate_command)
cli.add_command(compare_command)
cli.add_command(ledger_command)
cli.add_command(history_command)
cli.add_command(index_command)
cli.add_command(plan_command)


@cli.command("judge")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--explain",
    "explained",
    multiple=True,
    metavar="METRIC",
    help="Print the arithmetic of a gate's verdict.",
)
@scenario_option
@baselines_option
def judge_command(
    run: Path, explained: tuple[str, ...], scenario_paths: tuple[str, ...], baselines_folder: Path | None
) -> int:
    """Judge stored results again, against today's expectations and baselines, without running anything."""
    from rich.console import Console

    from harness import baselines, jobs, scenarios, terminal
    from harness.gate import explain, procedure

    declared, roots, console = (
        scenarios.load_all(scenario_paths),
        baselines.search_path(baselines_folder),
        Console(),
    )
    job = procedure.read(run, declared, roots)
    again = procedure.rejudge if job.gate else jobs.rejudge
    judged = again(job, declared, roots, run)
    terminal.show(console, judged, jobs.store(judged, declared, run))
    shelve(run)
    for metric in explained:
        console.print(explain.explain(judged, metric), markup=False, highlight=False, soft_wrap=True)
    return jobs.exit_code(judged)


@cli.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--only", metavar="SCENARIO[:VARIANT]", help="Write a page of this alone, whole, beside the report."
)
@scenario_option
def report_command(run: Path, only: str | None, scenario_paths: tuple[str, ...]) -> None:
    """Write a stored run's report again."""
    from harness import jobs, scenarios

    declared = scenarios.load_all(scenario_paths)
    write = jobs.store if only is None else functools.partial(jobs.store_part, name=only)
    click.echo(f"Report: {write(jobs.read(run), declared, run)}")
    shelve(run)


@cli.group("baseline")
def baseline_group() -> None:
    """Propose, look at and accept baselines; waive a metric for a while."""


@baseline_group.command("propose")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--reason", required=True, help="Why these values shall be the new reference.")
@click.option("--who", default="", help="Who says so; git's user name by default.")
@scenario_option
def propose_command(run: Path, reason: str, who: str, scenario_paths: tuple[str, ...]) -> None:
    """Build baselines from a stored run and put them into its folder proposals/."""
    from harness import approval, scenarios

    for path in approval.propose(run, scenarios.load_all(scenario_paths), reason=reason, who=who):
        click.echo(f"Proposed: {path}")
    click.echo(f"Next: harness baseline diff {run}, then: harness baseline accept {run}")


@baseline_group.command("diff")
@click.argument("run", type=click.Path(path_type=Path))
@baselines_option
def diff_command(run: Path, baselines_folder: Path | None) -> None:
    """Show how the proposed baselines differ from the stored ones."""
    from harness import approval

    click.echo(visible(approval.diff(run, baselines_folder)))


@baseline_group.command("accept")
@click.argument("run", type=click.Path(path_type=Path))
@baselines_option
def accept_command(run: Path, baselines_folder: Path | None) -> None:
    """Move proposed baselines into ./baselines, or the folder that --baselines names."""
    from harness import approval

    for path in approval.accept(run, baselines_folder):
        click.echo(f"Accepted: {path}")


@baseline_group.command("show")
@click.argument("name", metavar="SCENARIO[:VARIANT]")
@click.option("--tier", type=Known("tier", TIERS), default="smoke", show_default=True)
@scenario_option
@baselines_option
def show_command(
    name: str, tier: Tier, scenario_paths: tuple[str, ...], baselines_folder: Path | None
) -> None:
    """Show the stored baselines of a variant: who, when, why, commit, environment, values; and its waivers."""
    from harness import approval, scenarios

    told = approval.show(scenarios.load_all(scenario_paths), name, tier, baselines_folder, _today())
    click.echo(visible(told))


@baseline_group.command("waive")
@click.argument("metric", metavar="[SCENARIO[:VARIANT]/]METRIC")
@click.option("--scenario", default="", metavar="NAME[:VARIANT]", help="Whose metric; its default variant.")
@click.option("--tier", type=Known("tier", TIERS), default="smoke", show_default=True)
@click.option(
    "--until", required=True, metavar="DATE", help="Last day, such as 2030-01-31; at most 180 ahead."
)
@click.option("--reason", required=True, help="Why the metric may pass until then.")
@click.option("--who", default="", help="Who says so; git's user name by default.")
@scenario_option
@baselines_option
def waive_command(
    metric: str, scenario_paths: tuple[str, ...], baselines_folder: Path | None, **options: typing.Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Let one metric of one variant pass until a day, for a reason; ./baselines/waivers.json keeps it."""
    from harness import approval, scenarios, waivers

    asked, declared = waivers.Asked(metric=metric, **options), scenarios.load_all(scenario_paths)
    click.echo(visible(approval.waive(asked, declared, baselines_folder, _today())))


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


@cli.group("data")
def data_group() -> None:
    """Look at and fetch the data sets."""


@data_group.command("status")
def status_command() -> None:
    """Say for each data set where it was found and whether it is complete."""
    from harness import listing

    click.echo(listing.data_status())


@data_group.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def fetch_command(names: tuple[str, ...]) -> None:
    """Download data sets into the per-user cache through torchvision, and verify them."""
    from harness import datasets

    for name in names:
        datasets.fetch(name)
        click.echo(f"Fetched and verified: {name}")


@cli.command("doctor")
@click.option(
    "--noise", "loud", is_flag=True, help="Time a fixed workload too, and say what a slowdown needs here."
)
@click.option(
    "--pairs", type=click.IntRange(7), default=20, show_default=True, help="Pairs of processes to time."
)
@click.option("--scenario", default="", metavar="NAME[:VARIANT]", help="Time its smoke tier as well.")
@scenario_option
@baselines_option
def doctor_command(
    *, loud: bool, pairs: int, scenario: str, scenario_paths: tuple[str, ...], baselines_folder: Path | None
) -> int:
    """Look at this machine, what is installed, data and baselines; with --noise, at its noise. Exit code 2 if something is broken."""
    from harness import doctor

    findings = doctor.examine(baselines_folder)
    click.echo(doctor.as_text(findings))
    if loud or scenario:
        _noise(pairs, scenario, scenario_paths)
    return 2 if any(finding.wrong for finding in findings) else 0


def _noise(pairs: int, scenario: str, scenario_paths: tuple[str, ...]) -> None:
    """Time the fixed workload, and a scenario's smoke tier if one is named."""
    from harness import jobs, noise, scenarios

    def waiting() -> None:
        click.echo("Waiting: another job measures on this machine.")

    declared = scenarios.load_all(scenario_paths)
    chosen = jobs.select(declared, [scenario], "smoke") if scenario else []
    click.echo(f"\nnoise: {pairs} pairs of fresh processes")
    click.echo(noise.described(noise.of_calibration(pairs, waiting)))
    for found, variant in chosen:
        click.echo(noise.described(noise.of_scenario(found, variant, scenario_paths, pairs, waiting)))


@cli.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--name", default="my_scenario", show_default=True, help="Name of the scenario.")
def init_command(folder: Path, name: str) -> None:
    """Write a working scenario, its test and a CI workflow to start from."""
    from harness import starter

    for path in starter.write(folder, name):
        click.echo(f"Wrote: {path}")
    click.echo(f"Next: harness run {name} --scenarios {folder / name}.py")


# -- exports: other tools' formats ------------------------------------------------------------------------------------

EXPORTS = ("csv", "junit", "summary", "github-action-benchmark", "bencher", "asv")


@cli.command("export")
@click.argument("form", type=Known("format", EXPORTS), metavar="FORMAT")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File or folder; RUN/exports by default.")
@click.option("--results", type=click.Path(path_type=Path), help="For asv: its results_dir.")
@click.option("--machine", default="", help="For asv: name of the machine; this one's by default.")
def export_command(form: str, run: Path, out: Path | None, results: Path | None, machine: str) -> None:
    """Write a stored run as csv, junit, a summary in Markdown, github-action-benchmark, bencher, or into asv's results."""
    from harness import exporters, jobs
    from harness.exporters import asv

    if (form == "asv") != (results is not None) or (form == "asv" and out):
        raise click.UsageError("--results DIR is for asv, which needs it; --out is for the other formats")
    job = jobs.read(run)
    paths = (
        asv.write(job, results, machine) if results else exporters.write(job, form, out or run / "exports")
    )
    for path in paths:
        click.echo(f"Wrote: {path}")


if __name__ == "__main__":
    sys.exit(main())
