"""Scores against scikit-learn, and intervals against printed values."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UnknownNameError
from harness.measure import scores
from harness.records import Metric, Scenario, Source, Variant
from harness.records.metrics import of_values

if typing.TYPE_CHECKING:
    from harness.records import Measured

Array = np.ndarray[typing.Any, typing.Any]
PARTS = ("labels", "predicted")


@st.composite
def predictions(draw: st.DrawFn) -> tuple[Array, Array]:
    """Draw labels and predictions of up to 7 classes, some of which may never occur or never be predicted."""
    n, classes = draw(st.integers(1, 60)), draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    known = rng.choice(7, size=classes, replace=False)
    labels = rng.choice(known, size=n)
    predicted = np.where(rng.random(n) < 0.5, labels, rng.integers(0, 7, size=n))
    return labels.astype(np.uint8), predicted.astype(np.uint8)


def score(labels: Array, predicted: Array, probabilities: Array | None = None) -> dict[str, Measured]:
    """Score one prediction set."""
    stored = {"labels": labels, "predicted": predicted}
    return scores.of_predictions(stored | ({} if probabilities is None else {"probabilities": probabilities}))


@settings(deadline=None)
@given(predictions())
def test_scores_are_those_of_scikit_learn(drawn: tuple[Array, Array]) -> None:
    """Accuracy, confusion, and macro and weighted precision, recall and F1 agree with scikit-learn."""
    from sklearn import metrics

    labels, predicted = drawn
    found = score(labels, predicted)
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(labels, predicted))
    classes = np.arange(int(max(labels.max(), predicted.max())) + 1)
    matrix = metrics.confusion_matrix(labels, predicted, labels=np.arange(7))
    assert scores.confusion(labels, predicted, 7).tolist() == matrix.tolist()
    assert found["confusion"].value == matrix[: len(classes), : len(classes)].tolist()
    for average in ("macro", "weighted"):
        expected = metrics.precision_recall_fscore_support(
            labels, predicted, average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), expected[:3], strict=True):
            assert found[f"{name}_{average}"].value == pytest.approx(value), (name, average)
    expected = metrics.precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), expected[:3], strict=True):
        assert found[f"{name}_per_class"].value == pytest.approx(values.tolist()), name


@settings(deadline=None)
@given(predictions(), st.randoms(use_true_random=False))
def test_order_of_images_does_not_matter(drawn: tuple[Array, Array], random: typing.Any) -> None:
    """Labels and predictions shuffled together give the same scores."""
    labels, predicted = drawn
    order = list(range(len(labels)))
    random.shuffle(order)
    assert score(labels[order], predicted[order]) == score(labels, predicted)


@settings(deadline=None)
@given(predictions())
def test_counts_add_up(drawn: tuple[Array, Array]) -> None:
    """The confusion matrix sums to the test images, its diagonal to the right ones."""
    found: dict[str, typing.Any] = {name: measured.value for name, measured in score(*drawn).items()}
    matrix, (low, high) = np.asarray(found["confusion"]), found["accuracy_interval"]
    assert matrix.sum() == found["test_images"] == len(drawn[0])
    assert np.trace(matrix) == found["test_images"] - found["errors"]
    assert 0 <= low <= found["accuracy"] <= high <= 1


def test_a_class_that_is_never_predicted_scores_zero() -> None:
    """Class 2 is never predicted: precision, recall and F1 are 0 and count in the macro mean."""
    found = score(np.array([0, 1, 2]), np.array([0, 1, 1]))
    assert found["precision_per_class"].value == [1.0, 0.5, 0.0]
    assert found["recall_per_class"].value == [1.0, 1.0, 0.0]
    assert found["f1_macro"].value == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_classes_that_do_not_occur_are_no_part_of_the_macro_mean() -> None:
    """A pair of classes called 0 and 6 is scored as two classes, not seven."""
    assert score(np.array([0, 6]), np.array([0, 6]))["f1_macro"].value == 1.0


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(9867, 10_000, 0.9843, 0.9888), (265, 300, 0.842, 0.915), (0, 10, 0.0, 0.2775)],
)
def test_wilson_interval_is_the_known_one(right: int, n: int, low: float, high: float) -> None:
    """98.67% of 10,000, 265 of 300 and none of 10 have the intervals of printed tables."""
    digits = 5e-4 if n == 300 else 5e-5
    assert scores.wilson(right, n) == pytest.approx((low, high), abs=digits)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]))
def test_wilson_interval_is_that_of_scipy(n: int, share: float, level: float) -> None:
    """The interval without `scipy.stats` is the one with it, both ends exact where all or none are right."""
    from scipy.stats import binomtest

    for right in (0, round(share * n), n):
        expected = binomtest(right, n).proportion_ci(confidence_level=level, method="wilson")
        assert scores.wilson(right, n, level) == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize(("right", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_more_right_than_images_have_no_interval(right: int, n: int) -> None:
    """A count outside of what there is is refused."""
    with pytest.raises(ValueError, match=f"{right} of {n} is no share"):
        scores.wilson(right, n)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_loss_is_that_of_scikit_learn(n: int, classes: int, seed: int) -> None:
    """Cross-entropy of random distributions agrees with scikit-learn's log_loss."""
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(seed)
    distributions = rng.dirichlet(np.ones(classes), size=n)
    labels = rng.integers(0, classes, size=n)
    expected = log_loss(labels, distributions, labels=np.arange(classes))
    assert scores.log_loss(labels, distributions) == pytest.approx(expected)
    found = score(labels, distributions.argmax(axis=1), distributions)
    assert found["loss"].value == pytest.approx(expected)
    assert found["loss"].better == "lower"


