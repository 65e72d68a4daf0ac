"""``harness plan``: what a run will cost, before it starts."""

from __future__ import annotations

import shutil
import typing
from pathlib import Path

import click

from harness.cli.shared import (
    MOST_SEEDS,
    TIER_HELP,
    Known,
    Number,
    baselines_option,
    name_passed_over,
    scenario_option,
    warn_before_runs,
)
from harness.records import BACKENDS, DEVICES
from harness.store.visible import marked, print_table

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from harness.errors import HarnessError
    from harness.records import Scenario, Tier
    from harness.session.forecast import Forecast


@click.command("plan")
@click.argument("names", nargs=-1, metavar="[SCENARIO[:VARIANT]]...")
@click.option(
    "--seeds", type=Number(1, MOST_SEEDS), default=1, show_default=True, help="Runs of each variant."
)
@click.option(
    "--count/--no-count",
    default=None,
    help="As for `harness run`: by default from 5 seeds on.",
)
@click.option("--tier", metavar="TIER", default="smoke", show_default=True, help=TIER_HELP)
@click.option(
    "--device", type=Known("device", DEVICES), default="cpu", show_default=True, help="Where to compute."
)
@click.option(
    "--backend", type=Known("backend", BACKENDS), help="Framework; each scenario's first by default."
)
@click.option(
    "--runs",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Stored runs to learn from; may be repeated; every run below reports/ by default.",
)
@scenario_option
@baselines_option
def plan_command(
    names: tuple[str, ...], folders: tuple[Path, ...], scenario_paths: tuple[str, ...], baselines_folder: Path | None,
    tier: Tier, **options: typing.Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Say what a run would take: minutes, memory, disk.

    Type the same words as for `harness run`. The numbers come from stored runs or baselines.

    Example: harness plan --tier paper --seeds 10
    """
    from rich.console import Console

    from harness.judging import baselines
    from harness.machine import environment
    from harness.session import choosing, forecast
    from harness.sources import catalogue
    from harness.store import project

    declared = catalogue.load_all(scenario_paths)
    settings = choosing.Settings(tier=tier, scenario_paths=scenario_paths, **options)
    wanted = choosing.requests(
        choosing.select(declared, names, tier, built_in=not project.find().scenarios), settings
    )
    known = list(folders) or _newest_last(project.reports_folder())
    roots = baselines.search_path(baselines_folder)
    passed_over: dict[Path, HarnessError] = {}
    found = forecast.forecast(wanted, known, roots, environment.machine(), passed_over)
    warn_before_runs(settings.threads)
    _show(Console(), found, declared)
    name_passed_over(passed_over)


def _newest_last(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("*/run.json") if path.is_file()]
    return [path.parent for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]


def _show(console: Console, found: Sequence[Forecast], declared: Mapping[str, Scenario]) -> None:
    print_table(console, _table(found))
    for line in (*_data(found, declared), *_whole(found)):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _name(each: Forecast) -> str:
    asked = each.request
    counting = ", counting work" if asked.purpose == "count" else ""
    return f"{asked.scenario}:{asked.variant} {asked.tier} ({asked.backend}, {asked.device}{counting})"


def _table(found: Sequence[Forecast]) -> Table:
    from rich.table import Table

    table = Table(title=f"{sum(each.runs for each in found)} runs, one after the other", title_justify="left")
    table.add_column("variant", overflow="fold", min_width=16)
    for heading in ("runs", "one takes", "together", "memory", "disk"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("known from", overflow="fold")
    for each in found:
        cost = each.cost
        if cost is None:
            ended = _duration(each.request.time_limit)
            cells = ["unknown"] * 4 + [f"nothing stored; a run is ended after {ended}"]
        else:
            disk = None if cost.disk_bytes is None else each.runs * cost.disk_bytes
            whole = None if cost.seconds is None else each.runs * cost.seconds
            times = [_duration(cost.seconds), _duration(whole)]
            cells = [*times, _bytes(cost.memory_bytes), _bytes(disk), marked(cost.known_from)]
        table.add_row(marked(_name(each)), str(each.runs), *cells)
    return table


def _data(found: Sequence[Forecast], declared: Mapping[str, Scenario]) -> list[str]:
    """Say which data sets are needed and not whole here."""
    from harness import data

    tiers = {(each.request.scenario, each.request.tier) for each in found}
    needed = {declared[scenario].tiers[tier].get("dataset") for scenario, tier in tiers}
    return [
        f"Data: {row.name}: {row.problem}. {row.next_step}"
        for row in data.status()
        if row.name in needed and row.problem
    ]


def _whole(found: Sequence[Forecast]) -> list[str]:
    """Sum up, and set it beside what there is."""
    import psutil

    from harness.machine import containers
    from harness.store import project

    known = [(each.runs, each.cost) for each in found if each.cost is not None]
    times = [runs * cost.seconds for runs, cost in known if cost.seconds is not None]
    told = (
        f"{'At least' if len(times) < len(found) else 'About'} {_duration(sum(times))}"
        if times
        else "Time unknown"
    )
    memory = max((cost.memory_bytes for _, cost in known if cost.memory_bytes is not None), default=None)
    disk = sum(runs * cost.disk_bytes for runs, cost in known if cost.disk_bytes is not None)
    within = containers.allowance().memory_left
    left = (
        psutil.virtual_memory().available
        if within is None
        else min(psutil.virtual_memory().available, within)
    )
    free = shutil.disk_usage(_nearest(project.reports_folder())).free
    lines = [
        f"{told}; memory {_bytes(memory)} of {_bytes(left)} free; disk {_bytes(disk or None)} of {_bytes(free)} free"
    ]
    short = [
        name
        for name, wanted, there in (("memory", memory, left), ("disk", disk, free))
        if wanted is not None and wanted > there
    ]
    return lines + [
        f"There is not enough {name} here: use a smaller tier, or another machine" for name in short
    ]


def _nearest(folder: Path) -> Path:
    """Return a folder, or the one above it that exists: they may lie on different disks."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"


def _bytes(size: float | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / 2**30:.3g} GiB" if size >= 2**30 else f"{size / 2**20:.3g} MiB"
