"""A job as a tidy table: one row for every number of every metric of every run."""

from __future__ import annotations

import array
import csv
import dataclasses
import typing

from harness.store.visible import harmless

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
        head = _head(job, result)
        if not result.metrics:
            yield head
        for name, measured in result.metrics.items():
            told = {"unit": measured.unit, "kind": measured.kind, "better": measured.better}
            for index, number in _numbers(measured.value):
                yield {**head, **told, "metric": name, "index": index, "value": number}


def _head(job: Job, result: RunResult) -> Row:
    request = result.request
    return {
        **dict.fromkeys(COLUMNS, ""),
        "scenario": request.scenario,
        "variant": request.variant,
        "tier": request.tier,
        "seed": request.seed,
        "device": request.device,
        "backend": request.backend,
        "status": result.status,
        "disturbed": result.disturbed,
        "value": None,
        "started": result.started,
        "commit": job.commit,
        "error": result.error,
    }


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
    line = _Line()
    writer = csv.DictWriter(line, COLUMNS)
    writer.writeheader()
    yield line.text
    for row in rows(job):
        writer.writerow({name: harmless(cell) for name, cell in row.items()})
        yield line.text


class _Line:
    """What `csv` writes into: the line it wrote last."""

    text = ""

    def write(self, text: str) -> None:
        """Keep a line."""
        self.text = text


class System(typing.NamedTuple):
    """What was measured: one variant of one version of a scenario, on one tier, backend and device."""

    scenario: str
    """Scenario name."""
    variant: str
    """Variant name."""
    tier: Tier
    """Tier."""
    backend: str
    """Backend."""
    device: str
    """Device."""
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
    """The values of one metric over the runs of one variant, tier, backend and device."""

    scenario: str
    """Scenario name."""
    variant: str
    """Variant name."""
    tier: Tier
    """Tier."""
    backend: str
    """Backend."""
    device: str
    """Device."""
    version: int
    """Version of the scenario that ran."""
    metric: str
    """Metric name."""
    unit: str
    """Unit of the values."""
    kind: Kind
    """Kind of metric."""
    better: Direction
    """Direction in which the metric improves."""
    values: Sequence[float]
    """One a run, in the order of the runs."""

    @property
    def system(self) -> str:
        """What was measured, without the metric; see `System.name`."""
        return System(self.scenario, self.variant, self.tier, self.backend, self.device, self.version).name

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return exact_mean(self.values)


def exact_mean(values: Sequence[float]) -> float:
    """Return the mean, rounded once, so that it never lies outside the values: `statistics.mean` without its fractions.

    Parameters
    ----------
    values : sequence of float
        At least one, all finite.
    """
    if len(values) == 1:
        return values[0] + 0.0  # no mean is a negative zero
    ratios = [value.as_integer_ratio() for value in values]
    # every denominator is a power of two, so the largest is a multiple of all, and an integer division rounds correctly
    common = max(below for _, below in ratios)
    return sum(above * (common // below) for above, below in ratios) / (common * len(ratios))


def headlines(job: Job) -> list[Series]:
    """Gather the metrics worth a line of their own in another tool, over the finished runs; see `gathered`."""
    return [_series(system, name, *found) for (system, name), found in gathered(job).items()]


def gathered(job: Job) -> Mapping[tuple[System, str], tuple[Measured, Sequence[float]]]:
    """Gather by system and metric what `headlines` returns: how the metric was first declared, and one value a run.

    These are numbers with a direction: times, memory, work and sizes, and the scores of the main predictions, but not a grid's side
    scores. Times of a disturbed run are left out.
    """
    found: dict[tuple[System, str], tuple[Measured, array.array[float]]] = {}
    for result in job.results:
        system = System.of(result)
        for name, measured in result.metrics.items():
            value = measured.value
            if isinstance(value, list) or not is_headline(name, measured, result):
                continue
            known = found.get((system, name))
            if known is None:
                found[system, name] = measured, array.array("d", (value,))
            else:
                known[1].append(value)
    return found


def is_headline(name: str, measured: Measured, result: RunResult) -> bool:
    """Whether a metric of a run is worth a line of its own; see `gathered`."""
    if measured.better == "none" or measured.kind == "identity":
        return False
    if measured.kind == "runtime":
        return not result.disturbed
    return measured.kind in {"memory", "work"} or "." not in name


def _series(system: System, metric: str, measured: Measured, values: Sequence[float]) -> Series:
    return Series(
        **system._asdict(),
        metric=metric,
        unit=measured.unit,
        kind=measured.kind,
        better=measured.better,
        values=values,
    )
