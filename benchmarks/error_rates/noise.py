"""Regimes of noise: times of runs in the order they were made, memory above imports, shapes of an accuracy's spread over seeds.

Each draw takes a generator and returns one row per trial. Times have median about 1; accuracies have mean 0 and standard deviation 1;
memory is noise in MiB, to be added to a level.
"""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Draw = Callable[[np.random.Generator, int, int], Floats]
    """draw(rng, trials, runs) -> (trials, runs); of times, (2, trials, runs) where CPU times are known too, wall times first."""

Kind = typing.Literal["runtime", "accuracy", "memory"]


@dataclasses.dataclass(frozen=True, slots=True)
class Regime:
    """One kind of noise."""

    name: str
    """Unique within its kind."""
    kind: Kind
    """What it is noise of."""
    draw: Draw
    """Draws values; of runtime, in the order of the runs."""
    told: str
    """What it is, for the page."""
    real: bool = False
    """Whether it resamples measured runs."""
    level: float | None = None
    """Of real memory: MiB above imports, at which it was measured."""


# -- times, in the order of the runs ---------------------------------------------------------


def _normal_times(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    return 1 + 0.024 * rng.standard_normal((trials, runs))


def _lognormal(sigma: float) -> Draw:
    def draw(rng: np.random.Generator, trials: int, runs: int) -> Floats:
        return np.exp(sigma * rng.standard_normal((trials, runs)))

    return draw


def _two_humps(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    upper = 0.225 * (rng.random((trials, runs)) < 0.35)
    return 1 + upper + 0.05 * rng.standard_normal((trials, runs))


def _drifting(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """Stationary AR(1) of the logarithm with sd 8%: neighbours in time correlate .97; 1% of their own on top."""
    memory, sd = 0.97, 0.08
    level = sd * rng.standard_normal((trials, 1))
    steps = sd * np.sqrt(1 - memory**2) * rng.standard_normal((trials, runs))
    found = np.empty((trials, runs))
    for run in range(runs):
        level = memory * level + steps[:, run : run + 1]
        found[:, run] = level[:, 0]
    return np.exp(found + 0.01 * rng.standard_normal((trials, runs)))


def _throttling(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """2% of noise on a clock that drops for 20 runs on average, a third of the time, to 30% slower."""
    slow = rng.random((trials, 1)) < 1 / 3
    switch = rng.random((trials, runs))
    state = np.empty((trials, runs), bool)
    for run in range(runs):
        leaves = np.where(slow[:, 0], 1 / 20, 1 / 40)
        slow = slow ^ (switch[:, run] < leaves)[:, None]
        state[:, run] = slow[:, 0]
    return np.where(state, 1.3, 1.0) * (1 + 0.02 * rng.standard_normal((trials, runs)))


def _busy(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """One thread whose CPU time varies by 3%, and which waits for other processes: the wait varies by 22%."""
    cpu = np.exp(0.03 * rng.standard_normal((trials, runs)))
    return np.stack([1.6 * cpu * np.exp(0.22 * rng.standard_normal((trials, runs))), cpu])


def _spiky_times(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    spikes = rng.exponential(0.5, (trials, runs)) * (rng.random((trials, runs)) < 0.05)
    return 1 + spikes + 0.03 * rng.standard_normal((trials, runs))


NORMAL_24 = Regime("normal 2.4%", "runtime", _normal_times, "bell-shaped, as NumPy loops")
LOGNORMAL_6 = Regime("lognormal 6%", "runtime", _lognormal(0.06), "smooth, skewed, as batched SVD")
HUMPS_11 = Regime(
    "two humps 11%", "runtime", _two_humps, "35% of runs 22.5% slower, 5% within a hump, as small torch steps"
)
LOGNORMAL_11 = Regime("lognormal 11%", "runtime", _lognormal(0.11), "smooth and loud")
DRIFTING_8 = Regime(
    "drifting AR(1) 8%", "runtime", _drifting, "slow drift, neighbours correlate .97, 1% of their own"
)
THROTTLING = Regime(
    "throttling 30%", "runtime", _throttling, "30% slower a third of the time, 20 runs in a row on average"
)
SPIKES = Regime(
    "spikes", "runtime", _spiky_times, "3%, and 5% of runs slower by 50% on average (exponential)"
)
BUSY_22 = Regime(
    "busy loops 22%",
    "runtime",
    _busy,
    "wall time waits for others and varies by 22%, CPU time of its one thread by 3%",
)
ALONE = (NORMAL_24, LOGNORMAL_6, HUMPS_11, LOGNORMAL_11, DRIFTING_8, THROTTLING, SPIKES)
"""Noises of a machine that does nothing else."""
RUNTIME = (*ALONE, BUSY_22)


# -- an accuracy over seeds: mean 0, standard deviation 1, larger is better ---------------------


def normal(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """Bell-shaped noise."""
    return rng.standard_normal((trials, runs))


def heavy(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """Student's t with 4 degrees of freedom."""
    return np.asarray(rng.standard_t(4, (trials, runs)) / np.sqrt(2))


def skewed(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """Exponential with its long tail towards worse values."""
    return 1 - rng.exponential(size=(trials, runs))


def humps(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """Two narrow humps, the worse one a fifth of the time."""
    return 0.4 - 2.0 * (rng.random((trials, runs)) < 0.2) + 0.6 * rng.standard_normal((trials, runs))


def diverging(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """Bell-shaped, but 5% of trainings fall off by some seven times the spread of the rest."""
    fell = rng.random((trials, runs)) < 0.05
    raw = np.where(fell, -7 + 2 * rng.standard_normal((trials, runs)), rng.standard_normal((trials, runs)))
    return np.asarray((raw + 0.35) / np.sqrt(0.95 * 1 + 0.05 * (49 + 4) - 0.35**2))


NORMAL, HEAVY, SKEWED = (
    Regime("normal", "accuracy", normal, "bell-shaped"),
    Regime("t4", "accuracy", heavy, "Student's t, 4 degrees of freedom"),
    Regime("skewed", "accuracy", skewed, "exponential, long tail to worse"),
)
ACCURACY = (
    NORMAL,
    HEAVY,
    SKEWED,
    Regime("two humps", "accuracy", humps, "a fifth of seeds 2 sd lower"),
    Regime("diverging", "accuracy", diverging, "5% of seeds diverge"),
)


# -- memory above imports: MiB round its level ----------------------------------------------


def _tails(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    return np.asarray(0.5 * rng.standard_t(3, (trials, runs)))


def _steps(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """Blocks of 2 MiB: where the level lies between two steps differs from trial to trial."""
    phase = 2 * rng.random((trials, 1))
    return 2 * np.rint((phase + 0.7 * rng.standard_normal((trials, runs))) / 2) - phase


def _spiky_bytes(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    return 0.3 * rng.standard_normal((trials, runs)) + 20.0 * (rng.random((trials, runs)) < 0.05)


TAILS = Regime("t3 tails", "memory", _tails, "Student's t, 3 degrees of freedom, scale 0.5 MiB")
MEMORY = (
    TAILS,
    Regime("2 MiB steps", "memory", _steps, "whole blocks of 2 MiB of a value with sd 0.7 MiB"),
    Regime("spikes", "memory", _spiky_bytes, "sd 0.3 MiB, and 5% of runs 20 MiB higher"),
)


# -- resampling of measured runs ---------------------------------------------------------------


def independent(values: Floats) -> Draw:
    """Draw runs one by one, with replacement, from measured ones, (runs,) or (clocks, runs)."""

    def draw(rng: np.random.Generator, trials: int, runs: int) -> Floats:
        return np.asarray(values[..., rng.integers(values.shape[-1], size=(trials, runs))])

    return draw


def stretches(values: Floats) -> Draw:
    """Draw consecutive measured runs, of (runs,) or (clocks, runs), from a random start; after the last one comes the first."""

    def draw(rng: np.random.Generator, trials: int, runs: int) -> Floats:
        start = rng.integers(values.shape[-1], size=(trials, 1))
        return np.asarray(values[..., (start + np.arange(runs)) % values.shape[-1]])

    return draw


# -- pairs -------------------------------------------------------------------------------------


def pairs(
    draw: Draw, slowdown: float, rng: np.random.Generator, trials: int, count: int
) -> tuple[Floats, Floats]:
    """Run base and head in pairs whose order a coin draws; head takes `slowdown` longer (0.1 is 10%).

    Returns
    -------
    base, head : float64 arrays of shape (clocks, trials, count)
        Wall times first; CPU times second where the noise has them.
    """
    times = draw(rng, trials, 2 * count).reshape(
        -1, trials, count, 2
    )  # (clocks, trials, pair, first or second)
    head_first = rng.random((trials, count)) < 0.5
    first, second = times[..., 0], times[..., 1]
    base = np.where(head_first, second, first)
    head = np.where(head_first, first, second) * (1 + slowdown)
    return base, head


def variation(regime: Regime, rng: np.random.Generator) -> float:
    """Coefficient of variation of a regime's times (in logarithms, so that it is one number for all levels)."""
    return float(np.log(regime.draw(rng, 2000, 80).reshape(-1, 2000, 80)[0]).std())
