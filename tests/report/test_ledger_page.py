"""The ledger's page: counts of the rows, one place for each expectation, escaped, small for all five sources."""

from __future__ import annotations

import collections
import dataclasses
import typing

import pytest

from harness.judging import jobs
from harness.report import ledger
from harness.sources.audit import AuditFinding, audit
from harness.sources.catalogue import load_all
from tests.report.parsed import Parsed
from tests.report.test_ledger import SCENARIO, SCENARIOS, expect, job, runs

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

HOSTILE = "<script>alert(1)</script>\"'</style>{{ 7 * 7 }}&amp;"
FINDINGS = [
    AuditFinding(source="probe", place="Table 1", claim="a sum", check="its parts", found="3 against 4", consistent=False),
    AuditFinding(source="elsewhere", place="Table 2", claim="a mean", check="its parts", found="3", consistent=True),
    AuditFinding(source="probe", place="Table 3", claim="a share", check="nothing", found="-", consistent=None),
]  # fmt: skip


def page(accuracy: float = 0.98) -> str:
    """Write a ledger of five runs whose accuracy is as published, or is not."""
    jobs = [job(runs(5, accuracy))]
    return ledger.as_page(ledger.collect(jobs, SCENARIOS), FINDINGS, jobs, SCENARIOS)


def test_every_expectation_stands_once_under_its_own_address() -> None:
    """Results, facts and unreadable prints apart; published, measured, spread, n, verdict and tolerance are there."""
    parsed = Parsed(page())
    assert parsed.ids.count("probe--default--Table-1--accuracy") == 1
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {link[1:] for link in parsed.links if link.startswith("#")} <= {"top", *parsed.ids}
    text = " ".join(parsed.text.split())
    for told in (
        "2 of 2 judged results reproduced; 1 of 1 judged fact of the protocol reproduced.", "Results",
        "Facts of the protocol", "Unreadable prints", "±0.0055", "0.980", "0.9820 ± 0.0016"):  # fmt: skip
        assert told in text, told
    assert "n\xa0=\xa05, paper" in parsed.text
    assert "the figure is an image" in text
    assert "harness run probe:default probe:other --tier paper --seeds 10" in text


def test_what_is_not_judged_shows_what_was_measured() -> None:
    """One run is no verdict, but its value stands beside the published one; without a run there is nothing to show."""
    jobs = [job(runs(1, 0.97))]
    written = ledger.as_page(ledger.collect(jobs, SCENARIOS), FINDINGS, jobs, SCENARIOS)
    row = written.partition('id="probe--default--Table-1--accuracy"')[2].partition("</tr>")[0]
    for told in ("NOT_JUDGED", "0.97", "n&nbsp;=&nbsp;1, paper"):
        assert told in row
    assert ">Measured<" not in ledger.as_page(ledger.collect([], SCENARIOS), FINDINGS, [], SCENARIOS)


def test_what_is_missed_comes_first_with_its_explanation() -> None:
    """A value below the print is told on top with its reason, and counted as such."""
    parsed = Parsed(page(accuracy=0.5))
    text = " ".join(parsed.text.split())
    assert "1 of 2 judged results reproduced;" in text
    assert text.index("not explained yet") < text.index("A probe")
    assert "1 below" in text


def test_the_audit_is_shown() -> None:
    """Contradictions, consistent and open claims are counted and listed, those of other sources too; the same input, the same page."""
    text = " ".join(Parsed(page()).text.split())
    assert "The prints contradict themselves in 1 place." in text
    words = ("contradictory", "consistent", "unclear", "3 against 4", "elsewhere")
    assert [word for word in words if word not in text] == []
    assert page() == page()


def test_hostile_prints_are_text() -> None:
    """A place, row, metric or reason is never a tag; the page has one script, its own."""
    expected = expect(f"m{HOSTILE}", 1.0, place=HOSTILE, row=HOSTILE)
    source = dataclasses.replace(SCENARIO.source, title=HOSTILE, slug=HOSTILE)
    scenario = dataclasses.replace(SCENARIO, source=source, expectations=(expected,))
    found = ledger.collect([], {"probe": scenario})
    finding = dataclasses.replace(FINDINGS[0], source=HOSTILE, claim=HOSTILE, check=HOSTILE, found=HOSTILE)
    hostile = dataclasses.replace(job([]), command=HOSTILE, commit=HOSTILE, version=HOSTILE, environment={"cpu": HOSTILE})  # fmt: skip
    written = ledger.as_page(found, [finding], [hostile], {"probe": scenario})
    assert HOSTILE not in written
    assert written.count("<script>") == 1
    assert HOSTILE in Parsed(written).text


def test_all_five_sources_stay_small_and_are_all_there() -> None:
    """Every declared expectation has a row, and every claim of the audit; the page is far below 2 MB."""
    declared, findings = load_all(()), audit()
    rows = ledger.collect([], declared)
    written = ledger.as_page(rows, findings, [], declared)
    assert len(written.encode()) < 1_000_000
    assert written.count('<tr id="') == len(rows)
    assert written.count("<tr data-row") == len(findings)
    counted = collections.Counter(row.judgement.verdict for row in rows)
    for verdict, count in counted.items():
        assert f'data-verdict="{verdict}" data-count="{count}"' in written


@pytest.mark.slow
def test_the_command_writes_page_and_markdown_from_one_ledger(harness: Harness) -> None:
    """``--html`` and ``--markdown`` together write both; a gate below reports/reference/ is not what the ledger rests on."""
    scenario = harness.scenario(
        """
        expected = Expectation(metric="accuracy", variant="default", value=0.9, unit="", place="Table 1", row="all", half_width=0.05,
                               tiers=("smoke",))
        SCENARIO = declare(guess, expectations=(expected,))
        """
    )
    assert (
        harness("run", "probe", "--seeds", "3", "--scenarios", scenario, "--out", "reports/reference/a").code
        == 0
    )
    gate = harness("gate", "probe", "--seeds", "5", "--scenarios", scenario, "--out", "reports/reference/b")
    assert gate.code == 3, gate.err
    done = harness("ledger", "--html", "ledger.html", "--markdown", "ledger.md", "--scenarios", scenario)
    assert done.code == 0, done.err
    assert done.out == "Ledger: ledger.md\nPage: ledger.html\n"
    shown, written = (harness.folder / "ledger.html").read_text(), (harness.folder / "ledger.md").read_text()
    row = shown.partition('id="probe--default--Table-1--all"')[2].partition("</tr>")[0]
    assert "n&nbsp;=&nbsp;3, smoke" in row
    assert "| 3 | smoke |" in written
    folders = ledger.reference_folders(harness.folder / "reports" / "reference")
    assert [jobs.read(folder).gate is not None for folder in folders] == [False, True]
    in_terminal = harness("ledger", "reports/reference/a", "--scenarios", scenario)
    assert (in_terminal.code, in_terminal.err) == (0, "")
    assert "Table 1: all" in in_terminal.out
