"""Whole gates on an unchanged program: every scenario, every metric, both rounds, Holm over what was flagged.

The values are drawn here; what follows from them is the gate's own (`power.decided`). Counters and identities are exact and never differ,
so that they need no draw.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections import Counter

import numpy as np

from benchmarks.error_rates import noise, power
from benchmarks.error_rates.power import CHUNK, CONFIRM_PAIRS, CONFIRM_RUNS, MIB, SCREEN_PAIRS, Group
from harness.judging import outcome
from harness.judging.gate.trials import FIRST_PAIRS
from harness.records import GateSettings, Judgement

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.error_rates.noise import Draw
    from harness.records import Look, Trial

    Floats = NDArray[np.float64]

SCENARIOS, TIMES, SCORES, BYTES, COUNTED = 8, 5, 3, 4, 3
"""Scenarios, and of each the drawn metrics of each kind; two counters and one identity make 15."""
STORED_RUNS, HEAD_RUNS = 10, 5
OWN_TIME = 0.015
"""Noise of a stage's own, beside what all stages of a run share."""
SHARED_SCORE = 0.95
"""Correlation of accuracy, F1 and loss."""
SCORE_FLOOR = 1e-6
"""Floor of every score, in standard deviations: hardly any, as rounding's is, and the same for all."""
OWN_BYTES, LEVEL_BYTES = 0.2, 100.0
"""MiB of a memory metric's own noise, and above imports."""
WAYS: tuple[power.Direction, ...] = ("worse", "better")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How an unchanged program fares."""

    gates: int
    """How many gates were simulated."""
    flagged: int
    """Gates whose screen asked for a confirm round."""
    exits: dict[int, int]
    """Exit code to gates; 0 is left out."""
    by_kind: dict[str, int]
    """Kind of metric to gates in which it was REGRESSED."""
    undecided_times: int
    """Gates in which a runtime stayed INCONCLUSIVE, which is printed and exits 0."""


def simulate(rng: np.random.Generator, gates: int, *, fresh: bool, times: Sequence[Draw] = ()) -> Rates:
    """Run gates on an unchanged program.

    Parameters
    ----------
    rng : Generator
        Source of all draws.
    gates : int
        How many.
    fresh : bool
        Base runs in both rounds, as ``--against REF`` has them, and runtime gated; if not, a stored baseline of 10 runs that both
        rounds use, a baseline of its own for every gate, and no runtime.
    times : sequence of callable
        Noises of the scenarios' times, taken in turn; by default those of a machine that does nothing else.
    """
    drawn = times or [regime.draw for regime in noise.ALONE]
    flagged, undecided, exits, by_kind = 0, 0, Counter[int](), Counter[str]()
    for start in range(0, gates, CHUNK):
        chunk = min(CHUNK, gates - start)
        groups: list[list[Group]] = [[] for _ in range(chunk)]
        for scenario in range(SCENARIOS):
            if fresh:
                _add_times(groups, scenario, drawn[scenario % len(drawn)], rng)
            for kind in ("accuracy", "memory"):
                _add_values(groups, kind, scenario, rng, fresh=fresh)
        for found in map(power.decided, groups):
            flagged += any(trial.flagged for trial in found)
            undecided += any((trial.kind, trial.verdict) == ("runtime", "INCONCLUSIVE") for trial in found)
            exits[exit_code(found)] += 1
            by_kind.update({trial.kind for trial in found if trial.verdict == "REGRESSED"})
    del exits[0]
    return Rates(
        gates=gates, flagged=flagged, exits=dict(exits), by_kind=dict(by_kind), undecided_times=undecided
    )


def exit_code(found: Sequence[Trial]) -> int:
    """Return the exit code that the gate gives to these verdicts."""
    judged = (
        Judgement(against="baseline", metric=trial.metric, kind=trial.kind, verdict=trial.verdict, gated=True)
        for trial in found
    )
    return min({outcome.code_of(judgement, GateSettings()) for judgement in judged} - {0}, default=0)


# -- draws -------------------------------------------------------------------------------------


def _add_times(groups: Sequence[list[Group]], scenario: int, draw: Draw, rng: np.random.Generator) -> None:
    """Screen the times of a scenario's stages in every gate: what a run's stages share, and a little of their own."""

    def stages(gates: int, pairs: int, count: int) -> Iterator[Floats]:
        for side in noise.pairs(draw, 0.0, rng, gates, pairs):  # (clocks, gates, pairs)
            own = 1 + OWN_TIME * rng.standard_normal((gates, count, pairs))
            yield side[:, :, None, :] * own  # (clocks, gates, stages, pairs)

    def fresh(leading: Look, flagged: int) -> list[Look]:
        base, head = (side[:, 0, 0] for side in stages(1, CONFIRM_PAIRS, 1))
        return power.confirm_times(base, head, leading, flagged)

    base, head = stages(len(groups), SCREEN_PAIRS, TIMES)
    for gate, own in enumerate(groups):
        looks = [
            look
            for stage in range(TIMES)
            for look in power.screen_times(str(stage), base[:, gate, stage], head[:, gate, stage])
        ]
        own.append(Group("runtime", "worse", looks, fresh, scenario))


def _add_values(
    groups: Sequence[list[Group]], kind: noise.Kind, scenario: int, rng: np.random.Generator, *, fresh: bool
) -> None:
    """Screen a scenario's scores or memory in every gate, in both directions."""
    regimes = power.regimes_of(kind)
    draw = regimes[scenario % len(regimes)].draw

    def values(gates: int, runs: int, metrics: int) -> Floats:
        """Scores (mean 0, sd 1) or bytes of runs, (gates, metrics, runs), metrics of a run correlated."""
        common = draw(rng, gates, runs)[:, None, :]
        own = rng.standard_normal((gates, metrics, runs))
        if kind == "accuracy":
            return np.asarray(np.sqrt(SHARED_SCORE) * common + np.sqrt(1 - SHARED_SCORE) * own)
        return np.asarray((LEVEL_BYTES + common + OWN_BYTES * own) * MIB)

    def confirmed(stored: Floats | None, way: power.Direction, leading: Look, flagged: int) -> list[Look]:
        """Take fresh runs of the leading metric, on both sides or against what is stored of it."""
        head, again = (values(1, CONFIRM_RUNS, 1)[0, 0] for _ in range(2))
        base = again if stored is None else stored[int(leading.metric)]
        return power.confirm_values(kind, way, base, head, SCORE_FLOOR, leading, flagged)

    metrics = SCORES if kind == "accuracy" else BYTES
    base = values(len(groups), FIRST_PAIRS if fresh else STORED_RUNS, metrics)
    head = values(len(groups), FIRST_PAIRS if fresh else HEAD_RUNS, metrics)
    for gate, own in enumerate(groups):
        for way in WAYS:
            looks = [
                power.look_at_values(
                    kind, way, str(metric), base[gate, metric], head[gate, metric], "screen", SCORE_FLOOR
                )
                for metric in range(metrics)
            ]
            stored = None if fresh else base[gate]
            own.append(Group(kind, way, looks, functools.partial(confirmed, stored, way), scenario))
