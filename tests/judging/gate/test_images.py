"""What the gate decides by flipped images: the same weights on both sides, on made-up runs."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pytest

from harness.judging.flips import Found
from harness.judging.gate import explain, trials
from harness.records import Flips, Measured
from tests.judging import made
from tests.judging.gate.test_trials import BASE, STORED, baseline, column, evidence, scores, verdicts

if typing.TYPE_CHECKING:
    from harness.judging.gate.trials import State
    from harness.judging.gate.values import Evidence

IMAGES = 1000


def found(worse: int, better: int, seed: int = 100, *, weights: str = "w", name: str = "test") -> Found:
    """Make up one run's flips: the first images got worse, the last better."""
    net = np.zeros(IMAGES, np.int64)
    net[:worse] = 1
    net[IMAGES - better :] = -1
    record = Flips(
        seed=seed, set=name, against="b", images=IMAGES, same_weights=bool(weights), worse_count=worse, better_count=better
    )  # fmt: skip
    return Found(record, net, "images", weights, (0.95, 0.95 - (worse - better) / IMAGES))


def beside(
    *flipped: Found, gated: tuple[str, ...] = ("accuracy", "loss"), accuracy: float = 0.95
) -> Evidence:
    """Put flips beside runs whose accuracy over seeds is unchanged, unless said otherwise."""
    return dataclasses.replace(evidence(scores(5, 5, accuracy=accuracy), gated=gated), flipped=flipped)


def images_of(state: State) -> list[tuple[str, str, bool]]:
    """Return direction, verdict and flag of each group that images decide."""
    return [(trial.direction, trial.verdict, trial.flagged) for trial in state.trials if trial.by_images]


def test_images_of_the_same_weights_regress_at_once() -> None:
    """Thirty worse and five better: no confirm round is asked for, and the accuracy regressed."""
    state = trials.decide([beside(found(30, 5))], STORED)
    assert state.wanted == ()
    assert verdicts(state) == {"accuracy": "REGRESSED", "loss": "PASS"}
    assert images_of(state) == [("worse", "REGRESSED", True), ("better", "PASS", True)]
    assert state.comparisons[0].flips == (found(30, 5).record,)


def test_images_of_the_same_weights_improve() -> None:
    """The other way round a person must approve."""
    assert verdicts(trials.decide([beside(found(5, 30))], STORED))["accuracy"] == "IMPROVED"


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (7, 0), (20, 18), (12, 4)])
def test_flips_that_chance_explains_pass(worse: int, better: int) -> None:
    """None, too few to decide, as many each way, and p = .038: a pass, with nothing left open."""
    state = trials.decide([beside(found(worse, better))], STORED)
    assert verdicts(state)["accuracy"] == "PASS"
    assert state.wanted == ()


def test_the_spread_over_seeds_decides_nothing_there() -> None:
    """An accuracy that fell over seeds, beside images of the same weights that did not flip: the images are right."""
    state = trials.decide([beside(found(0, 0), gated=("accuracy",), accuracy=0.9)], STORED)
    assert (verdicts(state), state.wanted) == ({"accuracy": "PASS"}, ())


def test_other_weights_leave_the_spread_to_decide() -> None:
    """Flips of retrained models are shown and decide nothing, however many there are."""
    state = trials.decide([beside(found(300, 0, weights=""))], STORED)
    assert verdicts(state) == {"accuracy": "PASS", "loss": "PASS"}
    assert images_of(state) == []
    assert state.comparisons[0].flips[0].worse_count == 300


def test_one_run_of_other_weights_is_enough() -> None:
    """A change that retrained one seed of five is no change of inference."""
    flipped = [found(300, 0, seed=seed) for seed in range(4)]
    state = trials.decide([beside(*flipped, found(300, 0, seed=4, weights=""))], STORED)
    assert images_of(state) == []


def test_every_group_that_could_decide_shares_the_level() -> None:
    """Eight worse and none better, p = 1/256, is below .005 but not below half of it: both directions count."""
    state = trials.decide([beside(found(8, 0))], STORED)
    (worse, better) = (trial for trial in state.trials if trial.by_images)
    assert worse.screen[0].p == pytest.approx(1 / 256)
    assert (worse.divisor, worse.verdict) == (2, "PASS")
    assert better.flagged
    nine = trials.decide([beside(found(9, 0))], STORED)
    assert verdicts(nine)["accuracy"] == "REGRESSED"


