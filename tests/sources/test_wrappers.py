"""One call makes a whole scenario: what it stores, what each seed changes, and what it refuses."""

from __future__ import annotations

import typing

import numpy as np
import pytest

import harness
from harness.errors import ScenarioError
from harness.measure.accelerators import NoAccelerator
from harness.measure.predicted import sort
from harness.measure.run import Run
from harness.records import Metric, RunRequest, Scenario
from harness.sources import catalogue

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], 20)
ROWS = (LABELS[:, None] + RNG.normal(0, 0.1, (60, 4))).astype(np.float32)
"""Three classes that any classifier tells apart."""


def measured(scenario: Scenario, seed: int = 0) -> Run:
    """Check a declaration and run its stages in this process."""
    catalogue.check(scenario, "a test")
    request = RunRequest(
        scenario=scenario.name, variant="default", tier="smoke", seed=seed, backend=scenario.backends[0]
    )
    run = Run(request, {}, lambda name: name, NoAccelerator(), declared=scenario.metrics)
    scenario.measure(run)
    return run


def stored(run: Run) -> dict[str, NDArray[typing.Any]]:
    """Return what was stored of the test set."""
    return run.prediction_sets["test"]


def tree() -> typing.Any:
    """Return a classifier that draws random numbers."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier()


def test_an_estimator_becomes_a_scenario() -> None:
    """Two stages, the share of each class held out, probabilities for the loss, and predictions that are right."""
    run = measured(harness.sklearn_scenario("mine", tree(), (ROWS, LABELS), test_size=0.25))
    assert [(stage.name, stage.images) for stage in run.stages] == [("train", 45), ("predict", 15)]
    assert np.bincount(stored(run)["labels"]).tolist() == [5, 5, 5]
    assert (stored(run)["predicted"] == stored(run)["labels"]).all()
    assert stored(run)["probabilities"].shape == (15, 3)


def test_the_seed_decides_split_and_draws() -> None:
    """A seed repeats itself; another seed holds out other rows, and sets only a random state that is None."""
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    states: list[int | None] = []

    class Noting(DecisionTreeClassifier):  # type: ignore[misc]
        def fit(self, rows: typing.Any, labels: typing.Any) -> typing.Any:
            states.append(self.random_state)
            self.rows = np.asarray(rows)
            seen.append(self.rows)
            return super().fit(rows, labels)

    seen: list[NDArray[typing.Any]] = []
    free = harness.sklearn_scenario("mine", make_pipeline(Noting()), (ROWS, LABELS))
    for seed in (3, 3, 4):
        measured(free, seed)
    measured(harness.sklearn_scenario("mine", Noting(random_state=7), (ROWS, LABELS)), 3)
    assert states == [3, 3, 4, 7]
    assert (seen[0] == seen[1]).all()
    assert (seen[0] != seen[2]).any()


def test_the_user_s_estimator_stays_untouched() -> None:
    """Each run trains a clone: nothing of one run is there in the next."""
    estimator = tree()
    measured(harness.sklearn_scenario("mine", estimator, (ROWS, LABELS)))
    assert not hasattr(estimator, "classes_")
    assert estimator.random_state is None


def test_texts_frames_and_functions_are_data() -> None:
    """Classes may be texts, rows a data frame that stays one, and both come from a function that is called within the run."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    frame = pd.DataFrame(ROWS, columns=["a", "b", "c", "d"])
    model = make_pipeline(make_column_transformer(("passthrough", ["b", "d"])), tree())
    names = np.array(["ant", "bee", "cow"])[LABELS]
    run = measured(harness.sklearn_scenario("mine", model, lambda: (frame, names)))
    assert np.bincount(stored(run)["labels"]).tolist() == [5, 5, 5]
    assert (stored(run)["predicted"] == stored(run)["labels"]).all()


