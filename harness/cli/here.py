"""What there is here, and what to start from: ``harness list``, ``harness data``, ``harness doctor``, ``harness init``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from harness.cli.shared import Number, baselines_option, force_option, scenario_option
from harness.store.visible import visible


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is declared, as JSON.")
@scenario_option
def list_command(*, as_json: bool, scenario_paths: tuple[str, ...]) -> None:
    """List scenarios with variants, tiers and expectations.

    Example: harness list --json
    """
    from harness.cli import listing
    from harness.sources import catalogue

    found = catalogue.load_all(scenario_paths)
    click.echo(
        json.dumps(listing.as_plain(found), indent=1, ensure_ascii=False)
        if as_json
        else listing.as_text(found)
    )


@click.group("data")
def data_group() -> None:
    """Look at and fetch data sets.

    Example: harness data fetch mnist kmnist
    """


@data_group.command("status")
def status_command() -> None:
    """Say where each data set is and whether it is complete.

    Example: harness data status
    """
    from harness.cli import listing

    click.echo(listing.data_status())


@data_group.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def fetch_command(names: tuple[str, ...]) -> None:
    """Download data sets into your cache and verify them.

    Example: harness data fetch mnist kmnist
    """
    from harness import data

    for name in names:
        data.fetch(name)
        click.echo(f"Fetched and verified: {name}")


@click.command("doctor")
@click.option(
    "--noise",
    "loud",
    is_flag=True,
    help="Time a fixed workload too, and say how many pairs a slowdown needs to be seen here.",
)
@click.option("--pairs", type=Number(7), default=20, show_default=True, help="Pairs of processes to time.")
@click.option("--scenario", default="", metavar="NAME[:VARIANT]", help="Time its smoke tier as well.")
@scenario_option
@baselines_option
@click.pass_context
def doctor_command(
    context: click.Context,
    *,
    loud: bool,
    pairs: int,
    scenario: str,
    scenario_paths: tuple[str, ...],
    baselines_folder: Path | None,
) -> int:
    """Check this machine, its data and the baselines.

    Exit code 2: something is broken.

    Example: harness doctor --noise
    """
    from harness.session import doctor

    typed = context.get_parameter_source("scenario_paths") is click.core.ParameterSource.COMMANDLINE
    findings = doctor.examine(baselines_folder, scenario_paths if typed else None)
    click.echo(doctor.as_text(findings))
    if loud or scenario:
        _noise(pairs, scenario, scenario_paths)
    return 2 if any(finding.wrong for finding in findings) else 0


def _noise(pairs: int, scenario: str, scenario_paths: tuple[str, ...]) -> None:
    """Time the fixed workload, and a scenario's smoke tier if one is named."""
    from harness.session import choosing, noise
    from harness.sources import catalogue

    def waiting() -> None:
        click.echo("Waiting: another job measures on this machine.")

    declared = catalogue.load_all(scenario_paths)
    chosen = choosing.select(declared, [scenario], "smoke") if scenario else []
    click.echo(f"\nnoise: {pairs} pairs of fresh processes")
    click.echo(noise.described(noise.of_calibration(pairs, waiting)))
    for found, variant in chosen:
        click.echo(noise.described(noise.of_scenario(found, variant, scenario_paths, pairs, waiting)))


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--name", default="my_scenario", show_default=True, help="Name of the scenario.")
@click.option(
    "--framework",
    default="",
    metavar="NAME",
    help="torch, keras, sklearn or numpy; the first that is installed by default.",
)
@force_option
def init_command(folder: Path, name: str, framework: str, *, force: bool) -> None:
    """Write a project that works.

    It holds a scenario, its test, configuration, and jobs for GitHub and GitLab.

    Example: harness init mine
    """
    from harness.session import starter

    for path in starter.write(folder, name, kind=framework, force=force):
        click.echo(visible(f"Wrote: {path}"))
    if starter.NOWHERE in starter.requirement():
        click.echo(
            "This installation does not say where it came from: name your address of it in the jobs' pip install",
            err=True,
        )
    there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    click.echo(visible(f"Next: {there}harness run, then commit: every pull request is gated from then on"))
