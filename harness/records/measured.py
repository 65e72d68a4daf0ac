"""What is measured: metrics, stages, identities, data, figures, runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from harness.records.asked import RunRequest
from harness.records.metrics import Metric, find
from harness.records.words import Direction, Kind, Value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric of one run."""

    value: Value
    """Number or nested list, in `unit`."""
    unit: str = ""
    """Unit; empty for a share between 0 and 1 or a count."""
    kind: Kind = "accuracy"
    better: Direction = "none"
    """Direction in which the metric improves."""

    @classmethod
    def of(cls, metric: Metric, value: Value) -> Measured:
        """Return a value with the unit, kind and direction that its metric declares."""
        return cls(value=value, unit=metric.unit, kind=metric.kind, better=metric.better)


def as_declared(values: Mapping[str, Value], declared: Iterable[Metric] = ()) -> dict[str, Measured]:
    """Return values with what their metrics declare.

    Parameters
    ----------
    values : mapping
        By metric name.
    declared : iterable of Metric
        A scenario's own metrics; the harness's are known.

    Raises
    ------
    KeyError
        With the first name that nothing declares.
    """
    known = tuple(declared)
    found = {}
    for name, value in values.items():
        metric = find(known, name)
        if metric is None:
            raise KeyError(name)
        found[name] = Measured.of(metric, value)
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class IdentityCheck:
    """A numerical identity and how well it holds."""

    name: str
    """Which identity on which matrix."""
    error: float
    """Largest absolute violation, in the unit of the compared quantity."""
    tolerance: float
    """Allowed violation, derived from dtype, shape and norm."""
    formula: str
    """The identity as a formula."""
    detail: str
    """How the tolerance came about, or what was compared."""

    @property
    def holds(self) -> bool:
        """Whether the error is within the tolerance; a NaN error never is."""
        return self.error <= self.tolerance


