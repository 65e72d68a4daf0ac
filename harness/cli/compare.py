"""``harness compare``: two stored jobs side by side."""

from __future__ import annotations

import datetime as dt
import math
import shlex
import sys
import typing
from pathlib import Path

import click

from harness.cli.shared import force_option
from harness.records.version import __version__

if typing.TYPE_CHECKING:
    from harness.equivalence import Margin
    from harness.records import SideBySide


class Points(click.FloatRange):
    """Points, or the word ``spread``."""

    def convert(
        self,
        value: typing.Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> typing.Any:  # noqa: ANN401 - the same
        """Return the finite number, or the word."""
        if value == "spread":
            return value
        points = float(super().convert(value, param, ctx))
        if not math.isfinite(points):
            self.fail(f"{value} is no number of points.", param, ctx)
        return points


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path), metavar="A")
@click.argument("b", type=click.Path(path_type=Path), metavar="B")
@click.option(
    "--margin", type=Points(0), metavar="POINTS|spread",
    help="Difference between shares that counts as none: points, or spread for 2 standard deviations of A, however large;"
    " by default these, and at most 0.5 points.",
)  # fmt: skip
@click.option(
    "--variants", type=(str, str), metavar="OF_A OF_B", help="Set a variant of A beside another one of B."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write compare.html and compare.json there.")  # fmt: skip
@force_option
def compare_command(
    a: Path, b: Path, margin: Margin, variants: tuple[str, str] | None, out: Path | None, *, force: bool
) -> int:
    """Set two stored jobs side by side: time, memory, scores, labels, identities.

    A and B are folders of runs: one backend and another, CPU and GPU, two machines. A report, not a gate: 0; 1 an identity is
    violated; 2 nothing can be compared.
    """
    from rich.console import Console

    from harness import comparison_table

    if out is not None and not force:
        _refuse_stored(out, a, b)
    found = _found(a, b, margin, variants)
    comparison_table.show(Console(), found)
    if out is not None:
        click.echo(f"Page: {_store(found, (a, b), out)}")
    return found.exit_code


def _refuse_stored(out: Path, a: Path, b: Path) -> None:
    """Refuse a folder that holds another job, or the comparison of two others."""
    import msgspec

    from harness import files, plans
    from harness.errors import StorageError
    from harness.records import SideBySide
    from harness.report import linking

    plans.refuse_other_job(out, a, b)
    linking.refuse_other(out / "compare.html", "compare")
    path = out / "compare.json"
    if not path.exists():
        return
    step = "Name another folder with --out, or replace it with --force"
    try:
        old = msgspec.json.decode(files.read_bytes(path), type=SideBySide)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StorageError(f"{path} is no comparison that harness wrote", step) from error
    if {Path(old.a.folder).resolve(), Path(old.b.folder).resolve()} != {a.resolve(), b.resolve()}:
        raise StorageError(f"'{out}' holds the comparison of {old.a.folder} with {old.b.folder}", step)


def _found(a: Path, b: Path, margin: Margin, variants: tuple[str, str] | None) -> SideBySide:
    from harness import comparison, jobs, masking, predictions
    from harness.records import SideBySide, SideJob

    ours, theirs = jobs.read(a), jobs.read(b)
    asked = comparison.Asked(
        readers=(predictions.reader(a), predictions.reader(b)), margin=margin, variants=variants
    )
    compared, left_out = comparison.compare(ours, theirs, asked)
    sides = [
        SideJob(folder=str(folder), created=job.created, commit=job.commit, command=job.command)
        for folder, job in ((a, ours), (b, theirs))
    ]
    return SideBySide(
        schema=comparison.SCHEMA,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=masking.masked(shlex.join(["harness", *sys.argv[1:]])),
        version=__version__,
        a=sides[0],
        b=sides[1],
        variants=compared,
        left_out=left_out,
    )


def _store(found: SideBySide, folders: tuple[Path, Path], out: Path) -> Path:
    """Write record and page; return the page's path."""
    from harness import files
    from harness.report import linking, side_by_side

    files.write_json(out / "compare.json", found)
    page = out / "compare.html"
    files.write_text(page, side_by_side.render(found, folders, linking.up(page)))
    return page
