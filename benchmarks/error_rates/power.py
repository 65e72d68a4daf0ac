"""What the gate finds in one metric: how often a change of a known size is a confirmed failure, cleared, or left open.

Every trial is decided by the gate's own functions: `harness.judging.gate.rules` looks, `harness.judging.gate.trials` groups and confirms,
`harness.judging.gate.verdicts` decides. Every row has a random stream of its own, drawn from the seed and the row's name: rows can be added without
moving others.
"""

from __future__ import annotations

import dataclasses
import typing
import zlib

import numpy as np

from benchmarks.error_rates import noise
from harness.judging.gate import rules, trials, verdicts

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from benchmarks.error_rates.noise import Draw, Regime
    from harness.records import Look, Round, Trial

    Floats = NDArray[np.float64]
    Direction = typing.Literal["worse", "better"]

MIB = 2.0**20
SCREEN_PAIRS = max(rules.RUNTIME_SCREEN)
CONFIRM_PAIRS = max(rules.RUNTIME_CONFIRM)
CONFIRM_RUNS = max(rules.CONFIRM_LEVELS)
MARKS = (7, 15, 40)
"""Screen pairs after which the tables look."""
CHUNK = 500
"""Trials whose values are drawn at once."""


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one row."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


# -- one gate ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Metrics of one scenario, kind and direction."""

    kind: noise.Kind
    """Kind of metric."""
    direction: Direction
    """What is tested."""
    screen: Sequence[Look]
    """Looks of the screen."""
    fresh: Callable[[Look, int], list[Look]]
    """fresh(leading look, flagged groups): looks of the confirm round at the leading metric, on values drawn anew."""
    scenario: int = 0
    """Which scenario."""


def decided(groups: Sequence[Group]) -> list[Trial]:
    """Decide one gate: confirm what its screen flags, and step down through it."""
    found = [
        trial
        for group in groups
        for trial in trials.grouped(
            ("probe", str(group.scenario), "smoke"),
            [(group.kind, group.direction, look) for look in group.screen],
        )
    ]
    flagged = sum(trial.flagged for trial in found)
    return verdicts.verdicts(
        [
            trials.confirmed(trial, group.fresh(trials.lead(trial.screen), flagged))
            if trial.flagged
            else trial
            for trial, group in zip(found, groups, strict=True)
        ]
    )


def look_at_times(
    metric: str, base: Floats, head: Floats, round_: Round, clock: rules.Clock | None = None
) -> Look:
    """Look at pairs of times, (clocks, pairs) each."""
    cpu = (base[1], head[1]) if len(base) > 1 else None
    return rules.runtime_look(metric, base[0], head[0], round_=round_, cpu=cpu, clock=clock)


def screen_times(metric: str, base: Floats, head: Floats) -> list[Look]:
    """Look at pairs of times, (clocks, pairs) each, until the screen is done with them."""
    found, _ = rules.until_settled(
        lambda n: look_at_times(metric, base[:, :n], head[:, :n], "screen"),
        rules.RUNTIME_SCREEN,
        base.shape[1],
        lambda look: look.alarm,
    )
    return found


def confirm_times(base: Floats, head: Floats, leading: Look, flagged: int) -> list[Look]:
    """Look at fresh pairs of times, (clocks, pairs) each, with the clock that led in the screen."""
    return _confirm(
        lambda n: look_at_times(leading.metric, base[:, :n], head[:, :n], "confirm", leading.clock),
        rules.RUNTIME_CONFIRM,
        flagged,
    )


def look_at_values(
    kind: noise.Kind,
    direction: Direction,
    metric: str,
    base: Floats,
    head: Floats,
    round_: Round,
    floor: float,
) -> Look:
    """Look at a score, of which less is worse, or at bytes, of which more is: (m,) and (n,)."""
    worse: rules.Worse = "higher" if (kind == "memory") == (direction == "worse") else "lower"
    if kind == "memory":
        return rules.memory_look(metric, base, head, worse=worse, round_=round_)
    return rules.score_look(metric, base, head, worse=worse, round_=round_, floor=floor)


def confirm_values(
    kind: noise.Kind,
    direction: Direction,
    base: Floats,
    head: Floats,
    floor: float,
    leading: Look,
    flagged: int,
) -> list[Look]:
    """Look at fresh runs against as many fresh base runs, or against a stored baseline of fewer."""
    return _confirm(
        lambda n: look_at_values(kind, direction, leading.metric, base[:n], head[:n], "confirm", floor),
        rules.CONFIRM_LEVELS,
        flagged,
    )


