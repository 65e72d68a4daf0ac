"""What is compared: baselines, judgements, flipped images, and the whole job."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, NamedTuple

from harness.records.gated import Gate, Probe, Trial
from harness.records.measured import DatasetUse, RunResult, Trajectory
from harness.records.words import Cause, Direction, Kind, Tier, Value, Verdict


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMetric:
    """Raw values of one metric, one a seed."""

    values: list[float]
    """In seed order, in `unit`."""
    unit: str
    kind: Kind
    better: Direction


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Approved raw values of several runs of one variant and tier in one environment."""

    schema: int
    scenario: str
    scenario_version: int
    variant: str
    tier: Tier
    who: str
    """Who accepted it."""
    reason: str
    """Why it was accepted."""
    date: str
    """When the runs were accepted, UTC, ISO 8601."""
    commit: str
    """Commit of the code that ran; ends with ``+dirty`` if the tree was not clean."""
    seeds: tuple[int, ...]
    environment: dict[str, str]
    datasets: tuple[DatasetUse, ...]
    """Data the runs read."""
    metrics: dict[str, BaselineMetric]
    """Raw values by metric name."""
    counted: dict[str, BaselineMetric] = dataclasses.field(default_factory=dict)
    """Counts of work by metric name, of one counted run at the variant's lowest tier."""
    trajectories: dict[str, Trajectory] = dataclasses.field(default_factory=dict)
    """First losses of each training that the same run followed, by name; empty in older files."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One verdict, with everything that a failure line must say."""

    against: Literal["expectation", "baseline", "identity"]
    """What the values were held against."""
    metric: str
    """Metric, identity or ordering."""
    verdict: Verdict
    cause: Cause = ""
    """Why, from a closed set: what decides anything looks here and never into the sentences."""
    kind: Kind = "accuracy"
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
    reference_runs: tuple[float, ...] = ()
    """Single values behind the reference, in `unit`: of a baseline's runs, or of base runs; empty for other references and in older files."""
    lower: float | None = None
    """Lower bound that the value was held against."""
    upper: float | None = None
    """Upper bound that the value was held against."""
    resolution: float | None = None
    """Smallest difference that this many runs and images can show, in `unit`."""
    tolerance: float | None = None
    """Largest difference from a published value that counts as agreement, in `unit`; of an array the root mean square; of a trajectory the
    share by which its first loss may differ from the reference's."""
    tolerance_reason: str = ""
    """Why the tolerance is so large."""
    margin: float | None = None
    """Half of the 90% interval of the difference from a published value, rounding included, in `unit`."""
    runs_needed: int | None = None
    """Fewest runs that would decide an INCONCLUSIVE published value; None if no number would."""
    would_be: Verdict | None = None
    """Verdict on a part of the training data, where the test data are whole; the verdict itself is NOT_JUDGED."""
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


class Flip(NamedTuple):
    """One image that changed sides; a row of four numbers in JSON."""

    image: int
    """Position of the image in its prediction set."""
    label: int
    """True class."""
    before: int
    """Class that the reference predicted."""
    after: int
    """Class that the run predicted."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Predictions of one run, image by image, beside those of the reference's run of the same seed."""

    seed: int
    """Seed of both runs."""
    set: str
    against: str
    """What the run was held against: the baseline file, or ``base REF``."""
    images: int
    """Images compared; 0 if they could not be."""
    problem: str = ""
    """Why they could not be compared, in one sentence; empty if they were."""
    same_weights: bool = False
    """Whether both runs predicted with the same weights, by their hash: only then flips may decide anything."""
    worse: tuple[Flip, ...] = ()
    """Images that were right and are wrong: the first of them."""
    better: tuple[Flip, ...] = ()
    """Images that were wrong and are right: the first of them."""
    worse_count: int = 0
    """How many were right and are wrong."""
    better_count: int = 0
    """How many were wrong and are right."""
    changed: int = 0
    """How many were wrong and are wrong in another way."""
    folder: str = ""
    """Folder of the run, relative to the job's: there lie the images it got wrong."""
    base_folder: str = ""
    """Folder of the base run, relative to the job's; empty for a stored baseline, which keeps no images."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All judgements of one variant in one tier."""

    scenario: str
    variant: str
    tier: Tier
    seeds: tuple[int, ...]
    """Seeds that finished."""
    failed: tuple[str, ...]
    """Errors of the runs that did not."""
    judgements: tuple[Judgement, ...]
    """Identities, baseline, expectations."""
    flips: tuple[Flips, ...] = ()
    """Flipped images of each run beside its reference's run of the same seed; they decide nothing but for the same weights."""
    trials: tuple[Trial, ...] = ()
    """Every group of metrics that was tested, with its looks."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A whole invocation as stored in ``run.json``."""

    schema: int
    created: str
    """Start, UTC, ISO 8601."""
    command: str
    """Command line that repeats it."""
    version: str
    """Version of the harness."""
    commit: str
    """Commit of the code that ran; ends with ``+dirty`` if the tree was not clean, or moved meanwhile. Empty if unknown."""
    environment: dict[str, str]
    """Environment of the runner."""
    results: Sequence[RunResult]
    """Every measured run of the code in question, failed ones too; of a large stored job they stay on disk (`harness.store.stored`)."""
    comparisons: tuple[Comparison, ...]
    counted: tuple[RunResult, ...] = ()
    """Runs whose work was counted, of both sides of a gate."""
    probes: tuple[Probe, ...] = ()
    """Determinism of each variant whose work was counted."""
    gate: Gate | None = None
    """What a gate did besides; None for a plain run."""
    unfinished: dict[str, int] = dataclasses.field(default_factory=dict)
    """Planned runs that left no result, by ``scenario:variant``: the job was interrupted. Empty if it came to its end, and in older files."""

    def counted_of(self, scenario: str, variant: str) -> list[RunResult]:
        """Return a variant's counted runs; they are of its lowest tier, whatever tier is judged."""
        asked = (scenario, variant)
        return [run for run in self.counted if (run.request.scenario, run.request.variant) == asked]
