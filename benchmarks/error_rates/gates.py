"""Whole gates on an unchanged program: every scenario, every metric, both rounds, Holm over what was flagged.

The screens of all gates are computed at once (`looks`); of what they flag the gate's own rule names the leading metric, and the gate's own
`rules` confirm it, look by look, as `harness.gate.trials` does it. Counters and identities are exact and never differ, so that they need no draw.
"""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from benchmarks.error_rates import looks, noise
from benchmarks.error_rates.power import CONFIRM_PAIRS, CONFIRM_RUNS, MIB, SCREEN_PAIRS, stream
from harness.gate import rules, trials
from harness.gate.trials import FIRST_PAIRS
from harness.statistics import holm

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from benchmarks.error_rates.noise import Draw
    from harness.records import Look, Round, Verdict

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
CHUNK = 500

Direction = typing.Literal["worse", "better"]


@dataclasses.dataclass(frozen=True, slots=True)
class Flagged:
    """One group of one gate that the screen flagged."""

    gate: int
    """Which gate."""
    scenario: int
    """Which scenario, and so which noise."""
    kind: noise.Kind
    """Kind of metric."""
    direction: Direction
    """What was tested."""
    reference: Floats | None = None
    """Stored values of the leading metric, where a stored baseline is the reference."""


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


def simulate(gates: int, seed: int, *, fresh: bool) -> Rates:
    """Run gates on an unchanged program.

    Parameters
    ----------
    gates : int
        How many.
    seed : int
        Of the whole page.
    fresh : bool
        Base runs in both rounds, as ``--against REF`` has them, and runtime gated; if not, a stored baseline of 10 runs that both
        rounds use, a baseline of its own for every gate, and no runtime.
    """
    parts = [
        _chunk(min(CHUNK, gates - start), stream(seed, f"gates {fresh} {start}"), fresh=fresh)
        for start in range(0, gates, CHUNK)
    ]
    return Rates(
        gates=gates,
        flagged=sum(part.flagged for part in parts),
        exits=_added(part.exits for part in parts),
        by_kind=_added(part.by_kind for part in parts),
        undecided_times=sum(part.undecided_times for part in parts),
    )


T = typing.TypeVar("T")


def _added(counts: Iterable[dict[T, int]]) -> dict[T, int]:
    total: dict[T, int] = {}
    for count in counts:
        for key, value in count.items():
            total[key] = total.get(key, 0) + value
    return total


def _chunk(gates: int, rng: np.random.Generator, *, fresh: bool) -> Rates:
    """Simulate gates at once, as many as fit into memory."""
    flags: list[Flagged] = []
    open_times = np.zeros(gates, bool)
    for scenario in range(SCENARIOS):
        if fresh:
            flagged, undecided = _screen_times(scenario, rng, gates)
            flags += flagged
            open_times |= undecided
        flags += _screen_values("accuracy", scenario, rng, gates, fresh=fresh)
        flags += _screen_values("memory", scenario, rng, gates, fresh=fresh)
    groups: dict[int, list[Flagged]] = {}
    for flag in flags:
        groups.setdefault(flag.gate, []).append(flag)
    exits: dict[int, int] = {}
    by_kind: dict[str, int] = {}
    for gate, group in groups.items():
        verdicts = list(zip(group, _confirmed(group, rng), strict=True))
        open_times[gate] |= any(v == "INCONCLUSIVE" and flag.kind == "runtime" for flag, v in verdicts)
        code = min((_exit_code(flag, verdict) for flag, verdict in verdicts), default=4)
        if code < 4:
            exits[code] = exits.get(code, 0) + 1
        for kind in {flag.kind for flag, verdict in verdicts if verdict == "REGRESSED"}:
            by_kind[kind] = by_kind.get(kind, 0) + 1
    return Rates(
        gates=gates, flagged=len(groups), exits=exits, by_kind=by_kind, undecided_times=int(open_times.sum())
    )


