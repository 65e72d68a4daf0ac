"""Stored jobs over commits: one line a metric, with the commits where its level changed, in either direction. Pure: the faces read the jobs.

A line holds only what may be compared: one system, one set of data, one branch, and for times and memory one kind of environment.
"""

from __future__ import annotations

import array
import dataclasses
import fnmatch
import statistics
import typing

import numpy as np

from harness.judging import wording
from harness.judging.levels import changes
from harness.machine import environment
from harness.records.metrics import is_share
from harness.store.table import System, is_headline

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.judging.levels import Change
    from harness.records import Direction, Job, Kind

    Fields = tuple[tuple[str, str], ...]

LEADS = ("accuracy", "total.seconds", "total.above_imports_bytes")
"""Metrics that stand for their group where several changed together."""
SHOWN = ("accuracy", "loss", "total.seconds", "total.above_imports_bytes")
"""Metrics that the table shows unless others are named; changes of any metric are listed."""
_WORDS = {"total.seconds": "time", "total.above_imports_bytes": "memory"}
STRANDS = {
    "history": "",
    "branch": "on the branch of",
    "unknown": "commits that git does not know here, in the order of their runs",
    "none": "runs without a commit, in the order of their times",
}
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
    data: Fields
    """Data sets read: name and hash."""
    surroundings: Fields
    """Fields of the environment that decide what may be compared."""
    metric: str
    unit: str
    kind: Kind
    better: Direction
    """Direction in which it improves."""
    values: array.array[float]
    """One value a run."""


def gather(jobs: Iterable[Job]) -> list[Sample]:
    """Take the headline metrics from jobs, of which one at a time is in memory. Times of disturbed runs are left out."""
    return [sample for job in jobs for sample in _of_job(job)]


def _of_job(job: Job) -> Iterable[Sample]:
    samples: dict[tuple[object, ...], Sample] = {}
    for run in job.results:
        measurement = run.measurement
        data = tuple(sorted((use.name, use.sha256) for use in measurement.datasets)) if measurement else ()
        recorded = measurement.environment if measurement else {}
        surroundings = tuple(sorted(environment.compared(recorded).items()))
        system = System.of(run)
        for name, measured in run.metrics.items():
            if isinstance(measured.value, list) or not is_headline(name, measured, run):
                continue
            key = (system, data, surroundings, name)
            if key not in samples:
                samples[key] = Sample(
                    job.created,
                    job.commit,
                    *key,
                    measured.unit,
                    measured.kind,
                    measured.better,
                    array.array("d"),
                )
            samples[key].values.append(measured.value)
    return samples.values()


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
    ancestors, left = set[str](), [tip]
    while left:
        commit = left.pop()
        if commit in parents and commit not in ancestors and commit not in without:
            ancestors.add(commit)
            left += parents[commit]
    return ancestors


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
    unit: str
    kind: Kind
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
    others: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """All metrics of one system on one branch."""

    system: System
    strand: Strand
    """Where its commits lie; the order is the commits' in a history and on a branch, else that of the runs."""
    tip: str
    """Newest commit of the branch, if it is one."""
    data: Fields
    """Data sets that set it apart from other tracks of the system; empty if there are none."""
    rows: tuple[Row, ...]
    """Oldest first."""
    lines: tuple[Line, ...]

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
        findings = [
            Finding(line=line, change=change, others=tuple(others)) for line, change, others in groups
        ]
        return sorted(findings, key=lambda one: one.line.rows[one.change.index])


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
    laid_out = []
    for (system, data, strand, tip), group in grouped.items():
        rows, lines = _rows_and_lines(group, known, kinds)
        alone = all(other == data for of, other, _, _ in grouped if of == system)
        laid_out.append(
            Track(system=system, strand=strand, tip=tip, data=() if alone else data, rows=rows, lines=lines)
        )
    return laid_out


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
            system, kind, ours = sample.system, sample.kind, dict(sample.surroundings)
            if (system, kind, sample.surroundings) in self._index:
                continue
            groups = self._groups.setdefault((system, kind), [])
            fits = (
                index for index, group in enumerate(groups) if not environment.differences(kind, ours, group)
            )
            index = next(fits, len(groups))
            if index == len(groups):
                groups.append(ours)
            # fields that older records lack become known with the first that has them
            groups[index] = ours | groups[index]
            self._index[system, kind, sample.surroundings] = index

    def of(self, sample: Sample) -> int:
        """Return the number of the group that a sample's environment belongs to."""
        return self._index[sample.system, sample.kind, sample.surroundings]

    def where(self, sample: Sample) -> Fields:
        """Return the fields by which a sample's group differs from the others; empty if there are none."""
        groups, own = self._groups[sample.system, sample.kind], self.of(sample)
        names = dict.fromkeys(
            name for group in groups for name, _, _ in environment.differing(sample.kind, groups[own], group)
        )
        return tuple((name, groups[own].get(name, "none")) for name in names)


