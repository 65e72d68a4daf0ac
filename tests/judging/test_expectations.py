"""Every rule and verdict of published values, with the worked examples of docs/statistics.md."""

from __future__ import annotations

import dataclasses
import re
import typing

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from benchmarks.error_rates import __main__ as error_rates
from benchmarks.error_rates import published
from harness.judging.expectations import judge, tolerance
from harness.judging.statistics import t_quantile
from harness.records import DatasetUse, Expectation, Measured, RunResult
from tests.judging import made

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Judgement, Rule, Tier, Value

WHOLE = DatasetUse(name="mnist", sha256="00", complete=True, found="all there")
PART = DatasetUse(name="kmnist", sha256="11", complete=False, found="6,284 of 60,000 training images")


def runs(
    values: Sequence[typing.Any], *, unit: str = "", data: DatasetUse = WHOLE, name: str = "accuracy"
) -> list[RunResult]:
    """Build one finished run a value."""
    return [run({name: value}, seed, unit=unit, data=data) for seed, value in enumerate(values)]


def run(metrics: dict[str, Value], seed: int, *, unit: str = "", data: DatasetUse = WHOLE) -> RunResult:
    """Build a finished run with these metrics."""
    measured = {name: Measured(value=value, unit=unit) for name, value in metrics.items()}
    return made.run(measured, made.request(seed, tier="paper"), datasets=(data,))


def sample(mean: float, sd: float, k: int) -> list[float]:
    """Return k values with exactly this mean and standard deviation."""
    raw = np.linspace(-1, 1, k)
    return typing.cast("list[float]", (mean + sd * raw / raw.std(ddof=1)).tolist())


def expect(**changes: typing.Any) -> Expectation:
    """Declare a published accuracy of 0.9."""
    fields: dict[str, typing.Any] = {
        "metric": "accuracy", "variant": "default", "value": 0.9, "unit": "", "place": "Table 1",
        "row": "top", "test_images": 0,
    }  # fmt: skip
    return Expectation(**{**fields, **changes})


def judged(values: Sequence[typing.Any], tier: Tier = "paper", **changes: typing.Any) -> Judgement:
    """Judge runs with these values against `expect`."""
    return judge(expect(**changes), "probe:default", tier, runs(values))


# -- worked examples of docs/statistics.md ------------------------------------------------------------


def test_one_published_run_on_the_same_test_set() -> None:
    """98.70% with sd .15 points over 10 seeds against a printed 98.71%: off by .01 ± .092, within half a point and the rounding."""
    found = judged(sample(0.9870, 0.0015, 10), value=0.9871, half_width=0.00005, test_images=10_000)
    assert found.verdict == "REPRODUCED"
    assert found.tolerance == pytest.approx(0.00505)
    assert found.tolerance_reason == "half a point"
    assert found.margin == pytest.approx(1.8331 * 0.0015 / np.sqrt(10) + 0.00005, rel=1e-4)
    assert found.resolution == pytest.approx(0.00516, abs=5e-6)
    assert found.lower == pytest.approx(0.9871 - 0.00505)
    assert found.value == pytest.approx(0.9870)
    assert found.spread == pytest.approx(0.0015)


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [(0.965, "INCONCLUSIVE"), (0.94, "INCONCLUSIVE"), (0.90, "INCONCLUSIVE"), (0.85, "BELOW")],
)
def test_three_noisy_runs_agree_with_nothing(printed: float, verdict: str) -> None:
    """96.5 ± 1.0% over three seeds reproduces no print: not being able to tell is no agreement. Ten quiet runs do reproduce theirs."""
    found = judged(sample(0.965, 0.010, 3), value=printed, test_images=10_000)
    assert found.verdict == {"BELOW": "ABOVE"}.get(verdict, verdict)
    assert judged(sample(0.965, 0.002, 10), value=0.965, test_images=10_000).verdict == "REPRODUCED"


