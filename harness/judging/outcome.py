"""What a job came to: which verdicts need a person, in counts and in one exit code with its meaning. Pure; every face says the same."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import typing

from harness.judging import wording
from harness.measure.stages import HELPERS

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.records import Gate, GateSettings, Job, Judgement, RunResult, Verdict

ATTENTION: tuple[Verdict, ...] = (
    "ERROR", "REGRESSED", "BELOW", "ABOVE", "INCONCLUSIVE", "IMPROVED", "CHANGED", "NO_BASELINE", "INCOMPARABLE", "WAIVED",
)  # fmt: skip
"""Verdicts that a person should see, worst first."""
GOOD: tuple[Verdict, ...] = ("REPRODUCED", "PASS")
"""Verdicts that leave nothing to do."""

PHRASES: Mapping[str, tuple[str, str]] = {
    "unfinished": ("planned run is missing", "planned runs are missing"),
    "violated": ("identity is violated", "identities are violated"),
    "runs": ("run failed", "runs failed"),
    "ERROR": ("check could not be made", "checks could not be made"),
    "REGRESSED": ("metric regressed", "metrics regressed"),
    "BELOW": ("published value is not reached", "published values are not reached"),
    "ABOVE": ("published value is exceeded", "published values are exceeded"),
    "INCONCLUSIVE": ("check is inconclusive", "checks are inconclusive"),
    "IMPROVED": ("metric improved", "metrics improved"),
    "CHANGED": ("training computes something else", "trainings compute something else"),
    "NO_BASELINE": ("metric has no baseline", "metrics have no baseline"),
    "INCOMPARABLE": ("metric is not comparable", "metrics are not comparable"),
    "WAIVED": ("metric is waived", "metrics are waived"),
    "REPRODUCED": ("published value is reproduced", "published values are reproduced"),
    "PASS": ("metric is no worse", "metrics are no worse"),
    "holds": ("identity holds", "identities hold"),
}
"""Verdict, or of an identity `holds` or `violated`, or failed or missing runs, to how one and how several of it are said, worst first."""
_FINE = (*GOOD, "holds")
NOTED_BYTES = 2**20
"""Helper processes that held less than this are no more than a shell command."""
WORSE, UNMEASURED, APPROVE, INTERRUPTED = 1, 2, 3, 130
"""Exit codes: worse; not measured or undecided; a person must decide; a gate that did not come to its end."""
MOST_NAMES = 8
"""Variants with missing runs that a sentence names; their number is said."""


def runs(job: Job) -> Iterator[RunResult]:
    """Yield every run of a job: measured, of a gate's base, and counted; those that stay on disk are decoded one at a time."""
    base = job.gate.base_results if job.gate else ()
    return itertools.chain(job.results, base, job.counted)


def judgements(job: Job) -> Iterator[Judgement]:
    """Yield every judgement of a job."""
    return itertools.chain.from_iterable(comparison.judgements for comparison in job.comparisons)


def notes(job: Job) -> tuple[str, ...]:
    """List what a reader must know before believing a pass, one sentence each; every face shows the same list.

    Helper processes whose memory is in no peak are named, unless a scenario has it judged.
    """
    found: list[str] = []
    if job.gate is not None:
        settings = job.gate.settings
        measures = "what measures changed between base and head, so times are not compared"
        depends = "a dependency changed between base and head"
        found += settings.notes
        found += (f"{measures}: {path}" for path in settings.code_changed)
        found += (f"{depends}: {change}" for change in settings.dependencies_changed)
    held: dict[str, float] = {}
    for run in runs(job):
        most = run.metrics[HELPERS].value if HELPERS in run.metrics else 0.0
        if isinstance(most, float) and most >= NOTED_BYTES:
            name = f"{run.request.scenario}:{run.request.variant}"
            held[name] = max(held.get(name, 0.0), most)
    for comparison in job.comparisons:
        if any(judgement.metric == HELPERS for judgement in comparison.judgements):
            held.pop(f"{comparison.scenario}:{comparison.variant}", None)
    for name in sorted(held):
        memory = f"helper processes of {name} held up to {wording.mebibytes(held[name])}"
        found.append(f"{memory}, which is in no peak: {HELPERS} records it and is not gated")
    return tuple(found)


