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
from harness.judging.gate.evidence import Evidence
from harness.records import (
    Baseline,
    BaselineMetric,
    DatasetUse,
    Expectation,
    GateSettings,
    IdentityCheck,
    Measured,
    Measurement,
    RunRequest,
    RunResult,
    Scenario,
    Source,
    StageResult,
    Variant,
)

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Comparison, Judgement
    from harness.records.words import Round

MIB = 2.0**20
DIGITS = DatasetUse(name="digits", sha256="00", complete=True, found="all there")
ACCURACY = Measured(value=0.0, better="higher")
LOSS = Measured(value=0.0, unit="nat", better="lower")
MEMORY = Measured(value=0.0, unit="B", kind="memory", better="lower")
SECONDS = Measured(value=0.0, unit="s", kind="runtime", better="lower")
STEPS = Measured(value=0.0, kind="work", better="lower")
HOME = {"backend": "numpy", "device": "cpu", "os": "Linux", "numpy": "2.1.0", "python": "3.11.7", "cpu": "A"}


def scenario(**changes: typing.Any) -> Scenario:
    """Declare a scenario that gates ``accuracy``, and whose seeds need not matter."""
    fields: dict[str, typing.Any] = {
        "name": "probe", "version": 1, "source": Source(slug="probe", title="A probe"), "measure": print,
        "variants": (Variant(name="default"),), "tiers": {"smoke": {}}, "gated": ("accuracy",), "deterministic": True,
    }  # fmt: skip
    return Scenario(**{**fields, **changes})


def run(seed: int, metrics: dict[str, Measured], **changes: typing.Any) -> RunResult:
    """Build a finished run; `changes` are laid over its measurement."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=seed)
    fields: dict[str, typing.Any] = {
        "request": request, "scenario_version": 1, "options": {}, "metrics": {}, "stages": (),
        "identities": (), "predictions": ("test",), "figures": (), "datasets": (DIGITS,), "environment": HOME,
    }  # fmt: skip
    measurement = Measurement(**{**fields, **changes})
    return RunResult(
        request=request, status="ok", started="", wall_seconds=1.0, metrics=metrics, measurement=measurement
    )


def runs(values: Sequence[typing.Any], like: Measured = ACCURACY, **changes: typing.Any) -> list[RunResult]:
    """Build a run a value, with seeds that no baseline has and 1,000 test images."""
    images = Measured(value=1000.0, unit="images")
    return [
        run(seed, {"accuracy": dataclasses.replace(like, value=value), "test_images": images}, **changes)
        for seed, value in enumerate(values, 100)
    ]


def baseline(
    values: Sequence[float], like: Measured = ACCURACY, **changes: typing.Any
) -> tuple[Baseline, str]:
    """Build a baseline of ``accuracy``, whatever it is like."""
    metric = BaselineMetric(values=list(values), unit=like.unit, kind=like.kind, better=like.better)
    fields: dict[str, typing.Any] = {
        "schema": 1, "scenario": "probe", "scenario_version": 1, "variant": "default", "tier": "smoke",
        "who": "me", "reason": "first", "date": "2026-01-01", "commit": "c",
        "seeds": tuple(range(len(values))), "environment": HOME, "datasets": (DIGITS,),
        "metrics": {"accuracy": metric},
    }  # fmt: skip
    return Baseline(**{**fields, **changes}), "baselines/probe.json"


def judged(
    done: Sequence[RunResult], stored: tuple[Baseline, str] | None, **changes: typing.Any
) -> Judgement:
    """Judge runs of the probe against a baseline and return the only judgement."""
    (found,) = compared(scenario(**changes), done, stored).judgements
    return found


def compared(
    declared: Scenario, done: Sequence[RunResult], stored: tuple[Baseline, str] | None
) -> Comparison:
    """Judge runs as `harness run` does: a screen of all of them, and no fresh runs."""
    each = Evidence(
        scenario=declared, variant="default", tier="smoke", head={"screen": done}, base=None, stored=stored
    )
    (found,) = trials.decide([each], GateSettings(seeds=1000), more=False).comparisons
    return found


TEN = [0.950, 0.953, 0.947, 0.951, 0.949, 0.952, 0.948, 0.954, 0.946, 0.950]


def moved(by: float, count: int = 5) -> list[float]:
    """Return the baseline's middle values, moved."""
    return [value + by for value in TEN[3 : 3 + count]]


