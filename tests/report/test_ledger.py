"""The ledger shows one row for every published number, with the best judgement that stored runs allow."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from harness.errors import StorageError, UnknownNameError
from harness.records import (
    DatasetUse,
    Expectation,
    Job,
    Measured,
    Measurement,
    RunRequest,
    RunResult,
    Scenario,
    Source,
    Variant,
)
from harness.report import ledger
from harness.report.ledger import view
from harness.sources import explanations
from harness.sources.audit import AuditFinding
from harness.sources.catalogue import load_all
from harness.sources.published import ACROSS
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.records import Tier, Value

Values = dict[str, "Value"]


def expect(metric: str, value: Value | None, variant: str = "default", **fields: typing.Any) -> Expectation:
    """Declare a published value."""
    wanted: dict[str, typing.Any] = {
        "unit": "",
        "place": "Table 1",
        "row": metric,
        "half_width": 0.0005,
        **fields,
    }
    return Expectation(metric=metric, variant=variant, value=value, **wanted)


EXPECTED = (
    expect("accuracy", 0.980, test_images=1000),
    expect(
        "spectrum", [2.0, 1.0], tiers=("paper", "short"), tolerance=0.1, tolerance_reason="5% of its norm"
    ),
    expect("epochs", 20.0, rule="exact", half_width=0.0, tiers=("paper", "short", "smoke"), fact=True),
    expect("loss curve", None, unreadable="the figure is an image"),
    expect(
        "other no worse than default",
        None,
        ACROSS,
        rule="ordering",
        order=("other.accuracy", "default.accuracy"),
    ),
)
SCENARIO = Scenario(
    name="probe", version=2, source=Source(slug="probe", title="A probe"), measure=print, gated=("accuracy",), expectations=EXPECTED,
    variants=(Variant(name="default"), Variant(name="other"), Variant(name=ACROSS, tiers=())), tiers={"smoke": {}, "short": {}, "paper": {}},
)  # fmt: skip
SCENARIOS = {"probe": SCENARIO}


def result(
    seed: int, values: Values, variant: str = "default", tier: Tier = "paper", **fields: typing.Any
) -> RunResult:
    """Give the record that a run leaves."""
    version, complete = fields.pop("version", 2), fields.pop("complete", True)
    request = RunRequest(scenario="probe", variant=variant, tier=tier, seed=seed, **fields)
    use = DatasetUse(name="mnist", sha256="0", complete=complete, found="6,284 of 60,000 images")
    measurement = Measurement(
        request=request, scenario_version=version, options={}, metrics={}, stages=(), identities=(), predictions=(), figures=(), datasets=(use,),
        environment={},
    )  # fmt: skip
    metrics = {name: Measured(value=value) for name, value in values.items()}
    return RunResult(
        request=request, status="ok", started="", wall_seconds=1.0, metrics=metrics, measurement=measurement
    )


def job(results: Sequence[RunResult], created: str = "2026-01-01T00:00:00") -> Job:
    """Put runs into a job."""
    return Job(
        schema=1, created=created, command="harness run", version="0.1.0", commit="abc1234", environment={"cpu": "a CPU"}, results=tuple(results),
        comparisons=(),
    )  # fmt: skip


def runs(count: int, accuracy: float = 0.98, **fields: typing.Any) -> list[RunResult]:
    """Run seeds whose accuracy differs by a thousandth from seed to seed."""
    return [
        result(
            seed,
            {"accuracy": accuracy + seed / 1000, "spectrum": [2.0, 1.0 + seed / 1000], "epochs": 20.0},
            **fields,
        )
        for seed in range(count)
    ]


def row(rows: Sequence[ledger.Row], metric: str) -> ledger.Row:
    """Return the row of a metric."""
    (one,) = [one for one in rows if one.expected.metric == metric]
    return one


def collect(*jobs: Sequence[RunResult]) -> list[ledger.Row]:
    """Collect the rows of jobs that hold these runs."""
    return ledger.collect([job(results) for results in jobs], SCENARIOS)


# -- rows --------------------------------------------------------------------


def test_every_expectation_has_a_row_even_without_a_run() -> None:
    """Without runs nothing is judged but the damaged print, and each row says what to type."""
    rows = ledger.collect([], SCENARIOS)
    assert [one.expected for one in rows] == list(EXPECTED)
    assert [one.judgement.verdict for one in rows] == ["NOT_JUDGED"] * 5
    assert row(rows, "accuracy").judgement.next_step == "harness run probe:default --tier paper --seeds 10"
    assert (
        row(rows, "other no worse than default").judgement.next_step
        == "harness run probe:default probe:other --tier paper --seeds 10"
    )
    assert {one.tier for one in rows} == {None}


def test_a_row_carries_mean_spread_runs_and_resolution() -> None:
    """Five runs around the print reproduce it; mean and standard deviation are those of the runs."""
    best = row(collect(runs(5)), "accuracy")
    assert best.judgement.verdict == "REPRODUCED"
    assert best.judgement.value == pytest.approx(0.982)
    assert best.judgement.spread == pytest.approx(0.00158, abs=1e-5)
    assert best.judgement.n == 5
    assert best.tier == "paper"
    assert best.judgement.resolution is not None
    assert best.judgement.resolution > 0.001


@pytest.mark.parametrize(
    ("metric", "jobs", "shown"),
    [
        # two runs of the paper tier show no spread: of what both tiers judge, three short runs go before them
        ("spectrum", ({"count": 2}, {"count": 3, "tier": "short"}), ("short", 3, "REPRODUCED")),
        ("accuracy", ({"count": 2}, {"count": 3, "tier": "short"}), ("paper", 2, "NOT_JUDGED")),
        ("spectrum", ({"count": 3}, {"count": 5, "tier": "short"}), ("paper", 3, "REPRODUCED")),
        ("accuracy", ({"count": 5}, {"count": 3}), ("paper", 5, "REPRODUCED")),
    ],
)
def test_the_best_judgement_is_shown(
    metric: str, jobs: tuple[dict[str, typing.Any], ...], shown: tuple[str, int, str]
) -> None:
    """Judged before not judged, the paper tier before more runs of another, then the most runs, never pooled, in whatever order."""
    for order in (jobs, jobs[::-1]):
        best = row(collect(*(runs(**one) for one in order)), metric)
        assert (best.tier, best.judgement.n, best.judgement.verdict) == shown


def test_the_newest_of_equals_is_shown() -> None:
    """Of two jobs alike but for their date and values the later one counts."""
    jobs = [job(runs(3, 0.99), "2026-02-01"), job(runs(3, 0.98), "2026-01-01")]
    for order in (jobs, jobs[::-1]):
        best = row(ledger.collect(order, SCENARIOS), "accuracy")
        assert best.judgement.value == pytest.approx(0.991)


def test_a_missing_metric_is_an_error_not_silence() -> None:
    """Runs of the published protocol without the metric give ERROR."""
    broken = [result(seed, {"accuracy": 0.98}) for seed in range(3)]
    assert row(collect(broken), "spectrum").judgement.verdict == "ERROR"
    assert row(collect(broken, runs(3, tier="short")), "spectrum").judgement.verdict == "REPRODUCED"


def test_runs_of_another_version_or_that_failed_do_not_count() -> None:
    """Results of an older scenario version are never compared, failed runs never averaged."""
    old = [dataclasses.replace(run) for run in runs(3, version=1)]
    failed = [dataclasses.replace(run, status="error") for run in runs(3)]
    for results in (old, failed):
        best = row(collect(results), "accuracy").judgement
        assert (best.verdict, best.n) == ("NOT_JUDGED", 0)
        assert "version 2" in best.reason


def test_backends_are_judged_apart_and_incomplete_data_not_at_all() -> None:
    """Three runs on each of two backends are two groups of three; a short data set rules the judgement out, with what was found."""
    mixed = [*runs(3, backend="torch"), *runs(3, backend="tensorflow")]
    assert row(collect(mixed), "accuracy").judgement.n == 3
    short = row(collect(runs(3, complete=False)), "accuracy").judgement
    assert short.verdict == "NOT_JUDGED"
    assert "6,284 of 60,000" in short.reason


def test_a_run_of_an_undeclared_scenario_is_refused() -> None:
    """A stored run that nothing declares is named, not left out."""
    with pytest.raises(UnknownNameError, match="'probe'"):
        ledger.collect([job(runs(1))], {})


# -- across variants --------------------------------------------------------------------


def test_variants_are_set_side_by_side_seed_by_seed() -> None:
    """Runs of two variants in two jobs are paired by seed; the lead is the difference of each pair."""
    best = row(collect(runs(5), runs(4, 0.985, variant="other")), "other no worse than default").judgement
    assert best.n == 4
    assert best.value == pytest.approx(0.005)
    assert best.verdict == "REPRODUCED"


def test_a_variant_that_is_worse_contradicts_the_order() -> None:
    """Accuracy lower by 0.03 in each of five seeds is BELOW."""
    best = row(collect([*runs(5), *runs(5, 0.95, variant="other")]), "other no worse than default")
    assert best.judgement.verdict == "BELOW"
    assert best.missed


@pytest.mark.parametrize(
    "other", [[], runs(5, variant="other", tier="short"), runs(5, variant="other", backend="torch")]
)
def test_only_runs_of_one_tier_and_backend_are_paired(other: list[RunResult]) -> None:
    """Without the second variant on the same terms there is nothing to compare."""
    best = row(collect(runs(5), other), "other no worse than default").judgement
    assert (best.verdict, best.n) == ("NOT_JUDGED", 0)


# -- explanations --------------------------------------------------------------------


def test_what_is_missed_is_explained_where_it_was_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """An explanation stands beside a number that is not reproduced, and not beside one that is."""
    known = {"probe:default:accuracy": "The test set is another one."}
    monkeypatch.setattr("harness.report.ledger.rows.EXPLANATIONS", known)
    assert explanations.key("probe", EXPECTED[0]) in known
    assert row(collect(runs(3, 0.90)), "accuracy").explanation == "The test set is another one."
    assert row(collect(runs(3)), "accuracy").explanation == ""


def test_a_declared_gap_is_the_explanation() -> None:
    """A KNOWN_GAP is explained by its declaration."""
    gap = dataclasses.replace(EXPECTED[0], gap="the print is cut off")
    scenario = dataclasses.replace(SCENARIO, expectations=(gap,))
    (best,) = ledger.collect([job(runs(3, 0.90))], {"probe": scenario})
    assert (best.judgement.verdict, best.explanation) == ("KNOWN_GAP", "the print is cut off")


# -- counts --------------------------------------------------------------------


def test_results_and_facts_are_counted_apart() -> None:
    """Results, facts of the protocol and what cannot be read have counts of their own, and together they are all expectations."""
    counted = ledger.counts(collect([*runs(3), *runs(3, 0.90, variant="other")]))
    assert [(count.sort, dict(count.verdicts)) for count in counted] == [
        ("result", {"REPRODUCED": 2, "BELOW": 1}),
        ("fact", {"REPRODUCED": 1}),
        ("unreadable", {"NOT_JUDGED": 1}),
    ]
    assert sum(count.total for count in counted) == len(EXPECTED)
    lead, rest = view.headline(counted)
    assert lead == "2 of 3 judged results reproduced; 1 of 1 judged fact of the protocol reproduced"
    assert rest == "3 results: 1 below. 1 fact of the protocol"


def test_a_statement_in_several_places_is_one_row() -> None:
    """What is printed twice alike is one result with two places; another digit, bound or metric is another result."""
    again = dataclasses.replace(EXPECTED[0], place="Conclusions", row="98.0%")
    other = dataclasses.replace(EXPECTED[0], value=0.98, rule="at_least", place="Conclusions")
    scenario = dataclasses.replace(SCENARIO, expectations=(EXPECTED[0], again, other))
    stored = [job(runs(5))]
    rows = ledger.collect(stored, {"probe": scenario})
    assert [(row.expected.rule, [place.place for place in row.also]) for row in rows] == [
        ("spread", ["Conclusions"]),
        ("at_least", []),
    ]
    assert [count.places for count in ledger.counts(rows)] == [3]
    assert "| accuracy (also: Conclusions) |" in ledger.as_markdown(rows, [], stored)


def test_what_waits_for_training_data_is_counted_apart() -> None:
    """Runs on a tenth of the training images are NOT_JUDGED, and the headline says what they would be."""
    use = DatasetUse(name="kmnist", sha256="0", complete=False, found="a tenth", train_share=0.1)
    waiting = [
        dataclasses.replace(run, measurement=dataclasses.replace(run.measurement, datasets=(use,)))
        for run in runs(5)
        if run.measurement
    ]
    rows = ledger.collect([job(waiting)], SCENARIOS)
    assert row(rows, "accuracy").judgement.would_be == "REPRODUCED"
    counted = ledger.counts(rows)
    assert counted[0].would_be == {"REPRODUCED": 2}
    assert "2 of 2 that wait for complete training data would be reproduced" in view.headline(counted)[1]
    assert "| probe | results | 2 |" in ledger.as_markdown(rows, [], [])


def test_the_built_in_scenarios_lose_no_expectation() -> None:
    """The places of the ledger's rows are the expectations that the built-in scenarios declare."""
    scenarios = load_all()
    counted = ledger.counts(ledger.collect([], scenarios))
    assert sum(count.places for count in counted) == sum(len(s.expectations) for s in scenarios.values())


