"""A job for benchmark trackers: github-action-benchmark and Bencher. One value a metric, its range over the runs beside it."""

from __future__ import annotations

import json
import statistics
import typing

from harness.store.table import Series, headlines

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.records import Job


def bigger_is_better(job: Job) -> str:
    """Write the metrics that improve upwards for github-action-benchmark's ``customBiggerIsBetter``."""
    return _json(_entries(series for series in headlines(job) if series.better == "higher"))


def smaller_is_better(job: Job) -> str:
    """Write the metrics that improve downwards for github-action-benchmark's ``customSmallerIsBetter``."""
    return _json(_entries(series for series in headlines(job) if series.better == "lower"))


def _entries(found: Iterable[Series]) -> list[dict[str, object]]:
    return [_entry(series) for series in found]


def _entry(series: Series) -> dict[str, object]:
    runs = len(series.values)
    entry: dict[str, object] = {
        "name": f"{series.system.name} {series.metric}",
        "unit": series.unit or "1",
        "value": series.mean,
        "extra": f"{series.kind}, mean of {runs} run{'s' * (runs > 1)}",
    }
    if runs > 1:
        entry["range"] = f"± {statistics.stdev(series.values):.3g}"
    return entry


def bencher(job: Job) -> str:
    """Write Bencher Metric Format: benchmark, measure, then the mean with the lowest and highest of several runs as its bounds."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for series in headlines(job):
        found.setdefault(series.system.name, {})[_measure(series)] = _bounded(series)
    return _json(found)


def _measure(series: Series) -> str:
    return f"{series.metric} ({series.unit})" if series.unit else series.metric


def _bounded(series: Series) -> dict[str, float]:
    bounds = {"lower_value": min(series.values), "upper_value": max(series.values)}
    return {"value": series.mean, **(bounds if len(series.values) > 1 else {})}


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
