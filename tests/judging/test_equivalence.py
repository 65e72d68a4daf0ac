"""Jobs side by side: equivalence against SciPy and by simulation, ratios, labels, identities, what makes no sense, and the command."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import typing
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import equivalence_table
from harness.errors import HarnessError
from harness.judging import equivalence, statistics
from harness.judging.equivalence import Margin
from harness.records import (
    Compared,
    Comparison,
    DatasetUse,
    IdentityCheck,
    Judgement,
    Measured,
    RunResult,
    StageResult,
)
from harness.store import files, predictions
from tests.judging import made

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.records import Job, VariantSides
    from tests.conftest import Harness

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "compare.md"
LABELS = (np.arange(400) % 10).astype(np.uint8)
DIGITS = DatasetUse(name="digits", sha256="aa" * 32, complete=True, found="all of them")
SCORES = st.lists(st.integers(0, 1000), min_size=2, max_size=8).map(lambda counts: np.asarray(counts) / 1000)


# -- equivalence ------------------------------------------------------------------------------------


@given(SCORES, SCORES, st.floats(0, 0.5))
def test_tost_is_two_welch_tests(a: NDArray[np.float64], b: NDArray[np.float64], margin: float) -> None:
    """Both p are SciPy's one-sided Welch tests, and both lie below 5% exactly where the 90% interval lies within the margin."""
    from scipy.stats import ttest_ind

    found = statistics.welch_tost(a, b, margin)
    if np.ptp(a) == np.ptp(b) == 0:
        assert found.lower == found.upper == found.difference
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # SciPy's, for a group of equal values
        above = ttest_ind(b + margin, a, equal_var=False, alternative="greater")
        below = ttest_ind(b - margin, a, equal_var=False, alternative="less")
        interval = ttest_ind(b, a, equal_var=False).confidence_interval(0.90)
    assert found.p_low == pytest.approx(above.pvalue, abs=1e-9)
    assert found.p_high == pytest.approx(below.pvalue, abs=1e-9)
    assert (found.lower, found.upper) == pytest.approx((interval.low, interval.high), abs=1e-9)
    if min(abs(found.lower + margin), abs(found.upper - margin)) > 1e-9:
        within = -margin < found.lower and found.upper < margin
        assert (max(found.p_low, found.p_high) < 0.05) == within


def judged(
    a: Sequence[float], b: Sequence[float], asked: Margin = equivalence.USUAL, **changes: typing.Any
) -> typing.Any:
    """Judge accuracies."""
    first, other = np.asarray(a, float), np.asarray(b, float)
    return equivalence.judge(first, other, asked.of(first, share=True), **changes)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [5, 10])
def test_false_verdicts_stay_near_5_percent_at_the_printed_margin(
    monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    """A true difference of the margin is called equivalent, or different, in at most about 5% each, also where A's spread gave the margin."""
    monkeypatch.setattr(
        statistics, "runs_for_tost", lambda *_: None
    )  # how many runs would decide is not asked
    generator, trials = np.random.default_rng(20261), 3000
    found = []
    for _ in range(trials):
        a = generator.normal(50, 1, runs)
        margin = equivalence.USUAL.of(a, share=False)
        assert margin is not None
        b = generator.normal(50 + margin, 1, runs)
        found.append(equivalence.judge(a, b, margin).verdict)
    # 5% and three standard errors of so many trials
    assert found.count("equivalent") / trials < 0.062
    assert found.count("different") / trials < 0.062


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spreads", "runs", "power"), [(3, 4, 0.95), (2, 7, 0.93), (2, 10, 0.99), (1, 30, 0.97)]
)
def test_power_is_that_of_the_recipe(spreads: float, runs: int, power: float) -> None:
    """The formula gives the power that simulation gave for a fixed margin and no difference."""
    assert statistics.tost_power(runs, 0.0, spreads, 1.0) == pytest.approx(power, abs=0.015)


