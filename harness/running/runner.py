"""Starts a fresh worker process for a run, enforces its limits, and scores what it left."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import shutil
import signal
import site
import sys
import time
import typing
from pathlib import Path

from harness.data import cache, loading
from harness.errors import ExplainedError, LastingError, StorageError, WorkerError, unknown
from harness.machine import containers, environment, processes, variables
from harness.measure import keeping, scores
from harness.measure.stages import helper_metrics, stage_metrics
from harness.measure.trace import STARTED, Watch
from harness.records import Attempt, Failure, Measurement, RunResult, as_declared, finite
from harness.store import files, masking

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.records import Measured, RunRequest, Scenario

LOG_LINES, LOG_COLUMNS = 20, 500
LOG_BYTES = 16 << 20
"""A longer log is cut in its middle when the run has ended."""
ERROR_CHARACTERS = 2_000
"""A longer message is cut: it stands in every record of the run, on the terminal and on the page."""
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def attempt(request: RunRequest, folder: Path, called_off: Callable[[], bool] | None = None) -> Attempt:
    """Start a worker for one run and wait for it; what it measured lies in `folder`, which is emptied first.

    `called_off` is asked time and again whether the result is no longer wanted.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    clear(folder)
    files.write_json(folder / "request.json", request)
    place = {"commit": environment.git_commit(request.code), "code": request.code} if request.code else {}
    started, clock = dt.datetime.now(dt.UTC), time.perf_counter()
    error, lasting, explained = "", False, False
    watch = Watch()
    try:
        _work(request, folder, called_off, watch)
    except WorkerError as failure:
        error = masking.masked(str(failure))
        if len(error) > ERROR_CHARACTERS:
            error = f"{error[:ERROR_CHARACTERS]} ... ({len(error):,} characters)"
        lasting, explained = isinstance(failure, LastingError), isinstance(failure, ExplainedError)
    return Attempt(
        started=started.isoformat(timespec="seconds"),
        wall_seconds=time.perf_counter() - clock,
        error=error,
        lasting=lasting,
        explained=explained,
        place=place,
        memory=watch.trace(),
    )


def untried(error: str, *, lasting: bool = False) -> Attempt:
    """Return the attempt at a run whose worker never started, or whose machine was lost."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Attempt(started=now, wall_seconds=0.0, error=error, lasting=lasting)


def collect(attempted: Attempt, request: RunRequest, scenario: Scenario, out: Path) -> RunResult:
    """Score what an attempt left in the run's folder below `out`."""
    place = f"runs/{request.key}"
    error, measurement = attempted.error, None
    if not error:
        try:
            content = files.read_bytes(out / place / "measurement.json")
            read = files.decode(content, Measurement, "measurement.json")
            # a worker elsewhere read its scenario files from paths of its own
            known = read.environment | attempted.place
            measurement = dataclasses.replace(read, request=request, environment=known)
        except (OSError, StorageError) as failure:
            log = out / place / "log.txt"
            error = f"the worker ended without a readable result ({failure}). Read {log}"
    result = RunResult(
        request=request,
        status="error",
        started=attempted.started,
        wall_seconds=attempted.wall_seconds,
        measurement=measurement,
        error=error,
        log_tail=_tail(out / place / "log.txt") if error and not attempted.explained else "",
        folder=place,
        concurrent=attempted.concurrent,
        memory=attempted.memory,
    )
    if measurement is None:
        return result
    try:
        metrics = _metrics(measurement, result, scenario, out / place)
    except (ValueError, KeyError, StorageError) as problem:
        message = f"what run {request.key} left cannot be scored: {problem}"
        return dataclasses.replace(result, error=message)
    return dataclasses.replace(result, status="ok", metrics=metrics)


