"""Pages over several stored jobs: ``harness ledger``, ``harness history``, ``harness index``."""

from __future__ import annotations

import shutil
import typing
from pathlib import Path

import click

from harness.cli.shared import force_option, scenario_option
from harness.errors import HarnessError
from harness.visible import visible

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.history import Line
    from harness.records import Job

FILE = click.Path(path_type=Path)


@click.command("ledger")
@click.argument("runs", nargs=-1, type=FILE, metavar="[RUN]...")
@click.option("--markdown", type=FILE, metavar="FILE", help="Write the whole ledger to FILE.")
@click.option("--html", "page", type=FILE, metavar="FILE", help="Write it as a page.")
@scenario_option
@force_option
def ledger_command(
    runs: tuple[Path, ...], markdown: Path | None, page: Path | None, scenario_paths: tuple[str, ...], *, force: bool
) -> None:  # fmt: skip
    """Show every published number with the best judgement of stored runs; by default those under reports/reference/, gates apart."""
    from harness import audit, files, jobs, ledger, scenarios
    from harness.report import linking

    def stored() -> Iterator[Job]:
        # read anew for each pass, so that no two jobs are in memory at once
        return map(jobs.read, runs) if runs else ledger.reference_jobs()

    if page is not None and not force:
        linking.refuse_other(page, "ledger")
    if markdown is not None and not force:
        ledger.refuse_other(markdown)
    declared = scenarios.load_all(scenario_paths)
    rows, findings = ledger.collect(stored(), declared), audit.audit()
    if markdown is not None:
        files.write_named(markdown, [ledger.as_markdown(rows, findings, stored())])
        click.echo(f"Ledger: {markdown}")
    if page is not None:
        files.write_named(page, [ledger.as_page(rows, findings, stored(), declared, linking.up(page))])
        click.echo(f"Page: {page}")
    if markdown is None and page is None:
        click.echo(visible(ledger.as_text(rows, findings, shutil.get_terminal_size((120, 24)).columns)))


@click.command("history")
@click.argument("runs", nargs=-1, type=FILE, metavar="[RUN]...")
@click.option(
    "--metric", "patterns", multiple=True, metavar="PATTERN", help="Metrics to show, e.g. '*.seconds'."
)
@click.option("--html", "page", type=FILE, metavar="FILE", help="Write it as a page too.")
@force_option
def history_command(
    runs: tuple[Path, ...], patterns: tuple[str, ...], page: Path | None, *, force: bool
) -> None:
    """Show metrics over stored runs, with the commits where they changed; every run below reports/ by default."""
    from rich.console import Console

    from harness import history, history_table, jobs
    from harness.report import linking

    if page is not None and not force:
        linking.refuse_other(page, "history")
    folders = list(dict.fromkeys(runs)) or sorted(path.parent for path in Path("reports").glob("*/run.json"))
    if not folders:
        raise HarnessError("there is no stored run below reports/", "Type: harness run, or name the runs")
    found = history.lines(jobs.read(folder) for folder in folders)
    shown = history_table.select(found, patterns)
    history_table.show(Console(), shown)
    if page is not None:
        _write_page(page, found, shown)
        click.echo(f"Page: {page}")


def _write_page(page: Path, found: Sequence[Line], shown: Sequence[Line]) -> None:
    from harness import files, history_page
    from harness.report import linking

    left_out = history_page.left_out(found, shown)
    files.write_named(page, [history_page.render(shown, left_out, linking.up(page))])


@click.command("index")
@click.argument("folder", type=FILE, metavar="[DIR]", default=Path("reports"))
def index_command(folder: Path) -> None:
    """Write DIR/index.html over all jobs in DIR, reports/ by default; from then on each job that ends there refreshes it."""
    from harness import index_page

    click.echo(visible(f"Index: {index_page.write(folder)}"))
