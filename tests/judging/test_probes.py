"""Counting runs: which are made, what two equal ones tell, the verdicts on counts, and all of it from the command line."""

from __future__ import annotations

import dataclasses
import json
import typing

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from harness.judging import jobs, probes, proposals
from harness.records import (
    Baseline,
    BaselineMetric,
    DatasetUse,
    Measured,
    Probe,
    RunRequest,
    RunResult,
    Variant,
)
from harness.running import executors
from harness.sources import catalogue
from harness.store import files
from tests.judging import made

if typing.TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import Direction, Tier
    from tests.conftest import Harness

PLACE = "baselines/probe/default/smoke/00000000.json"


SCENARIO = made.scenario(
    variants=(
        Variant(name="default"),
        Variant(name="late", tiers=("short", "paper")),
        Variant(name="never", tiers=()),
    ),
    tiers={"paper": {}, "short": {}, "smoke": {}},
)
DATA = (DatasetUse(name="digits", sha256="aa", complete=True, found="all"),)


def asked(**changes: typing.Any) -> RunRequest:
    """Ask for a counting run."""
    return made.request(**{"purpose": "count", **changes})


def work(**values: float) -> dict[str, Measured]:
    """Return counts by their last word; steps and samples have no better direction."""
    better: dict[str, Direction] = {"optimiser_steps": "none", "samples": "none"}
    return {
        f"work.train.{name}": Measured(value=value, kind="work", better=better.get(name, "lower"))
        for name, value in values.items()
    }


def result(metrics: dict[str, Measured], error: str = "", **changes: typing.Any) -> RunResult:
    """Return a counting run that found these metrics, or failed."""
    request = asked(**changes)
    if error:
        return made.failed(request, error)
    return dataclasses.replace(made.run(metrics, request), measurement=None)


def measured(run: RunResult, tier: Tier = "smoke", **environment: str) -> RunResult:
    """Give a run a measurement on one machine."""
    here = {"backend": "numpy", "device": "cpu", **environment}
    request = dataclasses.replace(run.request, tier=tier)
    return made.run(run.metrics, request, environment=here, datasets=DATA)


# -- which runs -------------------------------------------------------------------------------


def test_counting_happens_in_the_lowest_tier() -> None:
    """The order is that of the tiers, whatever the order of the declaration; a variant that is only judged by the ledger is refused."""
    assert [probes.lowest_tier(SCENARIO, variant) for variant in ("default", "late")] == ["smoke", "short"]
    own = dataclasses.replace(
        SCENARIO, tiers={"quick": {}, "paper": {}, "smoke": {}}, variants=(Variant(name="default"),)
    )
    assert probes.lowest_tier(own, "default") == "quick"
    with pytest.raises(ValueError, match="probe:never has no tier"):
        probes.lowest_tier(SCENARIO, "never")


def test_two_equal_runs_of_each_variant_and_side() -> None:
    """Ten measured runs of two variants on two sides ask for eight counting ones, which differ in repeat alone."""
    limits: dict[str, typing.Any] = {"tier": "short", "memory_limit": 10**9, "time_limit": 9}
    wanted = [
        made.request(seed, variant=variant, side=side, **limits)
        for seed in (4, 3)
        for variant in ("default", "late")
        for side in ("head", "base")
    ]
    found = probes.requests(wanted, {"probe": SCENARIO})
    assert len(found) == len({request.key for request in found}) == 8
    assert {(r.variant, r.tier, r.time_limit) for r in found} == {
        ("default", "smoke", 300.0),
        ("late", "short", 9),
    }
    # one seed whatever is measured: training that stops early does other work with another seed
    assert {(r.seed, r.purpose, r.memory_limit) for r in found} == {(0, "count", None)}
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert second == dataclasses.replace(first, repeat=1)


def test_pairs_are_of_equal_requests() -> None:
    """A run whose repeat is missing has no pair; sides and backends are not mixed."""
    runs = [result({}, repeat=repeat, side=side) for side in ("head", "base") for repeat in (0, 1)]
    runs += [result({}, repeat=0, backend="torch"), result({}, repeat=1, backend="jax")]
    assert [(a.request.side, b.request.repeat) for a, b in probes.pairs(runs)] == [("head", 1), ("base", 1)]


