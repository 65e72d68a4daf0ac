"""The sentence that decides and the line of each variant: named, with amount and unit, the same everywhere."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from harness.cli import terminal
from harness.judging import answer, wording
from harness.records import Comparison, Gate, GateSettings, Job, Judgement, Look, Measured, RunResult, Trial
from harness.records.words import Verdict
from harness.report.verdicts import SIGNS
from tests.judging import made

KEY = "probe:default"


def judged(verdict: str, metric: str = "accuracy", **changes: typing.Any) -> Judgement:
    """Judge a metric that a gate acts on against its baseline."""
    fields: dict[str, typing.Any] = {
        "against": "baseline",
        "kind": "accuracy",
        "value": 0.865,
        "reference": 0.886,
        "gated": True,
    }
    return Judgement(metric=metric, verdict=verdict, **{**fields, **changes})  # type: ignore[arg-type]


def run(seed: int, **metrics: float) -> RunResult:
    """Finish a run with these metrics."""
    values = {name.replace("__", "."): Measured(value=value) for name, value in metrics.items()}
    return made.run(values, made.request(seed))


def job(
    *judgements: Judgement,
    code: int | None = None,
    results: tuple[RunResult, ...] = (),
    **changes: typing.Any,
) -> Job:
    """Put judgements into a job; with an exit code into a gate."""
    compared = Comparison(
        scenario="probe",
        variant="default",
        tier="smoke",
        seeds=(0,),
        failed=(),
        judgements=judgements,
        **changes,
    )
    gate = (
        None if code is None else Gate(settings=GateSettings(), base_results=(), minutes=1.0, exit_code=code)
    )
    return made.job(results, comparisons=(compared,), gate=gate)


@pytest.mark.parametrize(
    ("judgement", "said"),
    [
        (judged("REGRESSED"), "accuracy of probe:default fell 2.1 points"),
        (judged("IMPROVED", value=0.886, reference=0.885), "accuracy of probe:default rose 0.10 points"),
        (judged("REGRESSED", "total.seconds", kind="runtime", unit="s", value=1.3, reference=1.0), "time of probe:default rose 30%"),
        (
            judged("REGRESSED", "train.above_imports_bytes", kind="memory", unit="B", value=150.0 * 2**20, reference=100.0 * 2**20),
            "train peak memory of probe:default rose 50.00 MiB (50%)",
        ),
        (judged("REGRESSED", "loss", unit="nat", value=0.5, reference=0.4), "loss of probe:default rose 0.1 nat (25%)"),
        (judged("REGRESSED", "spectrum", value=[1.0], reference=[2.0]), "spectrum of probe:default is worse"),
        (judged("REGRESSED", "sum", against="identity", kind="identity"), "identity sum of probe:default is violated"),
        (judged("BELOW", against="expectation"), "accuracy of probe:default is 2.1 points below the published value"),
        (judged("NO_BASELINE", reference=None), "probe:default has no baseline yet"),
        (judged("INCONCLUSIVE"), "accuracy of probe:default is undecided"),
        (judged("WAIVED"), "accuracy of probe:default fell 2.1 points, waived"),
        (judged("WAIVED", reference=None), "accuracy of probe:default is waived"),
    ],
)  # fmt: skip
def test_a_finding_names_metric_variant_and_amount(judgement: Judgement, said: str) -> None:
    """Shares in points, times in percent, memory in MiB and percent; without numbers to compare no amount is made up."""
    assert wording.finding(KEY, judgement) == said


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (None, None, "0.3 against 0.2. one run"),
        (None, 0.2, "0.3 against 0.2, at most 0.2. one run"),
        (0.4, None, "0.3 against 0.2, at least 0.4. one run"),
        (0.1, 0.2, "0.3 against 0.2, bounds 0.1 to 0.2. one run"),
    ],
)
def test_an_open_end_is_said_as_one(lower: float | None, upper: float | None, said: str) -> None:
    """A bound on one side is neither left out nor said to end at nothing."""
    exceeded = judged(
        "ABOVE", "error", value=0.3, reference=0.2, reason="one run exceeds it", lower=lower, upper=upper
    )
    assert said in wording.sentence(KEY, exceeded)


@pytest.mark.parametrize(
    ("judgements", "code", "said"),
    [
        ([judged("PASS"), judged("REGRESSED", "total.seconds", kind="runtime"), judged("REGRESSED")], 1, "Accuracy of probe:default fell 2.1 points"),
        ([judged("REGRESSED", "f1_macro")], 1, "f1_macro of probe:default fell 2.1 points"),
        ([judged("BELOW", against="expectation", gated=False), judged("REGRESSED")], 1, "Accuracy of probe:default fell 2.1 points"),
        ([judged("ERROR", "loss"), judged("INCONCLUSIVE")], 2, "Loss of probe:default could not be judged"),
        ([judged("IMPROVED", value=0.9, reference=0.88)], 3, "Accuracy of probe:default rose 2.0 points"),
        ([judged("PASS"), judged("BELOW", against="expectation", gated=False)], 0, "probe:default is no worse than its baseline"),
        ([judged("BELOW", against="expectation", gated=False)], None, "Accuracy of probe:default is 2.1 points below the published value"),
        ([judged("ERROR"), judged("REGRESSED", "sum", against="identity")], None, "Identity sum of probe:default is violated"),
        ([], None, "Nothing was judged"),
    ],
)  # fmt: skip
def test_the_headline_is_what_the_exit_code_comes_from(
    judgements: list[Judgement], code: int | None, said: str
) -> None:
    """Accuracy before time, an identity before what could not be judged; a passing gate does not speak of what it does not act on."""
    assert answer.headline(job(*judgements, code=code)) == said


def test_a_line_has_the_numbers_of_the_runs_and_of_the_baseline() -> None:
    """Means with units, the change signed, what is published, how many identities hold, and the worst verdict."""
    runs = tuple(
        run(seed, accuracy=value, total__seconds=2.0, total__above_imports_bytes=20.0 * 2**20)
        for seed, value in enumerate((0.86, 0.87))
    )
    judgements = (
        judged("REGRESSED", reference_runs=(0.886, 0.886)), judged("PASS", "sum", against="identity"),
        judged("NOT_JUDGED", against="expectation", reference=0.9, gated=False),
        judged("PASS", "total.above_imports_bytes", kind="memory", unit="B", value=110.0, reference=100.0),
    )  # fmt: skip
    (line,) = answer.lines(job(*judgements, results=runs))
    assert (line.before, line.score, line.delta, line.published) == (
        "88.60%",
        "86.50%",
        "-2.10 points",
        "90.00%",
    )
    assert (line.time, line.memory, line.memory_change, line.identities) == (
        "2 s",
        "20 MiB",
        "+10%",
        "1 holds",
    )
    assert (line.values, line.base, line.verdict) == ((0.86, 0.87), (0.886, 0.886), "REGRESSED")


@pytest.mark.parametrize(
    ("direction", "worse", "said"),
    [("worse", "lower", "-2.90 to -1.30"), ("better", "higher", "+1.30 to +2.90")],
)
def test_the_interval_is_that_of_after_less_before(
    direction: typing.Literal["worse", "better"], worse: typing.Literal["lower", "higher"], said: str
) -> None:
    """An estimate is positive towards what was tested; a reader wants the sign of the change."""
    look = Look(
        metric="accuracy", round="confirm", base=[0.886], head=[0.865], worse=worse, estimate=0.021, lower=0.013, upper=0.029, p=0.001,
        level=0.01, floor=0.0, alarm=True, clear=False, tests="",
    )  # fmt: skip
    trial = Trial(
        scenario="probe", variant="default", tier="smoke", kind="accuracy", direction=direction, metric="accuracy", screen=(look,),
        flagged=True, confirm=(look,), verdict="REGRESSED", followers=("f1_macro",),
    )  # fmt: skip
    (line,) = answer.lines(job(judged("REGRESSED"), trials=(trial,)))
    assert line.interval == said


def test_a_metric_that_follows_names_the_one_that_leads() -> None:
    """One group is one finding; a metric of another verdict has its own."""
    trial = Trial(
        scenario="probe", variant="default", tier="smoke", kind="accuracy", direction="worse", metric="accuracy", screen=(),
        flagged=True, verdict="REGRESSED", followers=("f1_macro",),
    )  # fmt: skip
    (compared,) = job(judged("REGRESSED"), judged("REGRESSED", "f1_macro"), trials=(trial,)).comparisons
    lead, follower = compared.judgements
    assert (answer.follows(compared, lead), answer.follows(compared, follower)) == ("", "accuracy")
    assert answer.follows(compared, dataclasses.replace(follower, verdict="PASS")) == ""


def test_a_scenario_without_accuracy_has_the_line_of_its_own_score() -> None:
    """The first score that a gate acts on stands in for the accuracy, with its runs and in its own unit."""
    runs = (run(0, loss=0.5), run(1, loss=0.6))
    (line,) = answer.lines(job(judged("PASS", "loss", unit="nat", value=0.5, reference=0.4), results=runs))
    assert (line.metric, line.score, line.before, line.delta) == ("loss", "0.5", "0.4", "+0.1")
    assert line.values == (0.5, 0.6)


def test_every_verdict_against_a_baseline_has_its_word() -> None:
    """The table, the colours and the page's signs know each verdict that a metric can have, and no other."""
    published = {"REPRODUCED", "BELOW", "ABOVE", "KNOWN_GAP"}
    verdicts = set(typing.get_args(Verdict))
    assert set(answer.WORDS) == verdicts - published - {"NOT_JUDGED"}
    assert set(terminal.STYLES) == verdicts - {"NOT_JUDGED"}
    assert set(SIGNS) == verdicts
