"""Starts a fresh worker process for a run, enforces its limits, and scores what it left."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import shutil
import sys
import time
import typing
from pathlib import Path

from harness import environment, files, processes
from harness.datasets.cache import cache_folder
from harness.errors import LastingError, StorageError, WorkerError
from harness.measure import scores
from harness.measure.run import stage_metrics
from harness.records import Attempt, Failure, Measurement, RunResult, finite

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.records import Measured, RunRequest, Scenario

LOG_LINES = 20
_PACKAGE_ROOT = Path(__file__).resolve().parent.parent


def attempt(request: RunRequest, folder: Path, called_off: Callable[[], bool] | None = None) -> Attempt:
    """Start a worker for one run and wait for it; what it measured lies in `folder` afterwards.

    Parameters
    ----------
    request : RunRequest
        What to run.
    folder : Path
        Emptied first, so that nothing of an earlier run can be taken for this one's.
    called_off : callable, optional
        Asked time and again whether the result is no longer wanted.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    clear(folder)
    files.write_json(folder / "request.json", request)
    started, clock = dt.datetime.now(dt.UTC), time.perf_counter()
    error, lasting = "", False
    try:
        _work(request, folder, called_off)
    except WorkerError as failure:
        error, lasting = str(failure), isinstance(failure, LastingError)
    return Attempt(
        started=started.isoformat(timespec="seconds"),
        wall_seconds=time.perf_counter() - clock,
        error=error,
        lasting=lasting,
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
            read = _read_measurement(out / place)
            # a worker elsewhere read its scenario files from paths of its own
            measurement = dataclasses.replace(
                read, request=request, environment=read.environment | attempted.place
            )
        except WorkerError as failure:
            error = str(failure)
    result = RunResult(
        request=request,
        status="error",
        started=attempted.started,
        wall_seconds=attempted.wall_seconds,
        measurement=measurement,
        error=error,
        log_tail=_tail(out / place / "log.txt") if error else "",
        folder=place,
        concurrent=attempted.concurrent,
    )
    return result if measurement is None else _score(result, measurement, scenario, out / place)


def clear(folder: Path) -> None:
    """Make a run's folder, or empty it.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageError(
            f"cannot write into '{folder}': {error.strerror}", "Name another folder with --out"
        ) from error


def _work(request: RunRequest, folder: Path, called_off: Callable[[], bool] | None) -> None:
    """Run the worker to its end.

    Raises
    ------
    LastingError
        If it exceeded a limit, or failed for a reason that a repeat would not mend.
    WorkerError
        If it died, or reported another failure.
    """
    command = [sys.executable, "-P", "-m", "harness.worker", str(folder / "request.json")]
    limits = processes.Limits(
        name=f"run {request.key}",
        seconds=request.time_limit,
        memory_bytes=request.memory_limit,
        called_off=called_off,
    )
    with processes.scratch() as temporary:
        variables = worker_environment(request) | {"TMPDIR": str(temporary)}
        code = processes.supervise(command, variables, folder / "log.txt", limits)
    if code == 0:
        return
    told = f"the worker of run {request.key} {processes.how_it_died(code)}"
    raise _reported(request, folder) or WorkerError(told, f"Read runs/{request.key}/log.txt")


def _reported(request: RunRequest, folder: Path) -> WorkerError | None:
    """Return the failure that the worker itself wrote down, if it came to that."""
    try:
        failure = files.decode((folder / "failure.json").read_bytes(), Failure, "failure.json")
    except (OSError, StorageError):
        return None
    kind = LastingError if failure.lasting else WorkerError
    return kind(f"run {request.key} failed: {failure.error}")


def worker_environment(request: RunRequest) -> dict[str, str]:
    """Environment variables of a worker: this process's, with threads, backend and device fixed before any import."""
    fixed = dict.fromkeys(environment.THREAD_VARIABLES, str(request.threads))
    fixed |= {
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "agg",
    }
    # threads that spin for long made small torch steps four times slower beside other work; this short a spin costs nothing alone
    fixed["GOMP_SPINCOUNT"] = "20000"
    if request.backend != "numpy":
        fixed["KERAS_BACKEND"] = request.backend
    if request.device == "cpu":
        fixed["CUDA_VISIBLE_DEVICES"] = ""
    # a worker must import the very code that started it, whatever the working folder holds
    inherited = os.environ.get("PYTHONPATH", "")
    fixed["PYTHONPATH"] = os.pathsep.join(part for part in (str(_PACKAGE_ROOT), inherited) if part)
    variables = {**os.environ, **fixed}
    # Dask's nannies set it: memory would not be comparable with a run that has none
    variables.pop("MALLOC_TRIM_THRESHOLD_", None)
    return variables


def _read_measurement(folder: Path) -> Measurement:
    path = folder / "measurement.json"
    try:
        return files.decode(path.read_bytes(), Measurement, path.name)
    except (OSError, StorageError) as error:
        raise WorkerError(
            f"the worker ended without a readable result ({error})", f"Read {folder / 'log.txt'}"
        ) from error


def _score(result: RunResult, measurement: Measurement, scenario: Scenario, folder: Path) -> RunResult:
    """Merge recorded, scored, stage and derived metrics; what cannot be scored makes the run an error."""
    try:
        scored = scores.of_run(files.read_npz(folder / "predictions.npz"), measurement.predictions)
        metrics = {**measurement.metrics, **scored, **stage_metrics(measurement.stages)}
        derived = _derived(scenario, metrics)
    except (ValueError, KeyError, StorageError) as error:
        told = f"what run {result.request.key} left cannot be scored: {error}"
        return dataclasses.replace(result, error=told)
    return dataclasses.replace(result, status="ok", metrics=metrics | derived)


def _derived(scenario: Scenario, metrics: Mapping[str, Measured]) -> dict[str, Measured]:
    """Call the scenario's own `derive`; whatever it raises or returns, one ValueError names the scenario."""
    if scenario.derive is None:
        return {}
    try:
        found = scenario.derive({name: measured.value for name, measured in metrics.items()})
    except Exception as error:
        raise ValueError(f"derive of '{scenario.name}' failed: {error!r}") from error
    wrong = [name for name, measured in found.items() if not finite(measured.value)]
    if wrong:
        raise ValueError(f"derive of '{scenario.name}' gave no finite value for {', '.join(wrong)}")
    return dict(found)


def _tail(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-LOG_LINES:])
    except OSError:
        return ""


@contextlib.contextmanager
def one_at_a_time(waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold this machine's measuring lock: two workers at once would time each other.

    Parameters
    ----------
    waiting : callable
        Called once before a wait for another job's worker.
    """
    import filelock

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.storage_error(folder, error, "create the folder") from error
    lock = filelock.FileLock(folder / "measuring.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
