"""A history as one HTML page: changes with their commits, a row a commit, a drawing a metric. Works offline and without scripts.

A page of many commits stays small: metrics that changed are drawn with every point, the others folded and thinned.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing
import urllib.parse

import numpy as np

from harness.judging.history_names import heading, label, letters, places, select, title
from harness.records.metrics import is_share
from harness.report import numbers
from harness.report.templating import Anchors, constants, environment
from harness.report.verdicts import Sign

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judging.history import Finding, Line, Row, Track
    from harness.judging.levels import Change

WIDTH, HEIGHT, MARGIN = 600.0, 150.0, 8.0
"""Size of a drawing, in its own units."""
LEFT, BASE = 78.0, 130.0
"""Where its axes lie."""
MOST_DOTS = 60
"""Points up to which each is a dot that tells its commit and value."""
MOST_FULL = 2000
"""Points of a changed metric that are drawn; beyond, it is thinned too."""
MOST_QUIET = 200
"""Points of a metric without a change that are drawn."""
MOST_LISTED = 200
"""Changes that are listed, the newest first; all are counted and marked in the drawings."""
MOST_ROWS = 100
"""Commits of a track that have a row, the newest; the drawings have all."""
SIGNS = {
    "worse": Sign("worse", "▼", "bad", "The new level is worse."),
    "better": Sign("better", "▲", "good", "The new level is better."),
    "differs": Sign("differs", "≠", "decide", "The level changed; the metric has no direction."),
}
SPIKE = Sign("spike", "↯", "warn", "One commit alone differs; the next one is as before.")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as the page names it."""

    name: str
    """Short hash, with versions where they differ; empty without a commit."""
    day: str
    """When its first job began."""
    link: str
    """Address of the commit; empty where no remote shows it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One change of level, or spike."""

    sign: Sign
    """Direction, or spike."""
    system: str
    """Scenario, variant, tier, backend, device."""
    metric: str
    """Metric that leads."""
    others: tuple[str, ...]
    """Metrics that changed with it."""
    anchor: str
    """Id of the drawing."""
    before: str
    """Level that ended."""
    after: str
    """New level, or value of the spike."""
    first: Commit
    """First commit of the new level."""
    last: Commit
    """Last commit of the old one."""
    age: tuple[int, str]
    """Position of the first commit and time of its first job: the newest is the largest."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One value of a commit."""

    text: str
    """The value; empty if there is none."""
    sign: Sign | None
    """What changed here."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A change in a drawing."""

    place: float
    """Where it lies, in the drawing's units."""
    tone: str
    """Colour."""
    text: str
    """What it is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One metric over the commits."""

    anchor: str
    """Id on the page."""
    metric: str
    """Metric."""
    points: int
    """Points there are."""
    drawn: int
    """Points that are drawn."""
    first: str
    """Oldest value."""
    last: str
    """Newest value."""
    lowest: str
    """Lowest value."""
    highest: str
    """Highest value."""
    oldest: str
    """Its first commit."""
    newest: str
    """Its last commit."""
    ticks: tuple[tuple[float, str], ...]
    """Places and values on the upright axis."""
    dots: tuple[tuple[float, float, str], ...]
    """Places of points, with commit and value; empty where they are many."""
    path: str
    """Points of the line."""
    marks: tuple[Mark, ...]
    """Its changes, oldest first."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One track."""

    anchor: str
    """Id on the page."""
    title: str
    """What was measured, and where its commits lie."""
    places: tuple[str, ...]
    """What the letters of environments stand for."""
    columns: tuple[str, ...]
    """Metrics of the table."""
    rows: tuple[tuple[Commit, tuple[Cell, ...]], ...]
    """A row a commit, newest first."""
    commits: int
    """Commits there are."""
    changed: tuple[Drawing, ...]
    """Metrics that changed."""
    quiet: tuple[Drawing, ...]
    """Metrics that did not."""
    changes: tuple[ChangeRow, ...]
    """Its changes."""