# -- the probe --------------------------------------------------------------------------------


def stored(folder: Path, run: RunResult, **sets: NDArray[typing.Any]) -> RunResult:
    """Store prediction arrays as the run's worker does."""
    (folder / run.folder).mkdir(parents=True)
    files.write_npz(
        folder / run.folder / "predictions.npz", {name.replace("__", "/"): a for name, a in sets.items()}
    )
    return run


def compared(folder: Path, first: dict[str, typing.Any], second: dict[str, typing.Any]) -> Probe:
    """Probe two runs that count equally and stored these arrays."""
    a = stored(folder, result(work(flops=5)), **first)
    b = stored(folder, result(work(flops=5), repeat=1), **second)
    return probes.compare(a, b, folder)


def test_equal_bits_are_equal(tmp_path: Path) -> None:
    """The same arrays and counts give a probe without differences; a NaN equals itself."""
    arrays = {"test__predicted": np.arange(4), "test__probabilities": np.array([[np.nan, 1.0]])}
    found = compared(tmp_path, arrays, arrays)
    assert (found.predictions_equal, found.work_equal, found.differing) == (True, True, ())
    assert (found.scenario, found.variant, found.tier, found.seed) == ("probe", "default", "smoke", 0)


@pytest.mark.parametrize(
    "other",
    [np.array([0.1, np.nextafter(0.9, 1)]), np.array([0.1, 0.9], np.float32), np.array([[0.1, 0.9]]), None],
    ids=["bit", "dtype", "shape", "missing"],
)
def test_one_bit_a_dtype_or_a_shape_is_found(tmp_path: Path, other: NDArray[np.float64] | None) -> None:
    """The last bit of one probability, another dtype, another shape and a missing set each name the set."""
    second = {} if other is None else {"test__probabilities": other}
    found = compared(tmp_path, {"test__probabilities": np.array([0.1, 0.9])}, second)
    assert (found.predictions_equal, found.work_equal) == (False, True)
    assert found.differing == ("test/probabilities",)


def test_counts_that_differ_are_named(tmp_path: Path) -> None:
    """One count that differs and one that only one run has are both named; predictions are still equal."""
    a = stored(tmp_path, result(work(flops=5, samples=1)), test__labels=np.arange(3))
    b = stored(tmp_path, result(work(flops=6), repeat=1), test__labels=np.arange(3))
    found = probes.compare(a, b, tmp_path)
    assert (found.predictions_equal, found.work_equal) == (True, False)
    assert found.differing == ("work.train.flops", "work.train.samples")
    assert probes.made(found)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (result({}, "the worker was killed", repeat=1), "a counting run failed: the worker was killed"),
        (result({}, repeat=1), "no work was counted"),
        (result(work(flops=5), repeat=1), "predictions.npz"),
    ],
)
def test_a_probe_that_cannot_be_made_says_why(tmp_path: Path, second: RunResult, told: str) -> None:
    """A failed run, a worker that counts nothing and files that are gone give neither equality, and the reason."""
    first = stored(tmp_path, result(work(flops=5)), test__labels=np.arange(3))
    found = probes.compare(first, second, tmp_path)
    assert not found.predictions_equal
    assert not found.work_equal
    assert told in found.differing[0]
    assert not probes.made(found)


# -- the verdicts -------------------------------------------------------------------------------


def judged(
    now: dict[str, Measured], then: dict[str, Measured], **more: typing.Any
) -> dict[str, tuple[str, str]]:
    """Judge counts against others and return verdict and reason by metric."""
    found = probes.judge_work(
        result(now), more.pop("probe", None), probes.reference_of(result(then)), PLACE, **more
    )
    assert all((j.gated, j.kind, j.against, j.place) == (True, "work", "baseline", PLACE) for j in found)
    return {judgement.metric: (judgement.verdict, judgement.reason) for judgement in found}


