"""Past commits, measured one after the other in worktrees, each into a job folder of its own; and the search for the one that moved a metric.

Whatever ends it, and whenever: the same command goes on, because a commit's folder says which of its runs are done.
"""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import numpy as np

from harness.errors import HarnessError, RevisionError, StorageError, UnknownNameError, WorkerError, unknown
from harness.judging import bisection, probes
from harness.judging.gate import comparable, values
from harness.measure.work import PREFIX
from harness.running import executors, plans, sides
from harness.session import choosing, execution, procedure, storing
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.records import Look, Measured, Plan, RunRequest, RunResult, Scenario
    from harness.running.executors import Executor
    from harness.session.execution import Follow

    Floats = NDArray[np.float64]

CANNOT_RUN = (RevisionError, UnknownNameError, WorkerError)
"""What is wrong with one commit, and leaves the others as they are."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """What is the same for every commit that is measured."""

    declared: Mapping[str, Scenario]
    """Scenarios by name, as they are declared now: results of every commit are scored by these."""
    selection: Sequence[tuple[Scenario, str]]
    settings: choosing.Settings
    roots: Sequence[Path]
    """Folders of baselines."""
    out: Path
    """Folder of the job folders."""
    command: str
    executor: Executor
    follow: Follow
    """Passes on the results of the requested runs as they come, to show progress."""

    def folder(self, commit: str) -> Path:
        """Return the job folder of a commit."""
        return self.out / commit[:12]

    def requests(self, seeds: int) -> list[RunRequest]:
        """List the measured runs of the first so many seeds."""
        return choosing.requests(self.selection, dataclasses.replace(self.settings, seeds=seeds, count=False))


def measure(how: Measuring, commit: str, requests: Sequence[RunRequest], base: str = "") -> list[RunResult]:
    """Do what is missing of a commit's runs, store and judge its job, and return these runs.

    More runs of the same job may be stored, and stay. With a `base` commit, its runs are done next to these, pair by pair in the order that
    a coin says, and returned too.

    Raises
    ------
    RevisionError
        If the commit cannot be checked out, does not import, or its runs imported other code.
    UnknownNameError
        If it lacks a scenario, variant or tier; what it has is measured all the same.
    WorkerError
        If a run failed.
    StorageError
        If its folder cannot be written, or holds a job with other settings.
    """
    folder = how.folder(commit)
    wanted = [*requests, *(dataclasses.replace(request, side="base") for request in requests if base)]
    plan = _grown(how, commit, wanted, folder)
    keys = {request.key for request in wanted}
    missing = {request.key for request in plans.missing(plan, folder)}
    lacking = set[tuple[str, str]]()
    if not keys.isdisjoint(missing) or not (folder / "run.json").exists():
        with sides.opened(base or commit, how.settings.scenario_paths, Path(), head=commit) as opened:
            lacking = sides.lacking(sides.declared(opened, "head"), how.selection, how.settings.tier)
            able = [request for request in wanted if (request.scenario, request.variant) not in lacking]
            if not able:
                raise _lacks(commit, lacking)
            with plans.claimed(folder):
                plan = execution.reopened(_grown(how, commit, able, folder), opened)
                files.write_json(folder / "plan.json", plan)
                _run(how, plan, folder, opened)
                storing.store(procedure.assemble(plan, how.declared, how.roots, folder), how.declared, folder)
    results = [run for run in plans.results(plan, folder) if run.request.key in keys]
    failed = next((run for run in results if run.status != "ok"), None)
    if failed is not None:
        raise WorkerError(f"a run of commit {commit[:12]} failed: {failed.error}", f"Read {folder}")
    if lacking:
        raise _lacks(commit, lacking)
    return results


def _grown(how: Measuring, commit: str, wanted: Sequence[RunRequest], folder: Path) -> Plan:
    """Return the stored plan of a commit with the runs that it lacks, or a new one."""
    if not plans.holds_job(folder):
        return dataclasses.replace(plans.make(wanted, how.command, None), commit=commit)
    plan = plans.read(folder)
    known = {request.key: request for request in plan.requests}
    other = [
        request.key for request in wanted if _settings(known.get(request.key, request)) != _settings(request)
    ]
    if plan.commit != commit or plan.gate is not None or other:
        what = f"'{folder}' holds another job, or the same with other settings"
        raise StorageError(what, "Name another folder with --out")
    fresh = [request for request in wanted if request.key not in known]
    return dataclasses.replace(plan, requests=(*plan.requests, *fresh))


def _settings(request: RunRequest) -> RunRequest:
    """Return a request without the place of its code, which is known only while the commit is checked out."""
    names = tuple(Path(path).name for path in request.scenario_paths)
    return dataclasses.replace(request, code="", scenario_paths=names)


def _lacks(commit: str, lacking: set[tuple[str, str]]) -> UnknownNameError:
    names = ", no ".join(f"{scenario}:{variant}" for scenario, variant in sorted(lacking))
    return UnknownNameError(f"commit {commit[:12]} has no {names} in this tier")


def _run(how: Measuring, plan: Plan, folder: Path, opened: sides.Sides) -> None:
    """Do the missing runs of a plan; a run of other code than the commit's is no run of it, and not kept."""
    (folder / "run.json").unlink(missing_ok=True)  # until it is written anew, the plan says what there is
    todo = sides.interleave(plans.missing(plan, folder), int(plan.commit[:6], 16))
    for result in how.follow(executors.run_all(how.executor, todo, how.declared, folder), todo):
        unproved = "not looked at"
        try:
            unproved = sides.prove(result, opened)
        finally:
            if unproved:
                (folder / result.folder / "result.json").unlink(missing_ok=True)
        if unproved:
            step = "Install the project editable, or keep its package beside pyproject.toml or below src/"
            raise RevisionError(unproved, step)


