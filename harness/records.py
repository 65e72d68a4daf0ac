"""Every frozen record, in the order of the flow: Scenario, run, measurement, baseline, comparison. No input or output.

All records but `Scenario` travel as JSON; `msgspec` decodes and validates them by these annotations.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping  # noqa: TC003 - msgspec reads the annotations
from typing import Any, Literal

Tier = Literal["smoke", "short", "paper"]
Kind = Literal["accuracy", "memory", "runtime", "work", "identity", "size"]
Direction = Literal["higher", "lower", "none"]
Value = float | list[Any]
"""A number, or a nested list of numbers (a table column, a spectrum, a confusion matrix)."""
Rule = Literal["spread", "draw", "mean", "split", "exact", "at_most", "at_least", "ordering"]
Verdict = Literal[
    "REPRODUCED", "BELOW", "ABOVE", "KNOWN_GAP", "UNREADABLE", "NOT_JUDGED",
    "PASS", "REGRESSED", "IMPROVED", "NO_BASELINE", "INCOMPARABLE", "INCONCLUSIVE", "WAIVED", "ERROR",
    "HOLDS", "VIOLATED",
]  # fmt: skip

TIERS: tuple[Tier, ...] = ("smoke", "short", "paper")
DEVICES = ("cpu", "cuda")
EXECUTORS = ("local", "dask")
BACKENDS = ("numpy", "torch", "tensorflow", "jax")
TIME_LIMITS: dict[str, float] = {"smoke": 300.0, "short": 1800.0, "paper": 6 * 3600.0}
"""Seconds after which a run of a tier is ended."""


# -- what is declared -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A publication, or a user's own document, whose numbers a scenario declares."""

    slug: str
    """Names the pipeline and the scenario."""
    title: str
    """Title as printed."""
    authors: str = ""
    """Authors as printed."""
    note: str = ""
    """What a reader should know, e.g. which figures the text does not print."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One declared configuration of a scenario."""

    name: str
    """Unique within its scenario."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Options laid over those of the tier."""
    tiers: tuple[Tier, ...] = TIERS
    """Tiers in which this variant makes sense."""
    doc: str = ""
    """One sentence."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A declared expected value with its place in the source and the rule that judges it.

    Rules: `spread` (one published run on the same test set), `draw` (one published run, test images drawn per seed), `mean` (a
    published mean of `runs` runs), `split` (one published run on another test set), `exact` (equality to the printed digits),
    `at_most` and `at_least` (a bound that every run keeps), `ordering` (the metrics in `order`: the first is at least as good as
    each of the others).
    """

    metric: str
    """Name of the metric that is judged; for an ordering, what is ordered."""
    variant: str
    """Variant whose runs are judged."""
    value: Value | None
    """Published number or array, in `unit`; None for an ordering or an unreadable print."""
    unit: str
    """Unit of `value`."""
    place: str
    """Table, figure or section of the source."""
    row: str = ""
    """Row and column, or the sentence, within `place`."""
    rule: Rule = "spread"
    """How it is judged."""
    half_width: float = 0.0
    """Half the last printed digit, in `unit`."""
    runs: int = 1
    """How many runs the published value is a mean of."""
    test_images: int = 0
    """Size of the published test set, images; 0 where the metric is no share of test images."""
    order: tuple[str, ...] = ()
    """Metrics of an ordering, the one said to be best first."""
    better: Direction = "higher"
    """Direction in which an ordering ranks."""
    tiers: tuple[Tier, ...] = ("paper",)
    """Tiers whose runs may be judged against it."""
    needs_complete: bool = True
    """Whether an incomplete data set rules the judgement out."""
    unreadable: str = ""
    """Why the print cannot be read, if it cannot."""
    gap: str = ""
    """A known, explained gap; judged KNOWN_GAP while it lasts."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The adapter round one source's protocol; it declares variants, gated metrics and expectations."""

    name: str
    """Slug."""
    version: int
    """Raised whenever measured values may change by design; results of different versions are never compared."""
    source: Source
    """What it reproduces."""
    measure: Callable[..., None]
    """`measure(run: harness.measure.run.Run)`: the stages, executed in the worker process."""
    variants: tuple[Variant, ...]
    """Declared configurations; the first is the default."""
    tiers: Mapping[Tier, Mapping[str, Any]]
    """Options of each tier, below those of the variant."""
    gated: tuple[str, ...]
    """Metrics that a gate judges: at most 3 of each of accuracy, memory and runtime."""
    expectations: tuple[Expectation, ...] = ()
    """What the source claims."""
    derive: Callable[[Mapping[str, Value]], Mapping[str, Measured]] | None = None
    """Metrics computed from scored metrics after the run, in the runner."""
    needs: tuple[str, ...] = ()
    """Extras whose packages it imports, e.g. ``("torch",)``."""
    backends: tuple[str, ...] = ("numpy",)
    """Backends it runs on; the first is the default."""
    devices: tuple[str, ...] = ("cpu",)
    """Devices it runs on."""
    deterministic: bool = False
    """Whether seeds are declared to change nothing (no random draw)."""

    def variant(self, name: str) -> Variant:
        """Return the variant called `name`; KeyError if there is none."""
        return {variant.name: variant for variant in self.variants}[name]