def test_a_small_test_set_of_the_source_widens_the_tolerance_and_says_so() -> None:
    """265 of 300 images are known no better than ± 4.6 points, however many runs we make: 2.5 binomial standard errors."""
    expected = expect(value=265 / 300, rule="draw", test_images=300)
    wide, why = tolerance(expected)
    assert wide == pytest.approx(0.0461, abs=5e-4)
    assert wide > 1.645 * np.sqrt(265 / 300 * 35 / 300 / 300)
    assert why == "the source tested 300 images"
    assert (
        judged(sample(0.895, 0.013, 10), value=265 / 300, rule="draw", test_images=300).verdict
        == "REPRODUCED"
    )


def test_a_published_mean_of_ten_runs() -> None:
    """A mean of ten runs with sd .4 points is as uncertain as ours: tolerance .56 points."""
    found = judged(
        sample(0.97, 0.004, 10), value=0.97, rule="mean", runs=10, source_sd=0.004, test_images=14_000
    )
    assert found.tolerance == pytest.approx(0.004 / np.sqrt(10) * (1.8119 * np.sqrt(2) + 1.8331), rel=1e-3)
    assert found.tolerance_reason == "the source ran 10 times, and runs differ by 0.004 (sd)"
    assert found.verdict == "REPRODUCED"


def test_another_fixed_test_set_adds_the_sampling_of_both() -> None:
    """On another split the sampling error of both test sets adds to the spread over seeds, and our runs cannot average ours out."""
    found = judged(sample(0.9, 0.01, 10), value=0.85, rule="split", test_images=400)
    error = np.sqrt(0.01**2 * 1.1 + 2 * 0.9 * 0.1 / 400)
    assert found.resolution == pytest.approx(3.2498 * error, rel=1e-2)
    assert found.margin == pytest.approx(
        np.hypot(1.8331 * 0.01 / np.sqrt(10), 1.8331 * np.sqrt(0.9 * 0.1 / 400)), rel=1e-2
    )


def test_resolution_is_at_least_one_test_image() -> None:
    """Runs without spread still cannot show a difference of less than one test image."""
    found = judged(
        [0.9, 0.9, 0.9], value=0.9009, test_images=1000, tolerance=0.0005, tolerance_reason="strict"
    )
    assert (found.verdict, found.resolution) == ("INCONCLUSIVE", 0.001)


def test_defaults_by_sort_of_value() -> None:
    """Half a point of shares, also in percent; 10% of losses; half the last digit of anything else; the rounding is added."""
    assert tolerance(expect(test_images=10_000)) == (0.005, "half a point")
    assert tolerance(expect(value=90.0, unit="%", test_images=10_000))[0] == 0.5
    assert tolerance(expect(value=0.4, unit="nat"))[0] == pytest.approx(0.04)
    assert tolerance(expect(value=[0.3, 0.4], unit="nat"))[0] == pytest.approx(0.1 * np.sqrt(0.125))
    assert tolerance(expect(half_width=0.005)) == (0.01, "half a unit of the last printed digit")
    assert tolerance(expect(half_width=0.005, test_images=10_000))[0] == 0.01
    assert tolerance(expect(tolerance=0.02, tolerance_reason="as said")) == (0.02, "as said")


@pytest.mark.parametrize(
    ("mean", "verdict", "needed"),
    [(0.9035, "INCONCLUSIVE", 7), (0.9045, "INCONCLUSIVE", 46), (0.9080, "INCONCLUSIVE", None)],
)
def test_the_runs_that_would_decide(mean: float, verdict: str, needed: int | None) -> None:
    """With sd .2 points and five runs: a small difference needs some more, a larger one many, and between both limits none helps."""
    values = sample(mean, 0.002 if needed else 0.004, 5)
    found = judged(values, value=0.9, test_images=10_000)
    assert (found.verdict, found.runs_needed) == (verdict, needed)
    if needed is None:
        assert "no number of runs decides" in found.reason
        return
    assert f"{needed} runs would decide" in found.reason
    assert found.next_step.endswith(f"--seeds {needed}")
    decided = [
        judged(sample(mean, 0.002, k), value=0.9, test_images=10_000).verdict for k in (needed - 1, needed)
    ]
    assert decided == ["INCONCLUSIVE", "REPRODUCED"]


