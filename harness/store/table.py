"""A job as a tidy table: one row for every number of every metric of every run."""

from __future__ import annotations

import array
import csv
import dataclasses
import io
import statistics
import typing

from harness.store.visible import harmless

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.records import Direction, Job, Kind, Measured, RunResult, Tier, Value

COLUMNS = (
    "scenario", "variant", "tier", "seed", "device", "backend", "status", "disturbed",
    "metric", "index", "value", "unit", "kind", "better", "started", "commit", "error",
)  # fmt: skip
"""Columns of the table, in order; a number's `index` is empty, an array's element has one such as ``2;0``."""
Row = dict[str, typing.Any]


def rows(job: Job) -> Iterator[Row]:
    """Yield the table's rows, run by run; a run without metrics yields one row that holds its error.

    Yields
    ------
    dict
        One entry for each of `COLUMNS`; `value` is a float, or None in the row of a failed run.
    """
    for result in job.results:
        request = result.request
        head = dict.fromkeys(COLUMNS, "") | {
            "scenario": request.scenario, "variant": request.variant, "tier": request.tier,
            "seed": request.seed, "device": request.device,
            "backend": request.backend, "status": result.status, "disturbed": result.disturbed, "value": None,
            "started": result.started,
            "commit": job.commit, "error": result.error,
        }  # fmt: skip
        if not result.metrics:
            yield head
        for name, measured in result.metrics.items():
            about = {"unit": measured.unit, "kind": measured.kind, "better": measured.better}
            for index, number in _numbers(measured.value):
                yield {**head, **about, "metric": name, "index": index, "value": number}


def _numbers(value: Value, index: str = "") -> Iterator[tuple[str, float]]:
    """Yield (index, number): a number once, an array element by element in row-major order."""
    if not isinstance(value, list):
        yield index, float(value)
        return
    for place, item in enumerate(value):
        yield from _numbers(item, f"{index};{place}" if index else str(place))


def csv_lines(job: Job) -> Iterator[str]:
    """Yield the table's lines as CSV (RFC 4180), the header first.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay numbers.
    """
    written = io.StringIO()
    writer = csv.DictWriter(written, COLUMNS)
    writer.writeheader()
    yield written.getvalue()
    for row in rows(job):
        written.seek(0)
        written.truncate()
        writer.writerow({name: harmless(cell) for name, cell in row.items()})
        yield written.getvalue()


class System(typing.NamedTuple):
    """What was measured: one variant of one version of a scenario, on one tier, backend and device."""

    scenario: str
    variant: str
    tier: Tier
    backend: str
    device: str
    version: int
    """Version of the scenario that ran."""

    @classmethod
    def of(cls, result: RunResult) -> System:
        """Return what a run measured."""
        request, version = result.request, result.measurement.scenario_version if result.measurement else 0
        return cls(request.scenario, request.variant, request.tier, request.backend, request.device, version)

    @property
    def name(self) -> str:
        """All but the version: ``scenario:variant tier backend device``."""
        return f"{self.scenario}:{self.variant} {self.tier} {self.backend} {self.device}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The values of one metric over the runs of one system."""

    system: System
    metric: str
    unit: str
    kind: Kind
    better: Direction
    values: Sequence[float]
    """One a run, in the order of the runs."""

    @property
    def mean(self) -> float:
        """Mean over the runs, rounded once, so that it never lies outside the values."""
        return statistics.mean(self.values)


def headlines(job: Job) -> list[Series]:
    """Gather the metrics worth a line of their own in another tool, over the finished runs.

    These are numbers with a direction: times, memory, work and sizes, and the scores of the main predictions, but not a grid's side
    scores. Times of a disturbed run are left out.
    """
    found: dict[tuple[System, str], tuple[Measured, array.array[float]]] = {}
    for result in job.results:
        system = System.of(result)
        for name, measured in result.metrics.items():
            if not isinstance(measured.value, list) and is_headline(name, measured, result):
                _, values = found.setdefault((system, name), (measured, array.array("d")))
                values.append(measured.value)
    return [
        Series(system=system, metric=name, unit=first.unit, kind=first.kind, better=first.better, values=values)
        for (system, name), (first, values) in found.items()
    ]  # fmt: skip


def is_headline(name: str, measured: Measured, result: RunResult) -> bool:
    """Whether a metric of a run is worth a line of its own; see `headlines`."""
    if measured.better == "none" or measured.kind == "identity":
        return False
    if measured.kind == "runtime":
        return not result.disturbed
    return measured.kind in {"memory", "work"} or "." not in name
