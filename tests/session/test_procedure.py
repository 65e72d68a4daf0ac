"""How a gate goes from look to look, on runs that a made-up executor writes: what cannot be had, the budget, seeds, and the same verdict again."""

from __future__ import annotations

import collections
import dataclasses
import operator
import typing

import numpy as np
import pytest

from harness.cli.shared import MOST_SEEDS
from harness.judging.gate.trials import CONFIRM_SEED
from harness.records import GateSettings, Plan, RunRequest, Variant
from harness.running import plans
from harness.session import procedure
from harness.store import files
from tests.judging.gate.test_trials import PROBE, result
from tests.judging.made import failed

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.records import Job, RunResult

    Make = Callable[[RunRequest], RunResult]

AGAINST = GateSettings(against="main", seeds=7)
SCENARIO = dataclasses.replace(
    PROBE, variants=tuple(Variant(name=name) for name in "abcd"), gated=("accuracy", "total.seconds")
)
DECLARED = {"probe": SCENARIO}


def opened(variants: str, settings: GateSettings = AGAINST, first: int = 0) -> Plan:
    """Plan the first look of a gate beside a base: seven pairs of each variant."""
    requests = [
        RunRequest(scenario="probe", variant=variant, tier="smoke", seed=seed, side=side)
        for seed in range(first, first + 7)
        for variant in variants
        for side in ("base", "head")
    ]
    return dataclasses.replace(plans.make(requests, "harness gate", None), gate=settings)


def conducted(plan: Plan, make: Make, out: Path) -> tuple[Plan, Job]:
    """Conduct a gate whose runs are made up, and judge it; judging again gives the same."""

    def do(requests: Sequence[RunRequest]) -> None:
        for request in requests:
            files.write_json(out / "runs" / request.key / "result.json", make(request))

    plan = procedure.conduct(plan, DECLARED, (), out, do, interleave=list)
    job = procedure.assemble(plan, DECLARED, (), out)
    assert told(procedure.rejudge(job, DECLARED, (), out)) == told(job)
    return plan, job


def made(request: RunRequest, *, lost: float = 0.0, loud: float = 0.01) -> RunResult:
    """Make up a run, other values on each side and seed: `lost` accuracy on head, times as loud as said."""
    head = request.side == "head"
    rng = np.random.default_rng([request.seed, ord(request.variant), head])
    accuracy = 0.95 + 0.005 * rng.standard_normal() - lost * head
    seconds = float(np.exp(loud * rng.standard_normal()))
    run = result(
        request.seed,
        {"accuracy": accuracy, "total.seconds": seconds},
        side=request.side,
        round_=request.round,
    )
    measurement = dataclasses.replace(run.measurement, request=request) if run.measurement else None
    return dataclasses.replace(run, request=request, measurement=measurement)


def told(job: Job, *fields: str) -> dict[str, typing.Any]:
    """Return verdict and reason, or the named field, of every gated metric, by variant and metric."""
    return {
        f"{comparison.variant} {judgement.metric}": operator.attrgetter(*(fields or ("verdict", "reason")))(
            judgement
        )
        for comparison in job.comparisons
        for judgement in comparison.judgements
        if judgement.against == "baseline"
    }


def confirmed(plan: Plan) -> dict[str, int]:
    """Count the pairs of the confirm round of each variant."""
    fresh = [request for request in plan.requests if request.round == "confirm" and request.side == "head"]
    return dict(collections.Counter(request.variant for request in fresh))


def test_a_pair_that_never_finishes_stops_no_confirm_round(tmp_path: Path) -> None:
    """Six pairs of a are too few for a first look at times, and there are no more: what is worse in a and in b is confirmed all the same."""

    def make(request: RunRequest) -> RunResult:
        broken = (request.variant, request.seed, request.side) == ("a", 3, "head")
        return failed(request) if broken else made(request, lost=0.05)

    plan, job = conducted(opened("ab"), make, tmp_path)
    assert confirmed(plan) == {"a": 10, "b": 10}
    assert {key: verdict for key, (verdict, _) in told(job).items()} == {
        "a accuracy": "REGRESSED", "a total.seconds": "INCONCLUSIVE", "b accuracy": "REGRESSED", "b total.seconds": "PASS",
    }  # fmt: skip
    assert told(job)["a total.seconds"][1] == "6 pairs to compare, the first look takes 7"
    assert job.gate is not None
    assert job.gate.exit_code == 1


