"""Stored jobs over commits: one line a metric, with the commits where its level changed, in either direction. Pure: the faces read the jobs.

A line holds only what may be compared: one system, one set of data, one branch, and for times and memory one kind of environment.
"""

from __future__ import annotations

import array
import dataclasses
import statistics
import typing

import numpy as np

from harness.judging.levels import changes
from harness.machine import environment
from harness.store.table import System, is_headline

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.judging.levels import Change
    from harness.records import Direction, Job, Kind, RunResult

    Fields = tuple[tuple[str, str], ...]

LEADS = ("accuracy", "total.seconds", "total.above_imports_bytes")
"""Metrics that stand for their group where several changed together."""
_SOFTWARE = ("python", *environment.LIBRARIES)

Strand = typing.Literal["history", "branch", "unknown", "none"]
"""Where commits lie: in the history of the checkout, on another branch, not known to git here, or not recorded."""


# -- gathering ------------------------------------------------------------------------------------


class Sample(typing.NamedTuple):
    """One metric of one job in one environment."""

    created: str
    """When the job began, UTC, ISO 8601; of a job of schema 1, when it was judged."""
    commit: str
    """Commit of the job, with ``+dirty`` if the tree was not clean, or empty."""
    system: System
    """What was measured."""
    data: Fields
    """Data sets read: name and hash."""
    surroundings: Fields
    """Fields of the environment that decide what may be compared."""
    metric: str
    """Metric."""
    unit: str
    """Unit."""
    kind: Kind
    """Kind of metric."""
    better: Direction
    """Direction in which it improves."""
    values: array.array[float]
    """One value a run."""


def gather(jobs: Iterable[Job]) -> list[Sample]:
    """Take the headline metrics from jobs, of which one at a time is in memory. Times of disturbed runs are left out."""
    return [sample for job in jobs for sample in _of_job(job)]


def _of_job(job: Job) -> Iterable[Sample]:
    found: dict[tuple[object, ...], Sample] = {}
    for run in job.results:
        system, data, surroundings = System.of(run), _data(run), _surroundings(run)
        for name, measured in run.metrics.items():
            if isinstance(measured.value, list) or not is_headline(name, measured, run):
                continue
            sample = found.get((system, data, surroundings, name))
            if sample is None:
                sample = found[system, data, surroundings, name] = Sample(
                    created=job.created,
                    commit=job.commit,
                    system=system,
                    data=data,
                    surroundings=surroundings,
                    metric=name,
                    unit=measured.unit,
                    kind=measured.kind,
                    better=measured.better,
                    values=array.array("d"),
                )
            sample.values.append(measured.value)
    return found.values()


def _data(run: RunResult) -> Fields:
    uses = run.measurement.datasets if run.measurement else ()
    return tuple(sorted((use.name, use.sha256) for use in uses))


def _surroundings(run: RunResult) -> Fields:
    recorded = run.measurement.environment if run.measurement else {}
    return tuple(sorted(environment.compared(recorded).items()))


# -- order ----------------------------------------------------------------------------------------


class Place(typing.NamedTuple):
    """Where a commit lies."""

    strand: Strand
    """In which kind of line."""
    tip: str
    """Newest measured commit of its branch; empty in the checkout's history."""
    position: int
    """Its position among commits, parents before children."""


def places(parents: Mapping[str, Sequence[str]], head: str, measured: Iterable[str]) -> dict[str, Place]:
    """Say where measured commits lie: in the history of `head`, what builds on it included, or on a branch of their own.

    Parameters
    ----------
    parents : mapping
        Parents of each commit that git knows, parents before children; see `harness.store.git.parents`.
    head : str
        Commit of the checkout.
    measured : iterable of str
        Commits; those that are not in `parents` are left out.
    """
    position = {commit: index for index, commit in enumerate(parents)}
    strands = dict.fromkeys(_ancestors(parents, head, ()), "")
    for commit, above in parents.items():
        if any(
            parent == head or (parent in strands and position[parent] > position.get(head, 0))
            for parent in above
        ):
            strands[commit] = ""
    known = sorted((commit for commit in set(measured) if commit in position), key=position.__getitem__)
    for tip in reversed(known):
        if tip not in strands:
            strands |= dict.fromkeys(_ancestors(parents, tip, strands), tip)
    return {
        commit: Place("branch" if strands[commit] else "history", strands[commit], position[commit])
        for commit in known
    }