PRECISIONS = ("float64", "float32", "float16", "bfloat16")
"""Precisions that a training may compute in, finest first."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """The first losses of one training at a fixed seed."""

    values: tuple[float, ...]
    """Losses step by step, in the training's own unit; they end before the first that is not finite."""
    dtype: str
    """Precision that the training is meant to compute in, one of `PRECISIONS`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """One named, separately measured part of a run."""

    name: str
    seconds: float
    """Wall time, seconds."""
    cpu_seconds: float
    """CPU time of the process and its threads, seconds."""
    start_bytes: int | None = None
    """Resident memory at the start after collecting and trimming; None where it cannot be read."""
    peak_bytes: int | None = None
    """Highest resident memory within the stage; None where it cannot be reset and read."""
    began_seconds: float | None = None
    """From the start of the worker until the stage began, seconds; None where nobody told the worker when it was started."""
    images: int | None = None
    """Images processed, for the rate."""
    device_allocated_bytes: int | None = None
    """Highest device memory held by tensors; None off an accelerator."""
    device_reserved_bytes: int | None = None
    """Highest device memory reserved by the allocator; None off an accelerator."""
    threads_changed: dict[str, int] = dataclasses.field(default_factory=dict)
    """Threads of each library's pool at the end of the stage, where the code set another number than the run was asked for."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTrace:
    """Resident memory of a worker over its time, sampled coarsely from outside; short peaks are in the stages, not here."""

    seconds: tuple[float, ...]
    """Times since the start of the worker, seconds, ascending."""
    resident_bytes: tuple[int, ...]
    """Resident memory at these times; of a long run each is the highest of its stretch."""
    helper_bytes: tuple[int, ...] = ()
    """Resident memory of the worker's helper processes at these times, a shared page once for each; empty where none was seen."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatasetUse:
    """A data set as one run found it."""

    name: str
    sha256: str
    """Hash over the decoded content."""
    complete: bool
    """Whether it is all there and verified."""
    found: str
    """One sentence: counts, origin, and what is missing if anything."""
    train_share: float | None = None
    """Share of the training images that is here, 0 to 1, if the test part is whole and verified; None otherwise, and in older files."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of one run; its arrays lie in the run's ``arrays.npz``."""

    name: str
    """Unique within the run; prefix of its array keys."""
    kind: Literal["lines", "images", "heatmap", "scatter", "bars"]
    """lines: series of (n,) or (2, n), x above y; images: (rows, columns, h, w); heatmap: (rows, columns);
    scatter: (n, 2) a series; bars: (n,)."""
    title: str
    caption: str
    """What is shown and what the source says of it."""
    x: str = ""
    """Label of the horizontal axis with unit."""
    y: str = ""
    """Label of the vertical axis with unit."""
    series: tuple[str, ...] = ()
    """Labels of the series, in order; array ``<name>/<index>`` holds each."""
    rows: tuple[str, ...] = ()
    """Row labels of images and heatmaps."""
    columns: tuple[str, ...] = ()
    """Column labels of images and heatmaps."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a worker writes: everything measured, nothing judged."""

    request: RunRequest
    scenario_version: int
    """Version of the scenario that ran."""
    options: dict[str, Any]
    """Options in force: tier, then variant."""
    metrics: dict[str, Measured]
    """Metrics that the scenario recorded (sizes, losses, times it derived)."""
    stages: tuple[StageResult, ...]
    """Stages in order; the first is ``imports``."""
    identities: tuple[IdentityCheck, ...]
    predictions: tuple[str, ...]
    """Names of the prediction sets in ``predictions.npz`` that hold one class a row."""
    figures: tuple[Figure, ...]
    """Figures whose arrays are stored."""
    datasets: tuple[DatasetUse, ...]
    environment: dict[str, str]
    """Environment as the worker saw it."""
    others: tuple[str, ...] = ()
    """Names of the prediction sets that hold real values, or several labels a row: nothing in them flips."""
    noun: str = "images"
    """What the scenario calls a row of its data, in the plural."""
    problems: tuple[str, ...] = ()
    """Non-finite metrics and other things that were measured but cannot be used."""
    uncounted: tuple[str, ...] = ()
    """What a counted run may have done without its being counted, one sentence each."""
    trajectories: dict[str, Trajectory] = dataclasses.field(default_factory=dict)
    """First losses of each training that a counted run followed, by name."""
    foreign_cpu: float | None = 0.0
    """CPU use of other processes from before the first stage until after the last, in cores; None if the run was too short to tell."""
    calibration_seconds: float = 0.0
    """Fastest of several passes of the fixed calibration kernel, seconds."""
    weights: dict[str, str] = dataclasses.field(default_factory=dict)
    """Hash of the weights that made each prediction set, where the scenario gave them."""
    imported: dict[str, str] = dataclasses.field(default_factory=dict)
    """Name and file of the modules that no installation brought; recorded where the request names a folder of code."""
    resumed: tuple[str, ...] = ()
    """Stages and other parts that an earlier attempt at this run had finished, in part or in full; total time and memory are then not known."""


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """What a worker writes when it could not measure."""

    error: str
    """What went wrong and the next step."""
    lasting: bool
    """Whether a repeat would only fail again."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a run, as the machine that made it tells; what was measured lies in files beside it."""

    started: str
    """Start of the worker, UTC, ISO 8601."""
    wall_seconds: float
    """From starting the worker until it ended, seconds."""
    error: str = ""
    """What went wrong and the next step; empty if the worker ended well."""
    lasting: bool = False
    """Whether a repeat would only fail again."""
    explained: bool = False
    """Whether `error` is the whole story, so that the log adds nothing."""
    place: dict[str, str] = dataclasses.field(default_factory=dict)
    """What the environment says besides: which commit and folder the code came from, and where it ran, unless both are the runner's own."""
    concurrent: bool = False
    """Whether other runs may have shared the machine."""
    memory: MemoryTrace | None = None
    """Resident memory of the worker over time; None if it could not be seen."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A finished run: scored by the runner, or failed with a reason."""

    request: RunRequest
    status: Literal["ok", "error"]
    """Whether every stage was measured."""
    started: str
    """Start of the worker, UTC, ISO 8601."""
    wall_seconds: float
    """From starting the worker until it ended, seconds."""
    metrics: dict[str, Measured] = dataclasses.field(default_factory=dict)
    """All metrics: scored, recorded, and those of the stages."""
    measurement: Measurement | None = None
    """What the worker wrote; None if it wrote nothing readable."""
    error: str = ""
    """What went wrong and the next step."""
    log_tail: str = ""
    """Last lines the worker printed, kept for failures."""
    folder: str = ""
    """Folder with predictions, arrays and log, relative to the job's folder."""
    attempts: int = 1
    """How often it was tried: a failure that a repeat may mend is repeated once."""
    earlier_error: str = ""
    """Why the first of two attempts failed."""
    concurrent: bool = False
    """Whether other runs may have shared the machine."""
    memory: MemoryTrace | None = None
    """Resident memory of the worker over time; None if it was not seen, as in files of earlier versions."""

    @property
    def disturbance(self) -> str:
        """What makes its times useless for a comparison with stored ones, in words; empty if nothing does.

        Such times never become a baseline. A gate that runs both sides counts them: there a coin ordered each pair. A run too short to tell
        is not called disturbed.
        """
        measured = self.measurement
        if measured is not None and (measured.foreign_cpu or 0.0) > 0.1:
            return f"{measured.foreign_cpu:.1f} cores of other work"
        if self.concurrent:
            return "other runs shared the machine"
        return "went on from an earlier attempt" if measured is not None and measured.resumed else ""

    @property
    def disturbed(self) -> bool:
        """Whether its times are useless for a comparison with stored ones: see `disturbance`."""
        return bool(self.disturbance)

    @property
    def flaky(self) -> bool:
        """Whether it failed once and then succeeded."""
        return self.status == "ok" and self.attempts > 1
