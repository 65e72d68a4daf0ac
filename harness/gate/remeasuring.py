"""Memory whose stored baseline another kind of machine made: measured here again, at the commit that the baseline records.

The runs are kept in the user's cache, so that a later gate on this machine needs none; the job keeps what it was judged by in ``remeasured/``.
"""

from __future__ import annotations

import contextlib
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

from harness import baselines, environment, files, outcome, sides
from harness.datasets.cache import cache_folder
from harness.errors import BaselineError, HarnessError, RevisionError
from harness.gate import comparable, trials, values
from harness.records import Judgement
from harness.records.version import __version__
from harness.sides import revisions

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.gate.evidence import Evidence
    from harness.records import Baseline, GateSettings, Plan, RunRequest, RunResult, Tier

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
    return [
        each
        for each in gathered
        if each.stored_here
        and any(
            isinstance(item, Judgement)
            and item.gated
            and item.kind == "memory"
            and outcome.may_warn(item, settings)
            for item in comparable.gated(each, settings, trials.first_runs(each.scenario, settings))
        )
    ]


def supply(variants: Sequence[Evidence], plan: Plan, out: Path, measure: Measure) -> list[str]:
    """Put the memory of each variant at its baseline's commit, measured on this machine, into the job.

    Parameters
    ----------
    variants : sequence of Evidence
        Variants of a gate on stored baselines whose memory cannot be compared.
    plan : Plan
        The gate's plan: how its runs are done.
    out : Path
        The job's folder.
    measure : callable
        Does runs on this machine, with their results below a folder.

    Returns
    -------
    list of str
        What a reader must know: one sentence for each commit.
    """
    commits: dict[str, list[Evidence]] = {}
    for each in variants:
        if each.stored_here:
            commits.setdefault(each.stored_here[0].commit, []).append(each)
    notes = []
    for commit, same in commits.items():
        names = ", ".join(f"{each.scenario.name}:{each.variant}" for each in same)
        try:
            told = _of_commit(commit, same, plan, out, measure)
            notes.append(f"the baseline of {names} is from another kind of machine: its memory {told}")
        except HarnessError as error:
            notes.append(
                f"memory of {names} is not compared: its baseline is from another kind of machine and cannot be measured again: {error.what}"
            )
    return notes


def _of_commit(commit: str, variants: Sequence[Evidence], plan: Plan, out: Path, measure: Measure) -> str:
    """Take variants of one commit from the cache, measure the rest, and say which."""
    why = obstacle(commit, Path.cwd())
    if why:
        raise RevisionError(why, "")
    kept: list[Baseline] = []
    todo: list[tuple[Evidence, list[RunRequest], Path]] = []
    for each in variants:
        wanted = _requests(each, plan)
        place = cache_folder() / FOLDER / _key(each, commit, wanted)
        with contextlib.suppress(BaselineError):  # a damaged file of the cache is measured anew
            known = baselines.find([place], *each.name, _environment(each))
            if known is not None:
                kept.append(known.newest[0])
                continue
        todo.append((each, wanted, place))
    begun, new = time.monotonic(), []
    if todo:
        count = sum(len(wanted) for _, wanted, _ in todo)
        if plan.gate and len(plan.requests) + count > plan.gate.max_runs:
            raise HarnessError(f"--max-runs {plan.gate.max_runs} leaves no {count} runs for it", "")
        new = list(_measured(commit, todo, plan, measure))
        for baseline, (_, _, place) in zip(new, todo, strict=True):
            shutil.rmtree(place, ignore_errors=True)
            baselines.write(baseline, place)
    for baseline in (*kept, *new):
        baselines.write(baseline, out / FOLDER)
    days = ", ".join(sorted({baseline.date[:10] for baseline in kept}))
    cached = f"comes from runs of commit {commit[:10]} on this machine, kept since {days}" if kept else ""
    runs = sum(len(baseline.seeds) for baseline in new)
    fresh = f"was measured here at commit {commit[:10]}: {runs} runs, {time.monotonic() - begun:.0f} s"
    return " and ".join(filter(None, (cached, fresh if new else "")))


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
    parts = [
        environment.fingerprint(ours),
        ours.get("huge_pages", ""),
        commit,
        project,
        code,
        [request.seed for request in wanted],
        __version__,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _measured(
    commit: str,
    todo: Sequence[tuple[Evidence, list[RunRequest], Path]],
    plan: Plan,
    measure: Measure,
) -> Iterator[Baseline]:
    """Run a commit's own code and yield the memory and times of each variant in a baseline's shape.

    Raises
    ------
    HarnessError
        If the commit cannot run here as this version asks, or ran other code than its own.
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
        outside = [
            path for path in opened.base_scenario_paths if not Path(path).is_relative_to(opened.base_top)
        ]
        if outside:
            raise RevisionError(f"no commit of this checkout holds the scenario file '{outside[0]}'", "")
        known = sides.declared(opened, "base")
        for each, _, _ in todo:
            if sides.lacking(known, [(each.scenario, each.variant)], each.tier):
                raise RevisionError(
                    f"commit {commit[:10]} has no {each.scenario.name}:{each.variant} ({each.tier})", ""
                )
        requests = [request for _, wanted, _ in todo for request in wanted]
        results = measure(sides.requests_of("base", requests, opened), Path(folder))
        for run in results:
            if run.status != "ok":
                raise RevisionError(f"a run of commit {commit[:10]} failed: {run.error}", "")
            other_code = sides.prove(run, opened)
            if other_code:
                raise RevisionError(other_code, "")
    for each, wanted, _ in todo:
        own = [
            run
            for run in results
            if (run.request.scenario, run.request.variant, run.request.tier) == each.name
        ]
        shaped = baselines.of_base(sorted(own, key=lambda run: run.request.seed))
        if shaped is None or len(own) < len(wanted):
            raise RevisionError(f"commit {commit[:10]} left {len(own)} of {len(wanted)} runs", "")
        yield dataclasses.replace(
            shaped,
            commit=commit,
            date=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            reason="measured again on this machine",
            metrics={
                name: metric
                for name, metric in shaped.metrics.items()
                if metric.kind in {"memory", "runtime"}
            },
        )
