"""The search for the commit that moved a metric: pure functions, without a run."""

from __future__ import annotations

import math
import typing

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from harness.judging import bisection

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from harness.records import Kind

FINITE = strategies.floats(-10, 10).map(lambda value: round(value, 3))


def searched(take: Callable[[int], float], values: list[list[float]]) -> int | None:
    """Do what `search` does between ends that differ by 1."""
    while True:
        shares = bisection.chances(values, 1.0)
        place = bisection.following(shares, values)
        if place is None:
            return bisection.decided(shares)
        values[place].append(take(place))


@hypothesis.given(strategies.integers(1, 300))
def test_halves_visit_every_place_once_and_spread(count: int) -> None:
    """The ends come first; after 2^k + 1 places no gap is longer than a 2^k-th of the line, rounded up."""
    order = list(bisection.halves(count))
    assert sorted(order) == list(range(count))
    assert set(order[:2]) == {0, count - 1}
    for power in range(int(math.log2(max(1, count - 1))) + 1):
        gaps = np.diff(sorted(order[: 2**power + 1]))
        assert max(gaps, default=0) <= math.ceil((count - 1) / 2**power)


@pytest.mark.parametrize("count", [2, 3, 4, 9, 17, 100])
def test_exact_counts_need_the_runs_of_plain_bisection(count: int) -> None:
    """Without noise every place is named rightly, and no commit runs twice."""
    for truth in range(1, count):
        values: list[list[float]] = [[10.0], *([] for _ in range(count - 2)), [12.0]]
        runs = 0
        while True:
            shares = bisection.exact_chances(values)
            place = bisection.following(shares, values, least=1)
            if place is None:
                break
            assert not values[place]
            values[place].append(12.0 if place >= truth else 10.0)
            runs += 1
        assert bisection.decided(shares) == truth
        assert runs <= math.ceil(math.log2(max(1, count - 1)))


def test_a_count_between_both_ends_belongs_to_the_nearer() -> None:
    """Of two steps the one that crosses the middle is named."""
    values = [[10.0], [11.0], [19.0], [20.0]]
    assert bisection.decided(bisection.exact_chances(values)) == 2


@hypothesis.given(
    strategies.lists(strategies.lists(FINITE, max_size=4), min_size=1, max_size=6),
    strategies.lists(FINITE, min_size=2, max_size=4),
    strategies.lists(FINITE, min_size=2, max_size=4),
    strategies.sampled_from([0.125, 1.0, 8.0]),
    strategies.integers(-3, 3),
)
def test_chances_know_no_unit(
    inner: list[list[float]], good: list[float], bad: list[float], factor: float, shift: int
) -> None:
    """They add up to 1, and neither another unit nor the order of runs changes them."""
    values = [good, *inner, bad]
    shares = bisection.chances(values, 2.0)
    assert shares.shape == (len(values) - 1,)
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()
    other = [[factor * value + shift for value in reversed(own)] for own in values]
    np.testing.assert_allclose(bisection.chances(other, -2.0 * factor), shares, atol=1e-6)


def test_commits_that_never_ran_share_their_chance() -> None:
    """Nothing tells them apart; values at one of them do."""
    assert bisection.chances([[0.0, 0.1], [], [], [1.0, 1.1]], 1.0).tolist() == pytest.approx([1 / 3] * 3)
    shares = bisection.chances([[0.0, 0.1], [], [1.0, 0.9], [1.0, 1.1]], 1.0)
    assert shares[2] < 0.01
    assert shares[0] == pytest.approx(shares[1])


def test_one_wild_run_does_not_lead_astray() -> None:
    """A run of the old level that looks like the new one is outvoted by further runs."""
    values: list[list[float]] = [[0.0, 0.1, -0.1, 0.05, -0.05], *([] for _ in range(14)), [1.0, 1.1, 0.9, 1.05, 0.95]]  # fmt: skip
    truth, wild = 12, {7}

    def take(place: int) -> float:
        noise = 0.1 if len(values[place]) % 2 else -0.1
        if place in wild:
            wild.clear()
            return 1.0
        return float(place >= truth) + noise

    assert searched(take, values) == truth
    assert len(values[7]) > 1


@pytest.mark.parametrize("truth", [1, 8, 15])
def test_steps_of_three_deviations_are_named(truth: int) -> None:
    """Ten searches each, at both ends of the line and inside it: with fixed draws all are right."""
    generator = np.random.default_rng([20260, truth])

    def take(place: int) -> float:
        return float(place >= truth) + float(generator.normal(scale=1 / 3))

    for _ in range(10):
        values = [[take(place) for _ in range(10 * (place in {0, 15}))] for place in range(16)]
        assert searched(take, values) == truth
        assert sum(map(len, values)) < 100


def test_a_sure_answer_asks_for_a_second_value() -> None:
    """A commit that ran once beside the step runs again, however clear its value is; without noise it does not."""
    values: list[list[float]] = [[0.0] * 5, [0.0], [1.0, 1.0], [1.0] * 5]
    shares = bisection.chances(values, 1.0)
    assert shares[1] > bisection.SURE
    assert bisection.following(shares, values) == 1
    assert bisection.following(shares, values, least=1) is None


def test_differences_from_the_first_never_ask_for_it() -> None:
    """With pairs the good end has no values of its own; the step may still be at the very next commit."""
    values: list[list[float]] = [[], [], [0.3, 0.31, 0.29, 0.3]]
    shares = bisection.chances(values, 0.3, from_zero=True)
    while (place := bisection.following(shares, values)) is not None:
        assert place == 1 or len(values[place]) > 3
        values[place].append(0.3 + 0.01 * (-1) ** len(values[place]))
        shares = bisection.chances(values, 0.3, from_zero=True)
    assert bisection.decided(shares) == 1


def test_a_commit_that_says_nothing_ends_undecided() -> None:
    """Values halfway between the levels run out, and no commit is named."""
    values: list[list[float]] = [[0.0, 0.2, -0.2, 0.1, -0.1], [], [1.0, 1.2, 0.8, 1.1, 0.9]]
    assert searched(lambda place: 0.5 + 0.2 * (-1) ** len(values[place]), values) is None
    assert len(values[1]) == bisection.MOST_VALUES


@pytest.mark.parametrize(
    ("kind", "unit", "step", "noise", "alarm"),
    [
        ("accuracy", "", -0.05, 0.001, True),
        ("accuracy", "", 0.05, 0.001, True),
        ("accuracy", "", 0.0, 0.001, False),
        ("memory", "B", 2.0**24, 1.0, True),
        ("memory", "B", -(2.0**24), 1.0, True),
        ("memory", "B", 2.0**10, 1.0, False),
        ("runtime", "s", 0.3, 0.01, True),
        ("runtime", "s", -0.3, 0.01, True),
        ("runtime", "s", 0.02, 0.0001, False),
    ],
)
def test_ends_are_looked_at_in_both_directions(
    kind: Kind, unit: str, step: float, noise: float, *, alarm: bool
) -> None:
    """An end that is better moved too; what is below the gate's floor did not."""
    level = {"accuracy": 0.9, "memory": 2.0**26, "runtime": 1.0}[kind]
    runs = bisection.end_looks(kind)[1]
    good, bad = (
        level + extra + noise * np.random.default_rng(seed).normal(size=runs)
        for seed, extra in ((1, 0.0), (2, step))
    )
    assert bisection.look("metric", kind, unit, good, bad).alarm is alarm
