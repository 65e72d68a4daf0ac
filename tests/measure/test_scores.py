"""Scores against scikit-learn, and intervals against printed values."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure import scores

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
        ([[0]], [[0]], None, "do not pair up"),
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