@pytest.mark.parametrize(
    ("now", "then", "verdict", "reason"),
    [
        (work(flops=200), work(flops=100), "REGRESSED", "200 instead of 100, +100.00%: more work"),
        (work(flops=99_999), work(flops=100_000), "IMPROVED", "99,999 instead of 100,000, -0.00%: less work"),
        (work(flops=100), work(flops=100), "PASS", "equal to the baseline"),
        (work(flops=3), work(flops=0), "REGRESSED", "3 instead of 0: more work"),
        (work(samples=90), work(samples=100), "REGRESSED", "90 instead of 100, -10.00%: another protocol"),
        (work(samples=110), work(samples=100), "REGRESSED", "110 instead of 100, +10.00%: another protocol"),
        (work(flops=3), {}, "NO_BASELINE", "none is stored for this count"),
        ({}, work(flops=3), "ERROR", "it is in the baseline, and was not counted in this run"),
    ],
)
def test_counts_are_judged_by_equality(
    now: dict[str, Measured], then: dict[str, Measured], verdict: str, reason: str
) -> None:
    """One more call regresses, one less improves, another protocol is neither better, and what is missing is an ERROR."""
    other = work(images=1)
    (name,) = now or then
    found = judged({**now, **other}, {**then, **other})
    assert found[name][0] == verdict
    assert found[name][1].startswith(reason)
    assert found["work.train.images"][0] == "PASS"


@hypothesis.given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_only_equal_counts_pass(now: int, then: int) -> None:
    """Whatever the numbers, a count passes exactly if it is the baseline's, and improves exactly if it is less."""
    verdict = judged(work(flops=now), work(flops=then))["work.train.flops"][0]
    assert verdict == ("PASS" if now == then else "IMPROVED" if now < then else "REGRESSED")


def probe(*differing: str, work_equal: bool = False) -> Probe:
    """Return a probe of equal predictions."""
    return Probe(
        scenario="probe", variant="default", tier="smoke", seed=0, predictions_equal=work_equal, work_equal=work_equal,
        differing=differing,
    )  # fmt: skip


def test_a_count_that_is_loose_here_is_not_judged() -> None:
    """A count that two equal runs do not share is NOT_JUDGED; the others still are."""
    found = judged(work(flops=7, images=2), work(flops=5, images=1), probe=probe("work.train.flops"))
    assert found["work.train.flops"][0] == "NOT_JUDGED"
    assert "two equal runs count it differently" in found["work.train.flops"][1]
    assert found["work.train.images"][0] == "REGRESSED"


@pytest.mark.parametrize(
    ("before", "found", "verdict"),
    [
        (1, probe(work_equal=True), "PASS"),
        (1, probe("test/predicted", "work.train.flops"), "REGRESSED"),
        (0, probe(work_equal=True), "NOT_JUDGED"),
        (0, probe("work.train.flops"), "NOT_JUDGED"),
        (None, probe("work.train.flops"), None),
        (1, probe("a counting run failed: killed"), None),
        (1, None, None),
    ],
)
def test_equal_runs_that_came_to_differ_are_a_regression(
    before: int | None, found: Probe | None, verdict: str | None
) -> None:
    """What the baseline's equal runs shared, today's must share too; where either was not probed, nothing is said."""
    name = probes.REPEATABLE
    kept = (
        {}
        if before is None
        else {name: BaselineMetric(values=[before], unit="", kind="work", better="higher")}
    )
    known = {**probes.reference_of(result(work(flops=5))), **kept}
    judgements = {one.metric: one for one in probes.judge_work(result(work(flops=5)), found, known, PLACE)}
    assert (judgements[name].verdict if name in judgements else None) == verdict
    if verdict == "REGRESSED":
        assert "two equal runs differ now in test/predicted, work.train.flops" in judgements[name].reason


def test_a_probe_that_could_not_be_made_is_an_error_beside_the_counts() -> None:
    """Counts are still held against the baseline, and the missing probe is no silence."""
    found = judged(work(flops=5), work(flops=5), probe=probe("a counting run failed: killed"))
    assert found["work.train.flops"][0] == "PASS"
    assert found["work"] == ("ERROR", "determinism could not be probed: a counting run failed: killed")


def test_what_was_not_counted_is_an_error_and_no_zero() -> None:
    """A failed run and one of an older worker make every known count an ERROR; without any run there is nothing to judge."""
    reference = probes.reference_of(result(work(flops=5)))
    for run in (result({}, "killed"), result({})):
        found = {j.metric: j for j in probes.judge_work(run, None, reference, PLACE)}
        assert found["work.train.flops"].verdict == "ERROR"
        assert found["work.train.flops"].value is None
        assert "work" in found
    assert probes.against_stored(None, None, (baseline(), PLACE)) == []


