"""A job as JUnit XML: one test case for every run and for every judged metric of a variant."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import re
import typing
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from harness.errors import StorageError
from harness.judging import outcome, wording
from harness.store import commands, stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    return itertools.chain(
        ['<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="harness">\n'],
        itertools.chain.from_iterable(_suites(job)),
        _interruption(job),
        ["</testsuites>\n"],
    )


def _suites(job: Job) -> Iterator[Iterator[str]]:
    settings = job.gate.settings if job.gate else None
    base = job.gate.base_results if job.gate else ()
    notes = outcome.notes(job)
    parts = [stored.groups(runs) for runs in (job.results, base)]
    for comparison in job.comparisons:
        key = (comparison.scenario, comparison.variant, comparison.tier)
        runs = [*(part.get(key, ()) for part in parts), job.counted_of(*key[:2])]
        judged = [_judgement_case(comparison, judgement, settings) for judgement in comparison.judgements]
        yield _suite(comparison, runs, judged, notes)


def _interruption(job: Job) -> Iterator[str]:
    """Yield a suite of errors for what an interrupted job lacks: without it the file would look like success."""
    if not outcome.interrupted(job):
        return
    lacking = [(name, f"{count} planned runs are missing") for name, count in job.unfinished.items()]
    cases = lacking or [("gate", outcome.interruption(job))]
    yield f'  <testsuite name="interrupted" failures="0" errors="{len(cases)}" skipped="0" tests="{len(cases)}" time="0.000">\n'
    for name, told in cases:
        message = _clean(f"{told}. Next: {commands.resume(job)}")
        classname = _clean(f"harness.{name.replace(':', '.')}")
        case = ET.Element("testcase", classname=classname, name="planned runs", time="0.000")
        ET.SubElement(case, "error", type="interrupted", message=message)
        ET.indent(case, level=2)
        yield f"    {ET.tostring(case, encoding='unicode')}\n"
    yield "  </testsuite>\n"


@dataclasses.dataclass(slots=True)
class _Totals:
    """What a suite says of all its runs."""

    runs: int = 0
    """How many there are."""
    errors: int = 0
    """How many of them failed."""
    seconds: float = 0.0
    """Their wall time together."""
    started: str = ""
    """Start of the first one."""

    def add(self, run: RunResult) -> None:
        """Count one more."""
        self.runs += 1
        self.errors += run.status != "ok"
        self.seconds += run.wall_seconds
        self.started = self.started or run.started


def _suite(
    comparison: Comparison,
    runs: Sequence[Sequence[RunResult]],
    judged: Sequence[ET.Element],
    notes: Sequence[str],
) -> Iterator[str]:
    """Yield a suite: its totals stand before its cases, so the runs are passed through twice rather than held."""
    totals = _Totals()
    for run in itertools.chain(*runs):
        totals.add(run)
    tags = collections.Counter(child.tag for case in judged for child in case)
    attributes = {
        "name": _clean(f"{comparison.scenario}:{comparison.variant} ({comparison.tier})"),
        "failures": str(tags["failure"]),
        "errors": str(tags["error"] + totals.errors),
        "skipped": str(tags["skipped"]),
        "tests": str(totals.runs + len(judged)),
        "time": f"{totals.seconds:.3f}",
    }
    if totals.runs:
        # JUnit's own schema wants local time without an offset; this is UTC
        attributes["timestamp"] = totals.started[:19]
    yield "  <testsuite " + " ".join(f"{name}={quoteattr(told)}" for name, told in attributes.items()) + ">\n"
    yield from _properties(notes)
    for case in itertools.chain((_run_case(comparison, run) for run in itertools.chain(*runs)), judged):
        ET.indent(case, level=2)
        yield f"    {ET.tostring(case, encoding='unicode')}\n"
    yield "  </testsuite>\n"


def _properties(notes: Sequence[str]) -> Iterator[str]:
    """Yield what a reader must know before believing a pass, in each suite: some readers show one suite alone."""
    if notes:
        lines = (f'      <property name="note" value={quoteattr(_clean(note))}/>\n' for note in notes)
        yield f"    <properties>\n{''.join(lines)}    </properties>\n"


def _case(comparison: Comparison, name: str, seconds: float) -> ET.Element:
    classname = f"harness.{comparison.scenario}.{comparison.variant}.{comparison.tier}"
    return ET.Element("testcase", classname=_clean(classname), name=_clean(name), time=f"{seconds:.3f}")


def _run_case(comparison: Comparison, result: RunResult) -> ET.Element:
    case = _case(comparison, wording.run_name(result.request), result.wall_seconds)
    if result.status != "ok":
        error = ET.SubElement(case, "error", type="ERROR", message=_clean(result.error))
        error.text = _clean(result.log_tail)
    return case


def _judgement_case(
    comparison: Comparison, judgement: Judgement, settings: GateSettings | None
) -> ET.Element:
    where = ", ".join(part for part in (judgement.place, judgement.row) if part)
    place = f" [{where}]" if judgement.against == "expectation" and where else ""
    case = _case(comparison, f"{judgement.against}: {judgement.metric}{place}", 0.0)
    tag = outcome.element(judgement, settings)
    if tag:
        told = _clean(wording.sentence(f"{comparison.scenario}:{comparison.variant}", judgement))
        ET.SubElement(case, tag, type=f"{judgement.verdict} {judgement.kind}", message=told).text = told
    return case


def _clean(text: str) -> str:
    """Replace what XML 1.0 cannot hold, such as the escape characters of coloured logs."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
