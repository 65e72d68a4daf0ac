"""What can be compared with a baseline and what cannot, what a single look says of it, identities, and how often judging errs."""

from __future__ import annotations

import dataclasses
import json
import typing

import numpy as np
import pytest

from benchmarks.error_rates import __main__ as error_rates
from benchmarks.error_rates import judging
from harness.judging.gate import comparable, trials
from harness.judging.gate.values import Evidence
from harness.records import (
    Baseline,
    DatasetUse,
    Expectation,
    GateSettings,
    IdentityCheck,
    Measured,
    RunResult,
    Scenario,
    StageResult,
)
from tests.judging import made
from tests.judging.made import MIB

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Comparison, Judgement

DIGITS = DatasetUse(name="digits", sha256="00", complete=True, found="all there")
ACCURACY = Measured(value=0.0, better="higher")
LOSS = Measured(value=0.0, unit="nat", better="lower")
ERRORS = Measured(value=0.0, unit="images", better="lower")
PIXELS = Measured(value=0.0, unit="px", better="lower")
MEMORY = Measured(value=0.0, unit="B", kind="memory", better="lower")
SECONDS = Measured(value=0.0, unit="s", kind="runtime", better="lower")
STEPS = Measured(value=0.0, kind="work", better="lower")
HOME = {"backend": "numpy", "device": "cpu", "os": "Linux", "numpy": "2.1.0", "python": "3.11.7", "cpu": "A"}


def scenario(**changes: typing.Any) -> Scenario:
    """Declare a scenario that gates ``accuracy``, and whose seeds need not matter."""
    return made.scenario(**{"deterministic": True, **changes})


def run(seed: int, metrics: dict[str, Measured], **changes: typing.Any) -> RunResult:
    """Build a finished run; `changes` are laid over its measurement."""
    fields = {"predictions": ("test",), "datasets": (DIGITS,), "environment": HOME}
    return made.run(metrics, made.request(seed), **{**fields, **changes})


def runs(
    values: Sequence[typing.Any], like: Measured = ACCURACY, metric: str = "accuracy", **changes: typing.Any
) -> list[RunResult]:
    """Build a run a value, with seeds that no baseline has and 1,000 test images."""
    images = Measured(value=1000.0, unit="images")
    return [
        run(seed, {metric: dataclasses.replace(like, value=value), "test_images": images}, **changes)
        for seed, value in enumerate(values, 100)
    ]


def baseline(
    values: Sequence[float], like: Measured = ACCURACY, metric: str = "accuracy", **changes: typing.Any
) -> tuple[Baseline, str]:
    """Build a baseline of one metric."""
    metrics = {metric: made.kept(values, like), **changes.pop("metrics", {})}
    return made.baseline(
        metrics, **{"environment": HOME, "datasets": (DIGITS,), **changes}
    ), "baselines/probe.json"


def compared(
    declared: Scenario, done: Sequence[RunResult], stored: tuple[Baseline, str] | None
) -> Comparison:
    """Judge runs as `harness run` does: a screen of all of them, and no fresh runs."""
    each = Evidence(
        scenario=declared, variant="default", tier="smoke", head={"screen": done}, base=None, stored=stored
    )
    (found,) = trials.decide([each], GateSettings(seeds=1000), more=False).comparisons
    return found


def judged(
    done: Sequence[RunResult], stored: tuple[Baseline, str] | None, **changes: typing.Any
) -> Judgement:
    """Judge runs of the probe against a baseline and return the only judgement."""
    (found,) = compared(scenario(**changes), done, stored).judgements
    return found


TEN = [0.950, 0.953, 0.947, 0.951, 0.949, 0.952, 0.948, 0.954, 0.946, 0.950]
HUNDRED = [(100 + by) * MIB for by in (0.0, 0.1, -0.1, 0.2, -0.2, 0.05, -0.05, 0.15, -0.15, 0.0)]


def moved(by: float, count: int = 5) -> list[float]:
    """Return the baseline's middle values, moved."""
    return [value + by for value in TEN[3 : 3 + count]]


