"""Training: stacked products against the plain loop, stopping, choice of weights, predictions, grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sources.kmnist_svd_logreg import pipeline

Matrix = np.ndarray[Any, Any]

RATES = (0.5, 0.1, 0.01)
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def digits(first: int = 3, second: int = 8) -> pipeline.Pair:
    """Give two classes of scikit-learn's real 8x8 digits, about 360 images."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return pipeline.select_pair(data.images.astype(np.uint8), data.target, first, second)


def assert_equal_trainings(stacked: pipeline.Training, plain: pipeline.Training, tolerance: float) -> None:
    """Compare weights, all curves, first losses and the epochs of two trainings."""
    assert stacked.epochs_run.tolist() == plain.epochs_run.tolist()
    for name in ("weights", "training_loss", "validation_loss", "validation_accuracy", "first_losses"):
        np.testing.assert_allclose(
            getattr(stacked, name), getattr(plain, name), rtol=0, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stopping", ["rise", "fixed"])
@pytest.mark.parametrize("batch", [32, 7])
def test_stacked_products_equal_the_plain_loop(dtype: str, stopping: str, batch: int) -> None:
    """Thirty models at once are the thirty models one by one, to rounding."""
    pair = digits()
    design = pipeline.design_matrix(pair.images, normalisation="z-score", dtype=dtype)
    schedule = pipeline.Schedule(pipeline.split_folds(len(pair.targets), 10, seed=3), batch, 4)
    stacked, plain = (
        trainer(design, pair.targets, schedule, RATES, epochs=12, stopping=stopping)
        for trainer in (pipeline.train, pipeline.train_plain)
    )
    assert stacked.weights.dtype == dtype
    if stopping == "rise":
        assert len(set(stacked.epochs_run.ravel().tolist())) > 1, (
            "nothing stopped early: compaction is not tested"
        )
    assert_equal_trainings(stacked, plain, TOLERANCE[dtype])


@settings(max_examples=25, deadline=None)
@given(
    st.integers(6, 60), st.integers(2, 5), st.integers(1, 20), st.sampled_from(["rise", "fixed"]), st.data()
)
def test_any_sizes_equal_the_plain_loop(
    n: int, folds: int, batch: int, stopping: str, data: st.DataObject
) -> None:
    """Uneven splits, single images, batches larger than a fold: still the plain loop."""
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    design = np.concatenate([np.ones((n, 1)), rng.normal(size=(n, 4))], axis=1)
    targets = rng.integers(0, 2, n)
    schedule = pipeline.Schedule(pipeline.split_folds(n, folds, seed=1), batch, seed=2)
    stacked, plain = (
        trainer(design, targets, schedule, (1.0, 0.2), epochs=4, stopping=stopping)
        for trainer in (pipeline.train, pipeline.train_plain)
    )
    assert_equal_trainings(stacked, plain, 1e-10)


def test_one_full_batch_step_is_the_gradient_formula() -> None:
    """From zero weights one step on all training images is rate * X^T (t - 1/2) / n (equation 6)."""
    rng = np.random.default_rng(0)
    design, targets = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    split = pipeline.split_folds(20, 4, seed=0)
    outcome = pipeline.train(design, targets, pipeline.Schedule(split, 100, 0), [0.3], epochs=1)
    for fold in range(4):
        learn = np.setdiff1d(np.arange(20), split.parts[fold])
        expected = 0.3 * design[learn].T @ (targets[learn] - 0.5) / 15
        np.testing.assert_allclose(outcome.weights[0, fold], expected, atol=1e-15)
    # the training loss is that before the step: log 2 at zero weights
    np.testing.assert_allclose(outcome.training_loss, np.log(2), atol=1e-15)


def test_a_rise_stops_a_fold_and_throws_its_epoch_away() -> None:
    """With 'rise' recorded losses fall, one more epoch is run, and weights are those before the rise."""
    pair = digits()
    design = pipeline.design_matrix(pair.images, normalisation="z-score", dtype="float64")
    schedule = pipeline.Schedule(pipeline.split_folds(len(pair.targets), 10, seed=3), 32, 4)
    early = pipeline.train(design, pair.targets, schedule, [0.5], epochs=12)
    fixed = pipeline.train(design, pair.targets, schedule, [0.5], epochs=12, stopping="fixed")
    recorded = np.sum(~np.isnan(early.validation_loss[0]), axis=1)
    stopped = np.nonzero(early.epochs_run[0] < 12)[0]
    assert stopped.size
    for fold in stopped:
        count = recorded[fold]
        assert early.epochs_run[0, fold] == count + 1
        losses = fixed.validation_loss[0, fold]
        np.testing.assert_allclose(early.validation_loss[0, fold, :count], losses[:count], atol=1e-12)
        assert (np.diff(losses[:count]) <= 0).all()
        assert losses[count] > losses[count - 1]
    held = design[schedule.split.parts[stopped[0]]]
    truth = pair.targets[schedule.split.parts[stopped[0]]]
    loss = pipeline.predict(held, truth, early.weights[0, stopped[0]]).losses.mean()
    assert loss == pytest.approx(early.validation_loss[0, stopped[0], recorded[stopped[0]] - 1], abs=1e-12)


def test_the_tested_fold_and_what_is_printed_of_it() -> None:
    """Of two folds, three epochs, the second recorded one only: the means over recorded epochs decide and are printed."""
    nan = np.nan
    loss = np.array([[[0.6, 0.4, 0.2], [0.3, nan, nan]]])
    accuracy = np.array([[[0.5, 0.7, 0.9], [0.8, nan, nan]]])
    weights, first = np.arange(4.0).reshape(1, 2, 2), np.full((1, 2, 7), 0.7)
    made = pipeline.Training((0.1,), weights, 2 * loss, loss, accuracy, np.array([[3, 2]]), 7, first)
    # 0.3 before 0.4, though the other fold ends lower
    assert made.best_fold() == 1
    assert made.best_weights().tolist() == [2.0, 3.0]
    assert made.printed_validation_accuracy() == pytest.approx(0.7)
    np.testing.assert_allclose(made.curves().validation, [0.45, 0.4, 0.2])
    np.testing.assert_allclose(made.curves().training, [0.9, 0.8, 0.4])


def test_extreme_logits_keep_the_loss_finite() -> None:
    """Logits of a thousand give a loss of a thousand or zero, without a warning."""
    design = np.array([[1000.0], [-1000.0], [0.0]])
    prediction = pipeline.predict(design, np.array([0, 0, 0]), np.array([1.0]))
    np.testing.assert_allclose(prediction.losses, [1000, 0, np.log(2)], atol=1e-12)
    assert prediction.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.zeros(19)}, "do not fit together"),
        ({"targets": np.full(20, 6)}, r"Targets must be 0 or 1, not \[6\]"),
        ({"learning_rates": ()}, "learning rates above zero"),
        ({"learning_rates": (0.1, 0.0)}, "learning rates above zero"),
        ({"epochs": 0}, "at least one epoch"),
        ({"stopping": "patience"}, "Unknown stopping 'patience'"),
    ],
)
def test_an_impossible_training_is_refused(change: dict[str, Any], message: str) -> None:
    """Each wrong argument gives one sentence that names it."""
    schedule = pipeline.Schedule(pipeline.split_folds(20, 2, seed=0), 4, seed=0)
    good = {
        "design": np.ones((20, 3)),
        "targets": np.arange(20) % 2,
        "schedule": schedule,
        "learning_rates": (0.1,),
    }
    with pytest.raises(ValueError, match=message):
        pipeline.train(**{**good, **change})