def test_the_runs_that_would_decide() -> None:
    """Fewest runs with 90% power; a difference at the margin is never decided, one far off with two, and no spread needs two."""
    needed = statistics.runs_for_tost(0.0, 2.0, 1.0)
    assert needed == 7
    assert statistics.tost_power(needed, 0, 2, 1) >= 0.9 > statistics.tost_power(needed - 1, 0, 2, 1)
    assert statistics.runs_for_tost(1.0, 1.0, 1.0) is None
    assert statistics.runs_for_tost(0.0, 1e9, 1e-9) == 2
    assert statistics.runs_for_tost(0.0, 1.0, 0.0) == 2


@settings(max_examples=50)
@given(st.floats(0, 3), st.floats(0.1, 3), st.floats(0.05, 2))
def test_more_runs_have_more_power(difference: float, margin: float, sd: float) -> None:
    """Power is a share and grows with the runs."""
    powers = [statistics.tost_power(runs, difference, margin, sd) for runs in (2, 4, 8, 30, 200)]
    assert all(0 <= power <= 1 for power in powers)
    assert all(a <= b + 1e-6 for a, b in itertools.pairwise(powers))


def test_the_margin_is_never_above_half_a_point_unless_named() -> None:
    """2 sd of the reference where that is small, half a point at most for shares; a named margin in its own unit."""
    calm, loud = np.asarray([0.9, 0.901, 0.902]), np.asarray([0.9, 0.95, 0.99])
    wide = pytest.approx(2 * loud.std(ddof=1))
    for text, reference, share, margin in (
        ("", calm, True, pytest.approx(0.002)),
        ("", loud, True, 0.005),
        ("", loud, False, wide),
        ("2points", loud, True, 0.02),
        ("2points", loud, False, wide),  # points say nothing of a loss
        ("2%", loud, False, pytest.approx(0.02 * loud.mean())),
        ("0.01", loud, True, 0.01),
        ("3", loud, False, 3),
        ("spread", loud, True, wide),
        ("", loud[:1], True, None),
        ("spread", loud[:1], True, None),
    ):
        named = Margin.parse(text) if text else equivalence.USUAL
        assert named.of(reference, share=share) == margin, text
    with pytest.raises(HarnessError, match=r"a margin of 0\.5 is 50 points"):
        Margin.parse("0.5").of(loud, share=True)  # once, a bare number meant points


@pytest.mark.parametrize(
    "text", ["", "points", "-1", "nan", "inf", "1e999", "2 percent", "0.5pointss", "1,5%", "spraed"]
)
def test_a_margin_that_says_nothing_is_refused(text: str) -> None:
    """The message lists the forms."""
    with pytest.raises(ValueError, match=r"write 0\.5points, 2%, 0\.01"):
        Margin.parse(text)


@pytest.mark.parametrize(("a", "b", "verdict"), [
    ([0.1] * 3, [0.1] * 10, "equivalent"),  # their means are rounded differently
    ([0.3] * 4, [0.1 + 0.2] * 4, "equivalent"),
    ([0.0] * 3, [0.0] * 3, "equivalent"),
    ([0.9] * 3, [0.8] * 3, "different"),
    ([0.9] * 3, [0.8, 0.9, 0.85], "INCONCLUSIVE"),
    ([1e-300] * 3, [0.0] * 3, "different"),
])  # fmt: skip
def test_groups_of_constants(a: list[float], b: list[float], verdict: str) -> None:
    """Without a spread on one side or both the values decide, and no rounding of a mean does (scverse/scanpy#620)."""
    found = judged(a, b)
    assert found.verdict == verdict
    assert all(value is None or np.isfinite(value) for value in (found.lower, found.upper, found.p))