# -- what passes, by kind ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "verdict"), [(0.0, "PASS"), (0.001, "PASS"), (-0.02, "REGRESSED"), (0.02, "IMPROVED")]
)
def test_accuracy_higher_is_better(by: float, verdict: str) -> None:
    """A lower accuracy regresses, a higher one improves, and what lies within the bounds passes."""
    found = judged(runs(moved(by)), baseline(TEN))
    assert (found.verdict, found.gated, found.n) == (verdict, True, 5)
    assert found.lower is not None
    assert found.upper is not None
    assert (found.lower <= typing.cast("float", found.value) <= found.upper) == (verdict == "PASS")
    assert found.place == "baselines/probe.json"
    steps = {
        "PASS": "",
        "REGRESSED": "harness judge RUN --explain accuracy",
        "IMPROVED": "harness run probe:default --tier smoke --seeds 10 --out reports/baseline-probe-default-smoke && "
        "harness baseline propose reports/baseline-probe-default-smoke --reason 'accuracy improved'",
    }
    assert found.next_step == steps[verdict]


@pytest.mark.parametrize("like", [ACCURACY, MEMORY, SECONDS])
def test_the_single_values_behind_the_reference_are_kept(like: Measured) -> None:
    """Accuracy, memory and runtime: a report draws the baseline's runs next to the new ones; without a baseline there are none."""
    assert judged(runs(TEN, like), baseline(TEN, like)).reference_runs == tuple(TEN)
    assert judged(runs(TEN, like), None).reference_runs == ()


@pytest.mark.parametrize(
    ("like", "metric", "old", "new", "verdict"),
    [
        # of 1,000 test images one is never a regression, however quiet the baseline; two are
        (ACCURACY, "accuracy", 0.95, 0.949, "PASS"),
        (ACCURACY, "accuracy", 0.95, 0.951, "PASS"),
        (ACCURACY, "accuracy", 0.95, 0.948, "REGRESSED"),
        (ACCURACY, "accuracy", 0.95, 0.952, "IMPROVED"),
        (ERRORS, "errors", 50.0, 51.0, "PASS"),
        (ERRORS, "errors", 50.0, 52.0, "REGRESSED"),
        # what the harness did not score is no share of images: 5,000 times as much is a regression
        (dataclasses.replace(ACCURACY, better="lower"), "residual", 1e-6, 4.9e-3, "REGRESSED"),
        (dataclasses.replace(ACCURACY, better="lower"), "residual", 1e-6, 1e-6 * (1 + 1e-7), "PASS"),
        (dataclasses.replace(ACCURACY, better="lower"), "residual", 1e-6, 1e-8, "IMPROVED"),
        # seven digits of a float32 loss may differ between machines; a thousandth may not
        (LOSS, "loss", 0.5, 0.5 + 1e-7, "PASS"),
        (LOSS, "loss", 0.5, 0.5 + 1e-3, "REGRESSED"),
        # 0.1 + 0.2 - 0.3 is no regression from 0
        (PIXELS, "error", 0.0, 5.6e-17, "PASS"),
        (PIXELS, "error", 0.0, 1e-9, "REGRESSED"),
    ],
)
def test_floors(like: Measured, metric: str, old: float, new: float, verdict: str) -> None:
    """What is smaller than one test image, or than rounding, never counts where the reference does not vary."""
    found = judged(runs([new] * 5, like, metric), baseline([old] * 10, like, metric), gated=(metric,))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("base", "growth", "verdict"),
    [
        ([(100 + by) * MIB for by in (-3, -2, -1.5, -1, 0, 0, 1, 1.5, 2, 2.5)], 6.0, "REGRESSED"),  # no floor of its own noise
        ([value - 90 * MIB for value in HUNDRED], 1.4, "PASS"),  # at 10 MiB the floor is 1.5 MiB, not 3%
        ([value - 90 * MIB for value in HUNDRED], 1.8, "REGRESSED"),
        (HUNDRED, 2.5, "PASS"),
        (HUNDRED, 5.0, "REGRESSED"),
        (HUNDRED, -5.0, "IMPROVED"),
    ],
)  # fmt: skip
def test_memory_grows_by_its_floor(base: list[float], growth: float, verdict: str) -> None:
    """Beyond 3% and 1.5 MiB in every run, whatever its noise; a single run cannot fail."""
    grown = [value + growth * MIB for value in base[2:7]]
    assert judged(runs(grown, MEMORY), baseline(base, MEMORY)).verdict == verdict
    assert judged(runs([2 * base[0]], MEMORY), baseline(base, MEMORY)).verdict == "INCONCLUSIVE"


