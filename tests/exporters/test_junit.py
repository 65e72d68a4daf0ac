"""JUnit XML, read back by a library that readers of CI results use."""

from __future__ import annotations

import dataclasses
import typing

import junitparser
import pytest

from harness.errors import StorageError
from harness.exporters import junit

if typing.TYPE_CHECKING:
    from harness.records import Job


def cases(job: Job, suite: str) -> dict[str, junitparser.TestCase]:
    """Test cases of one suite by name."""
    found = junitparser.JUnitXml.fromstring(junit.xml_text(job).encode())
    (wanted,) = (item for item in found if item.name == suite)
    listed = list(wanted)
    assert len({case.name for case in listed}) == len(listed) == wanted.tests
    return {case.name: case for case in listed}


def test_a_violated_identity_is_a_failure(job: Job) -> None:
    """VIOLATED is a <failure> whose message says value, tolerance and formula."""
    case = cases(job, "probe:bad (short)")["identity: sum"]
    (failure,) = case.result
    assert isinstance(failure, junitparser.Failure)
    assert failure.type == "VIOLATED"
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


@pytest.mark.parametrize(
    ("verdict", "tag"),
    [
        ("PASS", ""),
        ("REPRODUCED", ""),
        ("REGRESSED", "failure"),
        ("ERROR", "error"),
        ("INCONCLUSIVE", "error"),
        ("BELOW", "skipped"),
        ("IMPROVED", "skipped"),
        ("WAIVED", "skipped"),
    ],
)
def test_each_verdict_has_its_element(job: Job, verdict: typing.Any, tag: str) -> None:
    """A verdict that is no pass never looks like one."""
    comparison = job.comparisons[0]
    judged = tuple(
        dataclasses.replace(j, verdict=verdict) for j in comparison.judgements if j.metric == "accuracy"
    )
    changed = dataclasses.replace(job, comparisons=(dataclasses.replace(comparison, judgements=judged),))
    case = cases(changed, "probe:good (short)")["baseline: accuracy"]
    assert [type(result).__name__.lower() for result in case.result] == ([tag] if tag else [])


def test_an_unjudged_job_is_refused(job: Job) -> None:
    """An interrupted job has no judgements; a file without test cases would look like success."""
    with pytest.raises(StorageError, match="harness judge"):
        junit.xml_text(dataclasses.replace(job, comparisons=()))