def test_verdicts() -> None:
    """Alike, apart, undecided with the runs that would decide, one run, no spread, and identical predictions."""
    a = [0.950, 0.951, 0.952, 0.953, 0.954, 0.955, 0.956]
    assert judged(a, a).verdict == "equivalent"
    assert judged(a, [value - 0.02 for value in a]).verdict == "different"
    undecided = judged(a[:3], [value + 0.0005 for value in a[:3]])
    assert undecided.verdict == "INCONCLUSIVE"
    assert undecided.runs_to_decide > 3
    single = judged(a, [0.95])
    assert (single.verdict, single.lower, single.p) == ("INCONCLUSIVE", None, None)
    assert "single run" in single.reason
    assert judged([0.95], [0.95]).runs_to_decide == 7
    assert judged([0.95], [0.95], identical=1).verdict == "equivalent"
    assert judged([0.9, 0.9], [0.9, 0.9]).reason == "every value is the same on both sides"
    fixed = judged([0.9, 0.9, 0.9], [0.91, 0.91, 0.91])
    assert fixed.verdict == "different"
    assert "--margin" in fixed.reason
    assert judged([0.9, 0.9, 0.9], [0.91, 0.91, 0.91], Margin.parse("2points")).verdict == "equivalent"
    near = judged([0.90, 0.91, 0.92], [0.905, 0.915, 0.925], Margin.parse("0.5points"))
    assert near.runs_to_decide is None
    assert "no thousand runs" in near.reason


def test_the_sign_test_is_two_sided() -> None:
    """McNemar's exact p for 8 against 2 is twice the binomial tail; nothing changed is certain."""
    from scipy.stats import binomtest

    net = np.asarray([1] * 8 + [-1] * 2 + [0] * 90)
    assert statistics.sign_test(net) == pytest.approx(binomtest(8, 10).pvalue)
    assert statistics.sign_test(-net) == statistics.sign_test(net)
    assert statistics.sign_test(np.zeros(5, np.int64)) == 1.0


# -- two jobs -----------------------------------------------------------------------------------------


def result(
    seed: int, *, accuracy: float = 0.95, seconds: float = 1.0, memory: float = 2.0**20, weights: str = "", version: int = 1,
    options: dict[str, typing.Any] | None = None, sha256: str = "aa" * 32, environment: dict[str, str] | None = None,
    foreign_cpu: float = 0.0, checks: tuple[IdentityCheck, ...] = (), status: typing.Any = "ok", sets: tuple[str, ...] = (),
    extra: dict[str, Measured] | None = None, **asked: typing.Any,
) -> RunResult:  # fmt: skip
    """Make one run; `asked` are fields of its request."""
    metrics = {
        "accuracy": Measured(value=accuracy, better="higher"),
        "train.seconds": Measured(value=seconds, unit="s", kind="runtime", better="lower"),
        "train.above_imports_bytes": Measured(value=memory, unit="B", kind="memory", better="lower"),
        **(extra or {}),
    }
    stages = tuple(
        StageResult(name=name, seconds=1.0, cpu_seconds=1.0, peak_bytes=2**25)
        for name in ("imports", "train")
    )
    request = made.request(seed, **asked)
    run = made.run(
        metrics, request, scenario_version=version, options=options or {}, stages=stages, identities=checks, predictions=sets,
        datasets=(dataclasses.replace(DIGITS, sha256=sha256),), environment=environment or {"cpu": "A", "cores": "2"},
        foreign_cpu=foreign_cpu, weights=dict.fromkeys(sets, weights) if weights else {},
    )  # fmt: skip
    return dataclasses.replace(run, status=status)


def compare(
    *jobs: Sequence[RunResult], below: Path = Path("nowhere"), **asked: typing.Any
) -> tuple[tuple[VariantSides, ...], tuple[str, ...]]:
    """Compare jobs of these runs, whose predictions lie below `below`."""
    names = "ABCDEFG"[: len(jobs)]
    readers = [predictions.reader(below / name) for name in names]
    return equivalence.compare([made.job(runs) for runs in jobs], names, readers, **asked)


def other(variant: VariantSides, stage: str, metric: str, side: int = 1) -> typing.Any:
    """Return one metric of a side."""
    (found,) = [one for one in variant.contrasts if (one.stage, one.metric) == (stage, metric)]
    return found.sides[side]


