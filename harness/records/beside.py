"""Two jobs side by side: what `harness compare` finds. A is the reference, B is set in relation to it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from harness.records.flipped import Flips
from harness.records.words import GIVEN, Kind, Tier

Likeness = Literal["EQUIVALENT", "DIFFERENT", "INCONCLUSIVE"]
"""Whether a difference was shown to lie within the margin, beyond it, or neither."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SideRuns:
    """The runs of one variant and tier on one side."""

    backend: str
    """Backend."""
    device: str
    """Device."""
    seeds: tuple[int, ...]
    """Seeds that finished."""
    failed: int
    """Runs that did not finish."""
    disturbed: int
    """Finished runs that are DISTURBED."""
    calibration_seconds: float
    """Median of the calibration kernel's times, seconds."""
    environment: dict[str, str]
    """Environment of the first finished run."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One metric on both sides, and their ratio."""

    stage: str
    """Stage, or ``total``."""
    metric: str
    """Metric within the stage, such as ``seconds``."""
    unit: str
    """Unit."""
    kind: Kind
    """runtime or memory."""
    a: float
    """Median over A's runs, in `unit`."""
    b: float
    """Median over B's runs."""
    runs: tuple[int, int]
    """Runs on each side that it is taken from."""
    ratio: float | None
    """Median of all ratios B over A; None where A has a zero."""
    lower: float | None
    """Lower end of the ratio's interval; None with one run on each side."""
    upper: float | None
    """Its upper end."""
    coverage: float
    """Coverage of the interval, share."""
    disturbed: bool
    """Whether a side has DISTURBED runs only, which were then used."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """One score on both sides, judged by two one-sided tests against a margin."""

    metric: str
    """Metric."""
    unit: str
    """Unit; empty for a share."""
    verdict: Likeness
    """The verdict."""
    mean: tuple[float, float]
    """Mean of A's and of B's runs."""
    spread: tuple[float | None, float | None]
    """Standard deviation over the runs of each; None below two."""
    runs: tuple[int, int]
    """Runs on each side."""
    difference: float
    """Mean of B less mean of A."""
    lower: float | None
    """Lower end of the 90% interval, which leaves out 5% on each side; None where there is none."""
    upper: float | None
    """Its upper end."""
    margin: float | None
    """Difference that counts as none; None where it could not be set."""
    p: float | None
    """The larger p of the two tests; EQUIVALENT at most at 0.05."""
    runs_to_decide: int | None
    """Runs a side that would decide, were the spread, and for an undecided difference the difference too, as found; None otherwise."""
    reason: str
    """Why this verdict, in one sentence."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SameWeights:
    """Predictions of one set that both sides made with the same weights, label by label."""

    set: str
    """Name of the prediction set."""
    labels: int
    """Labels compared, over all runs."""
    runs: int
    """Runs compared."""
    checkpoints: int
    """Different weights among them."""
    changed: int
    """Labels that differ, over all runs."""
    worse: int
    """Of these, right on A and wrong on B."""
    better: int
    """Of these, wrong on A and right on B."""
    p: float
    """Exact two-sided p of McNemar's test, each image's flips summed over the runs that saw the same images."""
    tested: int
    """How many these are; a run of other images would count what two of them drew twice."""

    @property
    def told(self) -> str:
        """The set in words; one that B predicted with the weights it was given of A is said to be so."""
        own = self.set.removesuffix(GIVEN)
        return f"{own}, A's weights on B" if own != self.set else own


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySide:
    """The worst check of one identity on one side."""

    dtype: str
    """Precision that the tolerance was derived from; empty if the check does not say."""
    error: float
    """Largest error."""
    tolerance: float
    """Its tolerance."""
    holds: bool
    """Whether every check of the side held."""

    @property
    def share(self) -> float | None:
        """Error as share of its tolerance; None for a tolerance of zero."""
        return self.error / self.tolerance if self.tolerance else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IdentityBeside:
    """One identity on both sides."""

    name: str
    """Which identity on which matrix."""
    formula: str
    """The identity as a formula."""
    a: IdentitySide | None
    """On A; None if it was not checked there."""
    b: IdentitySide | None
    """On B."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VariantBeside:
    """One variant and tier that both sides ran."""

    scenario: str
    """Scenario name."""
    variants: tuple[str, str]
    """Variant on A and on B."""
    tier: Tier
    """Tier."""
    a: SideRuns
    """Runs of A."""
    b: SideRuns
    """Runs of B."""
    notes: tuple[str, ...]
    """What a reader must know before the numbers, one sentence each."""
    environment: tuple[tuple[str, str, str], ...]
    """Fields of the environment that differ: name, on A, on B."""
    contrasts: tuple[Contrast, ...]
    """Times, rates and memory, stage by stage."""
    equivalences: tuple[Equivalence, ...]
    """Scores."""
    weights: tuple[SameWeights, ...]
    """Prediction sets made with the same weights."""
    flips: tuple[Flips, ...]
    """Flipped images, seed by seed; B is held against A. They decide nothing."""
    identities: tuple[IdentityBeside, ...]
    """Identities, by dtype."""

    @property
    def title(self) -> str:
        """How the pair is called: ``scenario:variant``, or both variants."""
        return f"{self.scenario}:{' and '.join(dict.fromkeys(self.variants))}"

    @property
    def violated(self) -> bool:
        """Whether an identity does not hold on a side."""
        sides = (side for pair in self.identities for side in (pair.a, pair.b) if side is not None)
        return any(not side.holds for side in sides)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SideJob:
    """One of the two jobs."""

    folder: str
    """Folder as typed."""
    created: str
    """Start of the job, UTC, ISO 8601."""
    commit: str
    """Commit, or empty."""
    command: str
    """Command line that repeats it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """A whole comparison as stored in ``compare.json``."""

    schema: int
    """Schema version of the file."""
    created: str
    """When it was made, UTC, ISO 8601."""
    command: str
    """Command line that repeats it."""
    version: str
    """Version of the harness."""
    a: SideJob
    """The reference."""
    b: SideJob
    """What is set in relation to it."""
    variants: tuple[VariantBeside, ...]
    """What could be compared."""
    left_out: tuple[str, ...]
    """What could not, one sentence each."""

    @property
    def exit_code(self) -> int:
        """Return 1 if an identity is violated, 2 if nothing could be compared, else 0."""
        if any(variant.violated for variant in self.variants):
            return 1
        return 0 if self.variants else 2
