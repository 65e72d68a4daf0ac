"""The whole page: counts, every verdict, nothing loaded, and the same bytes each time."""

from __future__ import annotations

import base64
import collections
import dataclasses
import hashlib
import re
import typing
from pathlib import Path

import msgspec
import pytest

from harness.records import (
    Comparison,
    Gate,
    GateSettings,
    Job,
    Judgement,
    Measured,
    Measurement,
    RunRequest,
    RunResult,
    Verdict,
)
from harness.report import page as report_page
from harness.report import render, stages
from harness.report.verdicts import SIGNS, headline
from tests.report.parsed import Parsed

if typing.TYPE_CHECKING:
    from harness.records import Kind, Scenario

NOWHERE = Path("nowhere")


@pytest.fixture(scope="module")
def parsed(page: str) -> Parsed:
    """Return the job's report, parsed."""
    return Parsed(page)


def lone(judgement: Judgement) -> Job:
    """Return a job with one judgement and no run."""
    comparison = Comparison(
        scenario="s", variant="v", tier="smoke", seeds=(), failed=(), judgements=(judgement,)
    )
    return Job(
        schema=1, created="2025-03-04T10:00:00+00:00", command="harness run s", version="0", commit="",
        environment={}, results=(), comparisons=(comparison,),
    )  # fmt: skip


def test_the_counts_at_the_top_are_those_of_the_job(job: Job, parsed: Parsed) -> None:
    """Each verdict is counted as often as the job judged it, by what it was compared with, and each run."""
    judged = collections.Counter((j.against, j.verdict) for c in job.comparisons for j in c.judgements)
    runs = collections.Counter(("run", "OK" if result.status == "ok" else "ERROR") for result in job.results)
    shown = {
        (attributes["data-group"], attributes["data-verdict"]): int(attributes["data-count"])
        for _, attributes in parsed.elements
        if "data-count" in attributes
    }
    assert shown == dict(judged + runs)


def test_the_sentence_names_what_broke_first(job: Job) -> None:
    """The headline has the worst tone, and its counts go from worst to best."""
    said = headline(job)
    assert said.tone == "bad"
    assert said.sentence.startswith(
        "1 identity is violated, 1 run failed, 1 check could not be made, 2 metrics"
    )
    assert "22 identities hold" in said.sentence


def test_cards_come_worst_first(parsed: Parsed) -> None:
    """What needs attention is ordered by how bad it is."""
    words = [a["data-verdict"] for tag, a in parsed.elements if a.get("class", "").startswith("card ")]
    ranks = [list(SIGNS).index(word) for word in words]
    assert words[0] == "ERROR"
    assert "REGRESSED" in words
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("verdict", typing.get_args(Verdict))
def test_every_verdict_is_shown_in_words_with_its_reason(verdict: Verdict) -> None:
    """No verdict is silent: its word, metric and place appear, also where no value is known."""
    judgement = Judgement(against="baseline", metric="some_metric", verdict=verdict, place="some place")
    parsed = Parsed(render(lone(judgement), NOWHERE, {}))
    assert verdict in parsed.text
    assert "some_metric" in parsed.text
    assert "some place" in parsed.text
    assert (verdict, "1") in {(a.get("data-verdict"), a.get("data-count")) for _, a in parsed.elements}


def test_a_failure_says_everything_a_reader_needs(parsed: Parsed) -> None:
    """A regression shows value, spread, baseline, bound, test, reason, place and next command."""
    card = parsed.text[parsed.text.index("Needs attention\n") : parsed.text.index("Everything else")]
    needed = (
        "96.60 ± 0.31%", "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}5", "98.02%", "≥ 97.21%", "0.44%",
        "t bound over 10 seeds, level 0.005, and exact rank test", "The mean lies below the bound",
        "baselines/kmnist_svd_logreg/o-ma-k8/short/1f2e3d4c.json",
        "harness baseline diff kmnist_svd_logreg:o-ma-k8",
        "98.71%", "Table 'Results'", "Test accuracy",
    )  # fmt: skip
    assert [text for text in needed if text not in card] == []


def test_a_failed_run_shows_its_error_and_its_log(job: Job, parsed: Parsed) -> None:
    """The error and the last lines of the log of a failed run are there."""
    failed = next(result for result in job.results if result.status == "error")
    assert failed.error in parsed.text
    assert failed.log_tail in parsed.text