def test_ratios_are_medians_of_all_ratios_with_an_interval() -> None:
    """Three runs that take twice as long on B have a ratio near 2 between the extremes, and say what that covers."""
    times = [1.0, 1.1, 0.9]
    a = [result(seed, seconds=value) for seed, value in enumerate(times)]
    b = [result(seed, seconds=2 * value, memory=2.0**21) for seed, value in enumerate(times)]
    ((variant,), left_out) = compare(a, b)
    assert left_out == ()
    time = other(variant, "train", "seconds")
    assert (time.ratio, time.lower, time.upper) == pytest.approx((2, 1.8 / 1.1, 2.2 / 0.9))
    assert time.coverage == pytest.approx(0.9)
    assert other(variant, "train", "above_imports_bytes").ratio == 2
    assert other(variant, "imports", "peak_bytes").ratio == 1
    ((one,), _) = compare([result(0)], [result(0)])
    assert all(side is None or side.lower is None for contrast in one.contrasts for side in contrast.sides)
    ((none,), _) = compare([result(0, seconds=0.0)], [result(0)])
    assert other(none, "train", "seconds").ratio is None


def test_disturbed_times_are_left_out_or_marked() -> None:
    """A disturbed run's time is left out while others remain; with no other it is used and marked; memory stays."""
    a = [result(0, seconds=1.0), result(1, seconds=9.0, foreign_cpu=0.5)]
    ((variant,), _) = compare(a, [result(0, foreign_cpu=0.5), result(1, foreign_cpu=0.5)])
    assert other(variant, "train", "seconds").disturbed
    assert not other(variant, "train", "above_imports_bytes").disturbed
    assert any("2 of 2 runs of B are disturbed" in note for note in variant.notes)
    ((calm,), _) = compare(a, [result(0)])
    first, time = other(calm, "train", "seconds", 0), other(calm, "train", "seconds")
    assert (first.median, first.runs, time.runs, time.disturbed) == (1.0, 1, 1, False)


def test_two_machines_are_said() -> None:
    """Another processor makes ratios those of machines; fields that differ are listed, load is not."""
    there = {"cpu": "B", "cores": "2", "load": "3", "torch_tf32_matmul": "True"}
    ((variant,), _) = compare([result(0)], [result(0, environment=there)])
    assert any(note.startswith("two machines (cpu A on A, B on B)") for note in variant.notes)
    assert variant.environment == (("cpu", ("A", "B")), ("torch_tf32_matmul", ("none", "True")))


BOTH = "no common variant and tier: A ran default (tier smoke), B ran "


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        ({"tier": "short"}, f"{BOTH}default (tier short)"),
        ({"version": 2}, "A ran version 1 of the scenario, B version 2"),
        ({"sha256": "bb" * 32}, "the data differ: A read digits (aaaaaaaa), B read digits (bbbbbbbb)"),
        ({"options": {"epochs": 3}}, "the options differ: epochs none on A, 3 on B"),
        ({"variant": "other"}, f"{BOTH}other (tier smoke). To compare two: --variants default other"),
        ({"scenario": "another"}, f"{BOTH}none of it"),
        ({"status": "error"}, "no run of B finished"),
    ],
)
def test_what_makes_no_sense_is_said(theirs: dict[str, typing.Any], reason: str) -> None:
    """Other tier, version, data, options, variant or scenario: one sentence, and nothing is set in relation."""
    found, left_out = compare([result(0)], [result(0, **theirs)])
    assert found == ()
    assert any(reason in sentence for sentence in left_out), left_out


def test_several_backends_in_one_folder_are_refused() -> None:
    """Runs of one variant on two backends cannot stand for one side."""
    mixed = [result(0), result(0, backend="torch")]
    assert "several backends or devices" in compare(mixed, [result(0)])[1][0]
    assert compare([], []) == ((), ("no job holds a run",))


def test_two_variants_can_be_named() -> None:
    """Variants of different names are set side by side when asked for, and what their options differ in is said."""
    a, b = [result(0)], [result(0, variant="other", options={"rank": 3})]
    ((variant,), left_out) = compare(a, b, variants=("default", "other"))
    assert (variant.title, left_out) == ("probe:default and other", ())
    assert any("rank none on default, 3 on other" in note for note in variant.notes)
    assert compare(a, b, variants=("default", "third")) == ((), (f"probe: {BOTH}no variant third",))


