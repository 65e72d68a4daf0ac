"""The harness's own work as a kernel: deciding a gate, on made-up runs."""

from __future__ import annotations

import typing

import numpy as np

from benchmarks.pairs import Data, Pair
from harness.judging.gate import trials
from harness.judging.gate.values import Evidence
from harness.records import (
    Baseline,
    BaselineMetric,
    GateSettings,
    Measured,
    Measurement,
    RunRequest,
    RunResult,
    Scenario,
    Source,
    Variant,
)

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.pairs import Result

    Floats = NDArray[np.float64]

RUNS, METRICS, VARIANTS, STORED = 1000, 50, 100, 20
"""Runs in all, metrics of each, variants that a gate's runs are divided into, runs of a stored baseline."""


def drawn(seed: int, runs: int, metrics: int) -> Floats:
    """Draw values of shape (runs, metrics) round 1."""
    return np.random.default_rng(seed).normal(1.0, 0.01, (runs, metrics))


def decision(
    _: Data | None = None, runs: int = RUNS, metrics: int = METRICS, variants: int = VARIANTS
) -> Pair:
    """Decide a gate of many variants, one of them worse in its first metric by far more than its spread."""
    # no scenario of the harness has as many gated metrics
    declared = Scenario(
        name="probe", version=1, source=Source(slug="probe", title="A probe"), measure=print, tiers={"smoke": {}},
        variants=tuple(Variant(name=f"v{index}") for index in range(variants)), gated=tuple(f"m{index}" for index in range(metrics)),
    )  # fmt: skip
    settings = GateSettings(seeds=runs // variants)
    evidence = [_evidence(declared, index, runs // variants, metrics) for index in range(variants)]

    def fast() -> Result:
        return trials.decide(evidence, settings)

    def difference() -> float:
        found = {(trial.variant, trial.metric) for trial in fast().trials if trial.flagged}
        return float(("v0", "m0") not in found)

    what = f"{runs:,} runs x {metrics} metrics in {variants} variants, made up, baselines of {STORED} runs"
    return Pair("decision of a gate", what, fast, None, difference, seconds=2.0)


def _evidence(declared: Scenario, index: int, runs: int, metrics: int) -> Evidence:
    """Make up a variant's runs, larger values being better, and a stored baseline."""
    variant = f"v{index}"
    head = drawn(2 * index, runs, metrics)
    head[:, 0] -= 0.5 * (index == 0)
    results = []
    for seed, row in enumerate(head.tolist()):
        request = RunRequest(scenario="probe", variant=variant, tier="smoke", seed=seed)
        measurement = Measurement(
            request=request, scenario_version=1, options={}, metrics={}, stages=(), identities=(), predictions=(), figures=(),
            datasets=(), environment={}, foreign_cpu=0.0,
        )  # fmt: skip
        values = {
            f"m{place}": Measured(value=value, unit="nat", better="higher") for place, value in enumerate(row)
        }
        results.append(
            RunResult(request=request, status="ok", started="", wall_seconds=1.0, measurement=measurement, metrics=values)
        )  # fmt: skip
    columns = drawn(2 * index + 1, STORED, metrics).T.tolist()
    baseline = Baseline(
        schema=1, scenario="probe", scenario_version=1, variant=variant, tier="smoke", who="", reason="", date="", commit="",
        seeds=tuple(range(STORED)), environment={}, datasets=(),
        metrics={
            f"m{place}": BaselineMetric(values=column, unit="nat", kind="accuracy", better="higher")
            for place, column in enumerate(columns)
        },
    )  # fmt: skip
    return Evidence(
        scenario=declared, variant=variant, tier="smoke", head={"screen": results}, base=None,
        stored=(baseline, "baselines/probe.json"),
    )  # fmt: skip
