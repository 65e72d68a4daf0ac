"""What a gate asks for and decides, on made-up runs: screen, confirm, Holm, budget, both directions."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judging.gate import trials
from harness.judging.gate.trials import CONFIRM_SEED, Want
from harness.judging.gate.values import Evidence
from harness.records import Baseline, GateSettings, IdentityCheck, Measured, RunResult
from tests.judging import made
from tests.judging.made import MIB

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.records import Judgement, Round, Side

    Floats = NDArray[np.float64]

LIKE = {
    "accuracy": Measured(value=0.0, better="higher"),
    "loss": Measured(value=0.0, unit="nat", better="lower"),
    "peak_bytes": Measured(value=0.0, unit="B", kind="memory", better="lower"),
    "left_bytes": Measured(value=0.0, unit="B", kind="memory", better="lower"),
    "total.seconds": Measured(value=0.0, unit="s", kind="runtime", better="lower"),
    "train.seconds": Measured(value=0.0, unit="s", kind="runtime", better="lower"),
    "train.cpu_seconds": Measured(value=0.0, unit="s", kind="runtime", better="lower"),
    "train.images_per_second": Measured(value=0.0, unit="1/s", kind="runtime", better="higher"),
}
PROBE = made.scenario(gated=("accuracy", "loss"))
STORED, AGAINST = GateSettings(), GateSettings(against="main", seeds=7)


def result(
    seed: int,
    metrics: dict[str, float],
    *,
    side: Side = "head",
    round_: Round = "screen",
    **changes: typing.Any,
) -> RunResult:
    """Build one finished run; `changes` are laid over its measurement."""
    values = {name: dataclasses.replace(LIKE[name], value=float(value)) for name, value in metrics.items()}
    values["test_images"] = Measured(value=1000.0, unit="images")
    return made.run(values, made.request(seed, side=side, round=round_), predictions=("test",), **changes)


def column(start: int, values: dict[str, Floats], **changes: typing.Any) -> list[RunResult]:
    """Build a run for each row of values."""
    count = len(next(iter(values.values())))
    return [
        result(start + row, {name: found[row] for name, found in values.items()}, **changes)
        for row in range(count)
    ]


def baseline(values: dict[str, Floats]) -> tuple[Baseline, str]:
    """Build a stored baseline."""
    metrics = {name: made.kept(found.tolist(), LIKE[name]) for name, found in values.items()}
    return made.baseline(metrics), "baselines/probe.json"


def noise(seed: int, runs: int, mean: float, sd: float) -> Floats:
    """Return bell-shaped values."""
    return mean + sd * np.random.default_rng(seed).standard_normal(runs)


BASE = {"accuracy": noise(0, 10, 0.95, 0.005), "loss": noise(1, 10, 0.2, 0.01)}


def scores(seed: int, runs: int, accuracy: float = 0.95, loss: float = 0.2) -> dict[str, Floats]:
    """Return scores of a program with these means."""
    return {"accuracy": noise(seed, runs, accuracy, 0.005), "loss": noise(seed + 1, runs, loss, 0.01)}


def evidence(
    screen: dict[str, Floats], confirm: dict[str, Floats] | None = None, *, gated: tuple[str, ...] = ("accuracy", "loss")
) -> Evidence:  # fmt: skip
    """Put head runs against the stored baseline."""
    head: dict[Round, list[RunResult]] = {"screen": column(100, screen)}
    if confirm:
        head["confirm"] = column(CONFIRM_SEED, confirm, round_="confirm")
    scenario = dataclasses.replace(PROBE, gated=gated)
    return Evidence(
        scenario=scenario, variant="default", tier="smoke", head=head, base=None, stored=baseline(BASE)
    )


def verdicts(state: trials.State) -> dict[str, str]:
    """Return the verdict of every gated metric."""
    return {judgement.metric: judgement.verdict for judgement in judgements(state)}


def judgements(state: trials.State) -> list[Judgement]:
    """Return the judgements against a reference."""
    return [
        judgement
        for comparison in state.comparisons
        for judgement in comparison.judgements
        if judgement.against == "baseline"
    ]


def test_a_loss_is_confirmed_on_fresh_runs() -> None:
    """An unchanged program passes at once; a worse one asks for ten fresh runs, which confirm the leading metric."""
    state = trials.decide([evidence(scores(5, 5))], STORED)
    assert (state.wanted, verdicts(state)) == ((), {"accuracy": "PASS", "loss": "PASS"})
    state = trials.decide([evidence(scores(5, 5, accuracy=0.9))], STORED)
    assert state.wanted == (Want("probe", "default", "confirm", 10),)
    state = trials.decide([evidence(scores(5, 5, accuracy=0.9), scores(7, 10, accuracy=0.9))], STORED)
    assert (state.wanted, verdicts(state)) == ((), {"accuracy": "REGRESSED", "loss": "PASS"})
    assert "confirmed on 10 fresh runs" in judgements(state)[0].reason


def test_confirm_never_uses_runs_of_the_screen() -> None:
    """A bad screen with good fresh runs cannot be confirmed by the screen's own values, says so, and passes."""
    state = trials.decide([evidence(scores(5, 5, accuracy=0.5), scores(7, 10))], STORED)
    (trial,) = [trial for trial in state.trials if trial.flagged and trial.direction == "worse"]
    assert all(min(look.head) > 0.9 for look in trial.confirm)
    assert verdicts(state)["accuracy"] == "PASS"
    assert "not confirmed" in judgements(state)[0].reason