def test_identities_are_set_beside_each_other_by_dtype() -> None:
    """The worst check of each side, its dtype and its share of the tolerance; a violated one makes the exit code 1."""

    def check(error: float, dtype: str) -> IdentityCheck:
        return IdentityCheck("w", error, 1e-4, "a = b", f"{dtype}, u = 6e-08, shape (2, 2)")

    a = [result(seed, checks=(check(error, "float32"),)) for seed, error in enumerate([1e-6, 1e-5])]
    b = [result(0, checks=(check(1e-3, "float64"), IdentityCheck("only B", 0.0, 0.0, "c", "")))]
    ((variant,), _) = compare(a, b)
    pairs = {pair.name: typing.cast("typing.Any", pair.sides) for pair in variant.identities}
    ours, theirs = pairs["w"]
    assert ours.share == pytest.approx(0.1)
    assert (ours.dtype, ours.holds) == ("float32", True)
    assert (theirs.dtype, theirs.holds) == ("float64", False)
    assert pairs["only B"][0] is None
    assert variant.broken == 1
    whole = Compared(schema=3, created="", command="", version="", jobs=(), variants=(variant,), left_out=())
    assert whole.exit_code == 1


def stored(folder: Path, seed: int, wrong: Sequence[int], *, shift: int = 0, **changes: typing.Any) -> RunResult:  # fmt: skip
    """Leave a run with predictions that are wrong at some images; another `shift` means other images."""
    labels = np.roll(LABELS, shift)
    predicted = labels.copy()
    predicted[list(wrong)] = (predicted[list(wrong)] + 1) % 10
    run = result(seed, sets=("test",), accuracy=1 - len(wrong) / len(LABELS), **changes)
    arrays = {"test/labels": labels, "test/predicted": predicted}
    files.write_npz(folder / run.folder / "predictions.npz", arrays)
    return run


def test_the_same_weights_are_compared_label_by_label(tmp_path: Path) -> None:
    """Changed labels and exact McNemar where the weights are the same; with other weights flips are shown and test nothing."""
    same = "cd" * 32
    a = [stored(tmp_path / "A", 0, [1], weights=same)]
    b = [stored(tmp_path / "B", 0, [2, 3, 4], weights=same, backend="torch")]
    ((variant,), _) = compare(a, b, below=tmp_path)
    (found,) = variant.weights
    assert (found.changed, found.worse, found.better, found.labels) == (4, 3, 1, 400)
    assert found.p == pytest.approx(2 * 5 / 16)
    other = [stored(tmp_path / "B", 0, [2, 3, 4], weights="ee" * 32, backend="torch")]
    ((variant,), _) = compare(a, other, below=tmp_path)
    assert variant.weights == ()
    assert [(flip.worse_count, flip.better_count) for flip in variant.flips[0]] == [(3, 1)]


def test_labels_of_other_images_are_counted_and_not_tested(tmp_path: Path) -> None:
    """Where each seed draws its own images every run's labels are counted; the test keeps to runs of the same images."""
    weights = ["ab" * 32, "cd" * 32]
    a, b = (
        [stored(tmp_path / name, seed, wrong, shift=seed, weights=weights[seed]) for seed in range(2)]
        for name, wrong in (("A", [1]), ("B", [2, 3]))
    )
    ((variant,), _) = compare(a, b, below=tmp_path)
    (found,) = variant.weights
    assert (found.runs, found.labels, found.checkpoints, found.tested) == (2, 800, 2, 1)
    assert (found.changed, found.worse, found.better, found.p) == (6, 4, 2, 1.0)


def test_identical_predictions_are_equivalent_whatever_the_number_of_runs(tmp_path: Path) -> None:
    """One run on each side decides where every prediction is the same."""
    a, b = [stored(tmp_path / "A", 0, [1])], [stored(tmp_path / "B", 0, [1], backend="torch")]
    ((variant,), _) = compare(a, b, below=tmp_path)
    judged = typing.cast("typing.Any", variant.scores[0].sides[1]).judged
    assert judged.verdict == "equivalent"
    assert "every prediction of 1 run is the same" in judged.reason


