"""How often `harness bisect` names the right commit, and with how many runs, next to plain bisection; docs/history.md prints the table."""

from __future__ import annotations

import math
import typing

import numpy as np

from harness.judging import bisection

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Draw = Callable[[np.random.Generator], float]
    Take = Callable[[int], float]

COMMITS = (16, 128)
STEPS = (0, 2, 3)
"""Sizes of the step, in standard deviations of one value; without a step it is right to name no commit."""
PLAIN = (1, 5)
"""Runs of each commit of a plain bisection."""
PAIR_SD = 0.05
"""Standard deviation of the logarithm of a pair's ratio of times."""
MOST_RUNS = 500

NOISE: dict[str, Draw] = {
    "normal": lambda generator: generator.normal(),
    "heavy tails (t, 3 degrees)": lambda generator: generator.standard_t(3) / math.sqrt(3),
    "whole images, sd of one": lambda generator: float(np.round(generator.normal())),
}
PAIRS = "times in pairs, normal"


def rows(trials: int, seed: int, names: Sequence[str] = (*NOISE, PAIRS)) -> Iterator[dict[str, typing.Any]]:
    """Yield the shares of searches that named the right commit, a wrong one, or none, and their mean number of runs.

    Parameters
    ----------
    trials : int
        Searches of a row, each for a commit drawn at random.
    seed : int
        Of all draws; every row has a stream of its own.
    names : sequence of str
        Kinds of noise.
    """
    for name in names:
        for count in COMMITS:
            for step in STEPS:
                generator = np.random.default_rng([seed, [*NOISE, PAIRS].index(name), count, step])
                ends = [_trial(generator, name, count, step) for _ in range(trials)]
                right = sum(place == (truth if step else None) for place, _, truth in ends)
                named = sum(place is not None for place, _, _ in ends)
                yield {
                    "noise": name,
                    "commits": count,
                    "sd": step,
                    "right": right / trials,
                    "wrong": (named if not step else named - right) / trials,
                    "runs": sum(runs for _, runs, _ in ends) / trials,
                    "plain": [_plain(generator, name, count, step, each, trials) for each in PLAIN],
                }


def _trial(generator: np.random.Generator, name: str, count: int, step: float) -> tuple[int | None, int, int]:
    """Search once; return the place of the commit that was named, the runs, and the place of the right one."""
    truth = int(generator.integers(1, count))
    if name == PAIRS:
        place, runs = _paired(generator, truth, count, step)
    else:
        place, runs = _scored(lambda at: NOISE[name](generator) + step * (at >= truth), count)
    return place, runs, truth


def _scored(take: Take, count: int) -> tuple[int | None, int]:
    values: list[list[float]] = [[] for _ in range(count)]
    for runs in bisection.end_looks("accuracy"):
        for end in (0, count - 1):
            values[end] += [take(end) for _ in range(runs - len(values[end]))]
        good, bad = np.asarray(values[0]), np.asarray(values[-1])
        if bisection.look("score", "accuracy", "", good, bad).alarm:
            return _searched(take, values, float(bad.mean() - good.mean()), from_zero=False)
    return None, sum(map(len, values))


def _paired(generator: np.random.Generator, truth: int, count: int, step: float) -> tuple[int | None, int]:
    def times(at: int, pairs: int) -> np.ndarray[typing.Any, np.dtype[np.float64]]:
        logarithms = generator.normal(scale=PAIR_SD / math.sqrt(2), size=(2, pairs))
        logarithms[1] += step * PAIR_SD * (at >= truth)
        return np.exp(logarithms)

    def take(at: int) -> float:
        base, head = times(at, 1)
        return float(np.log(head / base)[0])

    ends = times(count - 1, 0)
    for pairs in bisection.end_looks("runtime"):
        ends = np.concatenate([ends, times(count - 1, pairs - ends.shape[1])], axis=1)
        if bisection.look("time", "runtime", "s", *ends).alarm:
            values: list[list[float]] = [[] for _ in range(count)]
            values[-1] = np.log(ends[1] / ends[0]).tolist()
            place, runs = _searched(take, values, float(np.mean(values[-1])), from_zero=True)
            return place, 2 * runs
    return None, 2 * ends.shape[1]


def _searched(
    take: Take, values: list[list[float]], gap: float, *, from_zero: bool
) -> tuple[int | None, int]:
    """Do what `harness.session.past.search` does between ends that differ."""
    while True:
        shares = bisection.chances(values, gap, from_zero=from_zero)
        place, runs = bisection.following(shares, values), sum(map(len, values))
        if place is None or runs >= MOST_RUNS:
            return (bisection.decided(shares) if place is None else None), runs
        values[place].append(take(place))


def _plain(
    generator: np.random.Generator, name: str, count: int, step: float, runs: int, trials: int
) -> dict[str, float]:
    """Return how often a bisection by the mean of so many runs is right, against the middle between its ends."""
    draw, right, tries = NOISE.get(name, NOISE["normal"]), 0, 0
    for _ in range(trials):
        truth, low, high = int(generator.integers(1, count)), 0, count - 1

        def mean(at: int, truth: int = truth) -> float:
            return sum(draw(generator) for _ in range(runs)) / runs + step * (at >= truth)

        middle = (mean(low) + mean(high)) / 2
        tries += 2
        while high - low > 1:
            at = (low + high) // 2
            tries += 1
            low, high = (low, at) if mean(at) > middle else (at, high)
        right += bool(step) and high == truth  # it always names one
    return {"right": right / trials, "runs": tries * runs * (1 + (name == PAIRS)) / trials}


def markdown(table: Sequence[dict[str, typing.Any]]) -> str:
    """Lay the table out for docs/history.md."""
    plain = [f"bisection, {each} run{'s' * (each > 1)} a commit" for each in PLAIN]
    lines = [
        f"| noise | commits | step | right | wrong | runs | {' | '.join(f'{name}: right | runs' for name in plain)} |",
        "| --- |" + " ---: |" * (5 + 2 * len(PLAIN)),
    ]
    for row in table:
        others = " | ".join(f"{one['right']:.1%} | {one['runs']:.0f}" for one in row["plain"])
        step = f"{row['sd']} sd" if row["sd"] else "none"
        lines.append(
            f"| {row['noise']} | {row['commits']} | {step} | {row['right']:.1%} | {row['wrong']:.1%} | {row['runs']:.0f} | {others} |"
        )
    return "\n".join(lines)
