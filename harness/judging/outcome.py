"""What a job came to: which verdicts need a person, in counts and in one exit code with its meaning. Pure; every face says the same."""

from __future__ import annotations

import collections
import itertools
import typing

from harness.judging import wording
from harness.measure.stages import HELPERS

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.records import GateSettings, Job, Judgement, RunResult, Verdict

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
INTERRUPTED = 130
"""Exit code of a gate that did not come to its end."""
MOST_NAMES = 8
"""Variants with missing runs that a sentence names; their number is said."""


def runs(job: Job) -> Iterator[RunResult]:
    """Yield every run of a job: measured, of a gate's base, and counted; those that stay on disk are decoded one at a time."""
    base = job.gate.base_results if job.gate else ()
    return itertools.chain(job.results, base, job.counted)


def notes(job: Job) -> tuple[str, ...]:
    """List what a reader must know before believing a pass, one sentence each; every face shows the same list."""
    if job.gate is None:
        return tuple(_helpers(job))
    settings = job.gate.settings
    changed = [
        f"what measures changed between base and head, so times are not compared: {path}"
        for path in settings.code_changed
    ]
    dependencies = [
        f"a dependency changed between base and head: {change}" for change in settings.dependencies_changed
    ]
    return (*settings.notes, *changed, *dependencies, *_helpers(job))


def _helpers(job: Job) -> Iterator[str]:
    """Name the variants whose helper processes hold memory that is in no peak; silent where a scenario has it judged."""
    held: dict[str, float] = {}
    for run in runs(job):
        most = run.metrics[HELPERS].value if HELPERS in run.metrics else 0.0
        if isinstance(most, float) and most >= NOTED_BYTES:
            name = f"{run.request.scenario}:{run.request.variant}"
            held[name] = max(held.get(name, 0.0), most)
    judged = {
        f"{comparison.scenario}:{comparison.variant}"
        for comparison in job.comparisons
        for judgement in comparison.judgements
        if judgement.metric == HELPERS
    }
    for name in sorted(held.keys() - judged):
        yield (
            f"helper processes of {name} held up to {wording.mebibytes(held[name])}, which is in no peak: "
            f"{HELPERS} records it and is not gated"
        )


def needs_attention(judgement: Judgement) -> bool:
    """Whether a person should look; what no gate acts on need not have a baseline that compares."""
    only_shown = judgement.against == "baseline" and not judgement.gated
    return judgement.verdict in ATTENTION and not (
        only_shown and judgement.verdict in {"INCOMPARABLE", "NO_BASELINE"}
    )


def counts(job: Job) -> collections.Counter[str]:
    """Count verdicts, failed runs as ``runs`` and missing ones as ``unfinished``; what is only shown and has no reference is left out."""
    judged = [judgement for comparison in job.comparisons for judgement in comparison.judgements]
    found = collections.Counter[str](
        _word(judgement)
        for judgement in judged
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
    worse = {_damage(judgement) for comparison in job.comparisons for judgement in comparison.judgements}
    return " and ".join(word for word in ("broken", "worse", "slower") if word in worse) or "worse"


def undecided(job: Job) -> str:
    """Name the kinds of gated metrics that a gate has no verdict on; empty if it has one on all of them."""
    gated = [
        judgement
        for comparison in job.comparisons
        for judgement in comparison.judgements
        if job.gate is not None and judgement.gated and judgement.against == "baseline"
    ]
    ways = {"INCONCLUSIVE": "undecided", "INCOMPARABLE": "not compared"}
    found = (
        f"{_KINDS.get(judgement.kind, judgement.kind)} {ways[judgement.verdict]}"
        for judgement in gated
        if judgement.verdict in ways
    )
    return ", ".join(dict.fromkeys(found))


_KINDS = {"runtime": "time"}


def _damage(judgement: Judgement) -> str:
    """Say what a failure means: a violated identity is broken code, a regressed time is slower, anything else worse."""
    if judgement.verdict != "REGRESSED":
        return ""
    if judgement.against == "identity":
        return "broken"
    return "slower" if judgement.kind == "runtime" else "worse"


def element(judgement: Judgement, settings: GateSettings | None = None) -> str:
    """Name the part of a CI report that tells a verdict, in JUnit's words.

    Parameters
    ----------
    judgement : Judgement
        The verdict.
    settings : GateSettings, optional
        What a gate was asked to be strict about.

    Returns
    -------
    str
        ``failure`` (worse, slower, broken), ``error`` (it could not be measured or decided), ``skipped`` (a person decides, or
        nothing was judged), or empty for a pass.
    """
    strict, published = (settings.strict, settings.expectations) if settings else (False, False)
    if judgement.verdict in GOOD:
        return ""
    if judgement.verdict == "REGRESSED" or (published and judgement.verdict in {"BELOW", "ABOVE"}):
        return "failure"
    if judgement.against == "expectation" and settings and not published:
        return "skipped"  # published values change no exit code of this gate
    undecided = judgement.verdict == "INCONCLUSIVE" or (
        judgement.verdict == "INCOMPARABLE" and may_warn(judgement, settings)
    )
    acts = judgement.gated and (strict or not may_warn(judgement, settings))
    acts = acts or (published and judgement.against == "expectation")
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
