"""What was counted of one variant, as a small table, and what the determinism probe showed, as a sentence."""

from __future__ import annotations

import typing

from harness.judging import probes, trajectories
from harness.measure.work import PREFIX
from harness.report import numbers

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.records import Job, Measured, Probe, RunResult

    Table = tuple[tuple[str, ...], ...]

HEADINGS = {"optimiser_steps": "Optimiser steps", "samples": "Samples trained on", "flops": "torch FLOPs"}
"""Counts by stage with their headings; other frameworks' are absent."""


class WorkTable(typing.NamedTuple):
    """Counts of one variant by stage."""

    tier: str  # of the counting run
    columns: tuple[str, ...]  # headings of the counts that were taken
    rows: tuple[tuple[str, tuple[str, ...]], ...]  # stage and its counts; the last one is the total
    stored: str  # bytes; empty if nothing was counted
    error: str  # why nothing was counted
    probe: str  # what two equal runs showed
    uncounted: tuple[str, ...]  # what could not be counted
    losses: tuple[tuple[str, str, Table], ...]  # trainings: name, verdict or nothing, rows


def table(job: Job, scenario: str, variant: str) -> WorkTable | None:
    """Gather what was counted of a variant of the code in question; None if nothing was to be counted."""
    runs = (run for run in job.counted_of(scenario, variant) if run.request.side == "head")
    counted = next((run for run in runs if run.request.repeat == 0), None)
    if counted is None:
        return None
    probe = next((one for one in job.probes if (one.scenario, one.variant) == (scenario, variant)), None)
    counts = {name.removeprefix(PREFIX): m for name, m in counted.metrics.items() if name.startswith(PREFIX)}
    columns = [count for count in HEADINGS if f"total.{count}" in counts]
    rows = []
    for stage in dict.fromkeys(name.rpartition(".")[0] for name in counts):
        cells = tuple(_text(counts, f"{stage}.{count}") for count in columns)
        if any(cells):
            rows.append((stage, tuple(cell or numbers.NONE for cell in cells)))
    return WorkTable(
        tier=counted.request.tier, columns=tuple(HEADINGS[count] for count in columns), rows=tuple(rows),
        stored=_text(counts, "stored_bytes"), error=counted.error or ("" if counts else "its worker counted nothing"),
        probe=sentence(probe), uncounted=counted.measurement.uncounted if counted.measurement else (),
        losses=_losses(job, counted),
    )  # fmt: skip


def _losses(job: Job, counted: RunResult) -> tuple[tuple[str, str, Table], ...]:
    """Write the first losses of each training, next to the reference's where they were judged."""
    tables: dict[str, tuple[str, Table]] = {}
    for name, followed in probes.followed(counted).items():
        steps = ((str(step), f"{loss:.8g}") for step, loss in enumerate(followed.values, 1))
        tables[f"{trajectories.PREFIX}{name}"] = "", (("step", "loss"), *steps)
    for comparison in job.comparisons:
        if (comparison.scenario, comparison.variant) == (counted.request.scenario, counted.request.variant):
            for judgement in comparison.judgements:
                if judgement.kind == "trajectory":
                    tables[judgement.metric] = judgement.verdict, tuple(trajectories.steps(judgement))
    return tuple((name, verdict, rows) for name, (verdict, rows) in tables.items())


def _text(counts: Mapping[str, Measured], name: str) -> str:
    value = numbers.number(counts[name].value) if name in counts else None
    return "" if value is None else f"{value:,.0f}"


def sentence(probe: Probe | None) -> str:
    """Say what a probe showed."""
    if probe is None:
        return "Determinism was not probed: the second of two equal runs is missing."
    runs, differing = f"Two equal runs of seed {probe.seed} (tier {probe.tier})", ", ".join(probe.differing)
    if probe.predictions_equal and probe.work_equal:
        return f"{runs} gave the same predictions and the same counts, bit by bit."
    if probe.predictions_equal or probe.work_equal:
        same = "counts" if probe.work_equal else "predictions"
        return f"{runs} gave the same {same}, but differ in {differing}."
    if len(probe.differing) > 1:
        return f"{runs} differ in {differing}."
    return f"Determinism could not be probed: {differing}."