def test_a_budget_that_ends_the_screen_leaves_what_it_holds_to_the_confirm_round(tmp_path: Path) -> None:
    """Three loud variants have looks at 7 and 10 pairs; 15 would be 104 runs of 100; the fourth variant's loss takes 20 and is found."""

    def make(request: RunRequest) -> RunResult:
        return made(request, lost=0.05) if request.variant == "d" else made(request, loud=0.3)

    plan, job = conducted(opened("abcd", dataclasses.replace(AGAINST, max_runs=100)), make, tmp_path)
    assert confirmed(plan) == {"d": 10}
    assert len(plan.requests) == 94
    assert told(job)["d accuracy"][0] == "REGRESSED"
    assert [told(job)[f"{name} total.seconds"][0] for name in "abc"] == ["INCONCLUSIVE"] * 3
    assert "after 10 pairs neither slower nor cleared" in told(job)["a total.seconds"][1]


def test_a_budget_that_holds_not_all_fresh_runs_confirms_whole_variants(tmp_path: Path) -> None:
    """Of three losses two have their ten fresh pairs, the third none: half a look decides nothing."""
    plan, job = conducted(
        opened("abc", dataclasses.replace(AGAINST, max_runs=90)), lambda request: made(request, lost=0.05), tmp_path
    )  # fmt: skip
    assert confirmed(plan) == {"a": 10, "b": 10}
    assert [told(job, "cause")[f"{name} accuracy"] for name in "abc"] == ["confirmed", "confirmed", "single"]


def test_a_gate_without_time_begins_no_look(tmp_path: Path) -> None:
    """Nothing beyond the first look is run: a single look decides, and says so."""
    plan, job = conducted(
        opened("a", dataclasses.replace(AGAINST, max_minutes=0.0)), lambda request: made(request, lost=0.05), tmp_path
    )  # fmt: skip
    assert len(plan.requests) == 14
    assert told(job, "cause")["a accuracy"] == "single"


@pytest.mark.parametrize("first", [0, 7, CONFIRM_SEED - 3, CONFIRM_SEED, 3 * CONFIRM_SEED])
def test_fresh_runs_have_seeds_of_their_own(tmp_path: Path, first: int) -> None:
    """Whatever the first seed is, the confirm round repeats none of the screen's, and the screen goes on with its own."""
    plan, job = conducted(
        opened("a", first=first), lambda request: made(request, lost=0.05, loud=1.0), tmp_path
    )
    rounds = {
        name: sorted(request.seed for request in plan.requests if request.round == name and request.side == "head")
        for name in ("screen", "confirm")
    }  # fmt: skip
    assert not {*rounds["screen"]} & {*rounds["confirm"]}
    for seeds in rounds.values():
        assert len(seeds) >= 10
        assert seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    assert rounds["screen"][0] == first
    assert told(job)["a accuracy"][0] == "REGRESSED"


def test_no_screen_reaches_the_confirm_rounds_seeds() -> None:
    """The most seeds that the command takes end where the confirm round's begin."""
    assert MOST_SEEDS <= CONFIRM_SEED


def test_a_confirm_round_begun_at_other_seeds_goes_on_with_them(tmp_path: Path) -> None:
    """A job of an earlier version, whose confirm round began at a million whatever the first seed was, keeps its ten pairs."""
    plan = opened("a", first=5)
    begun = [
        dataclasses.replace(request, round="confirm", seed=request.seed - 5 + CONFIRM_SEED + more)
        for request in plan.requests
        for more in (0, 7)
        if request.seed - 5 + more < 10
    ]  # fmt: skip
    plan = dataclasses.replace(plan, requests=(*plan.requests, *begun))
    after, job = conducted(plan, lambda request: made(request, lost=0.05), tmp_path)
    assert after.requests == plan.requests
    assert told(job)["a accuracy"][0] == "REGRESSED"
