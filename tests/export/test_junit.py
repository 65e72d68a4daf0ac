"""JUnit XML, read back by a library that readers of CI results use."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing
from xml.etree import ElementTree as ET

import junitparser
import pytest

from harness.errors import StorageError
from harness.export import junit
from harness.judging import waivers
from harness.judging.waivers import Waiver
from harness.records import Gate, GateSettings

if typing.TYPE_CHECKING:
    from harness.records import Job, Kind, Verdict


def cases(job: Job, suite: str) -> dict[str, junitparser.TestCase]:
    """Test cases of one suite by name."""
    found = junitparser.JUnitXml.fromstring("".join(junit.xml_parts(job)).encode())
    (wanted,) = (item for item in found if item.name == suite)
    listed = list(wanted)
    assert len({case.name for case in listed}) == len(listed) == wanted.tests
    return {case.name: case for case in listed}


def test_a_violated_identity_is_a_failure(job: Job) -> None:
    """A violated identity is a <failure> whose message says value, tolerance and formula."""
    case = cases(job, "probe:bad (short)")["identity: sum"]
    (failure,) = case.result
    assert isinstance(failure, junitparser.Failure)
    assert failure.type == "REGRESSED identity"
    assert "1 against 1e-06" in failure.message
    assert "a + b = b + a" in failure.message


def test_a_dead_run_is_an_error(job: Job) -> None:
    """Infrastructure trouble is an <error> with the log, whatever characters the log holds; what it should have judged is too."""
    found = cases(job, "probe:dead (short)")
    (error,) = found["run seed 1 (numpy, cpu)"].result
    assert isinstance(error, junitparser.Error)
    assert "as asked <for> & more" in error.message
    assert "red" in error.text
    (unjudged,) = found["baseline: accuracy"].result
    assert isinstance(unjudged, junitparser.Error)


def test_what_was_not_judged_is_skipped(job: Job) -> None:
    """NO_BASELINE is neither a pass nor a failure, and names the next command; a finished run is a pass with its time."""
    found = cases(job, "probe:good (short)")
    (skipped,) = found["baseline: accuracy"].result
    assert isinstance(skipped, junitparser.Skipped)
    assert "harness baseline propose" in skipped.message
    assert found["run seed 0 (numpy, cpu)"].is_passed
    assert found["run seed 0 (numpy, cpu)"].time > 0


def judged(job: Job, settings: GateSettings | None = None, **changes: typing.Any) -> junitparser.TestCase:
    """Return the case of the good variant's accuracy after changes to its judgement, in a gate if settings are given."""
    comparison = job.comparisons[0]
    changed = tuple(
        dataclasses.replace(j, **changes) for j in comparison.judgements if j.metric == "accuracy"
    )
    gate = None
    if settings:
        gate = Gate(settings=settings, base_results=(), minutes=1.0, exit_code=0)
    comparisons = (dataclasses.replace(comparison, judgements=changed),)
    after = dataclasses.replace(job, comparisons=comparisons, gate=gate)
    return cases(after, "probe:good (short)")["baseline: accuracy"]


@pytest.mark.parametrize(
    ("verdict", "tags"),
    [
        ("PASS", []),
        ("REPRODUCED", []),
        ("REGRESSED", ["failure"]),
        ("ERROR", ["error"]),
        ("INCONCLUSIVE", ["error"]),
        ("BELOW", ["skipped"]),
        ("IMPROVED", ["skipped"]),
        ("WAIVED", ["skipped"]),
    ],
)
def test_each_verdict_has_its_element(job: Job, verdict: Verdict, tags: list[str]) -> None:
    """A verdict that is no pass never looks like one."""
    case = judged(job, verdict=verdict, gated=True)
    assert [type(result).__name__.lower() for result in case.result] == tags