# -- what always holds ------------------------------------------------------------

numbers = {
    "mean": st.floats(0.5, 0.99),
    "sd": st.floats(1e-5, 0.05),
    "k": st.integers(3, 40),
    "rule": st.sampled_from(["spread", "mean", "draw", "split"]),
}


@hypothesis.given(
    printed=st.floats(0.0, 1.0),
    images=st.integers(1, 100_000),
    sd=st.floats(0.0, 1.0),
    runs=st.integers(1, 50),
)
def test_every_share_has_a_finite_tolerance(printed: float, images: int, sd: float, runs: int) -> None:
    """At least half a point, and at least 1.645 standard errors of the published value, whatever was published."""
    wide, why = tolerance(expect(value=printed, rule="draw", test_images=images, source_sd=sd, runs=runs))
    assert np.isfinite(wide)
    assert why
    assert wide >= max(0.005, 1.645 * np.sqrt((printed * (1 - printed) / images + sd**2) / runs))


@hypothesis.given(
    **numbers,
    printed=st.floats(0.5, 0.99),
    images=st.sampled_from([30, 300, 10_000]),
    half=st.sampled_from([0.0, 0.005]),
)
def test_reproduced_means_that_the_interval_lies_within_the_tolerance(
    mean: float, sd: float, k: int, rule: Rule, printed: float, images: int, half: float
) -> None:
    """REPRODUCED exactly where difference and margin together keep the tolerance; BELOW and ABOVE only beyond the resolution."""
    found = judged(sample(mean, sd, k), value=printed, rule=rule, test_images=images, half_width=half)
    assert found.margin is not None
    assert found.tolerance is not None
    assert found.resolution is not None
    off, slack = abs(np.mean(sample(mean, sd, k)) - printed), 1e-5 * found.tolerance
    assert (found.verdict == "REPRODUCED") == (off + found.margin <= found.tolerance) or abs(
        off + found.margin - found.tolerance
    ) < slack
    if found.verdict in {"BELOW", "ABOVE"}:
        assert off > found.resolution >= 1 / images
        assert (found.verdict == "ABOVE") == (mean > printed)


@hypothesis.given(**numbers, off=st.floats(-0.05, 0.05), wider=st.floats(1.0, 20.0))
def test_noisier_runs_are_never_reproduced_sooner(
    mean: float, sd: float, k: int, rule: Rule, off: float, wider: float
) -> None:
    """A larger spread, or fewer runs, turns nothing into REPRODUCED: the tolerance does not depend on our runs."""
    changes: dict[str, typing.Any] = {"value": mean + off, "rule": rule, "test_images": 300}
    noisy, quiet = judged(sample(mean, sd * wider, k), **changes), judged(sample(mean, sd, k), **changes)
    more = judged(sample(mean, sd * wider, 2 * k), **changes)
    assert noisy.tolerance == quiet.tolerance == more.tolerance
    if noisy.verdict == "REPRODUCED":
        assert quiet.verdict == more.verdict == "REPRODUCED"


@hypothesis.given(size=st.integers(2, 12), k=st.integers(3, 12), seed=st.integers(0, 10_000))
def test_an_array_agrees_only_if_every_projection_does(size: int, k: int, seed: int) -> None:
    """The margin of an array is at least that of any direction: of each element, and of their sum."""
    rng = np.random.default_rng(seed)
    values, printed = rng.normal(0.0, rng.uniform(0.1, 1, size), (k, size)), rng.normal(0.0, 0.1, size)
    found = judged(values.tolist(), value=printed.tolist(), tolerance=3.0, tolerance_reason="wide")
    if found.verdict != "REPRODUCED":
        return
    for direction in (*np.eye(size), np.ones(size) / np.sqrt(size)):
        along = values @ direction  # (runs,)
        half = t_quantile(0.95, k - 1) * along.std(ddof=1) / np.sqrt(k)
        assert abs(along.mean() - printed @ direction) + half <= 3.0 * np.sqrt(size) * (1 + 1e-6)


