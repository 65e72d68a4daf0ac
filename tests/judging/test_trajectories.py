"""First losses compared step by step: what is the same, what is not, and what a gate and a baseline make of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import typing

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from harness.errors import BaselineError
from harness.judging import baselines, probes, trajectories
from harness.judging.trajectories import ELSEWHERE, ROUNDING, SAME
from harness.records import PRECISIONS, Baseline, BaselineMetric, Probe, Trajectory
from tests.judging import made
from tests.judging.test_probes import PLACE, measured, result, work

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Judgement, RunResult
    from tests.conftest import Harness

LOSSES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=8)


def followed(*losses: float, dtype: str = "float32") -> Trajectory:
    """Return a trajectory."""
    return Trajectory(values=losses, dtype=dtype)


def judged(ours: Trajectory | None, theirs: Trajectory, **given: typing.Any) -> Judgement:
    """Judge one training."""
    found = {"train": ours} if ours else {}
    (judgement,) = trajectories.judge(found, {"train": theirs}, PLACE, **{"same": True, **given})
    return judgement


@hypothesis.given(losses=LOSSES, dtype=st.sampled_from(PRECISIONS), same=st.booleans())
def test_equal_losses_pass(losses: list[float], dtype: str, same: bool) -> None:
    """Whatever they are, and wherever they come from."""
    ours = followed(*losses, dtype=dtype)
    assert judged(ours, ours, same=same).verdict == "PASS"


@hypothesis.given(losses=LOSSES, seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(PRECISIONS))
def test_rounding_of_each_loss_passes(losses: list[float], seed: int, dtype: str) -> None:
    """A few units in the last place of the precision are no change, even where bits repeat."""
    noise = np.random.default_rng(seed).uniform(-1, 1, len(losses)) * (SAME - 1) * ROUNDING[dtype]
    ours = followed(*(np.array(losses) * (1 + noise)), dtype=dtype)
    assert judged(ours, followed(*losses, dtype=dtype)).verdict == "PASS"


@hypothesis.given(losses=LOSSES, data=st.data(), same=st.booleans())
def test_a_fifth_at_any_step_is_a_change_that_names_it(
    losses: list[float], data: st.DataObject, same: bool
) -> None:
    """Never rounding, and never better or worse."""
    step = data.draw(st.integers(0, len(losses) - 1))
    now = [*losses]
    now[step] += 0.2 * max(losses[: step + 1])
    judgement = judged(followed(*now), followed(*losses), same=same)
    assert (judgement.verdict, judgement.cause, judgement.gated) == ("CHANGED", "unequal", True)
    assert f"from step {step + 1} of {len(losses)} on" in judgement.reason


@hypothesis.given(
    losses=LOSSES, share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(PRECISIONS)
)
def test_what_passes_in_one_environment_passes_between_two(
    losses: list[float], share: float, seed: int, dtype: str
) -> None:
    """The tolerance elsewhere is never the smaller one, and a coarser precision never has the smaller one."""
    noise = np.random.default_rng(seed).normal(0, share * 1e-5, len(losses))
    ours, theirs = followed(*(np.array(losses) * (1 + noise)), dtype=dtype), followed(*losses, dtype=dtype)
    if judged(ours, theirs).verdict == "PASS":
        assert judged(ours, theirs, same=False).verdict == "PASS"
        coarser = [dataclasses.replace(one, dtype="bfloat16") for one in (ours, theirs)]
        assert judged(*coarser).verdict == "PASS"


def test_zero_losses_are_compared() -> None:
    """Rounding of a loss that is exactly zero is none of its share."""
    assert judged(followed(0.0, 1e-14), followed(0.0, 0.0)).verdict == "PASS"
    assert judged(followed(0.0, 1e-3), followed(0.0, 0.0)).verdict == "CHANGED"


def test_a_coarser_precision_does_not_excuse_itself() -> None:
    """Losses that moved by a bfloat16's rounding are a change where the reference was computed in float32, and the line says so."""
    judgement = judged(followed(2.31, dtype="bfloat16"), followed(2.3, dtype="float32"), same=False)
    assert judgement.verdict == "CHANGED"
    assert "computed in bfloat16, not float32" in judgement.reason
    assert judgement.tolerance == ELSEWHERE * ROUNDING["float32"]


