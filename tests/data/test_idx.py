"""IDX files: every array comes back, and no damage passes or escapes as another error."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import idx
from harness.errors import DataError
from tests.data.conftest import encode

FILES = Path("/proc/self/fd")
GZIPPED = st.booleans()
COUNTS = st.integers(1, 30)


def read(content: bytes, *, gzipped: bool, item_shape: tuple[int, ...] = (28, 28)) -> np.ndarray:
    """Write `content` to a file and read it as IDX."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("x.gz" if gzipped else "x")
        path.write_bytes(content)
        with idx.open_idx(path, item_shape) as opened:
            return np.frombuffer(b"".join(opened.blocks), np.uint8).reshape(opened.shape)


def images(count: int) -> np.ndarray:
    """Return random images of shape (count, 28, 28)."""
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def encoded(array: np.ndarray, *, gzipped: bool) -> bytes:
    """Return the IDX file of an array."""
    plain = encode(array)
    return gzip.compress(plain, compresslevel=1) if gzipped else plain


@settings(max_examples=20, deadline=None)
@given(count=COUNTS, gzipped=GZIPPED)
def test_arrays_come_back(count: int, *, gzipped: bool) -> None:
    """What is encoded is decoded, plain and gzipped, images and labels."""
    array = images(count)
    assert np.array_equal(read(encoded(array, gzipped=gzipped), gzipped=gzipped), array)
    labels = array[:, 0, 0]
    assert np.array_equal(read(encoded(labels, gzipped=gzipped), gzipped=gzipped, item_shape=()), labels)


@settings(max_examples=60, deadline=None)
@given(count=COUNTS, gzipped=GZIPPED, where=st.floats(0, 1, exclude_max=True))
def test_every_cut_is_noticed(count: int, where: float, *, gzipped: bool) -> None:
    """A file cut off at any byte is a DataError that names it, never another error and never data."""
    whole = encoded(images(count), gzipped=gzipped)
    with pytest.raises(DataError, match="x"):
        read(whole[: int(where * len(whole))], gzipped=gzipped)


@settings(max_examples=60, deadline=None)
@given(count=COUNTS, where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_damage_to_gzip_changes_the_data(count: int, where: float, flip: int) -> None:
    """A changed byte of a gzip file is a DataError, or one of the bytes that mean nothing (its date, say)."""
    array = images(count)
    damaged = bytearray(encoded(array, gzipped=True))
    damaged[int(where * len(damaged))] ^= flip
    try:
        found = read(bytes(damaged), gzipped=True)
    except DataError:
        return
    assert np.array_equal(found, array)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is foreign: expected IDX magic 00000803, found nothing"),
        (b"\x00\x00\x08\x01" + bytes(20), "is foreign: expected IDX magic 00000803, found 00000801"),
        (b"\x00\x00\x08\x03" + bytes(4), "is truncated: expected a header of 16 bytes, found 8"),
        (idx.header((2, 32, 32)) + bytes(2048), r"is foreign: expected items of shape \(28, 28\), found \(32, 32\)"),
        (idx.header((0, 28, 28)), "is empty: its header says 0 items"),
        (idx.header((2, 28, 28)) + bytes(1000), "truncated: expected 1,568 bytes behind the header, found 1,000"),
        (idx.header((2**32 - 1, 28, 28)) + bytes(9), "truncated: expected 3,367,254,359,280 bytes .* found 9"),
        (idx.header((2, 28, 28)) + bytes(1569), "is longer than its header says: expected 1,568 bytes, found more"),
    ],
)  # fmt: skip
def test_wrong_content_says_what_was_expected_and_found(content: bytes, says: str) -> None:
    """Each way to be wrong is named with the expected and the found, and with the next step."""
    for gzipped in (False, True):
        with pytest.raises(DataError, match=f"{says}.*Replace it by the original"):
            read(gzip.compress(content) if gzipped else content, gzipped=gzipped)


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A plain file under a gzip name (such as a saved error page), a folder, and a file that vanished before it was opened."""
    (tmp_path / "x.gz").write_bytes(b"<html>")
    (tmp_path / "folder").mkdir()
    for name, told in (
        ("x.gz", r"x\.gz is not gzip: expected bytes 1f8b at its start, found 3c68"),
        ("folder", "folder cannot be read: Is a directory"),
        ("gone", "gone is missing"),
    ):
        with pytest.raises(DataError, match=told):
            idx.open_idx(tmp_path / name, ()).__enter__()


def test_files_are_closed(tmp_path: Path) -> None:
    """After reading, well or badly, no file stays open."""
    before = len(list(FILES.iterdir())) if FILES.exists() else None
    if before is None:
        pytest.skip("NOT TESTED: this system does not list open files")
    for content in (encoded(images(2), gzipped=True), encoded(images(2), gzipped=True)[:100], b"\x1f\x8b"):
        try:
            read(content, gzipped=True)
        except DataError:
            continue
    assert len(list(FILES.iterdir())) == before
