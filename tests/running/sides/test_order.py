"""Pairs stay together, and a coin that falls alike in every process decides which side goes first."""

from __future__ import annotations

import dataclasses
import typing

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness.records import RunRequest
from harness.running.sides import interleave

if typing.TYPE_CHECKING:
    import random

WORDS = st.sampled_from(["a", "b", "c"])
HEADS = st.builds(
    RunRequest,
    scenario=WORDS,
    variant=WORDS,
    tier=st.sampled_from(["smoke", "short"]),
    seed=st.integers(0, 20),
    round=st.sampled_from(["screen", "confirm"]),
    repeat=st.integers(0, 1),
)


def base_of(head: RunRequest) -> RunRequest:
    """Return the other half of a pair."""
    return dataclasses.replace(head, side="base", code="/base", scenario_paths=("/base/x.py",))


@given(st.lists(HEADS, unique=True), st.integers(0, 2**64), st.randoms(use_true_random=False))
def test_pairs_are_neighbours_in_an_order_of_their_own(
    heads: list[RunRequest], seed: int, shuffle: random.Random
) -> None:
    """Whatever order runs come in: none is lost, partners are neighbours in the order of their first runs, and the coin falls the same again."""
    runs = [run for head in heads for run in (head, base_of(head))]
    ordered = interleave(runs, seed)
    pairs = list(zip(ordered[::2], ordered[1::2], strict=True))
    assert [set(pair) for pair in pairs] == [{head, base_of(head)} for head in heads]
    shuffle.shuffle(runs)
    again = interleave(runs, seed)
    assert set(zip(again[::2], again[1::2], strict=True)) == set(pairs)
    assert interleave(heads, seed) == heads


def test_the_coin_is_fair_and_known() -> None:
    """Over 2,000 pairs about half have the base first; seeds, scenarios and rounds have coins of their own; it is fixed for ever."""
    heads = [RunRequest(scenario="probe", variant="v", tier="smoke", seed=seed) for seed in range(2000)]
    screen = _sides_first(heads, 7)
    assert 0.45 < screen.count("base") / 2000 < 0.55
    others = (
        _sides_first(heads, 8),
        _sides_first([dataclasses.replace(head, scenario="other") for head in heads], 7),
        _sides_first([dataclasses.replace(head, round="confirm") for head in heads], 7),
    )
    for other in others:
        assert 0.45 < sum(a == b for a, b in zip(screen, other, strict=True)) / 2000 < 0.55
    assert "".join(side[0] for side in screen[:16]) == "bbbhbbbbhhbbhbbb"


def _sides_first(heads: list[RunRequest], seed: int) -> list[str]:
    return [run.side for run in interleave([*heads, *map(base_of, heads)], seed)[::2]]


def test_a_run_that_is_asked_for_twice() -> None:
    """Two runs of one side in a pair would write into one folder."""
    head = RunRequest(scenario="probe", variant="v", tier="smoke", seed=0)
    with pytest.raises(ValueError, match="probe--v--smoke--numpy-cpu--seed0 is asked for twice"):
        interleave([head, dataclasses.replace(head, code="/elsewhere")], 0)
