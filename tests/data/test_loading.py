"""Finding and verifying data sets: complete, incomplete, foreign, damaged, forbidden and absent."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness import data
from harness.data.idx import header
from harness.data.loading import EMBEDDED
from harness.errors import DataError, UnknownNameError
from tests.data.conftest import encode

if TYPE_CHECKING:
    from pathlib import Path

REAL = os.environ.get("HARNESS_DATA", "")
real_data = pytest.mark.skipif(
    not REAL, reason="NOT TESTED: HARNESS_DATA is not set, so no real MNIST or KMNIST was read"
)
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def test_complete_data_is_loaded_and_verified(small: Any) -> None:
    """Four good files are complete, say where they came from without a path, and give the right arrays."""
    found = data.load("mnist")
    assert found.complete
    assert found.found == "40 train and 20 test images from HARNESS_DATA; complete, verified by hash"
    assert found.classes == tuple("0123456789")
    pairs = (found.train.images, found.train.labels, found.test.images, found.test.labels)
    assert all(np.array_equal(a, b) for a, b in zip(pairs, small.arrays.values(), strict=True))
    assert (len(found.train), len(found.test)) == (40, 20)
    assert "/" not in str(found.use)  # the same on another machine


def test_hash_is_that_of_the_content(small: Any) -> None:
    """Plain or gzipped, the hash is what `sha256sum` over the unpacked files, hashed again, gives."""
    gzipped = data.load("mnist").sha256
    for file, array in small.arrays.items():
        small.write(file, encode(array))
    done = subprocess.run(  # noqa: S602 - a fixed pipeline, as a user would type it
        "sha256sum train-images* train-labels* t10k-images* t10k-labels* | sha256sum",
        shell=True,
        cwd=small.raw,
        capture_output=True,
        text=True,
        check=True,
    )
    assert data.load("mnist").sha256 == gzipped == done.stdout.split()[0]


def test_an_incomplete_set_is_usable_and_says_so(small: Any) -> None:
    """Valid files with fewer items load, have another hash, are not complete, and name both counts."""
    whole = data.load("mnist").sha256
    small.write(f"{IMAGES}.gz", encode(small.arrays[IMAGES][:9]))
    small.write(f"{LABELS}.gz", encode(small.arrays[LABELS][:9]))
    found = data.load("mnist")
    assert found.sha256 != whole
    assert (found.complete, found.use.complete, found.use.train_share) == (False, False, 9 / 40)
    assert found.found == (
        "9 train and 20 test images from HARNESS_DATA; "
        "incomplete: MNIST train images: 9 of 40; MNIST train labels: 9 of 40"
    )
    assert np.array_equal(found.train.images, small.arrays[IMAGES][:9])


def test_a_foreign_file_is_an_error(small: Any) -> None:
    """A valid file with other content, of the right size, is named with both hashes."""
    other = encode(np.zeros((40, 28, 28), np.uint8))
    path = small.write(f"{IMAGES}.gz", other)
    expected = small.declare().parts[0].sha256
    with pytest.raises(DataError) as caught:
        data.load("mnist")
    assert caught.value.what == (
        f"{path} is foreign: expected 40 items with SHA-256 {expected}, "
        f"found 40 with {hashlib.sha256(other).hexdigest()}"
    )
    assert "harness data fetch" in caught.value.next_step


@pytest.mark.parametrize("count", [41, 2**32 - 1])
def test_more_than_there_can_be_is_refused_before_it_is_decoded(small: Any, count: int) -> None:
    """A header that claims more items than the set has is named, whatever the file unpacks to; nothing is cached."""
    path = small.raw / f"{IMAGES}.gz"
    path.write_bytes(gzip.compress(header((count, 28, 28)) + bytes(1 << 20)))
    with pytest.raises(DataError, match=f"expected at most 40 items, found a header that says {count:,}"):
        data.load("mnist")
    assert not list(small.cache.rglob("*images-idx3*.npy"))


def test_a_pipe_under_the_name_of_a_file(small: Any) -> None:
    """A pipe would be waited for without end: it is an error."""
    path = small.raw / f"{IMAGES}.gz"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="cannot be read: it is no regular file"):
        data.load("mnist")


def test_unknown_hash_means_unverified_unless_the_gzip_file_is_the_original(small: Any) -> None:
    """Where only the original gzip file has a known hash, that file is verified and anything else is not."""
    md5 = hashlib.md5((small.raw / f"{IMAGES}.gz").read_bytes(), usedforsecurity=False).hexdigest()
    first = replace(small.declare().parts[0], sha256="", gz_md5=md5)
    small.declare(parts=(first, *small.declare().parts[1:]))
    assert data.load("mnist").complete
    plain = small.write(IMAGES, encode(small.arrays[IMAGES]))
    found = data.load("mnist")
    assert not found.complete
    assert (
        "MNIST train images: all 40, but unverified: only the original gzip file has a known hash"
        in found.found
    )
    small.raw.joinpath(f"{IMAGES}.gz").write_bytes(gzip.compress(plain.read_bytes(), compresslevel=2))
    assert not data.load("mnist").complete


def test_labels_must_fit_images_and_be_classes(small: Any) -> None:
    """Unequal numbers of images and labels, and a label that stands for no class, are refused."""
    path = small.write(LABELS, encode(small.arrays[LABELS][:39]))
    with pytest.raises(DataError, match=f"{path} does not fit its images: expected 40 labels, found 39"):
        data.load("mnist")
    small.write(IMAGES, encode(small.arrays[IMAGES][:2]))
    path = small.write(LABELS, encode(np.array([0, 10], np.uint8)))
    with pytest.raises(DataError, match=f"{path} is foreign: expected labels from 0 to 9, found 10"):
        data.load("mnist")


def test_a_truncated_gzip_file_is_an_error_and_leaves_no_cache_entry(small: Any) -> None:
    """A download that broke off is named, and nothing of it stays."""
    path = small.raw / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=rf"{path} is truncated or damaged: .*harness data fetch"):
        data.load("mnist")
    assert {found.suffix for found in (small.cache / "decoded").iterdir()} == {".lock"}


def test_one_missing_file_is_named(small: Any) -> None:
    """Three of four files are an error that names the fourth."""
    (small.raw / f"{LABELS}.gz").unlink()
    with pytest.raises(DataError, match=f"MNIST train labels are missing: expected {small.raw / LABELS} or"):
        data.load("mnist")


@pytest.mark.parametrize("closed", ["file", "folder"])
def test_unreadable_data_is_named(small: Any, closed: str) -> None:
    """A file, or a folder, that the user may not read is an error that says so."""
    small.cache.mkdir()
    small.cache.chmod(0o777)
    (small.raw / f"{IMAGES}.gz" if closed == "file" else small.raw).chmod(0)
    out = small.child(
        "import os; import filelock; from harness import data as datasets; from harness.errors import DataError\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "try: datasets.load('mnist')\nexcept DataError as error: print(error)"
    )
    small.raw.chmod(0o755)
    assert out.lower().startswith(f"{small.raw / IMAGES}.gz cannot be read: permission denied".lower())


def test_absent_data_says_where_it_was_looked_for(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that is nowhere names both places and the command that fetches it."""
    with pytest.raises(DataError) as caught:
        data.load("kmnist")
    assert str(small.root) in caught.value.what
    assert str(small.cache) in caught.value.what
    assert "Type: harness data fetch kmnist" in caught.value.next_step
    monkeypatch.setenv("HARNESS_DATA", str(small.root / "nowhere"))
    with pytest.raises(DataError, match=r"HARNESS_DATA names .*nowhere, which is not a folder\. Correct"):
        data.load("mnist")


