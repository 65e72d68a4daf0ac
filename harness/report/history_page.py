"""A history as one HTML page: changes with their commits, a row a commit, a drawing a metric. Works offline and without scripts.

A page of many commits stays small: metrics that changed are drawn with every point, the others folded and thinned.
"""

from __future__ import annotations

import itertools
import typing
import urllib.parse

import numpy as np

from harness.judging.history import heading, label, legend, letters, select, title
from harness.records.metrics import is_share
from harness.report import numbers
from harness.report.templating import Anchors, constants, environment
from harness.report.verdicts import Sign

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judging.history import Line, Row, Track
    from harness.judging.levels import Change
    from harness.records import Kind

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


class Commit(typing.NamedTuple):
    """A commit as the page names it."""

    name: str
    """Short hash, with versions where they differ; empty without a commit."""
    day: str
    """When its first job began."""
    link: str
    """Address of the commit; empty where no remote shows it."""


def render(tracks: Sequence[Track], patterns: Sequence[str] = (), up: str = "", web: str = "") -> str:
    """Write the page.

    Parameters
    ----------
    tracks : sequence of Track
        See `harness.judging.history.tracks`.
    patterns : sequence of str
        Metrics to show; see `harness.judging.history.select`. Metrics that changed are drawn too; how many others are left out is said.
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
    sections = [_section(track, lines, patterns, anchors, web) for track, lines in select(tracks, patterns)]
    rows = [row for section in sections for row in section["changes"]]
    newest = sorted(rows, key=lambda row: row["age"], reverse=True)
    drawings = [drawing for section in sections for drawing in (*section["changed"], *section["quiet"])]
    by_commits = itertools.groupby(newest[:MOST_LISTED], key=lambda row: (row["first"], row["last"]))
    template = environment().get_template("history.html.j2")
    return template.render(
        sections=sections,
        changes=[(first, last, list(group)) for (first, last), group in by_commits],
        listed=min(MOST_LISTED, len(newest)),
        latest=next((row for row in newest if row["sign"].word == "worse"), None),
        levels=sum(row["sign"] is not SPIKE for row in rows),
        spikes=sum(row["sign"] is SPIKE for row in rows),
        worse=sum(row["sign"].word == "worse" for row in rows),
        commits=len(
            {(row.commit, "" if row.commit else row.created) for track in tracks for row in track.rows}
        ),
        by_runs=any(track.strand in {"unknown", "none"} for track in tracks),
        left_out=sum(len(track.lines) for track in tracks) - len(drawings),
        thinned=sum(drawing["drawn"] < drawing["points"] for drawing in drawings),
        quiet_points=MOST_QUIET,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        base=BASE,
        **constants(script=False, up=up),
    )


def _section(
    track: Track, chosen: Sequence[Line], patterns: Sequence[str], anchors: Anchors, web: str
) -> dict[str, typing.Any]:
    """Gather what the template shows of one track: its drawings, a row a commit, the newest first, and its changes."""
    anchor = anchors.claim(title(track))
    named = letters(track.lines)
    lines = list(dict.fromkeys([*chosen, *(line for line in track.lines if line.changes and not patterns)]))
    drawn = {line: _drawing(track, line, heading(line, named), anchor, anchors) for line in lines}
    columns = [
        (
            _scale(line),
            dict(zip(line.rows, line.values, strict=True)),
            {line.rows[change.index]: _sign(change) for change in line.changes},
        )
        for line in chosen
    ]
    changes = []
    for finding in track.findings:
        line, change = finding.line, finding.change
        if line not in drawn:
            continue
        first, last = (track.rows[line.rows[index]] for index in (change.index, change.index - 1))
        scale = _scale(line)
        changes.append({
            "sign": _sign(change), "system": title(track), "metric": heading(line, named), "others": finding.others,
            "anchor": drawn[line]["anchor"], "before": scale.text(change.before), "after": scale.text(change.after),
            "first": _commit(track, first, web), "last": _commit(track, last, web),
            # the newest is the largest
            "age": (first.position, first.created),
        })  # fmt: skip
    shown = range(max(0, len(track.rows) - MOST_ROWS), len(track.rows))
    return {
        "anchor": anchor,
        "title": title(track),
        "places": list(legend(lines)),
        "columns": [heading(line, named) for line in chosen],
        "rows": [
            (
                _commit(track, track.rows[index], web),
                [
                    (scale.text(own[index]) if index in own else "", signs.get(index))
                    for scale, own, signs in columns
                ],
            )
            for index in reversed(shown)
        ],
        "commits": len(track.rows),
        "changed": [drawing for line, drawing in drawn.items() if line.changes],
        "quiet": [drawing for line, drawing in drawn.items() if not line.changes],
        "changes": changes,
    }


def _scale(line: Line) -> numbers.Scale:
    share = is_share(line.metric, line.unit, line.values)
    kind: Kind = "accuracy" if share else "memory" if line.unit == "B" else "runtime"
    return numbers.scale(kind, "" if share else line.unit, line.values)


def _sign(change: Change) -> Sign:
    return SPIKE if change.spike else SIGNS[change.direction]


def _drawing(track: Track, line: Line, name: str, section: str, anchors: Anchors) -> dict[str, typing.Any]:
    """Draw one metric over the commits: the line, a dot a commit where they are few, and a mark at each change."""
    values = np.asarray(line.values, np.float64)  # (points,)
    kept = thinned(values, MOST_FULL if line.changes else MOST_QUIET)
    scale = _scale(line)
    low, high = float(values.min()), float(values.max())
    # places in the drawing, rounded to a tenth; a constant lies in the middle
    steps = np.arange(len(values)) / max(1, len(values) - 1)
    heights = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    x = (LEFT + MARGIN + (WIDTH - LEFT - 2 * MARGIN) * steps).round(1).tolist()
    y = (BASE - MARGIN - (BASE - 2 * MARGIN) * heights).round(1).tolist()
    commits = [_commit(track, track.rows[index], "") for index in line.rows]
    names = [commit.name or commit.day for commit in commits]
    texts = [f"{name}: {scale.text(value)}" for name, value in zip(names, line.values, strict=True)]
    return {
        "anchor": anchors.claim(f"{section}--{name}"), "metric": name, "points": len(values), "drawn": len(kept),
        "first": scale.text(line.values[0]), "last": scale.text(line.values[-1]),
        "lowest": scale.text(low), "highest": scale.text(high), "oldest": names[0], "newest": names[-1],
        "ticks": [
            (BASE - MARGIN - (BASE - 2 * MARGIN) * part, scale.text(low + part * (high - low)))
            for part in ((0.0, 0.5, 1.0) if high > low else (0.5,))
        ],
        "dots": list(zip(x, y, texts, strict=True)) if len(values) <= MOST_DOTS else [],
        "path": " ".join(f"{x[index]:g},{y[index]:g}" for index in kept),
        "marks": [
            (x[change.index], _sign(change).tone, f"{_sign(change).word} from {commits[change.index].name}")
            for change in line.changes
        ],
    }  # fmt: skip


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


def _commit(track: Track, row: Row, web: str) -> Commit:
    linked = bool(web and row.commit and track.strand in {"history", "branch"})
    return Commit(
        name=label(track, row),
        day=row.created[:10] if row.commit else row.created.replace("T", " ")[:16],
        link=web + urllib.parse.quote(row.commit.removesuffix("+dirty")) if linked else "",
    )