@pytest.mark.parametrize(
    "metric", ["calibration", "test.accuracy", "test.calibration", "head.f1_macro", "accuracy.calibration"]
)
def test_equal_labels_settle_only_what_was_scored_from_them(tmp_path: Path, metric: str) -> None:
    """A recorded score that differs is different, whatever its name, though every label is the same; and it is no share."""
    judgement = Judgement(
        metric=metric, kind="accuracy", value=0.9, reference=None, against="baseline", verdict="NO_BASELINE"
    )

    def recording(name: str, value: float) -> Job:
        recorded = {metric: Measured(value=value, better="higher")}
        whole = made.job([stored(tmp_path / name, seed, [seed], extra=recorded) for seed in range(3)])
        compared = Comparison(
            scenario="probe", variant="default", tier="smoke", seeds=(), failed=(), judgements=(judgement,)
        )
        return dataclasses.replace(whole, comparisons=(compared,))

    readers = [predictions.reader(tmp_path / name) for name in "ab"]
    ((variant,), _) = equivalence.compare([recording("a", 0.9), recording("b", 0.5)], "ab", readers)
    found = {score.metric: score.sides[1] for score in variant.scores}
    assert {name: side and side.judged and side.judged.verdict for name, side in found.items()} == {
        "accuracy": "equivalent", metric: "different",
    }  # fmt: skip
    (line,) = [
        equivalence_table.sentence(variant, score, 1) for score in variant.scores if score.metric == metric
    ]
    if metric != "test.accuracy" and metric != "head.f1_macro":
        assert "%" not in line.partition(", 90%")[0]
        assert "0.9 on a" in line


def test_any_number_of_jobs_are_columns_named_for_what_differs() -> None:
    """Each job is compared with the reference; one that cannot be is left out and the others stay."""
    sides = (("torch", "cpu", 4.0), ("torch", "cuda", 1.0), ("torch", "cuda", 0.5), ("jax", "cpu", 2.0))
    jobs = [
        [result(seed, backend=backend, device=device, seconds=seconds) for seed in range(3)]
        for backend, device, seconds in sides
    ]
    ((variant,), left_out) = compare(*jobs, [result(0, version=2)])
    assert [side.name for side in variant.sides] == ["torch cpu", "torch cuda B", "torch cuda C", "jax cpu"]
    ratios = [other(variant, "train", "seconds", side).ratio for side in range(4)]
    assert ratios == [None, 0.25, 0.125, 0.5]
    verdicts = [side and side.judged and side.judged.verdict for side in variant.scores[0].sides]
    assert verdicts == [None, *["equivalent"] * 3]
    assert left_out == ("probe:default, tier smoke: A ran version 1 of the scenario, E version 2",)
    ((variant,), _) = compare(*([result(0, environment={"threads": threads})] for threads in "12"))
    assert [side.name for side in variant.sides] == ["1 threads", "2 threads"]
    ((variant,), _) = compare([result(0)], [result(0)])
    assert [side.name for side in variant.sides] == ["A", "B"]


# -- the command ----------------------------------------------------------------------------------------

WEIGHED = """
def labels(weights, threads):
    predicted = (np.arange(100) + weights[0]) % 10
    predicted[:threads - 1] += 1
    return predicted

def measure(run):
    threads, weights = run.request.threads, [np.array([10 * run.request.threads])]
    run.predictions(np.arange(100) % 10, labels(weights, threads), weights=weights)
    run.predict_given(lambda given: labels(given, threads))

SCENARIO = declare(measure)
"""