@pytest.fixture(scope="module")
def rates() -> dict[str, dict[str, float]]:
    """Simulate the table of docs/statistics.md with few trials."""
    return published.table(TRIALS, error_rates.SEED)


TRIALS = 120
CASES = [*published.CASES, "order of two, sd of the lead 0.4 points"]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_value_that_differs_by_the_tolerance_is_seldom_reproduced(
    rates: dict[str, dict[str, float]], case: str
) -> None:
    """At most 5%, and three standard errors of the simulation; at twice the tolerance never."""
    share = rates[f"{case}: at the tolerance"].get("REPRODUCED", 0.0)
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / TRIALS)
    assert rates[f"{case}: twice the tolerance"].get("REPRODUCED", 0.0) == 0.0


@pytest.mark.parametrize("case", [case for case in published.CASES if "2 points not declared" not in case])
def test_an_equal_program_is_reproduced_with_ten_runs(rates: dict[str, dict[str, float]], case: str) -> None:
    """At least 90%, less three standard errors; it is called different in at most 1%, plus three."""
    equal = rates[f"{case}: equal"]
    assert equal.get("REPRODUCED", 0.0) >= 0.9 - 3 * np.sqrt(0.9 * 0.1 / TRIALS)
    assert equal.get("BELOW", 0.0) + equal.get("ABOVE", 0.0) <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / TRIALS)


# -- verdicts ------------------------------------------------------------


@pytest.mark.parametrize(("mean", "verdict"), [(0.8, "BELOW"), (0.9, "REPRODUCED"), (0.99, "ABOVE")])
def test_three_verdicts_of_a_number(mean: float, verdict: str) -> None:
    """Ours lies below, within or above what the published value allows, and the line says by how much, with the tolerance."""
    found = judged(sample(mean, 0.01, 10), tolerance=0.01, tolerance_reason="a point")
    assert found.verdict == verdict
    assert f"off by {mean - 0.9:+.3g}" in found.reason
    assert "tolerance ±0.01 (a point)" in found.reason
    assert (found.place, found.row) == ("Table 1", "top")
    assert found.next_step == "harness run probe:default --tier paper --seeds 10"


def test_unreadable_print_is_said_and_never_judged() -> None:
    """A print that cannot be read gives its reason, even without a run; without one nothing else is judged either."""
    found = judge(expect(value=None, unreadable="the digit is smudged"), "probe:default", "paper", [])
    assert (found.verdict, found.reason) == ("NOT_JUDGED", "the digit is smudged")
    for expected in (expect(), expect(value=None, rule="ordering", order=("a", "b"))):
        found = judge(expected, "probe:default", "paper", [])
        assert (found.verdict, found.reason) == ("NOT_JUDGED", "no run finished")


def test_known_gap_keeps_its_reason_and_direction() -> None:
    """A declared gap turns BELOW into KNOWN_GAP and keeps what was found."""
    found = judged(sample(0.8, 0.01, 10), gap="their augmentation is not described")
    assert found.verdict == "KNOWN_GAP"
    assert found.reason.startswith("their augmentation is not described (BELOW: off by -0.1")


def test_a_closed_gap_is_noticed() -> None:
    """A declared gap that is no longer there is REPRODUCED and asks for its note to go."""
    found = judged(sample(0.9, 0.001, 10), test_images=1000, gap="their augmentation is not described")
    assert found.verdict == "REPRODUCED"
    assert "has closed, remove its note" in found.reason
    open_still = judged(sample(0.9, 0.01, 3), test_images=1000, gap="their augmentation is not described")
    assert open_still.verdict == "INCONCLUSIVE"
    assert "has closed" not in open_still.reason


def test_other_tier_is_not_judged_but_shown() -> None:
    """Runs of another tier keep their value and say which tier was published."""
    found = judged(sample(0.9, 0.01, 3), tier="smoke")
    assert found.verdict == "NOT_JUDGED"
    assert found.reason == "published for the paper tier"
    assert found.value == pytest.approx(0.9)