def test_the_cache_serves_what_harness_data_lacks(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HARNESS_DATA, or with one that lacks the set, the per-user cache is used."""
    small.cache.mkdir()
    (small.root / "MNIST").rename(small.cache / "MNIST")
    assert data.load("mnist").origin == "cache"
    monkeypatch.delenv("HARNESS_DATA")
    where = "from the per-user cache; complete, verified by hash"
    assert data.load("mnist").found == f"40 train and 20 test images {where}"


def test_unknown_names_are_answered_with_the_nearest() -> None:
    """A misspelt data set is corrected."""
    with pytest.raises(UnknownNameError, match=r"unknown data set 'mnits'\. Did you mean 'mnist'"):
        data.load("mnits")


def test_status_has_a_row_for_each_state(small: Any) -> None:
    """Embedded, incomplete and absent data are rows with counts, bytes, what is wrong and the next step."""
    small.write(IMAGES, encode(small.arrays[IMAGES][:9]))
    small.write(LABELS, encode(small.arrays[LABELS][:9]))
    excerpt, _, mnist, kmnist = data.status()
    counts = (excerpt.complete, excerpt.train, excerpt.test)
    assert (excerpt.where, *counts) == ("travels in the package", True, 6000, 2000)
    embedded = (EMBEDDED / "mnist-excerpt").glob("*-[il]*-idx*.gz")
    assert excerpt.bytes == sum(path.stat().st_size for path in embedded)
    assert (mnist.where, mnist.complete, mnist.train, mnist.test) == (str(small.raw), False, 9, 20)
    assert mnist.bytes == sum(path.stat().st_size for path in small.raw.iterdir())
    assert "MNIST train images: 9 of 40" in mnist.problem
    assert mnist.next_step == "Type: harness data fetch mnist, then unset HARNESS_DATA"
    assert (kmnist.where, kmnist.complete, kmnist.train, kmnist.bytes) == ("", False, 0, 0)
    assert "kmnist" in kmnist.problem
    assert "harness data fetch kmnist" in kmnist.next_step
    # a damaged file does not end `status`
    (small.raw / f"{IMAGES}.gz").write_bytes(b"<html>")
    row = data.status()[2]
    assert "is not gzip" in row.problem
    assert "harness data fetch" in row.next_step
    assert not row.complete


@real_data
def test_real_mnist_is_complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The real MNIST is there to the last byte, with its known class counts, and KMNIST has its whole test set."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    found = data.load("mnist")
    assert found.complete
    assert found.sha256 == "d0a3eec1f5a454401d758fdbf15b9b0163a7034963586d671960c180b97e2c1a"
    assert np.bincount(found.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    kmnist = data.load("kmnist")
    assert np.bincount(kmnist.test.labels).tolist() == [1000] * 10
    assert kmnist.complete == (len(kmnist.train) == 60_000)
