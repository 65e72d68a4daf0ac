"""``harness run``: variants run, judged, stored and shown; a job that was interrupted goes on with --resume."""

from __future__ import annotations

import typing

import click

from harness.cli import shared
from harness.judging import outcome

if typing.TYPE_CHECKING:
    from pathlib import Path


@click.command("run")
@click.argument("names", nargs=-1, metavar="[SCENARIO[:VARIANT]]...")
@shared.seeds_option(1, "Runs of each variant.")
@click.option(
    "--count/--no-count",
    default=None,
    help="Count the work and probe determinism in two more short runs per variant; by default from 5 seeds on.",
)
@click.option(
    "--keep-weights",
    is_flag=True,
    help="Store each run's weights; another job can predict with them (--weights).",
)
@click.option(
    "--weights", default="", metavar="JOB",
    help="Predict once more with the weights that this job stored; harness compare then compares labels.",
)  # fmt: skip
@shared.job_options
@click.pass_context
def run_command(
    context: click.Context, /, names: tuple[str, ...], out: Path | None, resume: Path | None,
    baselines_folder: Path | None,
    executor: str, scheduler: str, workers: int | None, *, force: bool, **options: typing.Any,  # noqa: ANN401
) -> int:  # fmt: skip
    """Run variants, judge them and write a report.

    Without a name the default variant of every scenario runs. Exit code 1: an identity is violated; 2: something could not be measured.

    Example: harness run kmnist_svd_logreg:o-ma --tier short --seeds 5
    """
    from rich.console import Console

    from harness.session import choosing, execution

    console = Console()
    where = shared.where(console, options["threads"], name=executor, scheduler=scheduler, workers=workers)
    if resume is not None:
        shared.refuse_changes(context, resume, "run")
        ended = execution.resume(resume, gate=False, where=where)
    else:
        ended = execution.run(
            names, choosing.Settings(**options), command=shared.typed_command(), baselines=baselines_folder,
            out=out, force=force,
            where=where,
        )  # fmt: skip
    well = shared.store_and_show(console, ended)
    return shared.interrupted_job(ended) or shared.ended_with(outcome.exit_code(ended.job), well=well)