@pytest.mark.parametrize(
    ("runs", "accuracy", "verdict", "cause"),
    [
        (5, 0.90, "REGRESSED", "single"),  # complete separation: p = 1/3003, level 0.005 shared by four looks
        (5, 1.00, "IMPROVED", "single"),
        (3, 0.90, "INCONCLUSIVE", "unconfirmed"),  # p = 1/286
        (1, 0.90, "INCONCLUSIVE", "unconfirmed"),  # no ranks
        (5, 0.95, "PASS", "quiet"),
    ],
)
def test_without_further_runs_a_single_look_decides(
    runs: int, accuracy: float, verdict: str, cause: str
) -> None:
    """When no more may be asked for, only what holds the level shared by all looks is called worse or better."""
    state = trials.decide([evidence(scores(5, runs, accuracy=accuracy))], STORED, more=False)
    assert (verdicts(state)["accuracy"], judgements(state)[0].cause) == (verdict, cause)


def test_what_a_single_look_leaves_open_says_what_could_decide() -> None:
    """Three runs against ten reach 1/286, four looks need 1/800: the ranks of four do."""
    state = trials.decide([evidence(scores(5, 3, accuracy=0.9))], STORED, more=False)
    assert "the ranks of 4 runs could decide" in judgements(state)[0].reason
    assert judgements(state)[0].next_step == "harness gate probe:default --tier smoke"


def test_an_improvement_is_confirmed_like_a_loss() -> None:
    """A better loss asks for fresh runs, then for approval."""
    better = evidence(scores(5, 5, loss=0.1), scores(7, 10, loss=0.1))
    assert verdicts(trials.decide([better], STORED))["loss"] == "IMPROVED"


def test_a_loss_that_worsens_first_leads() -> None:
    """The smallest screen p leads, whichever metric of the group has it; the others follow as description."""
    worse = {"accuracy": 0.938, "loss": 0.4}
    state = trials.decide([evidence(scores(5, 5, **worse), scores(7, 10, **worse))], STORED)
    (trial,) = [trial for trial in state.trials if trial.flagged]
    assert trial.metric == "loss"
    assert verdicts(state)["loss"] == "REGRESSED"