# -- accuracy ------------------------------------------------------------


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
    """Accuracy, memory and runtime: a report draws the baseline's runs beside the new ones; without a baseline there are none."""
    assert judged(runs(TEN, like), baseline(TEN, like)).reference_runs == tuple(TEN)
    assert judged(runs(TEN, like), None).reference_runs == ()


@pytest.mark.parametrize(("by", "verdict"), [(0.02, "REGRESSED"), (-0.02, "IMPROVED"), (0.0, "PASS")])
def test_loss_lower_is_better(by: float, verdict: str) -> None:
    """A higher loss regresses: direction comes from the metric, not from its name."""
    assert judged(runs(moved(by), LOSS), baseline(TEN, LOSS)).verdict == verdict


def test_floor_of_one_test_image() -> None:
    """Of 1,000 test images one is never a regression, however quiet the baseline; two are."""
    quiet = [0.95] * 10
    assert judged(runs([0.949] * 5), baseline(quiet)).verdict == "PASS"
    assert judged(runs([0.951] * 5), baseline(quiet)).verdict == "PASS"
    assert judged(runs([0.948] * 5), baseline(quiet)).verdict == "REGRESSED"
    assert judged(runs([0.952] * 5), baseline(quiet)).verdict == "IMPROVED"


def test_floor_in_images_is_one_image() -> None:
    """A count of wrong images has a floor of one image, too."""
    errors = dataclasses.replace(LOSS, unit="images")
    assert judged(runs([51.0] * 5, errors), baseline([50.0] * 10, errors)).verdict == "PASS"
    assert judged(runs([52.0] * 5, errors), baseline([50.0] * 10, errors)).verdict == "REGRESSED"


@pytest.mark.parametrize(
    ("value", "verdict"), [(4.9e-3, "REGRESSED"), (1e-6 * (1 + 1e-7), "PASS"), (1e-8, "IMPROVED")]
)
def test_one_image_is_no_floor_of_what_the_harness_did_not_score(value: float, verdict: str) -> None:
    """A residual of 1e-6 that a scenario records is no share of images: 5,000 times as much is a regression."""
    residual = Measured(value=0.0, better="lower")
    done = [
        run(
            seed,
            {
                "residual": dataclasses.replace(residual, value=value),
                "test_images": Measured(value=1000.0, unit="images"),
            },
        )
        for seed in range(100, 105)
    ]
    metric = BaselineMetric(values=[1e-6] * 10, unit="", kind="accuracy", better="lower")
    assert (
        judged(done, baseline([1e-6] * 10, metrics={"residual": metric}), gated=("residual",)).verdict
        == verdict
    )


@pytest.mark.parametrize(("value", "verdict"), [(5.6e-17, "PASS"), (1e-9, "REGRESSED")])
def test_a_reference_of_zero_forgives_rounding(value: float, verdict: str) -> None:
    """0.1 + 0.2 - 0.3 is no regression from 0."""
    error = Measured(value=0.0, unit="px", better="lower")
    assert judged(runs([value] * 5, error), baseline([0.0] * 10, error)).verdict == verdict


def test_memory_has_no_floor_of_its_own_noise() -> None:
    """Base 100 MiB with a standard deviation of 2, growth 6: beyond 3% in every run, whoever asks."""
    base = [(100 + by) * MIB for by in (-3, -2, -1.5, -1, 0, 0, 1, 1.5, 2, 2.5)]
    assert (
        judged(runs([value + 6 * MIB for value in base[2:7]], MEMORY), baseline(base, MEMORY)).verdict
        == "REGRESSED"
    )


def test_another_number_of_test_images_is_another_test() -> None:
    """324 of 360 images: no score is better or worse, and no loss of them is missed by counting bytes."""
    images = BaselineMetric(values=[360.0] * 10, unit="images", kind="accuracy", better="none")
    stored = baseline(TEN)
    whole = dataclasses.replace(stored[0], metrics={**stored[0].metrics, "test_images": images})
    found = judged(runs(moved(0)), (whole, stored[1]))
    assert (found.verdict, found.cause, found.reason) == (
        "INCOMPARABLE",
        "other_test",
        "1000 test images, not 360",
    )


