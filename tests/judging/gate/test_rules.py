"""Single looks: exact tests against brute force, levels, floors, both directions."""

from __future__ import annotations

import itertools
import typing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.gate import rules
from harness.judging.statistics import holm, median_interval, paired_rank_p, rank_p, signflip_p, worse_p
from tests.judging.made import MIB

if typing.TYPE_CHECKING:
    from harness.records import Round

HALVES = st.lists(st.integers(-8, 8).map(lambda half: half / 2), min_size=1, max_size=8)


def draws(seed: int, runs: int) -> np.ndarray[typing.Any, np.dtype[np.float64]]:
    """Return bell-shaped values."""
    return np.random.default_rng(seed).standard_normal(runs)


@given(HALVES)
def test_sign_flips_are_counted_exactly(differences: list[float]) -> None:
    """The p value is the share of all sign patterns whose sum is at least the one found."""
    sums = [sum(sign * abs(x) for sign, x in zip(signs, differences, strict=True))
            for signs in itertools.product((-1, 1), repeat=len(differences))]  # fmt: skip
    expected = np.mean(np.asarray(sums) >= sum(differences) - 1e-9)
    assert signflip_p(np.asarray(differences)) == pytest.approx(expected)


def test_the_extremes_of_pairs() -> None:
    """Equal pairs give p = 1; seven pairs in which head is slower than every base run give 1 / 128."""
    assert signflip_p(np.zeros(5)) == 1
    assert paired_rank_p(np.ones(7), np.ones(7)) == 1
    base = 1 + 0.001 * draws(0, 7)
    assert paired_rank_p(base, 2 * base) == pytest.approx(1 / 128)


def test_the_coin_alone_makes_the_level_hold() -> None:
    """Under noise with humps and drift, exchanged at random within pairs, p is at most 5% in at most about 5% of trials."""
    rng, hits, trials = np.random.default_rng(3), 0, 2000
    for _ in range(trials):
        drift = np.cumsum(rng.exponential(size=12))
        both = np.stack([drift, drift + (rng.random(12) < 0.3) * 5])  # (2, 12)
        flipped = np.where(rng.random(12) < 0.5, both, both[::-1])
        hits += paired_rank_p(flipped[0], flipped[1]) <= 0.05
    assert hits <= 0.05 * trials + 3 * np.sqrt(0.05 * 0.95 * trials)


@given(st.integers(0, 10_000))
def test_an_interval_of_the_median_holds_the_median(seed: int) -> None:
    """The Hodges-Lehmann interval contains its own estimate and widens with the level."""
    pairwise = np.subtract.outer(draws(seed, 9), draws(seed + 1, 8)).ravel()
    low, high = median_interval(pairwise, (8, 9))
    inner = median_interval(pairwise, (8, 9), 0.5)
    assert low <= inner[0] <= np.median(pairwise) <= inner[1] <= high


def test_the_extremes_of_scores() -> None:
    """Below three runs a side ranks have p = 1, while the bound still speaks; where the reference never varied, any gap is certain."""
    bound, ranks = worse_p(draws(0, 10), np.array([-50.0, -51.0]))
    assert bound < 1e-6
    assert ranks == 1
    assert worse_p(np.ones(10), np.full(5, 0.9))[0] == 0
    assert worse_p(np.ones(10), np.ones(5))[0] == 1


@pytest.mark.parametrize(("worse", "sign"), [("lower", 1.0), ("higher", -1.0)])
def test_a_score_that_worsens_alarms_in_its_declared_direction(
    worse: typing.Literal["higher", "lower"], sign: float
) -> None:
    """Five standard deviations alarm in the direction that is worse, and in no other."""
    base, head = sign * (0.9 + 0.01 * draws(0, 10)), sign * (0.85 + 0.01 * draws(1, 5))
    look = rules.score_look("m", base, head, worse=worse, round_="screen", floor=0.001)
    other: typing.Literal["higher", "lower"] = "higher" if worse == "lower" else "lower"
    assert look.alarm
    assert look.lower < look.estimate < look.upper
    assert not rules.score_look("m", base, head, worse=other, round_="screen", floor=0.001).alarm


def test_exactly_the_floor_is_no_alarm() -> None:
    """A gap of one test image is within the floor however sure the tests are."""
    base = np.full(10, 0.95)
    look = rules.score_look("m", base, base[:5] - 0.001, worse="lower", round_="screen", floor=0.001)
    assert not look.alarm
    assert look.clear


