"""Results of a job that stay on disk: a job of any number of runs is read, judged, shown and stored anew a few runs at a time.

A large ``run.json`` is never in memory as a whole. Its results, and those of a gate's base, are found by the layout in which it was
written (each opens and closes at the start of a line), and each is decoded when it is asked for. A file of another layout is read whole.
"""

from __future__ import annotations

import array
import dataclasses
import gzip
import io
import os
import re
import typing
import weakref
import zlib
from collections.abc import Sequence

import msgspec

from harness.errors import StorageError
from harness.records import MOST, Job, RunResult, finite
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import IO

    from harness.records import Purpose, RunRequest, Side, Tier

    Group = tuple[str, str, Tier]
    Key = tuple[str, str, Tier, Purpose, Side]

PACKED = "run.json.gz"
"""A job's ``run.json`` as it is committed."""
LARGE_BYTES = 8 << 20
"""A job whose results take less on disk is held in memory."""
_UNPACKED_BYTES = 256 << 20
"""What a packed job may unpack to: one that is worth committing is far smaller, and a hostile one is not let fill the memory."""
_BLOCK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class _Section:
    """A field of ``run.json`` that holds results, as it is laid out."""

    name: str
    """Name of the field."""
    depth: int
    """Spaces before it."""

    @property
    def _start(self) -> bytes:
        return f'\n{" " * self.depth}"{self.name}": ['.encode()

    @property
    def opening(self) -> bytes:
        """What stands before the first result."""
        return self._start + b"\n"

    @property
    def empty(self) -> bytes:
        """The field without a result."""
        return self._start + b"]"

    @property
    def ending(self) -> bytes:
        """What a result ends with."""
        return self.indent + b"}"

    @property
    def closing(self) -> bytes:
        """What stands after the last result."""
        return b"\n" + b" " * self.depth + b"]"

    @property
    def indent(self) -> bytes:
        """What every line of a result begins with, and the end of the line before."""
        return b"\n" + b" " * (self.depth + 1)


_RESULTS, _BASE = _Section("results", 1), _Section("base_results", 2)


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
        self._keys: list[Key] = []
        for index in range(count):
            result = self._decoded(index)
            check(result, told(index))
            self._keys.append(known.setdefault(_key(result.request), _key(result.request)))
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

    def of(self, purpose: Purpose, side: Side | None = None) -> Results:
        """Return those of runs with that purpose, of one side if it is given."""
        wanted = (index for index in self._chosen if self._keys[index][3] == purpose)
        chosen = (index for index in wanted if side is None or self._keys[index][4] == side)
        return self._only(array.array("L", chosen))

    def _only(self, chosen: Sequence[int]) -> Results:
        part = object.__new__(Results)
        part._read, part._told, part._keys, part._chosen = self._read, self._told, self._keys, chosen
        return part

    def raw(self, index: int) -> bytes:
        """Return one as it is stored."""
        return self._read(self._chosen[index])


def check(result: RunResult, told: str) -> None:
    """Refuse a stored result with a number that no run can record, and no mean or spread could be taken of.

    Raises
    ------
    StorageError
        Naming the metric.
    """
    for name, measured in result.metrics.items():
        if not finite(measured.value):
            raise StorageError(f"{told} is damaged: metric '{name}' is beyond {MOST:g}", "Run it again")


def _key(request: RunRequest) -> Key:
    return request.scenario, request.variant, request.tier, request.purpose, request.side


def of(results: Sequence[RunResult], purpose: Purpose, side: Side | None = None) -> Sequence[RunResult]:
    """Return the results of runs with that purpose, of one side if it is given; what lies on disk stays there."""
    if isinstance(results, Results):
        return results.of(purpose, side)
    return tuple(
        result
        for result in results
        if result.request.purpose == purpose and side in {None, result.request.side}
    )


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
        return files.read_bytes(path)
    except OSError as error:
        raise files.storage_error(path, error, "read") from error


