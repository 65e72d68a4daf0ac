"""The harness's own work as kernels: deciding a gate, rendering a report; on made-up runs."""

from __future__ import annotations

import typing
from pathlib import Path

import numpy as np

from benchmarks.pairs import Data, Pair
from harness.judging.gate import trials
from harness.judging.gate.values import Evidence
from harness.records import (
    Baseline,
    BaselineMetric,
    GateSettings,
    Job,
    Measured,
    Measurement,
    RunRequest,
    RunResult,
    Scenario,
    Source,
    Variant,
)

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmarks.pairs import Result

    Floats = NDArray[np.float64]

RUNS, METRICS, VARIANTS, STORED = 1000, 50, 100, 20
"""Runs in all, metrics of each, variants that a gate's runs are divided into, runs of a stored baseline."""


def scenario(metrics: int, variants: int, name: str = "probe") -> Scenario:
    """Declare a scenario with many gated metrics; no scenario of the harness has as many."""
    return Scenario(
        name=name, version=1, source=Source(slug="probe", title="A probe"), measure=print, tiers={"smoke": {}},
        variants=tuple(Variant(name=f"v{index}") for index in range(variants)),
        gated=tuple(f"m{index}" for index in range(metrics)),
    )  # fmt: skip


def results(values: Floats, variant: str, name: str = "probe") -> list[RunResult]:
    """Return a finished run for each row of values (runs, metrics), larger being better."""
    return [_result(seed, row, variant, name) for seed, row in enumerate(values.tolist())]


def _result(seed: int, row: list[float], variant: str, name: str) -> RunResult:
    request = RunRequest(scenario=name, variant=variant, tier="smoke", seed=seed)
    measurement = Measurement(
        request=request, scenario_version=1, options={}, metrics={}, stages=(), identities=(), predictions=(), figures=(),
        datasets=(), environment={}, foreign_cpu=0.0,
    )  # fmt: skip
    metrics = {
        f"m{index}": Measured(value=value, unit="nat", better="higher") for index, value in enumerate(row)
    }
    return RunResult(
        request=request, status="ok", started="", wall_seconds=1.0, measurement=measurement, metrics=metrics
    )


def baseline(values: Floats, variant: str) -> tuple[Baseline, str]:
    """Return a stored baseline of values (runs, metrics)."""
    metrics = {
        f"m{index}": BaselineMetric(values=column, unit="nat", kind="accuracy", better="higher")
        for index, column in enumerate(values.T.tolist())
    }
    stored = Baseline(
        schema=1, scenario="probe", scenario_version=1, variant=variant, tier="smoke", who="", reason="", date="", commit="",
        seeds=tuple(range(len(values))), environment={}, datasets=(), metrics=metrics,
    )  # fmt: skip
    return stored, "baselines/probe.json"


def drawn(seed: int, runs: int, metrics: int) -> Floats:
    """Draw values of shape (runs, metrics) round 1."""
    return np.random.default_rng(seed).normal(1.0, 0.01, (runs, metrics))


def decision(
    _: Data | None = None, runs: int = RUNS, metrics: int = METRICS, variants: int = VARIANTS
) -> Pair:
    """Decide a gate of many variants, one of them worse in its first metric by far more than its spread."""
    declared = scenario(metrics, variants)
    each = runs // variants
    settings = GateSettings(seeds=each)
    evidence = [_evidence(declared, index, each, metrics) for index in range(variants)]

    def fast() -> Result:
        return trials.decide(evidence, settings)

    def difference() -> float:
        found = {(trial.variant, trial.metric) for trial in fast().trials if trial.flagged}
        return float(("v0", "m0") not in found)

    return Pair(
        name="decision of a gate",
        data=f"{runs:,} runs x {metrics} metrics in {variants} variants, made up, baselines of {STORED} runs",
        fast=fast,
        difference=difference,
        allowed=0.0,
        fast_units=float(runs * metrics),
        unit="value",
        seconds=2.0,
    )


def _evidence(declared: Scenario, index: int, runs: int, metrics: int) -> Evidence:
    variant = f"v{index}"
    head = drawn(2 * index, runs, metrics)
    head[:, 0] -= 0.5 * (index == 0)
    return Evidence(
        scenario=declared, variant=variant, tier="smoke", head={"screen": results(head, variant)}, base=None,
        stored=baseline(drawn(2 * index + 1, STORED, metrics), variant),
    )  # fmt: skip


def report(
    _: Data | None = None, scenarios: int = 5, variants: int = 4, runs: int = 10, metrics: int = 9
) -> Pair:
    """Render the report of a job of several scenarios; the same job must give the same page, and every variant its section."""
    from harness.report import render

    declared = {name: scenario(metrics, variants, name) for name in (f"probe{index}" for index in range(scenarios))}  # fmt: skip
    job = _job(declared, runs, metrics)

    def fast() -> Result:
        return render(job, Path(), declared)

    def difference() -> float:
        page = fast()
        sections = (f'"#{found.scenario}--{found.variant}"' for found in job.comparisons)
        return float(page != fast() or any(section not in page for section in sections))

    return Pair(
        name="rendering of a report",
        data=f"{scenarios} scenarios x {variants} variants x {runs} runs x {metrics} metrics, made up",
        fast=fast,
        difference=difference,
        allowed=0.0,
        fast_units=float(scenarios * variants * runs),
        unit="result",
        seconds=20.0,
    )


def _job(declared: Mapping[str, Scenario], runs: int, metrics: int) -> Job:
    """Make a job of so many runs of every variant, each held against a baseline that is like it."""
    every: list[RunResult] = []
    evidence = []
    named = [(name, variant.name) for name in declared for variant in declared[name].variants]
    for index, (name, variant) in enumerate(named):
        values = drawn(index, runs, metrics)
        done = results(values, variant, name)
        every += done
        evidence.append(
            Evidence(
                scenario=declared[name],
                variant=variant,
                tier="smoke",
                head={"screen": done},
                base=None,
                stored=baseline(values, variant),
            )
        )
    return Job(
        schema=1,
        created="2026-01-01T00:00:00+00:00",
        command="harness run",
        version="",
        commit="",
        environment={},
        results=tuple(every),
        comparisons=trials.decide(evidence, GateSettings(seeds=runs), more=False).comparisons,
    )
