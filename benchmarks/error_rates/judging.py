"""How often `harness judge` errs: ``python -m benchmarks.error_rates judging``; the numbers of docs/statistics.md.

Synthetic runs go through `harness.judging.gate.trials.decide` itself, so what is counted is what a user would read.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections import Counter

import numpy as np

from benchmarks.error_rates.noise import heavy, humps, normal, skewed
from harness.judging.gate.trials import decide
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
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from benchmarks.error_rates.noise import Draw

    Floats = NDArray[np.float64]

IMAGES = 360
MEAN, SD = 0.95, 0.006
MIB = 2.0**20
SHARE = Measured(value=0, better="higher")
MEMORY = Measured(value=0, unit="B", kind="memory", better="lower")


def images(rng: np.random.Generator, trials: int, runs: int) -> Floats:
    """Bell-shaped noise rounded to whole test images, which gives ties."""
    return (np.rint((MEAN + SD * rng.standard_normal((trials, runs))) * IMAGES) / IMAGES - MEAN) / SD


def results(values: Floats, name: str, measured: Measured) -> list[RunResult]:
    """Build finished runs with one metric; seeds start where no baseline's do."""
    return [
        _result(seed, {name: dataclasses.replace(measured, value=float(x))})
        for seed, x in enumerate(values, 100)
    ]


def _result(seed: int, metrics: dict[str, Measured]) -> RunResult:
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=seed)
    measurement = Measurement(
        request=request, scenario_version=1, options={}, metrics={}, stages=(), identities=(), predictions=(),
        figures=(), datasets=(), environment={},
    )  # fmt: skip
    shares = {"test_images": Measured(value=float(IMAGES), unit="images")}
    return RunResult(
        request=request,
        status="ok",
        started="",
        wall_seconds=0.0,
        metrics=metrics | shares,
        measurement=measurement,
    )


def stored(values: Floats, name: str, measured: Measured) -> Baseline:
    """Build the baseline of one metric."""
    metric = BaselineMetric(
        values=values.tolist(), unit=measured.unit, kind=measured.kind, better=measured.better
    )
    return Baseline(
        schema=1, scenario="probe", scenario_version=1, variant="default", tier="smoke", who="", reason="",
        date="", commit="", seeds=tuple(range(len(values))), environment={}, datasets=(),
        metrics={name: metric},
    )  # fmt: skip


def scenario(gated: tuple[str, ...]) -> Scenario:
    """Declare the probe."""
    return Scenario(
        name="probe", version=1, source=Source(slug="probe", title="A probe"), measure=print,
        variants=(Variant(name="default"),), tiers={"smoke": {}}, gated=gated,
    )  # fmt: skip


def against_baseline(
    draw: Draw,
    shift: float,
    *,
    base: int,
    runs: int,
    trials: int,
    rng: np.random.Generator,
    memory: bool = False,
) -> Counter[str]:
    """Count verdicts on a program worse than its baseline by `shift` standard deviations; of memory, MiB."""
    name, measured = ("peak", MEMORY) if memory else ("accuracy", SHARE)
    probe, verdicts = scenario((name,)), Counter[str]()
    for _ in range(trials):
        noise = draw(rng, 1, base + runs)[0]
        noise[base:] -= shift
        values = (100 - noise) * MIB if memory else MEAN + SD * noise
        candidate, baseline = results(values[base:], name, measured), stored(values[:base], name, measured)
        each = Evidence(
            scenario=probe,
            variant="default",
            tier="smoke",
            head={"screen": candidate},
            base=None,
            stored=(baseline, "file"),
        )
        state = decide([each], GateSettings(seeds=runs), more=False)
        verdicts[state.comparisons[0].judgements[0].verdict] += 1
    return verdicts


def table(trials: int, seed: int, wanted: Collection[str] = ()) -> dict[str, dict[str, float]]:
    """Simulate every row; each has a stream of its own, so rows do not depend on each other.

    Parameters
    ----------
    trials, seed : int
        Trials of each row, and the seed of all streams.
    wanted : collection of str, optional
        Rows to simulate, with the streams that they have among all; every row by default.

    Returns
    -------
    dict
        Row to verdict to share of trials.
    """
    rows: dict[str, Callable[..., Counter[str]]] = {}

    def row(draw: Draw, shift: float, base: int, runs: int, *, memory: bool = False) -> None:
        name = f"{'memory' if memory else 'accuracy'} {draw.__name__}, {base} against {runs}, {shift:g}"
        fixed: dict[str, typing.Any] = {"base": base, "runs": runs, "memory": memory}
        rows[name + (" MiB of 100" if memory else " sd")] = functools.partial(
            against_baseline, draw, shift, **fixed
        )

    for draw in (normal, heavy, skewed, humps, images):
        row(draw, 0, 10, 5)
        row(draw, 3, 10, 5)
    for shift in (1, 2, 4):
        row(normal, shift, 10, 5)
    for base, runs in ((10, 1), (10, 3), (10, 10), (20, 5), (5, 5)):
        row(normal, 0, base, runs)
        row(normal, 3, base, runs)
    for draw in (normal, heavy):
        for growth in (0, 3, 5, 10):
            row(draw, growth, 10, 5, memory=True)
    streams = np.random.SeedSequence(seed).spawn(len(rows))
    shares: dict[str, dict[str, float]] = {}
    for (name, simulate), stream in zip(rows.items(), streams, strict=True):
        if wanted and name not in wanted:
            continue
        counted = simulate(trials=trials, rng=np.random.default_rng(stream))
        shares[name] = {verdict: count / trials for verdict, count in sorted(counted.items())}
    return shares
