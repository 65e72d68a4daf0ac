"""How often published values are misjudged: ``python -m benchmarks.error_rates published``; the numbers of docs/statistics.md.

Synthetic runs go through `harness.judging.expectations.judge` itself.
"""

from __future__ import annotations

import functools
import typing
from collections import Counter

import numpy as np

from harness.judging.expectations import judge, tolerance
from harness.records import Expectation, Measured, RunRequest, RunResult

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from harness.records import Rule, Value

    Floats = NDArray[np.float64]

MEAN, SD, IMAGES, CLASSES = 0.95, 0.006, 300, 10
"""Accuracy of the program, its standard deviation over seeds, and the size of a small published test set and of its classes' share."""
RUNS = 10
SITUATIONS = ("equal", "at the tolerance", "twice the tolerance")


class Case(typing.NamedTuple):
    """What was published, and how our runs come about."""

    rule: Rule
    """Rule of judgement."""
    sd: float = SD
    """Standard deviation over seeds, of our program and of the source's."""
    declared: bool = True
    """Whether the expectation declares that standard deviation."""
    images: int = 0
    """Published test images; 0 for a test set that both sides share."""
    published_runs: int = 1
    """Runs whose mean is published."""
    elements: int = 1
    """Numbers of the published array; 1 for a single number."""


CASES: dict[str, Case] = {
    "one run, same test set, sd 0.2 points": Case("spread", sd=0.002, declared=False),
    "one run, same test set, sd 0.6 points declared": Case("spread"),
    "mean of 5 runs, sd 0.6 points declared": Case("mean", published_runs=5),
    "one run, 300 images drawn anew": Case("draw", sd=0.0, declared=False, images=IMAGES),
    "one run, 300 images drawn anew, sd 0.6 points declared": Case("draw", images=IMAGES),
    "one run, 300 images drawn anew, sd 2 points not declared": Case("draw", sd=0.02, declared=False, images=IMAGES),
    "one run, another fixed set of 300 images": Case("split", sd=0.002, declared=False, images=IMAGES),
    "ten classes of 30 images drawn anew": Case("draw", sd=0.0, declared=False, images=IMAGES // CLASSES, elements=CLASSES),
}  # fmt: skip


def table(trials: int, seed: int, wanted: Collection[str] = ()) -> dict[str, dict[str, float]]:
    """Simulate every row; each has a stream of its own, so rows do not depend on each other.

    Parameters
    ----------
    trials, seed : int
        Trials of each row, and the seed of all streams.
    wanted : collection of str, optional
        Rows to simulate; every row by default.

    Returns
    -------
    dict
        Row, ``<case>: <situation>``, to verdict to share of trials.
    """
    rows: dict[str, Callable[[np.random.Generator], str]] = {
        f"{name}: {situation}": functools.partial(_once, case, factor)
        for name, case in CASES.items()
        for factor, situation in enumerate(SITUATIONS)
    }
    rows["order of two equals, sd of the lead 0.4 points: equal"] = functools.partial(_ordered, 0.0)
    rows["order of two, sd of the lead 0.4 points: at the tolerance"] = functools.partial(_ordered, -1.0)
    rows["order of two, sd of the lead 0.4 points: twice the tolerance"] = functools.partial(_ordered, -2.0)
    streams = np.random.SeedSequence(seed).spawn(len(rows))
    shares: dict[str, dict[str, float]] = {}
    for (name, simulate), stream in zip(rows.items(), streams, strict=True):
        if wanted and name not in wanted:
            continue
        rng = np.random.default_rng(stream)
        verdicts = Counter(simulate(rng) for _ in range(trials))
        shares[name] = {verdict: count / trials for verdict, count in sorted(verdicts.items())}
    return shares


def _once(case: Case, factor: int, rng: np.random.Generator) -> str:
    """Judge one set of runs: of a program that equals the source's (`factor` 0), or whose mean lies `factor` tolerances below the print."""
    if factor == 0:
        theirs = _draw(case, MEAN, case.published_runs, rng).mean(axis=0)
        return _verdict(_expected(case, np.asarray(theirs)), _draw(case, MEAN, RUNS, rng))
    printed = np.full(case.elements, MEAN)
    expected = _expected(case, printed)
    return _verdict(expected, _draw(case, MEAN - factor * tolerance(expected)[0], RUNS, rng))


def _draw(case: Case, mean: float, runs: int, rng: np.random.Generator) -> Floats:
    """Draw runs, (runs, elements), of a program with this mean."""
    means = np.full((runs, case.elements), mean) + case.sd * rng.standard_normal((runs, case.elements))
    if case.rule == "draw":
        return np.asarray(rng.binomial(case.images, np.clip(means, 0, 1)) / case.images)
    if case.rule == "split":
        means += np.sqrt(mean * (1 - mean) / case.images) * rng.standard_normal()
    return means


def _expected(case: Case, printed: Floats) -> Expectation:
    rounded = np.round(printed, 4)
    value: Value = float(rounded[0]) if case.elements == 1 else rounded.tolist()
    return Expectation(
        metric="accuracy", variant="default", value=value, unit="", place="Table 1", rule=case.rule, half_width=0.00005,
        runs=case.published_runs, test_images=case.images or 10_000, source_sd=case.sd if case.declared else 0.0,
    )  # fmt: skip


def _verdict(expected: Expectation, values: Floats) -> str:
    columns: list[Value] = values.tolist() if values.shape[1] > 1 else values[:, 0].tolist()
    done = [_result({"accuracy": value}, seed) for seed, value in enumerate(columns)]
    return judge(expected, "probe:default", "paper", done).verdict


def _ordered(lead: float, rng: np.random.Generator) -> str:
    """Judge that one program is at least as good as another that leads it by so many tolerances."""
    expected = Expectation(
        metric="first is best", variant="default", value=None, unit="", place="Table 1", rule="ordering", order=("a", "b"), test_images=10_000,
    )  # fmt: skip
    leads = lead * tolerance(expected)[0] + 0.004 * rng.standard_normal(RUNS)
    done = [_result({"a": MEAN + float(x), "b": MEAN}, seed) for seed, x in enumerate(leads)]
    return judge(expected, "probe:default", "paper", done).verdict


def _result(metrics: dict[str, Value], seed: int) -> RunResult:
    request = RunRequest(scenario="probe", variant="default", tier="paper", seed=seed)
    measured = {name: Measured(value=value, better="higher") for name, value in metrics.items()}
    return RunResult(request=request, status="ok", started="", wall_seconds=0.0, metrics=measured)
