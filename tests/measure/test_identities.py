"""Every identity holds for what NumPy computes, and breaks for a small planted violation."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from harness.measure import bounds, identities
from harness.records import IdentityCheck

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray[Any, Any]

DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 12)
BATCHES = st.sampled_from([(), (1,), (4,), (2, 3)])
POWERS = st.integers(-30, 30)


def svd(matrix: Array) -> tuple[Array, Array, Array]:
    """Return NumPy's thin SVD in the matrix's own dtype."""
    left, sigma, right_t = np.linalg.svd(matrix, full_matrices=False)
    return left, sigma, right_t


@st.composite
def matrices(draw: st.DrawFn, *, deficient: bool = True) -> Array:
    """Draw a batch of any shape, dtype, magnitude and rank, the zero matrix included."""
    m, n, batch = draw(SIZES), draw(SIZES), draw(BATCHES)
    rank = draw(st.integers(0 if deficient else min(m, n), min(m, n)))
    rng = np.random.default_rng(draw(SEEDS))
    product = rng.standard_normal((*batch, m, rank)) @ rng.standard_normal((*batch, rank, n))
    return (product * 2.0 ** draw(POWERS)).astype(draw(DTYPES))


@st.composite
def products(draw: st.DrawFn) -> tuple[Array, Array]:
    """Draw W ``(..., m, n)`` and patches ``(..., n, 20)`` of one dtype."""
    w = draw(matrices(deficient=False))
    rng = np.random.default_rng(draw(SEEDS))
    return w, rng.standard_normal((*w.shape[:-2], w.shape[-1], 20)).astype(w.dtype)


def assert_all_hold(checks: tuple[IdentityCheck, ...]) -> None:
    """Fail with the records that do not hold."""
    assert [check for check in checks if not check.holds] == []


@given(matrices())
def test_numpys_svd_passes_every_check(w: Array) -> None:
    """Any shape, batch, magnitude and rank: what LAPACK computes is inside the tolerance."""
    assert_all_hold(identities.svd_checks(w, *svd(w), name="W"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(8, 9), (16, 72), (28, 28), (3, 3), (200, 40), (1, 100)])
def test_badly_scaled_matrices_pass(shape: tuple[int, int], dtype: type) -> None:
    """Columns from 1e-8 to 1e8, where LAPACK's stopping rule is what limits the accuracy."""
    rng = np.random.default_rng(0)
    scales = 10.0 ** rng.uniform(-8, 8, (30, 1, shape[1]))
    w: Array = (rng.standard_normal((30, *shape)) * scales).astype(dtype)
    assert_all_hold(identities.svd_checks(w, *svd(w), name="W"))


SHAPES = npst.array_shapes(min_dims=2, max_dims=3, max_side=5)


@given(npst.arrays(np.float64, SHAPES, elements=st.floats(-1e300, 1e300)))
def test_extreme_magnitudes_neither_overflow_nor_fail(w: Array) -> None:
    """Entries whose squares leave the range of float64 are still judged, and pass."""
    assert_all_hold(identities.svd_checks(w, *svd(w), name="W"))


@given(matrices(deficient=False))
def test_the_tolerance_scales_with_the_norm_and_narrows_with_the_dtype(w: Array) -> None:
    """1,000 times the matrix has 1,000 times the tolerance, and float32 factors a larger one."""
    wide = w.reshape(-1, *w.shape[-2:])[0].astype(np.float64)
    one, thousand = (identities.parseval(f * wide, svd(f * wide)[1], name="W") for f in (1.0, 1000.0))
    coarse = identities.parseval(wide, svd(wide)[1].astype(np.float32), name="W")
    assert thousand.tolerance == pytest.approx(1000 * one.tolerance, rel=1e-9, abs=0)
    assert coarse.tolerance > one.tolerance


@given(matrices(deficient=False))
def test_a_singular_value_off_by_a_thousandth_is_caught(w: Array) -> None:
    """Sigma_1 times 1.001 breaks reconstruction, Parseval and eigenvalues; the worst matrix is named."""
    left, sigma, right_t = svd(w)
    sigma = sigma.copy()
    sigma.reshape(-1, sigma.shape[-1])[-1, 0] *= 1.001
    checks = [
        identities.reconstruction(w, left, sigma, right_t, name="W"),
        identities.parseval(w, sigma, name="W"),
        identities.eigenvalues(w, sigma, name="W"),
    ]
    assert [check.holds for check in checks] == [False] * 3
    last = tuple(size - 1 for size in w.shape[:-2])
    assert all(str(last) in check.detail for check in checks if last)


@given(matrices(deficient=False), st.sampled_from([1e-3, -1e-3]))
def test_a_basis_vector_of_the_wrong_length_is_caught(w: Array, by: float) -> None:
    """A column of U a thousandth too long or too short is not orthonormal."""
    left = svd(w)[0].copy()
    assert identities.orthonormal_columns(left, name="U").holds
    left[..., :, 0] *= 1 + by
    assert not identities.orthonormal_columns(left, name="U").holds


