"""What a job is to do, what of it is done, and who may write into its folder: the ground on which a job resumes.

``plan.json`` is there before the first run, each run's ``result.json`` is written last of its files, and both appear whole or not at
all. So whatever ends a job, and whenever, the folder says what is finished and what is missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import shlex
import shutil
import typing

from harness.errors import HarnessError, StorageError
from harness.machine import environment
from harness.records import Plan, RunRequest, RunResult
from harness.store import commands, files, locks, masking, stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCHEMA = 1
_RESULTS, _PAGE = "run.json", "index.html"
JUDGING_SECONDS = 60.0
"""How long one command that writes a stored job anew waits for another one."""


def make(requests: Sequence[RunRequest], command: str, baselines: Path | None) -> Plan:
    """Put together what a job is to do: its runs, the command line, and the folder named for baselines."""
    return Plan(
        schema=SCHEMA,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=masking.masked(command),
        commit=_commit(requests),
        baselines="" if baselines is None else str(baselines.resolve()),
        requests=tuple(requests),
        environment=environment.machine(),
    )


def _commit(requests: Sequence[RunRequest]) -> str:
    """Return the present commit; dirty if it does not hold the scenario files of the runs."""
    return environment.git_commit(
        paths=sorted({path for request in requests for path in request.scenario_paths})
    )


def unknown(created: str) -> Plan:
    """Return the plan of runs that have none: it says when they began, and names no commit and no machine that they may not be of."""
    return Plan(schema=SCHEMA, created=created, command="", commit="", baselines="", requests=())


def ended(plan: Plan, out: Path) -> Plan:
    """Return the plan of runs that have just ended: its commit is dirty if the checkout moved meanwhile, and stays so when it is resumed.

    Not where a gate ran both of its sides from checkouts of their own.
    """
    own_code = plan.gate is not None and plan.gate.against
    if own_code or not plan.commit or _commit(plan.requests) == plan.commit:
        return plan
    moved = dataclasses.replace(plan, commit=f"{plan.commit.removesuffix('+dirty')}+dirty")
    files.write_json(out / "plan.json", moved)
    return moved


def noted(plan: Plan, notes: Sequence[str], out: Path) -> Plan:
    """Return a gate's plan with what its runs have shown that a reader must know; a gate that is resumed keeps it."""
    if plan.gate is None or set(notes) <= set(plan.gate.notes):
        return plan
    gate = dataclasses.replace(plan.gate, notes=tuple(dict.fromkeys((*plan.gate.notes, *notes))))
    plan = dataclasses.replace(plan, gate=gate)
    files.write_json(out / "plan.json", plan)
    return plan


def go_on(out: Path) -> str:
    """Return the command that goes on with the job in a folder; what is wrong with its plan is said when it is typed."""
    try:
        return commands.resume(read(out), out)
    except StorageError:
        return shlex.join(["harness", "run", "--resume", str(out)])


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
        message = f"there is no job to resume in '{out}': {path.name}: {error.strerror}"
        raise StorageError(message, "Type: harness run") from error
    plan = files.decode(content, Plan, str(path), "Start the job again in another folder")
    if plan.schema != SCHEMA:
        step = "Use the version of report-harness that started the job"
        raise StorageError(f"{path} has schema {plan.schema}, this version reads {SCHEMA}", step)
    for request in plan.requests:
        if not files.is_plain_name(request.key):
            message = f"{path} names a run '{request.key}', which is no plain folder name"
            raise StorageError(message, "Start the job again in another folder")
    return plan


