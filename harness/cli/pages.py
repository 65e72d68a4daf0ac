"""Pages over several stored jobs: ``harness ledger``, ``harness history``, ``harness index``."""

from __future__ import annotations

import shutil
import sys
import typing
from pathlib import Path

import click

from harness.cli import shared
from harness.errors import HarnessError, RevisionError
from harness.store.visible import visible

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judging.history import Place
    from harness.records import Job


@click.command("ledger")
@click.argument("runs", nargs=-1, type=shared.PATH, metavar="[RUN]...")
@click.option("--markdown", type=shared.PATH, metavar="FILE", help="Write the whole ledger to FILE.")
@click.option("--html", "page", type=shared.PATH, metavar="FILE", help="Write it as a page.")
@shared.scenario_option
@shared.force_option
def ledger_command(
    runs: tuple[Path, ...], markdown: Path | None, page: Path | None, scenario_paths: tuple[str, ...], *, force: bool
) -> int:  # fmt: skip
    """Show every published number with its verdict.

    The verdicts come from stored runs, by default those under reports/reference/; gates are left out.

    Exit code 2: a run could not be read, so a verdict may be missing.

    Example: harness ledger --html ledger.html
    """
    from harness.judging import jobs
    from harness.report import ledger, linking
    from harness.sources import audit, catalogue
    from harness.store import files

    folders, passed_over = list(runs) or ledger.reference_folders(), dict[Path, HarnessError]()

    def stored() -> Iterator[Job]:
        # read anew for each pass, so that no two jobs are in memory at once; a gate may have measured what it refused
        return (job for job in jobs.readable(folders, passed_over) if runs or job.gate is None)

    if page is not None and not force:
        linking.refuse_other(page, "ledger")
    if markdown is not None and not force:
        ledger.refuse_other(markdown)
    declared = catalogue.load_all(scenario_paths)
    rows, findings = ledger.collect(stored(), declared), audit.audit()
    if len(passed_over) == len(folders):
        raise passed_over[folders[0]]
    if markdown is not None:
        files.write_named(markdown, [ledger.as_markdown(rows, findings, stored())])
        click.echo(f"Ledger: {markdown}")
    if page is not None:
        files.write_named(page, [ledger.as_page(rows, findings, stored(), declared, linking.up(page))])
        click.echo(f"Page: {page}")
    if markdown is None and page is None:
        text = visible(ledger.as_text(rows, findings, shutil.get_terminal_size((120, 24)).columns))
        # click would write UTF-8 to a terminal that says it is ASCII
        sys.stdout.write(f"{text}\n")
    shared.name_passed_over(passed_over)
    return 2 if passed_over else 0


@click.command("history")
@click.argument("names", nargs=-1, metavar="[RUN | SCENARIO[:VARIANT]]...")
@click.option(
    "--metric", "patterns", multiple=True, metavar="PATTERN", help="Metrics to show, e.g. '*.seconds'."
)
@click.option(
    "--html", "page", type=shared.PATH, metavar="FILE",
    help="Write it as a page too; with --run DIR/history.html by default."
)  # fmt: skip
@click.option(
    "--run", "span", default="", metavar="OLD..NEW", help="Measure these past commits first; the names are then scenarios."
)  # fmt: skip
@click.option(
    "--every", type=shared.Number(1), default=1, show_default=True, help="Measure every so many commits."
)
@shared.seeds_option(1, "Runs of each variant at each commit.")
@shared.past_options
@shared.force_option
@click.pass_context
def history_command(
    context: click.Context, /, names: tuple[str, ...], patterns: tuple[str, ...], page: Path | None, span: str, every: int,
    out: Path | None, *, force: bool, **options: typing.Any,  # noqa: ANN401
) -> int:  # fmt: skip
    """Show metrics over commits, and where they changed.

    Without a name every run below reports/ is read. With --run, past commits are measured first, each in a worktree and into DIR/COMMIT: both
    ends, then halves. The same command goes on where it ended.

    Example: harness history --run v1.0..HEAD --every 5 --seeds 3 --html history.html
    """
    from rich.console import Console

    from harness.cli import history_table, past
    from harness.judging import history, jobs
    from harness.store import project

    reports, console = project.reports_folder(), Console()
    if span:
        page = page or (out or reports) / "history.html"
    else:
        past.refuse_idle(context)
    if page is not None and not force:
        from harness.report import linking

        linking.refuse_other(page, "history")
    passed_over: dict[Path, HarnessError] = {}
    if span:
        folders, stopped = past.measure_span(
            console, span, names, every, out or reports, options, passed_over
        )
        if stopped:
            return shared.interrupted(". The same command goes on with it")
    else:
        folders = list(dict.fromkeys(map(Path, names))) or sorted(
            path.parent for path in reports.glob("*/run.json")
        )
    if not folders and passed_over:
        shared.name_passed_over(passed_over)
        raise HarnessError(f"no commit of {span} could run", "Read the reasons above")
    if not folders:
        raise HarnessError(f"there is no stored run below {reports}/", "Type: harness run, or name the runs")
    unread: dict[Path, HarnessError] = {}
    samples = history.gather(jobs.readable(folders, unread))
    if len(unread) == len(folders):
        raise unread[folders[0]]
    around = dict.fromkeys(folder.absolute().parent for folder in folders)
    places, web = _places([Path(), *around], {sample.commit.removesuffix("+dirty") for sample in samples})
    found = history.tracks(samples, places)
    chosen = history.select(found, patterns)
    history_table.show(console, chosen, patterns)
    if page is not None:
        from harness.report import history_page, linking
        from harness.store import files

        files.write_named(page, [history_page.render(found, patterns, linking.up(page), web)])
        click.echo(f"Page: {page}")
    if span:
        shared.shelve(folders[0])
    shared.name_passed_over(passed_over | unread)
    return 2 if passed_over or unread else 0


def _places(folders: Sequence[Path], commits: set[str]) -> tuple[dict[str, Place], str]:
    """Ask the first checkout that knows one of the commits where they lie, and where its remote shows them."""
    from harness.judging import history
    from harness.store import git

    for folder in folders:
        try:
            head = git.text(folder, "rev-parse", "--verify", "HEAD")
            # HEAD alone says nothing of commits that lie elsewhere
            parents = git.parents(folder, [head, *commits])
        except RevisionError:
            continue
        if not commits.isdisjoint(parents):
            return history.places(parents, head, commits), git.web(folder)
    return {}, ""


@click.command("index")
@click.argument("folder", type=shared.PATH, metavar="[DIR]", required=False)
def index_command(folder: Path | None) -> None:
    """Write a page that lists all jobs of a folder.

    It becomes DIR/index.html, in reports/ by default. Each job that ends there later refreshes it.

    Example: harness index reports
    """
    from harness.report import index_page
    from harness.store import project

    passed_over: dict[Path, str] = {}
    page = index_page.write(folder or project.reports_folder(), passed_over)
    click.echo(visible(f"Index: {page}"))
    shared.name_passed_over(passed_over)
