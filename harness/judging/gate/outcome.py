"""What a gate ends with: the exit code, from the judgements alone."""

from __future__ import annotations

import dataclasses
import typing

from harness.judging import outcome

if typing.TYPE_CHECKING:
    from harness.records import Gate, GateSettings, Job, Judgement

WORSE, UNMEASURED, APPROVE = 1, 2, 3


def closed(job: Job) -> Job:
    """Write the exit code into a gate's job."""
    if job.gate is None:
        return job
    return dataclasses.replace(job, gate=dataclasses.replace(job.gate, exit_code=exit_code(job, job.gate)))


def exit_code(job: Job, gate: Gate) -> int:
    """Return 130 if interrupted, 1 for worse, 2 for not measured or undecided, 3 if a person must decide, else 0; the first that holds."""
    if gate.interrupted:
        return outcome.INTERRUPTED
    judgements = [judgement for comparison in job.comparisons for judgement in comparison.judgements]
    failed = any(comparison.failed for comparison in job.comparisons)
    failed = failed or any(run.status != "ok" for run in outcome.runs(job))
    codes = {code_of(judgement, gate.settings) for judgement in judgements} | (
        {UNMEASURED} if failed else set()
    )
    return min(codes - {0}, default=0) if job.comparisons else UNMEASURED


def code_of(judgement: Judgement, settings: GateSettings) -> int:
    """Return the exit code that one judgement asks for; 0 if none."""
    verdict = judgement.verdict
    if judgement.against == "expectation":
        of_published = {
            "BELOW": WORSE,
            "ABOVE": WORSE,
            "ERROR": UNMEASURED,
            "INCONCLUSIVE": UNMEASURED,
        }
        return of_published.get(verdict, 0) if settings.expectations else 0
    if verdict == "REGRESSED":
        return WORSE
    if verdict == "ERROR":
        return UNMEASURED
    if not judgement.gated:
        return 0
    if outcome.may_warn(judgement, settings):
        return UNMEASURED if settings.strict else 0
    if verdict == "INCONCLUSIVE" or judgement.cause == "other_test":
        return UNMEASURED
    return APPROVE if verdict in {"IMPROVED", "CHANGED", "NO_BASELINE", "INCOMPARABLE"} else 0