def test_a_training_that_ends_early_has_changed() -> None:
    """Fewer losses than the reference has, as of a training that diverged, are no pass."""
    judgement = judged(followed(2.0, 1.0), followed(2.0, 1.0, 0.5))
    assert judgement.verdict == "CHANGED"
    assert "2 finite first losses, not 3" in judgement.reason


def test_what_cannot_be_compared_says_why() -> None:
    """Another backend: INCOMPARABLE. Not followed any more: ERROR. Not repeatable here nor known to be there: NOT_JUDGED."""
    one, two = followed(2.0), followed(1.0)
    assert judged(one, two, hindered=["backend: torch, not jax"]).verdict == "INCOMPARABLE"
    assert judged(None, two).verdict == "ERROR"
    assert judged(one, two, loose=["trajectory.train"]).verdict == "NOT_JUDGED"
    assert judged(two, two, loose=["trajectory.train"]).verdict == "PASS"
    found = trajectories.judge({"train": one, "new": one}, {"train": one}, PLACE, same=True)
    assert {item.metric: item.verdict for item in found} == {
        "trajectory.train": "PASS",
        "trajectory.new": "NO_BASELINE",
    }


def test_an_older_baseline_is_silent() -> None:
    """A reference without any trajectory gives no judgement at all: nothing that a person would have to decide."""
    assert trajectories.judge({"train": followed(2.0)}, {}, PLACE, same=True) == []


# -- runs and baselines -------------------------------------------------------------------------


def followed_run(*losses: float, cpu_flags: str = "avx512f") -> RunResult:
    """Return a counting run that followed a training."""
    run = measured(result(work(samples=10)), cpu_flags=cpu_flags)
    assert run.measurement is not None
    measurement = dataclasses.replace(run.measurement, trajectories={"train": followed(*losses)})
    return dataclasses.replace(run, measurement=measurement)


def baseline(**trajectories: Trajectory) -> Baseline:
    """Return a stored baseline with these trajectories."""
    accuracy = BaselineMetric(values=[0.9] * 5, unit="", kind="accuracy", better="higher")
    return made.baseline({"accuracy": accuracy}, trajectories=trajectories)


def test_runs_that_do_not_share_their_losses_are_not_repeatable() -> None:
    """The probe names the trajectory; rounding in another order is no difference."""
    one = {"train": followed(2.0, 1.0)}
    assert trajectories.unlike(one, {"train": followed(2.0, 1.0 + 1e-7)}) == []
    assert trajectories.unlike(one, {"train": followed(2.0, 1.1)}) == ["trajectory.train"]
    assert trajectories.unlike(one, {}) == ["trajectory.train"]


def test_a_file_keeps_trajectories_readable_and_refuses_what_cannot_be(tmp_path: Path) -> None:
    """One line a training; a loss that is not finite, none, or an unknown precision is a damaged file."""
    path = tmp_path / "probe" / "default" / "smoke" / "0.json"
    path.parent.mkdir(parents=True)
    whole = baseline(train=followed(2.0, 1.0))
    path.write_text(baselines.as_text(whole))
    assert '\n"train": {"values": [2.0, 1.0], "dtype": "float32"}\n' in path.read_text()
    assert baselines.load(path) == whole
    changes = baselines.diff(baseline(), whole)
    assert [(change.metric, change.old, change.new, change.spread) for change in changes][-1] == (
        "trajectory.train", None, 1.5, None,
    )  # fmt: skip
    for wrong, told in (
        (followed(), "without losses"),
        (followed(1e200), "not finite"),
        (followed(2.0, dtype="int8"), "int8"),
    ):
        path.write_text(baselines.as_text(baseline(train=wrong)))
        with pytest.raises(BaselineError, match=told):
            baselines.load(path)