def test_failed_runs_of_the_base_and_counted_ones_are_shown(job: Job) -> None:
    """They decide a gate's exit code, so the page has them as cards with their side and error, and counts them as the headline does."""
    first = next(result for result in job.results if result.status == "ok")

    def failed(error: str, **changes: typing.Any) -> RunResult:
        asked = dataclasses.replace(first.request, **changes)
        return dataclasses.replace(first, request=asked, status="error", error=error, measurement=None)

    base, counted = failed("base died", side="base"), failed("count died", purpose="count", tier="smoke")
    gate = Gate(settings=GateSettings(against="main"), base_results=(base,), minutes=1.0, exit_code=2)
    gated = dataclasses.replace(job, results=(first,), comparisons=(), gate=gate, counted=(counted,))
    assert headline(gated).sentence.startswith("2 runs failed")
    parsed = Parsed(render(gated, NOWHERE, {}))
    card = parsed.text[parsed.text.index("Needs attention\n") : parsed.text.index("Everything else")]
    assert [
        told
        for told in ("numpy on cpu, base", "base died", "numpy on cpu, counted", "count died")
        if told not in card
    ] == []
    tallies = {
        (a["data-verdict"], a["data-count"]) for _, a in parsed.elements if a.get("data-group") == "run"
    }
    assert tallies == {("ERROR", "2"), ("OK", "1")}


def test_incomplete_data_is_marked_beside_every_verdict(job: Job, parsed: Parsed) -> None:
    """Each judgement of metrics on the incomplete KMNIST is marked; none on the complete MNIST is."""
    found = re.findall(r'<tr id="([^"]+)" (data-row.*?)</tr>', render(job, NOWHERE, {}), flags=re.DOTALL)
    metrics = {name: row for name, row in found if "--identity--" not in name}
    marked = {name for name, row in metrics.items() if "incomplete</span>" in row}
    assert marked == {name for name in metrics if name.startswith("kmnist")}
    assert len(marked) == 18
    assert "kmnist: ◐ incomplete" in parsed.text


def test_metrics_that_say_the_same_share_a_row(job: Job) -> None:
    """Scores follow the first of their set, and a stage's memory that of the whole run; each keeps its values and its address."""
    metrics = {
        "accuracy": "accuracy", "f1_macro": "accuracy", "head.accuracy": "accuracy", "loss": "accuracy", "stored.bytes": "size",
        "train.above_imports_bytes": "memory", "total.above_imports_bytes": "memory", "a.peak_bytes": "memory", "b.peak_bytes": "memory",
    }  # fmt: skip
    judged = [
        Judgement(
            against="baseline", metric=metric, verdict="PASS", kind=typing.cast("Kind", kind), gated=True, unit="B",
            value=2.0**20 * number, reference=2.0**20 * number,
        )
        for number, (metric, kind) in enumerate(metrics.items(), start=11)
    ]  # fmt: skip
    worse = dataclasses.replace(judged[1], metric="recall_macro", verdict="REGRESSED")
    comparison = dataclasses.replace(lone(worse).comparisons[0], judgements=(worse, *judged))
    page = render(dataclasses.replace(job, results=(), comparisons=(comparison,)), NOWHERE, {})
    rows = re.findall(r'<tr id="s--v--baseline--([^"]+)" data-row(.*?)</tr>', page, flags=re.DOTALL)
    assert {name: re.findall(r'id="s--v--baseline--([^"]+)"', row) for name, row in rows} == {
        "recall_macro": [], "accuracy": ["f1_macro", "loss"], "head.accuracy": [], "stored.bytes": [],
        "total.above_imports_bytes": ["train.above_imports_bytes"], "a.peak_bytes": [], "b.peak_bytes": [],
    }  # fmt: skip
    # the loss: its measured value and its baseline
    assert dict(rows)["accuracy"].count('<span class="soft sub">14.0') == 2
    assert "9 metrics no worse" in page


def test_what_was_not_measured_says_so(parsed: Parsed) -> None:
    """Stages without readable memory say not measured, a disturbed run and an unusable metric are named."""
    assert parsed.text.count("not measured") == 2 * 7
    assert "seed 3 (1.3 cores of other work)" in parsed.text
    assert "seed 1: metric 'ratio' is not finite" in parsed.text


