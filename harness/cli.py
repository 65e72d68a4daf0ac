"""The command line: parse, call, print, return an exit code."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import signal
import sys
import threading
import typing
from pathlib import Path

import click

from harness import __version__
from harness.errors import HarnessError, unknown
from harness.records import BACKENDS, DEVICES, EXECUTORS, TIERS

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.records import Plan, Scenario, Tier

    Command = typing.TypeVar("Command", bound=Callable[..., typing.Any])


class Known(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """One of a few names; anything else is refused with the nearest."""

    def __init__(self, kind: str, names: Sequence[str]) -> None:
        self.name = kind
        self._names = names

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with the nearest known one."""
        del param, ctx
        if value not in self._names:
            raise unknown(self.name, value, self._names)
        return value

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Show the names in the help."""
        del param, ctx
        return "[" + "|".join(self._names) + "]"


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
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except click.ClickException as error:
        return _fail(error.format_message())
    except BrokenPipeError:
        # the reader (head, less) has gone; closing stderr keeps the interpreter from complaining at exit
        sys.stderr.close()
        return 0
    return code if isinstance(code, int) else 0


def _fail(message: str) -> int:
    click.echo(f"harness: error: {message}", err=True)
    return 2


def _interrupted(next_step: str = "") -> int:
    click.echo(f"harness: interrupted; what was measured is kept{next_step}", err=True)
    return 130


def _scenario_option(function: Command) -> Command:
    told = "Python file that declares further scenarios; may be repeated."
    return click.option("--scenarios", "scenario_paths", multiple=True, metavar="FILE", help=told)(function)


def _baselines_option(function: Command) -> Command:
    told = "Folder to read baselines from first."
    kind = click.Path(path_type=Path)
    return click.option("--baselines", "baselines_folder", type=kind, metavar="DIR", help=told)(function)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Benchmark and regression-test harness for published image-classification results."""


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is declared, as JSON.")
@_scenario_option
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
    "--tier", type=Known("tier", TIERS), default="smoke", show_default=True, help="How much to run."
)
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Runs of each variant.")
@click.option(
    "--first-seed", type=click.IntRange(0), default=0, show_default=True, help="Number of the first seed."
)
@click.option(
    "--device", type=Known("device", DEVICES), default="cpu", show_default=True, help="Where to compute."
)
@click.option(
    "--backend", type=Known("backend", BACKENDS), help="Framework; each scenario's first by default."
)
@click.option(
    "--threads", type=click.IntRange(1), default=2, show_default=True, help="Threads of each worker."
)
@click.option("--time-limit", type=click.FloatRange(0, min_open=True), help="Seconds a run may take.")
@click.option("--memory-limit", type=click.IntRange(1), metavar="MIB", help="Resident memory a run may hold.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for results and report.")
@click.option(
    "--executor", type=Known("executor", EXECUTORS), default="local", show_default=True, help="Where runs go."
)
@click.option(
    "--scheduler", default="", metavar="ADDRESS", help="Dask scheduler; a cluster of this machine by default."
)
@click.option("--workers", type=click.IntRange(1), help="Workers of that cluster.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Do what is missing of a job.")
@_scenario_option
@_baselines_option
@click.pass_context
def run_command(
    context: click.Context, /, names: tuple[str, ...], out: Path | None, resume: Path | None,
    baselines_folder: Path | None, scenario_paths: tuple[str, ...], tier: Tier,
    executor: str, scheduler: str, workers: int | None, **options: typing.Any,  # noqa: ANN401
) -> int:  # fmt: skip
    """Run variants, judge them and write the report; the default variant of every scenario if none is named."""
    from harness import baselines, jobs, plans, scenarios

    where = {"name": executor, "scheduler": scheduler, "workers": workers}
    if resume is not None:
        _refuse_changes(context, resume)
        return _resume(resume, where)
    settings = jobs.Settings(tier=tier, scenario_paths=scenario_paths, **options)
    declared = scenarios.load_all(scenario_paths)
    roots = baselines.search_path(baselines_folder)
    wanted = jobs.requests(jobs.select(declared, names, tier), settings)
    plan = plans.make(wanted, shlex.join(["harness", *sys.argv[1:]]), baselines_folder)
    folder = out or jobs.default_folder()
    with plans.claimed(folder):
        plans.begin(plan, folder)
        return _run(plan, declared, roots, folder, where)


def _refuse_changes(context: click.Context, folder: Path) -> None:
    """Refuse what stands beside --resume: a job's settings are those it began with; where it runs may change."""
    typed = click.core.ParameterSource.COMMANDLINE
    given = [
        parameter.make_metavar(context) if isinstance(parameter, click.Argument) else parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is typed
        and parameter.name not in {"resume", "executor", "scheduler", "workers"}
    ]
    if given:
        step = f"Type: harness run --resume {folder}"
        raise HarnessError(f"--resume takes everything from the job's plan, not {', '.join(given)}", step)


def _resume(folder: Path, where: dict[str, typing.Any]) -> int:
    from harness import baselines, plans, scenarios

    plans.read(folder)  # before anything is made there
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

    console, interrupted = Console(), False

    def waiting() -> None:
        console.print("Waiting: another job measures on this machine.")

    try:
        with _terminable(), executors.opened(waiting=waiting, **where) as executor:
            wanted = plans.missing(plan, out)
            results = executors.run_all(executor, wanted, declared, out)
            for _ in terminal.follow(console, results, wanted):
                pass
    except KeyboardInterrupt:
        interrupted = True
    job = jobs.assemble(plans.results(plan, out), declared, roots, plan.command)
    terminal.show(console, job, jobs.store(job, declared, out))
    return _interrupted(f". Next: harness run --resume {out}") if interrupted else jobs.exit_code(job)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the body as Ctrl-C does; only the main thread may set handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@cli.command("judge")