@pytest.mark.parametrize(
    ("settings", "verdict", "kind", "element"),
    [
        (GateSettings(), "REGRESSED", "runtime", "Failure: REGRESSED runtime"),
        (GateSettings(), "REGRESSED", "memory", "Failure: REGRESSED memory"),
        (GateSettings(), "INCONCLUSIVE", "runtime", "Skipped: INCONCLUSIVE runtime"),
        (GateSettings(strict=True), "INCONCLUSIVE", "runtime", "Error: INCONCLUSIVE runtime"),
        (GateSettings(), "INCOMPARABLE", "runtime", "Skipped: INCOMPARABLE runtime"),
        (GateSettings(strict=True), "INCOMPARABLE", "runtime", "Error: INCOMPARABLE runtime"),
        (GateSettings(strict=True), "INCOMPARABLE", "accuracy", "Skipped: INCOMPARABLE accuracy"),
        (GateSettings(), "INCONCLUSIVE", "memory", "Error: INCONCLUSIVE memory"),
        (GateSettings(), "INCOMPARABLE", "memory", "Skipped: INCOMPARABLE memory"),
        (GateSettings(strict=True), "INCOMPARABLE", "memory", "Error: INCOMPARABLE memory"),
        (GateSettings(strict=True, against="main"), "INCOMPARABLE", "memory", "Skipped: INCOMPARABLE memory"),
    ],
)
def test_slower_and_worse_are_told_apart(
    job: Job, settings: GateSettings, verdict: Verdict, kind: Kind, element: str
) -> None:
    """The type says verdict and kind of metric; an undecided time is an error only in a strict gate."""
    cause = "environment" if verdict == "INCOMPARABLE" else ""
    (result,) = judged(job, settings, verdict=verdict, kind=kind, gated=True, cause=cause).result
    assert f"{type(result).__name__}: {result.type}" == element


def test_a_waived_metric_says_until_when_and_why(job: Job) -> None:
    """It is skipped, and the message has the verdict that it hides, the last day and the reason."""
    waiver = Waiver(
        scenario="probe", variant="good", tier="short", metric="accuracy", until=dt.date(2030, 1, 31), reason="issue 7", who="Z",
        created=dt.date(2030, 1, 1),
    )  # fmt: skip
    (comparison,) = waivers.apply(job.comparisons[:1], [waiver], dt.date(2030, 1, 2))
    after = dataclasses.replace(job, comparisons=(comparison,))
    (skipped,) = cases(after, "probe:good (short)")["baseline: accuracy"].result
    assert isinstance(skipped, junitparser.Skipped)
    assert "NO_BASELINE, waived until 2030-01-31: issue 7 (Z)" in skipped.message


def test_runs_of_both_sides_and_rounds_are_cases_of_their_own(job: Job) -> None:
    """A gate's base runs and counted runs, of whatever tier, stand beside the measured ones; one that died is an error."""
    first = job.results[0]
    base = dataclasses.replace(
        first, request=dataclasses.replace(first.request, side="base", round="confirm")
    )
    asked = dataclasses.replace(first.request, purpose="count", repeat=1, tier="smoke")
    counted = dataclasses.replace(first, request=asked, status="error", error="it died")
    gate = Gate(settings=GateSettings(), base_results=(base,), minutes=1.0, exit_code=2)
    found = cases(dataclasses.replace(job, gate=gate, counted=(counted,)), "probe:good (short)")
    assert found["run seed 0 (numpy, cpu, base, confirm round)"].is_passed
    (error,) = found["run seed 0 (numpy, cpu, counted, repeat 1)"].result
    assert isinstance(error, junitparser.Error)


def test_the_file_keeps_to_the_schema_that_ci_systems_read(job: Job) -> None:
    """Elements, attributes and counts are those of the JUnit schema of Jenkins and GitLab; every case has one verdict at most."""
    allowed = {
        "testsuites": {"name"},
        "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        "testcase": {"name", "classname", "time"},
        **{tag: {"type", "message"} for tag in ("failure", "error", "skipped")},
    }
    root = ET.fromstring("".join(junit.xml_parts(job)))  # noqa: S314 - written by this very test
    for element in root.iter():
        assert set(element.keys()) <= allowed[element.tag]
    for suite in root:
        tags = [child.tag for case in suite for child in case]
        counts = {
            "failures": tags.count("failure"),
            "errors": tags.count("error"),
            "skipped": tags.count("skipped"),
        }
        assert {name: int(suite.attrib[name]) for name in counts} == counts
        assert all(len(case) <= 1 for case in suite)
        assert float(suite.attrib["time"]) >= 0
        dt.datetime.fromisoformat(suite.attrib["timestamp"])


def test_an_unjudged_job_is_refused(job: Job) -> None:
    """An interrupted job has no judgements; a file without test cases would look like success."""
    with pytest.raises(StorageError, match="harness judge"):
        list(junit.xml_parts(dataclasses.replace(job, comparisons=())))
