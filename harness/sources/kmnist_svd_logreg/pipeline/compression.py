"""Per-image truncated SVD: factors and their bytes, reconstruction, int8 variant (source, section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .arrays import Array, chunks, float_type, namespace

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1024
"""Images decomposed at once: 1,024 images of 28x28 need 6.4 MB per float64 temporary."""


def percent_size(k: int, m: int = 28, n: int = 28) -> float:
    """Return the element ratio ``k (1 + m + n) / (m n)``, 'percent size' in Tables 1 and 2."""
    return k * (1 + m + n) / (m * n)


class Stored(Protocol):
    """What plain and quantised factors have in common."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (images, m, n) of what was compressed."""

    @property
    def nbytes(self) -> int:
        """Bytes of every stored array."""

    @property
    def elements(self) -> int:
        """Stored factor elements, the source's count."""

    def reconstruct(self) -> Array:
        """Multiply the factors back to (images, m, n)."""


def _bytes(*arrays: Array) -> int:
    # the array API promises no nbytes; NumPy's and torch's dtypes both know the size of one element
    return sum(math.prod(array.shape) * int(array.dtype.itemsize) for array in arrays)


@dataclass(frozen=True, slots=True)
class _Triplets:
    """What plain and quantised factors share: three arrays of k triplets an image."""

    u: Array
    """(images, m, k)."""
    s: Array
    """(images, k)."""
    vt: Array
    """(images, k, n)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (images, m, n) of what was compressed."""
        return self.u.shape[0], self.u.shape[1], self.vt.shape[2]

    @property
    def k(self) -> int:
        """Triplets kept per image, the source's 'singular value limit'."""
        return int(self.s.shape[1])

    @property
    def elements(self) -> int:
        """Stored factor elements, the source's count, scales left out: ``images k (1 + m + n)``."""
        images, m, n = self.shape
        return images * self.k * (1 + m + n)


