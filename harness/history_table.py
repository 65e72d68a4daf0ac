"""A history as the terminal shows it: a table with sparklines, then every change with its commit."""

from __future__ import annotations

import fnmatch
import itertools
import typing

from rich.table import Table

from harness.history import sparkline
from harness.visible import marked, print_table

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from harness.history import Change, Line

SHOWN = ("accuracy", "loss", "total.seconds", "total.above_imports_bytes")
"""Metrics that the table shows unless others are named; changes of any metric are listed."""
_STYLES = {"better": "cyan", "worse": "bold red", "differs": "yellow"}


def select(found: Iterable[Line], patterns: Sequence[str]) -> list[Line]:
    """Keep the lines whose metric matches a pattern such as ``*.seconds``, system by system; by default `SHOWN` and lines with a change."""
    kept = [
        line
        for line in found
        if (_matches(line, patterns) if patterns else line.metric in SHOWN or line.changes)
    ]
    return sorted(kept, key=lambda line: (line.system, line.version))


def _matches(line: Line, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(line.metric, pattern) for pattern in patterns)


def show(console: Console, found: Sequence[Line]) -> None:
    """Print a table for each system, then the changes."""
    for system, lines in itertools.groupby(found, key=lambda line: (line.system, line.version)):
        print_table(console, _table(f"{system[0]} (version {system[1]})", lines))
    for line in found:
        for change in line.changes:
            console.print(sentence(line, change), highlight=False, soft_wrap=True)


def _table(title: str, lines: Iterable[Line]) -> Table:
    table = Table(title=marked(title), title_justify="left")
    table.add_column("metric", overflow="fold", min_width=16)
    for heading in ("jobs", "first", "last"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("history", no_wrap=True)
    for line in lines:
        values = [point.value for point in line.points]
        numbers = (f"{value:.5g} {line.unit}".rstrip() for value in (values[0], values[-1]))
        table.add_row(marked(line.metric), str(len(values)), *numbers, sparkline(values))
    return table


def sentence(line: Line, change: Change) -> str:
    """Say where a metric changed, from what to what, and between which commits."""
    last, first = line.points[change.index - 1], line.points[change.index]
    told = (
        f"{line.system} {line.metric}: {change.before:.5g} to {change.after:.5g} {line.unit}".rstrip()
        + f" from {_name(first.commit)} ({first.created[:10]}), after {_name(last.commit)} ({last.created[:10]})"
    )
    return f"[{_STYLES[change.direction]}]{change.direction}[/] {marked(told)}"


def _name(commit: str) -> str:
    return commit[:8] + ("+dirty" if commit.endswith("+dirty") else "") if commit else "no commit"
