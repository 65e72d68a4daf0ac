"""A small MNIST in torchvision's layout, declared with its own hashes, and children that load it."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.data import idx
from harness.data.declared import DECLARED, MNIST, Declared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parents[2]


def encode(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX file of an array."""
    return idx.header(array.shape) + array.tobytes()


@dataclasses.dataclass(frozen=True)
class Small:
    """The small data set and where it lies."""

    root: Path
    cache: Path
    arrays: dict[str, NDArray[np.uint8]]
    patch: pytest.MonkeyPatch

    @property
    def raw(self) -> Path:
        """Folder of the IDX files."""
        return self.root / "MNIST" / "raw"

    def declare(self, **changes: Any) -> Declared:
        """Declare the data set as `mnist`, with some fields changed."""
        declared = dataclasses.replace(DECLARED["mnist"], **changes)
        self.patch.setitem(DECLARED, "mnist", declared)
        return declared

    def write(self, file: str, content: bytes) -> Path:
        """Write an IDX file, gzipped if its name says so, in place of either form."""
        (self.raw / file.removesuffix(".gz")).unlink(missing_ok=True)
        (self.raw / f"{file.removesuffix('.gz')}.gz").unlink(missing_ok=True)
        (self.raw / file).write_bytes(gzip.compress(content) if file.endswith(".gz") else content)
        return self.raw / file

    def start(self, code: str) -> subprocess.Popen[str]:
        """Start a child that sees this data, by the harness's own declarations."""
        places = {
            "HARNESS_DATA": str(self.root),
            "HARNESS_CACHE": str(self.cache),
            "PYTHONPATH": str(REPOSITORY),
        }
        return subprocess.Popen(
            [sys.executable, "-c", code], env=os.environ | places, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def child(self, code: str) -> str:
        """Run a child to its end and return what it printed."""
        process = self.start(code)
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        return out


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    """Write 40 train and 20 test images, declare them as `mnist`, point the harness at them."""
    generator = np.random.default_rng(5)
    shapes = ((40, 28, 28), (40,), (20, 28, 28), (20,))
    arrays = {
        part.file: generator.integers(0, 256 if len(shape) == 3 else 10, shape, dtype=np.uint8)
        for part, shape in zip(MNIST.parts, shapes, strict=True)
    }
    hashes = [hashlib.sha256(encode(array)).hexdigest() for array in arrays.values()]
    parts = [
        dataclasses.replace(part, shape=shape, sha256=digest)
        for part, shape, digest in zip(MNIST.parts, shapes, hashes, strict=True)
    ]
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # children that are another user can enter, unlike pytest's own folder
        made = Small(Path(name) / "data", Path(name) / "cache", arrays, monkeypatch)
        made.raw.mkdir(parents=True)
        for file, array in arrays.items():
            made.write(f"{file}.gz", encode(array))
        made.declare(parts=tuple(parts))
        monkeypatch.setenv("HARNESS_DATA", str(made.root))
        monkeypatch.setenv("HARNESS_CACHE", str(made.cache))
        yield made