def needs_attention(judgement: Judgement) -> bool:
    """Whether a person should look; what no gate acts on need not have a baseline that compares."""
    if judgement.against == "baseline" and not judgement.gated:
        return judgement.verdict in ATTENTION and judgement.verdict not in {"INCOMPARABLE", "NO_BASELINE"}
    return judgement.verdict in ATTENTION


def counts(job: Job) -> collections.Counter[str]:
    """Count verdicts, failed runs as ``runs`` and missing ones as ``unfinished``; what is only shown and has no reference is left out."""
    found = collections.Counter[str](
        _word(judgement)
        for judgement in judgements(job)
        if needs_attention(judgement) or judgement.verdict not in ATTENTION
    )
    found["runs"] = sum(result.status != "ok" for result in runs(job))
    found["unfinished"] = sum(job.unfinished.values())
    return found


def _word(judgement: Judgement) -> str:
    """Return what a judgement is counted as: an identity apart from the metrics with the same verdict."""
    if judgement.against == "identity":
        return {"REGRESSED": "violated", "PASS": "holds"}.get(judgement.verdict, judgement.verdict)
    return judgement.verdict


def sentence(counted: Mapping[str, int]) -> str:
    """Say counts in one sentence: what needs a look, then what is well."""
    bad = [word for word in PHRASES if counted.get(word) and word not in _FINE]
    good = [word for word in PHRASES if counted.get(word) and word in _FINE]
    parts = [_joined(words, counted) for words in (bad, good) if words]
    return "; ".join(parts) + "." if parts else "There is nothing to judge."


def _joined(words: Iterable[str], counted: Mapping[str, int]) -> str:
    told = [f"{counted[word]} {PHRASES[word][counted[word] != 1]}" for word in words]
    return told[0] if len(told) == 1 else ", ".join(told[:-1]) + " and " + told[-1]


def interrupted(job: Job) -> bool:
    """Whether a job did not come to its end."""
    return bool(job.unfinished) or (job.gate is not None and job.gate.interrupted)


def interruption(job: Job) -> str:
    """Say how many planned runs of an interrupted job are missing, and of which variants; empty if it came to its end."""
    if not interrupted(job):
        return ""
    if not job.unfinished:
        return "the gate had not decided yet; every planned run has ended"
    named = [f"{name} ({count})" for name, count in job.unfinished.items()][:MOST_NAMES]
    more = len(job.unfinished) - len(named)
    missing = _joined(["unfinished"], {"unfinished": sum(job.unfinished.values())})
    return f"{missing}, of {', '.join(named)}{f' and {more} more variants' if more else ''}"


def unjudged(job: Job) -> bool:
    """Whether a job has nothing to tell: results that nobody judged, or no results although it came to its end."""
    return not job.comparisons and (bool(job.results) or not interrupted(job))


def exit_code(job: Job) -> int:
    """Return what the job ended with: a gate's own exit code, or that of `harness run`.

    The latter is 1 if an identity is violated, 2 if something could not be measured, else 0.
    """
    if job.gate is not None:
        return job.gate.exit_code
    counted = counts(job)
    if counted["violated"]:
        return 1
    return 2 if counted["runs"] or counted["ERROR"] else 0


def meaning(job: Job) -> str:
    """Say the exit code in a few words: worse, slower, could not measure, a person must approve, interrupted, passed."""
    code = exit_code(job)
    if code == INTERRUPTED or (code == 0 and interrupted(job)):
        return "interrupted"
    if code == 0:
        return "; ".join(filter(None, ("passed", undecided(job))))
    if code != 1:
        return {2: "could not measure", 3: "a person must approve"}.get(code, "unknown")
    worse = {
        "broken" if judgement.against == "identity" else "slower" if judgement.kind == "runtime" else "worse"
        for judgement in judgements(job)
        if judgement.verdict == "REGRESSED"
    }
    return " and ".join(word for word in ("broken", "worse", "slower") if word in worse) or "worse"


