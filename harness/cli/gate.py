"""``harness gate``: run, compare, confirm, exit code."""

from __future__ import annotations

import os
import typing
from pathlib import Path

import click

from harness.cli import shared
from harness.errors import HarnessError
from harness.records import GateSettings, Outputs
from harness.store import files
from harness.store.visible import visible

if typing.TYPE_CHECKING:
    from rich.console import Console

    from harness.records import Job

_LIMITS = ("against", "max_runs", "max_minutes", "strict", "expectations", "remeasure", "why")
"""Options that are fields of `GateSettings`."""


@click.command("gate")
@click.argument("names", nargs=-1, metavar="[SCENARIO[:VARIANT]]...")
@shared.seeds_option(5, "Runs of each variant in the screen.")
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
    "--max-runs", type=shared.Number(1, shared.MOST_SEEDS), default=1000, show_default=True,
    help="Runs of the whole gate."
)  # fmt: skip
@click.option(
    "--max-minutes", type=shared.Seconds(), default=60.0, show_default=True,
    help="Minutes after which no further round of runs begins.",
)  # fmt: skip
@click.option(
    "--coin",
    type=shared.Number(0),
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
    "--why/--no-why", default=True, show_default=True,
    help="After a confirmed regression, run both sides once more under a profiler and say where it comes from.",
)  # fmt: skip
@click.option("--junit", type=shared.PATH, metavar="FILE", help="Write JUnit XML.")
@click.option("--summary", type=shared.PATH, metavar="FILE", help="Append a Markdown summary.")
@click.option(
    "--explain",
    "explained",
    multiple=True,
    metavar="METRIC",
    help="Print the arithmetic of a metric's verdict.",
)
@shared.job_options
@click.pass_context
def gate_command(
    context: click.Context, /, names: tuple[str, ...], out: Path | None, resume: Path | None,
    baselines_folder: Path | None,
    executor: str, scheduler: str, workers: int | None, junit: Path | None, summary: Path | None,
    explained: tuple[str, ...],
    coin: int | None, *, no_against: bool, force: bool, **options: typing.Any,  # noqa: ANN401
) -> int:  # fmt: skip
    """Run, compare, and say by the exit code whether it is worse.

    It compares with stored baselines, or with another commit that runs next to this one. What looks worse is confirmed on fresh runs.

    0 passed; 1 worse or slower; 2 could not measure, or undecided; 3 a person must decide: improved, no baseline, not
    comparable; 130 interrupted.

    Example: harness gate --against main
    """
    from rich.console import Console

    from harness.session import choosing, execution

    console = Console()
    where = shared.where(console, options["threads"], name=executor, scheduler=scheduler, workers=workers)
    outputs = Outputs(
        junit=str(junit.absolute()) if junit else "", summary=str(summary.absolute()) if summary else "",
        explained=explained
    )  # fmt: skip
    if resume is not None:
        shared.refuse_changes(context, resume, "gate")
        ended = execution.resume(resume, gate=True, outputs=outputs, where=where)
    else:
        limits = GateSettings(
            **{name: options.pop(name) for name in _LIMITS} | ({"against": ""} if no_against else {})
        )
        if limits.against and executor != "local":
            what = "--against runs on this machine only"
            raise HarnessError(what, "Leave --executor out, or add --no-against")
        ended = execution.gate(
            names, choosing.Settings(**options), limits, command=shared.typed_command(),
            baselines=baselines_folder, out=out,
            force=force, coin=coin, outputs=outputs, where=where,
        )  # fmt: skip
    well = shared.store_and_show(console, ended)
    code = _tell(console, ended.job, ended.outputs, ended.folder, well=well)
    return shared.interrupted_job(ended) or code


def _tell(console: Console, job: Job, outputs: Outputs, out: Path, *, well: bool) -> int:
    """Write what was asked for in addition to the report, which went `well`, and return the exit code; what fails takes no verdict away."""
    from harness.export import github, junit, summary
    from harness.judging import outcome

    def annotate() -> None:
        if os.environ.get("GITHUB_ACTIONS") == "true":
            click.echo("\n".join(github.commands(job)))

    well &= shared.tell_all(
        lambda: files.write_named(Path(outputs.junit), junit.xml_parts(job)) if outputs.junit else None,
        # added to whatever is there: GitHub's own file of a step is appended to by every step
        lambda: files.append_named(Path(outputs.summary), summary.markdown(job)) if outputs.summary else None,
        annotate,
        *shared.explanations(console, job, outputs.explained),
    )
    code = shared.ended_with(outcome.exit_code(job), well=well)
    lacking = "" if well else ", but not all that was asked for could be written"
    sentence = f"Gate: {outcome.meaning(job)}{lacking} (exit code {code}); {visible(str(out))}"
    shared.tell_all(lambda: console.print(sentence, markup=False, highlight=False, soft_wrap=True))
    return code
