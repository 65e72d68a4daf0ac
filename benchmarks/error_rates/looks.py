"""The gate's looks for many trials at once, with the levels and floors of `harness.gate.rules` and `harness.gate.floors`.

Rows are trials. `tests/test_error_rates.py` holds every function here against the gate's own, look by look.
"""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from benchmarks.error_rates import exact
from harness.gate import floors, rules
from harness.statistics import t_quantile

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from harness.records import Round

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Look = Callable[[Floats, Floats, Round], "Looked"]

MIB = 2.0**20
_NEAR = 1e-6
"""What rounding may do to a gap, relative; as the gate allows."""


@dataclasses.dataclass(frozen=True, slots=True)
class Looked:
    """One look at each trial."""

    p: Floats
    """Largest p of the tests that must agree, (trials,)."""
    beyond: Bools
    """Whether the estimate is beyond the floor, (trials,)."""
    clear: Bools
    """Whether a difference that matters is excluded, (trials,)."""
    level: float
    """Level of the look."""

    def alarm(self, divisor: float = 1.0) -> Bools:
        """Whether p is within the level, divided by Holm's divisor, and the estimate beyond the floor."""
        return self.beyond & (self.p <= self.level / divisor + exact.CLOSE)


def score(base: Floats, head: Floats, round_: Round, floor: float = 0.0) -> Looked:
    """Look at scores of which less is worse: (trials, m) and (trials, n)."""
    gap = base.mean(axis=1) - head.mean(axis=1)
    bound, ranks = exact.t_bound_p(base, head), exact.rank_p(head, base)
    screen = round_ == "screen"
    level = rules.SCREEN_LEVEL if screen else rules.confirm_level(head.shape[1])
    share = rules.T_SHARE if screen else 1.0
    m, n = base.shape[1], head.shape[1]
    deviation = base.std(axis=1, ddof=1)
    upper = gap + t_quantile(0.99, m - 1) * deviation * np.sqrt(1 / m + 1 / n)
    matters = np.maximum(_loss_that_matters(deviation, head), floor)
    return Looked(np.maximum(share * bound, ranks), _above(gap, floor), upper <= matters * (1 + _NEAR), level)


def _loss_that_matters(deviation: Floats, head: Floats) -> Floats:
    """Say what `harness.gate.rules.loss_that_matters` says, of every trial."""
    runs = max((look for look in rules.MATTERS_SD if look <= head.shape[1]), default=min(rules.MATTERS_SD))
    if runs == max(rules.MATTERS_SD):
        deviation = np.clip(head.std(axis=1, ddof=1), deviation, 2 * deviation)
    return rules.MATTERS_SD[runs] * deviation


def memory(base: Floats, head: Floats, round_: Round, *, better: bool = False) -> Looked:
    """Look at bytes, of which more is worse, or for an improvement: (trials, m) and (trials, n)."""
    sign = -1.0 if better else 1.0
    growth = sign * exact.median_difference(base, head)
    floor = np.maximum(floors.MEMORY_SHARE * np.median(base, axis=1), floors.MEMORY_BYTES)
    level = rules.MEMORY_SCREEN_LEVEL if round_ == "screen" else rules.confirm_level(head.shape[1])
    above = _above(growth, floor)
    return Looked(exact.rank_p(sign * base, sign * head), above, ~above, level)


def _above(estimate: Floats, floor: Floats | float) -> Bools:
    return np.asarray(estimate > np.asarray(floor) * (1 + _NEAR))


# -- rounds of several looks -------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Rounded:
    """One round of looks at each trial: it ends at the first look that raises an alarm or clears."""

    alarm: Bools
    """Whether it ended with an alarm, (trials,)."""
    clear: Bools
    """Whether it ended with a difference that matters excluded, (trials,)."""
    runs: Ints
    """Runs of a side when it ended, (trials,)."""

    def alarm_by(self, runs: int) -> Bools:
        """Whether the alarm came within so many runs of a side."""
        return self.alarm & (self.runs <= runs)


def runtime_round(base: Floats, head: Floats, round_: Round, divisor: float = 1.0) -> Rounded:
    """Look at pairs of times until one look decides: (trials, pairs) each; looks beyond `pairs` are left out."""
    levels = rules.RUNTIME_SCREEN if round_ == "screen" else rules.RUNTIME_CONFIRM

    def decide(base: Floats, head: Floats) -> tuple[Bools, Bools]:
        pairs = base.shape[1]
        pooled = rules.RUNTIME_POOLED.get(pairs, 0.0) if round_ == "screen" else 0.0
        return runtime_alarm(base, head, levels[pairs] / divisor, pooled), runtime_clear(base, head)

    return _until_decided(base, head, levels, decide)


def runtime_alarm(base: Floats, head: Floats, level: float, pooled: float = 0.0) -> Bools:
    """Whether the exact test is within its level, or the pooled t test within its own, and the median ratio beyond the floor."""
    alarm = exact.signflip_within(exact.paired_rank_differences(base, head), level)
    if pooled:
        alarm |= exact.pooled_t_p(np.log(base), np.log(head)) <= pooled + exact.CLOSE
    alarm[alarm] = _above(exact.median_ratio(base[alarm], head[alarm]), rules.SLOWDOWN_FLOOR)
    return alarm


def runtime_clear(base: Floats, head: Floats) -> Bools:
    """Whether the slowdown that matters is excluded at this look's level."""
    differences = exact.paired_rank_differences(head / rules.SLOWDOWN_EXCLUDED, base)
    return exact.signflip_within(differences, rules.RUNTIME_CLEAR[base.shape[1]])


def score_confirm(base: Floats, head: Floats, divisor: float = 1.0, floor: float = 0.0) -> Rounded:
    """Confirm a score: fresh base runs as many as head's, (trials, n) each, or a stored baseline of a fixed size."""
    return _confirm(base, head, divisor, lambda b, h, r: score(b, h, r, floor))


def memory_confirm(base: Floats, head: Floats, divisor: float = 1.0) -> Rounded:
    """Confirm a growth of memory, as `score_confirm` does a loss."""
    return _confirm(base, head, divisor, memory)


def _confirm(base: Floats, head: Floats, divisor: float, look: Look) -> Rounded:
    def decide(base: Floats, head: Floats) -> tuple[Bools, Bools]:
        looked = look(base, head, "confirm")
        return looked.alarm(divisor), looked.clear

    return _until_decided(base, head, rules.CONFIRM_LEVELS, decide)


def _until_decided(
    base: Floats,
    head: Floats,
    looks: Mapping[int, float],
    decide: Callable[[Floats, Floats], tuple[Bools, Bools]],
) -> Rounded:
    """Take look after look at the trials that are still open; an alarm goes before a clearing."""
    trials = len(head)
    alarm, clear = np.zeros(trials, bool), np.zeros(trials, bool)
    runs = np.full(trials, max(look for look in looks if look <= head.shape[1]))
    open_ = np.arange(trials)
    for look in sorted(look for look in looks if look <= head.shape[1]):
        alarmed, cleared = decide(base[open_, :look], head[open_, :look])
        alarm[open_], clear[open_] = alarmed, cleared & ~alarmed
        decided = alarmed | cleared
        runs[open_[decided]] = look
        open_ = open_[~decided]
        if not len(open_):
            break
    return Rounded(alarm, clear, runs)