def test_equal_seed_by_seed_needs_no_statistics() -> None:
    """The same values for the same seeds pass, though they are the baseline's worst."""
    extreme = [0.90, 0.90, *[0.95 + 1e-4 * k for k in range(8)]]
    done = [run(seed, {"accuracy": dataclasses.replace(ACCURACY, value=extreme[seed])}) for seed in (0, 1)]
    found = judged(done, baseline(extreme))
    assert (found.verdict, found.cause) == ("PASS", "equal")
    done = [run(seed, {"accuracy": dataclasses.replace(ACCURACY, value=0.8)}) for seed in (0, 1)]
    assert judged(done, baseline(extreme)).verdict != "PASS"


def test_small_baseline_says_how_many_runs_it_needs() -> None:
    """Against five baseline runs five cannot reach the rank test's share of the level; six can."""
    five = [0.950, 0.951, 0.949, 0.952, 0.948]
    found = judged(runs(moved(-0.05, 5)), baseline(five))
    assert found.verdict == "INCONCLUSIVE"
    assert "the ranks of 6 runs could decide" in found.reason
    assert judged(runs(moved(-0.05, 6)), baseline(five)).verdict == "REGRESSED"


def test_a_noisier_candidate_does_not_widen_its_own_bound() -> None:
    """The bound comes from the baseline alone."""
    steady, noisy = runs([0.93] * 5), runs([0.93 + by for by in (-0.01, -0.005, 0, 0.005, 0.01)])
    assert judged(steady, baseline(TEN)).resolution == judged(noisy, baseline(TEN)).resolution
    assert judged(noisy, baseline(TEN)).verdict == "REGRESSED"


def test_runtime_is_shown_and_not_gated() -> None:
    """Against a stored baseline a time is set in proportion, never judged; measured next to other work not even that."""
    stored = baseline([1.0] * 5, SECONDS)
    found = judged(runs([2.0, 2.2, 1.8], SECONDS), stored)
    assert (found.verdict, found.gated) == ("NOT_JUDGED", False)
    assert found.reason.startswith("2.00 times the baseline")
    found = judged(runs([1.0, 1.0, 1.0], SECONDS, foreign_cpu=0.5), stored)
    assert (found.verdict, found.cause) == ("INCOMPARABLE", "disturbed")
    assert judged(runs(moved(0), foreign_cpu=0.5), baseline(TEN)).verdict == "PASS"


@pytest.mark.parametrize(
    ("values", "better", "verdict"),
    [
        ([500.0, 500.0], "lower", "PASS"),
        ([500.0, 501.0], "lower", "REGRESSED"),
        ([499.0, 499.0], "lower", "IMPROVED"),
        ([499.0, 501.0], "lower", "REGRESSED"),
        ([499.0], "higher", "REGRESSED"),
        ([501.0], "higher", "IMPROVED"),
        ([501.0], "none", "REGRESSED"),
        ([499.0], "none", "REGRESSED"),
    ],
)
@pytest.mark.parametrize("kind", ["work", "size"])
def test_counts_that_never_vary_are_held_to_equality(
    kind: typing.Any, values: list[float], better: typing.Any, verdict: str
) -> None:
    """One step or byte more is a regression; without a direction any change is."""
    like = Measured(value=0.0, kind=kind, better=better)
    assert judged(runs(values, like), baseline([500.0] * 5, like)).verdict == verdict


def test_counts_that_vary_over_seeds_are_judged_by_their_spread() -> None:
    """Early stopping makes steps random: other seeds within their spread pass, twice the steps do not."""
    stored = baseline([500, 520, 480, 510, 490, 505, 495, 515, 485, 500], STEPS)
    assert judged(runs([475, 522, 501, 499, 503], STEPS), stored).verdict == "PASS"
    assert judged(runs([1000, 1040, 960, 1020, 980], STEPS), stored).verdict == "REGRESSED"


# -- what is never a pass ------------------------------------------------------------


