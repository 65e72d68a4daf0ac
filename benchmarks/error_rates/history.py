"""How often `harness history` finds a change where there is none, and one where there is one, by simulation; docs/history.md prints the tables."""

from __future__ import annotations

import typing

import numpy as np

from harness.judging.levels import segmented

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Draw = Callable[[np.random.Generator, int], Floats]

LENGTHS = (8, 12, 25, 50, 100, 200)
STEPS = (3, 5, 10)
"""Sizes of a step, in standard deviations of the noise."""
OLD = (2, 5, 20)
"""Points since the step."""


def _autoregressive(generator: np.random.Generator, count: int, share: float) -> Floats:
    """Draw noise of variance 1 of which each value keeps a share of the one before."""
    fresh = generator.normal(size=count) * np.sqrt(1 - share**2)
    values = np.empty(count)
    values[0] = generator.normal()
    for index in range(1, count):
        values[index] = share * values[index - 1] + fresh[index]
    return values


SERIES: dict[str, Draw] = {
    "independent, normal": lambda generator, count: generator.normal(size=count),
    "independent, heavy tails (t, 3 degrees)": lambda generator, count: generator.standard_t(3, size=count),
    "independent, skewed (lognormal, sigma 0.5)": lambda generator, count: generator.lognormal(
        sigma=0.5, size=count
    ),
    "trend of 0.05 sd a commit": lambda generator, count: (
        generator.normal(size=count) + 0.05 * np.arange(count)
    ),
    "trend of 0.2 sd a commit": lambda generator, count: (
        generator.normal(size=count) + 0.2 * np.arange(count)
    ),
    "slow wave of 1.5 sd, two periods": lambda generator, count: (
        generator.normal(size=count) + 1.5 * np.sin(4 * np.pi * np.arange(count) / count)
    ),
    "half kept from commit to commit": lambda generator, count: _autoregressive(generator, count, 0.5),
    "eight tenths kept": lambda generator, count: _autoregressive(generator, count, 0.8),
    "repeated exactly": lambda _, count: np.full(count, 0.95),
    "repeated, 1 commit in 50 off by one image": lambda generator, count: (
        0.95 + (generator.random(count) < 0.02) / 300
    ),
    "repeated, 1 commit in 10 off by one image": lambda generator, count: (
        0.95 + (generator.random(count) < 0.1) / 300
    ),
    "whole images, sd of half an image": lambda generator, count: (
        0.95 + np.round(generator.normal(scale=0.5, size=count)) / 300
    ),
}
"""Series without a change."""


def tables(trials: int, seed: int) -> dict[str, list[dict[str, typing.Any]]]:
    """Return false changes (and spikes) for every 100 commits of each series and length, and the share of steps that are seen.

    Parameters
    ----------
    trials : int
        Series of a cell.
    seed : int
        Of all draws; every row has a stream of its own.
    """
    return {"false": list(_false(trials, seed)), "power": list(_power(trials, seed))}


def _false(trials: int, seed: int) -> Iterator[dict[str, typing.Any]]:
    for row, (name, draw) in enumerate(SERIES.items()):
        generator = np.random.default_rng([seed, row])
        for count in LENGTHS:
            found = [segmented(draw(generator, count)) for _ in range(trials)]
            hundred = 100 / (trials * count)
            changes, spikes = (hundred * sum(len(one[part]) for one in found) for part in (0, 1))
            yield {"series": name, "commits": count, "changes": changes, "spikes": spikes}


def _power(trials: int, seed: int) -> Iterator[dict[str, typing.Any]]:
    """Count the steps that have a change within one commit of them."""
    for row, step in enumerate(STEPS):
        generator = np.random.default_rng([seed, 1000 + row])
        for count in LENGTHS:
            for old in OLD:
                if old + 2 > count:
                    continue
                place = count - old
                series = (
                    generator.normal(size=count) + step * (np.arange(count) >= place) for _ in range(trials)
                )
                seen = sum(
                    any(abs(start - place) <= 1 for start in segmented(values)[0]) for values in series
                )
                yield {"sd": step, "commits": count, "points since": old, "seen": seen / trials}


def markdown(found: dict[str, list[dict[str, typing.Any]]]) -> str:
    """Lay both tables out for docs/history.md."""
    head = f"| series without a change | {' | '.join(map(str, LENGTHS))} |"
    lines = [head, "| --- |" + " ---: |" * len(LENGTHS)]
    for name in SERIES:
        cells = [f"{one['changes']:.2f}" for one in found["false"] if one["series"] == name]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        f"| step | commits since | {' | '.join(map(str, LENGTHS))} |",
        "| ---: | ---: |" + " ---: |" * len(LENGTHS),
    ]
    for step in STEPS:
        for old in OLD:
            by_count = {
                one["commits"]: one["seen"]
                for one in found["power"]
                if (one["sd"], one["points since"]) == (step, old)
            }
            cells = [f"{by_count[count]:.0%}" if count in by_count else "" for count in LENGTHS]
            lines.append(f"| {step} sd | {old} | {' | '.join(cells)} |")
    return "\n".join(lines)
