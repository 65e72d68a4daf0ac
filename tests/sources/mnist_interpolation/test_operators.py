"""Pooling and interpolation as one operator, against SciPy's spline image by image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sources.mnist_interpolation.pipeline import plain
from harness.sources.mnist_interpolation.pipeline.operators import (
    CASES,
    CHUNK,
    Case,
    both_sides,
    interpolation,
    operator,
    pooled_side,
    pooling,
    resample,
    store,
)

pytestmark = pytest.mark.keras
SPLINES = [case for case in CASES if not case.is_baseline]


def digits(count: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return random pixels, harder than digits: every frequency is there."""
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28)).astype(np.uint8)


def test_cases_leave_the_sides_the_source_prints() -> None:
    """Section V prints 27, 14, 26 and 13 pixels a side, and 92, 25, 86 and under 22 percent."""
    assert [case.side() for case in CASES] == [28, 27, 14, 26, 13]
    percent = [100 * case.side() ** 2 / 784 for case in SPLINES]
    assert percent == pytest.approx([92.98, 25.0, 86.22, 21.56], abs=0.01)


@pytest.mark.parametrize("case", SPLINES, ids=lambda case: case.name)
def test_operator_equals_scipy_spline(case: Case) -> None:
    """M X M^T agrees with RectBivariateSpline to 1e-10 in float64 and 1e-4 in float32."""
    images = digits(20)
    expected = plain.resample(images, case.window, case.step)
    exact = both_sides(operator(case.window, case.step), images, np.float64)
    np.testing.assert_allclose(exact, expected, atol=1e-10, rtol=0)
    np.testing.assert_allclose(resample(images, case), expected, atol=1e-4, rtol=0)
    assert resample(images, case).dtype == np.float32


@given(side=st.integers(2, 30), size=st.integers(2, 30), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_interpolation_equals_numpy_along_one_axis(side: int, size: int, seed: int) -> None:
    """Each column of S y is NumPy's linear interpolation on the two grids."""
    values = np.random.default_rng(seed).normal(size=side)
    expected = np.interp(np.linspace(0, size, size), np.linspace(0, size, side), values)
    np.testing.assert_allclose(interpolation(side, size) @ values, expected, atol=1e-12)


@given(window=st.integers(1, 9), step=st.integers(1, 9), size=st.integers(10, 30))
@settings(max_examples=30, deadline=None)
def test_operator_keeps_a_flat_image(window: int, step: int, size: int) -> None:
    """Rows sum to 1 and no weight is negative, so a flat image stays flat and no value leaves the range."""
    if (size - window) // step < 1:
        with pytest.raises(ValueError, match="interpolation needs two"):
            operator(window, step, size)
        return
    matrix = operator(window, step, size)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)
    assert matrix.min() >= 0.0


@given(window=st.integers(1, 5), step=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_pooling_equals_block_means(window: int, step: int, seed: int) -> None:
    """P X P^T holds the mean of each window, as a loop over blocks and the strided form compute it."""
    images = digits(2, seed)[:, :12, :12]
    matrix = both_sides(pooling(window, step, 12), images, np.float64)
    starts = range(0, 12 - window + 1, step)
    blocks = [[images[:, r : r + window, c : c + window].mean(axis=(1, 2)) for c in starts] for r in starts]
    expected = np.moveaxis(np.array(blocks), -1, 0)  # (n, q, q)
    np.testing.assert_allclose(matrix, expected, atol=1e-10)
    np.testing.assert_allclose(plain.pool_all(images, window, step), expected, atol=1e-10)


def test_baseline_is_the_identity() -> None:
    """The baseline operator is exactly the identity and leaves every pixel as it was."""
    images = digits(3)
    assert np.array_equal(operator(1, 1), np.eye(28))
    assert np.array_equal(resample(images, CASES[0], stored_uint8=True), images)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_uint8_storage_moves_no_pixel_far(case: Case) -> None:
    """Pooled values are kept in a byte each; rounding them moves no pixel by over half a level."""
    images = digits(30)
    small = store(images, case)
    assert small.dtype == np.uint8
    assert small.shape == (30, case.side(), case.side())
    drift = np.abs(resample(images, case, stored_uint8=True) - resample(images, case))
    assert drift.max() <= 0.5 + 1e-4


def test_chunks_do_not_show() -> None:
    """More images than one chunk give the numbers of one product, to the last image."""
    images = digits(CHUNK // 49 + 5).reshape(-1, 4, 4)
    assert len(images) > CHUNK
    matrix = operator(2, 1, 4)
    np.testing.assert_allclose(both_sides(matrix, images, np.float64), matrix @ images @ matrix.T, atol=1e-10)


@pytest.mark.parametrize(("window", "step"), [(0, 1), (29, 1), (2, 0), (28, 1)])
def test_impossible_windows_are_named(window: int, step: int) -> None:
    """A window that does not fit, or leaves one pixel, is an error that says so."""
    with pytest.raises(ValueError, match="interpolation needs two"):
        pooled_side(window, step)


def test_images_of_another_size_are_refused() -> None:
    """A 28-pixel operator does not silently take 27-pixel images."""
    with pytest.raises(ValueError, match=r"must have shape \(n, 28, 28\)"):
        both_sides(operator(2, 2), digits(2)[:, :27, :27])