def test_missing_metric_is_an_error() -> None:
    """A gated metric that one run lacks is ERROR, gated, and says in how many runs it was measured, and what kept it out."""
    found = judged([*runs(moved(0)), run(7, {}, problems=("it diverged",))], baseline(TEN))
    reason = "measured in 5 of 6 runs; it diverged"
    assert (found.verdict, found.gated, found.reason) == ("ERROR", True, reason)


@pytest.mark.parametrize(
    ("peak", "verdict", "cause"), [(None, "INCOMPARABLE", "not_measured"), (1000, "ERROR", "missing")]
)
def test_memory_that_this_system_hides_is_named_so(peak: int | None, verdict: str, cause: str) -> None:
    """Where peaks cannot be read they are not comparable; where they can, a missing one is an error."""
    stage = StageResult(name="train", seconds=1.0, cpu_seconds=1.0, peak_bytes=peak)
    found = judged([run(0, {}, stages=(stage,))], None, gated=("total.peak_bytes",))
    assert (found.verdict, found.kind, found.cause) == (verdict, "memory", cause)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(float("nan"), "not finite"), (float("inf"), "not finite"), ([1.0, 2.0], "an array")],
)
def test_what_is_no_finite_number_is_an_error(value: typing.Any, reason: str) -> None:
    """NaN, infinity and arrays cannot pass a gate and do not crash it."""
    found = judged(runs([0.95, value, 0.95]), baseline(TEN))
    assert found.verdict == "ERROR"
    assert reason in found.reason


def test_metric_without_direction_cannot_be_gated() -> None:
    """An accuracy that does not say which way is better is an error of its declaration."""
    blank = Measured(value=0.0)
    found = judged(runs(TEN, blank), baseline(TEN, blank))
    assert (found.verdict, found.cause) == ("ERROR", "no_direction")


def test_failed_runs_are_neither_silent_nor_missing_values() -> None:
    """The finished runs of a job are judged, the failed one is reported; where none finished every gated metric is an ERROR."""
    failed = made.failed(made.request(0))
    found = compared(scenario(), [*runs(moved(0)), failed], baseline(TEN))
    assert (found.judgements[0].verdict, found.failed) == ("PASS", ("it died",))
    found = compared(scenario(gated=("a", "b")), [failed], baseline(TEN))
    assert [judgement.verdict for judgement in found.judgements] == ["ERROR", "ERROR"]
    assert (found.failed, found.seeds) == (("it died",), ())


def test_seeds_that_change_nothing_are_an_error() -> None:
    """Three seeds with one and the same accuracy: the seed is lost, unless the scenario declares that it draws nothing."""
    for values, lost in (([0.95] * 3, True), ([0.95] * 2, False), ([0.95, 0.95, 0.951], False)):
        found = compared(scenario(deterministic=False), runs(values), baseline(TEN)).judgements
        constant = [(one.metric, one.verdict) for one in found if one.cause == "constant_seeds"]
        assert constant == [("seeds", "ERROR")] * lost


# -- what cannot be compared ------------------------------------------------------------


def test_no_baseline() -> None:
    """Without a baseline, or without the metric in it, the line says which of both."""
    assert judged(runs(TEN), None).verdict == "NO_BASELINE"
    found = judged(runs(TEN), baseline(TEN, metric="other"))
    assert (found.verdict, found.reason) == ("NO_BASELINE", "the reference has no such metric")


def test_one_base_run_is_too_few_to_compare() -> None:
    """Where base finished a single run, what is gated is INCONCLUSIVE and names the option; nobody is sent to approve a first baseline."""
    one = {"screen": runs([0.95])}
    each = Evidence(scenario=scenario(), variant="default", tier="smoke", head=one, base=one, stored=None)  # type: ignore[arg-type]
    (found,) = trials.decide([each], GateSettings(seeds=1, against="main"), more=False).comparisons
    (judgement,) = found.judgements
    assert (judgement.verdict, judgement.cause) == ("INCONCLUSIVE", "too_few")
    assert "base main finished fewer than two runs" in judgement.reason
    assert "--seeds 2" in judgement.reason