# -- what is asked for ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run to do: all that a worker needs to know."""

    scenario: str
    """Scenario name."""
    variant: str
    """Variant name."""
    tier: Tier
    """Tier."""
    seed: int
    """Sample index, from 0."""
    device: str = "cpu"
    """cpu or cuda."""
    backend: str = "numpy"
    """numpy, torch, tensorflow or jax."""
    threads: int = 2
    """Threads of BLAS, OpenMP and the framework."""
    scenario_paths: tuple[str, ...] = ()
    """Files outside the package that declare scenarios."""
    time_limit: float = 300.0
    """Seconds after which the run is ended."""
    memory_limit: int | None = None
    """Resident memory, bytes, above which the run is ended; None sets no limit."""

    @property
    def key(self) -> str:
        """Folder name of the run, unique within a job."""
        return f"{self.scenario}--{self.variant}--{self.tier}--{self.backend}-{self.device}--seed{self.seed}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a job is to do, stored as ``plan.json`` before its first run."""

    schema: int
    """Schema version of the file."""
    created: str
    """Start of the job, UTC, ISO 8601."""
    command: str
    """Command line that started it."""
    commit: str
    """Commit of the working folder, or empty."""
    baselines: str
    """Folder named for baselines, absolute; empty if none was."""
    requests: tuple[RunRequest, ...]
    """Every run."""


# -- what is measured -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric of one run."""

    value: Value
    """Number or nested list, in `unit`."""
    unit: str = ""
    """Unit; empty for a share between 0 and 1 or a count."""
    kind: Kind = "accuracy"
    """Kind of metric."""
    better: Direction = "none"
    """Direction in which the metric improves."""


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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """One named, separately measured part of a run."""

    name: str
    """Stage name."""
    seconds: float
    """Wall time, seconds."""
    cpu_seconds: float
    """CPU time of the process and its threads, seconds."""
    start_bytes: int | None = None
    """Resident memory at the start after collecting and trimming; None where it cannot be read."""
    peak_bytes: int | None = None
    """Highest resident memory within the stage; None where it cannot be reset and read (NOT_MEASURED)."""
    images: int | None = None
    """Images processed, for the rate."""
    device_allocated_bytes: int | None = None
    """Highest device memory held by tensors; None off an accelerator."""
    device_reserved_bytes: int | None = None
    """Highest device memory reserved by the allocator; None off an accelerator."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatasetUse:
    """A data set as one run found it."""

    name: str
    """Data set name."""
    sha256: str
    """Hash over the decoded content."""
    complete: bool
    """Whether it is all there and verified."""
    found: str
    """One sentence: counts, origin, and what is missing if anything."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of one run; its arrays lie in the run's ``arrays.npz``."""

    name: str
    """Unique within the run; prefix of its array keys."""
    kind: Literal["lines", "images", "heatmap", "scatter", "bars"]
    """lines: series of (n,) or (2, n), x above y; images: (rows, columns, h, w); heatmap: (rows, columns);
    scatter: (n, 2) a series; bars: (n,)."""
    title: str
    """Title."""
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
    """What was asked for."""
    scenario_version: int
    """Version of the scenario that ran."""
    options: dict[str, Any]
    """Options in force: tier, then variant."""
    metrics: dict[str, Measured]
    """Metrics that the scenario recorded (sizes, losses, times it derived)."""
    stages: tuple[StageResult, ...]
    """Stages in order; the first is ``imports``."""
    identities: tuple[IdentityCheck, ...]
    """Identities checked."""
    predictions: tuple[str, ...]
    """Names of the stored prediction sets in ``predictions.npz``."""
    figures: tuple[Figure, ...]
    """Figures whose arrays are stored."""
    datasets: tuple[DatasetUse, ...]
    """Data sets read."""
    environment: dict[str, str]
    """Environment as the worker saw it."""
    problems: tuple[str, ...] = ()
    """Non-finite metrics and other things that were measured but cannot be used."""
    foreign_cpu: float = 0.0
    """CPU use of other processes while stages ran, in cores."""
    calibration_seconds: float = 0.0
    """Fastest of several passes of the fixed calibration kernel, seconds."""


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
    place: dict[str, str] = dataclasses.field(default_factory=dict)
    """What the environment says besides of where it ran: nothing on the runner's own machine."""
    concurrent: bool = False
    """Whether other runs may have shared the machine."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A finished run: scored by the runner, or failed with a reason."""

    request: RunRequest
    """What was asked for."""
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

    @property
    def disturbed(self) -> bool:
        """Whether other processes used more than a tenth of a core, or other runs shared the machine: runtime is then never judged."""
        foreign = self.measurement is not None and self.measurement.foreign_cpu > 0.1
        return foreign or self.concurrent

    @property
    def flaky(self) -> bool:
        """Whether it failed once and then succeeded."""
        return self.status == "ok" and self.attempts > 1