def test_two_runs_may_ask_for_a_confirm_round_but_not_confirm() -> None:
    """The bound alone flags in the screen; in the confirm round too few runs have level 0."""
    base, head = 0.9 + 0.01 * draws(0, 10), np.array([0.8, 0.81])
    assert rules.score_look("m", base, head, worse="lower", round_="screen", floor=0).alarm
    assert not rules.score_look("m", base, head, worse="lower", round_="confirm", floor=0).alarm


@pytest.mark.parametrize("runs", [2, 3, 4, 5, 7])
def test_no_number_of_runs_makes_the_screen_blind(runs: int) -> None:
    """A loss far beyond the spread, or twice the memory, flags in any screen: a look that cannot alarm is no pass."""
    base = 0.9 + 0.001 * np.linspace(-1, 1, runs)
    look = rules.score_look("accuracy", base, base - 0.05, worse="lower", round_="screen", floor=0.001)
    assert look.alarm
    held = 100 * MIB + MIB * np.linspace(-1, 1, runs)
    assert rules.memory_look("peak_bytes", held, 2 * held, worse="higher", round_="screen").alarm


def test_a_runtime_passes_only_when_a_slowdown_is_excluded() -> None:
    """Quiet equal times are cleared at seven pairs; loud ones are neither cleared nor slower."""
    quiet = rules.runtime_look("s", 1 + 0.01 * draws(0, 7), 1 + 0.01 * draws(1, 7), round_="screen")
    assert (quiet.alarm, quiet.clear) == (False, True)
    loud = rules.runtime_look("s", 1 + 0.2 * draws(0, 7), 1 + 0.2 * draws(1, 7), round_="screen")
    assert (loud.alarm, loud.clear) == (False, False)
    slow = rules.runtime_look("s", 1 + 0.01 * draws(0, 7), 1.2 + 0.01 * draws(1, 7), round_="screen")
    assert (slow.alarm, slow.clear) == (True, False)


def test_there_is_a_look_only_where_a_level_is_spent() -> None:
    """Looking between looks would spend a level twice."""
    with pytest.raises(KeyError):
        rules.runtime_look("s", np.ones(8), np.ones(8), round_="screen")


@pytest.mark.parametrize(("levels", "spent"), [
    (rules.RUNTIME_SCREEN, 0.076), (rules.RUNTIME_CLEAR, 0.028), (rules.RUNTIME_CONFIRM, 0.005), (rules.CONFIRM_LEVELS, 0.005),
    (rules.MEMORY_CONFIRM, 0.005),
])  # fmt: skip
def test_levels_add_up_to_what_is_promised(levels: dict[int, float], spent: float) -> None:
    """The error that all looks together may spend is what docs/error-rates.md states."""
    assert sum(levels.values()) == pytest.approx(spent, abs=5e-4)


def test_confirm_levels_between_looks() -> None:
    """Below the first look nothing is confirmed; beyond the last the last level stays."""
    assert [rules.confirm_level(runs) for runs in (9, 10, 19, 20, 99)] == [0.0, 0.004, 0.004, 0.001, 0.001]
    assert rules.next_look(rules.CONFIRM_LEVELS, 10) == 20
    assert rules.next_look(rules.CONFIRM_LEVELS, 20) is None


@given(st.dictionaries(st.integers(0, 20), st.floats(0, 3), min_size=1, max_size=8))
def test_holm_confirms_no_less_than_bonferroni_and_no_more_than_each_alone(ratios: dict[int, float]) -> None:
    """What Bonferroni confirms Holm confirms, and nothing beyond its own level."""
    found = holm(ratios)
    for key, ratio in ratios.items():
        divisor, confirmed = found[key]
        assert 1 <= divisor <= len(ratios)
        assert confirmed or ratio * len(ratios) > 1
        assert not confirmed or ratio <= 1 + 1e-9


@pytest.mark.parametrize("round_", ["screen", "confirm"])
def test_ties_count_against_an_alarm(round_: Round) -> None:
    """Scores rounded to whole images tie; the rank test then gives the larger p."""
    base, head = np.repeat([0.95, 0.96], 5), np.repeat([0.95, 0.96], 5)
    look = rules.score_look("m", base, head, worse="lower", round_=round_, floor=0)
    assert not look.alarm
    assert rank_p(head, base) > 0.5
