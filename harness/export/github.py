"""A job as annotations of GitHub's workflow log: one command a finding, printed where GITHUB_ACTIONS is true."""

from __future__ import annotations

import typing

from harness.export.escaping import command_data, command_property, flat
from harness.judging import outcome, wording
from harness.store.commands import resume

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.records import Job

MOST = 10
"""GitHub shows so many of each kind a step and drops the rest."""


def commands(job: Job) -> list[str]:
    """List commands for GitHub's workflow log: an ``::error`` for each failure, ``::warning`` and ``::notice`` for the rest.

    Of each kind at most `MOST`; where there are more, the last one says how many.
    """
    notes: dict[str, list[tuple[str, str]]] = {"error": [], "warning": [], "notice": []}
    if outcome.interrupted(job):
        notes["error"].append(("interrupted", f"{outcome.interruption(job)}. Next: {resume(job)}"))
    for result in outcome.runs(job):
        if result.status != "ok":
            request = result.request
            title = f"ERROR {request.scenario}:{request.variant} {wording.run_name(request)}"
            notes["error"].append((title, result.error))
    for kind, title, message in (*_judged(job), *_noticed(job)):
        notes[kind].append((title, message))
    lines = []
    for kind, listed in notes.items():
        if len(listed) > MOST:
            more = f"and {len(listed) - MOST + 1} more"
            listed[MOST - 1 :] = [(more, "GitHub shows no more of this kind; read the step's summary.")]
        for title, message in listed:
            text = command_data(flat(message, 1000))
            lines.append(f"::{kind} title={command_property(flat(title, 200))}::{text}")
    return lines


def _judged(job: Job) -> Iterator[tuple[str, str, str]]:
    settings = job.gate.settings if job.gate else None
    for comparison in job.comparisons:
        key = f"{comparison.scenario}:{comparison.variant}"
        for judgement in comparison.judgements:
            if outcome.needs_attention(judgement):
                failed = outcome.element(judgement, settings) in {"failure", "error"}
                kind = "error" if failed else "notice" if judgement.verdict == "WAIVED" else "warning"
                title = f"{judgement.verdict} {key} {judgement.metric}"
                yield kind, title, wording.sentence(key, judgement)


def _noticed(job: Job) -> Iterator[tuple[str, str, str]]:
    for probe in job.probes:
        if not (probe.predictions_equal and probe.work_equal):
            title = f"{probe.scenario}:{probe.variant} gives other bits with the same seed"
            yield "notice", title, ", ".join(probe.differing) or "predictions or work differ"
    for note in outcome.notes(job):
        yield "warning", "Before you believe this", note