def test_seeds_that_change_nothing_are_an_error() -> None:
    """Three seeds with one and the same accuracy and loss: the seed is lost, unless the scenario declares that it draws nothing."""
    found = compared(scenario(deterministic=False), runs([0.95] * 3), baseline(TEN)).judgements
    assert [(one.metric, one.verdict, one.cause) for one in found if one.cause == "constant_seeds"] == [
        ("seeds", "ERROR", "constant_seeds")
    ]
    for done in (runs([0.95] * 2), runs([0.95, 0.95, 0.951])):
        assert "constant_seeds" not in {
            one.cause for one in compared(scenario(deterministic=False), done, baseline(TEN)).judgements
        }


def test_threads_that_a_stage_changed_are_named() -> None:
    """Memory measured with other threads than asked for is not comparable; accuracy is."""
    stage = StageResult(
        name="train", seconds=1.0, cpu_seconds=1.0, peak_bytes=1000, threads_changed={"torch": 4}
    )
    found = judged(runs(HUNDRED, MEMORY, stages=(stage,)), baseline(HUNDRED, MEMORY))
    assert (found.verdict, found.cause) == ("INCOMPARABLE", "threads")
    assert found.reason == "stage train set torch to 4 threads, 2 were asked for"
    assert judged(runs(moved(0), stages=(stage,)), baseline(TEN)).verdict == "PASS"


def test_zero_spread_loss_forgives_rounding_only() -> None:
    """Seven digits of a float32 loss may differ between machines; a thousandth may not."""
    flat = baseline([0.5] * 10, LOSS)
    assert judged(runs([0.5 + 1e-7] * 5, LOSS), flat).verdict == "PASS"
    assert judged(runs([0.5 + 1e-3] * 5, LOSS), flat).verdict == "REGRESSED"


def test_equal_seed_by_seed_needs_no_statistics() -> None:
    """The same values for the same seeds pass, though they are the baseline's five worst."""
    worst = sorted(range(10), key=lambda seed: TEN[seed])[:2]
    extreme = [0.90, 0.90, *[0.95 + 1e-4 * k for k in range(8)]]
    done = [run(seed, {"accuracy": dataclasses.replace(ACCURACY, value=extreme[seed])}) for seed in (0, 1)]
    found = judged(done, baseline(extreme))
    assert (found.verdict, found.cause) == ("PASS", "equal")
    assert (
        judged(
            [run(seed, {"accuracy": dataclasses.replace(ACCURACY, value=0.8)}) for seed in worst],
            baseline(TEN),
        ).verdict
        != "PASS"
    )


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_runs_never_fail(count: int) -> None:
    """One or two runs outside the bounds are INCONCLUSIVE, and the line says how many could decide, and what does."""
    found = judged(runs(moved(-0.05, count)), baseline(TEN))
    assert (found.verdict, found.cause) == ("INCONCLUSIVE", "unconfirmed")
    assert "the ranks of 4 runs could decide" in found.reason
    assert found.next_step == "harness gate probe:default --tier smoke"
    assert judged(runs(moved(0.0, count)), baseline(TEN)).verdict == "PASS"


def test_small_baseline_says_how_many_runs_it_needs() -> None:
    """Against five baseline runs five cannot reach the rank test's share of the level; six can."""
    five = [0.950, 0.951, 0.949, 0.952, 0.948]
    found = judged(runs(moved(-0.05, 5)), baseline(five))
    assert found.verdict == "INCONCLUSIVE"
    assert "the ranks of 6 runs could decide" in found.reason
    assert judged(runs(moved(-0.05, 6)), baseline(five)).verdict == "REGRESSED"


def test_one_collapsed_seed_is_no_pass() -> None:
    """One seed of five that collapses moves the mean out of bounds, not the ranks: what it rests on is said."""
    found = judged(runs([0.95, 0.951, 0.1, 0.949, 0.95]), baseline(TEN))
    assert found.verdict == "PASS"
    assert "it lies beyond the bounds, but the rank test does not agree" in found.reason


def test_a_noisier_candidate_does_not_widen_its_own_bound() -> None:
    """The bound comes from the baseline alone."""
    steady, noisy = runs([0.93] * 5), runs([0.93 + by for by in (-0.01, -0.005, 0, 0.005, 0.01)])
    assert judged(steady, baseline(TEN)).resolution == judged(noisy, baseline(TEN)).resolution
    assert judged(noisy, baseline(TEN)).verdict == "REGRESSED"


# -- memory ------------------------------------------------------------

HUNDRED = [(100 + by) * MIB for by in (0, 0.1, -0.1, 0.2, -0.2, 0.05, -0.05, 0.15, -0.15, 0.0)]