def baseline(**changes: typing.Any) -> Baseline:
    """Return a baseline with one count."""
    fields = {
        "environment": {"backend": "numpy", "device": "cpu", "python": "3.12"},
        "datasets": DATA,
        "counted": probes.reference_of(result(work(flops=5))),
    }
    return made.baseline({}, **{**fields, **changes})


def test_what_forbids_a_comparison_is_named() -> None:
    """Another backend or version, or other data of the same tier; another machine does not, nor a higher tier's data."""
    run = measured(result(work(flops=9)), python="3.11", cpu="another")
    assert probes.obstacles(run, baseline()) == []
    other = (DatasetUse(name="mnist", sha256="bb", complete=True, found="all"),)
    assert probes.obstacles(run, baseline(tier="paper", datasets=other)) == []
    found = probes.obstacles(
        measured(result({}), backend="torch"), baseline(scenario_version=2, datasets=other)
    )
    assert found == [
        "backend: torch, not numpy", "scenario version: 1, not 2", "data set digits: other content",
        "data set mnist: other content",
    ]  # fmt: skip
    verdicts = judged(work(flops=9), work(flops=5, images=1), hindered=found)
    assert {verdict for verdict, _ in verdicts.values()} == {"INCOMPARABLE"}
    assert "backend: torch" in verdicts["work.train.flops"][1]


# -- from the command line --------------------------------------------------------------------------

LOOP = """
PASSES = 1

def measure(run):
    rng = np.random.default_rng(run.seed)
    x = np.eye(8)
    steps = 20
    with run.stage("train"):
        for _ in range(steps):
            x = x @ x
    run.record("steps", steps)
    labels = np.arange(100) % 10
    run.predictions(labels, np.where(rng.random(100) < 0.9, labels, 0))

SCENARIO = declare(measure, tiers={"smoke": {}, "short": {}}, metrics=(Metric("steps", kind="work"),))
"""


def counted(harness: Harness, body: str, out: str, *arguments: str) -> dict[str, typing.Any]:
    """Run a scenario with counting and return the stored job."""
    done = harness("run", "probe", "--scenarios", harness.scenario(body), "--count", "--out", out, *arguments)
    assert (harness.folder / out / "run.json").is_file(), done.out + done.err
    return harness.job(out)


def verdicts(job: dict[str, typing.Any]) -> dict[str, str]:
    """Return the verdicts on counts by metric."""
    (comparison,) = job["comparisons"]
    return {j["metric"]: j["verdict"] for j in comparison["judgements"] if j["kind"] == "work"}


@pytest.mark.slow
def test_doubled_work_is_caught_in_one_run(harness: Harness) -> None:
    """Twice as many steps regress in one run of one seed, and so does a lost seed, which moves no count; the unchanged program passes."""
    harness.repository()
    harness.scenario(LOOP)
    made.accepted(harness, "--tier", "short", "--seeds", "5", "--count")
    assert f"{'work.steps':<40} {'20':>14} -> 20" in harness("baseline", "diff", "first").out
    again = counted(harness, LOOP, "again", "--tier", "short")
    assert set(verdicts(again).values()) == {"PASS"}
    assert again["comparisons"][0]["tier"] == "short"
    assert [run["request"]["tier"] for run in again["counted"]] == ["smoke", "smoke"]
    doubled = verdicts(
        counted(harness, LOOP.replace("steps = 20", "steps = 40"), "doubled", "--tier", "short")
    )
    assert doubled == {"work.steps": "REGRESSED", "work.stored_bytes": "PASS", "work.repeatable": "PASS"}
    lost = LOOP.replace("default_rng(run.seed)", "default_rng()")
    assert verdicts(counted(harness, lost, "lost", "--tier", "short"))[probes.REPEATABLE] == "REGRESSED"


def test_an_unseeded_generator_is_found(harness: Harness) -> None:
    """Two equal runs that differ are told apart by the probe, and the report says so."""
    job = counted(harness, LOOP.replace("default_rng(run.seed)", "default_rng()"), "out")
    (found,) = job["probes"]
    assert (found["predictions_equal"], found["work_equal"]) == (False, True)
    assert found["differing"] == ["test/predicted"]
    page = (harness.folder / "out" / "index.html").read_text()
    assert "gave the same counts, but differ in test/predicted" in page


