"""``harness compare``: stored jobs side by side."""

from __future__ import annotations

import datetime as dt
import shlex
import typing
from pathlib import Path

import click

from harness.cli.shared import PATH, force_option, name_passed_over, tell_all, typed_command
from harness.errors import HarnessError, StorageError
from harness.records.version import __version__
from harness.store.visible import visible

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judging.equivalence import Margin
    from harness.records import Compared


class MarginType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A difference with its unit; see `harness.judging.equivalence.Margin`."""

    name = "margin"

    def convert(
        self, value: typing.Any, param: click.Parameter | None, ctx: click.Context | None  # noqa: ANN401 - click's signature
    ) -> Margin:  # fmt: skip
        """Return the margin."""
        from harness.judging.equivalence import Margin

        try:
            return Margin.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("compare")
@click.argument("folders", nargs=-1, required=True, type=PATH, metavar="A B [C]...")
@click.option(
    "--reference",
    type=PATH,
    metavar="RUN",
    help="Job that the others are compared with; the first by default.",
)
@click.option(
    "--margin", type=MarginType(), metavar="MARGIN",
    help="Difference that counts as none: 0.5points (of shares), 2% (of the reference's mean), 0.01 (in the score's own unit), or spread:"
    " 2 standard deviations of the reference's runs. Default: spread, and for shares at most 0.5points.",
)  # fmt: skip
@click.option(
    "--variants", type=(str, str), metavar="REFERENCE OTHER",
    help="Compare a variant of the reference with another variant of the others."
)  # fmt: skip
@click.option("--out", type=PATH, metavar="DIR", help="Write compare.html and compare.json there.")
@force_option
def compare_command(
    folders: tuple[Path, ...], reference: Path | None, margin: Margin | None,
    variants: tuple[str, str] | None, out: Path | None,
    *, force: bool,
) -> int:  # fmt: skip
    """Compare stored jobs, one column a job.

    A, B and so on are folders of runs: backends, devices, machines, versions.

    Exit code 1: an identity is violated; 2: nothing can be compared.

    Example: harness compare reports/numpy reports/torch
    """
    from rich.console import Console

    from harness.cli import equivalence_table

    if len(folders) < 2:
        step = f"Type: harness compare {shlex.quote(str(folders[0]))} OTHER"
        raise HarnessError("one job has nothing to be compared with", step)
    ordered = list(folders)
    if reference is not None and reference not in folders:
        what = f"the reference '{reference}' is none of the jobs"
        raise HarnessError(what, f"Name one of: {', '.join(map(str, folders))}")
    if reference is not None:
        ordered.remove(reference)
        ordered.insert(0, reference)
    if out is not None and not force:
        _refuse_stored(out, ordered)
    passed_over: dict[Path, HarnessError] = {}
    compared = _compared(ordered, margin, variants, passed_over)
    page = None if out is None else _store(compared, [one for one in ordered if one not in passed_over], out)
    tell_all(
        lambda: equivalence_table.show(Console(), compared),
        lambda: click.echo(visible(f"Page: {page}")) if page else None,
        lambda: name_passed_over(passed_over),
    )
    return compared.exit_code or (2 if passed_over else 0)


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


def _compared(
    folders: Sequence[Path], margin: Margin | None, variants: tuple[str, str] | None,
    passed_over: dict[Path, HarnessError]
) -> Compared:  # fmt: skip
    """Compare what can be read with the reference; an unreadable reference, or nothing left to compare with it, is an error."""
    from harness.judging import equivalence, jobs
    from harness.records import Compared, SideJob
    from harness.store import masking, predictions

    read = list(jobs.readable(folders, passed_over))
    if folders[0] in passed_over or len(read) < 2:
        raise next(iter(passed_over.values()))
    folders = [folder for folder in folders if folder not in passed_over]
    readers = tuple(map(predictions.reader, folders))
    asked = equivalence.Asked(
        names=tuple(map(str, folders)), readers=readers, margin=margin, variants=variants
    )
    found, left_out = equivalence.compare(read, asked)
    sides = (
        SideJob(folder=str(folder), created=job.created, commit=job.commit, command=job.command)
        for folder, job in zip(folders, read, strict=True)
    )
    return Compared(
        schema=equivalence.SCHEMA, created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=masking.masked(typed_command()),
        version=__version__, jobs=tuple(sides), variants=found, left_out=left_out,
    )  # fmt: skip


def _store(compared: Compared, folders: Sequence[Path], out: Path) -> Path:
    """Write record and page; return the page's path."""
    from harness.report import equivalence_page, linking
    from harness.store import files

    files.write_json(out / "compare.json", compared)
    page = out / "compare.html"
    files.write_text(page, equivalence_page.render(compared, folders, linking.up(page)))
    return page