@pytest.mark.parametrize(
    ("growth", "verdict"), [(0, "PASS"), (2.5, "PASS"), (5, "REGRESSED"), (-5, "IMPROVED")]
)
def test_memory_floor_of_three_percent(growth: float, verdict: str) -> None:
    """Of 100 MiB 3 are allowed, 5 are not, and 5 fewer are an improvement."""
    found = judged(runs([value + growth * MIB for value in HUNDRED[:5]], MEMORY), baseline(HUNDRED, MEMORY))
    assert found.verdict == verdict
    assert found.resolution == pytest.approx(3 * MIB, rel=1e-3)
    assert "MiB" in found.reason


def test_memory_floor_of_a_small_stage() -> None:
    """At 10 MiB the floor is 1.5 MiB, not 3%."""
    ten = [10 * MIB + value - 100 * MIB for value in HUNDRED]
    assert (
        judged(runs([value + 1.4 * MIB for value in ten[:5]], MEMORY), baseline(ten, MEMORY)).verdict
        == "PASS"
    )
    assert (
        judged(runs([value + 1.8 * MIB for value in ten[:5]], MEMORY), baseline(ten, MEMORY)).verdict
        == "REGRESSED"
    )


def test_memory_of_one_run_cannot_fail() -> None:
    """A single larger run is INCONCLUSIVE."""
    assert judged(runs([200 * MIB], MEMORY), baseline(HUNDRED, MEMORY)).verdict == "INCONCLUSIVE"


# -- runtime, work and sizes ------------------------------------------------------------


def test_runtime_is_shown_and_not_gated() -> None:
    """Against a stored baseline a time is set in proportion, never judged."""
    found = judged(runs([2.0, 2.2, 1.8], SECONDS), baseline([1.0] * 5, SECONDS))
    assert (found.verdict, found.gated) == ("NOT_JUDGED", False)
    assert found.reason.startswith("2.00 times the baseline")


def test_disturbed_runtime_is_incomparable() -> None:
    """A time measured beside other work is not even set in proportion; accuracy of the same run is judged."""
    stored = baseline([1.0] * 5, SECONDS)
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
    """A gated metric that one run lacks is ERROR, gated, and says in how many runs it was measured."""
    done = [*runs(moved(0)), run(7, {})]
    found = judged(done, baseline(TEN))
    assert (found.verdict, found.gated, found.reason) == ("ERROR", True, "measured in 5 of 6 runs")


def test_missing_metric_tells_the_runs_problems() -> None:
    """What kept the metric out is said."""
    found = judged([run(0, {}, problems=("metric 'm' is not finite",))], baseline(TEN))
    assert found.reason == "measured in 0 of 1 runs; metric 'm' is not finite"


def test_memory_that_this_system_hides_is_named_so() -> None:
    """Where peaks cannot be read they are not comparable; where they can, a missing one is an error."""
    for peak, cause in ((None, "not_measured"), (1000, "missing")):
        stage = StageResult(name="train", seconds=1.0, cpu_seconds=1.0, peak_bytes=peak)
        done = [run(0, {}, stages=(stage,))]
        found = judged(done, None, gated=("total.peak_bytes",))
        verdict = "ERROR" if peak else "INCOMPARABLE"
        assert (found.verdict, found.kind, found.cause) == (verdict, "memory", cause)


@pytest.mark.parametrize(
    ("value", "told"), [(float("nan"), "not finite"), (float("inf"), "not finite"), ([1.0, 2.0], "an array")]
)
def test_what_is_no_finite_number_is_an_error(value: typing.Any, told: str) -> None:
    """NaN, infinity and arrays cannot pass a gate and do not crash it."""
    found = judged(runs([0.95, value, 0.95]), baseline(TEN))
    assert found.verdict == "ERROR"
    assert told in found.reason


def test_metric_without_direction_cannot_be_gated() -> None:
    """An accuracy that does not say which way is better is an error of its declaration."""
    blank = Measured(value=0.0)
    found = judged(runs(TEN, blank), baseline(TEN, blank))
    assert found.verdict == "ERROR"
    assert "better='higher'" in found.reason