@given(matrices(deficient=False))
def test_disordered_or_negative_singular_values_are_caught(w: Array) -> None:
    """Reversed values break the order unless there is one only, and negated values always do."""
    sigma = svd(w)[1]
    assert identities.ordering(sigma, name="W").holds
    assert identities.ordering(sigma[..., ::-1], name="W").holds is (sigma.shape[-1] == 1)
    assert not identities.ordering(-sigma, name="W").holds


@given(matrices(deficient=False), st.data())
def test_eckart_young_tells_rank_k_from_its_neighbours(w: Array, data: st.DataObject) -> None:
    """The rank-k product has the tail as its error; that of rank k - 1 passed off as k has not."""
    left, sigma, right_t = svd(w)
    rank = data.draw(st.integers(1, sigma.shape[-1]))
    assert identities.eckart_young(w, truncated(left, sigma, right_t, rank), sigma, rank=rank, name="W").holds
    if np.any(sigma[..., rank - 1] > 1e-2 * np.linalg.norm(sigma, axis=-1)):
        lower = truncated(left, sigma, right_t, rank - 1)
        assert not identities.eckart_young(w, lower, sigma, rank=rank, name="W").holds


def truncated(left: Array, sigma: Array, right_t: Array, rank: int) -> Array:
    """Return ``U_k diag(sigma_k) Vt_k`` in the factors' dtype."""
    product: Array = (left[..., :rank] * sigma[..., None, :rank]) @ right_t[..., :rank, :]
    return product


@given(matrices(), st.data())
def test_storage_is_exact(w: Array, data: st.DataObject) -> None:
    """Rank-k factors hold k(1 + m + n) numbers a matrix, and not those of rank k - 1."""
    left, sigma, right_t = svd(w)
    rank = data.draw(st.integers(1, sigma.shape[-1]))
    factors = (left[..., :rank], sigma[..., :rank], right_t[..., :rank, :])
    assert identities.storage(*factors, rank=rank, name="W").holds
    wrong = identities.storage(*factors, rank=rank - 1, name="W")
    assert not wrong.holds
    assert wrong.error == math.prod(w.shape[:-2]) * (1 + w.shape[-2] + w.shape[-1])


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """Draw images, kernels and their valid cross-correlation, summed shift by shift in the images' dtype."""
    rng, dtype = np.random.default_rng(draw(SEEDS)), draw(DTYPES)
    n, c, o, kh, kw = (draw(st.integers(1, 3)) for _ in range(5))
    height, width = kh + draw(st.integers(0, 4)), kw + draw(st.integers(0, 4))
    images = rng.standard_normal((n, c, height, width)).astype(dtype)
    kernels = rng.standard_normal((o, c, kh, kw)).astype(dtype)
    rows, columns = images.shape[2] - kh + 1, images.shape[3] - kw + 1
    output = np.zeros((n, o, rows, columns), dtype)
    for channel in range(c):
        for i in range(kh):
            for j in range(kw):
                pixels = images[:, None, channel, i : i + rows, j : j + columns]
                output += kernels[None, :, channel, i, j, None, None] * pixels
    return images, kernels, output


@given(convolutions())
def test_convolution_is_the_im2col_product(case: tuple[Array, Array, Array]) -> None:
    """A convolution by shifted sums is W times the patches; with kernels a thousandth too large, or flipped, it is not."""
    images, kernels, output = case
    assert identities.im2col_convolution(images, kernels, output, name="conv").holds
    larger = (kernels * 1.001).astype(kernels.dtype)
    assert not identities.im2col_convolution(images, larger, output, name="conv").holds
    flipped, same = kernels[:, :, ::-1, ::-1], kernels.shape[2:] == (1, 1)
    assert identities.im2col_convolution(images, flipped, output, name="conv").holds is same


@given(products())
def test_the_analytical_pass_is_the_product(case: tuple[Array, Array]) -> None:
    """U(sigma(Vt p)) is W p within rounding; with all of sigma a thousandth too large it is not."""
    w, p = case
    left, sigma, right_t = svd(w)
    z = right_t @ p
    y = left @ (sigma[..., None] * z)
    assert identities.forward_pass(w, p, y, rank=sigma.shape[-1], name="W").holds
    scaled = left @ ((sigma * sigma.dtype.type(1.001))[..., None] * z)
    assert not identities.forward_pass(w, p, scaled, rank=sigma.shape[-1], name="W").holds


@given(products())
def test_relu_is_its_mask_times_the_product(case: tuple[Array, Array]) -> None:
    """M(p) W p is ReLU(W p); one wrong bit on the largest pre-activation, or a linear unit, is caught."""
    w, p = case
    a = w @ p
    mask, h = a > 0, np.maximum(a, 0)
    assert identities.relu_mask(w, p, mask, h, name="W").holds
    wrong = mask.copy()
    wrong[np.unravel_index(np.argmax(np.abs(a)), a.shape)] ^= True
    assert not identities.relu_mask(w, p, wrong, h, name="W").holds
    assert identities.relu_mask(w, p, np.ones_like(mask), a, name="W").holds is bool(np.all(a >= 0))