@pytest.mark.parametrize(
    ("like", "ours", "reason"),
    [
        (ACCURACY, {"environment": {**HOME, "backend": "torch"}}, "backend: torch, not numpy"),
        (MEMORY, {"environment": {**HOME, "numpy": "1.26.4"}}, "numpy: 1.26.4, not 2.1.0"),
        (SECONDS, {"environment": {**HOME, "cpu": "B"}}, "cpu: B, not A"),
        (ACCURACY, {"environment": {**HOME, "cpu": "B", "numpy": "1.26.4", "os": "Darwin"}}, ""),
        (MEMORY, {"environment": {**HOME, "cpu": "B", "numpy": "2.9.9"}}, ""),
        (ACCURACY, {"scenario_version": 2}, "scenario version: 2, not 1"),
        (ACCURACY, {"datasets": (dataclasses.replace(DIGITS, sha256="ff"),)}, "data set digits: other content"),
        (ACCURACY, {"datasets": ()}, "data set digits: other content"),
        (ACCURACY, {"stages": (StageResult(name="train", seconds=1.0, cpu_seconds=1.0, peak_bytes=9, threads_changed={"torch": 4}),)}, ""),
        (MEMORY, {"stages": (StageResult(name="train", seconds=1.0, cpu_seconds=1.0, peak_bytes=9, threads_changed={"torch": 4}),)},
         "stage train set torch to 4 threads, 2 were asked for"),
    ],
)  # fmt: skip
def test_what_forbids_a_comparison_is_named(like: Measured, ours: dict[str, typing.Any], reason: str) -> None:
    """Environment, version, data and threads: what matters for a kind is named with both values, once; what does not is ignored.

    One run from elsewhere is enough.
    """
    values = TEN if like is ACCURACY else HUNDRED
    done = [*runs(values[:5], like), *runs(values[5:], like, **ours)]
    found = judged(done, baseline(values, like))
    if reason:
        assert (found.verdict, found.reason) == ("INCOMPARABLE", reason)
    else:
        assert found.verdict == "PASS"


def test_another_number_of_test_images_is_another_test() -> None:
    """324 of 360 images: no score is better or worse, and no loss of them is missed by counting bytes."""
    images = made.kept([360.0] * 10, Measured(value=0.0, unit="images"))
    found = judged(runs(moved(0)), baseline(TEN, metrics={"test_images": images}))
    reason = "1000 test images, not 360"
    assert (found.verdict, found.cause, found.reason) == ("INCOMPARABLE", "other_test", reason)


def test_a_metric_that_changed_its_meaning_is_incomparable() -> None:
    """Another unit or direction under the old name is never compared."""
    found = judged(runs(TEN, LOSS), baseline(TEN, dataclasses.replace(LOSS, unit="bit", better="higher")))
    assert found.verdict == "INCOMPARABLE"
    assert "unit of the metric: 'nat', not 'bit'" in found.reason
    assert "better of the metric: 'lower', not 'higher'" in found.reason


# -- identities and order ------------------------------------------------------------


@pytest.mark.parametrize(
    ("checks", "verdict", "shown"),
    [
        ([(0.5, 1.0), (2e-6, 1e-6)], "REGRESSED", (2e-6, 1e-6)),
        ([(0.9, 1.0), (1e-12, 0.0)], "REGRESSED", (1e-12, 0.0)),  # a tiny error where none is allowed outweighs a large one that is
        ([(0.0, 0.0), (1e-7, 1e-6)], "PASS", (1e-7, 1e-6)),
    ],
)  # fmt: skip
def test_identities_are_judged_by_their_worst_check(
    checks: list[tuple[float, float]], verdict: str, shown: tuple[float, float]
) -> None:
    """One violation among many checks violates the identity, and is the one shown."""
    done = [
        run(seed, {}, identities=(IdentityCheck("W = USV", *check, "W = U S V^T", "in float32"),))
        for seed, check in enumerate(checks)
    ]
    found = judged(done, None, gated=())
    assert (found.verdict, found.value, found.reference, found.n) == (verdict, *shown, 2)
    assert ("violated in 1 of 2 checks" in found.reason) == (verdict == "REGRESSED")


