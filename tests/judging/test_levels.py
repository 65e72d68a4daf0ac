"""Where a level changes: both directions, exact values, spikes, trends, and how often it errs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging import levels


@pytest.mark.parametrize("count", [4, 5, 6, 8, 10, 11, 12, 40])
@pytest.mark.parametrize(
    ("before", "after"), [(500.0, 1000.0), (0.95, 0.90), (0.9, 0.901), (0.0, 1.0), (-1.0, 1.0)]
)
def test_a_step_between_exact_values_is_seen_at_once(count: int, before: float, after: float) -> None:
    """What repeats has no noise: wherever the step lies, two points on each side are enough, and one is not."""
    for place in range(1, count):
        found = levels.segmented(np.asarray([before] * place + [after] * (count - place)))
        assert found == (([place], []) if 2 <= place <= count - 2 else ([], [])), place


def test_several_exact_steps() -> None:
    """Each level is found, also one of two points."""
    values = np.repeat([1.0, 2.0, 1.0, 5.0], [3, 2, 4, 3])
    assert levels.segmented(values) == ([3, 5, 9], [])
    assert [(one.index, one.before, one.after, one.direction) for one in levels.changes(values, "lower")] == [
        (3, 1.0, 2.0, "worse"), (5, 2.0, 1.0, "better"), (9, 1.0, 5.0, "worse"),
    ]  # fmt: skip


def test_rounding_is_no_step() -> None:
    """Values that differ in their last digits are equal; nothing is divided by a noise of nothing."""
    assert levels.segmented(np.asarray([0.9] * 10 + [0.9 + 1e-12] * 10)) == ([], [])
    assert levels.segmented(np.asarray([0.0] * 5 + [5e-324] * 5)) == ([], [])
    assert levels.segmented(np.zeros(0)) == ([], [])


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_spike_is_no_change_of_level(noise: float) -> None:
    """One point far off is a spike, in exact values and in noise; the newest point is neither, nor is a step one."""
    values = np.random.default_rng(5).normal(scale=noise, size=24)
    spiked = values + 5.0 * (np.arange(24) == 12)
    assert levels.segmented(spiked) == ([], [12])
    (found,) = levels.changes(spiked, "lower", spikes=True)
    assert (found.spike, found.direction) == (True, "worse")
    assert found.after == pytest.approx(5, abs=0.1)
    assert levels.segmented(values + 5.0 * (np.arange(24) == 23)) == ([], [])
    assert levels.segmented(values + 5.0 * (np.arange(24) >= 12)) == ([12], [])
    both = values + 5.0 * (np.arange(24) >= 16) + 9.0 * (np.arange(24) == 5)
    assert levels.segmented(both) == ([16], [5])
    (change,) = levels.changes(both, "lower")
    assert change.before == pytest.approx(0, abs=0.1)  # the spike is no part of its level


@pytest.mark.slow
def test_a_trend_is_no_staircase() -> None:
    """A slow drift has no commit that is to blame; a step on top of it has."""
    generator = np.random.default_rng(11)
    drift = 0.1 * np.arange(100)
    found = [levels.segmented(drift + generator.normal(size=100))[0] for _ in range(20)]
    assert sum(map(len, found)) <= 4
    stepped = [
        levels.segmented(drift + generator.normal(size=100) + 12.0 * (np.arange(100) >= 60))[0]
        for _ in range(20)
    ]
    assert sum(any(abs(start - 60) <= 1 for start in one) for one in stepped) >= 18


@pytest.mark.slow
def test_false_changes_are_rare() -> None:
    """Without a change at most one sequence in twelve shows one; docs/history.md has more regimes."""
    generator = np.random.default_rng(11)
    for count in (6, 12, 30):
        found = [bool(levels.segmented(generator.normal(size=count))[0]) for _ in range(300)]
        assert np.mean(found) < 1 / 12, count


@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.floats(0.001, 1000))
def test_the_unit_changes_nothing(values: list[float], factor: float) -> None:
    """Starts and spikes are positions inside the sequence, in order, starts two apart, and the same in another unit."""
    sequence = np.asarray(values, np.float64)
    starts, spikes = levels.segmented(sequence)
    edges = [0, *starts, len(values)]
    assert all(b - a >= 2 for a, b in itertools.pairwise(edges)) or not starts
    assert all(0 < spike < len(values) - 1 for spike in spikes)
    rounded = np.round(sequence)  # exact in another unit that is a power of two
    assert levels.segmented(rounded) == levels.segmented(rounded * 2.0 ** round(np.log2(factor)))


def test_sparklines() -> None:
    """The lowest is the lowest block, the highest the highest, a constant flat; only the newest are drawn."""
    assert levels.sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == levels.SPARKS
    assert levels.sparkline([5.0, 5.0]) == "▁▁"
    assert levels.sparkline([]) == ""
    assert len(levels.sparkline(range(100))) == 40