def _ancestors(parents: Mapping[str, Sequence[str]], tip: str, without: typing.Container[str]) -> set[str]:
    """Return a commit and its ancestors, as far as they are in `parents` and not in `without`."""
    found, left = set[str](), [tip]
    while left:
        commit = left.pop()
        if commit in parents and commit not in found and commit not in without:
            found.add(commit)
            left += parents[commit]
    return found


# -- tracks ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One commit of a track; without a commit, or with changes on top of it, one job."""

    commit: str
    """Commit, with ``+dirty`` if the tree was not clean, or empty."""
    created: str
    """When its first job began, UTC, ISO 8601."""
    software: Fields
    """Versions of Python and libraries: jobs of one commit with other versions are another row."""
    jobs: int
    """How many jobs measured it."""
    position: int = -1
    """Its position among the commits that git knows; -1 for others."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One metric over the rows of a track, in environments that may be compared."""

    metric: str
    """Metric name."""
    unit: str
    """Unit."""
    kind: Kind
    """Kind of metric."""
    better: Direction
    """Direction in which the metric improves."""
    where: Fields
    """Fields of the environment that set it apart from other lines of the metric; empty if there are none."""
    rows: tuple[int, ...]
    """Rows that have a value, oldest first."""
    values: tuple[float, ...]
    """Mean over the runs of each, in the metric's unit."""
    changes: tuple[Change, ...]
    """Changes of level and spikes, oldest first; they count points of this line."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A change, with the metrics of its group that changed at the same commit."""

    line: Line
    """The metric that leads: accuracy among scores, the total among stages."""
    change: Change
    """Its change."""
    others: tuple[str, ...]
    """The other metrics."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """All metrics of one system on one branch."""

    system: System
    """What was measured."""
    strand: Strand
    """Where its commits lie; the order is the commits' in a history and on a branch, else that of the runs."""
    tip: str
    """Newest commit of the branch, if it is one."""
    data: Fields
    """Data sets that set it apart from other tracks of the system; empty if there are none."""
    rows: tuple[Row, ...]
    """Commits, oldest first."""
    lines: tuple[Line, ...]
    """Metrics."""

    @property
    def findings(self) -> list[Finding]:
        """Changes, oldest first, those of a group at one commit as one."""
        groups: list[tuple[Line, Change, list[str]]] = []
        for line in sorted(self.lines, key=lambda line: line.metric not in LEADS):
            for change in line.changes:
                for lead, known, others in groups:
                    together = (lead.kind, lead.where) == (line.kind, line.where) and lead is not line
                    alike = (known.direction, known.spike) == (change.direction, change.spike)
                    if together and alike and abs(lead.rows[known.index] - line.rows[change.index]) <= 1:
                        others.append(line.metric)
                        break
                else:
                    groups.append((line, change, []))
        found = [Finding(line=line, change=change, others=tuple(others)) for line, change, others in groups]
        return sorted(found, key=lambda one: one.line.rows[one.change.index])


def tracks(samples: Iterable[Sample], known: Mapping[str, Place]) -> list[Track]:
    """Lay samples out as tracks, system by system in the order in which they were first measured.

    Parameters
    ----------
    samples : iterable of Sample
        In any order.
    known : mapping
        Where commits lie, without ``+dirty``; see `places`. Others are ordered by their jobs.
    """
    ordered = sorted(samples, key=lambda sample: sample.created)
    kinds = _Kinds(ordered)
    grouped: dict[tuple[System, Fields, Strand, str], list[Sample]] = {}
    for sample in ordered:
        place = _place(sample.commit, known)
        grouped.setdefault((sample.system, sample.data, place.strand, place.tip), []).append(sample)
    versions: dict[System, set[Fields]] = {}
    for system, data, _, _ in grouped:
        versions.setdefault(system, set()).add(data)
    return [
        _track(key, group, known, kinds, named=len(versions[key[0]]) > 1) for key, group in grouped.items()
    ]


