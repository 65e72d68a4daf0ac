"""Pictures for prediction, damaged and hostile: an array of the declared shape, or a ValueError that names the file."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from harness.sources.digits1000_cnn.pipeline.pictures import read_picture
from tests.fuzz.inputs import EDITS, edited, fuzz, scratch

pytestmark = pytest.mark.slow

PIXELS = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
FORMATS = ("PNG", "BMP", "JPEG", "GIF")


def encoded(form: str) -> bytes:
    """Return the picture in a file format."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert("RGB").save(file, format=form)
    return file.getvalue()


def read(content: bytes, *, resize: bool) -> None:
    """Read a picture as prediction does."""
    with scratch() as folder:
        path = Path(folder, "x.png")
        path.write_bytes(content)
        told = "x.png"
        try:
            picture = read_picture(path, resize=resize)
            assert picture.shape == (28, 28, 3)
            assert picture.dtype == np.dtype(np.uint8)
        except ValueError as error:
            told = str(error)
        assert "x.png" in told


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_pictures(form: str) -> None:
    """Bytes that go, come or change in a picture of any format, or have nothing to do with one."""
    valid = encoded(form)

    @fuzz
    @given(edits=EDITS, other=st.one_of(st.none(), st.binary(max_size=64)), resize=st.booleans())
    @example(edits=[], other=None, resize=True)
    def check(edits: list[tuple[float, int, bytes]], other: bytes | None, *, resize: bool) -> None:
        read(edited(valid, edits) if other is None else other, resize=resize)

    check()


def png(width: int, height: int, depth: int, colour: int, content: bytes) -> bytes:
    """Return a PNG whose checksums fit, whatever it claims."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(content))
        + chunk(b"IEND", b"")
    )


@fuzz
@given(
    width=st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1)), height=st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1)),
    depth=st.sampled_from([1, 2, 4, 8, 16, 0, 3, 255]), colour=st.integers(0, 7), content=st.binary(max_size=1000), resize=st.booleans(),
)  # fmt: skip
@example(width=2**31, height=2**31, depth=8, colour=0, content=b"", resize=True)
@example(width=60_000, height=3_000, depth=8, colour=2, content=b"", resize=True)
def test_whole_pictures_that_claim_anything(
    width: int, height: int, depth: int, colour: int, content: bytes, *, resize: bool
) -> None:
    """A picture whose checksums fit may claim any size, depth and colour; none is decoded before its size is known to be sane."""
    read(png(width, height, depth, colour, content), resize=resize)


def test_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    """A picture of 64 megapixels is named with its size, as an error also where warnings are none."""
    with scratch() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "x.png")
        path.write_bytes(png(8_000, 8_000, 1, 0, bytes(8_000 * 1_001)))
        with pytest.raises(ValueError, match="8000x8000 pixels"):
            read_picture(path, resize=True)
