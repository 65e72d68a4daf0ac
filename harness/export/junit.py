"""A job as JUnit XML: one test case for every run and for every judged metric of a variant."""

from __future__ import annotations

import collections
import itertools
import re
import typing
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from harness.errors import StorageError
from harness.judging import outcome, wording
from harness.store import commands, stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.records import Comparison, GateSettings, Job, Judgement, RunResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_parts(job: Job) -> Iterator[str]:
    """Return a job as JUnit XML, case by case.

    REGRESSED is a failure; its type says the kind of metric, so that ``REGRESSED runtime`` (slower) and ``REGRESSED
    accuracy`` (worse) differ. A failed run, ERROR and a gated INCONCLUSIVE are errors: it could not be measured. So is what an
    interrupted job lacks. A time that is INCONCLUSIVE is one only if the gate was strict, a published value only if the gate acts on
    those. Every other verdict that is no pass is skipped, with its sentence as the message: WAIVED with its last day and reason.

    Raises
    ------
    StorageError
        If the job was interrupted before it was judged: an empty file would look like success.
    """
    if outcome.unjudged(job):
        raise StorageError("the run has no judgements", "Type: harness judge RUN, then export it again")
    return _parts(job)


def _parts(job: Job) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="harness">\n'
    settings = job.gate.settings if job.gate else None
    sides = [stored.groups(runs) for runs in (job.results, job.gate.base_results if job.gate else ())]
    for comparison in job.comparisons:
        key = (comparison.scenario, comparison.variant, comparison.tier)
        runs = [*(side.get(key, ()) for side in sides), job.counted_of(*key[:2])]
        judged = [_judgement_case(comparison, judgement, settings) for judgement in comparison.judgements]
        yield from _suite(comparison, runs, judged, outcome.notes(job))
    if outcome.interrupted(job):
        yield from _interruption(job)
    yield "</testsuites>\n"


def _interruption(job: Job) -> Iterator[str]:
    """Yield a suite of errors for what an interrupted job lacks: without it the file would look like success."""
    lacking = [(name, f"{count} planned runs are missing") for name, count in job.unfinished.items()]
    cases = []
    for name, reason in lacking or [("gate", outcome.interruption(job))]:
        case = _case(f"harness.{name.replace(':', '.')}", "planned runs", 0.0)
        message = _clean(f"{reason}. Next: {commands.resume(job)}")
        ET.SubElement(case, "error", type="interrupted", message=message)
        cases.append(case)
    yield f'  <testsuite name="interrupted" failures="0" errors="{len(cases)}" skipped="0" tests="{len(cases)}" time="0.000">\n'
    yield from _written(cases)
    yield "  </testsuite>\n"


def _suite(
    comparison: Comparison, runs: Sequence[Sequence[RunResult]], judged: Sequence[ET.Element], notes: Sequence[str]
) -> Iterator[str]:  # fmt: skip
    """Yield a suite: its totals stand before its cases, so the runs are passed through twice rather than held."""
    count = errors = 0
    seconds, started = 0.0, ""
    for run in itertools.chain(*runs):
        count, errors = count + 1, errors + (run.status != "ok")
        seconds, started = seconds + run.wall_seconds, started or run.started
    tags = collections.Counter(child.tag for case in judged for child in case)
    attributes = {
        "name": _clean(f"{comparison.scenario}:{comparison.variant} ({comparison.tier})"),
        "failures": str(tags["failure"]),
        "errors": str(tags["error"] + errors),
        "skipped": str(tags["skipped"]),
        "tests": str(count + len(judged)),
        "time": f"{seconds:.3f}",
    }
    if count:  # JUnit's schema wants local time without an offset; this is UTC
        attributes["timestamp"] = started[:19]
    yield "  <testsuite " + " ".join(f"{name}={quoteattr(text)}" for name, text in attributes.items()) + ">\n"
    if notes:  # in each suite: some readers show one suite alone
        lines = (f'      <property name="note" value={quoteattr(_clean(note))}/>\n' for note in notes)
        yield f"    <properties>\n{''.join(lines)}    </properties>\n"
    yield from _written(_run_case(comparison, run) for run in itertools.chain(*runs))
    yield from _written(judged)
    yield "  </testsuite>\n"


def _written(cases: Iterable[ET.Element]) -> Iterator[str]:
    for case in cases:
        ET.indent(case, level=2)
        yield f"    {ET.tostring(case, encoding='unicode')}\n"


def _case(classname: str, name: str, seconds: float) -> ET.Element:
    return ET.Element("testcase", classname=_clean(classname), name=_clean(name), time=f"{seconds:.3f}")


def _class(comparison: Comparison) -> str:
    return f"harness.{comparison.scenario}.{comparison.variant}.{comparison.tier}"


def _run_case(comparison: Comparison, result: RunResult) -> ET.Element:
    case = _case(_class(comparison), wording.run_name(result.request), result.wall_seconds)
    if result.status != "ok":
        error = ET.SubElement(case, "error", type="ERROR", message=_clean(result.error))
        error.text = _clean(result.log_tail)
    return case


def _judgement_case(
    comparison: Comparison, judgement: Judgement, settings: GateSettings | None
) -> ET.Element:
    where = ", ".join(part for part in (judgement.place, judgement.row) if part)
    place = f" [{where}]" if judgement.against == "expectation" and where else ""
    case = _case(_class(comparison), f"{judgement.against}: {judgement.metric}{place}", 0.0)
    tag = outcome.element(judgement, settings)
    if tag:
        message = _clean(wording.sentence(f"{comparison.scenario}:{comparison.variant}", judgement))
        element = ET.SubElement(case, tag, type=f"{judgement.verdict} {judgement.kind}", message=message)
        element.text = message
    return case


def _clean(text: str) -> str:
    """Replace what XML 1.0 cannot hold, such as the escape characters of coloured logs."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