def test_a_scenario_that_did_not_run_is_an_error_in_every_gated_metric() -> None:
    """Failed runs give ERROR a metric and their messages; nothing is silent."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
    failed = RunResult(request=request, status="error", started="", wall_seconds=1.0, error="it died")
    found = compared(scenario(gated=("a", "b")), [failed], baseline(TEN))
    assert [judgement.verdict for judgement in found.judgements] == ["ERROR", "ERROR"]
    assert (found.failed, found.seeds) == (("it died",), ())


def test_failed_runs_do_not_count_as_missing() -> None:
    """The finished runs of a job are judged, the failed one is reported beside them."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
    failed = RunResult(request=request, status="error", started="", wall_seconds=1.0, error="it died")
    found = compared(scenario(), [*runs(moved(0)), failed], baseline(TEN))
    assert found.judgements[0].verdict == "PASS"
    assert found.failed == ("it died",)


# -- what cannot be compared ------------------------------------------------------------


def test_no_baseline() -> None:
    """Without a baseline, or without the metric in it, the line says which of both."""
    assert judged(runs(TEN), None).verdict == "NO_BASELINE"
    found = judged(runs(TEN), baseline(TEN, metrics={}))
    assert (found.verdict, found.reason) == ("NO_BASELINE", "the reference has no such metric")


@pytest.mark.parametrize(
    ("like", "ours", "told"),
    [
        (ACCURACY, {"backend": "torch"}, "backend: torch, not numpy"),
        (ACCURACY, {"device": "cuda"}, "device: cuda, not cpu"),
        (MEMORY, {"numpy": "1.26.4"}, "numpy: 1.26.4, not 2.1.0"),
        (MEMORY, {"python": "3.12.1"}, "python: 3.12.1, not 3.11.7"),
        (SECONDS, {"cpu": "B"}, "cpu: B, not A"),
        (SECONDS, {"numpy": "2.1.1"}, "numpy: 2.1.1, not 2.1.0"),
    ],
)
def test_another_environment_is_incomparable_and_named(
    like: Measured, ours: dict[str, str], told: str
) -> None:
    """The field that forbids the comparison is named with both values."""
    found = judged(runs(TEN, like, environment={**HOME, **ours}), baseline(TEN, like))
    assert (found.verdict, found.reason) == ("INCOMPARABLE", told)


@pytest.mark.parametrize(
    ("like", "ours"),
    [(ACCURACY, {"cpu": "B", "numpy": "1.26.4", "os": "Darwin"}), (MEMORY, {"cpu": "B", "numpy": "2.9.9"})],
)
def test_fields_that_do_not_matter_for_a_kind_are_ignored(like: Measured, ours: dict[str, str]) -> None:
    """Accuracy is compared across machines, memory across minor versions."""
    values = moved(0) if like is ACCURACY else HUNDRED[:5]
    stored = baseline(TEN if like is ACCURACY else HUNDRED, like)
    assert judged(runs(values, like, environment={**HOME, **ours}), stored).verdict == "PASS"


def test_one_run_from_elsewhere_is_enough() -> None:
    """Every run counts: one run of another backend makes the whole incomparable, named once."""
    done = [*runs(moved(0)), *runs([0.95, 0.95], environment={**HOME, "backend": "torch"})]
    found = judged(done, baseline(TEN))
    assert (found.verdict, found.reason) == ("INCOMPARABLE", "backend: torch, not numpy")


def test_the_scenario_version_that_ran_counts() -> None:
    """A stored run of an older version is not compared, even if the code has moved on with the baseline."""
    found = judged(runs(TEN, scenario_version=1), baseline(TEN, scenario_version=2), version=2)
    assert (found.verdict, found.reason) == ("INCOMPARABLE", "scenario version: 1, not 2")


@pytest.mark.parametrize("ours", [(dataclasses.replace(DIGITS, sha256="ff"),), ()])
def test_other_data_is_incomparable(ours: tuple[DatasetUse, ...]) -> None:
    """Other content under the same name, or a data set that is no longer read, forbids the comparison."""
    found = judged(runs(TEN, datasets=ours), baseline(TEN))
    assert (found.verdict, found.reason) == ("INCOMPARABLE", "data set digits: other content")


def test_a_metric_that_changed_its_meaning_is_incomparable() -> None:
    """Another unit or direction under the old name is never compared."""
    found = judged(runs(TEN, LOSS), baseline(TEN, dataclasses.replace(LOSS, unit="bit", better="higher")))
    assert found.verdict == "INCOMPARABLE"
    assert "unit of the metric: 'nat', not 'bit'" in found.reason
    assert "better of the metric: 'lower', not 'higher'" in found.reason


# -- identities and order ------------------------------------------------------------


def check(error: float, tolerance: float) -> IdentityCheck:
    """Build a check of one identity."""
    return IdentityCheck("W = USV", error, tolerance, "W = U S V^T", "in float32")


