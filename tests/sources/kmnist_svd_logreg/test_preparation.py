"""Preparation and folds: pairs, normalisation, splits, orders and windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.sources.kmnist_svd_logreg import pipeline

Matrix = np.ndarray[Any, Any]


def test_a_pair_keeps_order_and_binary_targets() -> None:
    """Images of both classes stay in order; the first class is 0 and the second 1, even if smaller."""
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1) * np.ones((1, 2, 2), dtype=np.uint8)
    pair = pipeline.select_pair(images, np.array([6, 1, 0, 6, 2, 0]), 6, 0)
    assert pair.images[:, 0, 0].tolist() == [0, 2, 3, 5]
    assert pair.targets.tolist() == [0, 1, 0, 1]
    assert pair.images.dtype == pair.targets.dtype == np.uint8


@pytest.mark.parametrize(
    ("labels", "first", "second", "message"),
    [
        ([0, 6], 0, 6, "3 images but 2 labels"),
        ([0, 6, 6], 6, 6, "two different classes"),
        ([0, 6, 6], 0, 2, "No image has label 2"),
    ],
)
def test_an_impossible_pair_is_refused(labels: list[int], first: int, second: int, message: str) -> None:
    """Lengths, equal classes and absent classes each have their message."""
    with pytest.raises(ValueError, match=message):
        pipeline.select_pair(np.zeros((3, 2, 2)), np.array(labels), first, second)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_z_score_and_min_max_are_the_formulas(dtype: str) -> None:
    """Columns follow section 2.2, the bias is first, and the dtype is the one asked for."""
    images = np.random.default_rng(1).integers(0, 256, (50, 4, 5), dtype=np.uint8)
    flat = images.reshape(50, -1).astype(float)
    wanted = {
        "z-score": (flat - flat.mean(0)) / flat.std(0),
        "min-max": (flat - flat.min(0)) / (flat.max(0) - flat.min(0)),
    }
    for name, columns in wanted.items():
        design = pipeline.design_matrix(images, normalisation=name, dtype=dtype)
        assert design.dtype == dtype
        assert (design[:, 0] == 1).all()
        np.testing.assert_allclose(design[:, 1:], columns, atol=float(40 * np.finfo(dtype).eps))


@pytest.mark.parametrize("normalisation", ["z-score", "min-max"])
def test_a_blank_column_stays_blank_after_compression(normalisation: str) -> None:
    """The rounding noise that an SVD leaves in a constant column is not blown up to a feature."""
    images = np.random.default_rng(2).integers(0, 256, (200, 28, 28), dtype=np.uint8)
    images[:, :, 4] = 0
    images[:, 9, :] = 0
    pictures = pipeline.compress(images, 20).reconstruct()
    assert pictures[:, :, 4].any() or pictures[:, 9, :].any(), (
        "no rounding noise: this test would prove nothing"
    )
    design = pipeline.design_matrix(pictures, normalisation=normalisation)
    columns = design[:, 1:].reshape(200, 28, 28)
    assert np.abs(columns[:, :, 4]).max() < 1e-2
    assert np.abs(columns[:, 9, :]).max() < 1e-2
    assert (np.ptp(design[:, 1:], axis=0) < 1e-2).sum() == 55


def test_a_rare_grey_pixel_is_no_constant() -> None:
    """One image of a thousand with one grey level makes a column that varies."""
    images = np.zeros((1000, 1, 2), dtype=np.float32)
    images[3, 0, 0] = 1
    images[:500, 0, 1] = 255
    design = pipeline.design_matrix(images, normalisation="z-score")
    np.testing.assert_allclose(design[:, 1:].std(axis=0), 1, rtol=1e-4)


def test_each_set_has_statistics_of_its_own() -> None:
    """Images that are all brighter by the same are normalised to the same, as in the authors' code."""
    images = np.random.default_rng(3).integers(0, 100, (40, 3, 3), dtype=np.uint8)
    ours, shifted = (
        pipeline.design_matrix(part, normalisation="min-max") for part in (images, images + np.uint8(50))
    )
    np.testing.assert_array_equal(ours, shifted)


def test_an_unknown_normalisation_is_refused() -> None:
    """The message lists both."""
    with pytest.raises(ValueError, match="choose 'z-score' or 'min-max'"):
        pipeline.design_matrix(np.zeros((2, 3, 3)), normalisation="robust")


@given(st.integers(2, 60), st.data())
def test_every_image_is_in_one_part_or_in_the_rest(n: int, data: st.DataObject) -> None:
    """Parts are equal, disjoint, and complete together with fewer than `folds` left over."""
    folds = data.draw(st.integers(2, n))
    split = pipeline.split_folds(n, folds, seed=data.draw(st.integers(0, 5)))
    assert sorted(split.rows.tolist()) == list(range(n))
    assert split.parts.shape == (folds, n // folds)
    assert split.rest.size == n % folds
    assert split.training_size == n - n // folds


@given(st.integers(4, 90), st.integers(2, 4), st.integers(1, 40), st.integers(0, 3))
def test_windows_are_the_mini_batches_of_every_fold(n: int, folds: int, batch: int, epoch: int) -> None:
    """Read fold by fold, windows give exactly the plain loop's mini-batches, no validation image."""
    split = pipeline.split_folds(n, folds, seed=1)
    schedule = pipeline.Schedule(split, batch, seed=2)
    windows = schedule.windows(epoch)
    for fold in range(folds):
        rows = schedule.training_rows(epoch, fold)
        assert sorted(rows) == sorted(set(range(n)) - set(split.parts[fold].tolist()))
        for step in range(schedule.steps):
            inside = windows.positions[step][windows.member[step, :, fold]]
            expected = rows[step * batch : (step + 1) * batch]
            assert split.rows[inside].tolist() == expected.tolist()
            assert windows.sizes[step] == len(expected)


def test_orders_depend_on_seed_and_epoch_alone() -> None:
    """Equal seeds walk equally, whatever was asked before; epochs and seeds differ."""
    split = pipeline.split_folds(100, 10, seed=0)
    first, second, other = (pipeline.Schedule(split, 8, seed) for seed in (5, 5, 6))
    second.order(0)
    assert first.order(3).tolist() == second.order(3).tolist()
    assert first.order(3).tolist() != first.order(4).tolist()
    assert first.order(3).tolist() != other.order(3).tolist()


def test_interleaving_keeps_the_windows_short_and_places_uniform() -> None:
    """Windows exceed the batch by a few rows only, and an image's place is uniform over the epoch."""
    schedule = pipeline.Schedule(pipeline.split_folds(500, 10, seed=0), 32, seed=0)
    assert schedule.windows(0).positions.shape[1] <= 40
    places = np.array([np.argsort(schedule.order(epoch))[[0, 123, 499]] for epoch in range(400)])
    # mean of 400 uniform draws on 0..499: standard error 7.2
    np.testing.assert_allclose(places.mean(axis=0), 249.5, atol=30)


@pytest.mark.parametrize("folds", [1, 10])
def test_an_impossible_split_or_schedule_is_refused(folds: int) -> None:
    """One fold, or more folds than images, names the range; an empty mini-batch is an error at once."""
    with pytest.raises(ValueError, match="choose 2 to 9"):
        pipeline.split_folds(9, folds, seed=0)
    with pytest.raises(ValueError, match="at least one image"):
        pipeline.Schedule(pipeline.split_folds(20, 2, seed=0), 0, seed=0)
