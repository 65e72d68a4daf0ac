"""What there is here, and what to start from: ``harness list``, ``harness data``, ``harness doctor``, ``harness init``."""

from __future__ import annotations

import dataclasses
import json
import shlex
import typing
from collections import Counter
from pathlib import Path

import click

from harness.cli.shared import Number, baselines_option, force_option, scenario_option
from harness.store.visible import visible

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.records import Scenario

_OF_EXPECTATION = (
    "metric", "variant", "value", "unit", "place", "row", "rule", "half_width", "runs", "unreadable", "gap",
)  # fmt: skip


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is declared, as JSON.")
@scenario_option
def list_command(*, as_json: bool, scenario_paths: tuple[str, ...]) -> None:
    """List scenarios with variants, tiers and expectations.

    Example: harness list --json
    """
    from harness.sources import catalogue

    found = catalogue.load_all(scenario_paths)
    click.echo(json.dumps(as_plain(found), indent=1, ensure_ascii=False) if as_json else as_text(found))


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
    from harness import data

    paragraphs = []
    for row in data.status():
        fields = {key: value for key, value in dataclasses.asdict(row).items() if value not in {"", None}}
        lines = [str(fields.pop("name")), *(f"{key}: {value}" for key, value in fields.items())]
        paragraphs.append("\n  ".join(lines))
    click.echo("\n\n".join(paragraphs))


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
    "--noise", "loud", is_flag=True,
    help="Time a fixed workload too, and say how many pairs a slowdown needs to be seen here."
)  # fmt: skip
@click.option("--pairs", type=Number(7), default=20, show_default=True, help="Pairs of processes to time.")
@scenario_option
@baselines_option
@click.pass_context
def doctor_command(
    context: click.Context, /, *, loud: bool, pairs: int, scenario_paths: tuple[str, ...],
    baselines_folder: Path | None
) -> int:  # fmt: skip
    """Check this machine, its data and the baselines.

    Exit code 2: something is broken.

    Example: harness doctor --noise
    """
    from harness.session import doctor

    typed = context.get_parameter_source("scenario_paths") is click.core.ParameterSource.COMMANDLINE
    findings = doctor.examine(baselines_folder, scenario_paths if typed else None)
    click.echo(doctor.as_text(findings))
    if loud:
        from harness.session import noise

        click.echo(f"\nnoise: {pairs} pairs of fresh processes")
        measured = noise.measure(pairs, lambda holder: click.echo(f"Waiting: {visible(holder)}."))
        for line in noise.described(*measured):
            click.echo(line)
    return 2 if any(finding.wrong for finding in findings) else 0


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--name", default="my_scenario", show_default=True, help="Name of the scenario.")
@click.option(
    "--framework", default="", metavar="NAME",
    help="torch, keras, sklearn or numpy; the first that is installed by default."
)  # fmt: skip
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
        what = "this installation does not say where it came from"
        click.echo(f"harness: warning: {what}: name your address of it in the jobs' pip install", err=True)
    there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    click.echo(visible(f"Next: {there}harness run, then commit: every pull request is gated from then on"))


# -- what is declared, as text ------------------------------------------------------------


def as_plain(scenarios: Mapping[str, Scenario]) -> list[dict[str, typing.Any]]:
    """Return everything that scenarios declare as plain lists and mappings; tests pin these keys, users script against them."""
    return [
        {
            "name": scenario.name,
            "version": scenario.version,
            "source": dataclasses.asdict(scenario.source),
            "variants": [
                {"name": variant.name, "default": index == 0, "tiers": scenario.tiers_of(variant.name), "doc": variant.doc}
                for index, variant in enumerate(scenario.variants)
            ],
            "tiers": list(scenario.tiers),
            "datasets": sorted({str(options["dataset"]) for options in scenario.tiers.values() if "dataset" in options}),
            "backends": list(scenario.backends),
            "devices": list(scenario.devices),
            "gated": list(scenario.gated),
            "needs": list(scenario.needs),
            "expectations": [
                {
                    **{name: getattr(expected, name) for name in _OF_EXPECTATION},
                    "source": scenario.source.slug,
                    "order": list(expected.order), "tiers": list(expected.tiers),
                }
                for expected in scenario.expectations
            ],
        }
        for scenario in scenarios.values()
    ]  # fmt: skip


def as_text(scenarios: Mapping[str, Scenario]) -> str:
    """Return a readable list: one paragraph a scenario, one line a variant."""
    return "\n\n".join(_paragraph(scenario) for scenario in scenarios.values())


def _paragraph(scenario: Scenario) -> str:
    from harness.machine.environment import missing_packages

    kinds = Counter(
        "array" if isinstance(e.value, list) else "ordering" if e.order else "number"
        for e in scenario.expectations
    )
    source = ", ".join(filter(None, (scenario.source.title, scenario.source.authors)))
    lines = [
        f"{scenario.name} (version {scenario.version})",
        f"  source: {source}",
        f"  tiers: {', '.join(scenario.tiers)}; backends: {', '.join(scenario.backends)}; devices: {', '.join(scenario.devices)}",
        f"  expectations: {', '.join(f'{count} {kind}s' for kind, count in kinds.items()) or 'none'}",
    ]
    for extra, package in missing_packages(scenario.needs):
        lines.append(f"  needs '{package}': python -m pip install 'report-harness[{extra}]'")
    for index, variant in enumerate(scenario.variants):
        lines.append(f"  {':' + variant.name:<24} {variant.doc}{' (default)' if index == 0 else ''}")
    return "\n".join(lines)
