"""What was counted of one variant, as a small table, and what the determinism probe told, as a sentence."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.judging import probes, trajectories
from harness.measure.work import PREFIX
from harness.report import numbers

if TYPE_CHECKING:
    from harness.records import Job, Measured, Probe, RunResult

HEADINGS = {
    "optimiser_steps": "Optimiser steps",
    "samples": "Samples trained on",
    "flops": "torch FLOPs",
}
"""Counts by stage with their headings; other frameworks' are absent."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkTable:
    """Counts of one variant by stage."""

    tier: str
    """Tier of the counting run."""
    columns: tuple[str, ...]
    """Headings of the counts that were taken."""
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Stage and its counts as text; the last one is the total."""
    stored: str
    """Bytes stored; empty if nothing was counted."""
    error: str
    """Why nothing was counted; empty if something was."""
    probe: str
    """What two equal runs told."""
    uncounted: tuple[str, ...]
    """What could not be counted."""
    losses: tuple[tuple[str, str, tuple[tuple[str, ...], ...]], ...]
    """Trainings that were followed: name, verdict or nothing, and a heading and a row a step."""


def table(job: Job, scenario: str, variant: str) -> WorkTable | None:
    """Gather what was counted of a variant of the code in question; None if nobody asked."""
    every = (run for run in job.counted_of(scenario, variant) if run.request.side == "head")
    counted = next((run for run in every if run.request.repeat == 0), None)
    if counted is None:
        return None
    found = next((one for one in job.probes if (one.scenario, one.variant) == (scenario, variant)), None)
    counts = {name: measured for name, measured in counted.metrics.items() if name.startswith(PREFIX)}
    columns = [count for count in HEADINGS if f"{PREFIX}total.{count}" in counts]
    stages = dict.fromkeys(name.removeprefix(PREFIX).rpartition(".")[0] for name in counts)
    return WorkTable(
        tier=counted.request.tier,
        columns=tuple(HEADINGS[count] for count in columns),
        rows=tuple(
            (stage, tuple(_cell(counts, stage, count) for count in columns))
            for stage in stages
            if any(f"{PREFIX}{stage}.{count}" in counts for count in columns)
        ),
        stored=_text(counts.get(f"{PREFIX}stored_bytes")),
        error=counted.error or ("" if counts else "its worker counted nothing"),
        probe=sentence(found),
        uncounted=counted.measurement.uncounted if counted.measurement else (),
        losses=_losses(job, counted),
    )


def _losses(job: Job, counted: RunResult) -> tuple[tuple[str, str, tuple[tuple[str, ...], ...]], ...]:
    """Write the first losses of each training, next to the reference's where they were judged."""
    request = counted.request
    judged = {
        judgement.metric: judgement
        for comparison in job.comparisons
        if (comparison.scenario, comparison.variant) == (request.scenario, request.variant)
        for judgement in comparison.judgements
        if judgement.kind == "trajectory"
    }
    alone = {
        f"{trajectories.PREFIX}{name}": (
            ("step", "loss"),
            *((str(i), f"{loss:.8g}") for i, loss in enumerate(found.values, 1)),
        )
        for name, found in probes.followed(counted).items()
    }
    seen = {name: tuple(trajectories.steps(judgement)) for name, judgement in judged.items()}
    return tuple(
        (name, judged[name].verdict if name in judged else "", rows)
        for name, rows in {**alone, **seen}.items()
    )


def _cell(counts: dict[str, Measured], stage: str, count: str) -> str:
    return _text(counts.get(f"{PREFIX}{stage}.{count}")) or numbers.NONE


def _text(measured: Measured | None) -> str:
    value = numbers.number(measured.value) if measured else None
    return "" if value is None else f"{value:,.0f}"


def sentence(probe: Probe | None) -> str:
    """Say what a probe told."""
    if probe is None:
        return "Determinism was not probed: the second of two equal runs is missing."
    runs = f"Two equal runs of seed {probe.seed} (tier {probe.tier})"
    if probe.predictions_equal and probe.work_equal:
        return f"{runs} gave the same predictions and the same counts, bit by bit."
    if probe.predictions_equal or probe.work_equal or len(probe.differing) > 1:
        same = (
            "the same counts"
            if probe.work_equal
            else "the same predictions"
            if probe.predictions_equal
            else ""
        )
        agree = f"{runs} gave {same}, but differ" if same else f"{runs} differ"
        return f"{agree} in {', '.join(probe.differing)}."
    return f"Determinism could not be probed: {', '.join(probe.differing)}."
