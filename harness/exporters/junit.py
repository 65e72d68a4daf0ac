"""A job as JUnit XML: one test case for every run and for every judged metric of a variant."""

from __future__ import annotations

import re
import typing
from xml.etree import ElementTree as ET

from harness import outcome, wording
from harness.errors import StorageError

if typing.TYPE_CHECKING:
    from harness.records import Comparison, GateSettings, Job, Judgement, RunResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(job: Job) -> str:
    """Write a job as JUnit XML.

    REGRESSED and VIOLATED are failures; their type says the kind of metric, so that ``REGRESSED runtime`` (slower) and ``REGRESSED
    accuracy`` (worse) differ. A failed run, ERROR and a gated INCONCLUSIVE are errors: it could not be measured. A time that is
    INCONCLUSIVE is one only if the gate was strict. Every other verdict that is no pass is skipped, with its sentence as the
    message: WAIVED with its last day and reason.

    Raises
    ------
    StorageError
        If the job was interrupted before it was judged: an empty file would look like success.
    """
    if not job.comparisons:
        raise StorageError("the run has no judgements", "Type: harness judge RUN, then export it again")
    root = ET.Element("testsuites", name="harness")
    for comparison in job.comparisons:
        settings = job.gate.settings if job.gate else None
        _suite(root, comparison, [run for run in outcome.runs(job) if _belongs(run, comparison)], settings)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _belongs(result: RunResult, comparison: Comparison) -> bool:
    request = result.request
    key = (comparison.scenario, comparison.variant, comparison.tier)
    return (request.scenario, request.variant, request.tier) == key


def _suite(
    root: ET.Element, comparison: Comparison, runs: list[RunResult], settings: GateSettings | None
) -> None:
    name = f"{comparison.scenario}:{comparison.variant} ({comparison.tier})"
    suite = ET.SubElement(root, "testsuite", name=_clean(name))
    for result in runs:
        _run_case(suite, comparison, result)
    for judgement in comparison.judgements:
        _judgement_case(suite, comparison, judgement, settings)
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite)))
    suite.set("time", f"{sum(result.wall_seconds for result in runs):.3f}")
    if runs:
        # JUnit's own schema wants local time without an offset; this is UTC
        suite.set("timestamp", runs[0].started[:19])


def _case(suite: ET.Element, comparison: Comparison, name: str, seconds: float) -> ET.Element:
    classname = f"harness.{comparison.scenario}.{comparison.variant}.{comparison.tier}"
    return ET.SubElement(
        suite, "testcase", classname=_clean(classname), name=_clean(name), time=f"{seconds:.3f}"
    )


def _run_case(suite: ET.Element, comparison: Comparison, result: RunResult) -> None:
    case = _case(suite, comparison, wording.run_name(result.request), result.wall_seconds)
    if result.status != "ok":
        error = ET.SubElement(case, "error", type="ERROR", message=_clean(result.error))
        error.text = _clean(result.log_tail)


def _judgement_case(
    suite: ET.Element, comparison: Comparison, judgement: Judgement, settings: GateSettings | None
) -> None:
    where = ", ".join(part for part in (judgement.place, judgement.row) if part)
    place = f" [{where}]" if judgement.against == "expectation" and where else ""
    case = _case(suite, comparison, f"{judgement.against}: {judgement.metric}{place}", 0.0)
    tag = outcome.element(judgement, settings)
    if tag:
        told = _clean(wording.sentence(f"{comparison.scenario}:{comparison.variant}", judgement))
        ET.SubElement(case, tag, type=f"{judgement.verdict} {judgement.kind}", message=told).text = told


def _clean(text: str) -> str:
    """Replace what XML 1.0 cannot hold, such as the escape characters of coloured logs."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
