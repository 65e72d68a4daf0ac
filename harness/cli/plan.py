"""``harness plan``: what a run will cost, before it starts."""

from __future__ import annotations

import shutil
import typing

import click

from harness.cli import shared
from harness.store.visible import marked, print_table

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.table import Table

    from harness.errors import HarnessError
    from harness.records import Scenario
    from harness.session.forecast import Forecast


@click.command("plan")
@click.argument("names", nargs=-1, metavar="[SCENARIO[:VARIANT]]...")
@shared.seeds_option(1, "Runs of each variant.")
@click.option("--count/--no-count", default=None, help="As for `harness run`: by default from 5 seeds on.")
@shared.kind_options
@click.option(
    "--runs", "folders", multiple=True, type=shared.PATH, metavar="RUN",
    help="Stored runs to learn from; may be repeated; every run below reports/ by default.",
)  # fmt: skip
@shared.scenario_option
@shared.baselines_option
def plan_command(
    names: tuple[str, ...], folders: tuple[Path, ...], baselines_folder: Path | None, **options: typing.Any  # noqa: ANN401
) -> None:  # fmt: skip
    """Say what a run would take: minutes, memory, disk.

    Type the same words as for `harness run`. The numbers come from stored runs or baselines.

    Example: harness plan --tier paper --seeds 10
    """
    from rich.console import Console

    from harness.machine import environment
    from harness.session import choosing, forecast
    from harness.store import project

    settings = choosing.Settings(**options)
    declared, selection, roots = choosing.chosen(names, settings, baselines_folder)
    wanted = choosing.requests(selection, settings)
    known = list(folders) or _newest_last(project.reports_folder())
    passed_over: dict[Path, HarnessError] = {}
    found = forecast.forecast(wanted, known, roots, environment.machine(), passed_over)
    shared.warn_before_runs(settings.threads)
    print_table(console := Console(), _table(found))
    for line in (*_data(found, declared), *_whole(found)):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    shared.name_passed_over(passed_over)


def _newest_last(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("*/run.json") if path.is_file()]
    return [path.parent for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]


def _table(found: Sequence[Forecast]) -> Table:
    from rich.table import Table

    table = Table(title=f"{sum(one.runs for one in found)} runs, one after the other", title_justify="left")
    table.add_column("variant", overflow="fold", min_width=16)
    for heading in ("runs", "one takes", "together", "memory", "disk"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("known from", overflow="fold")
    for one in found:
        request, cost = one.request, one.cost
        counting = ", counting work" if request.purpose == "count" else ""
        name = f"{request.scenario}:{request.variant} {request.tier} ({request.backend}, {request.device}{counting})"
        if cost is None:
            cells = ["unknown"] * 4 + [
                f"nothing stored; a run is ended after {_duration(request.time_limit)}"
            ]
        else:
            disk = None if cost.disk_bytes is None else one.runs * cost.disk_bytes
            whole = None if cost.seconds is None else one.runs * cost.seconds
            times = [_duration(cost.seconds), _duration(whole)]
            cells = [*times, _bytes(cost.memory_bytes), _bytes(disk), marked(cost.known_from)]
        table.add_row(marked(name), str(one.runs), *cells)
    return table


def _data(found: Sequence[Forecast], declared: Mapping[str, Scenario]) -> list[str]:
    """Say which data sets are needed and not whole here."""
    from harness import data

    needed = {declared[one.request.scenario].tiers[one.request.tier].get("dataset") for one in found}
    return [
        f"Data: {row.name}: {row.problem}. {row.next_step}"
        for row in data.status()
        if row.name in needed and row.problem
    ]


def _whole(found: Sequence[Forecast]) -> list[str]:
    """Sum up, and compare with what is free here."""
    import psutil

    from harness.machine import containers
    from harness.store import project

    known = [(one.runs, one.cost) for one in found if one.cost is not None]
    times = [runs * cost.seconds for runs, cost in known if cost.seconds is not None]
    about = (
        f"{'At least' if len(times) < len(found) else 'About'} {_duration(sum(times))}"
        if times
        else "Time unknown"
    )
    memory = max((cost.memory_bytes for _, cost in known if cost.memory_bytes is not None), default=None)
    disk = sum(runs * cost.disk_bytes for runs, cost in known if cost.disk_bytes is not None)
    available, within = psutil.virtual_memory().available, containers.allowance().memory_left
    left = available if within is None else min(available, within)
    # the folder itself, or the one above it that exists: they may lie on different disks
    reports = project.reports_folder().absolute()
    free = shutil.disk_usage(next(path for path in (reports, *reports.parents) if path.is_dir())).free
    lines = [
        f"{about}; memory {_bytes(memory)} of {_bytes(left)} free; disk {_bytes(disk or None)} of {_bytes(free)} free"
    ]
    for name, wanted, there in (("memory", memory, left), ("disk", disk, free)):
        if wanted is not None and wanted > there:
            lines.append(f"There is not enough {name} here: use a smaller tier, or another machine")
    return lines


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
