"""The whole page: counts, every verdict, hostile names, nothing loaded, and the same bytes each time."""

from __future__ import annotations

import base64
import collections
import dataclasses
import hashlib
import html.parser
import re
import typing
from pathlib import Path

import msgspec
import pytest

from harness.records import Comparison, DatasetUse, Gate, GateSettings, Job, Judgement, Variant, Verdict
from harness.report import render
from harness.report.verdicts import SIGNS, headline

if typing.TYPE_CHECKING:
    from harness.records import RunResult, Scenario

HOSTILE = "<script>alert(1)</script>\"'</style></title>{{ 7 * 7 }}&amp;"
VOID = {"meta", "link", "img", "input", "br", "wbr", "hr"}
NOWHERE = Path("nowhere")


class Parsed(html.parser.HTMLParser):
    """A page as elements and text; fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element ends."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Gather what a reader sees."""
        if self._open[-1:] not in (["script"], ["style"]):
            self.text += data

    def attributes(self, name: str) -> list[str]:
        """Return every value of an attribute."""
        return [attributes[name] for _, attributes in self.elements if name in attributes]


@pytest.fixture(scope="module")
def parsed(page: str) -> Parsed:
    """Return the job's report, parsed."""
    return Parsed(page)


def with_results(job: Job, change: typing.Callable[[RunResult], RunResult]) -> Job:
    """Return the job with every result changed."""
    return dataclasses.replace(job, results=tuple(map(change, job.results)))


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
    """Each verdict is counted as often as the job judged it, by what it was held against, and each run."""
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


def test_hostile_names_are_text(job: Job, folder: Path, scenarios: dict[str, Scenario]) -> None:
    """Markup, quotes and template syntax in any name or message reach the reader as written."""
    plain = render(job, folder, scenarios)
    page = render(*hostile(job, folder, scenarios))
    parsed = Parsed(page)
    count = collections.Counter(tag for tag, _ in parsed.elements)
    assert HOSTILE in parsed.text
    assert parsed.text.count(HOSTILE) > 30
    assert count["script"] == 1
    assert count["style"] == 1
    assert "49&" not in parsed.text
    assert set(parsed.elements[0][1]) == {"lang"}
    assert count["article"] == Parsed(plain).text.count("Scenario\n")


def hostile(job: Job, folder: Path, scenarios: dict[str, Scenario]) -> tuple[Job, Path, dict[str, Scenario]]:
    """Give the job hostile names and messages wherever a user can."""

    def result(old: RunResult) -> RunResult:
        asked = dataclasses.replace(old.request, variant=HOSTILE)
        measurement = old.measurement and dataclasses.replace(
            old.measurement,
            options={HOSTILE: HOSTILE},
            datasets=(DatasetUse(name=HOSTILE, sha256=HOSTILE, complete=False, found=HOSTILE),),
            figures=tuple(
                dataclasses.replace(
                    f, title=HOSTILE, caption=HOSTILE, x=HOSTILE, series=(HOSTILE,) * len(f.series)
                )
                for f in old.measurement.figures
            ),
            identities=tuple(
                dataclasses.replace(i, name=HOSTILE, formula=HOSTILE) for i in old.measurement.identities
            ),
            problems=(HOSTILE,),
        )
        metrics = {HOSTILE: next(iter(old.metrics.values()))} | old.metrics if old.metrics else {}
        return dataclasses.replace(
            old, request=asked, measurement=measurement, metrics=metrics, error=HOSTILE, log_tail=HOSTILE
        )

    def judgement(old: Judgement) -> Judgement:
        told = dict.fromkeys(("metric", "place", "row", "reason", "test", "next_step"), HOSTILE)
        return dataclasses.replace(old, **told)  # type: ignore[arg-type]

    comparisons = tuple(
        dataclasses.replace(c, variant=HOSTILE, judgements=tuple(map(judgement, c.judgements)))
        for c in job.comparisons
    )
    changed = dataclasses.replace(
        with_results(job, result),
        comparisons=comparisons,
        command=HOSTILE,
        commit=HOSTILE,
        environment={HOSTILE: HOSTILE},
    )
    declared = {
        name: dataclasses.replace(
            s, source=dataclasses.replace(s.source, title=HOSTILE, authors=HOSTILE, note=HOSTILE),
            variants=(Variant(name=HOSTILE, doc=HOSTILE),),
        )
        for name, s in scenarios.items()
    }  # fmt: skip
    return changed, folder, declared


def test_the_same_job_gives_the_same_bytes(
    job: Job, folder: Path, scenarios: dict[str, Scenario], page: str
) -> None:
    """The report depends on nothing but its input, also after the job went through JSON."""
    stored = msgspec.json.decode(msgspec.json.encode(job), type=Job)
    assert render(stored, folder, scenarios) == page


def test_the_report_stays_small(page: str) -> None:
    """Three variants with 14 figures stay far below the limit of 2 MB."""
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
