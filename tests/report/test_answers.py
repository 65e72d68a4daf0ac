"""Every page opens with the numbers: the table of a job, and what the sources are known for."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from harness.judging import jobs
from harness.records import Expectation
from harness.report import claims, ledger, render, sections
from harness.report.page import MOST_BYTES, answer_rows
from harness.sources.catalogue import load_all
from tests.report.parsed import Parsed
from tests.report.test_gallery import GALLERY

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Job, Scenario


def test_the_table_comes_before_what_needs_attention_and_links_to_every_section(page: str, job: Job) -> None:
    """One line a variant, worst first, with accuracy and verdict in a word; the first link of each is its section."""
    table = page.partition('id="numbers"')[2].partition("</section>")[0]
    assert page.index('id="numbers"') < page.index('id="attention"')
    places = [table.index(f'href="#{c.scenario}--{c.variant}"') for c in job.comparisons]
    assert len(places) == len(set(places)) == table.count('<th scope="row">') == 3
    assert "96.60%" in table
    assert "worse" in table


def test_a_variant_with_several_runs_has_them_drawn(
    job: Job, folder: Path, scenarios: dict[str, Scenario]
) -> None:
    """Runs are dots, those that they are compared with rings; without a baseline's single values nothing is drawn."""
    rows = answer_rows(job, sections.build(job, folder, scenarios)[0])
    for row in rows:
        drawn = len(row.line.values) > 1 and bool(row.line.base)
        assert (row.strip is not None) == drawn
        if row.strip is not None:
            assert (len(row.strip.dots), len(row.strip.base)) == (len(row.line.values), len(row.line.base))


def test_a_claim_shows_print_measurement_data_and_verdict(
    job: Job, folder: Path, scenarios: dict[str, Scenario]
) -> None:
    """Only what a scenario declares as a claim is in the strip, with the data that its runs read."""
    judged = next(
        j for j in job.comparisons[0].judgements if j.against == "expectation" and j.metric == "test_accuracy"
    )
    claim = Expectation(
        metric=judged.metric, variant="o-ma-k8", value=0.99, unit="", place=judged.place, row=judged.row, claim=True
    )  # fmt: skip
    declared = scenarios | {
        "kmnist_svd_logreg": dataclasses.replace(scenarios["kmnist_svd_logreg"], expectations=(claim,))
    }
    (shown,) = claims.of_sections(sections.build(job, folder, scenarios)[0], declared)
    assert (shown.scenario, shown.variant, shown.sign.word) == (
        "kmnist_svd_logreg",
        "o-ma-k8",
        judged.verdict,
    )
    assert shown.data.startswith("kmnist (incomplete), short tier, ")
    assert 'id="claims"' in render(job, folder, declared)
    assert 'id="claims"' not in render(job, folder, scenarios)


def test_the_five_sources_claim_what_they_are_known_for() -> None:
    """99% and 87%, 98.71%, 98.67%, 97% and 88.33%, each once, in the ledger with the verdict of the committed runs."""
    declared = load_all(())
    claimed = [
        expected.value
        for scenario in declared.values()
        for expected in scenario.expectations
        if expected.claim
    ]
    assert claimed == [0.99, 0.87, 0.9871, 0.9867, 0.97, 0.8833]
    written = Parsed(ledger.as_page(ledger.collect([], declared), [], [], declared))
    strip = written.text[written.text.index("What the sources claim") :][:3000]
    for printed in ("99%", "87%", "98.71%", "98.67%", "97%", "88.33%"):
        assert f"published {printed}" in strip


@pytest.mark.slow
def test_a_page_of_all_five_sources_is_below_one_and_a_half_megabytes() -> None:
    """The committed smoke job: its page is small, and shows every variant whole."""
    job = jobs.read(GALLERY / "smoke")
    page = render(job, GALLERY / "smoke", load_all(()))
    assert len(page.encode()) < MOST_BYTES == 1_500_000
    assert page.count('<details class="variant"') == 5
    assert "In brief: only what needs attention" not in page
