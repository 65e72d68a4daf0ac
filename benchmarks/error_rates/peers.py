"""What three other tools would say of the same values: their own functions, called in the packages as installed.

Each decides on base against head as its command line does (`tests/benchmarks/test_error_rates.py` holds them against it). Tuned, a peer's
statistic is cut where 1% of unchanged trials lie beyond it on the very noise at hand, which no user knows.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import typing

import numpy as np

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Decide = Callable[[Sequence[float], Sequence[float]], bool]
    Score = Callable[[Sequence[float], Sequence[float]], float]

ASV_FACTOR = 1.1
TUNED_LEVEL = 0.01


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    """One rule of one package."""

    name: str
    """As the page calls it."""
    package: str
    """Distribution that holds it."""
    decide: Decide
    """decide(base, head): whether head is called slower, as shipped."""
    score: Score
    """score(base, head): the statistic that is cut when it is tuned; larger is slower."""
    lowest: float = -np.inf
    """Cut below which the rule cannot be tuned."""


def asv_slower(base: Sequence[float], head: Sequence[float], factor: float = ASV_FACTOR) -> bool:
    """`asv compare --factor` on benchmarks stored with their samples: whether the line is marked ``+``."""
    from asv.commands.compare import _is_result_better

    (before, kept_before), (after, kept_after) = _asv_result(base), _asv_result(head)
    return bool(_is_result_better(before, after, kept_before, kept_after, factor))


def asv_single_slower(before: float, after: float) -> bool:
    """`asv compare` on a value without samples, as ``track_`` and ``peakmem_`` benchmarks store it: the factor alone decides."""
    from asv.commands.compare import _is_result_better

    return bool(_is_result_better(before, after, None, None, ASV_FACTOR))


def _asv_result(samples: Sequence[float]) -> tuple[float, tuple[dict[str, float], list[float]]]:
    """Return result and statistics as asv's own runner computes them before it stores them."""
    from asv_runner.statistics import compute_stats

    value, stats = compute_stats(list(samples), 1)
    return value, (stats, list(samples))


def _asv_score(base: Sequence[float], head: Sequence[float]) -> float:
    """Ratio of medians where asv finds the samples different, else 0: the factor above which it would be marked."""
    from asv import _stats

    (before, kept_before), (after, kept_after) = _asv_result(base), _asv_result(head)
    different = _stats.is_different(kept_before[1], kept_after[1], kept_before[0], kept_after[0])
    return after / before if different else 0.0


def benchmark_slower(base: Sequence[float], head: Sequence[float], field: str = "mean") -> bool:
    """`pytest --benchmark-compare --benchmark-compare-fail=FIELD:10%`: whether the session fails."""
    return bool(_benchmark_check(field).fails(_benchmark_stats(head, field), _benchmark_stats(base, field)))


def _benchmark_score(field: str) -> Score:
    def score(base: Sequence[float], head: Sequence[float]) -> float:
        found = _benchmark_check(field).compute(_benchmark_stats(head, field), _benchmark_stats(base, field))
        return float(found)

    return score


def _benchmark_check(field: str) -> typing.Any:  # noqa: ANN401 - the package has no types
    utils: typing.Any = importlib.import_module("pytest_benchmark.utils")
    return utils.parse_compare_fail(f"{field}:10%")


def _benchmark_stats(samples: Sequence[float], field: str) -> dict[str, float]:
    """Return the one statistic that the check reads, from pytest-benchmark's own class."""
    module: typing.Any = importlib.import_module("pytest_benchmark.stats")
    stats = module.Stats()
    for sample in samples:
        stats.update(sample)
    return {field: getattr(stats, field)}


def pyperf_slower(base: Sequence[float], head: Sequence[float]) -> bool:
    """`pyperf compare_to`: whether head is slower and the difference is called significant."""
    from pyperf._utils import is_significant

    significant, t = is_significant(list(head), list(base))
    return bool(significant and t > 0)


def _pyperf_score(base: Sequence[float], head: Sequence[float]) -> float:
    from pyperf._utils import tscore

    return float(tscore(list(head), list(base)))


ASV = Peer("asv compare 1.1", "asv", asv_slower, _asv_score, lowest=1.0)
MEAN = Peer("pytest-benchmark mean:10%", "pytest-benchmark", benchmark_slower, _benchmark_score("mean"))
MINIMUM = Peer(
    "pytest-benchmark min:10%",
    "pytest-benchmark",
    lambda base, head: benchmark_slower(base, head, "min"),
    _benchmark_score("min"),
)
PYPERF = Peer("pyperf t test", "pyperf", pyperf_slower, _pyperf_score)
ALL = (ASV, MEAN, MINIMUM, PYPERF)


def versions() -> str:
    """Name the packages with their versions, as installed."""
    names = dict.fromkeys(peer.package for peer in ALL)
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def share_slower(peer: Peer, base: Floats, head: Floats) -> float:
    """Share of trials that a peer as shipped calls slower, (trials, n) each."""
    called = [peer.decide(b, h) for b, h in zip(base.tolist(), head.tolist(), strict=True)]
    return float(np.mean(called))


def scores(peer: Peer, base: Floats, head: Floats) -> Floats:
    """Score every trial, (trials, n) each to (trials,)."""
    return np.array([peer.score(b, h) for b, h in zip(base.tolist(), head.tolist(), strict=True)])


def tuned_cut(peer: Peer, unchanged: Floats, level: float = TUNED_LEVEL) -> float:
    """Smallest cut beyond which at most `level` of the unchanged trials' scores lie."""
    ordered = np.sort(unchanged)[::-1]
    return max(peer.lowest, float(ordered[int(level * len(ordered))]))
