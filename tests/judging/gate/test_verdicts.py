"""What a gate's judgement says of the decision: value, reference, n, spread, bounds and resolution of the look that it rests on."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pytest

from harness.judging import wording
from harness.judging.gate import trials
from harness.judging.statistics import t_quantile
from tests.judging.gate.test_trials import (
    AGAINST,
    BASE,
    STORED,
    evidence,
    joined,
    judgements,
    noise,
    scores,
    seconds,
    sided,
    verdicts,
)
from tests.judging.made import MIB

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.judging.gate.values import Evidence
    from harness.records import Judgement

    Floats = NDArray[np.float64]


def numbers(found: Judgement) -> list[float]:
    """Return value, reference, both bounds and the resolution, which must all be there."""
    shown = (found.value, found.reference, found.lower, found.upper, found.resolution)
    assert all(isinstance(one, float) for one in shown)
    return typing.cast("list[float]", [*shown])


def test_bounds_are_those_of_the_decision() -> None:
    """A confirmed loss stands against the t bound at the confirm round's level; value, n and spread are of its runs."""
    fresh = scores(7, 10, accuracy=0.9)["accuracy"]
    state = trials.decide([evidence(scores(5, 5, accuracy=0.9), scores(7, 10, accuracy=0.9))], STORED)
    found = judgements(state)[0]
    width = t_quantile(1 - 0.004, 9) * BASE["accuracy"].std(ddof=1) * np.sqrt(1 / 10 + 1 / 10)
    middle = BASE["accuracy"].mean()
    assert (found.n, found.spread) == (10, fresh.std(ddof=1))
    assert numbers(found) == pytest.approx([fresh.mean(), middle, middle - width, middle + width, width])
    assert fresh.mean() < middle - width
    assert found.test.startswith("confirm: t bound from 10 reference runs")
    assert "level 0.004, floor 0.001" in found.test


def test_what_the_screen_decided_has_the_screens_bounds() -> None:
    """Without a confirm round the bound is the screen's, at twice its level; the ranks hold the level."""
    found = judgements(trials.decide([evidence(scores(5, 5))], STORED))[1]
    width = t_quantile(0.98, 9) * BASE["loss"].std(ddof=1) * np.sqrt(1 / 10 + 1 / 5)
    assert found.n == 5
    assert found.resolution == pytest.approx(width)


def test_bounds_are_at_the_level_that_holm_left() -> None:
    """Of two confirmed groups the one with the larger p has the whole level, the other half of it."""
    each = evidence(scores(5, 5, accuracy=0.9), scores(7, 10, accuracy=0.9))
    other = dataclasses.replace(
        evidence(scores(9, 5, accuracy=0.92), scores(3, 10, accuracy=0.92)), variant="other"
    )
    state = trials.decide([each, other], STORED)
    divisors = [trial.divisor for trial in state.trials if trial.flagged]
    assert sorted(divisors) == [1, 2]
    for divisor, found in zip(
        divisors, [one for one in judgements(state) if one.metric == "accuracy"], strict=True
    ):
        share = f" / {divisor}" if divisor > 1 else ""
        assert f"level 0.004{share}, floor" in found.test
        bound = t_quantile(1 - 0.004 / divisor, 9) * BASE["accuracy"].std(ddof=1) * np.sqrt(1 / 10 + 1 / 10)
        assert found.resolution == pytest.approx(bound)


def test_the_look_that_confirms_is_told_and_not_a_later_one() -> None:
    """Ten fresh runs confirm once Holm's steps have come so far; twenty, taken meanwhile, say less."""
    base = BASE["accuracy"]
    # ten that are worse by 1.6 standard deviations, p = .003, and ten as they were
    fresh = np.repeat([base.mean() - 1.6 * base.std(ddof=1), base.mean()], 10)
    each = evidence(scores(5, 5, accuracy=0.9), {"accuracy": fresh, "loss": np.full(20, 0.2)})
    state = trials.decide([each, *_lost(11)], STORED)
    (trial,) = [trial for trial in state.trials if trial.flagged and trial.variant == "default"]
    assert [len(look.head) for look in trial.confirm] == [10, 20]
    assert "confirmed on 10 fresh runs" in trial.reason
    assert judgements(state)[0].n == 10


def _lost(count: int) -> list[Evidence]:
    """Return so many variants that are worse beyond any doubt."""
    return [
        dataclasses.replace(evidence(scores(50 * i, 5, accuracy=0.5), scores(50 * i + 7, 10, accuracy=0.5)), variant=f"v{i}")
        for i in range(count)
    ]  # fmt: skip