def test_identities_are_judged_by_their_worst_run() -> None:
    """One violation among many checks violates the identity and is the one shown."""
    done = [run(0, {}, identities=(check(0.5, 1.0),)), run(1, {}, identities=(check(2e-6, 1e-6),))]
    found = judged(done, None, gated=())
    assert (found.verdict, found.value, found.reference, found.n) == ("REGRESSED", 2e-6, 1e-6, 2)
    assert "violated in 1 of 2 checks" in found.reason


def test_a_violated_tolerance_of_zero_is_the_worst() -> None:
    """A tiny error where none is allowed outweighs a large one that is allowed."""
    found = judged([run(0, {}, identities=(check(0.9, 1.0), check(1e-12, 0.0)))], None, gated=())
    assert (found.verdict, found.value, found.reference) == ("REGRESSED", 1e-12, 0.0)


def test_identities_that_hold() -> None:
    """Errors within the tolerance, zero of zero too, hold."""
    found = judged([run(0, {}, identities=(check(0.0, 0.0), check(1e-7, 1e-6)))], None, gated=())
    assert (found.verdict, found.value) == ("PASS", 1e-7)


def test_order_of_judgements_and_choice_of_expectations() -> None:
    """Identities come first, then the baseline, then expectations of this variant only."""
    published = Expectation(
        metric="accuracy",
        variant="default",
        value=0.95,
        unit="",
        place="Table 1",
        tiers=("smoke",),
        test_images=1000,
    )
    declared = scenario(expectations=(published, dataclasses.replace(published, variant="other")))
    found = compared(declared, runs(moved(0), identities=(check(0, 1),)), baseline(TEN))
    assert [judgement.against for judgement in found.judgements] == ["identity", "baseline", "expectation"]
    assert [judgement.verdict for judgement in found.judgements] == ["PASS", "PASS", "REPRODUCED"]
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
    return (
        verdicts.get("REGRESSED", 0)
        + verdicts.get("IMPROVED", 0)
        + verdicts.get("BELOW", 0)
        + verdicts.get("ABOVE", 0)
    )


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
def test_unchanged_program_is_seldom_alarmed(rates: dict[str, dict[str, float]], noise: str) -> None:
    """10 baseline and 5 new runs of an unchanged program: at most 1% alarms, whatever the noise."""
    assert alarms(rates[f"accuracy {noise}, 10 against 5, 0 sd"]) <= upper(0.01)


def test_single_runs_never_alarm(rates: dict[str, dict[str, float]]) -> None:
    """One run against ten is never REGRESSED, neither unchanged nor 3 standard deviations worse."""
    assert alarms(rates["accuracy normal, 10 against 1, 0 sd"]) == 0
    assert alarms(rates["accuracy normal, 10 against 1, 3 sd"]) == 0


@pytest.mark.parametrize("noise", NOISES)
def test_three_standard_deviations_are_caught(rates: dict[str, dict[str, float]], noise: str) -> None:
    """A loss of 3 standard deviations over seeds is no pass in 85% or more of jobs of five runs: REGRESSED, or left to fresh runs."""
    assert rates[f"accuracy {noise}, 10 against 5, 3 sd"].get("PASS", 0) <= upper(0.15)


def test_memory_alarms(rates: dict[str, dict[str, float]]) -> None:
    """Memory with 1% noise: unchanged it alarms in at most 1%, 10% growth is caught in 99%."""
    assert alarms(rates["memory normal, 10 against 5, 0 MiB of 100"]) <= upper(0.01)
    assert 1 - rates["memory normal, 10 against 5, 10 MiB of 100"].get("REGRESSED", 0) <= upper(0.01)


def test_one_base_run_is_too_few_to_compare() -> None:
    """Where base finished a single run, what is gated is INCONCLUSIVE and names the option; nobody is sent to approve a first baseline."""
    one: dict[Round, list[RunResult]] = {"screen": runs([0.95])}
    each = Evidence(scenario=scenario(), variant="default", tier="smoke", head=one, base=one, stored=None)
    (found,) = trials.decide([each], GateSettings(seeds=1, against="main"), more=False).comparisons
    (judgement,) = found.judgements
    assert (judgement.verdict, judgement.cause) == ("INCONCLUSIVE", "too_few")
    assert "base main finished fewer than two runs" in judgement.reason
    assert "--seeds 2" in judgement.reason


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
