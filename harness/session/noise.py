"""How loud this machine is: a fixed workload in fresh processes, and what the gate's own runtime rule makes of such times."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import typing

import numpy as np

from harness.errors import WorkerError
from harness.judging.gate import rules
from harness.judging.statistics import paired_rank_p
from harness.measure import runtime
from harness.records import RunRequest
from harness.running import runner

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from harness.records import Look, Round

    Floats = NDArray[np.float64]

PASSES = 30
"""Passes of the calibration kernel in one process: long enough to meet what a stage meets, not the fastest of them."""
SLOWDOWNS = (1.10, 1.15, 1.20, 1.30, 1.50, 2.00)
TRIALS = 400
WANTED = 0.95
"""Share of simulated gates that must see a slowdown before it counts as seen."""
_ONCE = "from harness.session.noise import once; print(*once())"


@dataclasses.dataclass(frozen=True, slots=True)
class Power:
    """What the gate makes of a slowdown, in simulated gates whose times are drawn from samples."""

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


def once() -> tuple[float, float]:
    """Run the fixed workload in this process and return its wall and CPU seconds; the first pass only warms up."""
    runtime.calibrate(1)
    clock = runtime.Clock(lambda: None)
    runtime.calibrate(PASSES)
    return clock.read()


def measure(pairs: int, waiting: Callable[[str], None] = lambda _holder: None) -> tuple[Floats, float | None]:
    """Time the fixed workload in two fresh processes a pair, alone on this machine.

    Parameters
    ----------
    pairs : int
        How many pairs.
    waiting : callable
        Called once before a wait for a job that measures on this machine, with who it is.

    Returns
    -------
    float64 array of shape (2 pairs, 2)
        Wall and CPU seconds of each run; runs 2 i and 2 i + 1 are one pair.
    float or None
        CPU use of other processes meanwhile, in cores; None if the runs were too short to tell.

    Raises
    ------
    WorkerError
        If a process fails.
    """
    # a worker's own environment: the same threads, hash seed and import path
    variables = runner.worker_environment(RunRequest(scenario="", variant="", tier="smoke", seed=0))
    command, times = [sys.executable, "-P", "-c", _ONCE], list[list[float]]()
    with runner.one_at_a_time(waiting):
        foreign = runtime.ForeignCpu()
        for _ in range(2 * pairs):
            done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
            if done.returncode:
                what = "the calibration kernel failed in a fresh process"
                raise WorkerError(what, done.stderr.strip()[-300:])
            times.append([float(seconds) for seconds in done.stdout.split()])
        return np.asarray(times, np.float64), foreign.cores()


def power(runs: Floats, slowdown: float, *, trials: int = TRIALS, seed: int = 0) -> Power:
    """Simulate gates whose pairs are drawn from measured times, the head's made slower.

    Parameters
    ----------
    runs : float64 array of shape (n, 2)
        Measured wall and CPU times of one program, drawn from with replacement; n runs cannot show rarer noise than they hold.
    slowdown : float
        Ratio that the head's times are multiplied by.
    trials, seed : int
        Simulated gates, and the seed of their draws.
    """
    generator = np.random.default_rng(seed)
    ends = [_gate(runs, slowdown, generator) for _ in range(trials)]
    return Power(
        {look: sum(pairs <= look for _, pairs in ends) / trials for look in sorted(rules.RUNTIME_SCREEN)},
        sum(verdict == "cleared" for verdict, _ in ends) / trials,
        sum(verdict == "failed" for verdict, _ in ends) / trials,
    )


def _gate(runs: Floats, slowdown: float, generator: np.random.Generator) -> tuple[str, int]:
    """Return how one simulated gate ends, and the pairs after which its screen alarmed; beyond the last look if it did not."""

    def look_at(levels: Mapping[int, float], round_: Round, clock: rules.Clock | None) -> Look:
        base, head = generator.choice(runs, (2, max(levels)))  # (pairs, 2) each
        head = slowdown * head
        looks, _ = rules.until_settled(
            lambda n: rules.runtime_look(
                "noise", base[:n, 0], head[:n, 0], round_=round_, cpu=(base[:n, 1], head[:n, 1]), clock=clock
            ),
            levels,
            max(levels),
            lambda look: look.alarm,
        )
        return looks[-1]

    screen = look_at(rules.RUNTIME_SCREEN, "screen", None)
    if not screen.alarm:
        return ("cleared" if screen.clear else "open"), max(rules.RUNTIME_SCREEN) + 1
    confirm = look_at(rules.RUNTIME_CONFIRM, "confirm", screen.clock)
    ended = "failed" if confirm.alarm else "cleared" if confirm.clear else "flagged"
    return ended, len(screen.head)


def described(runs: Floats, foreign_cpu: float | None, *, trials: int = TRIALS) -> Iterator[str]:
    """Describe the noise of `measure` and what it costs a gate, line by line."""
    wall, cpu = runs[:, 0], runs[:, 1]
    middle = float(np.median(wall))
    robust = 1.4826 * float(np.median(np.abs(wall - middle))) / middle
    yield f"calibration kernel: {len(wall) // 2} pairs of fresh processes, median {middle:.3g} s"
    yield f"  coefficient of variation {wall.std(ddof=1) / wall.mean():.1%}, robust spread {robust:.1%}"
    yield f"  CPU time: {np.median(cpu / wall):.2f} of the wall time, coefficient of variation {cpu.std(ddof=1) / cpu.mean():.1%}"
    yield f"  fastest {wall.min() / middle:.2f}, slowest {wall.max() / middle:.2f} times the median"
    base, head = wall[::2], wall[1::2]
    ratio = float(np.median(np.divide.outer(head, base)))
    yield f"  the same program against itself: {ratio:.3f} times, p = {paired_rank_p(base, head):.2g}"
    if foreign_cpu is not None and foreign_cpu > 0.1:
        yield f"  disturbed: other processes used {foreign_cpu:.1f} cores; on a quiet machine it needs fewer pairs"
    for slowdown in SLOWDOWNS:
        found = power(runs, slowdown, trials=trials)
        last = max(found.alarmed)
        percent = f"a {slowdown - 1:.0%} slowdown"
        if found.pairs is not None:
            seen = f"{found.alarmed[found.pairs]:.0%} of {trials} simulated gates"
            yield f"  here {percent} needs {found.pairs} pairs: the screen sees it within them in {seen};"
            yield f"  by {last} pairs a round {found.failed:.0%} of all fail, confirmed, and {found.cleared:.1%} clear it wrongly"
            break
        yield f"  here {percent} is seen within {last} pairs in {found.alarmed[last]:.0%} of {trials} simulated gates only"
    same = power(runs, 1.0, trials=trials)
    yield f"  of {trials} gates of an unchanged program, {same.alarmed[max(same.alarmed)]:.1%} want a second look and {same.failed:.1%} fail"