def test_a_damaged_baseline_is_an_error() -> None:
    """No gated metric passes when its baseline cannot be read."""
    state = trials.decide(
        [dataclasses.replace(evidence(scores(5, 5)), stored=None, damaged="it is torn")], STORED
    )
    assert set(verdicts(state).values()) == {"ERROR"}
    assert judgements(state)[0].reason == "it is torn"


def test_identities_are_judged_over_both_rounds() -> None:
    """An identity that only a confirm run violates is violated."""
    each = evidence(scores(5, 5, accuracy=0.9), scores(7, 10, accuracy=0.9))
    broken = IdentityCheck("orthogonal", 1.0, 0.1, "U'U = 1", "")
    late = result(CONFIRM_SEED + 50, {"accuracy": 0.9, "loss": 0.2}, round_="confirm", identities=(broken,))
    head = {**each.head, "confirm": [*each.head["confirm"], late]}
    state = trials.decide([dataclasses.replace(each, head=head)], STORED)
    assert state.comparisons[0].judgements[0].cause == "violated"


def without(run: RunResult, name: str) -> RunResult:
    """Return a run that could not measure a metric, and says why."""
    assert run.measurement is not None
    metrics = {kept: measured for kept, measured in run.metrics.items() if kept != name}
    measurement = dataclasses.replace(run.measurement, problems=("it diverged",))
    return dataclasses.replace(run, metrics=metrics, measurement=measurement)


@pytest.mark.parametrize("row", [0, 9])
def test_a_fresh_run_that_lacks_the_metric_leaves_it_undecided(row: int) -> None:
    """A training that diverges in the confirm round gives no loss: nine of ten decide nothing, and the gap has a name."""
    each = evidence(scores(5, 5, loss=0.3), scores(7, 10, loss=0.3))
    confirm = [*each.head["confirm"]]
    confirm[row] = without(confirm[row], "loss")
    state = trials.decide([dataclasses.replace(each, head={**each.head, "confirm": confirm})], STORED)
    assert verdicts(state) == {"accuracy": "PASS", "loss": "INCONCLUSIVE"}
    assert judgements(state)[1].reason.endswith("measured in 9 of 10 fresh runs: it diverged")


def test_what_fresh_runs_lack_is_no_pass() -> None:
    """Ten of the twenty runs that another group asked for have a loss as it was: half of them diverged, and that never clears it."""
    each = evidence(scores(5, 5, loss=0.3), scores(7, 20))
    confirm = [without(run, "loss") if run.request.seed % 2 else run for run in each.head["confirm"]]
    state = trials.decide([dataclasses.replace(each, head={**each.head, "confirm": confirm})], STORED)
    assert verdicts(state)["loss"] == "INCONCLUSIVE"
    assert "not confirmed on 10 fresh runs; measured in 10 of 20 fresh runs" in judgements(state)[1].reason


# -- beside a base --------------------------------------------------------------------------------


def sided(
    base: dict[str, Floats], head: dict[str, Floats], *, round_: Round = "screen", **changes: typing.Any
) -> Evidence:
    """Put base and head runs of one round side by side."""
    start = CONFIRM_SEED if round_ == "confirm" else 0
    scenario = dataclasses.replace(PROBE, gated=tuple(base))
    return Evidence(
        scenario=scenario, variant="default", tier="smoke", stored=None,
        head={round_: column(start, head, round_=round_, **changes)},
        base={round_: column(start, base, side="base", round_=round_)},
    )  # fmt: skip


def joined(first: Evidence, second: Evidence) -> Evidence:
    """Put two rounds together."""
    base = {**(first.base or {}), **(second.base or {})}
    return dataclasses.replace(first, head={**first.head, **second.head}, base=base)


def seconds(seed: int, runs: int, mean: float = 1.0, sd: float = 0.01) -> dict[str, Floats]:
    """Return times."""
    return {"total.seconds": noise(seed, runs, mean, sd)}


