"""Whether the images that a run trains on and those that it is tested on are different ones."""

from __future__ import annotations

import hashlib
import typing

import numpy as np

from harness.records import IdentityCheck

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

    Images = NDArray[typing.Any]


def shared(training: Images, test: Images) -> int:
    """Count the test images that are also training images, byte by byte.

    Parameters
    ----------
    training, test : arrays of shapes (n, ...) and (m, ...)
        Of one dtype, as the pipeline gets them: what is scaled or cast differently is never found equal.
    """
    known = set(_digests(training))
    return sum(digest in known for digest in _digests(test))


def _digests(images: Images) -> list[bytes]:
    """Return 16 bytes an image: far less than the images, and no two different ones meet by chance."""
    return [
        hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest() for image in images
    ]


def disjoint(training: Images, test: Images, *, allowed: int, name: str) -> IdentityCheck:
    """Check, as ``<name>.disjoint``, that no test image was leaked into training; the error is a number of test images.

    Parameters
    ----------
    training, test : arrays of shapes (n, ...) and (m, ...)
        What a run really trains on and is tested on.
    allowed : int
        Test images that the published data set itself has among its training images.
    """
    leaked = shared(training, test)
    detail = f"{leaked} of {len(test)} test images are training images too, {allowed} in the whole data set"
    return IdentityCheck(
        f"{name}.disjoint", float(leaked), float(allowed), "training images ∩ test images = ∅", detail
    )
