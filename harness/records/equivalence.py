"""Jobs next to one another: what `harness compare` finds. One is the reference; the others are set in relation to it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from harness.records.compared import Flips
from harness.records.words import GIVEN, Kind, Tier

Likeness = Literal["equivalent", "different", "INCONCLUSIVE"]
"""Whether a difference was shown to lie within the margin, beyond it, or neither."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SideRuns:
    """The runs of one job that a column is made of."""

    name: str
    """Heading of the column: what sets it apart from the others."""
    job: int
    """Index of the job."""
    variant: str
    backend: str
    device: str
    seeds: tuple[int, ...]
    """Seeds that finished."""
    failed: int
    """Runs that did not finish."""
    disturbed: int
    """Finished runs that are disturbed."""
    calibration_seconds: float
    """Median of the calibration kernel's times, seconds."""
    environment: dict[str, str]
    """Environment of the first finished run."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """One metric on one side, and its ratio to the reference."""

    median: float
    """Median over the runs, in the metric's unit."""
    runs: int
    """Runs that it is taken from."""
    disturbed: bool
    """Whether all runs of this side or of the reference are disturbed; they were then used."""
    ratio: float | None = None
    """Median of all ratios to the reference; None for the reference, and where it has a zero."""
    lower: float | None = None
    """Lower end of the ratio's interval; None with one run on each side."""
    upper: float | None = None
    coverage: float = 0.0
    """Coverage of the interval, share."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One time, rate or memory peak on every side."""

    stage: str
    """Stage, or ``total``."""
    metric: str
    """Metric within the stage, such as ``seconds``."""
    unit: str
    kind: Kind
    """runtime or memory."""
    sides: tuple[Amount | None, ...]
    """One a side, the reference first; None where it was not measured."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """Two one-sided tests of one score against a margin."""

    verdict: Likeness
    difference: float
    """Mean less the reference's mean, in the score's unit."""
    lower: float | None
    """Lower end of the 90% interval, which leaves out 5% on each side; None where there is none."""
    upper: float | None
    margin: float | None
    """Difference that counts as none; None where it could not be set."""
    p: float | None
    """The larger p of the two tests; equivalent at most at 0.05."""
    runs_to_decide: int | None
    """Runs a side needed to decide, assuming the observed spread and difference; None where the verdict is decided."""
    reason: str
    """Why this verdict, in one sentence."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSide:
    """One score on one side."""

    mean: float
    """Mean over the runs."""
    spread: float | None
    """Standard deviation over the runs; None below two."""
    runs: int
    judged: Equivalence | None
    """Whether it equals the reference's; None for the reference."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One score on every side."""

    metric: str
    unit: str
    share: bool
    """Whether it is a share, which is written in percent and points."""
    sides: tuple[ScoreSide | None, ...]
    """One a side, the reference first; None where it was not measured."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SameWeights:
    """Predictions of one set that a side and the reference made with the same weights, label by label."""

    side: int
    set: str
    labels: int
    """Labels compared, over all runs."""
    runs: int
    """Runs compared."""
    checkpoints: int
    """Different weights among them."""
    changed: int
    """Labels that differ, over all runs."""
    worse: int
    """Of these, right on the reference and wrong here."""
    better: int
    """Of these, wrong on the reference and right here."""
    p: float
    """Exact two-sided p of McNemar's test, each image's flips summed over the runs that saw the same images."""
    tested: int
    """How many these are; a run of other images would count what two of them drew twice."""

    @property
    def title(self) -> str:
        """Display name; notes when the side used the reference's weights."""
        own = self.set.removesuffix(GIVEN)
        return f"{own}, the reference's weights" if own != self.set else own


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySide:
    """The worst check of one identity on one side."""

    dtype: str
    """Precision that the tolerance was derived from; empty if the check does not say."""
    error: float
    tolerance: float
    holds: bool
    """Whether every check of the side held."""

    @property
    def share(self) -> float | None:
        """Error as share of its tolerance; None for a tolerance of zero."""
        return self.error / self.tolerance if self.tolerance else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySides:
    """One identity on every side."""

    name: str
    """Which identity on which matrix."""
    formula: str
    """The identity as a formula."""
    sides: tuple[IdentitySide | None, ...]
    """One a side, the reference first; None where it was not checked."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VariantSides:
    """One variant and tier that the reference and others ran."""

    scenario: str
    tier: Tier
    sides: tuple[SideRuns, ...]
    """Columns, the reference first."""
    notes: tuple[str, ...]
    """What a reader must know before the numbers, one sentence each."""
    environment: tuple[tuple[str, tuple[str, ...]], ...]
    """Fields of the environment that differ, with the value on each side."""
    contrasts: tuple[Contrast, ...]
    """Times, rates and memory, stage by stage."""
    scores: tuple[Score, ...]
    weights: tuple[SameWeights, ...]
    """Prediction sets made with the same weights."""
    flips: tuple[tuple[Flips, ...], ...]
    """Flipped images of each side but the reference, seed by seed. They decide nothing."""
    identities: tuple[IdentitySides, ...]
    """Identities, by dtype."""

    @property
    def title(self) -> str:
        """``scenario:variant``, or all variants."""
        return f"{self.scenario}:{' and '.join(dict.fromkeys(side.variant for side in self.sides))}"

    @property
    def broken(self) -> int:
        """Return how many identities do not hold on every side that checked them."""
        return sum(any(side and not side.holds for side in identity.sides) for identity in self.identities)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SideJob:
    """One of the jobs."""

    folder: str
    """Folder as typed."""
    created: str
    """Start of the job, UTC, ISO 8601."""
    commit: str
    command: str
    """Command line that repeats it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A whole comparison as stored in ``compare.json``."""

    schema: int
    created: str
    """When it was made, UTC, ISO 8601."""
    command: str
    """Command line that repeats it."""
    version: str
    """Version of the harness."""
    jobs: tuple[SideJob, ...]
    """Jobs, the reference first."""
    variants: tuple[VariantSides, ...]
    """What could be compared."""
    left_out: tuple[str, ...]
    """What could not, one sentence each."""

    @property
    def exit_code(self) -> int:
        """Return 1 if an identity is violated, 2 if nothing could be compared, else 0."""
        if any(variant.broken for variant in self.variants):
            return 1
        return 0 if self.variants else 2