@contextlib.contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Hold a job's folder: nobody else runs into it meanwhile. The system frees it when this process dies.

    Raises
    ------
    StorageError
        If it cannot be written, or another process holds it.
    """
    try:
        files.write_text(out / ".writable", "")
        (out / ".writable").unlink()
    except HarnessError as error:
        message = f"cannot write into '{out}': {error.what}"
        raise StorageError(message, "Name another folder with --out") from error
    step = "Wait until it ends, or name another folder with --out"
    with _held(out / ".lock", 0.0, f"another run writes into '{out}'", step):
        yield


@contextlib.contextmanager
def rewriting(out: Path) -> Iterator[None]:
    """Hold a stored job's folder to write its judgement or its page anew; several commands that do so take turns.

    Raises
    ------
    StorageError
        If a run writes into the folder: what it has measured by its end would be replaced by what it had measured before.
    """
    if not out.is_dir():
        yield  # whoever reads the job says that there is none
        return
    step, message = "Wait until it ends", f"another command is writing '{out}' anew"
    with (
        _held(out / ".judging.lock", JUDGING_SECONDS, message, step),
        _held(out / ".lock", 0.0, f"a run writes into '{out}'", step),
    ):
        yield


@contextlib.contextmanager
def _held(path: Path, seconds: float, message: str, step: str) -> Iterator[None]:
    import filelock

    with contextlib.ExitStack() as holding:
        try:
            holding.enter_context(locks.held(path, seconds))
        except filelock.Timeout as error:
            raise StorageError(message, step) from error
        yield


def begin(plan: Plan, out: Path, *, force: bool = False) -> None:
    """Store a new job's plan in a claimed folder; with `force` it replaces a job or page that is stored there.

    Raises
    ------
    StorageError
        If something is stored there and `force` is not set.
    """
    if force:
        # a job's own files and nothing else
        for name in (_RESULTS, stored.PACKED, _PAGE, "plan.json"):
            (out / name).unlink(missing_ok=True)
        for folder in (*_run_folders(out), out / "remeasured"):
            shutil.rmtree(folder, ignore_errors=True)
    else:
        refuse_stored(out)
    files.write_json(out / "plan.json", plan)


def refuse_stored(
    out: Path, step: str = "Name another folder with --out, or replace it with --force"
) -> None:
    """Raise StorageError if a new job would replace a stored one, or somebody's page; `step` is what the user can do."""
    here = f"'{out}' holds "
    if (out / "plan.json").exists():
        try:
            old = read(out)
            left = len(missing(old, out))
        except StorageError as error:
            raise StorageError(f"{here}a job that cannot be read: {error.what}", step) from error
        if left:
            go_on = f"Type: {commands.resume(old, out)}. Or: {step}"
            raise StorageError(f"{here}a job with {left} of {len(old.requests)} runs to do", go_on)
        raise StorageError(f"{here}a job of {len(old.requests)} run{'s' * (len(old.requests) != 1)}", step)
    if holds_job(out):
        raise StorageError(f"{here}stored runs", step)
    if (out / _PAGE).exists() or (out / _PAGE).is_symlink():
        raise StorageError(f"{here}a page {_PAGE}", step)


def holds_job(folder: Path) -> bool:
    """Return whether a folder holds a job: its plan, its results or its runs."""
    names = ("plan.json", _RESULTS, stored.PACKED)
    return any((folder / name).exists() for name in names) or bool(_run_folders(folder))


def refuse_other_job(folder: Path, *own: Path) -> None:
    """Raise StorageError if a folder holds a job, unless it is one of the jobs in question."""
    if holds_job(folder) and folder.resolve() not in {path.resolve() for path in own}:
        step = "Name another folder, or write there with --force"
        raise StorageError(f"'{folder}' holds another job", step)


def refuse_job_file(path: Path) -> None:
    """Raise StorageError if a file that the user named is one of a stored job's own."""
    own = path.name in {"plan.json", _RESULTS, _PAGE, stored.PACKED} and holds_job(path.parent)
    if path.exists() and (own or (path.parent / "request.json").exists()):
        raise StorageError(f"{path} belongs to a stored job", "Name another file")


def _run_folders(out: Path) -> set[Path]:
    return {path.parent for name in ("request.json", "result.json") for path in out.glob(f"runs/*/{name}")}


def resume(out: Path) -> Plan:
    """Read the plan of a claimed folder and see that it can go on here.

    Raises
    ------
    StorageError
        If there is no plan, or the code has changed since: one job's results are of one commit.
    """
    plan = read(out)
    commit = _commit(plan.requests)
    if commit != plan.commit:
        message = (
            f"the job in '{out}' began at commit '{plan.commit or 'none'}', this is '{commit or 'none'}'"
        )
        raise StorageError(message, "Go back to that commit and folder, or start a job in another folder")
    if missing(plan, out):
        # until it is written anew, `jobs.read` puts it together again
        (out / _RESULTS).unlink(missing_ok=True)
    return plan


def results(plan: Plan, out: Path) -> Sequence[RunResult]:
    """Return what the runs of a plan left so far, failed ones too, in the plan's order; many of them stay on disk."""
    done = [request.key for request in plan.requests if _result(request, out)]
    return stored.gathered([out / "runs" / key / "result.json" for key in done])


def missing(plan: Plan, out: Path) -> list[RunRequest]:
    """List the runs still to do: those that never ended, failed, or left a result that cannot be read."""
    left = ((request, _result(request, out)) for request in plan.requests)
    return [request for request, result in left if result is None or result.status != "ok"]


def _result(request: RunRequest, out: Path) -> RunResult | None:
    """Return a run's stored result; None if there is none, it is damaged, or it answers another request."""
    path = out / "runs" / request.key / "result.json"
    try:
        result = files.decode(files.read_bytes(path), RunResult, str(path))
    except (OSError, StorageError):
        return None
    return result if result.request == request else None