def _confirm(look_at: Callable[[int], Look], levels: Iterable[int], flagged: int) -> list[Look]:
    found, _ = rules.until_settled(look_at, levels, max(levels), lambda look: trials.settled(look, flagged))
    return found


# -- shares of many ----------------------------------------------------------------------------


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


def outcome_of(found: Sequence[Trial]) -> Outcome:
    """Sum up gates of one group each."""
    screen = np.array([len(trial.screen[-1].head) for trial in found])
    confirm = np.array([len(trial.confirm[-1].head) if trial.confirm else 0 for trial in found])
    flagged = np.array([trial.flagged for trial in found])
    failed, passed, undecided = (
        np.array([trial.verdict == verdict for trial in found])
        for verdict in ("REGRESSED", "PASS", "INCONCLUSIVE")
    )
    return Outcome(
        trials=len(found),
        flagged=float(flagged.mean()),
        failed=float(failed.mean()),
        passed=float(passed.mean()),
        undecided=float(undecided.mean()),
        screen_runs=float(screen.mean()),
        all_runs=float((screen + confirm).mean()),
        flagged_by={mark: float((flagged & (screen <= mark)).mean()) for mark in MARKS},
        failed_by={mark: float((failed & (screen <= mark)).mean()) for mark in MARKS},
    )


def _chunks(count: int) -> list[int]:
    return [min(CHUNK, count - start) for start in range(0, count, CHUNK)]


def runtime(draw: Draw, slowdown: float, rng: np.random.Generator, count: int) -> Outcome:
    """Put a slowdown (0.1 is 10%) through the screen's looks and, if flagged, through those of the confirm round on new pairs."""
    return paired(lambda trials_, pairs: noise.pairs(draw, slowdown, rng, trials_, pairs), count)


def paired(pairs_of: Callable[[int, int], tuple[Floats, Floats]], count: int) -> Outcome:
    """Do the same with pairs from any source: ``pairs_of(trials, pairs)`` gives base and head, (clocks, trials, pairs) each."""

    def fresh(leading: Look, flagged: int) -> list[Look]:
        base, head = pairs_of(1, CONFIRM_PAIRS)
        return confirm_times(base[:, 0], head[:, 0], leading, flagged)

    found: list[Trial] = []
    for chunk in _chunks(count):
        base, head = pairs_of(chunk, SCREEN_PAIRS)
        for trial in range(chunk):
            looks = screen_times("time", base[:, trial], head[:, trial])
            found += decided([Group("runtime", "worse", looks, fresh)])
    return outcome_of(found)


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
    draw: Draw, loss: float, rng: np.random.Generator, count: int, plan: Plan, floor: float = 0.0
) -> Outcome:
    """Put a loss, in standard deviations over seeds, through screen and confirm round; the floor is in the same unit."""
    return _values(
        "accuracy", lambda n, runs: draw(rng, n, runs), lambda values: values - loss, count, plan, floor
    )


def memory(
    draw: Draw, level: float, growth: float, rng: np.random.Generator, count: int, plan: Plan
) -> Outcome:
    """Put a growth (0.05 is 5%) of `level` MiB above imports through screen and confirm round."""
    return _values(
        "memory",
        lambda n, runs: (level + draw(rng, n, runs)) * MIB,
        lambda values: values + level * growth * MIB,
        count,
        plan,
        0.0,
    )


def _values(
    kind: noise.Kind,
    runs_of: Callable[[int, int], Floats],
    changed: Callable[[Floats], Floats],
    count: int,
    plan: Plan,
    floor: float,
) -> Outcome:
    """Draw runs of a kind, change the head's, and decide gates of one metric each."""
    found: list[Trial] = []
    for chunk in _chunks(count):
        for base, head in zip(runs_of(chunk, plan.base), changed(runs_of(chunk, plan.head)), strict=True):

            def fresh(leading: Look, flagged: int, base: Floats = base) -> list[Look]:
                reference = runs_of(1, CONFIRM_RUNS)[0] if plan.fresh else base
                again = changed(runs_of(1, CONFIRM_RUNS))[0]
                return confirm_values(kind, "worse", reference, again, floor, leading, flagged)

            look = look_at_values(kind, "worse", "value", base, head, "screen", floor)
            found += decided([Group(kind, "worse", [look], fresh)])
    return outcome_of(found)


def standardised(values: Floats) -> Draw:
    """Resample measured scores as noise of mean 0 and standard deviation 1, larger being better."""
    return noise.independent((values - values.mean()) / values.std())


def regimes_of(kind: noise.Kind) -> tuple[Regime, ...]:
    """Return the synthetic regimes of a kind."""
    return {"runtime": noise.RUNTIME, "accuracy": noise.ACCURACY, "memory": noise.MEMORY}[kind]