def test_a_transformer_or_class_is_refused() -> None:
    """What cannot predict, and a class in place of an instance, are refused when they are declared."""
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    with pytest.raises(ScenarioError, match="StandardScaler, which has no predict: it is a transformer"):
        harness.sklearn_scenario("mine", StandardScaler(), (ROWS, LABELS))
    with pytest.raises(ScenarioError, match=r"Give an instance: DecisionTreeClassifier\(\)"):
        harness.sklearn_scenario("mine", DecisionTreeClassifier, (ROWS, LABELS))


@pytest.mark.parametrize(
    ("rows", "labels", "says"),
    [
        (ROWS[:50], LABELS, "X has 50 rows and y has 60"),
        (ROWS, ROWS, "one class a row"),
        (ROWS, LABELS + 0.5, "real values, not classes"),
        (ROWS[:1], np.ones((1, 2), int), "there are 1 rows"),
        (ROWS[:21], LABELS[:21], "class 1 has one row"),
    ],
)
def test_data_that_cannot_be_split_are_refused(rows: typing.Any, labels: typing.Any, says: str) -> None:
    """Lengths that differ, and labels that are no classes, are one clear error."""
    with pytest.raises(ValueError, match=says):
        measured(harness.sklearn_scenario("mine", tree(), (rows, labels)))


def test_a_regressor_becomes_a_scenario() -> None:
    """Integers are real values to it; also at the end of a pipeline. The mean absolute error is gated unless scores are named."""
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    scenario = harness.sklearn_scenario("mine", make_pipeline(LinearRegression()), (ROWS, LABELS))
    assert scenario.gated == ("mean_absolute_error", "total.above_imports_bytes")
    assert scenario.noun == "rows"
    found = stored(measured(scenario))
    assert found["labels"].shape == found["predicted"].shape == (15,)
    assert np.abs(found["labels"] - found["predicted"]).max() < 0.5
    both = harness.sklearn_scenario("mine", LinearRegression(), (ROWS, np.column_stack([LABELS, ROWS[:, 0]])))
    assert stored(measured(both))["predicted"].shape == (15, 2)


def test_named_scores_are_gated() -> None:
    """Names and metrics alike; what is gated may still be said apart."""
    cost = Metric("cost", unit="EUR", better="lower", score=lambda *_: 1.0)
    scenario = harness.sklearn_scenario("mine", tree(), (ROWS, LABELS), scores=("balanced_accuracy", cost))
    assert scenario.gated == ("balanced_accuracy", "cost", "total.above_imports_bytes")
    assert {metric.name for metric in scenario.metrics} == {"balanced_accuracy", "cost"}
    only = harness.sklearn_scenario("mine", tree(), (ROWS, LABELS), scores=("r2",), gated=("accuracy",))
    assert only.gated == ("accuracy",)


