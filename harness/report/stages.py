"""Time and memory by stage, as the page shows them: averaged over the runs of a variant, highest peaks."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING

from harness.report import numbers, strips

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.records import RunResult, StageResult


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One stage, averaged over runs."""

    name: str
    """Stage name; ``total`` for the whole."""
    colour: int
    """Index of the series colour in the bar; -1 for none."""
    wall: str
    """Mean wall time."""
    wall_range: str
    """Fastest to slowest run; empty if they look the same."""
    cpu: str
    """Mean CPU time."""
    rate: str
    """Images per second."""
    peak: str
    """Highest resident memory."""
    above: str
    """The same above that of the imports."""
    outside: str
    """Share of a training loop's wall time that its steps did not take; empty where nothing is trained."""
    device: str
    """Highest device memory allocated and reserved; empty off an accelerator."""


def stage_rows(results: Sequence[RunResult]) -> tuple[list[StageRow], tuple[strips.Segment, ...]]:
    """Average each stage over the runs, in the order of the first run; the last row is the total."""
    by_name: dict[str, list[tuple[StageResult, RunResult]]] = {}
    for result in results:
        for stage in result.measurement.stages if result.measurement else ():
            by_name.setdefault(stage.name, []).append((stage, result))
    means = [(name, statistics.fmean(s.seconds for s, _ in found)) for name, found in by_name.items()]
    rows = [_stage_row(index, name, found) for index, (name, found) in enumerate(by_name.items())]
    if not rows:
        return [], ()
    return [*rows, _total_row(results)], strips.segments(means)


def _stage_row(index: int, name: str, found: list[tuple[StageResult, RunResult]]) -> StageRow:
    walls = [stage.seconds for stage, _ in found]
    peaks = [stage.peak_bytes for stage, _ in found if stage.peak_bytes is not None]
    devices = [stage.device_allocated_bytes for stage, _ in found if stage.device_allocated_bytes is not None]
    reserved = [stage.device_reserved_bytes for stage, _ in found if stage.device_reserved_bytes is not None]
    device = (
        f"{numbers.mebibytes(max(devices))} / {numbers.mebibytes(max(reserved, default=None))}"
        if devices
        else ""
    )
    return StageRow(
        name=name, colour=index % 8,
        wall=numbers.seconds(statistics.fmean(walls)), wall_range=_range(walls),
        cpu=numbers.seconds(statistics.fmean(stage.cpu_seconds for stage, _ in found)),
        rate=_rate(_metric(found, f"{name}.images_per_second")),
        peak=numbers.mebibytes(max(peaks, default=None)),
        above=_above(name, _metric(found, f"{name}.above_imports_bytes"), peaks),
        outside=_share(_metric(found, f"{name}.share_outside")),
        device=device,
    )  # fmt: skip


def _metric(found: Iterable[tuple[object, RunResult]], name: str) -> list[float]:
    values = [numbers.number(r.metrics[name].value) for _, r in found if name in r.metrics]
    return [value for value in values if value is not None]


def _range(walls: Sequence[float]) -> str:
    scale = numbers.durations(walls)
    low, high = (scale.text(value) for value in (min(walls, default=0.0), max(walls, default=0.0)))
    return "" if low == high else f"{scale.bare(min(walls))} to {high}"


def _rate(rates: list[float]) -> str:
    return f"{statistics.fmean(rates):,.0f}" if rates else ""


def _share(shares: list[float]) -> str:
    return f"{100 * statistics.fmean(shares):.2g}%" if shares else ""


def _above(name: str, above: list[float], peaks: Sequence[int]) -> str:
    if name == "imports":
        return numbers.NONE if peaks else numbers.NOT_MEASURED
    return numbers.mebibytes(max(above, default=None))


def _total_row(results: Sequence[RunResult]) -> StageRow:
    """Write the runner's own totals, which leave the imports out."""
    found = [(None, result) for result in results]
    walls, cpus = _metric(found, "total.seconds"), _metric(found, "total.cpu_seconds")
    return StageRow(
        name="total", colour=-1,
        wall=numbers.seconds(statistics.fmean(walls)) if walls else numbers.NONE, wall_range=_range(walls),
        cpu=numbers.seconds(statistics.fmean(cpus)) if cpus else numbers.NONE,
        rate="",
        peak=numbers.mebibytes(max(_metric(found, "total.peak_bytes"), default=None)),
        above=numbers.mebibytes(max(_metric(found, "total.above_imports_bytes"), default=None)),
        outside="",
        device="",
    )  # fmt: skip
