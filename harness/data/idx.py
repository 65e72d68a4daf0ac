"""The IDX format of MNIST: unsigned bytes behind a big-endian header, plain or gzipped, read block by block.

Header: two zero bytes, ``0x08`` for unsigned bytes, the number of dimensions, each dimension as four bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import math
import struct
import zlib
from typing import IO, TYPE_CHECKING

from harness.errors import DataError
from harness.store import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
REPLACE = "Replace it by the original; 'harness data fetch' gets one"
"""Next step for a file that is not what it should be."""


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """Content that is about to be read."""

    shape: tuple[int, ...]
    """Shape of the whole array, uint8."""
    blocks: Iterator[bytes]
    """The array's bytes in C order, in blocks; ends after exactly as many bytes as `shape` needs."""


def header(shape: tuple[int, ...]) -> bytes:
    """Return the IDX header of a uint8 array."""
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)


def gz_md5(path: Path) -> str:
    """Return the hexadecimal MD5 of a file, as published for downloads; it tells files apart, no more."""
    with _explained(path), files.open_regular(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextlib.contextmanager
def open_idx(path: Path, item_shape: tuple[int, ...], most: int | None = None) -> Iterator[Opened]:
    """Open an IDX file, check its header, and give its content in blocks.

    Parameters
    ----------
    path : Path
        The file; gzip if its name ends in ``.gz``.
    item_shape : tuple of int
        Shape of one item: (28, 28) for images, () for labels.
    most : int, optional
        Items there can be: a small gzip file may claim, and hold, any number.

    Yields
    ------
    Opened
        Shape and blocks.

    Raises
    ------
    DataError
        If the file is missing, unreadable, not gzip, not IDX, of other items or too many, or shorter or longer than
        its header says; it names the file, what was expected and what was found.
    """
    with contextlib.ExitStack() as stack:
        with _explained(path):
            file = stack.enter_context(_open(path))
            shape = _read_header(path, file, item_shape)
            _refuse_more(path, shape[0], most)
        yield Opened(shape, _blocks(path, file, math.prod(shape)))


def _open(path: Path) -> IO[bytes]:
    if path.suffix != ".gz":
        return files.open_regular(path)
    with files.open_regular(path) as raw:
        magic = raw.read(2)
    if magic != _GZIP_MAGIC:
        raise DataError(
            f"{path} is not gzip: expected bytes 1f8b at its start, found {magic.hex() or 'none'}", REPLACE
        )
    return gzip.GzipFile(path)  # type: ignore[return-value]  # a binary file but for its annotations


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what reading can raise into one error that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", "Put it back or run 'harness data fetch'") from error
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: permission denied", f"Type: chmod +r {path}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is truncated or damaged: expected a whole gzip file, found: {error}", REPLACE
        ) from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}", "Look at that file and its disk"
        ) from error


def _read_header(path: Path, file: IO[bytes], item_shape: tuple[int, ...]) -> tuple[int, ...]:
    size = 8 + 4 * len(item_shape)
    found = file.read(size)
    magic = header((0, *item_shape))[:4]
    if found[:4] != magic:
        raise DataError(
            f"{path} is foreign: expected IDX magic {magic.hex()}, found {found[:4].hex() or 'nothing'}",
            REPLACE,
        )
    if len(found) < size:
        raise DataError(
            f"{path} is truncated: expected a header of {size} bytes, found {len(found)}", REPLACE
        )
    shape: tuple[int, ...] = struct.unpack_from(f">{1 + len(item_shape)}I", found, 4)
    if shape[1:] != item_shape:
        raise DataError(
            f"{path} is foreign: expected items of shape {item_shape}, found {shape[1:]}", REPLACE
        )
    if shape[0] == 0:
        raise DataError(f"{path} is empty: its header says 0 items", REPLACE)
    return shape


def _refuse_more(path: Path, count: int, most: int | None) -> None:
    if most is not None and count > most:
        told = f"{path} is foreign: expected at most {most:,} items, its header says {count:,}"
        raise DataError(told, REPLACE)


def _blocks(path: Path, file: IO[bytes], total: int) -> Iterator[bytes]:
    read = 0
    with _explained(path):
        while block := file.read(min(BLOCK_BYTES, total - read)):
            read += len(block)
            yield block
        if read < total:
            raise DataError(
                f"{path} is truncated: expected {total:,} bytes behind the header, found {read:,}", REPLACE
            )
        if file.read(1):  # reading on to the end also makes gzip compare its checksum
            raise DataError(
                f"{path} is longer than its header says: expected {total:,} bytes, found more", REPLACE
            )