# -- as text --------------------------------------------------------------------

FINDING = AuditFinding(
    source="probe", place="Table 1", claim="a | b", check="a sum", found="1 against 2", consistent=False
)


def test_markdown_has_a_table_row_for_every_expectation() -> None:
    """Every row has the ten cells of its header, also where a print contains a bar, and shows what was measured."""
    barred = dataclasses.replace(EXPECTED[0], row="0.1 | 32")
    scenario = dataclasses.replace(SCENARIO, expectations=(barred, *EXPECTED[1:]))
    stored = [job(runs(5))]
    page = ledger.as_markdown(ledger.collect(stored, {"probe": scenario}), [FINDING], stored)
    section = page.split("## probe\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(EXPECTED)
    assert {line.replace("\\|", "").count("|") for line in lines} == {11}
    assert "| 0.980 | 0.9820 ± 0.0016 | 5 | paper | REPRODUCED |" in lines[2]
    assert "| a \\| b | a sum | 1 against 2 | **contradictory** |" in page
    assert "probe:default, paper, numpy on cpu: 5 runs" in page


def test_markdown_tells_what_is_not_reproduced_and_that_nobody_explained_it() -> None:
    """A missed number stands in a list of its own with value, verdict and reason."""
    page = ledger.as_markdown(collect(runs(3, 0.90)), [], [])
    missed = page.split("## Not reproduced or undecided")[1].split("\n## ")[0]
    assert (
        "Not explained yet.\n\n- **BELOW** `probe:default` `accuracy`, Table 1: published 0.980, " in missed
    )
    assert ": published 0.980, measured 0.9010 ± 0.001 over 3 runs" in missed


def test_what_many_rows_share_is_said_once() -> None:
    """An explanation stands above all that it explains, a remark of three rows and more below the table; one of two stays with them."""
    row = next(row for row in collect(runs(3, 0.90)) if row.missed)
    missed = [dataclasses.replace(row, explanation="It is the seed.") for _ in range(2)]
    blank = dataclasses.replace(row.judgement, verdict="NOT_JUDGED", reason="no | data")
    page = ledger.as_markdown([*missed, *[dataclasses.replace(row, judgement=blank)] * 3], [], [])
    assert page.count("It is the seed.") == 1
    assert page.count("**BELOW** `probe:default`") == 2
    assert page.count("| NOT_JUDGED | ±0.0055 | remark 1 |") == 3
    assert page.count("remark 1: no \\| data.") == 1
    assert page.count(f"| {row.judgement.reason} |") == 2


def test_text_fits_its_width_and_ends_with_the_counts() -> None:
    """No line is wider than the terminal; verdicts, contradictions and counts are there."""
    written = ledger.as_text(collect(runs(5, 0.90)), [FINDING], width=100)
    assert max(map(len, written.splitlines())) <= 100
    assert "Not reproduced or undecided: 1" in written
    assert "Source audit: 0 consistent, 0 open, 1 contradictory" in written
    assert written.index("Published values by verdict") > written.index("Source audit")
    assert "judged results reproduced" in written.splitlines()[-2]


def test_text_shows_every_check_of_the_prints_with_what_it_found() -> None:
    """Consistent, open and contradictory checks are all listed in the terminal; the names of the sources stay whole at 120 columns."""
    states = {True: "consistent", None: "open", False: "contradictory"}
    findings = [
        dataclasses.replace(FINDING, found=f"found {word}", consistent=state)
        for state, word in states.items()
    ]
    written = ledger.as_text(collect(runs(5)), findings, width=200)
    claim = f"{FINDING.source}, {FINDING.place}: {FINDING.claim}. {FINDING.check}"
    assert [word for word in states.values() if f"{word}: {claim}: found {word}" not in written] == []
    counts = ledger.as_text(ledger.collect([], load_all()), [], width=120).split(
        "Published values by verdict"
    )[1]
    assert {"kmnist_svd_logreg", "mnist_interpolation"} <= set(counts.split())


@pytest.mark.parametrize(
    ("number", "decimals", "text"),
    [
        (0.77, 4, "0.7700"),
        (8.9e-8, 9, "8.9e-08"),
        (9867.0, None, "9,867"),
        (0.98713, None, "0.9871"),
        (0.0, None, "0"),
        ([2.0, 1.0], 3, "2.000, 1.000"),
        ([[0.1] * 10] * 10, 2, "10 × 10 values, 0.10 … 0.10"),
        (None, None, ""),
    ],
)
def test_numbers_are_written_as_printed(number: Value | None, decimals: int | None, text: str) -> None:
    """Published numbers keep their printed digits, arrays show size and ends."""
    assert view.value(number, decimals) == text


# -- stored runs --------------------------------------------------------------------


def test_reference_folders_are_found_at_any_depth(tmp_path: Path) -> None:
    """Each folder with a job counts once, packed or not, in order of name."""
    for name in ("b/run.json", "a/deep/run.json", "c/run.json.gz", "b/run.json.gz"):
        files.write_json(tmp_path / name, {})
    assert ledger.reference_folders(tmp_path) == [tmp_path / "a" / "deep", tmp_path / "b", tmp_path / "c"]
    with pytest.raises(StorageError, match="there is no run under"):
        ledger.reference_folders(tmp_path / "none")