def _place(commit: str, known: Mapping[str, Place]) -> Place:
    if not commit:
        return Place("none", "", -1)
    return known.get(commit.removesuffix("+dirty"), Place("unknown", "", -1))


class _Kinds:
    """Environments that may be compared, by system and kind of metric."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._groups: dict[tuple[System, Kind], list[dict[str, str]]] = {}
        self._index: dict[tuple[System, Kind, Fields], int] = {}
        for sample in samples:
            if (sample.system, sample.kind, sample.surroundings) not in self._index:
                self._add(sample.system, sample.kind, sample.surroundings)

    def _add(self, system: System, kind: Kind, surroundings: Fields) -> None:
        ours, groups = dict(surroundings), self._groups.setdefault((system, kind), [])
        fits = [index for index, group in enumerate(groups) if not environment.differences(kind, ours, group)]
        if fits:
            # fields that older records lack become known with the first that has them
            groups[fits[0]] = ours | groups[fits[0]]
        else:
            groups.append(ours)
        self._index[system, kind, surroundings] = fits[0] if fits else len(groups) - 1

    def of(self, sample: Sample) -> int:
        """Return the number of the group that a sample's environment belongs to."""
        return self._index[sample.system, sample.kind, sample.surroundings]

    def where(self, system: System, kind: Kind, index: int) -> Fields:
        """Return the fields by which a group differs from the others; empty if there are none."""
        groups = self._groups[system, kind]
        names = dict.fromkeys(
            name for group in groups for name, _, _ in environment.differing(kind, groups[index], group)
        )
        return tuple((name, groups[index].get(name, "none")) for name in names)


def _track(
    key: tuple[System, Fields, Strand, str],
    samples: Sequence[Sample],
    known: Mapping[str, Place],
    kinds: _Kinds,
    *,
    named: bool,
) -> Track:
    def row_key(sample: Sample) -> tuple[str, Fields, str]:
        # a clean commit is one thing however often it was measured; what is not committed is another each time
        own = sample.created if not sample.commit or sample.commit.endswith("+dirty") else ""
        return sample.commit, tuple(field for field in sample.surroundings if field[0] in _SOFTWARE), own

    begun: dict[tuple[str, Fields, str], dict[str, None]] = {}
    for sample in samples:
        begun.setdefault(row_key(sample), {})[sample.created] = None
    keys = sorted(
        begun,
        key=lambda key: (_place(key[0], known).position, key[0].endswith("+dirty"), next(iter(begun[key]))),
    )
    number = {key: index for index, key in enumerate(keys)}
    lines: dict[tuple[str, int], tuple[Sample, dict[int, list[float]]]] = {}
    for sample in samples:
        _, values = lines.setdefault((sample.metric, kinds.of(sample)), (sample, {}))
        values.setdefault(number[row_key(sample)], []).extend(sample.values)
    return Track(
        system=key[0],
        strand=key[2],
        tip=key[3],
        data=key[1] if named else (),
        rows=tuple(
            Row(
                commit=commit,
                created=next(iter(begun[commit, software, own])),
                software=software,
                jobs=len(begun[commit, software, own]),
                position=_place(commit, known).position,
            )
            for commit, software, own in keys
        ),
        lines=tuple(
            _line(first, values, kinds.where(first.system, first.kind, group))
            for (_, group), (first, values) in lines.items()
        ),
    )


def _line(first: Sample, values: Mapping[int, Sequence[float]], where: Fields) -> Line:
    rows = tuple(sorted(values))
    means = tuple(statistics.mean(values[row]) for row in rows)
    return Line(
        metric=first.metric,
        unit=first.unit,
        kind=first.kind,
        better=first.better,
        where=where,
        rows=rows,
        values=means,
        changes=tuple(changes(np.asarray(means, np.float64), first.better, spikes=True)),
    )