# -- which commit moved a metric? -----------------------------------------------------------------


class Answer(typing.NamedTuple):
    """What a search came to."""

    suspects: tuple[str, ...]
    """The commit that moved the metric; several where those between cannot run; empty if the ends do not differ, or it stayed undecided."""
    chance: float
    """Chance that it is among the suspects, or of the likeliest commit if there are none; 0 if the ends do not differ."""
    likeliest: str
    """The likeliest commit; empty if the ends do not differ."""
    old: float
    """Level before, in the metric's unit: mean of the good end, or median of its times."""
    new: float
    """Level of the bad end."""
    declared: Measured
    """A value of the metric, with unit and kind."""
    runs: int
    """Runs that it rests on, stored ones included."""
    look: Look | None
    """The last look at both ends; None for exact counts."""


def search(
    how: Measuring, metric: str, commits: Sequence[str], passed_over: dict[Path, HarnessError],
    say: Callable[[str], None], *,
    max_runs: int,
) -> Answer:  # fmt: skip
    """Search for the commit that moved a metric, with as few runs as its noise allows.

    Work is exact: one counting run a commit, at each end two. Scores and memory are compared seed by seed, times in pairs with the first commit.

    Parameters
    ----------
    how : Measuring
        With one scenario and variant.
    metric : str
    commits : sequence of str
        Oldest, the good end, first.
    passed_over : dict
        Gets the folder of every commit that cannot run, with the reason.
    say : callable
        Called with a sentence after each commit.
    max_runs : int
        Runs after which the search ends undecided.

    Raises
    ------
    HarnessError
        If an end cannot run or lacks the metric, or equal runs count differently.
    """
    taking = _Taking(how, metric, commits[0])
    exact, zero = taking.declared.kind == "work", taking.declared.kind == "runtime"
    taken: dict[str, list[float]] = {}
    last = None
    for count in (1,) if exact else bisection.end_looks(taking.declared.kind):
        taken[commits[-1]] = taking(commits[-1], count)
        taken[commits[0]] = [] if zero else taking(commits[0], count)
        last = None if exact else taking.look(commits[-1], count)
        old, new = taking.levels(commits[-1])
        if (exact and old != new) or (last is not None and last.alarm):
            break
    else:
        return Answer((), 0.0, "", old, new, taking.declared, taking.runs, last)
    gap = float(np.mean(taken[commits[-1]])) - (0.0 if zero else float(np.mean(taken[commits[0]])))
    line, commit = list(commits), ""
    while True:
        own = [taken.get(commit, []) for commit in line]
        shares = bisection.exact_chances(own) if exact else bisection.chances(own, gap, from_zero=zero)
        likeliest = line[int(np.argmax(shares)) + 1]
        if commit in taken:
            so_far = f"likeliest so far {likeliest[:12]} ({shares.max():.0%})"
            say(f"{commit[:12]}: {len(taken[commit])} values; {so_far}")
        following = bisection.following(shares, own, least=1 if exact else bisection.LEAST_VALUES)
        if following is None or taking.runs >= max_runs:
            break
        commit = line[following]
        try:
            taken[commit] = taking(commit, len(own[following]) + 1)
        except CANNOT_RUN as error:
            if commit in {commits[0], commits[-1]}:
                raise
            passed_over[how.folder(commit)] = error
            taken.pop(commit, None)
            line.remove(commit)
    place = bisection.decided(shares) if following is None else None
    span = () if place is None else (commits.index(line[place - 1]) + 1, commits.index(line[place]) + 1)
    suspects, chance = tuple(commits[slice(*span)]) if span else (), float(shares.max())
    return Answer(suspects, chance, likeliest, old, new, taking.declared, taking.runs, last)


