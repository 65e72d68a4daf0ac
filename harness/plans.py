"""What a job is to do, what of it is done, and who may write into its folder: the ground on which a job resumes.

``plan.json`` is there before the first run, each run's ``result.json`` is written last of its files, and both appear whole or not at
all. So whatever ends a job, and whenever, the folder says what is finished and what is missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import shutil
import typing

from harness import environment, files, masking, outcome, stored
from harness.errors import HarnessError, StorageError
from harness.records import Plan, RunRequest, RunResult

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCHEMA = 1
_DERIVED = ("run.json", "index.html")


def make(requests: Sequence[RunRequest], command: str, baselines: Path | None) -> Plan:
    """Put together what a job is to do.

    Parameters
    ----------
    requests : sequence of RunRequest
        Every run.
    command : str
        Command line.
    baselines : Path or None
        Folder named for baselines.
    """
    return Plan(
        schema=SCHEMA,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=masking.masked(command),
        commit=environment.git_commit(),
        baselines="" if baselines is None else str(baselines.resolve()),
        requests=tuple(requests),
        environment=environment.machine(),
    )


def unknown(created: str) -> Plan:
    """Return the plan of runs whose own is lost: it says when they began, and names no commit and no machine that they may not be of."""
    return Plan(schema=SCHEMA, created=created, command="", commit="", baselines="", requests=())


def ended(plan: Plan, out: Path) -> Plan:
    """Return the plan of runs that have just ended: its commit is dirty if the checkout moved meanwhile, and stays so when it is resumed.

    Not where a gate ran both of its sides from checkouts of their own.
    """
    own_code = plan.gate is not None and plan.gate.against
    if own_code or not plan.commit or environment.git_commit() == plan.commit:
        return plan
    moved = dataclasses.replace(plan, commit=f"{plan.commit.removesuffix('+dirty')}+dirty")
    files.write_json(out / "plan.json", moved)
    return moved


def go_on(out: Path) -> str:
    """Return the command that goes on with the job in a folder; what is wrong with its plan is said when it is typed."""
    try:
        return outcome.resume_command(read(out), out)
    except StorageError:
        return f"harness run --resume {out}"


def read(out: Path) -> Plan:
    """Read the plan of the job in a folder.

    Raises
    ------
    StorageError
        If there is none, or it is damaged or of a newer schema.
    """
    path = out / "plan.json"
    try:
        content = files.read_bytes(path)
    except OSError as error:
        told = f"there is no job to resume in '{out}': {path.name}: {error.strerror}"
        raise StorageError(told, "Type: harness run") from error
    plan = files.decode(content, Plan, str(path), "Start the job again in another folder")
    if plan.schema != SCHEMA:
        step = "Use the version of report-harness that started the job"
        raise StorageError(f"{path} has schema {plan.schema}, this version reads {SCHEMA}", step)
    _refuse_escape(plan, path)
    return plan


def _refuse_escape(plan: Plan, path: Path) -> None:
    """Refuse names that would lead out of the job's folder."""
    for request in plan.requests:
        if not files.is_plain_name(request.key):
            told = f"{path} names a run '{request.key}', which is no plain folder name"
            raise StorageError(told, "Start the job again in another folder")


@contextlib.contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Hold a job's folder: nobody else runs into it meanwhile. The system frees it when this process dies.

    Raises
    ------
    StorageError
        If it cannot be written, or another process holds it.
    """
    import filelock

    _check_writable(out)
    lock = filelock.FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        step = "Wait until it ends, or name another folder with --out"
        raise StorageError(f"another run writes into '{out}'", step) from error
    try:
        yield
    finally:
        lock.release()


def _check_writable(out: Path) -> None:
    """See that a folder can be written before anything is measured."""
    try:
        files.write_text(out / ".writable", "")
        (out / ".writable").unlink()
    except HarnessError as error:
        raise StorageError(
            f"cannot write into '{out}': {error.what}", "Name another folder with --out"
        ) from error


def begin(plan: Plan, out: Path) -> None:
    """Store a new job's plan in a claimed folder; a finished job that was there makes room.

    Raises
    ------
    StorageError
        If the folder holds a job that ended early: its results would be lost.
    """
    if (out / "plan.json").exists():
        _make_room(read(out), out)
    files.write_json(out / "plan.json", plan)


def _make_room(old: Plan, out: Path) -> None:
    """Remove what a finished job left: its own files and nothing else."""
    ended = sum(_result(request, out) is not None for request in old.requests)
    left = len(missing(old, out))
    if 0 < ended < len(old.requests):
        told = f"'{out}' holds a job with {left} of {len(old.requests)} runs to do"
        step = f"Type: {outcome.resume_command(old, out)}"
        raise StorageError(told, f"{step}, or name another folder with --out")
    _remove_derived(out)
    for request in old.requests:
        shutil.rmtree(out / "runs" / request.key, ignore_errors=True)


def resume(out: Path) -> Plan:
    """Read the plan of a claimed folder and see that it can go on here.

    Raises
    ------
    StorageError
        If there is no plan, or the code has changed since: one job's results are of one commit.
    """
    plan = read(out)
    commit = environment.git_commit()
    if commit != plan.commit:
        told = f"the job in '{out}' began at commit '{plan.commit or 'none'}', this is '{commit or 'none'}'"
        raise StorageError(told, "Go back to that commit and folder, or start a job in another folder")
    if missing(plan, out):
        _remove_derived(out)
    return plan


def _remove_derived(out: Path) -> None:
    """Remove what is put together from results: until it is written anew, `jobs.read` puts it together again."""
    for name in _DERIVED:
        (out / name).unlink(missing_ok=True)


def results(plan: Plan, out: Path) -> Sequence[RunResult]:
    """Return what the runs of a plan left so far, failed ones too, in the plan's order; many of them stay on disk."""
    return stored.gathered([_path(request, out) for request in plan.requests if _result(request, out)])


def missing(plan: Plan, out: Path) -> list[RunRequest]:
    """List the runs still to do: those that never ended, failed, or left a result that cannot be read."""
    left = ((request, _result(request, out)) for request in plan.requests)
    return [request for request, result in left if result is None or result.status != "ok"]


def _path(request: RunRequest, out: Path) -> Path:
    return out / "runs" / request.key / "result.json"


def _result(request: RunRequest, out: Path) -> RunResult | None:
    """Return a run's stored result; None if there is none, it is damaged, or it answers another request."""
    try:
        path = _path(request, out)
        result = files.decode(files.read_bytes(path), RunResult, str(path))
    except (OSError, StorageError):
        return None
    return result if result.request == request else None