def timed(seconds: Sequence[tuple[float, float]], loud: Sequence[int], unit: str = "s") -> Judgement:
    """Judge that a is quicker than b, where something disturbed the runs at some places."""
    kind: typing.Literal["runtime", "size"] = "runtime" if unit == "s" else "size"
    done = [
        dataclasses.replace(
            run({}, seed), concurrent=seed in loud, metrics={n: Measured(value=v, unit=unit, kind=kind) for n, v in zip("ab", pair, strict=True)}
        )
        for seed, pair in enumerate(seconds)
    ]  # fmt: skip
    expected = expect(value=None, rule="ordering", order=("a", "b"), better="lower", unit=unit)
    return judge(expected, "probe:default", "paper", done)


def test_times_that_something_disturbed_are_not_judged() -> None:
    """Quiet runs alone say which of two takes longer; without any nobody does. What is no time is judged from every run."""
    pairs = [(1.0, 2.0), (1.1, 2.2), (1.0, 2.1), (3.0, 2.0)]
    quiet = timed(pairs, loud=[3])
    assert (quiet.verdict, quiet.n) == ("REPRODUCED", 3)
    loud = timed(pairs, loud=range(4))
    assert (loud.verdict, loud.n) == ("NOT_JUDGED", 4)
    assert loud.reason == "disturbed: other processes used the machine in every run"
    assert timed(pairs, loud=[3], unit="B").n == 4


def test_incomplete_data_is_not_judged_in_any_run() -> None:
    """One run of many on incomplete data rules the judgement out and names what to fetch."""
    done = [*runs([0.9, 0.9]), *runs([0.9], data=PART)]
    found = judge(expect(), "probe:default", "paper", done)
    assert found.verdict == "NOT_JUDGED"
    assert found.reason == "incomplete data: 6,284 of 60,000 training images"
    assert found.next_step == "harness data fetch kmnist"
    assert found.would_be is None
    assert (
        judge(expect(needs_complete=False, test_images=1000), "probe:default", "paper", done).verdict
        == "REPRODUCED"
    )


@pytest.mark.parametrize(("mean", "would_be"), [(0.9, "REPRODUCED"), (0.8, "BELOW")])
def test_what_waits_for_training_data_carries_its_would_be_verdict(mean: float, would_be: str) -> None:
    """Where the test set is whole, NOT_JUDGED says what the verdict would be, on which share of the training images."""
    part = dataclasses.replace(PART, train_share=6284 / 60000)
    done = runs(sample(mean, 0.001, 5), data=part)
    found = judge(expect(test_images=2000), "probe:default", "paper", done)
    assert (found.verdict, found.would_be) == ("NOT_JUDGED", would_be)
    assert found.reason.startswith(f"would be {would_be} on 10.5% of the training images; incomplete data: ")
    assert found.next_step == "harness data fetch kmnist"
    few = judge(expect(test_images=2000), "probe:default", "paper", done[:2])
    assert (few.verdict, few.would_be) == ("NOT_JUDGED", None)
    other = judge(expect(test_images=2000), "probe:default", "smoke", done)
    assert (other.would_be, other.reason) == (None, "published for the paper tier")


@pytest.mark.parametrize("k", [1, 2])
def test_too_few_seeds_are_not_judged(k: int) -> None:
    """One or two runs show no spread; the line says how many do."""
    found = judged([0.9] * k)
    assert found.verdict == "NOT_JUDGED"
    assert f"{k} run" in found.reason
    assert "--seeds 3" in found.reason
    assert found.n == k


def test_missing_metric_is_an_error_never_a_pass() -> None:
    """A metric that one run lacks is ERROR where it should be judged, and NOT_JUDGED elsewhere."""
    done = [*runs([0.9, 0.9]), run({"loss": 0.1}, 2)]
    found = judge(expect(), "probe:default", "paper", done)
    assert (found.verdict, found.reason) == ("ERROR", "metric 'accuracy' was measured in 2 of 3 runs")
    assert judge(expect(), "probe:default", "smoke", done).verdict == "NOT_JUDGED"
    assert judge(expect(metric="f1"), "probe:default", "paper", runs([0.9])).verdict == "ERROR"