class _Taking:
    """Takes values of a metric at commits, in the way of its kind."""

    def __init__(self, how: Measuring, metric: str, good: str) -> None:
        self._how, self._metric, self._good = how, metric, good
        self._used: dict[str, list[RunResult]] = {}
        self._counting, self._pairs = metric.startswith(PREFIX), False
        first = self._measured(good, 1)[0]
        known = probes.counts(first) if self._counting else first.metrics
        if metric not in known or isinstance(known[metric].value, list):
            numbers = [name for name, one in known.items() if not isinstance(one.value, list)]
            raise unknown(f"metric of commit {good[:12]}", metric, numbers)
        self.declared = known[metric]
        self._pairs = self.declared.kind == "runtime"

    @property
    def runs(self) -> int:
        """How many runs have been used so far."""
        return sum(map(len, self._used.values()))

    def __call__(self, commit: str, count: int) -> list[float]:
        """Return a commit's first `count` values: counts, scores or bytes; logarithms of ratios to the good end for times."""
        runs = self._measured(commit, count)
        if self._pairs:
            base, head = self._times(commit)
            return [float(value) for value in np.log(head / base)]
        numbers = [float(value) for value in values.numbers(self._having(commit, runs), self._metric)]
        if self._counting and len(set(numbers)) > 1:
            what = f"two equal runs of commit {commit[:12]} count {self._metric} differently"
            raise HarnessError(what, "Search by a score: several seeds average such differences out")
        return numbers[:count]

    def _measured(self, commit: str, count: int) -> list[RunResult]:
        requests = self._how.requests(count)
        if self._counting:
            both = probes.requests(requests[:1], self._how.declared)
            # whether equal runs count alike is seen at the good end
            requests = both if commit == self._good else both[:1]
        paired = self._pairs and commit != self._good
        self._used[commit] = measure(self._how, commit, requests, self._good if paired else "")
        return self._used[commit]

    def _having(self, commit: str, runs: Sequence[RunResult]) -> list[RunResult]:
        having = values.having(runs, self._metric)
        if len(having) < len(runs):
            raise UnknownNameError(f"a run of commit {commit[:12]} has no {self._metric}")
        return having

    def _times(self, commit: str) -> tuple[Floats, Floats]:
        """Return times of the good end and of a commit, pair by pair, each (pairs,)."""
        runs = sorted(self._having(commit, self._used[commit]), key=lambda run: run.request.seed)
        base, head = (
            values.numbers([run for run in runs if run.request.side == side], self._metric)
            for side in ("base", "head")
        )
        return base, head

    def look(self, bad: str, count: int) -> Look:
        """Look at both ends."""
        runs = self._used[bad]
        if self._pairs:
            return bisection.look(self._metric, "runtime", self.declared.unit, *self._times(bad))
        first, last = (values.numbers(self._used[end], self._metric)[:count] for end in (self._good, bad))
        images = comparable.scored_images(runs, self._metric)
        return bisection.look(self._metric, self.declared.kind, self.declared.unit, first, last, images)

    def levels(self, bad: str) -> tuple[float, float]:
        """Return the levels of both ends, in the metric's unit."""
        if self._pairs:
            base, head = self._times(bad)
            return float(np.median(base)), float(np.median(head))
        old, new = (values.numbers(self._used[end], self._metric).mean() for end in (self._good, bad))
        return float(old), float(new)