def test_equal_times_are_cleared_at_seven_pairs() -> None:
    """A pass is a finding: a 10% slowdown is excluded."""
    state = trials.decide([sided(seconds(0, 7), seconds(1, 7))], AGAINST)
    assert state.wanted == ()
    assert verdicts(state) == {"total.seconds": "PASS"}
    assert "10% slower is excluded" in judgements(state)[0].test


def test_slower_times_are_confirmed_on_fresh_pairs() -> None:
    """A slowdown is flagged at seven pairs and confirmed at ten others."""
    screen = sided(seconds(0, 7), seconds(1, 7, mean=1.2))
    assert trials.decide([screen], AGAINST).wanted == (Want("probe", "default", "confirm", 10),)
    both = joined(screen, sided(seconds(2, 10), seconds(3, 10, mean=1.2), round_="confirm"))
    state = trials.decide([both], AGAINST)
    assert verdicts(state) == {"total.seconds": "REGRESSED"}
    (judgement,) = judgements(state)
    assert judgement.gated
    assert judgement.reason.startswith("1.198 times the base")


def test_loud_times_ask_for_the_next_look() -> None:
    """Neither slower nor cleared: three more pairs."""
    loud = sided(seconds(0, 7, sd=0.2), seconds(1, 7, sd=0.2))
    assert trials.decide([loud], AGAINST).wanted == (Want("probe", "default", "screen", 10),)
    state = trials.decide([loud], AGAINST, more=False)
    assert verdicts(state) == {"total.seconds": "INCONCLUSIVE"}
    assert "the next look is at 10" in judgements(state)[0].reason


def test_what_forty_pairs_leave_open_says_what_would_decide() -> None:
    """After the last look the number of pairs that would decide is estimated."""
    state = trials.decide([sided(seconds(0, 40, sd=0.4), seconds(9, 40, mean=1.08, sd=0.4))], AGAINST)
    assert state.wanted == ()
    assert verdicts(state) == {"total.seconds": "INCONCLUSIVE"}
    assert "would decide" in judgements(state)[0].reason


def test_every_pair_counts_whatever_ran_beside() -> None:
    """Of a head four times slower all runs are disturbed, of the base none: it fails all the same (a loud machine excuses no side)."""
    first = sided(seconds(0, 7), seconds(1, 7, mean=4.0))
    both = joined(first, sided(seconds(2, 10), seconds(3, 10, mean=4.0), round_="confirm"))
    head = {
        name: [dataclasses.replace(run, concurrent=True) for run in runs] for name, runs in both.head.items()
    }
    assert all(run.disturbed for runs in head.values() for run in runs)
    state = trials.decide([dataclasses.replace(both, head=head)], AGAINST)
    assert state.wanted == ()
    assert verdicts(state) == {"total.seconds": "REGRESSED"}


@given(st.integers(0, 2**32 - 1), st.lists(st.booleans(), min_size=14, max_size=14))
@settings(max_examples=30)
def test_which_runs_are_disturbed_changes_no_verdict(seed: int, loud: list[bool]) -> None:
    """Whatever pattern of runs other processes disturb, the same times get the same verdict and ask for the same runs."""
    quiet = sided(seconds(seed, 7, sd=0.1), seconds(seed + 1, 7, mean=1.1, sd=0.1))

    def marked(runs: Sequence[RunResult], which: list[bool]) -> dict[Round, list[RunResult]]:
        return {
            "screen": [dataclasses.replace(run, concurrent=one) for run, one in zip(runs, which, strict=True)]
        }

    assert quiet.base is not None
    noisy = dataclasses.replace(
        quiet, head=marked(quiet.head["screen"], loud[:7]), base=marked(quiet.base["screen"], loud[7:])
    )
    found, expected = (trials.decide([each], AGAINST) for each in (noisy, quiet))
    assert (verdicts(found), found.wanted) == (verdicts(expected), expected.wanted)


