"""Results of a job that stay on disk: a job of any number of runs is read, judged, shown and stored anew a few runs at a time.

A large ``run.json`` is never in memory as a whole. Its results, and those of a gate's base, are found line by line, by the indentation with
which `write` lays them out, and each is decoded when it is asked for. A file of another layout is read whole.
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
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.records import Purpose, RunRequest, Side, Tier

    Group = tuple[str, str, Tier]
    Key = tuple[str, str, Tier, Purpose, Side]

PACKED = "run.json.gz"
"""A job's ``run.json`` as it is committed."""
LARGE_BYTES = 8 << 20
"""A job whose results take less on disk is held in memory."""
_UNPACKED_BYTES = 256 << 20
"""What a packed job may unpack to: one that is worth committing is far smaller, and a hostile one is not let fill the memory."""
_SECTIONS = {"results": 1, "base_results": 2}
"""Fields of ``run.json`` that hold results, in the file's order, each with the number of spaces before it."""


class Results(Sequence[RunResult]):
    """Results of which each is decoded anew whenever it is asked for.

    Parameters
    ----------
    read : callable
        Content of one by its number: JSON.
    count : int
        How many there are.
    name : callable
        How messages call one.

    Raises
    ------
    StorageError
        If one of them is damaged. All are looked at here, so that nothing is half done when it is found.
    """

    def __init__(self, read: Callable[[int], bytes], count: int, name: Callable[[int], str]) -> None:
        self._read, self._name = read, name
        known: dict[Key, Key] = {}
        self._keys: list[Key] = []
        for index in range(count):
            result = self._decoded(index)
            check(result, name(index))
            self._keys.append(known.setdefault(_key(result.request), _key(result.request)))
        self._chosen: Sequence[int] = range(count)

    def _decoded(self, index: int) -> RunResult:
        return files.decode(self._read(index), RunResult, self._name(index), "Run it again")

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

    def keys(self) -> list[Key]:
        """Return scenario, variant, tier, purpose and side of each."""
        return [self._keys[index] for index in self._chosen]

    def part(self, chosen: Sequence[int]) -> Results:
        """Return those at some places."""
        part = object.__new__(Results)
        part._read, part._name, part._keys = self._read, self._name, self._keys
        part._chosen = [self._chosen[index] for index in chosen]
        return part

    def raw(self, index: int) -> bytes:
        """Return one as it is stored."""
        return self._read(self._chosen[index])


def check(result: RunResult, name: str) -> None:
    """Refuse a stored result with a number that no run can record, and no mean or spread could be taken of.

    Raises
    ------
    StorageError
        Naming the metric.
    """
    for metric, measured in result.metrics.items():
        if not finite(measured.value):
            raise StorageError(f"{name} is damaged: metric '{metric}' is beyond {MOST:g}", "Run it again")


def _key(request: RunRequest) -> Key:
    return request.scenario, request.variant, request.tier, request.purpose, request.side


def _keys(results: Sequence[RunResult]) -> list[Key]:
    return results.keys() if isinstance(results, Results) else [_key(result.request) for result in results]


def _part(results: Sequence[RunResult], chosen: Sequence[int]) -> Sequence[RunResult]:
    return results.part(chosen) if isinstance(results, Results) else tuple(results[index] for index in chosen)


def of(results: Sequence[RunResult], purpose: Purpose, side: Side | None = None) -> Sequence[RunResult]:
    """Return the results of runs with that purpose, of one side if it is given; what lies on disk stays there."""
    keys = enumerate(_keys(results))
    return _part(results, [index for index, key in keys if key[3] == purpose and side in {None, key[4]}])


def groups(results: Sequence[RunResult]) -> dict[Group, Sequence[RunResult]]:
    """Sort results by scenario, variant and tier, in the order first met; what lies on disk stays there."""
    found: dict[Group, list[int]] = {}
    for index, key in enumerate(_keys(results)):
        found.setdefault(key[:3], []).append(index)
    return {group: _part(results, chosen) for group, chosen in found.items()}


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

    Raises
    ------
    OSError
        If it cannot be read.
    StorageError
        If it is damaged.
    """
    if path.stat().st_size < LARGE_BYTES:
        return None
    laid_out = _spans(path)
    if laid_out is None:
        return None
    kept, (rest, spans) = _Kept(path), laid_out
    job = files.decode(with_present_words(rest), Job, str(path), step)
    job = dataclasses.replace(job, results=_spanned(kept, spans["results"], f"result {{}} in {path}"))
    if job.gate is None or not spans["base_results"]:
        return job
    base = _spanned(kept, spans["base_results"], f"base result {{}} in {path}")
    return dataclasses.replace(job, gate=dataclasses.replace(job.gate, base_results=base))


def _spans(path: Path) -> tuple[bytes, dict[str, array.array[int]]] | None:
    """Return a file without its results, and where each of them starts and ends; None without results or in another layout."""
    openings = {b'%b"%b": [\n' % (b" " * depth, name.encode()): name for name, depth in _SECTIONS.items()}
    spans = {name: array.array("Q") for name in _SECTIONS}
    rest, section, indent, place = [], "", b"", 0
    with path.open("rb") as file:
        for line in file:
            if not section:
                rest.append(line)
                section = openings.get(line, "")
                indent = b" " * (_SECTIONS[section] + 1) if section else b""
            elif not line.startswith(indent + b" "):  # no string of JSON holds a line break
                if line == indent + b"{\n":
                    spans[section].append(place)
                elif line in {indent + b"}\n", indent + b"},\n"}:
                    spans[section].append(place + len(indent) + 1)
                elif line in {indent[1:] + b"]\n", indent[1:] + b"],\n"}:
                    rest.append(line)
                    section = ""
                else:
                    return None
            place += len(line)
    return None if section or not spans["results"] else (b"".join(rest), spans)


def _spanned(kept: _Kept, spans: array.array[int], title: str) -> Results:
    """Return the results that lie in stretches of a file."""
    return Results(
        lambda index: kept.read(*spans[2 * index : 2 * index + 2]),
        len(spans) // 2,
        lambda index: title.format(index + 1),
    )


class _Kept:
    """A file that stays open, so that its old content can be read when its name has a new one."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, start: int, end: int) -> bytes:
        return os.pread(self._descriptor, end - start, start)


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
    sections = {"results": job.results} | ({"base_results": job.gate.base_results} if job.gate else {})
    with files.replacing(path) as file:
        for name, results in sections.items():
            indent = b"\n" + b" " * _SECTIONS[name]
            before, opening, rest = rest.partition(b'%b"%b": [' % (indent, name.encode()))
            file.write(before + opening)
            for index, content in enumerate(_written(results)):
                # no string of JSON holds a line break, so every line is indented and no content changes
                file.write((b"," if index else b"") + indent + b" " + content.replace(b"\n", indent + b" "))
            file.write(indent if results else b"")
        file.write(rest + b"\n")


def _written(results: Sequence[RunResult]) -> Iterable[bytes]:
    if isinstance(results, Results):
        return (msgspec.json.format(results.raw(index), indent=1).strip() for index in range(len(results)))
    return map(_formatted, results)


def _formatted(record: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1)