@pytest.mark.parametrize(("cpu_flags", "share"), [("avx512f", SAME), ("avx2", ELSEWHERE)])
def test_another_machine_widens_the_tolerance(cpu_flags: str, share: float) -> None:
    """The narrow one holds where times could be compared and equal runs give equal bits."""
    base, head = followed_run(2.0), followed_run(2.0, cpu_flags=cpu_flags)
    probe = Probe(
        scenario="probe", variant="default", tier="smoke", seed=0, predictions_equal=True, work_equal=True
    )
    judgement = probes.against_base(head, probe, base, "base")[-1]
    assert judgement.tolerance == share * ROUNDING["float32"]
    loose = dataclasses.replace(probe, predictions_equal=False, differing=("test/probabilities",))
    assert probes.against_base(head, loose, base, "base")[-1].tolerance == ELSEWHERE * ROUNDING["float32"]


# -- from the command line --------------------------------------------------------------------

FOLLOWED = """
def measure(run):
    rng = np.random.default_rng(run.seed)
    x, w = rng.normal(size=(64, 4)), rng.normal(size=4)
    with run.stage("train"):
        for _ in range(20):
            residual = x @ w - x.sum(axis=1)
            run.trajectory((residual**2).mean())
            w = w - 0.1 * x.T @ residual / len(x)
    guess(run)

SCENARIO = declare(measure)
"""


@pytest.mark.slow
def test_a_users_training_is_followed_from_run_to_gate(harness: Harness) -> None:
    """One line in the scenario: stored, proposed and accepted; unchanged it passes; with other data it is CHANGED and a person decides."""
    harness.repository()
    own = ("--scenarios", harness.scenario(FOLLOWED))
    run = harness("run", "probe", "--seeds", "5", "--out", "first", *own)
    assert run.code == 0, run.out + run.err
    kept = harness.job("first")["counted"][0]["measurement"]["trajectories"]["train"]
    assert (len(kept["values"]), kept["dtype"]) == (8, "float32")
    assert harness("baseline", "propose", "first", "--who", "T", "--reason", "r", *own).code == 0
    diff = harness("baseline", "diff", "first")
    assert "trajectory.train" in diff.out
    assert harness("baseline", "accept", "first").code == 0
    same = harness("gate", "probe", "--seeds", "1", "--out", "same", *own)
    assert same.code == 0, same.out + same.err
    harness.scenario(FOLLOWED.replace("rng.normal(size=(64, 4))", "rng.normal(1e-3, size=(64, 4))"))
    changed = harness("gate", "probe", "--seeds", "1", "--out", "changed", *own)
    assert changed.code == 3, changed.out + changed.err
    assert "CHANGED trajectory.train of probe:default is another one" in changed.out
    assert "Next: harness judge changed --explain trajectory.train" in changed.out
    explained = harness("judge", "changed", "--explain", "trajectory.train", *own)
    assert "from step 1 of 8 on" in explained.out
    rows = [line.split() for line in explained.out.splitlines()]
    assert [row[0] for row in rows if len(row) == 5 and row[0].isdigit()] == [
        str(step) for step in range(1, 9)
    ]
    page = (harness.folder / "changed" / "index.html").read_text()
    assert "First losses, trajectory.train" in page
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(30)).date().isoformat()
    words = ("probe:default/trajectory.train", "--reason", "r", "--who", "T", "--until", until)
    waived = harness("baseline", "waive", *words, *own)
    assert waived.code == 0, waived.out + waived.err
    again = harness("judge", "changed", *own)
    assert (again.code, "WAIVED trajectory.train of probe:default is waived" in again.out) == (0, True), (
        again.out
    )


@pytest.mark.slow
def test_a_baseline_from_before_gives_no_verdict(harness: Harness) -> None:
    """A baseline without trajectories neither fails a gate nor asks a person anything."""
    harness.repository()
    own = ("--scenarios", harness.scenario(FOLLOWED))
    assert harness("run", "probe", "--seeds", "5", "--out", "first", *own).code == 0
    assert harness("baseline", "propose", "first", "--who", "T", "--reason", "r", *own).code == 0
    assert harness("baseline", "accept", "first").code == 0
    (path,) = (harness.folder / "baselines").rglob("*.json")
    old = json.loads(path.read_text())
    del old["trajectories"]
    path.write_text(json.dumps(old))
    gate = harness("gate", "probe", "--seeds", "1", "--out", "out", *own)
    assert gate.code == 0, gate.out + gate.err
    kinds = {
        judged["kind"]
        for comparison in harness.job("out")["comparisons"]
        for judged in comparison["judgements"]
    }
    assert "trajectory" not in kinds
