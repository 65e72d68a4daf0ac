"""What rounding alone explains: unit roundoff, error bounds, exact scaling, and a batch's worst matrix.

The mathematics is in ``docs/identities.md``; `harness.measure.identities` holds the identities themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.records import IdentityCheck

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Powers = NDArray[np.intc]

SAFETY = 2.0
"""Factor on every bound, for the second-order terms that first-order error analysis drops."""


class Computed:
    """Precision of what a maker computed: the coarsest dtype among its arrays; integers count as float64.

    Parameters
    ----------
    *arrays : array_like
        The computed arrays in their own dtypes, before any cast.
    """

    def __init__(self, *arrays: ArrayLike) -> None:
        kinds = [np.asarray(array).dtype for array in arrays]
        infos = [np.finfo(kind if kind.kind == "f" else np.float64) for kind in kinds]
        coarsest = max(infos, key=lambda info: float(info.eps))
        self.dtype = coarsest.dtype.name
        self.roundoff = float(coarsest.eps) / 2
        self.tiny = float(coarsest.tiny)


def gamma(terms: int, roundoff: float) -> float:
    """Return Higham's ``n u / (1 - n u)``, which bounds the error of a sum of `terms` products.

    Raises
    ------
    ValueError
        If ``n u >= 1``: the dtype is too coarse for the length and no bound exists.
    """
    product = terms * roundoff
    if product >= 1:
        raise ValueError(
            f"No error bound exists for {terms} terms at unit roundoff {roundoff:.1e}; use a wider dtype."
        )
    return product / (1 - product)


def svd_bound(shape: tuple[int, ...], roundoff: float) -> float:
    """Return the backward error of the SVD of a matrix ``(..., m, n)``, relative to its Frobenius norm.

    ``SAFETY * (tau u + gamma_{m+n})``: LAPACK's xBDSQR stops once the neglected couplings are below
    ``tau u``, ``tau = max(10, min(100, u**(-1/8)))``, and the reflectors before it have lengths m and n.
    """
    tau = max(10.0, min(100.0, float(roundoff**-0.125)))
    return SAFETY * (tau * roundoff + gamma(shape[-2] + shape[-1], roundoff))


def product_bound(terms: int, roundoff: float) -> float:
    """Return the error of a matrix product over `terms`, relative to the product of both Frobenius norms."""
    return SAFETY * gamma(terms, roundoff)


def norm(matrices: Floats) -> Floats:
    """Return the Frobenius norm of each matrix, ``(...)``."""
    return np.asarray(np.sqrt(np.sum(matrices**2, axis=(-2, -1))))


def spectral_norm(matrices: Floats) -> Floats:
    """Return the 2-norm of each matrix, ``(...)``; zero for an empty one."""
    return np.asarray(np.max(np.linalg.svd(matrices, compute_uv=False), axis=-1, initial=0.0))


def exponent(*matrices: Floats) -> Powers:
    """Return e with every entry below ``2**e``, per matrix of the batch; 0 for zero matrices."""
    largest = [np.max(np.abs(matrix), axis=(-2, -1), initial=0.0) for matrix in matrices]
    return np.asarray(np.frexp(np.max(largest, axis=0))[1])


def scale(array: Floats, power: Powers) -> Floats:
    """Return ``array * 2**-power``, exactly, so that squares neither overflow nor vanish."""
    shape = power.shape + (1,) * (array.ndim - power.ndim)
    return np.asarray(np.ldexp(array, -power.reshape(shape)))


def floats(values: ArrayLike, name: str, dimensions: int) -> Floats:
    """Return `values` as float64, which is exact for float16, float32 and float64.

    Raises
    ------
    TypeError
        If the dtype is not one of those or an integer.
    ValueError
        If there are fewer than `dimensions` dimensions, no matrix at all, or a value that is not finite.
    """
    raw = np.asarray(values)
    if raw.dtype.kind not in "fiu" or raw.dtype.itemsize > np.dtype(np.float64).itemsize:
        raise TypeError(f"'{name}' has dtype {raw.dtype}; float16, float32, float64 or integers are needed.")
    if raw.ndim < dimensions or 0 in raw.shape[: raw.ndim - dimensions]:
        raise ValueError(
            f"'{name}' has shape {raw.shape}; give at least one array of {dimensions} dimensions."
        )
    bad = np.argwhere(~np.isfinite(raw))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        message = f"{raw[place]} at index {place}, {len(bad)} such in all; find their cause."
        raise ValueError(f"'{name}' is not finite: {message}")
    return raw.astype(np.float64)


def require(fits: bool, name: str, **arrays: NDArray[np.generic]) -> None:
    """Raise `ValueError` that names every array's shape unless `fits`."""
    if not fits:
        shapes = ", ".join(f"{label} {array.shape}" for label, array in arrays.items())
        raise ValueError(f"The shapes of '{name}' do not fit together: {shapes}.")


def judge(
    name: str, formula: str, error: Floats, tolerance: Floats, power: Powers | None, judged: Floats, computed: Computed
) -> IdentityCheck:  # fmt: skip
    """Return the record of a batch's worst matrix: the largest error against its own tolerance, NaN first.

    Parameters
    ----------
    name, formula : str
        As in `IdentityCheck`.
    error, tolerance : numpy.ndarray
        Per matrix, ``(...)``, in the unit of the formula times ``2**-power``.
    power : numpy.ndarray of int or None
        The scaling to undo, ``(...)``; None if there was none.
    judged : numpy.ndarray
        What was judged, ``(..., m, n)``: for the shape, and for the underflow that the tolerance allows.
    computed : Computed
        Precision of the computed arrays.
    """
    if power is not None:
        error, tolerance = scale(error, -power), scale(tolerance, -power)
    # Entries below the smallest normal number may be flushed to zero by the maker's hardware.
    allowed = tolerance + computed.tiny * judged.shape[-1] * judged.shape[-2]
    with np.errstate(over="ignore"):
        excess = error / np.maximum(allowed, np.finfo(np.float64).tiny)
    excess = np.where(np.isnan(error), np.inf, excess)
    worst = np.unravel_index(int(np.argmax(excess)), excess.shape)
    place = f", worst of {excess.size} at {tuple(int(i) for i in worst)}" if excess.ndim else ""
    detail = f"{computed.dtype}, u = {computed.roundoff:.2g}, shape {judged.shape[-2:]}{place}"
    return IdentityCheck(name, float(error[worst]), float(allowed[worst]), formula, detail)
