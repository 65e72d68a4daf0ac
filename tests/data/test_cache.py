"""The cache of decoded arrays: filled by many, mended when damaged, done without if need be."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

from harness import data
from harness.data.cache import decoded
from harness.data.idx import header
from tests.data.conftest import encode

IMAGES = "train-images-idx3-ubyte"


def entry(small: Any, suffix: str) -> Any:
    """Return the cache file of the training images."""
    (found,) = (small.cache / "decoded").glob(f"mnist-{IMAGES}-*{suffix}")
    return found


def test_arrays_are_mapped_and_read_only(small: Any) -> None:
    """What is loaded lies in the cache, is mapped from there, cannot be changed, and equals the file."""
    for _ in range(2):
        found = data.load("mnist")
        assert isinstance(found.train.images, np.memmap)
        assert np.array_equal(found.train.images, small.arrays[IMAGES])
        with pytest.raises(ValueError, match="read-only"):
            found.train.images[0] = 0


def test_an_original_is_read_again_only_if_it_changed(small: Any) -> None:
    """As long as its size and time stand, its bytes are not read; a file that was replaced is noticed by its time."""
    data.load("mnist")
    path = small.raw / f"{IMAGES}.gz"
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(bytes(len(content)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert np.array_equal(data.load("mnist").train.images, small.arrays[IMAGES])
    fewer = small.arrays[IMAGES][:7]
    small.write(f"{IMAGES}.gz", encode(fewer))
    small.write("train-labels-idx1-ubyte.gz", encode(np.zeros(7, np.uint8)))
    found = data.load("mnist")
    assert np.array_equal(found.train.images, fewer)
    assert not found.complete


def damage_middle(path: Any) -> None:
    """Overwrite bytes in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def drop_hash(path: Any) -> None:
    """Take the hash out of a note."""
    note = json.loads(path.read_text())
    del note["sha256"]
    path.write_text(json.dumps(note))


DAMAGES = {
    "array changed": (".npy", damage_middle),
    "array cut": (".npy", lambda path: path.write_bytes(path.read_bytes()[:500])),
    "array empty": (".npy", lambda path: path.write_bytes(b"")),
    "array gone": (".npy", lambda path: path.unlink()),
    "array replaced by a pickle": (".npy", lambda path: np.save(path, np.array([{}]), allow_pickle=True)),
    "note changed": (".json", damage_middle),
    "note empty": (".json", lambda path: path.write_bytes(b"")),
    "note of another kind": (".json", lambda path: path.write_text("[1]")),
    "note without hash": (".json", drop_hash),
    "note gone": (".json", lambda path: path.unlink()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_rebuilt(small: Any, damage: str) -> None:
    """Whatever happened to an entry, the next load gives the right array and leaves a sound entry."""
    data.load("mnist")
    suffix, break_it = DAMAGES[damage]
    path = entry(small, suffix)
    time.sleep(0.01)  # file systems keep time in steps of some milliseconds
    break_it(path)
    assert np.array_equal(data.load("mnist").train.images, small.arrays[IMAGES])
    assert np.array_equal(np.load(entry(small, ".npy")), small.arrays[IMAGES])
    assert not list((small.cache / "decoded").glob(".*.tmp"))


def test_processes_fill_one_cache_at_once(small: Any) -> None:
    """Four processes starting together on an empty cache get the same data and leave sound entries."""
    many = np.random.default_rng(1).integers(0, 256, (8_000, 28, 28), dtype=np.uint8)
    small.write(IMAGES, header(many.shape) + many.tobytes())
    small.write("train-labels-idx1-ubyte", header((8_000,)) + bytes(8_000))
    code = (
        "import pathlib, sys, time; from harness import data as datasets; import filelock\n"
        f"go = pathlib.Path({str(small.root / 'go')!r}); print('ready', flush=True)\n"
        "while not go.exists(): time.sleep(0.001)\n"
        "found = datasets.load('mnist')\n"
        "print(found.sha256, int(found.train.images.sum(dtype=int)))\n"
    )
    processes = [small.start(code) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    (small.root / "go").touch()
    results = [process.communicate(timeout=240) for process in processes]
    assert [error for _, error in results] == [""] * 4
    assert {out.split()[1] for out, _ in results} == {str(many.sum(dtype=int))}
    assert len({out for out, _ in results}) == 1
    assert sorted(path.suffix for path in (small.cache / "decoded").iterdir()) == sorted(
        [".json", ".lock", ".npy"] * 4
    )


def test_a_full_disk_under_the_cache_is_one_error(small: Any) -> None:
    """An array that does not fit is named with what to do, and leaves no half file."""
    out = small.child(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "from harness import data as datasets; from harness.errors import StorageError\n"
        "try: datasets.load('mnist')\nexcept StorageError as error: print(error)"
    )
    assert f"cannot write {small.cache}" in out
    assert "larger than allowed" in out
    assert not list((small.cache / "decoded").glob(".*.tmp"))


def test_decoding_needs_little_memory(small: Any) -> None:
    """31 MB are decoded, hashed and written in blocks, with less than 6 MB allocated at any time."""
    zeros = bytes(40_000 * 784)
    path = small.write(f"{IMAGES}.gz", header((40_000, 28, 28)) + zeros)
    import filelock  # noqa: F401 - its own memory is not counted

    del zeros
    tracemalloc.start()
    try:
        assert decoded(path, "x", (40_000, 28, 28), small.cache).array.shape == (40_000, 28, 28)
        assert tracemalloc.get_traced_memory()[1] < 6e6
    finally:
        tracemalloc.stop()