def render(found: Sequence[Track], patterns: Sequence[str] = (), up: str = "", web: str = "") -> str:
    """Write the page.

    Parameters
    ----------
    found : sequence of Track
        Tracks.
    patterns : sequence of str
        Metrics to show; see `harness.judging.history_names.select`. Metrics that changed are drawn too; how many others are left out is said.
    up : str
        Address of the index over this page and others; see `harness.report.linking.up`.
    web : str
        Address before a commit's hash; see `harness.store.git.web`.

    Returns
    -------
    str
        One self-contained HTML page. Same input, same text.
    """
    anchors = Anchors()
    sections = [_section(track, lines, patterns, anchors, web) for track, lines in select(found, patterns)]
    rows = [row for section in sections for row in section.changes]
    newest = sorted(rows, key=lambda row: row.age, reverse=True)
    drawings = [drawing for section in sections for drawing in (*section.changed, *section.quiet)]
    return (
        environment()
        .get_template("history.html.j2")
        .render(
            sections=sections,
            changes=[
                (first, last, list(group))
                for (first, last), group in itertools.groupby(
                    newest[:MOST_LISTED], key=lambda row: (row.first, row.last)
                )
            ],
            listed=min(MOST_LISTED, len(newest)),
            latest=next((row for row in newest if row.sign.word == "worse"), None),
            levels=sum(row.sign is not SPIKE for row in rows),
            spikes=sum(row.sign is SPIKE for row in rows),
            worse=sum(row.sign.word == "worse" for row in rows),
            commits=len(
                {(row.commit, row.created if not row.commit else "") for track in found for row in track.rows}
            ),
            by_runs=any(track.strand in {"unknown", "none"} for track in found),
            left_out=sum(len(track.lines) for track in found) - len(drawings),
            thinned=sum(drawing.drawn < drawing.points for drawing in drawings),
            quiet_points=MOST_QUIET,
            width=WIDTH,
            height=HEIGHT,
            left=LEFT,
            base=BASE,
            **constants(script=False, up=up),
        )
    )


def _section(
    track: Track, chosen: Sequence[Line], patterns: Sequence[str], anchors: Anchors, web: str
) -> Section:
    anchor = anchors.claim(title(track))
    named = letters(track.lines)
    lines = list(dict.fromkeys([*chosen, *(line for line in track.lines if line.changes and not patterns)]))
    drawn = {
        line: _drawing(track, line, heading(line, named), anchors.claim(f"{anchor}--{heading(line, named)}"))
        for line in lines
    }
    scales = {line: _scale(line) for line in lines}
    cells = [dict(zip(line.rows, line.values, strict=True)) for line in chosen]
    signs = [{line.rows[change.index]: _sign(change) for change in line.changes} for line in chosen]
    return Section(
        anchor=anchor,
        title=title(track),
        places=tuple(places(lines)),
        columns=tuple(heading(line, named) for line in chosen),
        rows=tuple(
            (
                _commit(track, track.rows[index], web),
                tuple(
                    Cell(
                        text=scales[line].text(values[index]) if index in values else "",
                        sign=marks.get(index),
                    )
                    for line, values, marks in zip(chosen, cells, signs, strict=True)
                ),
            )
            for index in reversed(range(max(0, len(track.rows) - MOST_ROWS), len(track.rows)))
        ),
        commits=len(track.rows),
        changed=tuple(drawing for line, drawing in drawn.items() if line.changes),
        quiet=tuple(drawing for line, drawing in drawn.items() if not line.changes),
        changes=tuple(
            _change(track, finding, drawn[finding.line].anchor, scales[finding.line], web)
            for finding in track.findings
            if finding.line in drawn
        ),
    )


def _scale(line: Line) -> numbers.Scale:
    share = is_share(line.metric, line.unit, line.values)
    return numbers.scale(
        "accuracy" if share else "memory" if line.unit == "B" else "runtime",
        "" if share else line.unit,
        line.values,
    )


