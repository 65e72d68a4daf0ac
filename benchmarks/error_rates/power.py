"""What the gate finds in one metric: how often a change of a known size is a confirmed failure, cleared, or left open.

Every row has a random stream of its own, drawn from the seed and the row's name: rows can be added without moving others.
"""

from __future__ import annotations

import dataclasses
import typing
import zlib

import numpy as np

from benchmarks.error_rates import looks, noise
from harness.gate import rules

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.error_rates.looks import Rounded
    from benchmarks.error_rates.noise import Draw, Regime

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

MIB = 2.0**20
SCREEN_PAIRS = max(rules.RUNTIME_SCREEN)
CONFIRM_PAIRS = max(rules.RUNTIME_CONFIRM)
CONFIRM_RUNS = max(rules.CONFIRM_LEVELS)
MARKS = (7, 15, 40)
"""Screen pairs after which the tables look."""


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one row."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Shares of trials."""

    trials: int
    """How many there were."""
    flagged: float
    """Alarm in the screen: a confirm round follows."""
    failed: float
    """Alarm in the confirm round too: a confirmed failure."""
    passed: float
    """A difference that matters was excluded, in the screen or in the confirm round."""
    undecided: float
    """Neither, when the last look was taken."""
    screen_runs: float
    """Runs of a side in the screen, mean."""
    all_runs: float
    """Runs of a side in both rounds, mean."""
    flagged_by: dict[int, float] = dataclasses.field(default_factory=dict)
    """Alarm in the screen within so many pairs."""
    failed_by: dict[int, float] = dataclasses.field(default_factory=dict)
    """Confirmed failure whose screen took at most so many pairs."""


# -- runtime -----------------------------------------------------------------------------------


def runtime(draw: Draw, slowdown: float, rng: np.random.Generator, trials: int) -> Outcome:
    """Put a slowdown (0.1 is 10%) through the screen's looks and, if flagged, through those of the confirm round on new pairs."""
    screen = looks.runtime_round(*noise.pairs(draw, slowdown, rng, trials, SCREEN_PAIRS), "screen")
    again = int(screen.alarm.sum())
    confirm = looks.runtime_round(*noise.pairs(draw, slowdown, rng, again, CONFIRM_PAIRS), "confirm")
    return _outcome(screen.alarm, screen.clear, screen.runs, confirm)


def _outcome(flagged: Bools, cleared: Bools, screen_runs: NDArray[np.int64], confirm: Rounded) -> Outcome:
    """Put both rounds together; `confirm` has one entry for each flagged trial."""
    failed, passed, runs = np.zeros(len(flagged), bool), cleared.copy(), screen_runs.astype(np.float64)
    failed[flagged], passed[flagged] = confirm.alarm, confirm.clear
    runs[flagged] += confirm.runs
    return Outcome(
        trials=len(flagged),
        flagged=float(flagged.mean()),
        failed=float(failed.mean()),
        passed=float(passed.mean()),
        undecided=float((~failed & ~passed).mean()),
        screen_runs=float(screen_runs.mean()),
        all_runs=float(runs.mean()),
        flagged_by={mark: float((flagged & (screen_runs <= mark)).mean()) for mark in MARKS},
        failed_by={mark: float((failed & (screen_runs <= mark)).mean()) for mark in MARKS},
    )


# -- accuracy and memory -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many runs a comparison of accuracy or memory has."""

    base: int = 10
    """Reference runs of the screen: of a stored baseline, or of the base side."""
    head: int = 5
    """Runs in question of the screen."""
    fresh: bool = True
    """Whether the confirm round runs the base side again; if not, it reuses the reference runs."""


def score(
    draw: Draw, loss: float, rng: np.random.Generator, trials: int, plan: Plan, floor: float = 0.0
) -> Outcome:
    """Put a loss, in standard deviations over seeds, through screen and confirm round; the floor is in the same unit."""
    base, head = draw(rng, trials, plan.base), draw(rng, trials, plan.head) - loss
    looked = looks.score(base, head, "screen", floor)
    flagged = looked.alarm()
    again = int(flagged.sum())
    fresh_head = draw(rng, again, CONFIRM_RUNS) - loss
    reference = draw(rng, again, CONFIRM_RUNS) if plan.fresh else base[flagged]
    confirm = looks.score_confirm(reference, fresh_head, floor=floor)
    return _outcome(flagged, ~flagged, np.full(trials, plan.head), confirm)


def memory(
    draw: Draw, level: float, growth: float, rng: np.random.Generator, trials: int, plan: Plan
) -> Outcome:
    """Put a growth (0.05 is 5%) of `level` MiB above imports through screen and confirm round."""

    def runs(count: int, number: int, share: float) -> Floats:
        return (level * (1 + share) + draw(rng, count, number)) * MIB

    base, head = runs(trials, plan.base, 0), runs(trials, plan.head, growth)
    flagged = looks.memory(base, head, "screen").alarm()
    again = int(flagged.sum())
    fresh_head = runs(again, CONFIRM_RUNS, growth)
    reference = runs(again, CONFIRM_RUNS, 0) if plan.fresh else base[flagged]
    confirm = looks.memory_confirm(reference, fresh_head)
    return _outcome(flagged, ~flagged, np.full(trials, plan.head), confirm)


def standardised(values: Floats) -> Draw:
    """Resample measured scores as noise of mean 0 and standard deviation 1, larger being better."""
    return noise.independent((values - values.mean()) / values.std())


def regimes_of(kind: noise.Kind) -> tuple[Regime, ...]:
    """Return the synthetic regimes of a kind."""
    return {"runtime": noise.RUNTIME, "accuracy": noise.ACCURACY, "memory": noise.MEMORY}[kind]
