"""A history as one HTML page: a drawing a metric, its changes with their commits. Works offline and without scripts.

A page of many commits stays small: metrics that changed are drawn with every point, the others folded and thinned.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing

import numpy as np

from harness.report import numbers
from harness.report.section import Anchors
from harness.report.templating import constants, environment
from harness.report.verdicts import Sign

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from harness.history import Change, Line, Point

WIDTH, HEIGHT, MARGIN = 600.0, 56.0, 4.0
"""Size of a drawing, in its own units."""
MOST_FULL = 2000
"""Points of a changed metric that are drawn; beyond, it is thinned too."""
MOST_QUIET = 200
"""Points of a metric without a change that are drawn."""
MOST_LISTED = 200
"""Changes that are listed, the newest first; all are counted and marked in the drawings."""
SIGNS = {
    "worse": Sign("worse", "▼", "bad", "The new level is worse."),
    "better": Sign("better", "▲", "good", "The new level is better."),
    "differs": Sign("differs", "≠", "decide", "The level changed; the metric has no direction."),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One change of level."""

    sign: Sign
    """Direction."""
    system: str
    """Scenario, variant, tier, backend, device."""
    metric: str
    """Metric."""
    anchor: str
    """Id of the drawing."""
    before: str
    """Level that ended."""
    after: str
    """New level."""
    first: str
    """First commit of the new level, with its day."""
    last: str
    """Last commit of the old one."""
    created: str
    """Time of the first job of the new level."""
    place: float
    """Where it lies in the drawing."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One metric over the jobs."""

    anchor: str
    """Id on the page."""
    metric: str
    """Metric."""
    jobs: int
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
    path: str
    """Points of the line."""
    changes: tuple[ChangeRow, ...]
    """Its changes, oldest first."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """All metrics of one system."""

    anchor: str
    """Id on the page."""
    name: str
    """Scenario, variant, tier, backend, device."""
    version: int
    """Version of the scenario."""
    changed: tuple[Drawing, ...]
    """Metrics that changed."""
    quiet: tuple[Drawing, ...]
    """Metrics that did not."""


def render(found: Sequence[Line], left_out: int = 0, up: str = "") -> str:
    """Write the page.

    Parameters
    ----------
    found : sequence of Line
        Lines to show, system by system.
    left_out : int
        Metrics that were not asked for; their number is said.
    up : str
        Address of the index over this page and others; see `harness.report.linking.up`.

    Returns
    -------
    str
        One self-contained HTML page. Same input, same text.
    """
    anchors = Anchors()
    systems = [
        _system(key, list(lines), anchors)
        for key, lines in itertools.groupby(found, key=lambda line: (line.system, line.version))
    ]
    rows = [row for system in systems for drawing in system.changed for row in drawing.changes]
    newest = sorted(rows, key=lambda row: row.created, reverse=True)
    drawings = [drawing for system in systems for drawing in (*system.changed, *system.quiet)]
    return environment().get_template("history.html.j2").render(
        systems=systems, changes=_by_commit(newest[:MOST_LISTED]), listed=min(MOST_LISTED, len(newest)), counted=len(newest), left_out=left_out,
        worse=sum(row.sign.word == "worse" for row in rows),
        jobs=len({(point.created, point.commit) for line in found for point in line.points}),
        thinned=sum(drawing.drawn < drawing.jobs for drawing in drawings), quiet_points=MOST_QUIET,
        width=WIDTH, height=HEIGHT, **constants(script=False, up=up),
    )  # fmt: skip


def _by_commit(rows: Sequence[ChangeRow]) -> list[tuple[str, str, list[ChangeRow]]]:
    """Put changes together that lie between the same two commits: one cause, as a rule."""
    grouped = itertools.groupby(rows, key=lambda row: (row.first, row.last))
    return [(first, last, list(found)) for (first, last), found in grouped]


def _system(key: tuple[str, int], lines: Sequence[Line], anchors: Anchors) -> System:
    anchor = anchors.claim(f"{key[0]} {key[1]}")
    drawings = [(line, _drawing(line, anchors.claim(f"{anchor}--{line.metric}"))) for line in lines]
    return System(
        anchor=anchor, name=key[0], version=key[1],
        changed=tuple(drawing for line, drawing in drawings if line.changes),
        quiet=tuple(drawing for line, drawing in drawings if not line.changes),
    )  # fmt: skip


def _drawing(line: Line, anchor: str) -> Drawing:
    values = np.asarray([point.value for point in line.points], np.float64)  # (points,)
    kept = thinned(values, MOST_FULL if line.changes else MOST_QUIET)
    x, y = _places(values)
    scale = numbers.scale("runtime" if line.unit else "accuracy", line.unit, values.tolist())
    return Drawing(
        anchor=anchor, metric=line.metric, jobs=len(values), drawn=len(kept), first=scale.text(float(values[0])),
        last=scale.text(float(values[-1])), lowest=scale.text(float(values.min())), highest=scale.text(float(values.max())),
        path=" ".join(f"{a:g},{b:g}" for a, b in zip(x[kept].tolist(), y[kept].tolist(), strict=True)),
        changes=tuple(_change(line, change, anchor, float(x[change.index]), scale) for change in line.changes),
    )  # fmt: skip


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
    x, y = MARGIN + (WIDTH - 2 * MARGIN) * steps, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * heights
    return x.round(1), y.round(1)


def _change(line: Line, change: Change, anchor: str, place: float, scale: numbers.Scale) -> ChangeRow:
    last, first = line.points[change.index - 1], line.points[change.index]
    return ChangeRow(
        sign=SIGNS[change.direction], system=line.system, metric=line.metric, anchor=anchor, before=scale.text(change.before),
        after=scale.text(change.after), first=_commit(first), last=_commit(last), created=first.created, place=place,
    )  # fmt: skip


def _commit(point: Point) -> str:
    dirty = "+dirty" if point.commit.endswith("+dirty") else ""
    return f"{point.commit[:10] + dirty if point.commit else 'no commit'} ({point.created[:10]})"


def left_out(every: Iterable[Line], shown: Sequence[Line]) -> int:
    """Count the lines that are not shown."""
    return sum(1 for _ in every) - len(shown)