# -- what is compared -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMetric:
    """Raw values of one metric, one a seed."""

    values: list[float]
    """In seed order, in `unit`."""
    unit: str
    """Unit."""
    kind: Kind
    """Kind of metric."""
    better: Direction
    """Direction of improvement."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Approved raw values of several runs of one variant and tier in one environment."""

    schema: int
    """Schema version of the file."""
    scenario: str
    """Scenario name."""
    scenario_version: int
    """Scenario version."""
    variant: str
    """Variant name."""
    tier: Tier
    """Tier."""
    who: str
    """Who accepted it."""
    reason: str
    """Why it was accepted."""
    date: str
    """When the runs were accepted, UTC, ISO 8601."""
    commit: str
    """Commit of the code that ran; ends with ``+dirty`` if the tree was not clean."""
    seeds: tuple[int, ...]
    """Seeds of the runs."""
    environment: dict[str, str]
    """Environment of the runs."""
    datasets: tuple[DatasetUse, ...]
    """Data the runs read."""
    metrics: dict[str, BaselineMetric]
    """Raw values by metric name."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One verdict, with everything that a failure line must say."""

    against: Literal["expectation", "baseline", "identity"]
    """What the values were held against."""
    metric: str
    """Metric, identity or ordering."""
    verdict: Verdict
    """The verdict."""
    kind: Kind = "accuracy"
    """Kind of metric."""
    unit: str = ""
    """Unit of the numbers."""
    n: int = 0
    """How many runs were judged."""
    value: Value | None = None
    """Mean over the runs."""
    spread: float | None = None
    """Standard deviation over the runs; None below two runs."""
    reference: Value | None = None
    """Published value, baseline mean, or tolerance."""
    lower: float | None = None
    """Lower bound that the value was held against."""
    upper: float | None = None
    """Upper bound that the value was held against."""
    resolution: float | None = None
    """Smallest difference that this many runs and images can show, in `unit`."""
    test: str = ""
    """Test used, with its level."""
    reason: str = ""
    """Why this verdict, in one sentence."""
    place: str = ""
    """Place in the source, or the baseline file."""
    row: str = ""
    """Row in the place."""
    next_step: str = ""
    """Next command to type."""
    gated: bool = False
    """Whether a gate acts on it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All judgements of one variant in one tier."""

    scenario: str
    """Scenario name."""
    variant: str
    """Variant name."""
    tier: Tier
    """Tier."""
    seeds: tuple[int, ...]
    """Seeds that finished."""
    failed: tuple[str, ...]
    """Errors of the runs that did not."""
    judgements: tuple[Judgement, ...]
    """Identities, baseline, expectations."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A whole invocation as stored in ``run.json``."""

    schema: int
    """Schema version of the file."""
    created: str
    """Start, UTC, ISO 8601."""
    command: str
    """Command line that repeats it."""
    version: str
    """Version of the harness."""
    commit: str
    """Commit of the working folder, or empty."""
    environment: dict[str, str]
    """Environment of the runner."""
    results: tuple[RunResult, ...]
    """Every run, failed ones too."""
    comparisons: tuple[Comparison, ...]
    """Every judgement."""


def finite(value: Value) -> bool:
    """Return whether a number, or every number of a nested list, is finite."""
    if isinstance(value, list):
        return all(finite(item) for item in value)
    return math.isfinite(value)
