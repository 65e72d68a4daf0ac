"""Per-image truncated SVD: factors and their bytes, reconstruction, int8 variant (source, section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .arrays import Array, chunks, float_type, namespace

CHUNK = 1024
"""Images decomposed at once: 1,024 images of 28x28 need 6.4 MB per float64 temporary."""


def percent_size(k: int, m: int = 28, n: int = 28) -> float:
    """Return the element ratio ``k (1 + m + n) / (m n)``, 'percent size' in Tables 1 and 2: 0.582 at k = 8."""
    return k * (1 + m + n) / (m * n)


@dataclass(frozen=True, slots=True)
class Factors:
    """The k leading singular triplets of each image."""

    u: Array
    """Left singular vectors, (images, m, k)."""
    s: Array
    """Singular values, (images, k), descending."""
    vt: Array
    """Right singular vectors, (images, k, n)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (images, m, n) of what was compressed."""
        return self.u.shape[0], self.u.shape[1], self.vt.shape[2]

    @property
    def k(self) -> int:
        """Triplets kept per image, the source's 'singular value limit'."""
        return int(self.s.shape[1])

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
        # copies, so that the bytes counted are the bytes held
        parts = (self.u[:, :, :k], self.s[:, :k], self.vt[:, :k, :])
        return Factors(*(namespace(self.u).asarray(part, copy=True) for part in parts))

    def reconstruct(self) -> Array:
        """Return ``U diag(s) Vt`` per image, (images, m, n), in grey levels; neither clipped nor rounded, as in the source."""
        xp = namespace(self.u)
        return xp.matmul(self.u * self.s[:, None, :], self.vt)  # (images, m, n)


@dataclass(frozen=True, slots=True)
class QuantisedFactors(Factors):
    """Factors as int8 codes from -127 to 127 with one float32 scale per image and factor: value = code times scale."""

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


def _bytes(*arrays: Array) -> int:
    # the array API promises no nbytes; NumPy's and torch's dtypes both know the size of one element
    return sum(math.prod(array.shape) * int(array.dtype.itemsize) for array in arrays)


def byte_ratio(stored: Factors) -> float:
    """Return bytes stored over bytes of the original; the original pixels are uint8, one byte each.

    The source's '40% less memory' holds for `percent_size`. In bytes float32 factors at k = 8 are 2.33 times
    the original, and only the int8 variant (0.597) makes the claim true.
    """
    return stored.nbytes / math.prod(stored.shape)


def compress(images: Array, k: int, *, dtype: str = "float32") -> Factors:
    """Decompose every image by its own SVD and keep k triplets (source, section 3.1).

    Parameters
    ----------
    images : array, (images, m, n), uint8 or floating
        Grey levels, one matrix an image.
    k : int
        Triplets to keep, 1 to min(m, n).
    dtype : {'float32', 'float64'}
        Of the stored factors; the decomposition itself runs in float64.

    Raises
    ------
    ValueError
        Wrong shape, k out of range, unknown dtype, or an image with NaN or infinity (named).
    """
    if len(images.shape) != 3 or 0 in images.shape:
        raise ValueError(
            f"Images must have shape (images, m, n), none of them zero, not {tuple(images.shape)}."
        )
    m, n = images.shape[1:]
    if not 1 <= k <= min(m, n):
        raise ValueError(f"Rank k = {k} is impossible for {m}x{n} images; choose 1 to {min(m, n)}.")
    xp, wanted, parts = namespace(images), float_type(images, dtype), []
    for rows in chunks(images.shape[0], CHUNK):
        matrices = xp.astype(images[rows, :, :], xp.float64)
        finite = xp.all(xp.isfinite(matrices), axis=(1, 2))  # (chunk,)
        if not bool(xp.all(finite)):
            bad = rows.start + int(xp.argmin(xp.astype(finite, xp.int8)))
            raise ValueError(f"Image {bad} holds NaN or infinity; clean it before compressing.")
        u, s, vt = xp.linalg.svd(matrices, full_matrices=False)
        parts.append([xp.astype(part, wanted) for part in (u[:, :, :k], s[:, :k], vt[:, :k, :])])
    return Factors(*(xp.concat(part, axis=0) for part in zip(*parts, strict=True)))


def quantise(factors: Factors) -> QuantisedFactors:
    """Round factors to int8, symmetric, one scale per image and factor; a zero factor keeps scale zero."""
    xp, coded, scales = namespace(factors.u), [], []
    for part in (factors.u, factors.s, factors.vt):
        scale = xp.max(xp.abs(xp.reshape(part, (part.shape[0], -1))), axis=1) / 127  # (images,)
        scale = xp.astype(scale, xp.float32)
        divisor = xp.where(scale > 0, scale, xp.ones_like(scale))
        codes = xp.round(part / xp.reshape(divisor, (-1,) + (1,) * (part.ndim - 1)))
        # float32 scales may round down by half an ulp: 127.00001 must not wrap
        coded.append(xp.astype(xp.clip(codes, -127, 127), xp.int8))
        scales.append(scale)
    u, s, vt = coded
    return QuantisedFactors(u, s, vt, xp.stack(scales, axis=1))
