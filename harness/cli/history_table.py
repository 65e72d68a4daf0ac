"""A history as the terminal shows it: one row a commit, then every change with its commit."""

from __future__ import annotations

import typing

from rich.table import Table

from harness.judging.history import amount, heading, label, legend, letters, short, title
from harness.judging.levels import sparkline
from harness.store.visible import marked, print_table

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from harness.judging.history import Finding, Line, Row, Track
    from harness.judging.levels import Change

MOST_ROWS = 20
"""Commits of a table, the newest; the page has more."""
_COLUMNS = 4
_SPARKS = 14
STYLES = {"better": "cyan", "worse": "bold red", "differs": "yellow"}
MARKS = {"better": "▲", "worse": "▼", "differs": "≠"}


def show(console: Console, chosen: Sequence[tuple[Track, Sequence[Line]]], patterns: Sequence[str]) -> None:
    """Print the tables of each track, then the changes."""
    for track, lines in chosen:
        console.print(f"[bold]{marked(title(track))}[/]", highlight=False, soft_wrap=True)
        for start in range(0, len(lines), _COLUMNS):
            print_table(console, _table(track, lines[start : start + _COLUMNS]))
        for name in legend(lines):
            console.print(marked(name), highlight=False, soft_wrap=True)
    for track, lines in chosen:
        for finding in track.findings:
            if not patterns or finding.line in lines:
                console.print(sentence(track, finding), highlight=False, soft_wrap=True)


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
