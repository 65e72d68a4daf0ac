"""``harness report``: the page again, or a page of one variant beside it."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

BODY = """
def measure(run):
    with run.stage("work"):
        guess(run)

SCENARIO = declare(measure)
"""


def test_a_page_of_one_variant_lies_beside_the_report(harness: Harness) -> None:
    """It shows that variant and no other, leaves the report alone, and a name that the run has not is an error that names those it has."""
    scenario = harness.scenario(BODY)
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
