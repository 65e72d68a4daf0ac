"""What a gate found out, look by look: enough to print its arithmetic again and to judge it anew."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from harness.records.asked import GateSettings
from harness.records.measured import RunResult
from harness.records.words import Cause, Kind, Round, Tier, Verdict


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at one metric: the numbers that were compared and what the tests said."""

    metric: str
    round: Round | Literal["single"]
    """Round of the gate; `single` where one look decides, because there are no fresh runs to confirm it."""
    base: list[float]
    """Reference values, in the metric's unit: a stored baseline's, or those of base runs."""
    head: list[float]
    """Values in question; of a runtime, value i of `base` and `head` is one pair."""
    worse: Literal["higher", "lower"]
    """Direction that is tested: which values would be worse (or, in a test for improvement, better)."""
    estimate: float
    """Difference of means (accuracy), median difference (memory), median ratio head to base (runtime; of a rate, that of the times behind
    it); of the same weights, the net share of images that flipped."""
    lower: float
    """Lower end of the 99% interval of `estimate`."""
    upper: float
    """Upper end of the 99% interval of `estimate`."""
    p: float
    """Largest p of the tests that must agree."""
    level: float
    """Level that `p` must not exceed, before Holm's share."""
    floor: float
    """Smallest `estimate` that counts, in its unit."""
    alarm: bool
    """Whether `p` is within the level and `estimate` beyond the floor."""
    clear: bool
    """Whether a difference that matters is excluded."""
    tests: str
    """The tests, with their p values."""
    clock: Literal["wall", "cpu"] = "wall"
    """Of a runtime: the clock that `p`, `estimate` and its interval come from. `base` and `head` are always wall times."""

    @property
    def share(self) -> float:
        """Its p as a share of its level; infinite where so few runs have no level."""
        return self.p / self.level if self.level else math.inf


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """All looks at one group of metrics that rise and fall together: one variant, one kind, one direction."""

    scenario: str
    variant: str
    tier: Tier
    kind: Kind
    direction: Literal["worse", "better"]
    """What is tested: worse than the reference, or better."""
    metric: str
    """Metric that leads: the smallest screen p."""
    screen: tuple[Look, ...]
    """Looks of the screen at every metric of the group, in order."""
    flagged: bool
    """Whether the screen asks for a confirm round."""
    confirm: tuple[Look, ...] = ()
    """Looks of the confirm round at the leading metric, on runs that the screen never saw; or the single look at the screen's own runs."""
    ratio: float | None = None
    """Smallest p of these looks as a share of its level; at most 1 / `divisor` confirms. None if nothing can be confirmed."""
    divisor: int = 1
    """Divisor of the levels for this group: Holm's, or of a single look the number of looks at the variant."""
    verdict: Verdict = "PASS"
    """PASS, REGRESSED, IMPROVED or INCONCLUSIVE."""
    cause: Cause = "quiet"
    """Why, from a closed set."""
    reason: str = ""
    """Why, in one sentence."""
    by_images: bool = False
    """Whether flipped images decide, because both sides predicted with the same weights: at once, without a confirm round. Such a group
    is flagged when enough images flipped for the exact test to reach its level at all."""
    followers: tuple[str, ...] = ()
    """Metrics of the group without looks of their own: they get the leading metric's verdict."""

    def holds(self, metric: str) -> bool:
        """Whether a metric is one of the group."""
        return metric in self.followers or any(look.metric == metric for look in self.screen)

    def divisor_of(self, look: Look) -> int:
        """Divisor of the level of one of its looks; the screen has none."""
        return 1 if look.round == "screen" else self.divisor

    def surest(self) -> Look:
        """Return the confirm round's look with the smallest share, alarms first: the one that confirms, if any does.

        Raises
        ------
        ValueError
            If there was no confirm round.
        """
        return min(self.confirm, key=lambda look: (not look.alarm, look.share))

    def decisive(self, metric: str) -> Look | None:
        """Return the look at a metric that its verdict rests on: the one that confirms, else the last; None without any."""
        confirmed = self.verdict in {"REGRESSED", "IMPROVED"} and not self.by_images
        if confirmed and metric == self.metric:
            return self.surest()
        return next((look for look in reversed((*self.screen, *self.confirm)) if look.metric == metric), None)

    def ended(self, look: Look) -> Literal["alarm", "cleared", "open"]:
        """How one of its looks ended; an alarm of the confirm round is one at Holm's share of the level."""
        divisor = self.divisor_of(look)
        if look.alarm and (divisor == 1 or look.p <= look.level / divisor):
            return "alarm"
        return "cleared" if look.clear else "open"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The same seed run twice: whether this scenario gives equal bits here."""

    scenario: str
    variant: str
    tier: Tier
    """Tier of the two runs: the lowest that the variant has."""
    seed: int
    predictions_equal: bool
    """Whether all stored predictions and probabilities are equal, bit by bit."""
    work_equal: bool
    """Whether all counts are equal, and all trajectories but for rounding."""
    differing: tuple[str, ...] = ()
    """Prediction sets, counts and trajectories that differ; why, if the probe could not be made."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a profiler saw at one line of the user's code, within one stage of one run."""

    file: str
    """Path below the folder that the run imported from; absolute if it lies elsewhere."""
    function: str
    """Function."""
    line: int
    """Line that was executed, from 1."""
    amount: float
    """Seconds spent there, or bytes that it had allocated and that lived when the run's memory was highest, or at its end; what it called
    outside the user's code is included."""
    count: int = 1
    """Allocations behind the bytes."""
    library: str = ""
    """Top-level package below it that took most of it; empty if the line itself did."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One function of the user's code on both sides."""

    file: str
    """As in `Site`."""
    function: str
    """Function."""
    line: int
    """Line of head's file with the largest amount; of base's, where head spends nothing there."""
    base: float
    """Seconds or bytes in base's profiled run."""
    head: float
    """Seconds or bytes in head's profiled run."""
    base_count: int = 0
    """Allocations in base's."""
    head_count: int = 0
    """Allocations in head's."""
    library: str = ""
    """Top-level package below it that took most of it."""
    commit: str = ""
    """Newest commit between base and head that changed the function's lines, abbreviated; empty if none did, or git does not know."""
    subject: str = ""
    """First line of that commit's message, and its author."""

    @property
    def more(self) -> float:
        """Seconds or bytes that head takes more than base."""
        return self.head - self.base


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Where a confirmed regression of one variant comes from, as far as one more pair of runs can tell."""

    scenario: str
    """Scenario name."""
    variant: str
    """Variant name."""
    metric: str
    """Metric that regressed."""
    kind: Kind
    """Its kind."""
    stage: str = ""
    """Stage that it belongs to; empty for the whole run."""
    change: float = 0.0
    """Measured difference of head and base, in the metric's unit."""
    profiled: float = 0.0
    """The same difference of the profiled pair, seconds or bytes of the user's code."""
    shown: bool = False
    """Whether the profiled pair shows the regression: at least half of the measured difference, with one place that has a quarter of it."""
    places: tuple[Place, ...] = ()
    """Functions with the largest differences, largest first."""
    differences: tuple[str, ...] = ()
    """What else differs between the sides that decides scores: data, options, libraries, settings, the first losses."""
    error: str = ""
    """Why there is no profile, and what to do about it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate's settings, base runs and end, stored within a job."""

    settings: GateSettings
    """How it decides."""
    base_results: Sequence[RunResult]
    """Measured runs of the base side; of a large stored job they stay on disk (`harness.store.stored`)."""
    minutes: float
    """From the first run's start until the last one's end, minutes."""
    exit_code: int
    """What the gate ended with."""
    interrupted: bool = False
    """Whether it was ended before it had decided, or planned runs are missing; not if it came to its own --max-runs or --max-minutes."""
    why: tuple[Why, ...] = ()
    """Where confirmed regressions come from."""