@pytest.mark.parametrize("kind", ["one array", "an array a label"])
def test_a_classifier_may_predict_several_labels_a_row(kind: str) -> None:
    """With the probability of each label, whichever way the estimator returns them."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    model = OneVsRestClassifier(LogisticRegression()) if kind == "one array" else RandomForestClassifier(5)
    labels = np.column_stack([LABELS > 0, LABELS > 1, LABELS > 2]).astype(int)  # no row has the last one
    if kind == "one array":
        labels = labels[:, :2]
    found = stored(measured(harness.sklearn_scenario("mine", model, (ROWS, labels))))
    assert found["labels"].shape == found["probabilities"].shape == (15, labels.shape[1])
    assert (found["predicted"] == found["labels"]).mean() > 0.9
    assert ((found["probabilities"] >= 0.5) == found["predicted"]).mean() > 0.9


def test_a_function_may_return_real_values_or_several_labels() -> None:
    """Real labels decide; whole floating numbers are classes, as long as the predictions are whole too."""

    def giving(pair: typing.Any) -> Scenario:
        return harness.predictions_scenario("mine", lambda _: pair, gated=())

    pairs = {
        "real values": ([0.5, 1.0], [0.4, 1.1]), "classes": ([0.0, 1.0], [1.0, 1.0]), "several labels": ([[0, 1]], [[1, 1]]),
    }  # fmt: skip
    for held, pair in pairs.items():
        assert sort(stored(measured(giving(pair)))) == held
    assert sort(stored(measured(giving(([150.0, 75.0], [149.5, 75.5]))))) == "real values"


def test_a_function_becomes_a_scenario() -> None:
    """Labels and predictions of any kind are stored by the classes of the labels; the function gets the seed."""
    seeds: list[int] = []

    def predict(seed: int) -> tuple[list[str], list[str]]:
        seeds.append(seed)
        return ["no", "yes", "no"], ["no", "no", "no"]

    run = measured(harness.predictions_scenario("mine", predict, deterministic=True), 5)
    assert seeds == [5]
    assert stored(run)["labels"].tolist() == [0, 1, 0]
    assert stored(run)["predicted"].tolist() == [0, 0, 0]
    assert [(stage.name, stage.images) for stage in run.stages] == [("predict", 3)]


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (([0, 1], [0, 1, 1]), "must pair up"),
        (([0, 1], [0, 2.5]), "must be classes of the labels, and .*2.5"),
        (([0, 1], [0, 1], [[1.0, 0.0], [np.nan, 1.0]]), "NaN or infinity"),
        (([0, 1], [0, 1], [[1.0, 0.0]]), "probabilities of set 'test'"),
        (([0, 1],), "returned 1 arrays"),
    ],
)
def test_what_a_function_may_not_return(returned: typing.Any, says: str) -> None:
    """Other lengths, values that are no classes, and NaN probabilities are refused."""
    with pytest.raises(ValueError, match=says):
        measured(harness.predictions_scenario("mine", lambda _: returned))


@pytest.mark.torch
def test_a_module_becomes_a_scenario() -> None:
    """A module is made and trained anew for each seed; its weights are known, and seeds repeat themselves."""
    import torch

    def train(module: typing.Any, rows: typing.Any, labels: typing.Any) -> None:
        optimiser = torch.optim.Adam(module.parameters(), 0.1)
        for _ in range(40):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(rows), labels).backward()
            optimiser.step()

    scenario = harness.torch_scenario("mine", lambda: torch.nn.Linear(4, 3), train, (ROWS, LABELS))
    first, again, other = measured(scenario), measured(scenario), measured(scenario, 1)
    assert (stored(first)["predicted"] == stored(first)["labels"]).mean() > 0.9
    assert first.weights == again.weights != other.weights
    with pytest.raises(ScenarioError, match="a module that exists already"):
        harness.torch_scenario("mine", torch.nn.Linear(4, 3), train, (ROWS, LABELS))
    flat = harness.torch_scenario("mine", lambda: torch.nn.Linear(4, 1), lambda *_: None, (ROWS, LABELS))
    with pytest.raises(ValueError, match=r"outputs have shape \(15, 1\), not \(15, 3\)"):
        measured(flat)

    def spoil(module: typing.Any, *_: object) -> None:
        module.weight.data.fill_(float("nan"))

    with pytest.raises(ValueError, match="the training diverged"):
        measured(harness.torch_scenario("mine", lambda: torch.nn.Linear(4, 3), spoil, (ROWS, LABELS)))


@pytest.mark.keras
@pytest.mark.slow
def test_a_keras_model_becomes_a_scenario() -> None:
    """A compiled model is made and fitted anew for each seed with the arguments that were given, and seeds repeat themselves."""
    import keras

    def make() -> keras.Model:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
        model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
        return model

    scenario = harness.keras_scenario("mine", make, (ROWS, LABELS), epochs=15, batch_size=9)
    first, again, other = measured(scenario), measured(scenario), measured(scenario, 1)
    assert (stored(first)["predicted"] == stored(first)["labels"]).mean() > 0.9
    assert first.weights == again.weights != other.weights
    with pytest.raises(ScenarioError, match="a model that exists already"):
        harness.keras_scenario("mine", make(), (ROWS, LABELS))