def test_each_variant_has_one_command_that_repeats_it(parsed: Parsed) -> None:
    """The command names scenario, variant, tier, seeds, device and backend."""
    command = "harness run tinyconvnet_svd:default --tier short --seeds 5 --device cpu --backend torch"
    assert command in parsed.text
    assert "harness run kmnist_svd_logreg tinyconvnet_svd --tier short --seeds 5" in parsed.text


def test_links_lead_somewhere_and_ids_are_unique(parsed: Parsed) -> None:
    """Every link within the page has its target, every id exists once, each variant has its deep link."""
    ids = parsed.attributes("id")
    targets = {address[1:] for address in parsed.attributes("href") if address.startswith("#")}
    assert [name for name, count in collections.Counter(ids).items() if count > 1] == []
    assert targets <= set(ids)
    assert {"kmnist_svd_logreg--o-ma-k8", "tinyconvnet_svd--default"} <= set(ids)
    assert "tinyconvnet_svd--default--published--accuracy" in ids


def test_nothing_is_loaded_from_anywhere(page: str, parsed: Parsed) -> None:
    """Addresses are those of the page itself or data within it; the policy forbids the rest."""
    addresses = [*parsed.attributes("src"), *parsed.attributes("href"), *parsed.attributes("action")]
    assert [address for address in addresses if not address.startswith(("#", "data:"))] == []
    assert parsed.attributes("srcset") == []
    assert not [tag for tag, _ in parsed.elements if tag in {"link", "iframe", "object", "embed", "base"}]
    assert re.findall(r"@import|url\((?!#)", page) == []
    assert "default-src 'none'" in page


def test_the_policy_allows_our_script_and_no_other(page: str) -> None:
    """The page's only script is the one whose hash the policy names."""
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1
    assert f"script-src 'sha256-{digest}'" in page


def test_the_same_job_gives_the_same_bytes(
    job: Job, folder: Path, scenarios: dict[str, Scenario], page: str
) -> None:
    """The report depends on nothing but its input, also after the job went through JSON."""
    stored = msgspec.json.decode(msgspec.json.encode(job), type=Job)
    assert render(stored, folder, scenarios) == page
    assert page.count("<figure id=") == 14
    assert len(page.encode()) < 800_000


def test_missing_files_leave_the_numbers(job: Job, scenarios: dict[str, Scenario]) -> None:
    """Without any arrays the report still has every number, and each figure says why it is missing."""
    page = render(job, NOWHERE, scenarios)
    assert page.count("not drawn</span>") == page.count("<figure id=") == 14
    assert 'class="gallery"' not in page  # pictures of flips need files too
    assert "arrays.npz is missing" in page
    assert "98.71%" in page


def test_a_scenario_that_is_not_declared_here_is_shown(job: Job, folder: Path) -> None:
    """Results of somebody else's scenario render without its source."""
    assert "This scenario is not declared here" in render(job, folder, {})


def test_an_empty_job_says_that_nothing_was_run(job: Job) -> None:
    """A job without runs is no success."""
    empty = dataclasses.replace(job, results=(), comparisons=())
    text = Parsed(render(empty, NOWHERE, {})).text
    assert "Nothing was judged." in text
    assert "Nothing was run." in text


def test_tiers_of_one_variant_have_sections_of_their_own(job: Job, folder: Path) -> None:
    """The same variant in two tiers is shown twice, under two ids."""
    first = job.results[0]
    paper = dataclasses.replace(first, request=dataclasses.replace(first.request, tier="paper"))
    ids = Parsed(
        render(dataclasses.replace(job, results=(first, paper), comparisons=()), folder, {})
    ).attributes("id")
    assert {"kmnist_svd_logreg--o-ma-k8", "kmnist_svd_logreg--o-ma-k8-2"} <= set(ids)


def test_a_smaller_tier_says_what_differs_from_the_paper_tier(
    job: Job, folder: Path, scenarios: dict[str, Scenario]
) -> None:
    """Each option that differs is named with both values; where none does, nothing is said."""
    name, alike = "kmnist_svd_logreg", {"rank": 8, "batch": 32, "rates": [0.1, 0.01], "epochs": 100}
    other = {"batch": 64, "rates": [0.1, 0.01], "epochs": 100, "limit": None}
    differing = "Differs from the paper tier: batch 32 (there 64), rank 8 (there not set)."
    for paper, wanted in ((other, differing), (alike, "")):
        declared = dataclasses.replace(scenarios[name], tiers={"short": {}, "paper": paper})
        text = render(job, folder, {name: declared})
        assert ("Differs from the paper tier" in text) == bool(wanted)
        assert wanted in text


