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
LOOK = "Look at that file, its folders and their permissions"


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
            file: IO[bytes] = stack.enter_context(files.open_regular(path))
            if path.suffix == ".gz":
                magic = file.read(2)
                if magic != _GZIP_MAGIC:
                    raise _wrong(path, "not gzip", "bytes 1f8b at its start", magic.hex() or "none")
                file.seek(0)
                file = stack.enter_context(gzip.GzipFile(fileobj=file))  # type: ignore[arg-type]  # a binary file but for its annotations
            shape = _read_header(path, file, item_shape)
        if most is not None and shape[0] > most:
            raise _wrong(path, "foreign", f"at most {most:,} items", f"a header that says {shape[0]:,}")
        yield Opened(shape, _blocks(path, file, math.prod(shape)))


def _wrong(path: Path, what: str, expected: str, actual: str) -> DataError:
    return DataError(f"{path} is {what}: expected {expected}, found {actual}", REPLACE)


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
        raise _wrong(path, "truncated or damaged", "a whole gzip file", str(error)) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", LOOK) from error


def _read_header(path: Path, file: IO[bytes], item_shape: tuple[int, ...]) -> tuple[int, ...]:
    size = 8 + 4 * len(item_shape)
    start = file.read(size)
    magic = header((0, *item_shape))[:4]
    if start[:4] != magic:
        raise _wrong(path, "foreign", f"IDX magic {magic.hex()}", start[:4].hex() or "nothing")
    if len(start) < size:
        raise _wrong(path, "truncated", f"a header of {size} bytes", str(len(start)))
    shape: tuple[int, ...] = struct.unpack_from(f">{1 + len(item_shape)}I", start, 4)
    if shape[1:] != item_shape:
        raise _wrong(path, "foreign", f"items of shape {item_shape}", str(shape[1:]))
    if shape[0] == 0:
        raise DataError(f"{path} is empty: its header says 0 items", REPLACE)
    return shape


def _blocks(path: Path, file: IO[bytes], total: int) -> Iterator[bytes]:
    read = 0
    with _explained(path):
        while block := file.read(min(BLOCK_BYTES, total - read)):
            read += len(block)
            yield block
        if read < total:
            raise _wrong(path, "truncated", f"{total:,} bytes behind the header", f"{read:,}")
        if file.read(1):  # reading on to the end also makes gzip compare its checksum
            raise _wrong(path, "longer than its header says", f"{total:,} bytes", "more")