@dataclass(frozen=True, slots=True)
class Factors(_Triplets):
    """The k leading singular triplets of each image."""

    u: Array
    """Left singular vectors, (images, m, k); a column beyond the image's rank may be zero."""
    s: Array
    """Singular values, (images, k), descending."""
    vt: Array
    """Right singular vectors, (images, k, n)."""

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays: ``images k (1 + m + n)`` times the size of one element."""
        return _bytes(self.u, self.s, self.vt)

    def truncate(self, k: int) -> Factors:
        """Keep the first k triplets: by Eckart-Young the rank-k factors are a prefix of any longer ones.

        Raises
        ------
        ValueError
            If k is not between 1 and the number of triplets there are.
        """
        if not 1 <= k <= self.k:
            raise ValueError(f"Cannot keep {k} triplets of {self.k}; compress again with a larger k.")
        xp = namespace(self.u)
        # copies, so that the bytes counted are the bytes held
        parts = (self.u[:, :, :k], self.s[:, :k], self.vt[:, :k, :])
        return Factors(*(xp.asarray(part, copy=True) for part in parts))

    def reconstruct(self) -> Array:
        """Multiply the factors back.

        Returns
        -------
        array, (images, m, n), dtype of the factors
            ``U diag(s) Vt`` per image, in grey levels; neither clipped nor rounded, as in the source.
        """
        xp = namespace(self.u)
        return xp.matmul(self.u * self.s[:, None, :], self.vt)  # (images, m, n)


@dataclass(frozen=True, slots=True)
class QuantisedFactors(_Triplets):
    """Factors as int8 with one float32 scale per image and factor: value = code times scale."""

    u: Array
    """Codes of U, (images, m, k), int8 in [-127, 127]."""
    s: Array
    """Codes of the singular values, (images, k), int8."""
    vt: Array
    """Codes of Vt, (images, k, n), int8."""
    scales: Array
    """Scales of u, s and vt, (images, 3), float32."""

    @property
    def nbytes(self) -> int:
        """Bytes of codes and scales: ``images (k (1 + m + n) + 12)``."""
        return _bytes(self.u, self.s, self.vt, self.scales)

    def reconstruct(self) -> Array:
        """Scale the codes and multiply back to (images, m, n), float32, in grey levels."""
        xp = namespace(self.u)
        u, s, vt = (xp.astype(codes, xp.float32) for codes in (self.u, self.s, self.vt))
        # the three scales of an image are one factor of its singular values
        weights = s * xp.prod(self.scales, axis=1)[:, None]
        return xp.matmul(u * weights[:, None, :], vt)  # (images, m, n)


def element_ratio(stored: Stored) -> float:
    """Return stored factor elements over original pixels: 0.582 at k = 8, whatever an element weighs."""
    images, m, n = stored.shape
    return stored.elements / (images * m * n)


def byte_ratio(stored: Stored, *, original_itemsize: int = 1) -> float:
    """Return bytes stored over bytes of the original; the original pixels are uint8, one byte each.

    The source's '40% less memory' holds for `element_ratio`. In bytes float32 factors at k = 8 are 2.33 times
    the original, and only the int8 variant (0.597) makes the claim true.
    """
    images, m, n = stored.shape
    return stored.nbytes / (images * m * n * original_itemsize)


def compress(
    images: Array, k: int, *, method: str = "svd", dtype: str = "float32", chunk: int = CHUNK
) -> Factors:
    """Decompose every image by its own SVD and keep k triplets (source, section 3.1).

    Parameters
    ----------
    images : array, (images, m, n), uint8 or floating
        Grey levels, one matrix an image.
    k : int
        Triplets to keep, 1 to min(m, n).
    method : {'svd', 'gram'}
        ``'svd'`` is the library's batched SVD. ``'gram'`` (section 3: sigma as the root of the eigenvalues of
        A^T A) is faster and reconstructs as well, but it cannot tell singular values below
        ``sqrt(max(m, n) eps) sigma_1`` from zero: those, and their columns of U, come out as zero.
    dtype : {'float32', 'float64'}
        Of the stored factors; the decomposition itself runs in float64.
    chunk : int
        Images decomposed at once; bounds the memory.

    Raises
    ------
    ValueError
        Wrong shape, k out of range, unknown method or dtype, or an image with NaN or infinity (named).
    """
    _check_images(images)
    decompose = _method(method)
    m, n = images.shape[1:]
    if not 1 <= k <= min(m, n):
        raise ValueError(f"Rank k = {k} is impossible for {m}x{n} images; choose 1 to {min(m, n)}.")
    xp = namespace(images)
    wanted = float_type(xp, dtype)
    parts = []
    for rows in chunks(images.shape[0], chunk):
        triplets = decompose(_matrices(images[rows, :, :], rows.start), k)
        parts.append(tuple(xp.astype(part, wanted) for part in triplets))
    return Factors(*(xp.concat(part, axis=0) for part in zip(*parts, strict=True)))


def quantise(factors: Factors) -> QuantisedFactors:
    """Round factors to int8, symmetric, one scale per image and factor; a zero factor keeps scale zero."""
    coded = [_codes(part) for part in (factors.u, factors.s, factors.vt)]
    xp = namespace(factors.u)
    u, s, vt = (codes for codes, _ in coded)
    return QuantisedFactors(u, s, vt, xp.stack([scale for _, scale in coded], axis=1))


def _codes(part: Array) -> tuple[Array, Array]:
    """Quantise one factor: codes int8 of the same shape, scales (images,) float32."""
    xp = namespace(part)
    scale = xp.max(xp.abs(xp.reshape(part, (part.shape[0], -1))), axis=1) / 127  # (images,)
    scale = xp.astype(scale, xp.float32)
    divisor = xp.where(scale > 0, scale, xp.ones_like(scale))
    codes = xp.round(part / xp.reshape(divisor, (-1,) + (1,) * (part.ndim - 1)))
    # float32 scales may round down by half an ulp: 127.00001 must not wrap
    return xp.astype(xp.clip(codes, -127, 127), xp.int8), scale


def _check_images(images: Array) -> None:
    if len(images.shape) != 3 or 0 in images.shape:
        raise ValueError(
            f"Images must have shape (images, m, n) with none of them zero, not {tuple(images.shape)}."
        )


def _method(name: str) -> Callable[[Array, int], tuple[Array, Array, Array]]:
    methods = {"svd": _svd, "gram": _gram}
    if name not in methods:
        raise ValueError(f"Unknown method '{name}'; choose 'svd' or 'gram'.")
    return methods[name]


def _matrices(images: Array, first: int) -> Array:
    """Bring one chunk to float64; NaN or infinity names the first bad image."""
    xp = namespace(images)
    matrices = xp.astype(images, xp.float64)
    finite = xp.all(xp.isfinite(matrices), axis=(1, 2))  # (chunk,)
    if not bool(xp.all(finite)):
        bad = first + int(xp.argmin(xp.astype(finite, xp.int8)))
        raise ValueError(f"Image {bad} holds NaN or infinity; clean it before compressing.")
    return matrices


def _svd(a: Array, k: int) -> tuple[Array, Array, Array]:
    """Truncate LAPACK's batched SVD of (chunk, m, n)."""
    u, s, vt = namespace(a).linalg.svd(a, full_matrices=False)
    return u[:, :, :k], s[:, :k], vt[:, :k, :]


def _gram(a: Array, k: int) -> tuple[Array, Array, Array]:
    """Truncate by the symmetric eigendecomposition of A^T A, (chunk, n, n).

    The singular values are taken as norms of A v, not as roots of the eigenvalues: that keeps those above the
    floor accurate to about eps sigma_1^2 / sigma. The floor is where an eigenvalue drowns in rounding.
    """
    xp = namespace(a)
    _, vectors = xp.linalg.eigh(xp.matmul(xp.matrix_transpose(a), a))  # (chunk, n, n), ascending
    v = xp.flip(vectors[:, :, -k:], axis=2)  # (chunk, n, k), descending
    image = xp.matmul(a, v)  # (chunk, m, k)
    s = xp.linalg.vector_norm(image, axis=1)  # (chunk, k)
    floor = (max(a.shape[1:]) * xp.finfo(a.dtype).eps) ** 0.5 * xp.max(s, axis=1, keepdims=True)
    s = xp.where(s > floor, s, xp.zeros_like(s))
    u = image / xp.where(s > 0, s, xp.ones_like(s))[:, None, :] * xp.astype(s > 0, a.dtype)[:, None, :]
    return u, s, xp.matrix_transpose(v)