@pytest.mark.parametrize(
    ("values", "changes", "told"),
    [
        ([0.9, float("nan"), 0.9], {}, "not finite"),
        ([[1.0], [1.0, 2.0], [1.0]], {"value": [1.0]}, "another shape in each run"),
        ([[1.0, 2.0]] * 3, {"value": [1.0]}, r"measured shape \(2,\), published \(1,\)"),
        ([0.9] * 3, {"value": None}, "declares no value"),
        ([0.9] * 3, {"value": 90.0, "unit": "%"}, "measured in '', published in '%'"),
        ([0.9] * 3, {"value": None, "rule": "ordering", "order": ("accuracy",)}, "two or more"),
        (
            [[1.0, 2.0]] * 3,
            {"value": None, "rule": "ordering", "order": ("accuracy", "accuracy")},
            "two or more",
        ),
    ],
)
def test_what_cannot_be_compared_is_an_error(
    values: list[typing.Any], changes: dict[str, typing.Any], told: str
) -> None:
    """Values that cannot be set beside the published one are ERROR with the reason, not an exception."""
    found = judged(values, **changes)
    assert found.verdict == "ERROR"
    assert re.search(told, found.reason)


# -- rules without statistics ------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "printed", "half_width", "verdict"),
    [
        ([16.0], 16.0, 0.0, "REPRODUCED"),
        ([16.0, 16.0], 16.0, 0.0, "REPRODUCED"),
        ([15.0, 17.0], 16.0, 0.0, "ABOVE"),
        ([16.0, 15.0], 16.0, 0.0, "BELOW"),
        ([171 / 784], 0.218, 0.0005, "REPRODUCED"),
        ([171 / 784], 0.219, 0.0005, "BELOW"),
    ],
)
def test_exact_holds_in_every_run(
    values: list[float], printed: float, half_width: float, verdict: str
) -> None:
    """Counts must be met by every run, to half the last printed digit; a mean that meets them does not excuse two that miss."""
    assert judged(values, value=printed, rule="exact", half_width=half_width).verdict == verdict


@pytest.mark.parametrize(
    ("rule", "values", "verdict"),
    [
        ("at_most", [0.5, 0.9], "REPRODUCED"),
        ("at_most", [0.1, 0.1, 0.91], "ABOVE"),
        ("at_least", [0.9, 0.99], "REPRODUCED"),
        ("at_least", [0.99, 0.99, 0.89], "BELOW"),
    ],
)
def test_bounds_are_kept_by_every_run(rule: str, values: list[float], verdict: str) -> None:
    """A printed bound is judged on the worst run, and only its own side is shown."""
    found = judged(values, rule=rule)
    assert found.verdict == verdict
    assert (found.lower is None, found.upper is None) == (rule == "at_most", rule == "at_least")


def test_bound_of_an_array_names_the_element_that_breaks_it() -> None:
    """An element far inside the bound is never called the worst one."""
    found = judged([[0.0, 0.95]], value=[0.9, 0.9], rule="at_most")
    assert found.verdict == "ABOVE"
    assert "+0.05 in element 2" in found.reason


# -- arrays and orderings ------------------------------------------------------------


def test_elements_of_an_array_share_the_level() -> None:
    """Eight singular values agree in the mean square; a difference is shown at 99% / 8, and the one furthest outside is named."""
    from scipy.stats import t

    values = np.asarray([sample(1.0, 0.1, 10)] * 8).T  # (runs, 8)
    published = [1.0] * 8
    found = judged(values.tolist(), value=published, source_sd=0.1)
    assert found.verdict == "REPRODUCED"
    assert found.resolution == pytest.approx(t.ppf(1 - 0.005 / 8, 9) * 0.1 * np.sqrt(1.1))
    published[5] = 1.9
    found = judged(values.tolist(), value=published, source_sd=0.1)
    assert found.verdict == "BELOW"
    assert "furthest in element 6: -0.9" in found.reason
    assert (found.lower, found.upper) == (None, None)


