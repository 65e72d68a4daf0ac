"""What a gate knows of one variant, and the numbers that a look compares: taken from the runs that have them. Pure."""

from __future__ import annotations

import dataclasses
import math
import typing

import numpy as np

from harness.measure.stages import clocks
from harness.store.commands import Place

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.judging.flips import Found
    from harness.records import (
        Baseline,
        GateSettings,
        Kind,
        Probe,
        Round,
        RunResult,
        Scenario,
        Tier,
    )

    Name = tuple[str, str, Tier]

    Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was measured of one variant."""

    scenario: Scenario
    """Declares the gated metrics."""
    variant: str
    tier: Tier
    head: Mapping[Round, Sequence[RunResult]]
    """Finished runs of the code in question, by round, in seed order; failed ones too."""
    base: Mapping[Round, Sequence[RunResult]] | None
    """Those of the base side; None if a stored baseline is the reference."""
    stored: tuple[Baseline, str] | None
    """Stored baseline and its file; None if there is none, or a base side is the reference."""
    stored_here: tuple[Baseline, str] | None = None
    """Stored baseline for memory and times, where it is another one than for what does not depend on the machine."""
    counted: RunResult | None = None
    """Run whose work was counted."""
    probe: Probe | None = None
    """What counting twice told."""
    base_counted: RunResult | None = None
    """The base side's counted run."""
    damaged: str = ""
    """Why the stored baseline cannot be read; empty if it can, or there is none."""
    flipped: tuple[Found, ...] = ()
    """Flipped images of the first look's runs beside the reference's runs of the same seeds."""
    paths: tuple[str, ...] = ()
    """The user's scenario files, for the next command to type."""
    folder: str = "RUN"
    """Folder of the job, for the same."""

    @property
    def name(self) -> Name:
        """Scenario, variant and tier."""
        return self.scenario.name, self.variant, self.tier

    def reference(self, kind: Kind) -> tuple[Baseline, str] | None:
        """Return the stored baseline that a kind of metric is compared with, and its file."""
        return (self.stored_here or self.stored) if kind in {"memory", "runtime"} else self.stored

    def place(self, settings: GateSettings) -> Place:
        """Return what a next command about this variant names."""
        return Place(
            scenario=self.scenario.name, variant=self.variant, tier=self.tier, paths=self.paths, folder=self.folder,
            against=settings.against,
        )  # fmt: skip


def finished(runs: Iterable[RunResult]) -> list[RunResult]:
    """List the runs that did not fail."""
    return [run for run in runs if run.status == "ok"]


def having(runs: Iterable[RunResult], name: str) -> list[RunResult]:
    """List the finished runs that have a metric as a finite number; a diverged training has no loss, a resumed run no total time."""
    found = ((run, run.metrics[name].value) for run in finished(runs) if name in run.metrics)
    return [run for run, value in found if not isinstance(value, list) and math.isfinite(value)]


def numbers(runs: Iterable[RunResult], name: str) -> Floats:
    """Return a metric's values, (n,), of runs that all have it."""
    return np.asarray([run.metrics[name].value for run in runs], np.float64)


def of_sides(each: Evidence, name: str, round_: Round, limit: int) -> tuple[Floats, Floats]:
    """Return head's and the reference's values, (n,) and (m,), of the first runs that have the metric."""
    head = numbers(having(each.head.get(round_, ()), name)[:limit], name)
    if each.base is not None:
        return head, numbers(having(each.base.get(round_, ()), name)[:limit], name)
    kind = next(run.metrics[name].kind for runs in each.head.values() for run in having(runs, name))
    stored = each.reference(kind)
    return head, np.asarray(stored[0].metrics[name].values if stored else [], np.float64)


@dataclasses.dataclass(frozen=True, slots=True)
class Pairs:
    """A runtime of both sides, pair by pair: every pair counts in which both runs have it.

    A coin ordered each pair, so that noise costs pairs and never makes one side look slower.
    """

    base: Floats
    """Values of the base side, (n,), in the metric's unit."""
    head: Floats
    """Values of the head side, (n,)."""
    shares: tuple[Floats, Floats] | None
    """CPU time of each run's stage as a share of its wall time, base and head; None where it was not measured."""
    resumed: int
    """Pairs left out because a run went on from an earlier attempt, so that nobody knows this time of it; further pairs make up for them."""
    rate: bool
    """Whether the values are rates, of which less is slower."""

    def times(self, count: int) -> tuple[Floats, Floats, tuple[Floats, Floats] | None]:
        """Return wall times of the first so many pairs, of which more is slower, and the CPU times where they are known."""
        base, head = self.base[:count], self.head[:count]
        if self.rate:
            base, head = 1 / np.maximum(base, 1e-300), 1 / np.maximum(head, 1e-300)
        if self.shares is None:
            return base, head, None
        return base, head, (self.shares[0][:count] * base, self.shares[1][:count] * head)


def of_pairs(each: Evidence, name: str, round_: Round) -> Pairs:
    """Pair base and head runs by seed; a pair counts where both runs have the metric."""
    base = {run.request.seed: run for run in finished((each.base or {}).get(round_, ()))}
    head = [run for run in finished(each.head.get(round_, ())) if run.request.seed in base]
    both = [(base[run.request.seed], run) for run in head]
    measured = [pair for pair in both if len(having(pair, name)) == len(pair)]
    sides = [[pair[side] for pair in measured] for side in (0, 1)]
    wall, cpu = clocks(name)
    shares = None
    if all(len(having(pair, wall)) == len(having(pair, cpu)) == len(pair) for pair in measured):
        ours, theirs = (numbers(side, cpu) / np.maximum(numbers(side, wall), 1e-300) for side in sides)
        shares = (ours, theirs) if ours.all() and theirs.all() else None
    return Pairs(
        base=numbers(sides[0], name),
        head=numbers(sides[1], name),
        shares=shares,
        resumed=sum(any(_resumed(run) for run in pair) for pair in both if pair not in measured),
        rate=bool(measured) and measured[0][1].metrics[name].better == "higher",
    )


def _resumed(run: RunResult) -> bool:
    return run.measurement is not None and bool(run.measurement.resumed)


def lacking(each: Evidence, name: str) -> str:
    """Say in how many runs of the confirm round a metric was measured, and why not in all; empty if it was.

    Runs that went on from an earlier attempt need not have it: others make up for them.
    """
    parts = []
    for side, kind in ((each.head, "fresh runs"), (each.base or {}, "fresh base runs")):
        runs = finished(side.get("confirm", ()))
        without = [run for run in runs if not having([run], name) and not _resumed(run)]
        if without:
            count = len(having(runs, name))
            problems = {problem for run in without if run.measurement for problem in run.measurement.problems}
            counted = f"measured in {count} of {count + len(without)} {kind}"
            parts.append(": ".join(filter(None, (counted, ", ".join(sorted(problems))))))
    return "; ".join(parts)