@pytest.mark.slow
def test_weights_of_one_job_are_predicted_with_by_another(harness: Harness) -> None:
    """Two trainings share no weights: only what B predicts with A's is compared label by label, and where nothing is, it says how."""
    words = ("run", "probe", "--scenarios", harness.scenario(WEIGHED), "--seeds", "2", "--no-count")
    assert harness(*words, "--keep-weights", "--threads", "1", "--out", "a").code == 0
    assert harness(*words, "--threads", "2", "--out", "plain").code == 0
    assert harness(*words, "--weights", "a", "--threads", "2", "--out", "b").code == 0
    assert (
        "same weights: on no set. To compare label by label, run the reference with --keep-weights"
        in harness("compare", "a", "plain").out
    )
    done = harness("compare", "a", "b", "--out", "c")
    told = "set test, the reference's weights on 2 threads, 2 runs, 200 labels, 1 checkpoint: 2 labels changed, 2 for the worse and 0 for the better"
    assert told in done.out
    assert "on no set" not in done.out
    assert (
        "Set test, the reference&#39;s weights on 2 threads, 2 runs, 200 labels"
        in (harness.folder / "c" / "compare.html").read_text()
    )
    refused = harness(*words, "--weights", "plain", "--out", "d")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "'plain' keeps no weights of probe:default, tier smoke, seed 0" in refused.err
    assert not (harness.folder / "d").exists()


SCENARIO = """
def measure(run):
    rng = np.random.default_rng(run.seed)
    with run.stage("train", images=100):
        rng.normal(size=(50, 50)) @ rng.normal(size=(50, 50))
    guess(run, 90 + int(rng.integers(0, 3)))
    run.identity(IdentityCheck("w", 1e-7 * (1 if run.request.threads == 1 else 20), 1e-5, "a = b", "float32, u = 6e-08"))
    run.record("train.first_step_seconds", 0.5)
    run.record("train.step_seconds", 0.01)

SCENARIO = declare(measure, metrics=(
    Metric("train.first_step_seconds", kind="runtime", unit="s"), Metric("train.step_seconds", kind="runtime", unit="s"),
))
"""


@pytest.mark.slow
def test_the_page_of_the_command_works_as_written(harness: Harness) -> None:
    """Every command of docs/compare.md's example does what the page says."""
    (block,) = re.findall(r"<!-- executed -->\n```console\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    scenario = harness.scenario(SCENARIO, "mine.py")
    commands = [
        line.removeprefix("$ harness ").split() for line in block.splitlines() if line.startswith("$ ")
    ]
    assert [words[0] for words in commands] == ["run", "run", "compare"]
    for words in commands:
        done = harness(*(scenario if word == "mine.py" else word for word in words))
        assert done.code == 0, done.err + done.out
    assert "equivalent accuracy" in done.out
    assert "first step" in done.out
    assert (
        "identities: 1 on 1 threads with errors of at most 0.01 of the tolerance, 1 on 2 threads with errors of at most 0.2"
        in done.out
    )
    found = files.decode(
        (harness.folder / "reports/beside/compare.json").read_bytes(), Compared, "compare.json"
    )
    assert ("threads", ("1", "2")) in found.variants[0].environment
    assert "<script" not in (harness.folder / "reports/beside/compare.html").read_text()


@pytest.mark.slow
def test_nothing_comparable_ends_with_2_and_missing_folders_too(harness: Harness) -> None:
    """The reasons are printed; a folder without a run names the next step; a page is written in any case."""
    scenario = harness.scenario("SCENARIO = declare(guess)")
    for variant in ("default", "other"):
        assert harness("run", f"probe:{variant}", "--scenarios", scenario, "--out", variant).code == 0
    done = harness("compare", "default", "other", "--out", "page")
    assert done.code == 2
    assert "no common variant" in done.out
    assert json.loads((harness.folder / "page/compare.json").read_text())["variants"] == []
    assert harness("compare", "default", "other", "--variants", "default", "other").code == 0
    two = ("compare", "default", "other", "--variants", "default", "other", "--margin")
    for right in ("spread", "0.5points", "2%", "0.01"):
        assert harness(*two, right).code == 0
    for wrong in ("inf", "-1", "spraed", "0.5"):
        assert harness(*two, wrong).code == 2
    chosen = harness("compare", "other", "default", "--variants", "other", "default")
    assert chosen.code == 0
    assert "other: other, the reference" in chosen.out
    assert harness("compare", "default").code == 2
    missing = harness("compare", "default", "nowhere")
    assert missing.code == 2
    assert "Type: harness run" in missing.err