@click.argument("run", type=click.Path(path_type=Path))
@_scenario_option
@_baselines_option
def judge_command(run: Path, scenario_paths: tuple[str, ...], baselines_folder: Path | None) -> int:
    """Judge stored results again, against today's expectations and baselines, without running anything."""
    from rich.console import Console

    from harness import baselines, jobs, scenarios, terminal

    declared, old = scenarios.load_all(scenario_paths), jobs.read(run)
    job = jobs.rejudge(old, declared, baselines.search_path(baselines_folder))
    terminal.show(Console(), job, jobs.store(job, declared, run))
    return jobs.exit_code(job)


@cli.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@_scenario_option
def report_command(run: Path, scenario_paths: tuple[str, ...]) -> None:
    """Write a stored run's report again."""
    from harness import jobs, scenarios

    click.echo(f"Report: {jobs.store(jobs.read(run), scenarios.load_all(scenario_paths), run)}")


@cli.group("baseline")
def baseline_group() -> None:
    """Propose, look at and accept baselines."""


@baseline_group.command("propose")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--reason", required=True, help="Why these values shall be the new reference.")
@click.option("--who", default="", help="Who says so; git's user name by default.")
@_scenario_option
def propose_command(run: Path, reason: str, who: str, scenario_paths: tuple[str, ...]) -> None:
    """Build baselines from a stored run and put them into its folder proposals/."""
    from harness import approval, scenarios

    for path in approval.propose(run, scenarios.load_all(scenario_paths), reason=reason, who=who):
        click.echo(f"Proposed: {path}")
    click.echo(f"Next: harness baseline diff {run}, then: harness baseline accept {run}")


@baseline_group.command("diff")
@click.argument("run", type=click.Path(path_type=Path))
@_baselines_option
def diff_command(run: Path, baselines_folder: Path | None) -> None:
    """Show how the proposed baselines differ from the stored ones."""
    from harness import approval

    click.echo(approval.diff(run, baselines_folder))


@baseline_group.command("accept")
@click.argument("run", type=click.Path(path_type=Path))
@_baselines_option
def accept_command(run: Path, baselines_folder: Path | None) -> None:
    """Move proposed baselines into ./baselines, or the folder that --baselines names."""
    from harness import approval

    for path in approval.accept(run, baselines_folder):
        click.echo(f"Accepted: {path}")


@baseline_group.command("show")
@click.argument("name", metavar="SCENARIO[:VARIANT]")
@click.option("--tier", type=Known("tier", TIERS), default="smoke", show_default=True)
@_scenario_option
@_baselines_option
def show_command(
    name: str, tier: Tier, scenario_paths: tuple[str, ...], baselines_folder: Path | None
) -> None:
    """Show the stored baselines of a variant: who, when, why, commit, environment, values."""
    from harness import approval, scenarios

    click.echo(approval.show(scenarios.load_all(scenario_paths), name, tier, baselines_folder))


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


@cli.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--name", default="my_scenario", show_default=True, help="Name of the scenario.")
def init_command(folder: Path, name: str) -> None:
    """Write a working scenario, its test and a CI workflow to start from."""
    from harness import starter

    for path in starter.write(folder, name):
        click.echo(f"Wrote: {path}")
    click.echo(f"Next: harness run {name} --scenarios {folder / name}.py")


# -- ledger --------------------------------------------------------------------


@cli.command("ledger")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN]...")
@click.option(
    "--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write the whole ledger to FILE."
)
@_scenario_option
def ledger_command(runs: tuple[Path, ...], markdown: Path | None, scenario_paths: tuple[str, ...]) -> None:
    """Show every published number with the best judgement of stored runs; by default those under reports/reference/."""
    from harness import audit, files, jobs, ledger, scenarios

    stored = [jobs.read(folder) for folder in runs or ledger.reference_folders()]
    rows, findings = ledger.collect(stored, scenarios.load_all(scenario_paths)), audit.audit()
    if markdown:
        files.write_text(markdown, ledger.as_markdown(rows, findings, stored))
        click.echo(f"Ledger: {markdown}")
    else:
        click.echo(ledger.as_text(rows, findings, shutil.get_terminal_size((120, 24)).columns))


# -- exports: other tools' formats ------------------------------------------------------------------------------------

EXPORTS = ("csv", "junit", "github-action-benchmark", "bencher", "asv")


@cli.command("export")
@click.argument("form", type=Known("format", EXPORTS), metavar="FORMAT")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File or folder; RUN/exports by default.")
@click.option("--results", type=click.Path(path_type=Path), help="For asv: its results_dir.")
@click.option("--machine", default="", help="For asv: name of the machine; this one's by default.")
def export_command(form: str, run: Path, out: Path | None, results: Path | None, machine: str) -> None:
    """Write a stored run as csv, junit, github-action-benchmark, bencher, or into asv's results."""
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


# -- history: stored jobs over time ------------------------------------------------------------------------------------


@cli.command("history")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN]...")
@click.option(
    "--metric", "patterns", multiple=True, metavar="PATTERN", help="Metrics to show, e.g. '*.seconds'."
)
def history_command(runs: tuple[Path, ...], patterns: tuple[str, ...]) -> None:
    """Show metrics over stored runs, with the commits where they changed; every run below reports/ by default."""
    from rich.console import Console

    from harness import history, history_table, jobs

    folders = list(dict.fromkeys(runs)) or sorted(path.parent for path in Path("reports").glob("*/run.json"))
    if not folders:
        raise HarnessError("there is no stored run below reports/", "Type: harness run, or name the runs")
    found = history.lines(jobs.read(folder) for folder in folders)
    history_table.show(Console(), history_table.select(found, patterns))


if __name__ == "__main__":
    sys.exit(main())