def undecided(job: Job) -> str:
    """Name the kinds of gated metrics that a gate has no verdict on; empty if it has one on all of them."""
    ways = {"INCONCLUSIVE": "undecided", "INCOMPARABLE": "not compared"}
    found = (
        f"{'time' if judgement.kind == 'runtime' else judgement.kind} {ways[judgement.verdict]}"
        for judgement in judgements(job)
        if judgement.gated and judgement.against == "baseline" and judgement.verdict in ways
    )
    return ", ".join(dict.fromkeys(found)) if job.gate is not None else ""


def element(judgement: Judgement, settings: GateSettings | None = None) -> str:
    """Name the part of a CI report that shows a verdict, in JUnit's words.

    It is ``failure`` (worse, slower, broken), ``error`` (it could not be measured or decided), ``skipped`` (a person decides, or
    nothing was judged), or empty for a pass; `settings` say what a gate is strict about.
    """
    strict, published = (settings.strict, settings.expectations) if settings else (False, False)
    if judgement.verdict in GOOD:
        return ""
    if judgement.verdict == "REGRESSED" or (published and judgement.verdict in {"BELOW", "ABOVE"}):
        return "failure"
    if judgement.against == "expectation" and settings and not published:
        return "skipped"  # published values change no exit code of this gate
    warns = may_warn(judgement, settings)
    undecided = judgement.verdict == "INCONCLUSIVE" or (judgement.verdict == "INCOMPARABLE" and warns)
    acts = (judgement.gated and (strict or not warns)) or (published and judgement.against == "expectation")
    return "error" if judgement.verdict == "ERROR" or (acts and undecided) else "skipped"


def may_warn(judgement: Judgement, settings: GateSettings | None) -> bool:
    """Whether a verdict is a warning unless the gate is strict: a time that is undecided or not comparable, memory of another kind of machine.

    Memory is compared on any machine by ``--against``; a baseline that is stored was measured on one.
    """
    if judgement.kind == "runtime":
        return judgement.verdict in {"INCONCLUSIVE", "INCOMPARABLE"}
    stored = settings is None or not settings.against
    elsewhere = judgement.verdict == "INCOMPARABLE" and judgement.cause in {"environment", ""}
    return judgement.kind == "memory" and elsewhere and stored


# -- a gate's exit code -----------------------------------------------------------------------------------------------


def closed(job: Job) -> Job:
    """Write the exit code into a gate's job."""
    if job.gate is None:
        return job
    return dataclasses.replace(job, gate=dataclasses.replace(job.gate, exit_code=_gate_code(job, job.gate)))


def _gate_code(job: Job, gate: Gate) -> int:
    """Return 130 if interrupted, 1 for worse, 2 for not measured or undecided, 3 if a person must decide, else 0; the first that holds."""
    if gate.interrupted:
        return INTERRUPTED
    codes = {code_of(judgement, gate.settings) for judgement in judgements(job)}
    failed = any(comparison.failed for comparison in job.comparisons)
    if not job.comparisons or failed or any(run.status != "ok" for run in runs(job)):
        codes.add(UNMEASURED)
    return min(codes - {0}, default=0)


def code_of(judgement: Judgement, settings: GateSettings) -> int:
    """Return the exit code that one judgement asks for; 0 if none."""
    verdict = judgement.verdict
    if judgement.against == "expectation":
        codes = {"BELOW": WORSE, "ABOVE": WORSE, "ERROR": UNMEASURED, "INCONCLUSIVE": UNMEASURED}
        return codes.get(verdict, 0) if settings.expectations else 0
    if verdict == "REGRESSED":
        return WORSE
    if verdict == "ERROR":
        return UNMEASURED
    if not judgement.gated:
        return 0
    if may_warn(judgement, settings):
        return UNMEASURED if settings.strict else 0
    if verdict == "INCONCLUSIVE" or judgement.cause == "other_test":
        return UNMEASURED
    return APPROVE if verdict in {"IMPROVED", "CHANGED", "NO_BASELINE", "INCOMPARABLE"} else 0
