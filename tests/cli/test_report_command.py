"""``harness report``: the page again, or a page of one variant beside it."""

from __future__ import annotations

import typing

from harness.judging import jobs
from harness.records import Job, Probe, RunRequest, RunResult
from harness.report.verdicts import headline
from harness.session import storing

if typing.TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.conftest import Harness


def test_a_page_of_one_variant_lies_beside_the_report(harness: Harness) -> None:
    """It shows that variant and no other, leaves the report alone, and a name that the run has not is an error that names those it has."""
    scenario = harness.scenario("SCENARIO = declare(guess)")
    done = harness("run", "probe:default", "probe:other", "--scenarios", scenario, "--out", "out")
    assert done.code == 0, done.err
    before = (harness.folder / "out" / "index.html").read_bytes()
    part = harness("report", "out", "--only", "probe:other", "--scenarios", scenario)
    assert part.code == 0, part.err
    page = (harness.folder / "out" / "report--probe--other.html").read_text()
    assert 'id="probe--other"' in page
    assert 'id="probe--default"' not in page
    assert (harness.folder / "out" / "index.html").read_bytes() == before
    wrong = harness("report", "out", "--only", "probe:othr", "--scenarios", scenario)
    assert wrong.code == 2
    assert "Did you mean 'probe:other'?" in wrong.err


def run(variant: str, purpose: typing.Any = "measure", status: typing.Any = "ok") -> RunResult:
    """Return a run of a variant."""
    asked = RunRequest(scenario="probe", variant=variant, tier="smoke", seed=0, purpose=purpose)
    error = "" if status == "ok" else "it died"
    return RunResult(request=asked, status=status, started="", wall_seconds=1.0, error=error)


def test_a_page_of_one_variant_tells_nothing_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A counting run that failed, a probe, and missing runs are on the page of their own variant alone."""
    probe = Probe(
        scenario="probe", variant="a", tier="smoke", seed=0, predictions_equal=True, work_equal=False
    )
    job = Job(
        schema=jobs.SCHEMA, created="", command="", version="", commit="", environment={}, results=(run("a"), run("b")), comparisons=(),
        counted=(run("a", "count", "error"), run("b", "count")), probes=(probe,), unfinished={"probe:a": 3},
    )  # fmt: skip
    shown: list[Job] = []

    def render(part: Job, *_: object) -> str:
        shown.append(part)
        return ""

    monkeypatch.setattr(storing, "render", render)
    for name in ("probe:a", "probe:b", "probe"):
        storing.store_part(job, {}, tmp_path, name)
    a, b, both = shown
    assert headline(a).sentence == "3 planned runs are missing and 1 run failed."
    assert (headline(b).sentence, b.counted, b.probes) == ("There is nothing to judge.", job.counted[1:], ())
    assert (both.counted, both.probes, both.unfinished) == (job.counted, job.probes, job.unfinished)
