"""Metrics of a run's stages: times, rates, memory."""

from __future__ import annotations

import typing

from harness.records import Measured, MemoryTrace, StageResult, as_declared

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

HELPERS = "total.helper_bytes"
"""Metric: the most that a run's helper processes held; peaks are of the run's own process alone."""


def stage_metrics(stages: Iterable[StageResult], *, whole: bool = True) -> dict[str, Measured]:
    """Turn stages into metrics ``<stage>.seconds``, ``.cpu_seconds``, ``.images_per_second`` and of memory.

    Memory is ``.peak_bytes`` and ``.above_imports_bytes``, which means above the resident memory at the end of
    the stage ``imports``; on an accelerator also ``.device_allocated_bytes`` and ``.device_reserved_bytes``.
    ``total.*`` are the sum of times and the highest peaks over all stages but ``imports``. Where peaks
    could not be read, they are absent; so are totals where the stages are not the `whole` run.
    """
    done = list(stages)
    imported = next((stage.peak_bytes for stage in done if stage.name == "imports"), None)
    work = [stage for stage in done if stage.name != "imports"]
    metrics: dict[str, Measured] = {}
    for stage in work:
        metrics |= _one_stage(stage, imported)
    if not whole:
        return metrics
    total = StageResult(
        name="total",
        seconds=sum(stage.seconds for stage in work),
        cpu_seconds=sum(stage.cpu_seconds for stage in work),
        peak_bytes=_highest(stage.peak_bytes for stage in work),
        device_allocated_bytes=_highest(stage.device_allocated_bytes for stage in work),
        device_reserved_bytes=_highest(stage.device_reserved_bytes for stage in work),
    )
    return metrics | _one_stage(total, imported)


def helper_metrics(trace: MemoryTrace | None, stages: Iterable[StageResult]) -> dict[str, Measured]:
    """Turn samples into the metric ``total.helper_bytes``: the most that helper processes held within a stage; absent where none was seen.

    Processes outside stages, such as the one that decodes a data set for the first time, are not the scenario's.
    """
    if trace is None:
        return {}
    spans = [
        (stage.began_seconds, stage.began_seconds + stage.seconds)
        for stage in stages
        if stage.name != "imports" and stage.began_seconds is not None
    ]
    # a look tells of the time since the one before, and the clocks of both processes begin a few milliseconds apart
    looks = zip(trace.seconds, trace.seconds[1:], trace.helper_bytes[1:], strict=False)
    held = [
        held for before, at, held in looks if any(began <= before and at <= ended for began, ended in spans)
    ]
    return as_declared({HELPERS: float(max(held))}) if any(held) else {}


def clocks(metric: str) -> tuple[str, str]:
    """Name the wall and the CPU time of the stage that a metric belongs to."""
    stage = metric.rpartition(".")[0]
    return f"{stage}.seconds", f"{stage}.cpu_seconds"


def _highest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _one_stage(stage: StageResult, imported: int | None) -> dict[str, Measured]:
    """Turn one stage into metrics; what was not measured is absent."""
    rate = stage.images / stage.seconds if stage.images is not None and stage.seconds > 0 else None
    above = None if stage.peak_bytes is None or imported is None else max(0, stage.peak_bytes - imported)
    values: dict[str, float | None] = {
        "seconds": stage.seconds,
        "cpu_seconds": stage.cpu_seconds,
        "images_per_second": rate,
        "peak_bytes": stage.peak_bytes,
        "above_imports_bytes": above,
        "device_allocated_bytes": stage.device_allocated_bytes,
        "device_reserved_bytes": stage.device_reserved_bytes,
    }
    known = {f"{stage.name}.{name}": float(value) for name, value in values.items() if value is not None}
    return as_declared(known)