def both_clocks(base: Floats, head: Floats, cpu: tuple[Floats, Floats], round_: Round) -> Evidence:
    """Put both sides' wall and CPU times of a stage side by side; the wall time is gated."""
    sides = [
        {"train.seconds": wall, "train.cpu_seconds": used} for wall, used in ((base, cpu[0]), (head, cpu[1]))
    ]
    found = sided(sides[0], sides[1], round_=round_)
    return dataclasses.replace(found, scenario=dataclasses.replace(found.scenario, gated=("train.seconds",)))


def test_cpu_time_carries_what_the_wall_time_of_a_loud_machine_cannot() -> None:
    """Wall times that wait for others by a third say little; CPU time is 25% more and leads, under the wall time's name."""

    def loud(seed: int, runs: int, round_: Round, slower: float) -> Evidence:
        used = seconds(seed, runs)["total.seconds"], slower * seconds(seed + 1, runs)["total.seconds"]
        waits = np.random.default_rng(seed).lognormal(0.5, 0.33, (2, runs))
        return both_clocks(used[0] * waits[0], used[1] * waits[1], used, round_)

    state = trials.decide([joined(loud(0, 20, "screen", 1.25), loud(5, 20, "confirm", 1.25))], AGAINST)
    assert verdicts(state) == {"train.seconds": "REGRESSED"}
    (judgement,) = judgements(state)
    assert judgement.reason.startswith("1.25")
    assert "the base's CPU time" in judgement.reason
    assert "CPU time: exact" in judgement.test
    same = trials.decide([loud(0, 7, "screen", 1.0)], AGAINST)
    assert same.wanted == (Want("probe", "default", "screen", 10),)


def test_cpu_time_never_passes_what_waits_longer() -> None:
    """A head that sleeps has the base's CPU time: only the wall time can exclude a slowdown, and it says the head is slower."""
    used = [
        (seconds(seed, runs)["total.seconds"], seconds(seed + 1, runs)["total.seconds"])
        for seed, runs in ((0, 7), (2, 10))
    ]
    rounds: list[Round] = ["screen", "confirm"]
    slept = [
        both_clocks(base, head + 0.5, (base, head), round_)
        for (base, head), round_ in zip(used, rounds, strict=True)
    ]
    state = trials.decide([joined(*slept)], AGAINST)
    assert verdicts(state) == {"train.seconds": "REGRESSED"}
    assert "CPU time" not in judgements(state)[0].reason


def test_more_cpu_time_of_more_threads_is_no_slowdown() -> None:
    """A head that computes with two threads takes half as long and more CPU time: it passes."""
    base, head = seconds(0, 7)["total.seconds"], seconds(1, 7, mean=0.6)["total.seconds"]
    state = trials.decide([both_clocks(base, head, (base, 2 * head), "screen")], AGAINST)
    assert verdicts(state) == {"train.seconds": "PASS"}


@pytest.mark.parametrize("row", [0, 4])
def test_a_pair_counts_where_both_runs_have_the_time(row: int) -> None:
    """Base times differ from pair to pair by more than the sides do: a pair that one run lacks takes its other run with it."""
    level = {"total.seconds": np.linspace(1.0, 3.0, 11)}
    slower = {"total.seconds": 1.2 * level["total.seconds"]}
    screen = sided(seconds(0, 7), seconds(1, 7, mean=1.2))
    confirm = sided(level, slower, round_="confirm")
    head = [*confirm.head["confirm"]]
    head[row] = without(head[row], "total.seconds")
    both = joined(screen, dataclasses.replace(confirm, head={"confirm": head}))
    state = trials.decide([both], AGAINST)
    (trial,) = state.trials
    (look,) = trial.confirm
    np.testing.assert_allclose(look.head, 1.2 * np.asarray(look.base))
    assert trial.reason.endswith("measured in 10 of 11 fresh runs: it diverged")


