"""``harness compare``: stored jobs side by side."""

from __future__ import annotations

import shlex
import sys
import typing
from pathlib import Path

import click

from harness.cli.shared import force_option, name_passed_over, tell_all
from harness.errors import HarnessError, StorageError
from harness.store.visible import visible

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judging.equivalence import Margin


def _margin(context: click.Context, param: click.Parameter, value: str | None) -> Margin:
    """Read a difference with its unit."""
    from harness.judging import equivalence

    try:
        return equivalence.USUAL if value is None else equivalence.Margin.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, param) from error


@click.command("compare")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="A B [C]...")
@click.option(
    "--margin", callback=_margin, metavar="MARGIN",
    help="Difference that counts as none: 0.5points (of shares), 2% (of the reference's mean), 0.01 (in the score's own unit), or spread:"
    " 2 standard deviations of the reference's runs. Default: `tolerance` of the configuration, else spread, and for shares at most 0.5points.",
)  # fmt: skip
@click.option(
    "--variants", type=(str, str), metavar="REFERENCE OTHER",
    help="Compare a variant of the reference with another variant of the others.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write compare.html and compare.json there."
)
@force_option
def compare_command(
    folders: tuple[Path, ...], margin: Margin, variants: tuple[str, str] | None, out: Path | None,
    *, force: bool,
) -> int:  # fmt: skip
    """Compare stored jobs, one column a job.

    A, B and so on are folders of runs: backends, devices, machines, versions. The others are compared with A.

    Exit code 1: an identity is violated; 2: nothing can be compared.

    Example: harness compare reports/numpy reports/torch
    """
    from rich.console import Console

    from harness.cli import equivalence_table
    from harness.session import comparing
    from harness.store import files

    if len(folders) < 2:
        step = f"Type: harness compare {shlex.quote(str(folders[0]))} OTHER"
        raise HarnessError("one job has nothing to be compared with", step)
    if out is not None and not force:
        _refuse_stored(out, folders)
    passed_over: dict[Path, HarnessError] = {}
    command = shlex.join(["harness", *sys.argv[1:]])
    compared = comparing.compare(folders, margin, variants, passed_over, command)
    folders = tuple(folder for folder in folders if folder not in passed_over)
    if out is not None:
        from harness.report import equivalence_page, linking

        page = out / "compare.html"
        files.write_json(out / "compare.json", compared)
        files.write_text(page, equivalence_page.render(compared, folders, linking.up(page)))
    tell_all(
        lambda: equivalence_table.show(Console(), compared),
        lambda: click.echo(visible(f"Page: {page}")) if out else None,
        lambda: name_passed_over(passed_over),
    )
    return compared.exit_code or (2 if passed_over else 0)


def _refuse_stored(out: Path, folders: Sequence[Path]) -> None:
    """Refuse a folder that holds another job, or the comparison of others."""
    from harness.records import Compared
    from harness.report import linking
    from harness.running import plans
    from harness.store import files

    plans.refuse_other_job(out, *folders)
    linking.refuse_other(out / "compare.html", "compare")
    path = out / "compare.json"
    if not path.exists():
        return
    step = "Name another folder with --out, or replace it with --force"
    old = files.decode(files.read_bytes(path), Compared, str(path), step)
    if {Path(job.folder).resolve() for job in old.jobs} != {folder.resolve() for folder in folders}:
        names = ", ".join(job.folder for job in old.jobs)
        raise StorageError(f"'{out}' holds the comparison of {names}", step)
