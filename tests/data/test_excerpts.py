"""The embedded excerpts: their declared content, where it comes from, and how it is loaded."""

from __future__ import annotations

import gzip
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness import data
from harness.data import excerpts, idx
from harness.data.loading import EMBEDDED
from harness.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

originals = pytest.mark.skipif(
    "HARNESS_DATA" not in os.environ,
    reason="NOT TESTED: HARNESS_DATA is not set, so the excerpts were not compared with the originals",
)


@pytest.mark.parametrize(
    ("name", "train", "test", "present"),
    [("mnist-excerpt", 6000, 2000, set(range(10))), ("kmnist-excerpt", 1861, 3000, {0, 2, 6})],
)
def test_an_excerpt_is_whole_without_any_folder(
    small: Any, monkeypatch: pytest.MonkeyPatch, name: str, train: int, test: int, present: set[int]
) -> None:
    """It needs neither HARNESS_DATA nor a download, and its content has the declared hashes."""
    monkeypatch.delenv("HARNESS_DATA")
    found = data.load(name)
    assert (found.complete, found.origin) == (True, "embedded")
    assert found.found == (
        f"{train:,} train and {test:,} test images that travel in the package; complete, verified by hash"
    )
    assert found.train.images.shape == (train, 28, 28)
    assert found.test.images.shape == (test, 28, 28)
    assert set(found.train.labels) == set(found.test.labels) == present
    assert isinstance(found.train.images, np.memmap)


@originals
@pytest.mark.parametrize("name", excerpts.EXCERPTS)
def test_an_excerpt_is_its_original_image_by_image(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """Each image and label is that of the original at the position which the excerpt names."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    excerpt, original = data.load(name), data.load(excerpts.EXCERPTS[name][0])
    for part in ("train", "test"):
        ours, theirs = getattr(excerpt, part), getattr(original, part)
        with idx.open_idx(EMBEDDED / name / f"{part}-taken-idx1-ubyte.gz", ()) as opened:
            rows = np.flatnonzero(np.frombuffer(b"".join(opened.blocks), np.uint8))
        assert np.array_equal(ours.images, theirs.images[rows])
        assert np.array_equal(ours.labels, theirs.labels[rows])


@pytest.mark.slow
@originals
def test_the_files_are_cut_from_the_originals_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command writes files of the same content as those that travel."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    excerpts.write(tmp_path / "cut")
    names = {path.relative_to(EMBEDDED) for path in EMBEDDED.rglob("*.gz")}
    assert {path.relative_to(tmp_path / "cut") for path in (tmp_path / "cut").rglob("*.gz")} == names
    for name in names:
        # as bytes only where zlib is the same
        cut, embedded = (
            gzip.decompress((folder / name).read_bytes()) for folder in (tmp_path / "cut", EMBEDDED)
        )
        assert cut == embedded


def test_a_damaged_excerpt_asks_for_a_new_installation(
    small: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No download mends the package's own files."""
    shutil.copytree(EMBEDDED, tmp_path / "embedded")
    monkeypatch.setattr("harness.data.loading.EMBEDDED", tmp_path / "embedded")
    labels = tmp_path / "embedded" / "mnist-excerpt" / "train-labels-idx1-ubyte.gz"
    labels.write_bytes((EMBEDDED / "kmnist-excerpt" / "train-labels-idx1-ubyte.gz").read_bytes())
    (tmp_path / "embedded" / "kmnist-excerpt" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz does not fit its images"):
        data.load("mnist-excerpt")
    with pytest.raises(DataError, match=r"test labels are missing: .* Install report-harness anew"):
        data.load("kmnist-excerpt")
