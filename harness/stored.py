"""Results of a job that stay on disk: a job of any number of runs is read, judged, shown and stored anew a few runs at a time.

A large ``run.json`` is never in memory as a whole. Its results are found by the layout in which it was written (each opens and closes
at the start of a line, two spaces in), and each is decoded when it is asked for. A file of another layout is read whole.
"""

from __future__ import annotations

import array
import dataclasses
import gzip
import os
import typing
import weakref
import zlib
from collections.abc import Sequence

import msgspec

from harness import files
from harness.errors import StorageError
from harness.records import Job, RunResult

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import IO

    from harness.records import Purpose, RunRequest, Tier

    Group = tuple[str, str, Tier]
    Key = tuple[str, str, Tier, Purpose]

PACKED = "run.json.gz"
"""A job's ``run.json`` as it is committed."""
LARGE_BYTES = 8 << 20
"""A job whose results take less on disk is held in memory."""
_BLOCK_BYTES = 1 << 20
_OPENING, _ENDING, _CLOSING, _EMPTY = b'\n "results": [\n', b"\n  }", b"\n ]", b'\n "results": []'


class Results(Sequence[RunResult]):
    """Results of which each is decoded anew whenever it is asked for.

    Parameters
    ----------
    read : callable
        Content of one by its number: JSON.
    count : int
        How many there are.
    told : callable
        How messages call one.

    Raises
    ------
    StorageError
        If one of them is damaged. All are looked at here, so that nothing is half done when it is found.
    """

    def __init__(self, read: Callable[[int], bytes], count: int, told: Callable[[int], str]) -> None:
        self._read, self._told = read, told
        known: dict[Key, Key] = {}
        keys = (_key(self._decoded(index).request) for index in range(count))
        self._keys = [known.setdefault(key, key) for key in keys]
        self._chosen: Sequence[int] = range(count)

    def _decoded(self, index: int) -> RunResult:
        return files.decode(self._read(index), RunResult, self._told(index), "Run it again")

    def __len__(self) -> int:
        return len(self._chosen)

    @typing.overload
    def __getitem__(self, index: int) -> RunResult: ...
    @typing.overload
    def __getitem__(self, index: slice) -> Sequence[RunResult]: ...
    def __getitem__(self, index: int | slice) -> RunResult | Sequence[RunResult]:
        if isinstance(index, slice):
            return [self._decoded(chosen) for chosen in self._chosen[index]]
        return self._decoded(self._chosen[index])

    def groups(self) -> dict[Group, Sequence[RunResult]]:
        """Return the results of each variant and tier, in the order first met."""
        found: dict[Group, array.array[int]] = {}
        for index in self._chosen:
            found.setdefault(self._keys[index][:3], array.array("L")).append(index)
        return {key: self._only(chosen) for key, chosen in found.items()}

    def of_purpose(self, purpose: Purpose) -> Results:
        """Return those of runs with that purpose."""
        return self._only([index for index in self._chosen if self._keys[index][3] == purpose])

    def _only(self, chosen: Sequence[int]) -> Results:
        part = object.__new__(Results)
        part._read, part._told, part._keys, part._chosen = self._read, self._told, self._keys, chosen
        return part

    def raw(self, index: int) -> bytes:
        """Return one as it is stored."""
        return self._read(self._chosen[index])


def _key(request: RunRequest) -> Key:
    return request.scenario, request.variant, request.tier, request.purpose


def of_purpose(results: Sequence[RunResult], purpose: Purpose) -> Sequence[RunResult]:
    """Return the results of runs with that purpose; what lies on disk stays there."""
    if isinstance(results, Results):
        return results.of_purpose(purpose)
    return tuple(result for result in results if result.request.purpose == purpose)


def groups(results: Sequence[RunResult]) -> dict[Group, Sequence[RunResult]]:
    """Sort results by scenario, variant and tier, in the order first met; what lies on disk stays there."""
    if isinstance(results, Results):
        return results.groups()
    found: dict[Group, list[RunResult]] = {}
    for result in results:
        request = result.request
        found.setdefault((request.scenario, request.variant, request.tier), []).append(result)
    return dict(found)


