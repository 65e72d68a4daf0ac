"""Memory over time on the page, with its stages; and what a page leaves out for want of room."""

from __future__ import annotations

import base64
import collections
import csv
import dataclasses
import io
import re
import typing

import pytest

from harness.records import MemoryTrace
from harness.report import page as report_page
from harness.report import render, timeline
from tests.report.parsed import Parsed

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Job, Scenario

NAMES = ("imports", "compress", "train", "test")


def test_samples_and_stages_are_drawn_and_travel(job: Job) -> None:
    """The drawing names every stage with its peak in its text; the download holds each sample and each stage."""
    drawn = timeline.timeline(job.results[0], "s0t")
    assert drawn is not None
    assert [name for _, name in drawn.stages] == list(NAMES)
    assert "Stage 3, train: from" in drawn.svg
    text = base64.b64decode(drawn.data.partition(",")[2]).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["what"] for row in rows if row["what"] != "sample"] == [f"stage {name}" for name in NAMES]
    trace = job.results[0].memory
    assert trace is not None
    assert [int(row["bytes"]) for row in rows if row["what"] == "sample"] == list(trace.resident_bytes)


def test_without_samples_nothing_is_made_up(job: Job) -> None:
    """A run of an earlier version, one sample, samples that do not pair up, or numbers that no machine has: no drawing."""
    first = job.results[0]
    unusable = [
        ((1.0,), (5,)),
        ((1.0, 2.0), (5,)),
        ((1.0, 1e300), (5, 5)),
        ((1.0, 2.0), (5, 2**80)),
        ((1.0, 2.0), (5, -5)),
    ]
    for memory in (None, *(MemoryTrace(seconds=at, resident_bytes=held) for at, held in unusable)):
        assert timeline.timeline(dataclasses.replace(first, memory=memory), "s") is None


def test_stages_without_a_beginning_leave_the_line(job: Job) -> None:
    """Stages of a worker that did not know its start have no marks; memory is drawn all the same."""
    first = job.results[0]
    assert first.measurement is not None
    stages = tuple(dataclasses.replace(stage, began_seconds=None) for stage in first.measurement.stages)
    drawn = timeline.timeline(
        dataclasses.replace(first, measurement=dataclasses.replace(first.measurement, stages=stages)), "s"
    )
    assert drawn is not None
    assert drawn.stages == ()


def test_the_page_shows_stages_with_numbers_and_the_calibration(page: str) -> None:
    """Stages are a bar with their times; the calibration kernel's median and range stand below it."""
    text = " ".join(Parsed(page).text.split())
    assert "Machine calibration 3.30 ms, 3.10 to 3.50 ms over 5 runs" in text
    assert "Memory over time of seed 0" in text
    assert 'aria-label="Wall time by stage: imports 110\N{NARROW NO-BREAK SPACE}ms, 2%; compress' in page


# -- room ----------------------------------------------------------------------------


def spread_out(job: Job, *, variants: int, seeds: int) -> Job:
    """Copy the job's first run and comparison to so many variants with so many seeds each."""
    first, judged = job.results[0], job.comparisons[0]
    names = [f"v{number}" for number in range(variants)]
    results = [
        dataclasses.replace(first, request=dataclasses.replace(first.request, variant=name, seed=seed)) for name in names for seed in range(seeds)
    ]  # fmt: skip
    comparisons = tuple(
        dataclasses.replace(judged, variant=name, seeds=tuple(range(seeds)), flips=()) for name in names
    )
    return dataclasses.replace(job, results=tuple(results), comparisons=comparisons)


@pytest.mark.slow
@pytest.mark.parametrize(("variants", "seeds"), [(40, 5), (5, 40), (200, 1)])
def test_200_results_stay_within_the_limit(
    job: Job, folder: Path, scenarios: dict[str, Scenario], variants: int, seeds: int
) -> None:
    """However 200 results are spread, the page is below 2 MB, every verdict is counted, and what needs attention is there with its anchor."""
    many = spread_out(job, variants=variants, seeds=seeds)
    page = render(many, folder, scenarios)
    assert len(page.encode()) < report_page.MOST_BYTES
    parsed = Parsed(page)
    judged = collections.Counter((j.against, j.verdict) for c in many.comparisons for j in c.judgements)
    shown = {
        (attributes["data-group"], attributes["data-verdict"]): int(attributes["data-count"])
        for _, attributes in parsed.elements
        if "data-count" in attributes
    }
    assert shown == dict(judged) | {("run", "OK"): 200}
    ids = set(parsed.attributes("id"))
    assert {address[1:] for address in parsed.attributes("href") if address.startswith("#")} <= ids
    assert {f"kmnist_svd_logreg--v{number}--baseline--accuracy" for number in range(variants)} <= ids


def test_what_is_left_out_says_so_and_how_to_see_it(
    job: Job, folder: Path, scenarios: dict[str, Scenario]
) -> None:
    """A section in brief names the command that shows it whole; the first, with the worst verdict, is whole."""
    many = spread_out(job, variants=60, seeds=1)
    calm = many.comparisons[7:]
    worst = dataclasses.replace(many.comparisons[0], variant="v59", judgements=job.comparisons[2].judgements)
    page = render(
        dataclasses.replace(many, comparisons=(*many.comparisons[:7], *calm[:-1], worst)), folder, scenarios
    )
    whole = set(re.findall(r'<figure id="kmnist_svd_logreg--(v\d+)--figure-1"', page))
    brief = set(re.findall(r"harness report RUN --only kmnist_svd_logreg:(v\d+)<", page))
    assert "v59" in whole
    assert whole | brief == {f"v{number}" for number in range(60)}
    assert not whole & brief
    assert len(brief) > 10
