"""What ``--explain`` says of Holm's steps."""

from __future__ import annotations

import dataclasses
import typing

from harness.judging.gate import explain, trials
from harness.judging.gate.verdicts import verdicts
from tests.judging import made
from tests.judging.gate.test_trials import STORED, evidence, scores

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Trial


def test_a_group_that_an_earlier_step_stopped_is_not_said_to_be_confirmed() -> None:
    """Shares of .6 and .7 of the level: half is allowed to the first, which ends the steps; the second would have had all of it."""
    each = evidence(scores(5, 5, accuracy=0.9), scores(7, 10, accuracy=0.9))
    state = trials.decide([each, dataclasses.replace(each, variant="other")], STORED)
    shares = {"default": 0.6, "other": 0.7}
    stepped = verdicts(
        [dataclasses.replace(one, ratio=shares[one.variant]) for one in state.trials if one.flagged]
    )
    told = explained(stepped, state).split("probe:other accuracy")
    assert "= 0.6; Holm allows 1 / 2 = 0.5: does not confirm" in told[0]
    assert (
        "= 0.7; Holm allows 1 / 1 = 1: within it, yet not confirmed: Holm's steps ended at a group" in told[1]
    )
    assert "confirms" not in "".join(told)


def test_a_look_that_confirms_at_a_share_of_its_level_is_an_alarm() -> None:
    """Beside a second flagged group the explanation calls it neither open nor cleared."""
    each = evidence(scores(5, 5, accuracy=0.9), scores(7, 10, accuracy=0.9))
    state = trials.decide([each, dataclasses.replace(each, variant="other")], STORED)
    told = explained(state.trials, state)
    assert "against 0.004 / 2: alarm" in told
    assert "open" not in told
    assert told.count(": confirms") == 2


def test_a_look_within_its_level_but_not_its_share_is_no_alarm() -> None:
    """Half of the level is allowed beside a second flagged group: in the confirm round alone, for explanation and report alike."""
    each = evidence(scores(5, 5, accuracy=0.9), scores(7, 10, accuracy=0.9))
    one = next(trial for trial in trials.decide([each], STORED).trials if trial.flagged)
    (look,) = one.confirm
    near = dataclasses.replace(look, p=0.6 * look.level, alarm=True, clear=False)
    beside = dataclasses.replace(one, divisor=2)
    assert (one.ended(near), beside.ended(near)) == ("alarm", "open")
    assert beside.ended(dataclasses.replace(near, round="screen")) == "alarm"
    assert beside.divisor_of(dataclasses.replace(near, round="screen")) == 1


def explained(decided: Sequence[Trial], state: trials.State) -> str:
    """Explain the accuracy of a gate with these trials."""
    comparisons = tuple(
        dataclasses.replace(one, trials=tuple(trial for trial in decided if trial.variant == one.variant))
        for one in state.comparisons
    )
    job = made.job(comparisons=comparisons, gate=made.gate())
    return explain.explain(job, "accuracy")