def _exit_code(flag: Flagged, verdict: Verdict) -> int:
    """Return the exit code that one verdict asks for, as docs/gate.md lists them; 4 for none, so that the lowest wins."""
    if verdict == "INCONCLUSIVE":
        return 4 if flag.kind == "runtime" else 2
    return {"REGRESSED": 1, "IMPROVED": 3}.get(verdict, 4)


# -- draws -------------------------------------------------------------------------------------


def _draw(kind: noise.Kind, scenario: int) -> Draw:
    """Noise of a scenario: the regimes in turn."""
    regimes = {"runtime": noise.RUNTIME, "accuracy": noise.ACCURACY, "memory": noise.MEMORY}[kind]
    return regimes[scenario % len(regimes)].draw


def _times(
    scenario: int, rng: np.random.Generator, gates: int, pairs: int, stages: int
) -> tuple[Floats, Floats]:
    """Pairs of times: what a run's stages share, and a little of their own; (gates, stages, pairs) each."""
    common = noise.pairs(_draw("runtime", scenario), 0.0, rng, gates, pairs)
    base, head = (
        side[:, None, :] * (1 + OWN_TIME * rng.standard_normal((gates, stages, pairs))) for side in common
    )
    return base, head


def _values(
    kind: noise.Kind, scenario: int, rng: np.random.Generator, gates: int, runs: int, metrics: int
) -> Floats:
    """Scores (mean 0, sd 1) or bytes of runs, (gates, metrics, runs), metrics of a run correlated."""
    common = _draw(kind, scenario)(rng, gates, runs)[:, None, :]
    own = rng.standard_normal((gates, metrics, runs))
    if kind == "accuracy":
        return np.asarray(np.sqrt(SHARED_SCORE) * common + np.sqrt(1 - SHARED_SCORE) * own)
    return np.asarray((LEVEL_BYTES + common + OWN_BYTES * own) * MIB)


# -- screens -----------------------------------------------------------------------------------


def _screen_times(
    scenario: int, rng: np.random.Generator, gates: int
) -> tuple[list[Flagged], NDArray[np.bool_]]:
    """Screen a scenario's stages; return the gates it flags, and in which a stage stays open without any alarm."""
    base, head = _times(scenario, rng, gates, SCREEN_PAIRS, TIMES)
    flat = (gates * TIMES, SCREEN_PAIRS)
    screen = looks.runtime_round(base.reshape(flat), head.reshape(flat), "screen")
    alarm = np.asarray(screen.alarm.reshape(gates, TIMES).any(axis=1))
    open_ = np.asarray((~screen.alarm & ~screen.clear).reshape(gates, TIMES).any(axis=1))
    return [
        Flagged(int(gate), scenario, "runtime", "worse") for gate in np.flatnonzero(alarm)
    ], open_ & ~alarm


def _screen_values(
    kind: noise.Kind, scenario: int, rng: np.random.Generator, gates: int, *, fresh: bool
) -> list[Flagged]:
    """Screen a scenario's scores or memory in both directions."""
    metrics = SCORES if kind == "accuracy" else BYTES
    m, n = (FIRST_PAIRS, FIRST_PAIRS) if fresh else (STORED_RUNS, HEAD_RUNS)
    base = _values(kind, scenario, rng, gates, m, metrics)
    head = _values(kind, scenario, rng, gates, n, metrics)
    flags = []
    # of a score less is worse, of memory more: turned round, the same look finds an improvement
    for direction, sign in (("worse", 1.0), ("better", -1.0)):
        way = typing.cast("Direction", direction)
        looked = _look_at_all(kind, base.reshape(-1, m), head.reshape(-1, n), sign)
        alarm = looked.alarm().reshape(gates, metrics)
        for gate in np.flatnonzero(alarm.any(axis=1)):
            reference = None if fresh else base[gate, lead(kind, way, base[gate], head[gate])]
            flags.append(Flagged(int(gate), scenario, kind, way, reference))
    return flags


