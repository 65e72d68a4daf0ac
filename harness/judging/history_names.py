"""How a history names its tracks, rows and lines, and which lines it shows."""

from __future__ import annotations

import fnmatch
import typing

from harness.judging import wording
from harness.records.metrics import is_share

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.judging.history import Line, Row, Track

SHOWN = ("accuracy", "loss", "total.seconds", "total.above_imports_bytes")
"""Metrics that the table shows unless others are named; changes of any metric are listed."""
_WORDS = {"total.seconds": "time", "total.above_imports_bytes": "memory"}
STRANDS = {
    "history": "",
    "branch": "on the branch of",
    "unknown": "commits that git does not know here, in the order of their runs",
    "none": "runs without a commit, in the order of their times",
}


def select(found: Iterable[Track], patterns: Sequence[str]) -> list[tuple[Track, list[Line]]]:
    """Choose the lines whose metric matches a pattern such as ``*.seconds``; by default `SHOWN`. Tracks without one are left out."""
    chosen = [(track, [line for line in track.lines if _matches(line, patterns or SHOWN)]) for track in found]
    return [
        (track, lines)
        for track, lines in sorted(chosen, key=lambda pair: pair[0].system)
        if lines or (track.findings and not patterns)
    ]


def _matches(line: Line, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(line.metric, pattern) for pattern in patterns)


def title(track: Track) -> str:
    """Name a track: what was measured, and on which branch or data where there are several."""
    data = ", ".join(f"{name} {sha256[:8]}" for name, sha256 in track.data)
    strand = f"{STRANDS[track.strand]} {short(track.tip)}".strip() if track.tip else STRANDS[track.strand]
    version = f"{track.system.name} (version {track.system.version})"
    return "; ".join(filter(None, (version, data and f"data {data}", strand)))


def letters(lines: Sequence[Line]) -> dict[tuple[tuple[str, str], ...], str]:
    """Give each environment that sets lines apart a letter."""
    return {
        where: chr(65 + index % 26)
        for index, where in enumerate(dict.fromkeys(line.where for line in lines if line.where))
    }


def places(lines: Sequence[Line]) -> Iterator[str]:
    """Say what each letter in a heading stands for."""
    for where, letter in letters(lines).items():
        yield f"[{letter}] {', '.join(f'{name} {value}' for name, value in where)}"


def heading(line: Line, named: typing.Mapping[tuple[tuple[str, str], ...], str]) -> str:
    """Write a metric with the letter of its environment."""
    name = _WORDS.get(line.metric, line.metric)
    return f"{name} [{named[line.where]}]" if line.where else name


def label(track: Track, row: Row) -> str:
    """Name a row: its commit, and the versions where the same commit was measured with others; empty without a commit."""
    same = [other for other in track.rows if other.commit == row.commit and row.commit]
    versions = [field for field in row.software if any(field not in other.software for other in same)]
    return " ".join([short(row.commit), *(f"{name} {version}" for name, version in versions)])


def amount(line: Line, value: float) -> str:
    """Write one value of a line for people."""
    return wording.quantity(value, line.unit, share=is_share(line.metric, line.unit, line.values))


def short(commit: str) -> str:
    """Write a commit in eight characters."""
    return commit[:8] + ("+dirty" if commit.endswith("+dirty") else "")
