"""How loud this machine is: a fixed workload in fresh processes, and what the gate's own runtime rule makes of such times."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
import typing
from pathlib import Path

import numpy as np

from harness import executors, files, runner
from harness.errors import WorkerError
from harness.gate import rules
from harness.measure import runtime
from harness.records import RunRequest
from harness.statistics import paired_rank_p

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from harness.records import Round, Scenario

    Floats = NDArray[np.float64]

PASSES = 30
"""Passes of the calibration kernel in one process: long enough to meet what a stage meets, not the fastest of them."""
SLOWDOWNS = (1.10, 1.15, 1.20, 1.30, 1.50, 2.00)
TRIALS = 400
WANTED = 0.95
"""Share of simulated gates that must see a slowdown before it counts as seen."""
_ONCE = "from harness.noise import once; print(once())"


@dataclasses.dataclass(frozen=True, slots=True)
class Samples:
    """Times of one program against itself."""

    workload: str
    """What was run."""
    base: tuple[float, ...]
    """Seconds of the first of each pair."""
    head: tuple[float, ...]
    """Seconds of the second of each pair."""
    foreign_cpu: float
    """CPU use of other processes meanwhile, in cores."""

    @property
    def values(self) -> Floats:
        """All times, (2 pairs,), seconds."""
        return np.asarray([*self.base, *self.head], np.float64)


@dataclasses.dataclass(frozen=True, slots=True)
class Power:
    """What the gate makes of a slowdown, in simulated gates whose times are drawn from samples."""

    slowdown: float
    """True ratio of head to base."""
    alarmed: Mapping[int, float]
    """Pairs to the share of gates whose screen alarmed within so many."""
    cleared: float
    """Share of gates that cleared it."""
    failed: float
    """Share of gates that confirmed it on fresh pairs."""

    @property
    def pairs(self) -> int | None:
        """Pairs of the first look by which enough gates alarmed; None if the last is not enough."""
        return min((pairs for pairs, share in self.alarmed.items() if share >= WANTED), default=None)


# -- measuring ---------------------------------------------------------------------------------------------------------


def once() -> float:
    """Run the fixed workload in this process and return its wall seconds; the first pass only warms up."""
    runtime.calibrate(1)
    clock = runtime.Clock(lambda: None)
    runtime.calibrate(PASSES)
    return clock.read()[0]


def of_calibration(pairs: int, waiting: Callable[[], None] = lambda: None) -> Samples:
    """Time the fixed workload in two fresh processes a pair, alone on this machine.

    Parameters
    ----------
    pairs : int
        How many pairs.
    waiting : callable
        Called once before a wait for a job that measures on this machine.

    Raises
    ------
    WorkerError
        If a process fails.
    """
    foreign = runtime.ForeignCpu()
    with runner.one_at_a_time(waiting), foreign.watching():
        times = [_in_fresh_process() for _ in range(2 * pairs)]
    return Samples("calibration kernel", tuple(times[::2]), tuple(times[1::2]), foreign.cores())


def _in_fresh_process() -> float:
    # a worker's own environment: the same threads, hash seed and import path
    variables = runner.worker_environment(RunRequest(scenario="", variant="", tier="smoke", seed=0))
    command = [sys.executable, "-P", "-c", _ONCE]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkerError("the calibration kernel failed in a fresh process", done.stderr.strip()[-300:])
    return float(done.stdout)


def of_scenario(
    scenario: Scenario,
    variant: str,
    paths: tuple[str, ...],
    pairs: int,
    waiting: Callable[[], None] = lambda: None,
) -> Samples:
    """Time one seed of a scenario's smoke tier, two runs a pair, as a gate runs it.

    Raises
    ------
    WorkerError
        If a run fails.
    """
    requests = [
        RunRequest(
            scenario=scenario.name, variant=variant, tier="smoke", seed=0, repeat=number, backend=scenario.backends[0],
            scenario_paths=files.absolute(paths),
        )
        for number in range(2 * pairs)
    ]  # fmt: skip
    times, foreign = [], 0.0
    with tempfile.TemporaryDirectory() as folder, executors.opened("local", waiting=waiting) as executor:
        for result in executors.run_all(executor, requests, {scenario.name: scenario}, Path(folder)):
            if result.status != "ok" or result.measurement is None:
                raise WorkerError(f"a run of {scenario.name}:{variant} failed: {result.error}")
            times.append(float(typing.cast("float", result.metrics["total.seconds"].value)))
            foreign = max(foreign, result.measurement.foreign_cpu)
    return Samples(f"{scenario.name}:{variant}, smoke tier", tuple(times[::2]), tuple(times[1::2]), foreign)


# -- what the rule makes of it -----------------------------------------------------------------------------------------


def power(values: Floats, slowdown: float, *, trials: int = TRIALS, seed: int = 0) -> Power:
    """Simulate gates whose pairs are drawn from measured times, the head's made slower.

    Parameters
    ----------
    values : float64 array of shape (n,)
        Measured times of one program, drawn from with replacement; n pairs cannot show rarer noise than they hold.
    slowdown : float
        Ratio that the head's times are multiplied by.
    trials, seed : int
        Simulated gates, and the seed of their draws.
    """
    generator = np.random.default_rng(seed)
    ends = [_gate(values, slowdown, generator) for _ in range(trials)]
    return Power(
        slowdown,
        {look: sum(pairs <= look for _, pairs in ends) / trials for look in sorted(rules.RUNTIME_SCREEN)},
        sum(verdict == "cleared" for verdict, _ in ends) / trials,
        sum(verdict == "failed" for verdict, _ in ends) / trials,
    )


def _gate(values: Floats, slowdown: float, generator: np.random.Generator) -> tuple[str, int]:
    """Return how one simulated gate ends, and the pairs after which its screen alarmed; beyond the last look if it did not."""
    ended, pairs = _round(values, slowdown, generator, "screen")
    if ended != "alarm":
        return ("cleared" if ended == "clear" else "open"), max(rules.RUNTIME_SCREEN) + 1
    confirmed, _ = _round(values, slowdown, generator, "confirm")
    return {"alarm": "failed", "clear": "cleared", "open": "flagged"}[confirmed], pairs


def _round(values: Floats, slowdown: float, generator: np.random.Generator, round_: Round) -> tuple[str, int]:
    levels = rules.RUNTIME_SCREEN if round_ == "screen" else rules.RUNTIME_CONFIRM
    base, head = generator.choice(values, (2, max(levels)))  # (pairs,) each
    for pairs in sorted(levels):
        look = rules.runtime_look("noise", base[:pairs], slowdown * head[:pairs], round_=round_)
        if look.alarm or look.clear:
            return ("alarm" if look.alarm else "clear"), pairs
    return "open", max(levels)


# -- telling -----------------------------------------------------------------------------------------------------------


def described(samples: Samples, *, trials: int = TRIALS) -> str:
    """Describe the noise and what it costs a gate, in a few lines."""
    return "\n".join([*_spread(samples), *_needs(samples.values, trials)])


def _spread(samples: Samples) -> Iterator[str]:
    values = samples.values
    middle = float(np.median(values))
    robust = 1.4826 * float(np.median(np.abs(values - middle))) / middle
    yield f"{samples.workload}: {len(samples.base)} pairs of fresh processes, median {middle:.3g} s"
    yield f"  coefficient of variation {values.std(ddof=1) / values.mean():.1%}, robust spread {robust:.1%}"
    yield f"  fastest {values.min() / middle:.2f}, slowest {values.max() / middle:.2f} times the median"
    base, head = np.asarray(samples.base), np.asarray(samples.head)
    ratio = float(np.median(np.divide.outer(head, base)))
    yield f"  the same program against itself: {ratio:.3f} times, p = {paired_rank_p(base, head):.2g}"
    if samples.foreign_cpu > 0.1:
        yield f"  DISTURBED: other processes used {samples.foreign_cpu:.1f} cores; on a quiet machine it needs fewer pairs"


def _needs(values: Floats, trials: int) -> Iterator[str]:
    """Say what a 10% slowdown needs; where 40 pairs are not enough, what they are enough for."""
    for slowdown in SLOWDOWNS:
        found = power(values, slowdown, trials=trials)
        last = max(found.alarmed)
        percent = f"a {slowdown - 1:.0%} slowdown"
        if found.pairs is not None:
            seen = f"{found.alarmed[found.pairs]:.0%} of {trials} simulated gates"
            yield f"  here {percent} needs {found.pairs} pairs: the screen sees it within them in {seen};"
            yield f"  by {last} pairs a round {found.failed:.0%} of all fail, confirmed, and {found.cleared:.1%} clear it wrongly"
            break
        seen = f"{found.alarmed[last]:.0%} of {trials} simulated gates"
        yield f"  here {percent} is seen within {last} pairs in {seen} only"
    same = power(values, 1.0, trials=trials)
    yield f"  of {trials} gates of an unchanged program, {same.alarmed[max(same.alarmed)]:.1%} want a second look and {same.failed:.1%} fail"
