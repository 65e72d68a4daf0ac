"""What is done again with a stored run, without running anything: ``harness judge``, ``harness report``, ``harness export``."""

from __future__ import annotations

import functools
import typing

import click

from harness.cli import shared

if typing.TYPE_CHECKING:
    from pathlib import Path

EXPORTS = ("csv", "junit", "summary", "github-action-benchmark", "bencher", "asv")
"""Formats of other tools that a stored run is written in; named here so that the help imports none of them."""


@click.command("judge")
@click.argument("run", type=shared.PATH)
@click.option(
    "--explain",
    "explained",
    multiple=True,
    metavar="METRIC",
    help="Print the arithmetic of a gate's verdict.",
)
@shared.scenario_option
@shared.baselines_option
@shared.verbose_option
@shared.force_option
def judge_command(
    run: Path, explained: tuple[str, ...], scenario_paths: tuple[str, ...], baselines_folder: Path | None, *, force: bool
) -> int:  # fmt: skip
    """Judge stored results again, without running anything.

    They are compared with today's expectations and baselines.

    Example: harness judge reports/gate --explain accuracy
    """
    from rich.console import Console

    from harness.cli import terminal
    from harness.judging import baselines, jobs, outcome
    from harness.running import plans
    from harness.session import procedure, storing
    from harness.sources import catalogue

    declared, roots = catalogue.load_all(scenario_paths), baselines.search_path(baselines_folder)
    console = Console()
    with plans.rewriting(run):
        judged = procedure.rejudge(jobs.read(run), declared, roots, run)
        page = storing.store(judged, declared, run, force=force)
    well = shared.tell_all(
        lambda: terminal.show(console, judged, page),
        lambda: shared.shelve(run),
        *shared.explanations(console, judged, explained),
    )
    return shared.ended_with(outcome.exit_code(judged), well=well)


@click.command("report")
@click.argument("run", type=shared.PATH)
@click.option(
    "--only", metavar="SCENARIO[:VARIANT]",
    help="Write a page of this alone, with all its parts, next to the report."
)  # fmt: skip
@shared.scenario_option
@shared.force_option
def report_command(run: Path, only: str | None, scenario_paths: tuple[str, ...], *, force: bool) -> None:
    """Write the page of a stored run again.

    Example: harness report reports/gate --only digits1000_cnn:final
    """
    from harness.judging import jobs
    from harness.running import plans
    from harness.session import storing
    from harness.sources import catalogue

    declared = catalogue.load_all(scenario_paths)
    write = storing.store if only is None else functools.partial(storing.store_part, name=only)
    with plans.rewriting(run):
        page = write(jobs.read(run), declared, run, force=force)
    click.echo(f"Report: {page}")
    shared.shelve(run)


@click.command("export")
@click.argument("form", type=shared.Known("format", EXPORTS), metavar="FORMAT")
@click.argument("run", type=shared.PATH)
@click.option("--out", type=shared.PATH, help="File or folder; RUN/exports by default.")
@click.option("--results", type=shared.PATH, help="For asv: its results_dir.")
@click.option("--machine", default="", help="For asv: name of the machine; this one's by default.")
@shared.force_option
def export_command(
    form: str, run: Path, out: Path | None, results: Path | None, machine: str, *, force: bool
) -> None:
    """Write a stored run in the format of another tool.

    Example: harness export summary reports/gate
    """
    from harness import export
    from harness.export import asv
    from harness.judging import jobs

    if (form == "asv") != (results is not None) or (form == "asv" and out):
        raise click.UsageError("--results DIR is for asv, which needs it; --out is for the other formats")
    job = jobs.read(run)
    paths = asv.write(job, results, machine) if results else export.write(job, form, run, out, force=force)
    for path in paths:
        click.echo(f"Wrote: {path}")