def clear(folder: Path) -> None:
    """Make a run's folder, or empty it of all but what an earlier attempt kept.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            elif path.name != keeping.FOLDER:
                shutil.rmtree(path)
    except OSError as error:
        raise files.storage_error(folder, error, "write into") from error


def _work(request: RunRequest, folder: Path, called_off: Callable[[], bool] | None, watch: Watch) -> None:
    """Run the worker to its end, its memory watched; raise WorkerError if it failed, or LastingError where a repeat would not mend it."""
    if request.code and not Path(request.code).is_dir():
        message = f"the code of run {request.key} in '{request.code}' is not on this machine"
        raise LastingError(message, "Compare commits with --executor local")
    command = [sys.executable, "-P", "-m", "harness.worker", str((folder / "request.json").absolute())]
    killed = containers.allowance().killed
    limits = processes.Limits(
        name=f"run {request.key}",
        seconds=request.time_limit,
        memory_bytes=request.memory_limit,
        called_off=called_off,
    )
    with processes.scratch() as temporary:
        inherited = worker_environment(request) | {"TMPDIR": str(temporary), STARTED: repr(watch.started)}
        try:
            code = processes.supervise(
                command, inherited, folder / "log.txt", limits, request.code or None, watch
            )
        finally:
            _shorten(folder / "log.txt")
            masking.mask_files(folder / name for name in ("log.txt", "failure.json", "measurement.json"))
    if code == 0:
        return
    allowed = containers.allowance()
    if code == -signal.SIGKILL and allowed.killed > killed:
        limit = f" of {allowed.memory_bytes / 2**20:.0f} MiB" if allowed.memory_bytes else ""
        message = f"the worker of run {request.key} was ended by the system: the memory limit{limit} of this container was reached"
        raise LastingError(message, "Allow the container more memory, or take a smaller tier")
    try:
        failure = files.decode(files.read_bytes(folder / "failure.json"), Failure, "failure.json")
    except (OSError, StorageError):  # it did not come to write it down
        message = f"the worker of run {request.key} {processes.how_it_died(code)}"
        raise WorkerError(message, f"Read runs/{request.key}/log.txt") from None
    kind = ExplainedError if failure.lasting else WorkerError
    raise kind(f"run {request.key} failed: {failure.error}")


def _shorten(path: Path) -> None:
    """Cut a log of more than `LOG_BYTES` in its middle, at line ends if it has any."""
    size = path.stat().st_size if path.is_file() else 0
    if size <= LOG_BYTES:
        return
    with path.open("rb") as log:
        head = log.read(LOG_BYTES // 2)
        log.seek(-(LOG_BYTES // 2), os.SEEK_END)
        tail = log.read()
    head, tail = head[: head.rfind(b"\n") + 1] or head, tail[tail.find(b"\n") + 1 :]
    left_out = f"[... {size - len(head) - len(tail):,} bytes of the log are cut here ...]\n"
    files.write_bytes(path, head + left_out.encode() + tail)


def worker_environment(request: RunRequest) -> dict[str, str]:
    """Environment variables of a worker: this process's as `variables.TABLE` changes them, with backend and device fixed before any import."""
    fixed: dict[str, str] = {}
    if request.backend != "numpy":
        fixed["KERAS_BACKEND"] = request.backend
    if request.device == "cpu":
        fixed["CUDA_VISIBLE_DEVICES"] = ""
    return {
        **variables.for_worker(os.environ, request.threads),
        **fixed,
        **import_environment(request.code),
    }


def import_environment(code: str) -> dict[str, str]:
    """Return the variables that decide which modules and data a worker in the folder `code` finds; empty for the code that runs here.

    ``PYTHONPATH`` has the folder, its ``src`` if there is one, the root of this package unless it is installed, then what was inherited.
    Relative entries come twice: as they are, so that they lead into the folder, and last as they lead from here, for what git does not
    track. With a folder also the data folders that were named by relative paths, made absolute.
    """
    inherited = os.environ.get("PYTHONPATH", "")
    # an interpreter finds what is installed by itself, behind the standard library; whatever is on this variable stands before it
    installed = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    root = [] if _PACKAGE_ROOT in {Path(folder).resolve() for folder in installed} else [str(_PACKAGE_ROOT)]
    if not code:
        # a worker must import the very code that started it, whatever the working folder holds
        return {"PYTHONPATH": os.pathsep.join(part for part in (*root, inherited) if part)}
    own = [code, *(str(path) for path in (Path(code, "src"),) if path.is_dir())]
    entries = [part for part in inherited.split(os.pathsep) if part]
    away = [str(Path(part).absolute()) for part in entries if not Path(part).is_absolute()]
    named = {name: os.environ.get(name) for name in (loading.VARIABLE, cache.VARIABLE)}
    return {
        "PYTHONPATH": os.pathsep.join([*own, *root, *entries, *away]),
        **{name: str(Path(path).expanduser().absolute()) for name, path in named.items() if path},
    }


