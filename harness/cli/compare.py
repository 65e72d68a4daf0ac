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
    from harness.records import Compared


class MarginType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A difference with its unit; see `harness.judging.equivalence.Margin`."""

    name = "margin"

    def convert(
        self,
        value: typing.Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> typing.Any:  # noqa: ANN401 - the same
        """Return the margin."""
        from harness.judging.equivalence import Margin

        try:
            return Margin.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("compare")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="A B [C]...")
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Job that the others are compared with; the first by default.",
)
@click.option(
    "--margin", type=MarginType(), metavar="MARGIN",
    help="Difference that counts as none: 0.5points (of shares), 2% (of the reference's mean), 0.01 (in the score's own unit), or spread:"
    " 2 standard deviations of the reference's runs. Default: `tolerance` of the configuration, else spread, and for shares at most 0.5points.",
)  # fmt: skip
@click.option(
    "--variants",
    type=(str, str),
    metavar="REFERENCE OTHER",
    help="Compare a variant of the reference with another variant of the others.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write compare.html and compare.json there."
)
@force_option
def compare_command(
    folders: tuple[Path, ...],
    reference: Path | None,
    margin: Margin | None,
    variants: tuple[str, str] | None,
    out: Path | None,
    *,
    force: bool,
) -> int:
    """Compare stored jobs, one column a job.

    A, B and so on are folders of runs: backends, devices, machines, versions.

    Exit code 1: an identity is violated; 2: nothing can be compared.

    Example: harness compare reports/numpy reports/torch
    """
    from rich.console import Console

    from harness.cli import equivalence_table
    from harness.session import comparing

    ordered = _ordered(folders, reference)
    if out is not None and not force:
        _refuse_stored(out, ordered)
    passed_over: dict[Path, HarnessError] = {}
    command = shlex.join(["harness", *sys.argv[1:]])
    found = comparing.compare(ordered, margin, variants, passed_over, command)
    ordered = [folder for folder in ordered if folder not in passed_over]
    page = None if out is None else _store(found, ordered, out)
    tell_all(
        lambda: equivalence_table.show(Console(), found),
        lambda: click.echo(visible(f"Page: {page}")) if page else None,
        lambda: name_passed_over(passed_over),
    )
    return found.exit_code or (2 if passed_over else 0)


def _ordered(folders: tuple[Path, ...], reference: Path | None) -> list[Path]:
    """Put the reference first."""
    if len(folders) < 2:
        raise HarnessError(
            "one job has nothing to be compared with",
            f"Type: harness compare {shlex.quote(str(folders[0]))} OTHER",
        )
    if reference is None:
        return list(folders)
    if reference not in folders:
        raise HarnessError(
            f"the reference '{reference}' is none of the jobs", f"Name one of: {', '.join(map(str, folders))}"
        )
    first = folders.index(reference)
    return [reference, *folders[:first], *folders[first + 1 :]]


def _refuse_stored(out: Path, folders: Sequence[Path]) -> None:
    """Refuse a folder that holds another job, or the comparison of others."""
    import msgspec

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
    try:
        old = msgspec.json.decode(files.read_bytes(path), type=Compared)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StorageError(f"{path} is not a comparison that this version of harness wrote", step) from error
    if {Path(job.folder).resolve() for job in old.jobs} != {folder.resolve() for folder in folders}:
        names = ", ".join(job.folder for job in old.jobs)
        raise StorageError(f"'{out}' holds the comparison of {names}", step)


def _store(found: Compared, folders: Sequence[Path], out: Path) -> Path:
    """Write record and page; return the page's path."""
    from harness.report import equivalence_page, linking
    from harness.store import files

    files.write_json(out / "compare.json", found)
    page = out / "compare.html"
    files.write_text(page, equivalence_page.render(found, folders, linking.up(page)))
    return page