def test_a_certain_mistake_has_a_finite_loss() -> None:
    """Probability 0 of the true class is clipped to the smallest normal number of its dtype."""
    sure = np.array([[1.0, 0.0]], np.float32)
    assert scores.log_loss(np.array([1]), sure) == pytest.approx(-np.log(np.finfo(np.float32).tiny))


def test_every_score_is_json() -> None:
    """Scores are plain numbers and lists: they survive the trip through a result file unchanged."""
    import msgspec

    found = {name: measured.value for name, measured in score(np.array([0, 1]), np.array([1, 1])).items()}
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


@pytest.mark.parametrize(
    ("labels", "predicted", "probabilities", "told"),
    [
        ([0, 1], [0], None, "do not pair up"),
        ([], [], None, "do not pair up"),
        ([[[0]]], [[[0]]], None, "do not pair up"),
        ([-1], [0], None, "must not be negative"),
        ([2], [0], [[0.5, 0.5]], "do not cover every label"),
        ([0], [0], [[0.5, 0.5], [0.5, 0.5]], "do not cover every label"),
        ([0], [0], [float("nan")], "do not cover every label"),
        ([0], [0], [[float("nan"), 0.5]], "must be finite"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    labels: list[int], predicted: list[int], probabilities: list[float] | None, told: str
) -> None:
    """Arrays that do not belong together are one clear error."""
    given_probabilities = None if probabilities is None else np.asarray(probabilities, np.float32)
    with pytest.raises(ValueError, match=told):
        score(np.asarray(labels, int), np.asarray(predicted, int), given_probabilities)


def test_sets_of_a_run_get_plain_and_prefixed_names() -> None:
    """The set ``test`` gives plain names and everything; any other a few scores under its own name."""
    stored = {
        f"{name}/{part}": np.array([0, 1, 1]) for name in ("test", "grid") for part in ("labels", "predicted")
    }
    stored["grid/predicted"] = np.array([0, 0, 1])
    found = scores.of_run(stored, ("test", "grid"))
    assert found["accuracy"].value == 1.0
    assert found["grid.accuracy"].value == pytest.approx(2 / 3)
    assert {name for name in found if name.startswith("grid.")} == {
        "grid.accuracy",
        "grid.errors",
        "grid.f1_macro",
    }
    with pytest.raises(KeyError):
        scores.of_run(stored, ("missing",))


# -- real values, several labels, scores that a scenario declares ------------------------------------------------------

RNG = np.random.default_rng(1)
REAL = RNG.normal(5, 2, 40)
OFF = REAL + RNG.normal(0, 0.5, 40)
CLASSES = np.repeat([0, 1, 2], 10).astype(np.uint8)
SEVERAL = (RNG.random((30, 3)) < 0.4).astype(np.uint8)


def scenario(*metrics: Metric, **rest: typing.Any) -> Scenario:
    """Declare a scenario with scores."""
    return Scenario(
        name="mine", version=1, source=Source(slug="mine", title="Mine"), measure=print, variants=(Variant(name="default"),),
        tiers={"smoke": {}}, metrics=metrics, **rest,
    )  # fmt: skip


def declared(labels: Array, predicted: Array, *metrics: Metric, **rest: typing.Any) -> dict[str, typing.Any]:
    """Compute declared scores of the set test; further arrays, by keyword, are its probabilities."""
    arrays = {"test/labels": labels, "test/predicted": predicted} | {
        f"test/{part}": array for part, array in rest.items()
    }
    return {
        name: found.value for name, found in scores.declared(scenario(*metrics), arrays, ("test",)).items()
    }


def test_real_values_have_errors_and_r2() -> None:
    """Mean absolute error, the root of the mean squared one and R² are scikit-learn's; there is no accuracy."""
    from sklearn import metrics

    found = {name: measured.value for name, measured in score(REAL, OFF).items()}
    assert found == {
        "mean_absolute_error": pytest.approx(metrics.mean_absolute_error(REAL, OFF)),
        "root_mean_squared_error": pytest.approx(np.sqrt(((REAL - OFF) ** 2).mean())),
        "r2": pytest.approx(metrics.r2_score(REAL, OFF)),
        "test_images": 40.0,
    }
    assert score(REAL, OFF)["mean_absolute_error"].better == "lower"
    assert score(REAL, OFF)["r2"].better == "higher"


def test_several_labels_a_row_are_right_together() -> None:
    """Accuracy is the share of rows with every label right; F1 and the share of wrong labels are scikit-learn's."""
    from sklearn import metrics

    predicted = np.where(RNG.random(SEVERAL.shape) < 0.1, 1 - SEVERAL, SEVERAL).astype(np.uint8)
    found: dict[str, typing.Any] = {name: one.value for name, one in score(SEVERAL, predicted).items()}
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(SEVERAL, predicted))
    assert found["hamming_loss"] == pytest.approx(metrics.hamming_loss(SEVERAL, predicted))
    assert found["f1_macro"] == pytest.approx(
        metrics.f1_score(SEVERAL, predicted, average="macro", zero_division=0)
    )
    assert found["f1_per_class"] == pytest.approx(
        metrics.f1_score(SEVERAL, predicted, average=None, zero_division=0).tolist()
    )
    assert (found["correct"], found["errors"]) == (
        pytest.approx(30 * found["accuracy"]),
        30 - found["correct"],
    )


def test_counts_are_of_what_the_scenario_calls_its_rows() -> None:
    """The unit of counts of rows is the scenario's noun."""
    found = scores.of_run({"test/labels": CLASSES, "test/predicted": CLASSES}, ("test",), "rows")
    assert {found[name].unit for name in ("test_images", "correct", "errors")} == {"rows"}


def test_every_scorer_of_scikit_learn_has_the_direction_and_kind_that_its_name_says() -> None:
    """``neg_`` scorers are errors, better lower without it; scores of real values are those that take real values."""
    from sklearn.metrics import get_scorer_names

    values = np.array([0.5, 1.5, 2.5])
    for name in get_scorer_names():
        assert Metric("x", score=name).better == "higher", name
        if name.startswith("neg_"):
            assert Metric("x", score=name.removeprefix("neg_")).better == "lower", name
        clustering = name.endswith(
            ("rand_score", "info_score", "ness_score", "measure_score", "mallows_score")
        )
        if not clustering and of_values(name):
            assert np.isfinite(declared(values, values + 0.25, Metric("x", score=name))["x"]), name
        elif not clustering:
            with pytest.raises(ValueError, match="is of classes or labels, and set 'test' holds real values"):
                declared(values, values, Metric("x", score=name))


def test_scores_of_scikit_learn_come_by_name() -> None:
    """Of classes, with and without probabilities, of two classes and three; of labels; of real values, an error as a positive number."""
    from sklearn import metrics

    predicted, binary = np.roll(CLASSES, 2), (CLASSES > 0).astype(np.uint8)
    three = RNG.dirichlet([1, 1, 1], 30).astype(np.float32)
    two = np.column_stack([three[:, 0], 1 - three[:, 0]])
    names = {
        name: Metric(name, score=name)
        for name in ("balanced_accuracy", "roc_auc", "roc_auc_ovr", "f1", "f1_samples", "average_precision")
    }
    assert declared(CLASSES, predicted, names["balanced_accuracy"]) == {
        "balanced_accuracy": pytest.approx(metrics.balanced_accuracy_score(CLASSES, predicted))
    }
    assert declared(CLASSES, predicted, names["roc_auc_ovr"], probabilities=three) == {
        "roc_auc_ovr": pytest.approx(
            metrics.roc_auc_score(CLASSES, three / three.sum(axis=1, keepdims=True), multi_class="ovr"),
            abs=1e-6,
        )
    }
    assert declared(binary, np.roll(binary, 2), names["roc_auc"], names["f1"], probabilities=two) == {
        "roc_auc": pytest.approx(metrics.roc_auc_score(binary, two[:, 1])),
        "f1": pytest.approx(metrics.f1_score(binary, np.roll(binary, 2))),
    }
    likely = RNG.random(SEVERAL.shape).astype(np.float32)
    assert declared(
        SEVERAL,
        np.roll(SEVERAL, 1, axis=0),
        names["roc_auc"],
        names["average_precision"],
        probabilities=likely,
    ) == {
        "roc_auc": pytest.approx(metrics.roc_auc_score(SEVERAL, likely)),
        "average_precision": pytest.approx(metrics.average_precision_score(SEVERAL, likely)),
    }
    assert declared(REAL, OFF, Metric("worst", score="max_error", unit="mm")) == {
        "worst": pytest.approx(np.abs(REAL - OFF).max())
    }


def test_a_function_of_the_scenario_scores_too() -> None:
    """It gets labels and predictions, and probabilities if it names them; it cannot change what is stored."""

    def cost(labels: Array, predicted: Array) -> float:
        labels[:] = 0
        return float((labels != predicted).sum() * 2)

    def sure(labels: Array, predicted: Array, probabilities: Array) -> float:
        del labels, predicted
        return float(probabilities.max())

    stored = CLASSES.copy()
    found = declared(
        stored, stored, Metric("cost", unit="EUR", better="lower", score=cost), Metric("sure", score=sure),
        probabilities=np.full((30, 3), 1 / 3),
    )  # fmt: skip
    assert found == {"cost": 40.0, "sure": pytest.approx(1 / 3)}
    assert (stored == CLASSES).all()


def fails(labels: Array, predicted: Array) -> float:
    """Fail."""
    raise KeyError("weights")


@pytest.mark.parametrize(
    ("metric", "labels", "told"),
    [
        (Metric("r2", score="r2"), CLASSES, "score 'r2' is of real values, and set 'test' holds classes"),
        (
            Metric("mine", score="f1_macro"),
            REAL,
            "score 'mine' is of classes or labels, and set 'test' holds real values",
        ),
        (Metric("roc_auc_ovr", score="roc_auc_ovr"), CLASSES, "failed: .*: the set has no probabilities"),
        (Metric("f1", score="f1"), CLASSES, "score 'f1' of set 'test' .classes. failed: .*multiclass"),
        (
            Metric("mine", score=fails),
            CLASSES,
            "score 'mine' of set 'test' .classes. failed: KeyError.'weights'.",
        ),
        (
            Metric("mine", score=lambda *_: float("nan")),
            CLASSES,
            "score 'mine' of set 'test' is nan",
        ),
        (
            Metric("mine", score=lambda *_: typing.cast("float", "good")),
            CLASSES,
            "score 'mine' of set 'test' .* failed: ValueError",
        ),
        (
            Metric("late.mine", score="accuracy"),
            CLASSES,
            "is of prediction set 'late', which the run did not store",
        ),
    ],
)
def test_a_score_that_does_not_fit_is_one_clear_error(metric: Metric, labels: Array, told: str) -> None:
    """Another kind of prediction, missing probabilities, a function that fails or gives no number, a set that is not there."""
    with pytest.raises(ValueError, match=told):
        declared(labels, labels, metric)


def test_an_unknown_score_is_refused_with_the_nearest_name() -> None:
    """Before any run; a name is known with and without scikit-learn's ``neg_``."""
    scores.refuse_unknown(scenario(scores=("mean_squared_error", "neg_max_error", "balanced_accuracy")))
    with pytest.raises(
        UnknownNameError,
        match=r"unknown score of scikit-learn 'balanced_acuracy'. Did you mean 'balanced_accuracy'",
    ):
        scores.refuse_unknown(scenario(scores=("balanced_acuracy",)))


def test_a_gated_score_that_a_set_does_not_give_is_refused() -> None:
    """Accuracy of real values; the message lists what there is."""
    scored = score(REAL, OFF)
    scores.refuse_misfits(("r2", "total.seconds"), scored, ("test",))
    with pytest.raises(
        ValueError, match=r"set 'test' gives no gated 'accuracy'\. Gate one of: mean_absolute_error, root"
    ):
        scores.refuse_misfits(("accuracy",), scored, ("test",))


def test_scores_are_short_for_metrics() -> None:
    """A name becomes a metric with scikit-learn's direction; what the harness scores anyway does not, and nothing is declared twice."""
    made = scenario(scores=("max_error", "r2", "max_error"))
    again = dataclasses.replace(made, gated=("max_error",))
    assert again.metrics == (Metric("max_error", better="lower", score="max_error"),)