def test_shapes_that_do_not_fit_a_prediction_are_named() -> None:
    """Weights of another width are refused with all three shapes."""
    with pytest.raises(ValueError, match=r"weights \(4,\)"):
        pipeline.predict(np.ones((5, 3)), np.zeros(5), np.ones(4))


def split_digits() -> tuple[pipeline.Pair, pipeline.Pair]:
    """Give 250 of the two classes to train on, the others to test."""
    pair = digits()
    return pipeline.Pair(pair.images[:250], pair.targets[:250]), pipeline.Pair(
        pair.images[250:], pair.targets[250:]
    )


def test_the_grid_has_72_compressed_settings_beside_18() -> None:
    """Three rates, three batches, two normalisations, four ranks and uncompressed images; no cell twice."""
    assert len(set(pipeline.SETTINGS)) == len(pipeline.SETTINGS) == 90
    assert sum(cell.k is not None for cell in pipeline.SETTINGS) == 72


def test_a_grid_cell_is_what_the_stages_give_one_by_one() -> None:
    """Stacking settings changes no prediction."""
    training, test = split_digits()
    cells = [
        pipeline.Setting(rate, 32, normalisation, k)
        for k in (2, 4, None)
        for normalisation in ("z-score", "min-max")
        for rate in (0.1, 0.01)
    ]
    results = list(pipeline.grid(training, test, seed=9, cells=cells, folds=5, epochs=6))
    assert [result.setting for result in results] == cells
    schedule = pipeline.Schedule(pipeline.split_folds(250, 5, seed=9), 32, seed=9)
    for result in results:
        cell = result.setting
        images = [
            p.images if cell.k is None else pipeline.compress(p.images, cell.k).reconstruct()
            for p in (training, test)
        ]
        designs = [pipeline.design_matrix(part, normalisation=cell.normalisation) for part in images]
        outcome = pipeline.train(designs[0], training.targets, schedule, [cell.learning_rate], epochs=6)
        alone = pipeline.predict(designs[1], test.targets, outcome.best_weights())
        np.testing.assert_array_equal(result.prediction.labels, alone.labels)
        np.testing.assert_allclose(result.prediction.losses, alone.losses, atol=1e-4)
        assert result.epochs_run.tolist() == outcome.epochs_run[0].tolist()


def test_real_digits_are_learnt() -> None:
    """Threes and eights are told apart far better than by chance, compressed to rank 3 as well."""
    training, test = split_digits()
    cells = [pipeline.Setting(0.1, 32, "z-score", k) for k in (3, None)]
    for result in pipeline.grid(training, test, seed=0, cells=cells, epochs=20):
        assert np.mean(result.prediction.labels == test.targets) > 0.9
