"""One job from results to stored judgement: the steps that the faces call."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import itertools
import shlex
import typing
from pathlib import Path

import msgspec

from harness.errors import HarnessError, StorageError
from harness.judging import outcome, probes
from harness.records import Gate, Job
from harness.records.version import __version__
from harness.running import plans
from harness.store import files, project, stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.records import Plan, RunResult

SCHEMA = 3
"""Of ``run.json``. Since 3, judgements have a `cause`, comparisons their `trials`, and an identity is PASS or REGRESSED.

Since 2, date and commit are those of the job's start, `unfinished` counts planned runs that left no result, and a gate that was
interrupted says so."""


def unjudged(plan: Plan, results: Sequence[RunResult], out: Path) -> Job:
    """Put the results of a plan into a job that is not judged yet: a gate's base apart, counted ones apart, and each two of them probed.

    Date, commit and environment are the plan's: the job may be put together later, elsewhere, and by other code.
    """
    counted = tuple(stored.of(results, "count"))
    left = collections.Counter(f"{request.scenario}:{request.variant}" for request in plan.requests)
    for (scenario, variant, _), runs in stored.groups(results).items():
        left[f"{scenario}:{variant}"] -= len(runs)
    unfinished = dict(+left)
    gate = None if plan.gate is None else Gate(
        settings=plan.gate, base_results=stored.of(results, "measure", "base"), minutes=0.0,
        exit_code=outcome.INTERRUPTED if unfinished else 2, interrupted=bool(unfinished),
    )  # fmt: skip
    return Job(
        schema=SCHEMA, created=plan.created, command=plan.command, version=__version__, commit=plan.commit,
        environment=plan.environment, results=stored.of(results, "measure", "head"), comparisons=(), counted=counted,
        probes=tuple(probes.compare(*pair, out) for pair in probes.pairs(counted)), gate=gate, unfinished=unfinished,
    )  # fmt: skip


def read(folder: Path) -> Job:
    """Read a stored job; one that ended before it could write ``run.json`` is put together from its finished runs.

    Where there is ``run.json.gz`` instead, that is read: it is how a job is committed.

    Raises
    ------
    StorageError
        If there is none, or it is damaged or of a newer schema.
    """
    path, packed = folder / "run.json", folder / stored.PACKED
    if not path.exists() and packed.exists():
        return _decoded(stored.unpacked(packed), packed, "Take it anew from where it came")
    if not path.exists() and (folder / "plan.json").exists():
        plan = plans.read(folder)
        return unjudged(plan, plans.results(plan, folder), folder)
    if not path.exists():  # pytest's items share a folder, and write no plan
        done = sorted(folder.glob("runs/*/result.json"), key=lambda file: file.stat().st_mtime_ns)
        if done:
            results = stored.gathered(done)
            return unjudged(plans.unknown(results[0].started), results, folder)
    step = f"Remove it and type: harness judge {shlex.quote(str(folder))}"
    try:
        large = stored.read_large(path, step)
        content = b"" if large else files.read_bytes(path)
    except OSError as error:
        what = f"there is no readable run in '{folder}': {error.strerror}"
        raise StorageError(what, "Type: harness run") from error
    if large:
        _refuse_newer(large.schema, path)
        _check_numbers(large, path)
        return large
    return _decoded(content, path, step)


def readable(folders: Iterable[Path], passed_over: dict[Path, HarnessError]) -> Iterator[Job]:
    """Read stored jobs one after the other, each when it is asked for; `passed_over` gets every folder that cannot be read, with the reason."""
    for folder in folders:
        try:
            yield read(folder)
        except HarnessError as error:
            passed_over[folder] = error


def _decoded(content: bytes, path: Path, step: str) -> Job:
    _refuse_newer(files.decode(content, _Versioned, str(path), step).schema, path)
    job = files.decode(stored.with_present_words(content), Job, str(path), step)
    _check_numbers(job, path)
    gate = job.gate and dataclasses.replace(job.gate, base_results=tuple(job.gate.base_results))
    return dataclasses.replace(job, results=tuple(job.results), gate=gate)


def _refuse_newer(schema: int, path: Path) -> None:
    if schema > SCHEMA:
        what = f"{path} has schema {schema}, this version reads up to {SCHEMA}"
        raise StorageError(what, "Upgrade report-harness")


def _check_numbers(job: Job, path: Path) -> None:
    """Refuse numbers that no run can record; what stays on disk was looked at when it was found there."""
    base = job.gate.base_results if job.gate else ()
    held = [runs for runs in (job.results, base, job.counted) if not isinstance(runs, stored.Results)]
    for result in itertools.chain.from_iterable(held):
        stored.check(result, f"run {result.request.key} in {path}")


class _Versioned(msgspec.Struct):
    """The one field that every schema has."""

    schema: int


def default_folder(root: Path = Path()) -> Path:
    """Make a new folder for a job, named by the UTC time, below `project.reports_folder`, and return it; two that begin in one second get two.

    Where none can be made, the name is returned: whoever writes there says why not.
    """
    first = project.reports_folder(root) / dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    folder, number = first, 1
    while True:
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            folder = first.with_name(f"{first.name}-{number}")
        except OSError:
            return folder
        else:
            return folder
