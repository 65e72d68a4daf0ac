"""The numbers that a look compares, taken from the runs that have them; and what is said of those that have not. Pure."""

from __future__ import annotations

import dataclasses
import math
import typing

import numpy as np

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from harness.gate.evidence import Evidence
    from harness.records import Measured, Round, RunResult

    Floats = NDArray[np.float64]


def finished(runs: Iterable[RunResult]) -> list[RunResult]:
    """List the runs that did not fail."""
    return [run for run in runs if run.status == "ok"]


def having(runs: Iterable[RunResult], name: str) -> list[RunResult]:
    """List the finished runs that have a metric as a finite number; a diverged training has no loss, a resumed run no total time."""
    return [run for run in finished(runs) if name in run.metrics and _is_number(run.metrics[name])]


def _is_number(measured: Measured) -> bool:
    return not isinstance(measured.value, list) and math.isfinite(measured.value)


def numbers(runs: Iterable[RunResult], name: str) -> Floats:
    """Return a metric's values, (n,), of runs that all have it."""
    return np.asarray([run.metrics[name].value for run in runs], np.float64)


def of_sides(each: Evidence, name: str, round_: Round, limit: int) -> tuple[Floats, Floats, Measured]:
    """Return head's and the reference's values, (n,) and (m,), of the first runs that have the metric, and how it is declared."""
    head = numbers(having(each.head.get(round_, ()), name)[:limit], name)
    if each.base is not None:
        base = numbers(having(each.base.get(round_, ()), name)[:limit], name)
    else:
        base = np.asarray(each.stored[0].metrics[name].values if each.stored else [], np.float64)
    declared = next(run.metrics[name] for runs in each.head.values() for run in having(runs, name))
    return head, base, declared


@dataclasses.dataclass(frozen=True, slots=True)
class Pairs:
    """A runtime of both sides, pair by pair, where nothing disturbed either run."""

    base: Floats
    """Values of the base side, (n,), in the metric's unit."""
    head: Floats
    """Values of the head side, (n,)."""
    disturbed: int
    """Pairs left out because another process, or an earlier attempt, had a part in them."""
    rate: bool
    """Whether the values are rates, of which less is slower."""

    def first(self, count: int) -> Pairs:
        """Return the first so many pairs."""
        return dataclasses.replace(self, base=self.base[:count], head=self.head[:count])

    @property
    def times(self) -> tuple[Floats, Floats]:
        """Both sides as times, of which more is slower."""
        if not self.rate:
            return self.base, self.head
        return 1 / np.maximum(self.base, 1e-300), 1 / np.maximum(self.head, 1e-300)


def of_pairs(each: Evidence, name: str, round_: Round) -> Pairs:
    """Pair base and head runs by seed; a pair counts where both runs have the metric."""
    base = {run.request.seed: run for run in finished((each.base or {}).get(round_, ()))}
    both = [
        (base[run.request.seed], run)
        for run in finished(each.head.get(round_, ()))
        if run.request.seed in base
    ]
    quiet = [pair for pair in both if not any(run.disturbed for run in pair)]
    measured = [pair for pair in quiet if len(having(pair, name)) == len(pair)]
    sides = [numbers([pair[side] for pair in measured], name) for side in (0, 1)]
    rate = bool(measured) and measured[0][1].metrics[name].better == "higher"
    return Pairs(sides[0], sides[1], len(both) - len(quiet), rate)


def lacking(each: Evidence, name: str, *, timed: bool) -> str:
    """Say in how many runs of the confirm round a metric was measured, and why not in all; empty if it was.

    Parameters
    ----------
    each : Evidence
        A variant's.
    name : str
        Metric.
    timed : bool
        Whether it is a runtime: disturbed runs, which others make up for, then need not have it.
    """
    sides = ((each.head, "fresh runs"), (each.base or {}, "fresh base runs"))
    found = [_lacking(side.get("confirm", ()), name, told, timed=timed) for side, told in sides]
    return "; ".join(filter(None, found))


def _lacking(runs: Sequence[RunResult], name: str, told: str, *, timed: bool) -> str:
    asked = [run for run in finished(runs) if not (timed and run.disturbed)]
    without = [run for run in asked if not having([run], name)]
    if not without:
        return ""
    problems = {problem for run in without if run.measurement for problem in run.measurement.problems}
    counted = f"measured in {len(asked) - len(without)} of {len(asked)} {told}"
    return ": ".join(filter(None, (counted, ", ".join(sorted(problems)))))
