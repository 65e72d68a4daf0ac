"""``harness baseline``: propose, look at and accept baselines; waive a metric for a while."""

from __future__ import annotations

import datetime as dt
import shlex
import typing

import click

from harness.cli.shared import PATH, baselines_option, force_option, scenario_option
from harness.store import commands
from harness.store.visible import visible

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Tier


@click.group("baseline")
def baseline_group() -> None:
    """Propose, show, accept and waive baselines.

    Example: harness baseline propose reports/run --reason "first values"
    """


@baseline_group.command("propose")
@click.argument("run", type=PATH)
@click.option("--reason", required=True, help="Why these values become the new reference.")
@click.option("--who", default="", help="Your name; git's user name by default.")
@scenario_option
@force_option
def propose_command(
    run: Path, reason: str, who: str, scenario_paths: tuple[str, ...], *, force: bool
) -> None:
    """Build baselines from a stored run, in its folder proposals/.

    Example: harness baseline propose reports/gate --reason "new layers"
    """
    from harness.judging import jobs, outcome
    from harness.session import approval
    from harness.sources import catalogue

    job = jobs.read(run)
    declared = catalogue.load_all(scenario_paths)
    for path in approval.propose(job, run, declared, reason=reason, who=who, force=force):
        click.echo(f"Proposed: {path}")
    if outcome.interrupted(job):
        lacking = f"interrupted {outcome.interruption(job)}, and so of these baselines"
        click.echo(visible(f"{lacking}. Or first: {commands.resume(job, run)}"), err=True)
    where = shlex.quote(str(run))
    click.echo(visible(f"Next: harness baseline diff {where}, then: harness baseline accept {where}"))


@baseline_group.command("diff")
@click.argument("run", type=PATH)
@baselines_option
def diff_command(run: Path, baselines_folder: Path | None) -> None:
    """Show how proposed baselines differ from stored ones.

    Example: harness baseline diff reports/run
    """
    from harness.session import approval

    click.echo(visible(approval.diff(run, baselines_folder)))


@baseline_group.command("accept")
@click.argument("run", type=PATH)
@baselines_option
@force_option
def accept_command(run: Path, baselines_folder: Path | None, *, force: bool) -> None:
    """Move proposed baselines into ./baselines.

    With --baselines they go to the folder it names.

    Example: harness baseline accept reports/run
    """
    from harness.session import approval

    accepted, outdated = approval.accept(run, baselines_folder, force=force)
    for path in accepted:
        click.echo(f"Accepted: {path}")
    for path in outdated:
        click.echo(f"Outdated: {path}; only its memory and times are still used, on machines of its kind")


@baseline_group.command("show")
@click.argument("name", metavar="SCENARIO[:VARIANT]")
@click.option("--tier", metavar="TIER", default="smoke", show_default=True)
@scenario_option
@baselines_option
def show_command(
    name: str, tier: Tier, scenario_paths: tuple[str, ...], baselines_folder: Path | None
) -> None:
    """Show the stored baselines of a variant, and its waivers.

    Example: harness baseline show digits1000_cnn
    """
    from harness.session import approval
    from harness.sources import catalogue

    declared = catalogue.load_all(scenario_paths)
    click.echo(visible(approval.show(declared, name, tier, baselines_folder, _today())))


@baseline_group.command("waive")
@click.argument("metric", metavar="SCENARIO[:VARIANT]/METRIC")
@click.option("--tier", metavar="TIER", default="smoke", show_default=True)
@click.option(
    "--until", required=True, metavar="DATE", help="Last day, such as 2030-01-31; at most 180 ahead."
)
@click.option("--reason", required=True, help="Why the metric may pass until then.")
@click.option("--who", default="", help="Your name; git's user name by default.")
@scenario_option
@baselines_option
def waive_command(
    metric: str, scenario_paths: tuple[str, ...], baselines_folder: Path | None, **options: typing.Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Let one metric pass until a day, for a reason.

    ./baselines/waivers.json keeps it.

    Example: harness baseline waive digits1000_cnn/accuracy --until 2027-01-31 --reason "new data"
    """
    from harness.session import approval
    from harness.sources import catalogue

    declared = catalogue.load_all(scenario_paths)
    click.echo(visible(approval.waive(metric, declared, baselines_folder, _today(), **options)))


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()
