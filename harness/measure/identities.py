"""SVD and layer identities on NumPy arrays, each with a tolerance that follows from dtype, shape and norm.

The mathematics, and where each bound comes from, is in ``docs/identities.md``. In short: residuals are
evaluated in float64 whatever the inputs are, so the only error in a float32 or float16 input is its maker's,
and the tolerance is that maker's backward error bound in the unit roundoff ``u`` of the *computed* arrays. An
array cast to a wider dtype is therefore judged by the wider dtype: pass arrays as they were computed.

Shapes: ``W`` is ``(..., m, n)``, ``U`` ``(..., m, r)``, ``sigma`` ``(..., r)``, ``Vt`` ``(..., r, n)``. In a
batch the worst matrix (largest error against its own tolerance) is reported. `name` is the matrix's or layer's
name, for the record and for errors. float16, float32, float64 and integers are accepted, any other dtype raises
`TypeError`; shapes that do not fit and anything not finite raise `ValueError` naming the array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.measure.bounds import (
    Computed,
    exponent,
    floats,
    judge,
    norm,
    product_bound,
    require,
    scale,
    spectral_norm,
    svd_bound,
)
from harness.records import IdentityCheck

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from harness.measure.bounds import Floats, Powers


def reconstruction(
    matrix: ArrayLike, left: ArrayLike, sigma: ArrayLike, right_t: ArrayLike, *, name: str
) -> IdentityCheck:
    """Check ``W = U diag(sigma) Vt``."""
    w, s = floats(matrix, name, 2), floats(sigma, f"{name} sigma", 1)
    u, vt = floats(left, f"{name} U", 2), floats(right_t, f"{name} Vt", 2)
    fits = u.shape == (*w.shape[:-1], s.shape[-1]) and vt.shape == (*s.shape, w.shape[-1])
    require(fits and s.shape[:-1] == w.shape[:-2], name, W=w, U=u, sigma=s, Vt=vt)
    power = exponent(w, s[..., None])
    w, s = scale(w, power), scale(s, power)
    residual = norm(w - (u * s[..., None, :]) @ vt)
    computed = Computed(left, sigma, right_t)
    tolerance = svd_bound(w.shape, computed.roundoff) * norm(w)
    return judge(f"{name}.reconstruction", "‖W − U·diag(σ)·Vᵀ‖_F", residual, tolerance, power, w, computed)


def orthonormal_columns(basis: ArrayLike, *, name: str) -> IdentityCheck:
    """Check ``BᵀB = I`` for a basis ``(..., m, r)`` held in columns; for `Vt` pass its transpose."""
    b, computed = floats(basis, f"{name} basis", 2), Computed(basis)
    error = norm(np.swapaxes(b, -1, -2) @ b - np.eye(b.shape[-1]))
    bound = svd_bound(b.shape, computed.roundoff) * np.sqrt(b.shape[-1])
    return judge(f"{name}.orthonormal", "‖BᵀB − I‖_F", error, np.full_like(error, bound), None, b, computed)


def ordering(sigma: ArrayLike, *, name: str) -> IdentityCheck:
    """Check ``σ₁ ≥ σ₂ ≥ … ≥ 0`` exactly; the error is the largest step upwards or below zero."""
    s = floats(sigma, f"{name} sigma", 1)
    steps = np.concatenate([np.diff(s, axis=-1), -s[..., -1:]], axis=-1)
    error = np.max(steps, axis=-1, initial=0.0)
    formula = "max(σᵢ₊₁ − σᵢ, −σ_r, 0)"
    return judge(
        f"{name}.ordering", formula, error, np.zeros_like(error), None, s[..., None], Computed(sigma)
    )


def parseval(matrix: ArrayLike, sigma: ArrayLike, *, name: str) -> IdentityCheck:
    """Check ``‖W‖²_F = Σσᵢ²``, compared as norms so that the error has the unit of W."""
    w, s = floats(matrix, name, 2), floats(sigma, f"{name} sigma", 1)
    require(s.shape[:-1] == w.shape[:-2], name, W=w, sigma=s)
    power = exponent(w, s[..., None])
    w, s = scale(w, power), scale(s, power)
    computed = Computed(sigma)
    tolerance = svd_bound(w.shape, computed.roundoff) * norm(w)
    error = np.abs(norm(w) - np.linalg.norm(s, axis=-1))
    return judge(f"{name}.parseval", "|‖W‖_F − √Σσᵢ²|", error, tolerance, power, w, computed)


def eckart_young(
    matrix: ArrayLike, approximation: ArrayLike, sigma: ArrayLike, *, rank: int, name: str
) -> IdentityCheck:
    """Check that rank k's error is the tail: ``√Σ_{i>k} σᵢ²`` in Frobenius norm, ``σ_{k+1}`` in 2-norm.

    Both norms are needed: where the tail is large, a rank off by one hardly moves the Frobenius error. The approximation is
    ``(..., m, n)``, `sigma` holds all singular values of the matrix, and k, the `rank`, is from 0 to r.
    """
    w, s = floats(matrix, name, 2), floats(sigma, f"{name} sigma", 1)
    wk = floats(approximation, f"{name} approximation", 2)
    require(wk.shape == w.shape and s.shape[:-1] == w.shape[:-2], name, W=w, approximation=wk, sigma=s)
    if not 0 <= rank <= s.shape[-1]:
        raise ValueError(f"The rank of '{name}' must be from 0 to {s.shape[-1]}, not {rank}.")
    power = exponent(w, wk, s[..., None])
    w, wk, s = scale(w, power), scale(wk, power), scale(s, power)
    tail, residual, computed = s[..., rank:], w - wk, Computed(approximation, sigma)
    frobenius = np.abs(norm(residual) - np.linalg.norm(tail, axis=-1))
    spectral = np.abs(spectral_norm(residual) - np.max(tail, axis=-1, initial=0.0))
    tolerance = svd_bound(w.shape, computed.roundoff) * norm(w)
    formula = f"max over both norms of |‖W − W_{rank}‖ − tail|"
    error = np.maximum(frobenius, spectral)
    return judge(f"{name}.eckart_young[{rank}]", formula, error, tolerance, power, w, computed)


def eigenvalues(matrix: ArrayLike, sigma: ArrayLike, *, name: str) -> IdentityCheck:
    """Check ``σᵢ² = λᵢ(WᵀW)``, further eigenvalues being zero; divided by ``‖W‖₂`` to have the unit of W.

    Costs an eigenvalue problem of n by n per matrix.
    """
    w, s = floats(matrix, name, 2), floats(sigma, f"{name} sigma", 1)
    require(s.shape[:-1] == w.shape[:-2] and s.shape[-1] <= w.shape[-1], name, W=w, sigma=s)
    power = exponent(w, s[..., None])
    w, s = scale(w, power), scale(s, power)
    actual = np.linalg.eigvalsh(np.swapaxes(w, -1, -2) @ w)[..., ::-1]  # (..., n), descending
    claimed = np.zeros_like(actual)
    claimed[..., : s.shape[-1]] = s**2
    largest = np.sqrt(np.max(actual, axis=-1, initial=0.0))
    gap = np.max(np.abs(actual - claimed), axis=-1, initial=0.0)
    # A zero W has no norm to divide by: its gap is the largest σ², judged as σ.
    error = np.where(largest > 0, gap / np.where(largest > 0, largest, 1.0), np.sqrt(gap))
    computed = Computed(sigma)
    # An error d in σ moves its square by 2·σ·d: hence the 2.
    tolerance = 2 * svd_bound(w.shape, computed.roundoff) * largest
    return judge(f"{name}.eigenvalues", "max|λᵢ(WᵀW) − σᵢ²| / ‖W‖₂", error, tolerance, power, w, computed)


def storage(left: ArrayLike, sigma: ArrayLike, right_t: ArrayLike, *, rank: int, name: str) -> IdentityCheck:
    """Check that factors of rank k store exactly ``k (1 + m + n)`` numbers a matrix; tolerance zero."""
    u, vt = floats(left, f"{name} U", 2), floats(right_t, f"{name} Vt", 2)
    s = floats(sigma, f"{name} sigma", 1)
    matrices = int(np.prod(u.shape[:-2]))
    expected = matrices * rank * (1 + u.shape[-2] + vt.shape[-1])
    stored = u.size + s.size + vt.size
    detail = f"{stored} numbers stored, {expected} expected for matrices: {matrices}"
    error = float(abs(stored - expected))
    return IdentityCheck(f"{name}.storage", error, 0.0, "stored − k·(1 + m + n)", detail)


def im2col(images: ArrayLike, height: int, width: int) -> Floats:
    """Return every patch of `images`, ``(n, c, h, w)``, as a column, rows ordered as in torch's ``unfold``.

    Returns
    -------
    numpy.ndarray
        float64 ``(n, c * height * width, (h - height + 1) * (w - width + 1))``; height and width of the patch in pixels.
    """
    pixels = np.asarray(images, dtype=np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (height, width), axis=(-2, -1))
    n, c, rows, columns = windows.shape[:4]
    patches = windows.transpose(0, 1, 4, 5, 2, 3)  # (n, c, kh, kw, rows, columns)
    return patches.reshape(n, c * height * width, rows * columns)  # (n, c*kh*kw, places)


def im2col_convolution(
    images: ArrayLike, kernels: ArrayLike, output: ArrayLike, *, name: str
) -> IdentityCheck:
    """Check that a convolution's output is the product of the kernel matrix and the image's patches.

    Parameters
    ----------
    images : array_like
        ``(n, c, h, w)``.
    kernels : array_like
        ``(o, c, kh, kw)``; cross-correlation, stride 1, no padding, no bias.
    output : array_like
        ``(n, o, h - kh + 1, w - kw + 1)``, as the framework computed it; its dtype sets the tolerance.
    """
    x, k = floats(images, f"{name} images", 4), floats(kernels, f"{name} kernels", 4)
    y = floats(output, f"{name} output", 4)
    places = tuple(size - side + 1 for size, side in zip(x.shape[2:], k.shape[2:], strict=True))
    fits = x.shape[1] == k.shape[1] and min(places) > 0 and y.shape == (len(x), len(k), *places)
    require(fits, name, images=x, kernels=k, output=y)
    matrix = k.reshape(len(k), -1)  # (o, c*kh*kw)
    w = np.broadcast_to(matrix, (len(x), *matrix.shape))  # (n, o, c*kh*kw)
    columns = im2col(x, *k.shape[2:])  # (n, c*kh*kw, places)
    y = y.reshape(len(x), len(k), -1)  # (n, o, places)
    product, norms, power = _product(w, columns, y, name)
    error = norm(scale(y, power) - product)
    computed = Computed(output)
    tolerance = product_bound(w.shape[-1], computed.roundoff) * norms
    return judge(f"{name}.im2col", "‖conv(x) − W·im2col(x)‖_F", error, tolerance, power, columns, computed)


def forward_pass(
    matrix: ArrayLike, patches: ArrayLike, output: ArrayLike, *, rank: int, name: str
) -> IdentityCheck:
    """Check that an analytical pass ``z = Vᵀp, s = σ∘z, y = U s`` through r coordinates, the `rank`, gave ``y = W p``.

    Patches stand in columns, ``(..., n, q)``. The output y is ``(..., m, q)``, as the pass computed it; its dtype sets the tolerance.
    """
    w, p = floats(matrix, name, 2), floats(patches, f"{name} patches", 2)
    y, computed = floats(output, f"{name} output", 2), Computed(output)
    product, norms, power = _product(w, p, y, name)
    error = norm(scale(y, power) - product)
    # The factors carry the SVD's error; the pass sums n terms, scales once and sums r terms.
    steps = product_bound(w.shape[-1] + rank + 1, computed.roundoff)
    tolerance = (svd_bound(w.shape, computed.roundoff) + steps) * norms
    return judge(f"{name}.forward_pass", "‖U·(σ∘Vᵀp) − W·p‖_F", error, tolerance, power, p, computed)


def relu_mask(
    matrix: ArrayLike, patches: ArrayLike, mask: ArrayLike, activated: ArrayLike, *, name: str
) -> IdentityCheck:
    """Check ``h = M(p) W p`` and ``h = max(W p, 0)`` for a mask and activations that a pipeline computed.

    A mask bit is judged only as far as its activation exceeds rounding: the sign of a zero says nothing. Patches are ``(..., n, q)``; the
    mask M(p), boolean, true where the unit is active, and h, the activations as computed, are ``(..., m, q)``; the dtype of h sets the tolerance.
    """
    w, p = floats(matrix, name, 2), floats(patches, f"{name} patches", 2)
    h, bits, computed = floats(activated, f"{name} activations", 2), np.asarray(mask), Computed(activated)
    if bits.dtype != np.bool_:
        raise TypeError(f"The mask of '{name}' must be boolean, not {bits.dtype}.")
    require(bits.shape == h.shape, name, mask=bits, activations=h)
    product, norms, power = _product(w, p, h, name)
    h = scale(h, power)
    error = np.maximum(norm(h - bits * product), norm(h - np.maximum(product, 0.0)))
    tolerance = product_bound(w.shape[-1], computed.roundoff) * norms
    formula = "max(‖h − M∘(W·p)‖_F, ‖h − max(W·p, 0)‖_F)"
    return judge(f"{name}.relu_mask", formula, error, tolerance, power, p, computed)


def svd_checks(
    matrix: ArrayLike, left: ArrayLike, sigma: ArrayLike, right_t: ArrayLike, *, name: str
) -> tuple[IdentityCheck, ...]:
    """Return every check that a thin SVD must pass: factors, bases, order, Parseval and eigenvalues."""
    return (
        reconstruction(matrix, left, sigma, right_t, name=name),
        orthonormal_columns(left, name=f"{name}.U"),
        orthonormal_columns(np.swapaxes(np.asarray(right_t), -1, -2), name=f"{name}.V"),
        ordering(sigma, name=name),
        parseval(matrix, sigma, name=name),
        eigenvalues(matrix, sigma, name=name),
    )


def _product(w: Floats, p: Floats, y: Floats, name: str) -> tuple[Floats, Floats, Powers]:
    """Return ``2**-power W p``, ``2**-power ‖W‖_F ‖p‖_F`` and the power, per matrix; raise `ValueError` unless `y` has the product's shape."""
    fits = w.shape[:-2] == p.shape[:-2] and w.shape[-1] == p.shape[-2]
    require(fits and y.shape == (*w.shape[:-1], p.shape[-1]), name, W=w, patches=p, output=y)
    left, right = exponent(w), exponent(p)
    w, p = scale(w, left), scale(p, right)
    return w @ p, norm(w) * norm(p), left + right