def test_groups_that_cannot_decide_cost_nothing() -> None:
    """Variants without flips take no share of the level."""
    quiet = [dataclasses.replace(beside(found(0, 0)), variant=f"v{index}") for index in range(20)]
    state = trials.decide([beside(found(9, 0)), *quiet], STORED)
    assert verdicts(trials.decide([beside(found(9, 0))], STORED)) == {"accuracy": "REGRESSED", "loss": "PASS"}
    assert [trial.divisor for trial in state.trials if trial.verdict == "REGRESSED"] == [2]


def test_one_image_a_run_is_within_the_floor() -> None:
    """Ten runs that each lose one of nine images by turns: significant, and no more than one image a run."""
    runs = []
    for seed in range(10):
        one = found(0, 0, seed=seed, weights=f"w{seed}")
        one.net[seed % 9] = 1
        runs.append(one)
    state = trials.decide([beside(*runs)], STORED)
    (worse, _) = (trial for trial in state.trials if trial.by_images)
    assert worse.screen[0].p < 0.005
    assert worse.screen[0].estimate == pytest.approx(worse.screen[0].floor)
    assert worse.verdict == "PASS"


def with_metric(each: Evidence, name: str, measured: Measured) -> Evidence:
    """Gate a further metric beside the accuracy; it is stored as the accuracy was, and each run has another value."""
    stored = baseline(BASE)[0]
    theirs = dataclasses.replace(stored.metrics["accuracy"], unit=measured.unit, better=measured.better)
    head = [
        dataclasses.replace(
            run, metrics={**run.metrics, name: dataclasses.replace(measured, value=0.5 + place / 100)}
        )
        for place, run in enumerate(column(100, scores(5, 5)))
    ]
    return dataclasses.replace(
        each,
        scenario=dataclasses.replace(each.scenario, gated=(name, "accuracy")),
        head={"screen": head},
        stored=(dataclasses.replace(stored, metrics={**stored.metrics, name: theirs}), "b"),
    )


def test_scores_of_the_same_classes_follow_the_images() -> None:
    """Errors follow from the classes as the accuracy does; they get its verdict and say so."""
    each = with_metric(beside(found(30, 5)), "errors", Measured(value=0.0, unit="images", better="lower"))
    state = trials.decide([each], STORED)
    assert verdicts(state) == {"errors": "REGRESSED", "accuracy": "REGRESSED"}
    follower = state.comparisons[0].judgements[0]
    assert follower.reason.startswith("follows accuracy: the flipped images say worse")
    assert (follower.lower, follower.upper) == (None, None)


def test_a_side_set_is_tested_by_its_own_images() -> None:
    """The accuracy of a set beside test is decided by the flips of that set alone."""
    flipped = (found(0, 0), found(30, 5, name="head"))
    each = with_metric(beside(*flipped), "head.accuracy", Measured(value=0.0, better="higher"))
    assert verdicts(trials.decide([each], STORED)) == {"head.accuracy": "REGRESSED", "accuracy": "PASS"}


def test_a_loss_is_held_against_its_spread_where_it_has_one() -> None:
    """Weights that differ between seeds give the loss a spread: a worse loss is flagged although no image flipped."""
    each = dataclasses.replace(evidence(scores(5, 5, loss=0.4)), flipped=(found(0, 0),))
    state = trials.decide([each], STORED)
    assert [want.round for want in state.wanted] == ["confirm"]
    assert [trial.metric for trial in state.trials if trial.flagged] == ["loss"]


def test_a_loss_without_a_spread_follows_the_images() -> None:
    """One checkpoint gives the same loss on every seed: nothing tells a change of the last digits from a worse one."""
    constant = {"accuracy": BASE["accuracy"], "loss": np.full(10, 0.2)}
    each = dataclasses.replace(beside(found(0, 0)), stored=baseline(constant))
    state = trials.decide([each], STORED)
    assert (verdicts(state), state.wanted) == ({"accuracy": "PASS", "loss": "PASS"}, ())
    assert state.trials[0].followers == ("loss",)


def test_the_arithmetic_is_explained() -> None:
    """The explanation names the test, its counts, the level and why no confirm round was needed."""
    state = trials.decide([beside(found(30, 5), gated=("accuracy",))], STORED)
    job = made.job(comparisons=state.comparisons, gate=made.gate())
    told = explain.explain(job, "accuracy")
    assert "exact McNemar test: 30 of 1000 images worse and 5 better over 1 run with the same weights" in told
    assert "its images decide without a confirm round" in told
    assert "Holm allows 1 / 2 = 0.5: confirms" in told