def unpacked(path: Path) -> bytes:
    """Return what a gzipped file holds.

    Raises
    ------
    StorageError
        If it cannot be read, or is damaged.
    """
    step = "Take it anew from where it came"
    try:
        with gzip.open(io.BytesIO(_content(path))) as file:
            content = file.read(_UNPACKED_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise StorageError(f"{path} is damaged: {error}", step) from error
    if len(content) > _UNPACKED_BYTES:
        raise StorageError(f"{path} is damaged: it unpacks to more than {_UNPACKED_BYTES >> 20} MiB", step)
    return content


def with_present_words(content: bytes) -> bytes:
    """Return a job's JSON with verdicts of earlier versions in today's words; inside a text the quotes would be escaped."""
    for before, now in ((b"HOLDS", b"PASS"), (b"VIOLATED", b"REGRESSED"), (b"UNREADABLE", b"NOT_JUDGED")):
        content = re.sub(rb'("verdict": ?)"%b"' % before, rb'\1"%b"' % now, content)
    return content


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
        cut = _Cut(file)
        found, base = cut.out(_RESULTS), cut.out(_BASE)
        if not found or base is None:
            return None
        job = files.decode(with_present_words(cut.rest()), Job, str(path), step)
    job = dataclasses.replace(
        job, results=_spanned(kept, found, lambda index: f"result {index + 1} in {path}")
    )
    if job.gate is None or not base:
        return job
    runs = _spanned(kept, base, lambda index: f"base result {index + 1} in {path}")
    return dataclasses.replace(job, gate=dataclasses.replace(job.gate, base_results=runs))


def _spanned(kept: _Kept, spans: array.array[int], told: Callable[[int], str]) -> Results:
    """Return the results that lie in stretches of a file."""
    return Results(lambda index: kept.read(spans[2 * index], spans[2 * index + 1]), len(spans) // 2, told)


class _Kept:
    """A file that stays open, so that its old content can be read when its name has a new one."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, start: int, end: int) -> bytes:
        return os.pread(self._descriptor, end - start, start)


class _Cut:
    """A file passed through once, block by block: what is not cut out of it is kept."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._kept = file, b""
        self._held, self._start = b"", 0

    def out(self, section: _Section) -> array.array[int] | None:
        """Return where each result of a section starts and ends: nothing if it is not there, None if it is laid out otherwise."""
        while section.opening not in self._held:
            if not self._more(keep=len(section.opening)):
                return array.array("Q")
        self._skip(self._held.index(section.opening), keep=True)
        self._kept += section.empty
        self._skip(len(section.opening))
        return self._spans(section)

    def _spans(self, section: _Section) -> array.array[int] | None:
        spans, place = array.array("Q"), 0
        while True:
            end = self._held.find(section.ending, place)
            if end < 0 or end + len(section.ending) + len(section.closing) + 1 > len(self._held):
                self._skip(place)
                place = 0
                if not self._block():
                    return None
                continue
            end += len(section.ending)
            spans.extend((self._start + place, self._start + end))
            if self._held.startswith(section.closing, end):
                self._skip(end + len(section.closing))
                return spans
            if not self._held.startswith(b",\n", end):
                return None
            place = end + 2

    def rest(self) -> bytes:
        """Return the file without what was cut out."""
        return self._kept + self._held + self._file.read()

    def _more(self, keep: int) -> bool:
        """Read on; all but the last bytes held, within which an opening may begin, is kept."""
        self._skip(max(0, len(self._held) - keep), keep=True)
        return self._block()

    def _skip(self, count: int, *, keep: bool = False) -> None:
        if keep:
            self._kept += self._held[:count]
        self._held, self._start = self._held[count:], self._start + count

    def _block(self) -> bool:
        block = self._file.read(_BLOCK_BYTES)
        self._held += block
        return bool(block)


# -- writing -------------------------------------------------------------------------


def write(path: Path, job: Job) -> None:
    """Write ``run.json`` in one step, result by result.

    Raises
    ------
    StorageError
        If it cannot be written; the old file, if any, is untouched.
    """
    gate = job.gate and dataclasses.replace(job.gate, base_results=())
    rest = _formatted(dataclasses.replace(job, results=(), gate=gate))
    with files.replacing(path) as file:
        for section, results in _sections(job):
            before, empty, rest = rest.partition(section.empty)
            file.write(before)
            file.writelines(_laid_out(section, results) if results else (empty,))
        file.write(rest + b"\n")


def _sections(job: Job) -> Iterator[tuple[_Section, Sequence[RunResult]]]:
    yield _RESULTS, job.results
    if job.gate is not None:
        yield _BASE, job.gate.base_results


def _laid_out(section: _Section, results: Sequence[RunResult]) -> Iterator[bytes]:
    yield section.opening
    for index, content in enumerate(_written(results)):
        # no string of JSON holds a line break, so every line is indented and no content changes
        yield (b"," if index else b"") + (section.indent if index else section.indent[1:])
        yield content.replace(b"\n", section.indent)
    yield section.closing


def _written(results: Sequence[RunResult]) -> Iterable[bytes]:
    if isinstance(results, Results):
        return (msgspec.json.format(results.raw(index), indent=1).strip() for index in range(len(results)))
    return map(_formatted, results)


def _formatted(record: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1)