def _metrics(
    measurement: Measurement, result: RunResult, scenario: Scenario, folder: Path
) -> dict[str, Measured]:
    """Merge recorded, scored, stage and derived metrics.

    Raises
    ------
    ValueError, KeyError, StorageError
        If predictions cannot be scored, or `derive` of the scenario fails or gives what it may not.
    """
    arrays = files.read_npz(folder / "predictions.npz")
    sets = (*measurement.predictions, *measurement.others)
    scored = scores.of_run(arrays, sets, measurement.noun)
    scores.refuse_misfits(scenario.gated, scored, measurement.others)
    metrics = {**measurement.metrics, **scored, **scores.declared(scenario, arrays, sets)}
    if measurement.request.purpose != "measure":  # a counted run's time and memory mean nothing
        return metrics
    metrics |= stage_metrics(measurement.stages, whole=not measurement.resumed)
    metrics |= helper_metrics(result.memory, measurement.stages)
    if scenario.derive is None:
        return metrics
    message = f"derive of '{scenario.name}'"
    try:
        derived = scenario.derive({name: measured.value for name, measured in metrics.items()})
    except Exception as error:
        raise ValueError(f"{message} failed: {error!r}") from error
    wrong = [name for name, value in derived.items() if not finite(value)]
    if wrong:
        raise ValueError(f"{message} gave no finite value for {', '.join(wrong)}")
    undeclared = [name for name in derived if scenario.metric(name) is None]
    if undeclared:
        known = (metric.name for metric in scenario.metrics)
        raise ValueError(f"{message}: {unknown('metric', undeclared[0], known)}")
    return metrics | as_declared(derived, scenario.metrics)


def _tail(path: Path) -> str:
    """Return the last lines of a log, however much was printed: a line is cut, and so is what is read."""
    try:
        with files.open_regular(path) as log:
            log.seek(max(0, path.stat().st_size - LOG_LINES * 4 * LOG_COLUMNS))
            lines = log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        return ""
    return "\n".join(line if len(line) <= LOG_COLUMNS else f"{line[:LOG_COLUMNS]} ..." for line in lines)


@contextlib.contextmanager
def one_at_a_time(
    waiting: Callable[[str], None] = lambda _holder: None, folder: Path | None = None
) -> Iterator[None]:
    """Hold this machine's measuring lock: two workers at once would time each other.

    Parameters
    ----------
    waiting : callable
        Called once before a wait for another job's worker, with who holds the lock: process, folder and since when.
    folder : Path, optional
        Where this job's results go; others that wait see it.
    """
    import filelock

    note = cache.cache_folder() / "measuring.txt"
    with contextlib.ExitStack() as holding:
        try:
            holding.enter_context(cache.machine_lock("measuring.lock", 0.0))
        except filelock.Timeout:
            try:
                waiting(note.read_text(encoding="utf-8"))
            except (OSError, ValueError):  # between two runs of a job there is no note
                waiting("another job measures on this machine")
            holding.enter_context(cache.machine_lock("measuring.lock"))
        into = f" into {folder.resolve()}" if folder else ""
        since = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
        try:
            holder = f"process {os.getpid()} measures on this machine{into}, since {since}"
            files.write_bytes(note, holder.encode(errors="surrogateescape"))
            yield
        finally:
            note.unlink(missing_ok=True)
