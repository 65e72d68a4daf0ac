"""Memory whose stored baseline another kind of machine made: measured here again, at the commit that the baseline records.

The runs are kept in the user's cache, so that a later gate on this machine needs none; the job keeps what it was judged by in ``remeasured/``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import json
import shutil
import tempfile
import time
import typing
from pathlib import Path

from harness.data.cache import cache_folder
from harness.errors import BaselineError, HarnessError, RevisionError
from harness.judging import baselines, outcome
from harness.judging.gate import comparable, trials, values
from harness.machine import environment
from harness.records import Judgement
from harness.records.version import __version__
from harness.running import sides
from harness.running.sides import revisions
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.judging.gate.values import Evidence
    from harness.records import Baseline, GateSettings, Plan, RunRequest, RunResult, Tier

    Missing = tuple[Evidence, list[RunRequest], Path]
    """A variant, its runs, and the place of what they give in the cache."""
    Measure = Callable[[Sequence[RunRequest], Path], Sequence[RunResult]]

RUNS = 10
"""Runs of each variant: with fewer stored values the looks at memory do not reach their level."""
FOLDER = "remeasured"
"""Folder of what was measured again, in a job and in the user's cache."""


@functools.cache
def obstacle(commit: str, folder: Path) -> str:
    """Say why the commit that a baseline records cannot be measured again here; empty if it can be tried."""
    if not commit:
        return "the baseline records no commit"
    if commit.endswith("+dirty"):
        return f"the baseline is of uncommitted changes ({commit[:10]}+dirty)"
    try:
        revisions.commit_of(revisions.top_of(folder), commit)
    except RevisionError as error:
        return error.what
    return ""


def of_job(
    out: Path, scenario: str, variant: str, tier: Tier, stored: Baseline, ours: dict[str, str]
) -> tuple[Baseline, str] | None:
    """Return what a job has measured again in place of a stored baseline, with its path; None if there is nothing, or none is needed.

    Raises
    ------
    BaselineError
        If the file in the job is damaged.
    """
    if not environment.differences("memory", ours, stored.environment):
        return None
    found = baselines.find([out / FOLDER], scenario, variant, tier, ours)
    if found is None or found.nearest[0].commit != stored.commit:
        return None
    return found.nearest


def lacking(gathered: Sequence[Evidence], settings: GateSettings) -> list[Evidence]:
    """List the variants with gated memory that cannot be compared because another kind of machine measured the baseline."""

    def warned(each: Evidence) -> bool:
        first = trials.first_runs(each.scenario, settings)
        judged = [item for item in comparable.gated(each, settings, first) if isinstance(item, Judgement)]
        return any(
            item.gated and item.kind == "memory" and outcome.may_warn(item, settings) for item in judged
        )

    return [each for each in gathered if each.stored_here and warned(each)]


def supply(
    variants: Sequence[Evidence], plan: Plan, out: Path, measure: Measure, *, seconds: float
) -> list[str]:
    """Put the memory of each variant at its baseline's commit, measured on this machine, into the job.

    Parameters
    ----------
    variants : sequence of Evidence
        Variants of a gate on stored baselines whose memory cannot be compared.
    plan, out : Plan, Path
        The gate's plan, which says how runs are done, and the job's folder.
    measure : callable
        Does runs on this machine, with their results below a folder.
    seconds : float
        Time that the gate has left.

    Returns
    -------
    list of str
        What a reader must know: what was measured or taken from the cache, and what could not be and why.
    """
    commits: dict[str, list[Evidence]] = {}
    for each in variants:
        if each.stored_here:
            commits.setdefault(each.stored_here[0].commit, []).append(each)
    because = "because its baseline is from another kind of machine"
    cannot = "is not compared: its baseline is from another kind of machine and cannot be measured here"
    notes: dict[str, list[str]] = {}

    def note(each: Evidence, sentence: str) -> None:
        notes.setdefault(sentence, []).append(f"{each.scenario.name}:{each.variant}")

    for commit, same in commits.items():
        begun, why = time.monotonic(), obstacle(commit, Path.cwd())
        todo: list[Missing] = []
        for each in same:
            if why:
                note(each, f"{cannot}: {why}")
                continue
            wanted = _requests(each, plan)
            place = cache_folder() / FOLDER / _key(each, commit, wanted)
            known = _cached(each, place)
            if known is None:
                todo.append((each, wanted, place))
                continue
            baselines.write(known, out / FOLDER)
            compared = f"is compared with runs of commit {commit[:10]} on this machine, kept in the cache"
            note(each, f"{compared}, {because}")
        measured: list[Baseline | str] = []
        try:
            _refuse_budget(todo, plan, seconds)
            measured = _measured(commit, todo, plan, measure) if todo else []
        except HarnessError as error:
            measured = [error.what for _ in todo]
        fresh = sum(not isinstance(found, str) for found in measured)
        cost = f"{RUNS * fresh} runs, {time.monotonic() - begun:.0f} s"
        for (each, _, place), found in zip(todo, measured, strict=True):
            if isinstance(found, str):
                note(each, f"{cannot}: {found}")
                continue
            shutil.rmtree(place, ignore_errors=True)
            baselines.write(found, place)
            baselines.write(found, out / FOLDER)
            note(each, f"was measured here at commit {commit[:10]}: {cost}, {because}")
    return [f"memory of {', '.join(names)} {sentence}" for sentence, names in notes.items()]