# -- reading -------------------------------------------------------------------------


def gathered(paths: Sequence[Path]) -> Sequence[RunResult]:
    """Read results that have a file each; together they stay on disk if they are large.

    Raises
    ------
    StorageError
        If one is damaged or cannot be read.
    """
    found = Results(lambda index: _content(paths[index]), len(paths), lambda index: str(paths[index]))
    large = sum(path.stat().st_size for path in paths) >= LARGE_BYTES
    return found if large else tuple(found)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise files.storage_error(path, error, "read") from error


def unpacked(path: Path) -> bytes:
    """Return what a gzipped file holds.

    Raises
    ------
    StorageError
        If it cannot be read, or is damaged.
    """
    try:
        return gzip.decompress(_content(path))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise StorageError(f"{path} is damaged: {error}", "Take it anew from where it came") from error


def read_large(path: Path, step: str) -> Job | None:
    """Read a large ``run.json``, its results left on disk; None if it is small, or not laid out as `write` does.

    Parameters
    ----------
    path : Path
        The file.
    step : str
        What the reader of an error can do.

    Raises
    ------
    OSError
        If it cannot be read.
    StorageError
        If it is damaged.
    """
    if path.stat().st_size < LARGE_BYTES:
        return None
    kept = _Kept(path)
    with path.open("rb") as file:
        found = _parts(file)
    if found is None:
        return None
    rest, spans = found
    job = files.decode(rest, Job, str(path), step)
    results = Results(
        lambda index: kept.read(spans[2 * index], spans[2 * index + 1]),
        len(spans) // 2,
        lambda index: f"result {index + 1} in {path}",
    )
    return dataclasses.replace(job, results=results)


class _Kept:
    """A file that stays open, so that its old content can be read when its name has a new one."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, start: int, end: int) -> bytes:
        return os.pread(self._descriptor, end - start, start)


def _parts(file: IO[bytes]) -> tuple[bytes, array.array[int]] | None:
    """Return the file without its results, and where each of them starts and ends; None for another layout."""
    head = b""
    while _OPENING not in head:
        block = file.read(_BLOCK_BYTES)
        if not block:
            return None
        head += block
    cut = head.index(_OPENING)
    spans, held, start = array.array("Q"), head[cut + len(_OPENING) :], cut + len(_OPENING)
    place = 0
    while True:
        end = held.find(_ENDING, place)
        if end < 0 or end + len(_ENDING) + 4 > len(held):
            block = file.read(_BLOCK_BYTES)
            if not block:
                return None
            held, start, place = held[place:] + block, start + place, 0
            continue
        end += len(_ENDING)
        spans.extend((start + place, start + end))
        if held.startswith(_CLOSING, end):
            tail = held[end + len(_CLOSING) :] + file.read()
            return head[:cut] + _EMPTY + tail, spans
        if not held.startswith(b",\n", end):
            return None
        place = end + 2


# -- writing -------------------------------------------------------------------------


def write(path: Path, job: Job) -> None:
    """Write ``run.json`` in one step, result by result.

    Raises
    ------
    StorageError
        If it cannot be written; the old file, if any, is untouched.
    """
    rest = _formatted(dataclasses.replace(job, results=()))
    before, _, after = rest.partition(_EMPTY)
    with files.replacing(path) as file:
        file.write(before)
        if job.results:
            file.write(_OPENING)
            file.writelines(_separated(job.results))
            file.write(_CLOSING)
        else:
            file.write(_EMPTY)
        file.write(after + b"\n")


def _separated(results: Sequence[RunResult]) -> Iterator[bytes]:
    for index, content in enumerate(_written(results)):
        # no string of JSON holds a line break, so every line is indented and no content changes
        yield (b",\n  " if index else b"  ") + content.replace(b"\n", b"\n  ")


def _written(results: Sequence[RunResult]) -> Iterable[bytes]:
    if isinstance(results, Results):
        return (msgspec.json.format(results.raw(index), indent=1).strip() for index in range(len(results)))
    return map(_formatted, results)


def _formatted(record: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1)