def test_a_loose_count_never_becomes_a_baseline(harness: Harness) -> None:
    """A loop whose length nobody seeded is NOT_JUDGED, and left out of a proposal; the other counts are in it."""
    counted(harness, LOOP.replace("steps = 20", "steps = int(np.random.default_rng().integers(9999))"), "out")
    job = jobs.read(harness.folder / "out")
    assert {j.metric: j.verdict for j in job.comparisons[0].judgements}["work.steps"] == "NOT_JUDGED"
    (run,) = job.results
    seeds = (
        dataclasses.replace(run, request=dataclasses.replace(run.request, seed=seed)) for seed in range(5)
    )
    five = dataclasses.replace(job, results=tuple(seeds), commit="abc")
    scenario = dataclasses.replace(SCENARIO, deterministic=True)
    (proposed,) = proposals.propose(five, {"probe": scenario}, reason="r", who="T")
    assert "work.stored_bytes" in proposed.counted
    assert "work.steps" not in proposed.counted


@pytest.mark.slow
def test_a_counting_run_that_fails_is_an_error(harness: Harness) -> None:
    """A scenario that breaks when it is counted again ends with exit code 2 and a reason; what was measured is kept."""
    body = LOOP.replace(
        "    x = np.eye(8)\n",
        "    x = np.eye(8)\n    if run.request.repeat:\n        raise ValueError('no')\n",
    )
    job = counted(harness, body, "out")
    assert [run["status"] for run in job["results"]] == ["ok"]
    assert [run["status"] for run in job["counted"]] == ["ok", "error"]
    assert verdicts(job)["work"] == "ERROR"
    (found,) = job["probes"]
    assert not found["predictions_equal"]
    assert not found["work_equal"]
    assert "ValueError: no" in found["differing"][0]
    again = harness("judge", "out", "--scenarios", "probe.py")
    assert again.code == 2
    assert "ValueError: no" in again.out


def test_the_same_seed_gives_the_same_bits(harness: Harness) -> None:
    """The seeded program's probe finds nothing, and the page shows the counts by stage.

    So it is also where the job died before it wrote run.json and is put together from its runs.
    """
    counted(harness, LOOP, "out")
    (harness.folder / "out" / "run.json").unlink()
    assert harness("judge", "out", "--scenarios", "probe.py").code == 0
    job = harness.job("out")
    assert (len(job["results"]), len(job["counted"])) == (1, 2)
    (found,) = job["probes"]
    assert (found["predictions_equal"], found["work_equal"], found["differing"]) == (True, True, [])
    assert verdicts(job)["work"] == "NO_BASELINE"
    page = (harness.folder / "out" / "index.html").read_text()
    assert "gave the same predictions and the same counts, bit by bit" in page
    plan = json.loads((harness.folder / "out" / "plan.json").read_text())
    assert [request["purpose"] for request in plan["requests"]] == ["measure", "count", "count"]


@pytest.mark.slow
def test_the_built_in_numpy_scenario_counts_alike_twice(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two counting runs of the smoke tier agree in every count and every bit of their predictions; those of o-ma in the planted suite."""
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    declared = catalogue.load_all()
    wanted = probes.requests([asked(scenario="kmnist_svd_logreg", variant="su-ma-int8")], declared)
    first, second = executors.run_all(executors.Local(), wanted, declared, tmp_path)
    assert probes.compare(first, second, tmp_path).differing == ()
    found = probes.counts(first)
    for name in ("work.optimiser_steps", "work.uncompressed.optimiser_steps"):
        assert typing.cast("float", found[name].value) > 0
    assert "work.total.samples" not in found


def test_a_probe_reads_nothing_outside_its_job(tmp_path: Path) -> None:
    """A foreign result whose folder leads elsewhere gives a probe that could not be made."""
    first = stored(tmp_path / "job", result(work(flops=5)), test__labels=np.arange(3))
    outside = dataclasses.replace(result(work(flops=5), repeat=1), folder="../elsewhere")
    stored(tmp_path / "job", outside, test__labels=np.arange(3))
    found = probes.compare(first, outside, tmp_path / "job")
    assert not found.predictions_equal
    assert "lies outside the job's folder" in found.differing[0]
