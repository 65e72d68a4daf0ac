"""Time and memory by stage, as the page shows them: averaged over the runs of a variant, highest peaks."""

from __future__ import annotations

import statistics
import typing

from harness.report import numbers

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import RunResult, StageResult


class StageRow(typing.NamedTuple):
    """One stage, averaged over runs, as text; what a stage does not have is empty."""

    name: str  # ``total`` for the whole
    colour: int  # index of the series colour in the bar; -1 for none
    wall: str
    wall_range: str  # fastest to slowest run; empty if they look the same
    cpu: str
    rate: str  # images per second
    peak: str  # highest resident memory
    above: str  # the same above that of the imports
    outside: str  # share of a training loop's wall time that its steps did not take
    device: str  # highest device memory allocated and reserved


class Segment(typing.NamedTuple):
    """One stage in the bar of time, whose length is 100."""

    name: str
    left: float
    width: float
    colour: int
    text: str


def stage_rows(results: Sequence[RunResult]) -> tuple[list[StageRow], tuple[Segment, ...]]:
    """Average each stage over the runs, in the order of the first run; the last row is the runner's total, without the imports."""
    by_name: dict[str, list[StageResult]] = {}
    for result in results:
        for stage in result.measurement.stages if result.measurement else ():
            by_name.setdefault(stage.name, []).append(stage)
    if not by_name:
        return [], ()
    table = [
        _stage_row(results, index, name, measured) for index, (name, measured) in enumerate(by_name.items())
    ]
    total = _row(
        results, "total", -1, _metric(results, "total.seconds"), _metric(results, "total.cpu_seconds"),
        _metric(results, "total.peak_bytes"),
    )  # fmt: skip
    means = [(name, statistics.fmean(s.seconds for s in measured)) for name, measured in by_name.items()]
    return [*table, total], segments(means)


def _stage_row(
    results: Sequence[RunResult], index: int, name: str, measured: Sequence[StageResult]
) -> StageRow:
    peaks = [float(stage.peak_bytes) for stage in measured if stage.peak_bytes is not None]
    row = _row(
        results, name, index % 8, [s.seconds for s in measured], [s.cpu_seconds for s in measured], peaks
    )
    allocated = [s.device_allocated_bytes for s in measured if s.device_allocated_bytes is not None]
    reserved = [s.device_reserved_bytes for s in measured if s.device_reserved_bytes is not None]
    if name == "imports" and peaks:
        row = row._replace(above=numbers.NONE)
    if allocated:
        device = f"{numbers.mebibytes(max(allocated))} / {numbers.mebibytes(max(reserved, default=None))}"
        row = row._replace(device=device)
    return row


def _row(
    results: Sequence[RunResult], name: str, colour: int, walls: Sequence[float], cpus: Sequence[float], peaks: Sequence[float]
) -> StageRow:  # fmt: skip
    rates, outside = _metric(results, f"{name}.images_per_second"), _metric(results, f"{name}.share_outside")
    scale = numbers.durations(walls)
    low, high = (scale.text(value) for value in (min(walls, default=0.0), max(walls, default=0.0)))
    return StageRow(
        name=name, colour=colour,
        wall=numbers.seconds(statistics.fmean(walls)) if walls else numbers.NONE,
        wall_range="" if low == high else f"{scale.bare(min(walls))} to {high}",
        cpu=numbers.seconds(statistics.fmean(cpus)) if cpus else numbers.NONE,
        rate=f"{statistics.fmean(rates):,.0f}" if rates else "",
        peak=numbers.mebibytes(max(peaks, default=None)),
        above=numbers.mebibytes(max(_metric(results, f"{name}.above_imports_bytes"), default=None)),
        outside=f"{100 * statistics.fmean(outside):.2g}%" if outside else "", device="",
    )  # fmt: skip


def _metric(results: Sequence[RunResult], name: str) -> list[float]:
    values = [numbers.number(run.metrics[name].value) for run in results if name in run.metrics]
    return [value for value in values if value is not None]


def segments(seconds: Sequence[tuple[str, float]]) -> tuple[Segment, ...]:
    """Stack the stages' seconds to one bar of length 100."""
    total = sum(length for _, length in seconds) or 1.0
    placed, left = [], 0.0
    for index, (name, length) in enumerate(seconds):
        width = 100 * length / total
        placed.append(Segment(name, round(left, 2), round(width, 2), index % 8, numbers.seconds(length)))
        left += width
    return tuple(placed)
