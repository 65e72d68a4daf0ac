"""The many-trials form held against the gate's own code, look by look, on random draws."""

from __future__ import annotations

import typing

import numpy as np

from benchmarks.error_rates import looks, noise
from benchmarks.error_rates.power import stream
from harness.gate import rules

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from harness.records import Look, Round

    Floats = NDArray[np.float64]

ROUNDS: tuple[Round, ...] = ("screen", "confirm")
SIZES = ((10, 5), (7, 7), (20, 5), (10, 10), (20, 20), (10, 20))
"""Runs of reference and head for scores and memory."""
SHIFTS = (0.0, 0.05, 0.1)


def disagreements(draws: int, seed: int) -> tuple[int, int]:
    """Compare verdicts of looks on random draws of every regime, some of them rounded so that values tie.

    Parameters
    ----------
    draws : int
        Trials of each regime, number of runs and size of change.
    seed : int
        Of the page.

    Returns
    -------
    compared, different
        Looks whose alarm and clearing were compared, and those in which the two forms differ.
    """
    compared = different = 0
    for found, expected in _looked(draws, stream(seed, "agreement")):
        own = np.array([(look.alarm, look.clear) for look in expected])
        compared += len(own)
        different += int((own != np.stack(found, axis=1)).any(axis=1).sum())
    return compared, different


def _looked(draws: int, rng: np.random.Generator) -> Iterator[tuple[tuple[typing.Any, ...], list[Look]]]:
    for regime in (*noise.RUNTIME, *noise.ACCURACY, *noise.MEMORY):
        for shift in SHIFTS:
            for round_ in ROUNDS:
                yield from _of_regime(regime, shift, round_, draws, rng)


def _of_regime(
    regime: noise.Regime, shift: float, round_: Round, draws: int, rng: np.random.Generator
) -> Iterator[tuple[tuple[typing.Any, ...], list[Look]]]:
    if regime.kind == "runtime":
        levels = rules.RUNTIME_SCREEN if round_ == "screen" else rules.RUNTIME_CONFIRM
        for count in levels:
            sides = noise.pairs(regime.draw, shift, rng, draws, count)
            base, head = (np.round(side, 2 if shift else 12) for side in sides)
            yield times(base, head, round_)
        return
    for m, n in SIZES:
        if regime.kind == "accuracy":
            base, head = regime.draw(rng, draws, m), regime.draw(rng, draws, n) - 20 * shift
            yield scores(np.round(base, 1), np.round(head, 1), round_)
        else:
            base, head = 100 + regime.draw(rng, draws, m), 100 * (1 + shift) + regime.draw(rng, draws, n)
            yield memory(np.round(base, 1) * looks.MIB, np.round(head, 1) * looks.MIB, round_)


def times(base: Floats, head: Floats, round_: Round) -> tuple[tuple[typing.Any, ...], list[Look]]:
    """Look at pairs both ways; return (alarm, clear) of the many-trials form, and the gate's own looks."""
    levels = rules.RUNTIME_SCREEN if round_ == "screen" else rules.RUNTIME_CONFIRM
    level = levels[base.shape[1]]
    pooled = rules.RUNTIME_POOLED.get(base.shape[1], 0.0) if round_ == "screen" else 0.0
    many = looks.runtime_alarm(base, head, level, pooled), looks.runtime_clear(base, head)
    return many, [rules.runtime_look("m", b, h, round_=round_) for b, h in zip(base, head, strict=True)]


def scores(base: Floats, head: Floats, round_: Round) -> tuple[tuple[typing.Any, ...], list[Look]]:
    """Look at scores both ways."""
    found = looks.score(base, head, round_, 0.05)
    return (found.alarm(), found.clear), [
        rules.score_look("m", b, h, worse="lower", round_=round_, floor=0.05)
        for b, h in zip(base, head, strict=True)
    ]


def memory(base: Floats, head: Floats, round_: Round) -> tuple[tuple[typing.Any, ...], list[Look]]:
    """Look at memory both ways."""
    found = looks.memory(base, head, round_)
    return (found.alarm(), found.clear), [
        rules.memory_look("m", b, h, worse="higher", round_=round_) for b, h in zip(base, head, strict=True)
    ]