def test_float16_factors_are_judged_at_their_own_precision() -> None:
    """float32 factors rounded to float16 pass as float16 and fail once they are cast back up."""
    w = np.random.default_rng(0).standard_normal((5, 8, 9)).astype(np.float32)
    factors = [factor.astype(np.float16) for factor in svd(w)]
    assert identities.reconstruction(w, *factors, name="W").holds
    widened = [factor.astype(np.float64) for factor in factors]
    assert not identities.reconstruction(w, *widened, name="W").holds


def test_a_zero_matrix_passes_and_its_planted_value_does_not() -> None:
    """All factors of a zero matrix hold, and a singular value of 1e-3 on it is caught by all three."""
    w = np.zeros((3, 4), np.float32)
    left, sigma, right_t = svd(w)
    assert_all_hold(identities.svd_checks(w, left, sigma, right_t, name="W"))
    sigma += np.array([1e-3, 0, 0], np.float32)
    checks = identities.svd_checks(w, left, sigma, right_t, name="W")
    failed = [check.name for check in checks if not check.holds]
    assert failed == ["W.reconstruction", "W.parseval", "W.eigenvalues"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_an_error_naming_the_matrix(bad: float) -> None:
    """NaN or infinity in any argument names that array and the first index."""
    w = np.eye(3)
    left, sigma, right_t = svd(w)
    broken = sigma.copy()
    broken[1] = bad
    with pytest.raises(ValueError, match=r"'conv1 sigma' is not finite: .* at index \(1,\)"):
        identities.parseval(w, broken, name="conv1")
    w[2, 0] = bad
    with pytest.raises(ValueError, match=r"'conv1' is not finite: .* at index \(2, 0\)"):
        identities.reconstruction(w, left, sigma, right_t, name="conv1")


ONE, TWO, THREE = np.ones((1, 1, 1, 1)), np.eye(2), np.eye(3)
CALLS: list[tuple[Callable[[], IdentityCheck], type[Exception], str]] = [
    (lambda: identities.parseval(TWO * 1j, np.ones(2), name="W"), TypeError, "'W' has dtype complex128"),
    (lambda: identities.parseval(np.ones(2), np.ones(2), name="W"), ValueError, "'W' has shape"),
    (lambda: identities.parseval(np.ones((0, 2, 2)), np.ones((0, 2)), name="W"), ValueError, "at least one array"),
    (lambda: identities.parseval(np.ones((4, 2, 2)), np.ones((3, 2)), name="W"), ValueError, "do not fit"),
    (lambda: identities.eckart_young(TWO, TWO, np.ones(2), rank=3, name="W"), ValueError, "from 0 to 2"),
    (lambda: identities.reconstruction(TWO, THREE, np.ones(2), TWO, name="W"), ValueError, "do not fit"),
    (lambda: identities.relu_mask(TWO, TWO, TWO, TWO, name="W"), TypeError, "must be boolean"),
    (lambda: identities.forward_pass(TWO, THREE, TWO, rank=2, name="W"), ValueError, "do not fit"),
    (lambda: identities.im2col_convolution(ONE, np.ones((1, 1, 3, 3)), ONE, name="W"), ValueError, "do not fit"),
    (lambda: identities.orthonormal_columns(np.ones((3000, 1), np.float16), name="U"), ValueError, "No error bound exists"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), CALLS)
def test_unusable_arguments_are_named(
    call: Callable[[], IdentityCheck], error: type[Exception], message: str
) -> None:
    """Wrong dtype, dimensions, batch, rank, mask, geometry or precision: one sentence naming it."""
    with pytest.raises(error, match=message):
        call()


def test_nan_never_holds() -> None:
    """A NaN error or tolerance is a violation, not a pass."""
    check = IdentityCheck("W.parseval", 0.0, 0.0, "", "")
    assert check.holds
    assert not dataclasses.replace(check, error=math.nan).holds
    assert not dataclasses.replace(check, tolerance=math.nan).holds


@settings(max_examples=30)
@given(st.integers(1, 1000), SEEDS)
def test_gamma_bounds_a_plain_float32_sum(terms: int, seed: int) -> None:
    """A running float32 dot product errs by at most gamma_n times the sum of moduli."""
    x, y = np.random.default_rng(seed).standard_normal((2, terms)).astype(np.float32)
    running = np.cumsum(x * y, dtype=np.float32)[-1]
    exact = math.fsum(x.astype(float) * y.astype(float))
    moduli = math.fsum(np.abs(x.astype(float) * y.astype(float)))
    assert abs(float(running) - exact) <= bounds.gamma(terms, 2.0**-24) * moduli