def _sign(change: Change) -> Sign:
    return SPIKE if change.spike else SIGNS[change.direction]


def _drawing(track: Track, line: Line, name: str, anchor: str) -> Drawing:
    values = np.asarray(line.values, np.float64)  # (points,)
    kept = thinned(values, MOST_FULL if line.changes else MOST_QUIET)
    x, y = _places(values)
    scale = _scale(line)
    low, high = float(values.min()), float(values.max())
    parts = (0.0, 0.5, 1.0) if high > low else (0.5,)
    commits = [_commit(track, track.rows[index], "") for index in line.rows]
    names = [commit.name or commit.day for commit in commits]
    return Drawing(
        anchor=anchor,
        metric=name,
        points=len(values),
        drawn=len(kept),
        first=scale.text(line.values[0]),
        last=scale.text(line.values[-1]),
        lowest=scale.text(low),
        highest=scale.text(high),
        oldest=names[0],
        newest=names[-1],
        ticks=tuple(
            (BASE - MARGIN - (BASE - 2 * MARGIN) * part, scale.text(low + part * (high - low)))
            for part in parts
        ),
        dots=tuple(
            (a, b, f"{name}: {scale.text(value)}")
            for a, b, name, value in zip(x.tolist(), y.tolist(), names, line.values, strict=True)
        )
        if len(values) <= MOST_DOTS
        else (),
        path=" ".join(f"{a:g},{b:g}" for a, b in zip(x[kept].tolist(), y[kept].tolist(), strict=True)),
        marks=tuple(
            Mark(
                place=float(x[change.index]),
                tone=_sign(change).tone,
                text=f"{_sign(change).word} from {_commit(track, track.rows[line.rows[change.index]], '').name}",
            )
            for change in line.changes
        ),
    )


def thinned(values: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Choose at most `most` points of a line: of equal stretches the lowest and the highest, so that no spike is lost.

    Parameters
    ----------
    values : float64 array of shape (points,)
        Oldest first.
    most : int
        Even, at least 4.

    Returns
    -------
    int64 array
        Indices, ascending, the first and the last among them.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    edges = np.linspace(0, count, most // 2).astype(np.int64)
    ends = [
        start + int(pick(values[start:end]))
        for start, end in itertools.pairwise(edges)
        for pick in (np.argmin, np.argmax)
    ]
    return np.unique([0, *ends, count - 1]).astype(np.int64)


def _places(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place points in the drawing, rounded to a tenth: (points,) each; a constant lies in the middle."""
    steps = np.arange(len(values)) / max(1, len(values) - 1)
    span = float(np.ptp(values))
    heights = (values - values.min()) / span if span > 0 else np.full(len(values), 0.5)
    x, y = LEFT + MARGIN + (WIDTH - LEFT - 2 * MARGIN) * steps, BASE - MARGIN - (BASE - 2 * MARGIN) * heights
    return x.round(1), y.round(1)


def _change(track: Track, finding: Finding, anchor: str, scale: numbers.Scale, web: str) -> ChangeRow:
    line, change = finding.line, finding.change
    first, last = track.rows[line.rows[change.index]], track.rows[line.rows[change.index - 1]]
    return ChangeRow(
        sign=_sign(change),
        system=title(track),
        metric=heading(line, letters(track.lines)),
        others=finding.others,
        anchor=anchor,
        before=scale.text(change.before),
        after=scale.text(change.after),
        first=_commit(track, first, web),
        last=_commit(track, last, web),
        age=(first.position, first.created),
    )


def _commit(track: Track, row: Row, web: str) -> Commit:
    known = web if row.commit and track.strand in {"history", "branch"} else ""
    day = row.created[:10] if row.commit else row.created.replace("T", " ")[:16]
    return Commit(
        name=label(track, row),
        day=day,
        link=known and known + urllib.parse.quote(row.commit.removesuffix("+dirty")),
    )
