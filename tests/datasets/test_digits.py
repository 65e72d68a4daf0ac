"""The digits: what scikit-learn ships, enlarged and split in a way that never changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness import datasets
from harness.datasets import digits


def test_digits_are_the_declared_bytes(small: Any) -> None:
    """They need no download and no HARNESS_DATA, and their content has the recorded hash."""
    found = datasets.load("digits")
    assert found.complete
    assert found.origin == "embedded"
    assert found.sha256 == "9b0cd0eb5e1bb04cb56d40cc624f4039edd0783dbb63cb4bc34eea75292edceb"
    assert (
        found.found == "1,437 train and 360 test images made from scikit-learn's; complete, verified by hash"
    )
    assert found.train.images.shape == (1437, 28, 28)
    assert found.test.images.shape == (360, 28, 28)
    assert found.train.images.dtype == found.train.labels.dtype == np.uint8
    assert int(found.train.images.max()) == 255
    assert (
        small.child("from harness import datasets; print(datasets.load('digits').sha256)").strip()
        == found.sha256
    )


def test_split_is_stratified_and_loses_nothing(small: Any) -> None:
    """Each class gives a fifth to the test set, to within one image; every digit is in one half."""
    from sklearn.datasets import load_digits

    found = datasets.load("digits")
    total = np.bincount(load_digits().target)
    test = np.bincount(found.test.labels)
    assert np.array_equal(np.bincount(found.train.labels) + test, total)
    assert np.all(np.abs(test - total * 360 / 1797) < 1)
    everything = np.concatenate([found.train.images, found.test.images]).reshape(1797, -1)
    original = digits.enlarge(np.rint(load_digits().images * 255 / 16).astype(np.uint8)).reshape(1797, -1)
    assert np.array_equal(everything[np.lexsort(everything.T)], original[np.lexsort(original.T)])


def test_enlarging_is_bilinear() -> None:
    """Pillow's fixed point gives the bilinear formula with half-pixel centres to within one grey level."""
    image = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    centres = np.clip((np.arange(28) + 0.5) * 8 / 28 - 0.5, 0, 7)
    weights = np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(8)))  # (28, 8)
    exact = weights @ image @ weights.T  # (28, 28)
    assert np.max(np.abs(digits.enlarge(image[None])[0] - exact)) <= 1


def test_second_load_imports_nothing_heavy(small: Any) -> None:
    """Once cached, digits need neither scikit-learn, SciPy nor Pillow."""
    code = (
        "import sys; from harness import datasets; datasets.load('digits');"
        "print(sorted({'sklearn', 'scipy', 'PIL', 'torch', 'filelock'} & set(sys.modules)))"
    )
    assert "sklearn" in small.child(code)
    assert small.child(code).strip() == "[]"


def test_other_digits_are_usable_but_incomplete(small: Any, monkeypatch: Any) -> None:
    """Digits that a changed library made differently are marked, with the hash that was expected."""
    made = {name: array.copy() for name, array in digits.make().items()}
    made["train-images-idx3-ubyte"][0, 0, 0] ^= 1
    monkeypatch.setattr(digits, "make", lambda: made)
    found = datasets.load("digits")
    assert not found.complete
    assert "digits train images: SHA-256" in found.found
    assert "differs from the declared 8ee954b7" in found.found
