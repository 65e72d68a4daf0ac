"""Leaked test images: counted whatever the order, and held against what the data set shares itself."""

from __future__ import annotations

import hypothesis
import numpy as np
from hypothesis import strategies as st

from harness.measure.splits import disjoint, shared


@hypothesis.given(
    seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)), leaked=st.integers(0, 20)
)  # fmt: skip
def test_every_leaked_image_is_counted(seed: int, sizes: tuple[int, int], leaked: int) -> None:
    """So many test images put among the training images, in any order, are found; different ones are not."""
    rng = np.random.default_rng(seed)
    pixels = rng.permutation(256)[: sum(sizes)].astype(np.uint8)  # one grey level an image: all differ
    images = np.broadcast_to(pixels[:, None, None], (len(pixels), 4, 3))
    training, test = images[: sizes[0]], images[sizes[0] :]
    leaked = min(leaked, len(test))
    mixed = rng.permutation(np.concatenate([training, test[:leaked]]))
    assert shared(training, test) == 0
    assert shared(mixed, test) == leaked
    check = disjoint(mixed, rng.permutation(test), allowed=0, name="split")
    assert check.holds == (leaked == 0)
    assert check.error == leaked


def test_what_the_data_set_shares_itself_is_allowed() -> None:
    """An image that the published halves share is no leak; one more is."""
    training, test = (
        np.zeros((3, 2, 2), np.uint8),
        np.stack([np.full((2, 2), grey, np.uint8) for grey in (0, 1, 2)]),
    )
    assert disjoint(training, test, allowed=1, name="split").holds
    leaking = disjoint(np.concatenate([training, test[2:]]), test, allowed=1, name="split")
    assert not leaking.holds
    assert "2 of 3 test images are training images too, 1 in the whole data set" in leaking.detail