def ordering(leads: dict[str, list[float]], **changes: typing.Any) -> Judgement:
    """Judge that the first of these metrics is best."""
    done = [
        run(dict(zip(leads, row, strict=True)), seed)
        for seed, row in enumerate(zip(*leads.values(), strict=True))
    ]
    expected = expect(value=None, rule="ordering", order=tuple(leads), metric="a is best", **changes)
    return judge(expected, "probe:default", "paper", done)


def test_ordering_that_is_a_tie_is_said_to_be_one() -> None:
    """A tie within the tolerance agrees, and is said to be one; without tolerance, or with noise beyond it, nobody can tell."""
    leads = {"a": [0.9000, 0.9010, 0.9020], "b": [0.9012, 0.9005, 0.9013]}
    found = ordering(leads, test_images=1000)
    assert found.verdict == "REPRODUCED"
    assert "a tie within the tolerance of 0.005 (half a point), no lead is shown" in found.reason
    assert ordering(leads).verdict == "INCONCLUSIVE"
    loud = ordering({"a": [0.90, 0.91, 0.92], "b": [0.92, 0.90, 0.91]}, test_images=1000)
    assert loud.verdict == "INCONCLUSIVE"
    assert loud.runs_needed


def test_ordering_is_judged_by_its_nearest_rival() -> None:
    """A lead in every run is REPRODUCED and counted; a rival that is clearly ahead makes it BELOW."""
    found = ordering({"a": sample(0.9, 0.001, 5), "b": sample(0.8, 0.002, 5)})
    assert found.verdict == "REPRODUCED"
    assert found.value == pytest.approx(0.1)
    assert "held in 5 of 5 runs; nearest rival 'b'" in found.reason
    found = ordering({"a": sample(0.8, 0.001, 5), "b": sample(0.7, 0.001, 5), "c": sample(0.9, 0.002, 5)})
    assert found.verdict == "BELOW"
    assert found.value == pytest.approx(-0.1)
    assert "nearest rival 'c'" in found.reason


@pytest.mark.parametrize(("first", "verdict"), [(0.1, "REPRODUCED"), (0.5, "BELOW")])
def test_ordering_by_smallest(first: float, verdict: str) -> None:
    """Where lower is better the lead turns round."""
    leads = {"a": sample(first, 0.01, 5), "b": sample(0.6 - first, 0.02, 5)}
    assert ordering(leads, better="lower").verdict == verdict


def test_ordering_of_equals_is_seldom_contradicted() -> None:
    """Among four equally good settings the first is called worse in at most 1% of cases."""
    rng = np.random.default_rng(7)
    trials = 1000
    wrong = sum(
        ordering(dict(zip("abcd", rng.normal(0.9, 0.01, (4, 10)).tolist(), strict=True))).verdict == "BELOW"
        for _ in range(trials)
    )
    assert wrong <= trials * 0.01 + 3 * np.sqrt(trials * 0.01)


def test_rare_counts_of_a_matrix_are_seldom_called_different() -> None:
    """Of 200 published matrices drawn like ours, with cells of half an image in thirty, at most 1% (and chance) miss."""
    rng, missed = np.random.default_rng(11), 0
    reproduced = 0
    chances = np.full((10, 10), 0.02) + 0.8 * np.eye(10)
    for _ in range(200):
        drawn = np.stack([rng.multinomial(30, row, size=11) for row in chances], axis=1) / 30  # (11, 10, 10)
        found = judged(
            [one.tolist() for one in drawn[:10]], value=drawn[10].tolist(), rule="draw", test_images=30
        )
        missed += found.verdict in {"BELOW", "ABOVE"}
        reproduced += found.verdict == "REPRODUCED"
    assert missed <= 6
    assert reproduced >= 180


def test_a_cell_that_holds_far_more_images_is_found() -> None:
    """A published cell of twelve images where ours holds one is no chance."""
    ours = [[[29 / 30, 1 / 30]] for _ in range(10)]
    found = judged(ours, value=[[18 / 30, 12 / 30]], rule="draw", test_images=30)
    assert found.verdict in {"BELOW", "ABOVE"}