# -- the table of stages, and the environments ------------------------------------------------------------------------------


def waiting(run: RunResult, **shares: float) -> RunResult:
    """Return a run whose stages were outside their steps for these shares."""
    shares_of = {
        f"{name}.share_outside": Measured(value=share, unit="", kind="runtime")
        for name, share in shares.items()
    }
    return dataclasses.replace(run, metrics={**run.metrics, **shares_of})


def test_the_share_outside_the_steps_is_the_mean_over_runs(job: Job) -> None:
    """Two runs of 1% and 2% show 1.5% at the stage that trains, nothing at the others."""
    run = next(run for run in job.results if run.status == "ok")
    name = next(reversed(run.measurement.stages)).name if run.measurement else ""
    rows, _ = stages.stage_rows([waiting(run, **{name: 0.01}), waiting(run, **{name: 0.02})])
    assert {row.name: row.outside for row in rows if row.outside} == {name: "1.5%"}


def test_the_column_stands_only_where_something_is_trained(job: Job, scenarios: dict[str, Scenario], folder: Path) -> None:  # fmt: skip
    """A job without such a share has no column for it; with one, its stage shows it."""
    heading = '<th class="num">Outside steps</th>'
    assert heading not in render(job, folder, scenarios)
    run = next(run for run in job.results if run.status == "ok")
    name = next(reversed(run.measurement.stages)).name if run.measurement else ""
    found = [waiting(one, **{name: 0.034}) if one is run else one for one in job.results]
    page = render(dataclasses.replace(job, results=tuple(found)), folder, scenarios)
    assert page.count(heading) == 1
    assert '<td class="num">3.4%</td>' in page


def result_of(seed: int, **environment: str) -> RunResult:
    """Return a run with that environment."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=seed)
    measurement = Measurement(
        request=request, scenario_version=1, options={}, metrics={}, stages=(), identities=(), predictions=(), figures=(),
        datasets=(), environment=environment,
    )  # fmt: skip
    return RunResult(request=request, status="ok", started="", wall_seconds=1.0, measurement=measurement)


def test_workers_get_columns_of_their_own() -> None:
    """Runs are gathered by worker; fields in which one worker's runs differ show all values; load is left out."""
    runs = [
        result_of(0, cpu="a", load="1"),
        result_of(1, cpu="a", numpy="1", load="2"),
        result_of(2, cpu="b", worker="tcp://x:1", numpy="1"),
        result_of(3, cpu="b", worker="tcp://x:1", numpy="2"),
    ]
    table = report_page.environments({"os": "Linux"}, runs)
    assert [(place.name, place.runs) for place in table.places] == [(report_page.HERE, 2), ("tcp://x:1", 2)]
    assert table.names == ("os", "cpu", "numpy")
    assert [dict(place.fields) for place in table.places] == [
        {"cpu": "a", "numpy": "1"},
        {"cpu": "b", "numpy": "1; 2"},
    ]


def test_many_workers_are_counted() -> None:
    """Beyond the columns that fit, workers are counted, and their runs too."""
    table = report_page.environments({}, (result_of(seed, worker=f"tcp://x:{seed}") for seed in range(20)))
    assert (len(table.places), table.more) == (report_page.MOST_PLACES, 20 - report_page.MOST_PLACES)


def test_the_page_shows_them(job: Job, folder: Path, scenarios: dict[str, Scenario]) -> None:
    """Each worker's address and CPU stand on the page, escaped."""
    first = job.results[0]
    assert first.measurement is not None
    elsewhere = first.measurement.environment | {"worker": "tcp://<far>:1", "cpu": "Another <CPU>"}
    measurement = dataclasses.replace(first.measurement, environment=elsewhere)
    changed = dataclasses.replace(
        job, results=(dataclasses.replace(first, measurement=measurement), *job.results[1:])
    )
    page = render(changed, folder, scenarios)
    assert "tcp://&lt;far&gt;:1" in page
    assert "Another &lt;CPU&gt;" in page