def test_a_value_beyond_its_bounds_passes_with_a_reason() -> None:
    """One seed of five collapsed: beyond the t bound, but not by ranks."""
    collapsed = np.array([0.95, 0.951, 0.952, 0.953, 0.8])
    found = judgements(trials.decide([evidence({"accuracy": collapsed, "loss": BASE["loss"][:5]})], STORED))[
        0
    ]
    assert found.verdict == "PASS"
    assert numbers(found)[0] < numbers(found)[2]
    assert (
        found.reason
        == "the screen found nothing; it lies beyond the bounds, but the rank test does not agree"
    )


def test_what_follows_a_cleared_leader_was_not_unseen() -> None:
    """Accuracy alarmed beside the loss that led and was cleared: it says so, and passes."""
    state = trials.decide([evidence(scores(5, 5, accuracy=0.93, loss=0.4), scores(7, 10))], STORED)
    assert verdicts(state) == {"accuracy": "PASS", "loss": "PASS"}
    told = judgements(state)[0].reason
    assert told == "follows loss of the same group: flagged by the screen, not confirmed on 10 fresh runs"


def test_bounds_of_memory_are_its_floor() -> None:
    """Ranks have no bounds: the floor stands there, and the median difference that was held against it beside."""

    def peaks(seed: int, runs: int, mean: float) -> dict[str, Floats]:
        return {"peak_bytes": noise(seed, runs, mean, 0.3) * MIB}

    screen = sided(peaks(0, 7, 100), peaks(1, 7, 110))
    confirm = sided(peaks(2, 10, 100), peaks(3, 10, 110), round_="confirm")
    (found,) = judgements(trials.decide([joined(screen, confirm)], AGAINST))
    middle, grown = (float(np.median(peaks(*side)["peak_bytes"])) for side in ((2, 10, 100), (3, 10, 110)))
    assert numbers(found) == pytest.approx([grown, middle, 0.97 * middle, 1.03 * middle, 0.03 * middle])
    assert found.n == 10
    assert found.spread == pytest.approx(peaks(3, 10, 110)["peak_bytes"].std(ddof=1))
    assert found.reason.startswith(
        "median difference +9.92 MiB; worse in the screen, confirmed on 10 fresh runs"
    )
    assert found.test.endswith("level 0.001; the bounds are its floor, ranks have none")


def test_a_time_has_a_bound_above() -> None:
    """Confirmed on ten fresh pairs: their spread, and 1.05 times the median of their base."""
    screen = sided(seconds(0, 7), seconds(1, 7, mean=1.2))
    confirm = sided(seconds(2, 10), seconds(3, 10, mean=1.2), round_="confirm")
    (found,) = judgements(trials.decide([joined(screen, confirm)], AGAINST))
    assert (found.n, found.lower, found.resolution) == (10, None, None)
    assert found.upper == pytest.approx(1.05 * np.median(seconds(2, 10)["total.seconds"]))
    assert found.spread == pytest.approx(seconds(3, 10, mean=1.2)["total.seconds"].std(ddof=1))
    assert f", at most {found.upper:.5g} s. 1.198 times the base" in wording.sentence("probe", found)


def test_a_rate_is_told_as_a_rate() -> None:
    """Images per second fell to five sixths: as times they are 1.2 times the base, as they stand they are rates below their bound."""

    def rates(seed: int, runs: int, mean: float = 100) -> dict[str, Floats]:
        return {"train.images_per_second": noise(seed, runs, mean, 1.0)}

    screen = sided(rates(0, 7), rates(1, 7, mean=100 / 1.2))
    confirm = sided(rates(2, 10), rates(3, 10, mean=100 / 1.2), round_="confirm")
    state = trials.decide([joined(screen, confirm)], AGAINST)
    (found,) = judgements(state)
    base, head = (
        np.median(side["train.images_per_second"]) for side in (rates(2, 10), rates(3, 10, mean=100 / 1.2))
    )
    assert (found.verdict, found.value, found.reference, found.upper) == ("REGRESSED", head, base, None)
    assert found.lower == pytest.approx(base / 1.05)
    assert found.reason.startswith("1.20")
    assert "times the base's time" in found.reason
    assert f", at least {found.lower:.5g} 1/s. 1.20" in wording.sentence("probe", found)
    assert {look.worse for trial in state.trials for look in (*trial.screen, *trial.confirm)} == {"lower"}
