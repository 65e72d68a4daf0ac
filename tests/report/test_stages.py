"""The table of stages: what a training loop waits for its input stands beside its time."""

from __future__ import annotations

import dataclasses
import typing

from harness.records import Job, Measured, RunResult
from harness.report import render, stages

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Scenario


def waiting(run: RunResult, **shares: float) -> RunResult:
    """Return a run whose stages were outside their steps for these shares."""
    told = {
        f"{name}.share_outside": Measured(value=share, unit="", kind="runtime")
        for name, share in shares.items()
    }
    return dataclasses.replace(run, metrics={**run.metrics, **told})


def test_the_share_outside_the_steps_is_the_mean_over_runs(job: Job) -> None:
    """Two runs of 1% and 2% show 1.5% at the stage that trains, nothing at the others."""
    run = next(run for run in job.results if run.status == "ok")
    name = next(reversed(run.measurement.stages)).name if run.measurement else ""
    rows, _ = stages.stage_rows([waiting(run, **{name: 0.01}), waiting(run, **{name: 0.02})])
    assert {row.name: row.outside for row in rows if row.outside} == {name: "1.5%"}


def test_the_column_stands_only_where_something_is_trained(job: Job, scenarios: dict[str, Scenario], tmp_path: Path) -> None:  # fmt: skip
    """A job without such a share has no column for it; with one, its stage shows it."""
    heading = '<th class="num">Outside steps</th>'
    assert heading not in render(job, tmp_path, scenarios)
    run = next(run for run in job.results if run.status == "ok")
    name = next(reversed(run.measurement.stages)).name if run.measurement else ""
    found = [waiting(one, **{name: 0.034}) if one is run else one for one in job.results]
    page = render(dataclasses.replace(job, results=tuple(found)), tmp_path, scenarios)
    assert page.count(heading) == 1
    assert '<td class="num">3.4%</td>' in page
