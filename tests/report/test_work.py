"""What the report shows of counting runs."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from harness.records import Judgement, Measured, Measurement, Probe, RunRequest, RunResult
from harness.report import numbers, render
from harness.report.work import sentence, table
from tests.report.parsed import Parsed
from tests.report.test_page import NOWHERE

if typing.TYPE_CHECKING:
    from harness.records import Job

SCENARIO, VARIANT = "tinyconvnet_svd", "default"


def probe(*differing: str, predictions: bool = True, work: bool = True) -> Probe:
    """Return a probe of the default variant."""
    return Probe(
        scenario=SCENARIO, variant=VARIANT, tier="smoke", seed=0, predictions_equal=predictions, work_equal=work,
        differing=differing,
    )  # fmt: skip


def counting(**changes: typing.Any) -> RunResult:
    """Return a counting run of two stages, the second without FLOPs."""
    request = RunRequest(
        scenario=SCENARIO, variant=VARIANT, tier="smoke", seed=0, backend="torch", purpose="count"
    )
    measurement = Measurement(
        request=request, scenario_version=1, options={}, metrics={}, stages=(), identities=(), predictions=(), figures=(),
        datasets=(), environment={}, uncounted=("svd: <not> counted",),
    )  # fmt: skip
    values = {
        "work.train.samples": 594, "work.train.flops": 16_543_785_600, "work.analyse.samples": 253,
        "work.total.samples": 847, "work.total.flops": 16_543_785_600, "work.stored_bytes": 32_400,
    }  # fmt: skip
    metrics = {
        name: Measured(value=float(value), kind="work", better="lower") for name, value in values.items()
    }
    result = RunResult(
        request=request, status="ok", started="", wall_seconds=1.0, metrics=metrics, measurement=measurement
    )
    return dataclasses.replace(result, **changes)


def test_counts_stand_in_full_by_stage(job: Job) -> None:
    """Every digit of a count is shown, what was not counted is a dash, the total is last and other columns are absent."""
    counted = dataclasses.replace(job, counted=(counting(),), probes=(probe(),))
    found = table(counted, SCENARIO, VARIANT)
    assert found is not None
    assert found.columns == ("Samples trained on", "torch FLOPs")
    assert found.rows == (
        ("train", ("594", "16,543,785,600")), ("analyse", ("253", numbers.NONE)), ("total", ("847", "16,543,785,600")),
    )  # fmt: skip
    assert (found.stored, found.error) == ("32,400", "")
    assert table(counted, SCENARIO, "other") is None


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (probe(), "gave the same predictions and the same counts, bit by bit."),
        (probe("test/predicted", predictions=False), "gave the same counts, but differ in test/predicted."),
        (probe("work.a.flops", work=False), "gave the same predictions, but differ in work.a.flops."),
        (
            probe("test/predicted", "work.a.flops", predictions=False, work=False),
            "differ in test/predicted, work.a.flops.",
        ),
        (
            probe("a run failed: killed", predictions=False, work=False),
            "could not be probed: a run failed: killed.",
        ),
        (None, "the second of two equal runs is missing"),
    ],
)
def test_the_probe_is_one_sentence(found: Probe | None, told: str) -> None:
    """Each outcome of a probe reads as what it means."""
    assert told in sentence(found)


def judgement(metric: str, verdict: typing.Any) -> Judgement:
    """Judge one count."""
    return Judgement(
        against="baseline",
        metric=metric,
        verdict=verdict,
        kind="work",
        n=1,
        value=2.0,
        reference=1.0,
        gated=True,
    )


def test_the_page_folds_what_is_equal_and_shows_what_is_not(job: Job) -> None:
    """Counts, probe and the list of what is not counted are on the page; only a count that regressed is in the open table."""
    judged = (judgement("work.train.samples", "REGRESSED"), judgement("work.analyse.samples", "PASS"))
    comparisons = tuple(
        dataclasses.replace(c, judgements=(*c.judgements, *judged))
        if c.scenario == SCENARIO and c.variant == VARIANT
        else c
        for c in job.comparisons
    )
    counted = dataclasses.replace(job, comparisons=comparisons, counted=(counting(),), probes=(probe(),))
    page = render(counted, NOWHERE, {})
    text = Parsed(page).text
    assert "Work counted" in text
    assert "svd: <not> counted" in text
    assert "16,543,785,600" in text
    folded = page.index("1 count of work equal to the baseline")
    anchor = f'<tr id="{SCENARIO}--{VARIANT}--baseline--work'
    assert page.index(f"{anchor}.train.samples") < folded < page.index(f"{anchor}.analyse.samples")
    assert "Work counted" not in render(job, NOWHERE, {})


def test_a_counting_run_that_failed_says_so_on_the_page(job: Job) -> None:
    """Its error stands where the counts would be."""
    failed = counting(status="error", metrics={}, measurement=None, error="the worker was killed by SIGKILL")
    page = render(dataclasses.replace(job, counted=(failed,)), NOWHERE, {})
    assert "the worker was killed by SIGKILL" in Parsed(page).text