def test_a_run_that_went_on_from_an_earlier_attempt_is_made_up_for() -> None:
    """Nobody knows its total time: one more pair makes up for its own."""
    screen = sided(seconds(0, 7), seconds(1, 7, mean=1.2))
    confirm = sided(seconds(2, 10), seconds(3, 10, mean=1.2), round_="confirm")
    first, *rest = confirm.head["confirm"]
    lost = without(first, "total.seconds")
    assert lost.measurement is not None
    lost = dataclasses.replace(lost, measurement=dataclasses.replace(lost.measurement, resumed=("train",)))
    state = trials.decide(
        [joined(screen, dataclasses.replace(confirm, head={"confirm": [lost, *rest]}))], AGAINST
    )
    assert state.wanted == (Want("probe", "default", "confirm", 11),)
    assert "measured in" not in state.trials[0].reason


def test_times_are_not_compared_when_what_measures_changed() -> None:
    """A change of the measuring code gives INCOMPARABLE, never a ratio."""
    changed = dataclasses.replace(AGAINST, code_changed=("harness/worker.py",))
    state = trials.decide([sided(seconds(0, 7), seconds(1, 7, mean=2.0))], changed)
    assert verdicts(state) == {"total.seconds": "INCOMPARABLE"}
    assert "harness/worker.py" in judgements(state)[0].reason


def test_of_equal_ranks_the_growth_furthest_beyond_its_floor_leads() -> None:
    """Two metrics whose ranks tell all they can: one grew barely beyond 1.5 MiB, and less in the confirm round; the other is found."""

    def bytes_(runs: int, peak: float, left: float) -> dict[str, Floats]:
        steps = np.arange(runs) / 100
        return {"peak_bytes": (peak + steps) * MIB, "left_bytes": (left + steps) * MIB}

    screen = sided(bytes_(7, 20, 10), bytes_(7, 21.6, 12.3))
    confirm = sided(bytes_(10, 20, 10), bytes_(10, 21.4, 12.3), round_="confirm")
    state = trials.decide([joined(screen, confirm)], AGAINST)
    assert [trial.metric for trial in state.trials if trial.flagged] == ["left_bytes"]
    assert verdicts(state)["left_bytes"] == "REGRESSED"


def test_a_base_that_never_finishes_is_an_error() -> None:
    """Without base runs nothing can be held against them, and that is no pass."""
    both = sided(scores(0, 7), scores(2, 7))
    lost = [
        dataclasses.replace(run, status="error", error="no such module")
        for run in (both.base or {})["screen"]
    ]
    state = trials.decide([dataclasses.replace(both, base={"screen": lost})], AGAINST)
    assert set(verdicts(state).values()) == {"ERROR"}
    assert "no such module" in judgements(state)[0].reason
    assert state.comparisons[0].failed[0] == "base: no such module"


def test_a_metric_that_the_base_lacks_has_no_baseline() -> None:
    """A metric that is new on head needs a person."""
    new = sided({"accuracy": noise(0, 7, 0.95, 0.005)}, scores(2, 7))
    scenario = dataclasses.replace(PROBE, gated=("accuracy", "loss"))
    state = trials.decide([dataclasses.replace(new, scenario=scenario)], AGAINST)
    assert verdicts(state)["loss"] == "NO_BASELINE"


# -- many at once --------------------------------------------------------------------------------


def test_levels_are_shared_among_flagged_groups() -> None:
    """Under Holm a group that alone would be confirmed may not be beside many others."""
    flagged = [
        dataclasses.replace(evidence(scores(50 * i, 5, accuracy=0.9), scores(50 * i + 7, 10, accuracy=0.9)), variant=f"v{i}")
        for i in range(12)
    ]  # fmt: skip
    state = trials.decide(flagged, STORED)
    worse = [trial for trial in state.trials if trial.flagged and trial.direction == "worse"]
    assert sorted(trial.divisor for trial in worse) == list(range(1, 13))
    assert all(
        (trial.verdict == "REGRESSED") == (trial.ratio is not None and trial.ratio * trial.divisor <= 1)
        for trial in worse
    )
