"""The bars that the gate was built to, each with what was measured and an honest met or not."""

from __future__ import annotations

import dataclasses
import typing

from benchmarks import busy
from benchmarks.error_rates import noise
from harness.judging.gate.trials import FIRST_PAIRS

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.error_rates.gates import Rates
    from benchmarks.error_rates.simulation import Results


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar."""

    name: str
    """What is asked for."""
    wanted: float
    """Share that the bar sets."""
    at_most: bool
    """Whether it is an upper bound; else a lower one."""
    share: float
    """Share measured."""
    trials: int
    """Trials behind it."""
    detail: str = ""
    """What else a reader should know."""

    @property
    def met(self) -> bool:
        """Whether the measured share keeps the bar."""
        return self.share <= self.wanted if self.at_most else self.share >= self.wanted

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the share (Wilson)."""
        return interval(self.share, self.trials)

    @property
    def verdict(self) -> str:
        """Met, not met, and whether the interval leaves a doubt."""
        low, high = self.interval
        doubt = ", within its uncertainty" if low <= self.wanted <= high else ""
        return ("met" if self.met else "**not met**") + doubt


def interval(share: float, trials: int) -> tuple[float, float]:
    """95% Wilson interval of a share."""
    from scipy.stats import binomtest

    found = binomtest(round(share * trials), trials).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def all_bars(results: Results) -> list[Bar]:
    """List every bar."""
    return [*_whole(results), *_runtime(results), *_loops(results), *_memory(results), *_accuracy(results)]


def _whole(results: Results) -> Iterator[Bar]:
    wanted = {"--against REF": ("fresh base runs", 0.002), "stored baseline": ("a stored baseline", 0.01)}
    for plan, (told, bar) in wanted.items():
        rates = results.whole[plan]
        yield Bar(
            name=f"an unchanged program fails the whole gate, {told}", wanted=bar, at_most=True,
            share=nonzero(rates) / rates.gates, trials=rates.gates, detail=exits(rates),
        )  # fmt: skip


def nonzero(rates: Rates) -> int:
    """Gates that ended with any exit code but 0."""
    return sum(rates.exits.values())


def exits(rates: Rates) -> str:
    """Spell the exit codes out."""
    meaning = {1: "REGRESSED (exit 1)", 2: "INCONCLUSIVE (exit 2)", 3: "IMPROVED (exit 3)"}
    found = ", ".join(f"{rates.exits.get(code, 0)} {told}" for code, told in meaning.items())
    return f"of {rates.gates:,} gates {found}"


def _runtime(results: Results) -> Iterator[Bar]:
    cells = ((noise.NORMAL_24, 7, 0.95), (noise.LOGNORMAL_6, 15, 0.95), (noise.HUMPS_11, 40, 0.85))
    for regime, pairs, bar in cells:
        found = results.runtime[regime.name, 0.1]
        yield Bar(
            name=f"a 10% slowdown fails, {regime.name}, screen within {pairs} pairs", wanted=bar, at_most=False,
            share=found.failed_by[pairs], trials=found.trials, detail=f"{found.all_runs:.0f} pairs in both rounds, mean",
        )  # fmt: skip
    found = results.runtime[noise.HUMPS_11.name, 0.1]
    yield Bar(
        name=f"it is wrongly cleared, {noise.HUMPS_11.name}", wanted=0.05, at_most=True, share=found.passed,
        trials=found.trials, detail=f"INCONCLUSIVE {found.undecided:.3f}",
    )  # fmt: skip


def _loops(results: Results) -> Iterator[Bar]:
    """Bars of one stage of one thread next to busy loops, measured."""
    for loops, rates in results.whole_loops.items():
        yield Bar(
            name=f"an unchanged program fails the whole gate, {loops} busy loops", wanted=0.002, at_most=True,
            share=nonzero(rates) / rates.gates, trials=rates.gates, detail=exits(rates),
        )  # fmt: skip
    wanted = {1.0: 0.99, 0.25: 0.9}
    for (loops, stage, slowdown), found in results.loops.items():
        if stage == busy.STAGES[0] and (slowdown == 1.0 or (slowdown == 0.25 and loops <= 2)):
            yield Bar(
                name=f"{slowdown:.0%} more time fails, one thread, {loops} busy loops", wanted=wanted[slowdown], at_most=False,
                share=found.failed, trials=found.trials, detail=f"{found.all_runs:.0f} pairs in both rounds, mean",
            )  # fmt: skip


def _memory(results: Results) -> Iterator[Bar]:
    for plan in results.whole:
        for regime in noise.MEMORY:
            found = results.memory[plan, regime.name, 100.0, 0.05]
            yield Bar(
                name=f"5% more memory at 100 MiB fails, {regime.name}, {plan}", wanted=0.99, at_most=False,
                share=found.failed, trials=found.trials,
            )  # fmt: skip


def _accuracy(results: Results) -> Iterator[Bar]:
    for plan in results.whole:
        for regime, bar in ((noise.NORMAL, 0.95), (noise.HEAVY, 0.9), (noise.SKEWED, 0.9)):
            found = results.accuracy[plan, regime.name, 3.0]
            yield Bar(
                name=f"a loss of 3 sd over seeds fails, {regime.name}, {plan}", wanted=bar, at_most=False,
                share=found.failed, trials=found.trials,
                detail=f"first look {FIRST_PAIRS} against {FIRST_PAIRS}" if plan != "stored baseline" else "first look 5 against 10",
            )  # fmt: skip
