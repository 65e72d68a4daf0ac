"""A history as the terminal shows it: one row a commit, then every change with its commit."""

from __future__ import annotations

import fnmatch
import typing

from rich.table import Table

from harness import wording
from harness.levels import sparkline
from harness.measure.scores import is_share
from harness.visible import marked, print_table

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from harness.history import Finding, Line, Row, Track
    from harness.levels import Change

SHOWN = ("accuracy", "loss", "total.seconds", "total.above_imports_bytes")
"""Metrics that the table shows unless others are named; changes of any metric are listed."""
_WORDS = {"total.seconds": "time", "total.above_imports_bytes": "memory"}
MOST_ROWS = 20
"""Commits of a table, the newest; the page has more."""
_COLUMNS = 4
_SPARKS = 14
STYLES = {"better": "cyan", "worse": "bold red", "differs": "yellow"}
MARKS = {"better": "▲", "worse": "▼", "differs": "≠"}
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


def show(console: Console, chosen: Sequence[tuple[Track, Sequence[Line]]], patterns: Sequence[str]) -> None:
    """Print the tables of each track, then the changes."""
    for track, lines in chosen:
        console.print(f"[bold]{marked(title(track))}[/]", highlight=False, soft_wrap=True)
        for start in range(0, len(lines), _COLUMNS):
            print_table(console, _table(track, lines[start : start + _COLUMNS]))
        for name in places(lines):
            console.print(marked(name), highlight=False, soft_wrap=True)
    for track, lines in chosen:
        for finding in track.findings:
            if not patterns or finding.line in lines:
                console.print(sentence(track, finding), highlight=False, soft_wrap=True)


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


def _table(track: Track, lines: Sequence[Line]) -> Table:
    named = letters(track.lines)
    table = Table(show_footer=True)
    table.add_column("commit", no_wrap=True)
    table.add_column("day", no_wrap=True)
    cells = [dict(zip(line.rows, line.values, strict=True)) for line in lines]
    marks = [{line.rows[change.index]: change for change in line.changes} for line in lines]
    for line in lines:
        # a long name breaks after its stage, never within a word
        name, spark = heading(line, named).replace(".", ".\n"), sparkline(line.values, _SPARKS)
        table.add_column(marked(name), marked(spark), justify="right", no_wrap=True)
    for index in range(max(0, len(track.rows) - MOST_ROWS), len(track.rows)):
        row = track.rows[index]
        table.add_row(
            marked(label(track, row)), row.created[:10],
            *(_cell(line, found.get(index), changes.get(index)) for line, found, changes in zip(lines, cells, marks, strict=True)),
        )  # fmt: skip
    if len(track.rows) > MOST_ROWS:
        table.caption = f"the newest {MOST_ROWS} of {len(track.rows)} commits; --html has more"
    return table


def _cell(line: Line, value: float | None, change: Change | None) -> str:
    if value is None:
        return ""
    text = marked(amount(line, value))
    return (
        text
        if change is None
        else f"[{STYLES[change.direction]}]{text} {'↯' if change.spike else MARKS[change.direction]}[/]"
    )


def label(track: Track, row: Row) -> str:
    """Name a row: its commit, and the versions where the same commit was measured with others; empty without a commit."""
    same = [other for other in track.rows if other.commit == row.commit and row.commit]
    versions = [field for field in row.software if any(field not in other.software for other in same)]
    return " ".join([short(row.commit), *(f"{name} {version}" for name, version in versions)])


def amount(line: Line, value: float) -> str:
    """Write one value of a line for people."""
    return wording.quantity(value, line.unit, share=is_share(line.metric, line.unit, line.values))


def sentence(track: Track, finding: Finding) -> str:
    """Say where a metric changed, from what to what, and between which commits."""
    line, change = finding.line, finding.change
    first, last = track.rows[line.rows[change.index]], track.rows[line.rows[change.index - 1]]
    text = f"{track.system.name} {heading(line, letters(track.lines))}: {amount(line, change.before)} to {amount(line, change.after)}"
    text += f" at {_name(first)} only" if change.spike else f" from {_name(first)}, after {_name(last)}"
    if finding.others:
        text += f"; with {', '.join(finding.others)}"
    return (
        f"[{STYLES[change.direction]}]{'spike, ' if change.spike else ''}{change.direction}[/] {marked(text)}"
    )


def _name(row: Row) -> str:
    return f"{short(row.commit)} ({row.created[:10]})" if row.commit else row.created.replace("T", " ")[:16]


def short(commit: str) -> str:
    """Write a commit in eight characters."""
    return commit[:8] + ("+dirty" if commit.endswith("+dirty") else "")
