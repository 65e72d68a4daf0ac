"""Stored jobs over time: one line a metric, with the commits where its level changed, in either direction. Pure: the faces read the jobs.

Change points come from ruptures: the least-squares segmentation whose number of segments is penalised (Killick, Fearnhead and Eckley
2012). A change needs two points on its far side, so the newest job alone never makes one: that is what a gate is for.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import typing

import numpy as np

from harness.exporters.table import exact_mean, gathered

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from harness.records import Direction, Job

    _Name = tuple[str, int, str]
    _Declared = tuple[str, Direction]

PENALTY = 3.0
"""Times ln(points), in units of the noise's variance; docs/history.md has the error rates."""
LEAST_POINTS = 6
"""Shorter lines have no change points."""
LEAST_SEGMENT = 2
SPARKS = "▁▂▃▄▅▆▇█"
SPARKLINE_WIDTH = 40
_NORMAL_MAD = 0.6745
_ROUNDING = 1e-6
_RARE = 0.1

Direct = typing.Literal["better", "worse", "differs"]


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """One job's value of one metric."""

    created: str
    """When the job began, UTC, ISO 8601; of a job of schema 1, when it was judged."""
    commit: str
    """Commit, or empty."""
    value: float
    """Mean over the job's runs, in the metric's unit."""
    runs: int
    """How many runs it is a mean of."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A commit from which a metric has another level."""

    index: int
    """First point of the new level."""
    before: float
    """Mean of the level that ended."""
    after: float
    """Mean of the new level."""
    direction: Direct
    """Whether that is better, worse, or a metric without direction that differs."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One metric of one system over the jobs, oldest first."""

    system: str
    """``scenario:variant tier backend device``."""
    version: int
    """Version of the scenario; another version starts another line."""
    metric: str
    """Metric name."""
    unit: str
    """Unit."""
    better: Direction
    """Direction in which the metric improves."""
    points: tuple[Point, ...]
    """Values, oldest first."""
    changes: tuple[Change, ...]
    """Change points, oldest first."""


def lines(jobs: Iterable[Job]) -> list[Line]:
    """Gather the headline metrics of jobs into lines with their change points.

    Parameters
    ----------
    jobs : iterable of Job
        In any order; each is one point of every metric that it measured. Times of DISTURBED runs are left out.
    """
    found: dict[_Name, list[tuple[_Declared, Point]]] = {}
    # one job after the other: of each only its points stay
    for pairs in sorted(map(_points, jobs), key=lambda pairs: pairs.created):
        for name, pair in pairs.found:
            found.setdefault(name, []).append(pair)
    return [_line(name, pairs) for name, pairs in found.items()]


class _Points(typing.NamedTuple):
    """The points of one job."""

    created: str
    found: list[tuple[_Name, tuple[_Declared, Point]]]


def _points(job: Job) -> _Points:
    created, commit = job.created, job.commit
    return _Points(
        created,
        [
            (
                (system.name, system.version, metric),
                ((measured.unit, measured.better), Point(created, commit, exact_mean(values), len(values))),
            )
            for (system, metric), (measured, values) in gathered(job).items()
        ],
    )


def _line(name: _Name, pairs: Sequence[tuple[_Declared, Point]]) -> Line:
    system, version, metric = name
    unit, better = pairs[-1][0]
    points = tuple(point for _, point in pairs)
    values = np.asarray([point.value for point in points], np.float64)  # (points,)
    return Line(
        system=system,
        version=version,
        metric=metric,
        unit=unit,
        better=better,
        points=points,
        changes=tuple(changes(values, better)),
    )


def changes(values: NDArray[np.float64], better: Direction) -> list[Change]:
    """Find where the level of a sequence changes.

    Parameters
    ----------
    values : float64 array of shape (points,)
        Oldest first.
    better : str
        Direction of improvement.
    """
    starts = change_points(values)
    edges = [0, *starts, len(values)]
    levels = [float(values[a:b].mean()) for a, b in itertools.pairwise(edges)]
    return [
        Change(start, before, after, _direction(before, after, better))
        for start, (before, after) in zip(starts, itertools.pairwise(levels), strict=True)
    ]


def change_points(values: NDArray[np.float64]) -> list[int]:
    """Return the first index of every level but the first; empty below `LEAST_POINTS`."""
    count = len(values)
    if count < LEAST_POINTS or np.ptp(values) == 0:
        return []
    import ruptures

    signal = (values - np.median(values)) / noise(values)
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_SEGMENT).fit(signal[:, None])  # (points, 1)
    return [int(end) for end in search.predict(pen=PENALTY * math.log(count))[:-1]]


def noise(values: NDArray[np.float64]) -> float:
    """Estimate the standard deviation round the levels from successive differences, which a few steps hardly touch.

    It is raised for short sequences, whose estimate is itself uncertain. Where most values repeat, the differences that are not zero
    speak if they are no rarity; else the sequence has no noise and only rounding is allowed.
    """
    steps = np.abs(np.diff(values))
    found = float(np.median(steps)) / (_NORMAL_MAD * math.sqrt(2))
    moving = steps[steps > 0]
    if found == 0 and len(moving) > _RARE * len(steps):
        found = float(np.median(moving)) / math.sqrt(2)
    floor = max(_ROUNDING * float(np.abs(values).max()), float(np.finfo(np.float64).tiny))
    return max(found * (1 + 4 / len(values)), floor)


def _direction(before: float, after: float, better: Direction) -> Direct:
    if better == "none":
        return "differs"
    return "better" if (after > before) == (better == "higher") else "worse"


def sparkline(values: Sequence[float]) -> str:
    """Draw the newest values as a row of blocks, lowest to highest; a constant is a row of the lowest."""
    shown = np.asarray(values[-SPARKLINE_WIDTH:], np.float64)
    span = float(np.ptp(shown)) if len(shown) else 0.0
    if span == 0:
        return SPARKS[0] * len(shown)
    heights = (shown - shown.min()) / span * (len(SPARKS) - 1)
    return "".join(SPARKS[round(float(height))] for height in heights)