def test_order_of_judgements_and_choice_of_expectations() -> None:
    """Identities come first, then the baseline, then expectations of this variant only."""
    published = Expectation(
        metric="accuracy", variant="default", value=0.95, unit="", place="Table 1", tiers=("smoke",), test_images=1000
    )  # fmt: skip
    declared = scenario(expectations=(published, dataclasses.replace(published, variant="other")))
    check = IdentityCheck("W = USV", 0.0, 1.0, "W = U S V^T", "")
    found = compared(declared, runs(moved(0), identities=(check,)), baseline(TEN))
    assert [(judgement.against, judgement.verdict) for judgement in found.judgements] == [
        ("identity", "PASS"), ("baseline", "PASS"), ("expectation", "REPRODUCED"),
    ]  # fmt: skip
    assert found.seeds == (100, 101, 102, 103, 104)


# -- error rates ------------------------------------------------------------


NOISES = ("normal", "heavy", "skewed", "humps", "images")
ROWS = (
    *(f"accuracy {noise}, 10 against 5, {shift} sd" for noise in NOISES for shift in (0, 3)),
    *(f"accuracy normal, 10 against 1, {shift} sd" for shift in (0, 3)),
    *(f"memory normal, 10 against 5, {growth} MiB of 100" for growth in (0, 10)),
)


@pytest.fixture(scope="module")
def rates() -> dict[str, dict[str, float]]:
    """Simulate rows of the table of docs/statistics.md with few trials."""
    return judging.table(500, error_rates.SEED, ROWS)


def test_the_table_has_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints each row's shares, which sum to one, these rows among them."""
    assert error_rates.main(["judging", "--trials", "1"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(ROWS) < set(printed)
    assert {sum(shares.values()) for shares in printed.values()} == {1.0}


def upper(bar: float, trials: int = 500) -> float:
    """Largest share that a true rate of `bar` gives within three standard errors."""
    return float(bar + 3 * np.sqrt(bar * (1 - bar) / trials))


def alarms(verdicts: dict[str, float]) -> float:
    """Share of verdicts on which someone acts."""
    return sum(verdicts.get(verdict, 0) for verdict in ("REGRESSED", "IMPROVED", "BELOW", "ABOVE"))


@pytest.mark.parametrize("noise", NOISES)
def test_accuracy_errs_as_seldom_as_promised(rates: dict[str, dict[str, float]], noise: str) -> None:
    """Five runs of an unchanged program alarm in at most 1%, whatever the noise; a loss of 3 standard deviations passes in at most 15%."""
    assert alarms(rates[f"accuracy {noise}, 10 against 5, 0 sd"]) <= upper(0.01)
    assert rates[f"accuracy {noise}, 10 against 5, 3 sd"].get("PASS", 0) <= upper(0.15)


def test_memory_and_single_runs_err_as_seldom_as_promised(rates: dict[str, dict[str, float]]) -> None:
    """Memory with 1% noise alarms in at most 1% unchanged, and 10% growth is caught in 99%; a single run never alarms."""
    assert alarms(rates["memory normal, 10 against 5, 0 MiB of 100"]) <= upper(0.01)
    assert 1 - rates["memory normal, 10 against 5, 10 MiB of 100"].get("REGRESSED", 0) <= upper(0.01)
    assert alarms(rates["accuracy normal, 10 against 1, 0 sd"]) == 0
    assert alarms(rates["accuracy normal, 10 against 1, 3 sd"]) == 0


@pytest.mark.parametrize(
    ("metric", "unit", "sets", "rows"),
    [
        ("accuracy", "", {}, 1000.0),
        ("f1_macro", "", {}, 1000.0),
        ("errors", "texts", {}, 1000.0),
        ("accuracy", "nat", {}, None),
        ("loss", "nat", {}, None),
        ("balanced_accuracy", "", {}, None),
        ("accuracy", "", {"predictions": (), "others": ("test",)}, 1000.0),
        ("errors", "texts", {"predictions": (), "others": ("test",)}, 1000.0),
        ("f1_macro", "", {"predictions": (), "others": ("test",)}, None),
        ("r2", "", {"predictions": (), "others": ("test",)}, None),
    ],
)
def test_one_row_is_the_floor_of_shares_of_rows_only(
    metric: str, unit: str, sets: dict[str, typing.Any], rows: float | None
) -> None:
    """Of classes what follows from them, of several labels a row shares and counts of rows; no error, no other score, no other unit."""
    found = {metric: Measured(value=0.9, unit=unit), "test_images": Measured(value=1000.0, unit="texts")}
    assert comparable.scored_images([run(0, found, **sets)], metric) == rows
