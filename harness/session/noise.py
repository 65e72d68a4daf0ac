"""How loud this machine is: a fixed workload in fresh processes, and what the gate's own runtime rule makes of such times."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
import typing
from pathlib import Path

import numpy as np

from harness.errors import WorkerError
from harness.judging.gate import rules
from harness.judging.statistics import paired_rank_p
from harness.measure import runtime
from harness.records import RunRequest
from harness.running import executors, runner
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from harness.records import Look, Round, Scenario

    Floats = NDArray[np.float64]

PASSES = 30
"""Passes of the calibration kernel in one process: long enough to meet what a stage meets, not the fastest of them."""
SLOWDOWNS = (1.10, 1.15, 1.20, 1.30, 1.50, 2.00)
TRIALS = 400
WANTED = 0.95
"""Share of simulated gates that must see a slowdown before it counts as seen."""
_ONCE = "from harness.session.noise import once; print(*once())"


@dataclasses.dataclass(frozen=True, slots=True)
class Samples:
    """Times of one program against itself."""

    workload: str
    """What was run."""
    runs: Floats
    """Wall and CPU seconds of each run, float64 (2 pairs, 2); run 2 i and run 2 i + 1 are one pair."""
    foreign_cpu: float | None
    """CPU use of other processes meanwhile, in cores; None if the runs were too short to tell."""

    @property
    def wall(self) -> Floats:
        """Wall times, (2 pairs,), seconds."""
        return np.asarray(self.runs[:, 0])


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


def once() -> tuple[float, float]:
    """Run the fixed workload in this process and return its wall and CPU seconds; the first pass only warms up."""
    runtime.calibrate(1)
    clock = runtime.Clock(lambda: None)
    runtime.calibrate(PASSES)
    return clock.read()


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
    with runner.one_at_a_time(waiting):
        foreign = runtime.ForeignCpu()
        times = np.asarray([_in_fresh_process() for _ in range(2 * pairs)], np.float64)
        return Samples("calibration kernel", times, foreign.cores())


def _in_fresh_process() -> list[float]:
    # a worker's own environment: the same threads, hash seed and import path
    variables = runner.worker_environment(RunRequest(scenario="", variant="", tier="smoke", seed=0))
    command = [sys.executable, "-P", "-c", _ONCE]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkerError("the calibration kernel failed in a fresh process", done.stderr.strip()[-300:])
    return [float(seconds) for seconds in done.stdout.split()]


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
    times, foreign = [], list[float | None]()
    with tempfile.TemporaryDirectory() as folder, executors.opened("local", waiting=waiting) as executor:
        for result in executors.run_all(executor, requests, {scenario.name: scenario}, Path(folder)):
            if result.status != "ok" or result.measurement is None:
                raise WorkerError(f"a run of {scenario.name}:{variant} failed: {result.error}")
            times.append([result.metrics[name].value for name in ("total.seconds", "total.cpu_seconds")])
            foreign.append(result.measurement.foreign_cpu)
    loudest = max((cores for cores in foreign if cores is not None), default=None)
    return Samples(f"{scenario.name}:{variant}, smoke tier", np.asarray(times, np.float64), loudest)


# -- what the rule makes of it -----------------------------------------------------------------------------------------


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
        slowdown,
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


# -- telling -----------------------------------------------------------------------------------------------------------


def described(samples: Samples, *, trials: int = TRIALS) -> str:
    """Describe the noise and what it costs a gate, in a few lines."""
    return "\n".join([*_spread(samples), *_needs(samples.runs, trials)])


def _spread(samples: Samples) -> Iterator[str]:
    wall, cpu = samples.wall, samples.runs[:, 1]
    middle = float(np.median(wall))
    robust = 1.4826 * float(np.median(np.abs(wall - middle))) / middle
    yield f"{samples.workload}: {len(wall) // 2} pairs of fresh processes, median {middle:.3g} s"
    yield f"  coefficient of variation {wall.std(ddof=1) / wall.mean():.1%}, robust spread {robust:.1%}"
    yield f"  CPU time: {np.median(cpu / wall):.2f} of the wall time, coefficient of variation {cpu.std(ddof=1) / cpu.mean():.1%}"
    yield f"  fastest {wall.min() / middle:.2f}, slowest {wall.max() / middle:.2f} times the median"
    base, head = wall[::2], wall[1::2]
    ratio = float(np.median(np.divide.outer(head, base)))
    yield f"  the same program against itself: {ratio:.3f} times, p = {paired_rank_p(base, head):.2g}"
    if samples.foreign_cpu is not None and samples.foreign_cpu > 0.1:
        yield f"  disturbed: other processes used {samples.foreign_cpu:.1f} cores; on a quiet machine it needs fewer pairs"


def _needs(runs: Floats, trials: int) -> Iterator[str]:
    """Say what a 10% slowdown needs; where 40 pairs are not enough, what they are enough for."""
    for slowdown in SLOWDOWNS:
        found = power(runs, slowdown, trials=trials)
        last = max(found.alarmed)
        percent = f"a {slowdown - 1:.0%} slowdown"
        if found.pairs is not None:
            seen = f"{found.alarmed[found.pairs]:.0%} of {trials} simulated gates"
            yield f"  here {percent} needs {found.pairs} pairs: the screen sees it within them in {seen};"
            yield f"  by {last} pairs a round {found.failed:.0%} of all fail, confirmed, and {found.cleared:.1%} clear it wrongly"
            break
        seen = f"{found.alarmed[last]:.0%} of {trials} simulated gates"
        yield f"  here {percent} is seen within {last} pairs in {seen} only"
    same = power(runs, 1.0, trials=trials)
    yield f"  of {trials} gates of an unchanged program, {same.alarmed[max(same.alarmed)]:.1%} want a second look and {same.failed:.1%} fail"