def _cached(each: Evidence, place: Path) -> Baseline | None:
    """Return what the cache holds of a variant; a damaged file counts as none."""
    try:
        found = baselines.find([place], *each.name, _environment(each))
    except BaselineError:
        return None
    return None if found is None else found.newest[0]


def _refuse_budget(todo: Sequence[Missing], plan: Plan, seconds: float) -> None:
    """Raise HarnessError if the gate may not do so many more runs, or has not the time for them."""
    count = sum(len(wanted) for _, wanted, _ in todo)
    if plan.gate and len(plan.requests) + count > plan.gate.max_runs:
        raise HarnessError(f"--max-runs {plan.gate.max_runs} leaves no {count} runs for it", "")
    needed = 0.0
    for each, wanted, _ in todo:
        done = [run.wall_seconds for found in each.head.values() for run in values.finished(found)]
        needed += len(wanted) * sum(done) / len(done)
    if needed > seconds:
        what = f"{count} runs would take about {needed / 60:.0f} minutes"
        raise HarnessError(f"{what}, and --max-minutes leaves {max(0.0, seconds) / 60:.0f}", "")


def _requests(each: Evidence, plan: Plan) -> list[RunRequest]:
    """List the runs of a variant: as the gate's own, with the baseline's seeds as far as they go."""
    own = next(
        request
        for request in plan.requests
        if (request.scenario, request.variant, request.tier) == each.name and request.purpose == "measure"
    )
    seeds = list(each.stored_here[0].seeds if each.stored_here else ())[:RUNS]
    seeds += [max(seeds) + further for further in range(1, 1 + RUNS - len(seeds))]
    return [dataclasses.replace(own, seed=seed, round="screen", repeat=0) for seed in seeds]


def _environment(each: Evidence) -> dict[str, str]:
    """Return the environment of a variant's runs here."""
    runs = [run for found in each.head.values() for run in values.finished(found)]
    return next(dict(run.measurement.environment) for run in runs if run.measurement is not None)


def _key(each: Evidence, commit: str, wanted: Sequence[RunRequest]) -> str:
    """Name the place in the cache: by machine, code, runs, and what measures."""
    top, ours = revisions.top_of(Path()), _environment(each)
    code = sorted(str(Path(path).resolve()).removeprefix(str(top)) for path in wanted[0].scenario_paths)
    project = str(Path.cwd()).removeprefix(str(top))
    machine = [environment.fingerprint(ours), ours.get("huge_pages", "")]
    parts = [*machine, commit, project, code, [request.seed for request in wanted], __version__]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _measured(commit: str, todo: Sequence[Missing], plan: Plan, measure: Measure) -> list[Baseline | str]:
    """Run a commit's own code and return memory and times of each variant in a baseline's shape, or why there are none.

    Raises
    ------
    HarnessError
        If the commit does not import here, or ran other code than its own.
    """
    paths = plan.gate.scenario_paths if plan.gate else ()
    root = cache_folder() / FOLDER
    try:
        root.mkdir(parents=True, exist_ok=True)
        for left in root.glob("runs-*"):  # by a gate that was killed; one runs at a time
            shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise files.storage_error(root, error) from error
    with (
        sides.opened(commit, paths, Path(), base_only=True) as opened,
        tempfile.TemporaryDirectory(dir=root, prefix="runs-", ignore_cleanup_errors=True) as folder,
    ):
        for path in opened.base.scenario_paths:
            if not Path(path).is_relative_to(opened.base.top):
                raise RevisionError(f"no commit of this checkout holds the scenario file '{path}'", "")
        known = sides.declared(opened, "base")
        lost = {
            each.name: f"commit {commit[:10]} has no {each.scenario.name}:{each.variant} ({each.tier})"
            for each, _, _ in todo
            if sides.lacking(known, [(each.scenario, each.variant)], each.tier)
        }
        requests = [request for each, wanted, _ in todo if each.name not in lost for request in wanted]
        results = measure(sides.requests_of("base", requests, opened), Path(folder)) if requests else []
        done: dict[tuple[str, str, str], list[RunResult]] = {}
        for run in results:
            name = (run.request.scenario, run.request.variant, run.request.tier)
            done.setdefault(name, []).append(run)
            if run.status != "ok":
                lost.setdefault(name, f"a run of commit {commit[:10]} failed: {run.error}")
            elif other_code := sides.prove(run, opened):
                lost.setdefault(name, other_code)
    found: list[Baseline | str] = []
    for each, _, _ in todo:
        shaped = baselines.of_base(sorted(done.get(each.name, ()), key=lambda run: run.request.seed))
        if each.name in lost or shaped is None:
            found.append(lost.get(each.name, f"commit {commit[:10]} left no runs"))
            continue
        kinds = {
            name: metric for name, metric in shaped.metrics.items() if metric.kind in {"memory", "runtime"}
        }
        date, reason = dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "measured again on this machine"
        found.append(dataclasses.replace(shaped, commit=commit, date=date, reason=reason, metrics=kinds))
    return found
