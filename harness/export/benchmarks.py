"""A job for benchmark trackers: github-action-benchmark and Bencher. One value a metric, its range over the runs beside it."""

from __future__ import annotations

import json
import statistics
import typing

from harness.store.table import Series, headlines

if typing.TYPE_CHECKING:
    from harness.records import Job


def bigger_is_better(job: Job) -> str:
    """Write the metrics that improve upwards for github-action-benchmark's ``customBiggerIsBetter``."""
    return _json([_entry(series) for series in headlines(job) if series.better == "higher"])


def smaller_is_better(job: Job) -> str:
    """Write the metrics that improve downwards for github-action-benchmark's ``customSmallerIsBetter``."""
    return _json([_entry(series) for series in headlines(job) if series.better == "lower"])


def _entry(series: Series) -> dict[str, object]:
    runs = len(series.values)
    spread = {"range": f"± {statistics.stdev(series.values):.3g}"} if runs > 1 else {}
    extra = f"{series.kind}, mean of {runs} run{'s' * (runs > 1)}"
    name = f"{series.system.name} {series.metric}"
    return {"name": name, "unit": series.unit or "1", "value": series.mean, "extra": extra, **spread}


def bencher(job: Job) -> str:
    """Write Bencher Metric Format: benchmark, measure, then the mean with the lowest and highest of several runs as its bounds."""
    systems: dict[str, dict[str, dict[str, float]]] = {}
    for series in headlines(job):
        measure = f"{series.metric} ({series.unit})" if series.unit else series.metric
        bounds = {"lower_value": min(series.values), "upper_value": max(series.values)}
        values = {"value": series.mean, **(bounds if len(series.values) > 1 else {})}
        systems.setdefault(series.system.name, {})[measure] = values
    return _json(systems)


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