def _rows_and_lines(
    samples: Sequence[Sample], known: Mapping[str, Place], kinds: _Kinds
) -> tuple[tuple[Row, ...], tuple[Line, ...]]:
    """Lay out the samples of one track, oldest first."""

    def row_key(sample: Sample) -> tuple[str, Fields, str]:
        # a clean commit is one thing however often it was measured; what is not committed is another each time
        own = sample.created if not sample.commit or sample.commit.endswith("+dirty") else ""
        return sample.commit, tuple(field for field in sample.surroundings if field[0] in _SOFTWARE), own

    begun: dict[tuple[str, Fields, str], dict[str, None]] = {}
    for sample in samples:
        begun.setdefault(row_key(sample), {})[sample.created] = None
    rows = {
        key: Row(
            commit=key[0], created=next(iter(times)), software=key[1], jobs=len(times), position=_place(key[0], known).position,
        )
        for key, times in begun.items()
    }  # fmt: skip
    keys = sorted(rows, key=lambda key: (rows[key].position, key[0].endswith("+dirty"), rows[key].created))
    number = {key: index for index, key in enumerate(keys)}
    grouped: dict[tuple[str, int], tuple[Sample, dict[int, list[float]]]] = {}
    for sample in samples:
        _, values = grouped.setdefault((sample.metric, kinds.of(sample)), (sample, {}))
        values.setdefault(number[row_key(sample)], []).extend(sample.values)
    lines = []
    for first, values in grouped.values():
        means = tuple(statistics.mean(values[row]) for row in sorted(values))
        lines.append(
            Line(
                metric=first.metric, unit=first.unit, kind=first.kind, better=first.better, where=kinds.where(first),
                rows=tuple(sorted(values)), values=means,
                changes=tuple(changes(np.asarray(means, np.float64), first.better, spikes=True)),
            )
        )  # fmt: skip
    return tuple(rows[key] for key in keys), tuple(lines)


# -- names ----------------------------------------------------------------------------------------


def select(tracks: Iterable[Track], patterns: Sequence[str]) -> list[tuple[Track, list[Line]]]:
    """Choose the lines whose metric matches a pattern such as ``*.seconds``; by default `SHOWN`. Tracks without one are left out."""
    wanted = patterns or SHOWN
    chosen = []
    for track in sorted(tracks, key=lambda track: track.system):
        lines = [line for line in track.lines if any(fnmatch.fnmatchcase(line.metric, one) for one in wanted)]
        if lines or (track.findings and not patterns):
            chosen.append((track, lines))
    return chosen


def title(track: Track) -> str:
    """Name a track: what was measured, and on which branch or data where there are several."""
    data = ", ".join(f"{name} {sha256[:8]}" for name, sha256 in track.data)
    strand = f"{STRANDS[track.strand]} {short(track.tip)}".strip() if track.tip else STRANDS[track.strand]
    version = f"{track.system.name} (version {track.system.version})"
    return "; ".join(filter(None, (version, data and f"data {data}", strand)))


def letters(lines: Sequence[Line]) -> dict[Fields, str]:
    """Give each environment that sets lines apart a letter."""
    places = dict.fromkeys(line.where for line in lines if line.where)
    return {where: chr(65 + index % 26) for index, where in enumerate(places)}


def legend(lines: Sequence[Line]) -> Iterator[str]:
    """Say what each letter in a heading stands for."""
    for where, letter in letters(lines).items():
        yield f"[{letter}] {', '.join(f'{name} {value}' for name, value in where)}"


def heading(line: Line, named: Mapping[Fields, str]) -> str:
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
