"""Compression: bytes, identities, quantisation, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.sources.kmnist_svd_logreg import pipeline
from harness.sources.kmnist_svd_logreg.pipeline import compression

Matrix = np.ndarray[Any, Any]

GREY = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=12))


def rank_deficient() -> Matrix:
    """Five 28x28 images: blank, constant, rank 1, rank 2, a single pixel."""
    ramp = np.arange(28.0)
    pixel = np.zeros((28, 28))
    pixel[3, 5] = 200
    pair = np.outer(ramp, ramp) + np.outer(ramp % 3, ramp % 5)
    return np.stack([np.zeros((28, 28)), np.full((28, 28), 7.0), np.outer(ramp, ramp), pair, pixel])


@given(GREY, st.data())
def test_truncation_error_is_the_tail_energy(images: Matrix, data: st.DataObject) -> None:
    """The squared error of rank k equals the sum of the dropped squared singular values (Eckart-Young)."""
    k = data.draw(st.integers(1, min(images.shape[1:])))
    error = images - pipeline.compress(images, k, dtype="float64").reconstruct()
    sigma = np.linalg.svd(images.astype(float), compute_uv=False)
    scale = (sigma[:, 0] ** 2).max() + 1
    np.testing.assert_allclose(
        (error**2).sum(axis=(1, 2)), (sigma[:, k:] ** 2).sum(axis=1), atol=1e-12 * scale
    )


def test_rank_deficient_images_are_reconstructed() -> None:
    """Blank, constant and rank-2 images survive a rank-5 compression, with finite factors and an orthonormal U."""
    images = rank_deficient()
    factors = pipeline.compress(images, 5, dtype="float64")
    np.testing.assert_allclose(factors.reconstruct(), images, rtol=0, atol=1e-9)
    assert all(np.isfinite(part).all() for part in (factors.u, factors.s, factors.vt))
    products = np.swapaxes(factors.u, 1, 2) @ factors.u
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(5), products.shape), atol=1e-13)


def test_chunks_change_nothing(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any chunk size gives the same factors, the last short chunk included."""
    images = rng.integers(0, 256, (23, 28, 28), dtype=np.uint8)
    whole = pipeline.compress(images, 3)
    monkeypatch.setattr(compression, "CHUNK", 10)
    cut = pipeline.compress(images, 3)
    np.testing.assert_array_equal(whole.u, cut.u)
    np.testing.assert_array_equal(whole.s, cut.s)


def test_bytes_are_exact(rng: np.random.Generator) -> None:
    """At k = 8 float32 factors take 1,824 bytes an image and int8 factors 468, the original 784."""
    factors = pipeline.compress(rng.integers(0, 256, (10, 28, 28), dtype=np.uint8), 8)
    codes = pipeline.quantise(factors)
    assert (factors.nbytes, codes.nbytes) == (18_240, 4_680)
    assert factors.nbytes == factors.u.nbytes + factors.s.nbytes + factors.vt.nbytes
    assert pipeline.byte_ratio(factors) == pytest.approx(2.3265, abs=1e-4)
    assert pipeline.byte_ratio(codes) == pytest.approx(0.5969, abs=1e-4)


@pytest.mark.parametrize(("k", "printed"), [(3, 0.218), (5, 0.364), (8, 0.582), (13, 0.945)])
def test_percent_size_is_the_printed_one(k: int, printed: float) -> None:
    """The ratio k (1 + 28 + 28) / 784 rounds to the column of Tables 1 and 2."""
    assert round(pipeline.percent_size(k), 3) == printed


def test_truncating_equals_compressing_again(rng: np.random.Generator) -> None:
    """A prefix of long factors is what a smaller k gives, and holds its own bytes only; factors cannot grow."""
    images = rng.integers(0, 256, (6, 28, 28), dtype=np.uint8)
    short = pipeline.compress(images, 13).truncate(3)
    np.testing.assert_array_equal(short.reconstruct(), pipeline.compress(images, 3).reconstruct())
    assert short.u.base is None
    with pytest.raises(ValueError, match="compress again with a larger k"):
        short.truncate(4)


@given(GREY, st.data())
def test_quantisation_error_is_bounded(images: Matrix, data: st.DataObject) -> None:
    """Each factor is off by at most half a code step, and the reconstruction by what follows from that."""
    k = data.draw(st.integers(1, min(images.shape[1:])))
    factors = pipeline.compress(images, k)
    codes = pipeline.quantise(factors)
    for i, (exact, code) in enumerate(((factors.u, codes.u), (factors.s, codes.s), (factors.vt, codes.vt))):
        scale = codes.scales[:, i].reshape(-1, *[1] * (exact.ndim - 1))
        assert (np.abs(exact - code * scale) <= 0.5001 * scale + 1e-30).all()
    sigma = factors.s[:, :1, None]
    error = np.abs(codes.reconstruct() - factors.reconstruct())
    assert (error <= k * sigma * 3.1 * 0.5 / 127 + 1e-3).all()


def test_zero_image_survives_quantisation() -> None:
    """A blank image has scale zero for its singular values and comes back blank, without a warning."""
    codes = pipeline.quantise(pipeline.compress(np.zeros((2, 28, 28), dtype=np.uint8), 3))
    assert not codes.reconstruct().any()


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((28, 28)), {"k": 3}, r"shape \(images, m, n\)"),
        (np.zeros((0, 28, 28)), {"k": 3}, "none of them zero"),
        (np.zeros((2, 28, 28)), {"k": 29}, "choose 1 to 28"),
        (np.zeros((2, 28, 28)), {"k": 3, "dtype": "float16"}, "Unknown dtype 'float16'"),
        (
            np.where(np.arange(7)[:, None, None] == 5, np.nan, np.zeros((7, 28, 28))),
            {"k": 3},
            "Image 5 holds NaN or infinity",
        ),
    ],
)
def test_bad_input_is_named(
    images: Matrix, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrong argument gives one sentence that names it, an image across chunks."""
    monkeypatch.setattr(compression, "CHUNK", 2)
    with pytest.raises(ValueError, match=message):
        pipeline.compress(images, **options)


@pytest.fixture
def rng() -> np.random.Generator:
    """Give every test the same stream."""
    return np.random.default_rng(7)