def _look_at_all(kind: noise.Kind, base: Floats, head: Floats, sign: float) -> looks.Looked:
    if kind == "accuracy":
        return looks.score(sign * base, sign * head, "screen", SCORE_FLOOR)
    return looks.memory(base, head, "screen", better=sign < 0)


def lead(kind: noise.Kind, direction: Direction, base: Floats, head: Floats) -> int:
    """Return which metric leads a group of scores or bytes, (metrics, m) and (metrics, n), by the gate's own looks and its own rule."""
    found = [
        _look(kind, direction, str(index), sides, "screen")
        for index, sides in enumerate(zip(base, head, strict=True))
    ]
    return int(trials.lead(found).metric)


def _look(
    kind: noise.Kind, direction: Direction, name: str, sides: tuple[Floats, Floats], round_: Round
) -> Look:
    """Take the gate's own look at a score, of which less is worse, or at bytes, of which more is."""
    way: rules.Worse = "higher" if (kind == "memory") == (direction == "worse") else "lower"
    if kind == "memory":
        return rules.memory_look(name, *sides, worse=way, round_=round_)
    return rules.score_look(name, *sides, worse=way, round_=round_, floor=SCORE_FLOOR)


# -- the confirm round ------------------------------------------------------------------------


def _confirmed(group: Sequence[Flagged], rng: np.random.Generator) -> list[Verdict]:
    """Confirm a gate's flagged groups on fresh runs with the gate's own rules, then step down through them (Holm)."""
    found = [_ratio(flag, len(group), rng) for flag in group]
    stepped = holm({index: ratio for index, (ratio, _) in enumerate(found)})
    verdicts: list[Verdict] = []
    for index, (flag, (_, cleared)) in enumerate(zip(group, found, strict=True)):
        if stepped[index][1]:
            verdicts.append("REGRESSED" if flag.direction == "worse" else "IMPROVED")
        else:
            verdicts.append("PASS" if cleared else "INCONCLUSIVE")
    return verdicts


def _ratio(flag: Flagged, flagged: int, rng: np.random.Generator) -> tuple[float, bool]:
    """Look until a look clears or settles; return the smallest p as a share of its level, and whether the last look cleared."""
    look_at, counts = _fresh_look(flag, rng)
    return take_looks(look_at, counts, flagged)


def take_looks(look_at: Callable[[int], Look], counts: Iterable[int], flagged: int) -> tuple[float, bool]:
    """Take the looks of one confirm round as `harness.gate.trials` does.

    Returns
    -------
    ratio, cleared
        Smallest p as a share of its level, infinite if nothing was beyond its floor; and whether the last look cleared.
    """
    ratio, cleared = np.inf, False
    for count in counts:
        look = look_at(count)
        cleared, beyond = look.clear, rules.beyond(look)
        ratio = min(ratio, look.p / look.level) if beyond else ratio
        if cleared or (beyond and look.p <= look.level / flagged + 1e-12):
            break
    return float(ratio), cleared


def _fresh_look(flag: Flagged, rng: np.random.Generator) -> tuple[Callable[[int], Look], Iterable[int]]:
    """Draw the fresh runs of a flagged group's leading metric; return how to look at the first n of them, and at which n."""
    if flag.kind == "runtime":
        base, head = (side[0, 0] for side in _times(flag.scenario, rng, 1, CONFIRM_PAIRS, 1))
        return lambda n: rules.runtime_look(
            "lead", base[:n], head[:n], round_="confirm"
        ), rules.RUNTIME_CONFIRM
    head = _values(flag.kind, flag.scenario, rng, 1, CONFIRM_RUNS, 1)[0, 0]
    anew = _values(flag.kind, flag.scenario, rng, 1, CONFIRM_RUNS, 1)[0, 0]

    def look(n: int) -> Look:
        reference = anew[:n] if flag.reference is None else flag.reference
        return _look(flag.kind, flag.direction, "lead", (reference, head[:n]), "confirm")

    return look, rules.CONFIRM_LEVELS
