"""Starts one fresh worker process per run, enforces its limits, and scores what it left."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import time
import typing
from pathlib import Path

import msgspec

from harness import environment, files
from harness.datasets.cache import cache_folder
from harness.errors import StorageError, WorkerError
from harness.measure import scores
from harness.measure.run import stage_metrics
from harness.records import Measurement, RunRequest, RunResult, finite

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from harness.records import Measured, Scenario

LOG_LINES = 20
_PACKAGE_ROOT = Path(__file__).resolve().parent.parent


def run_all(
    requests: Iterable[RunRequest],
    scenarios: Mapping[str, Scenario],
    out: Path,
    *,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[RunResult]:
    """Do runs one after the other, one measured worker per machine at a time, and yield each result as it is stored.

    Parameters
    ----------
    requests : iterable of RunRequest
        What to run.
    scenarios : mapping
        Scenarios by name.
    out : Path
        Folder of the job; each run writes into ``runs/<key>``.
    waiting : callable
        Called once before a wait for another job's worker on this machine.

    Yields
    ------
    RunResult
        Also for a run that failed; a failure never stops the rest.

    Raises
    ------
    StorageError
        If results cannot be written.
    """
    for request in requests:
        with _one_at_a_time(waiting):
            yield run_one(request, scenarios[request.scenario], out)


def run_one(request: RunRequest, scenario: Scenario, out: Path) -> RunResult:
    """Start a worker for one run, wait for it, score it, and store ``result.json`` in its folder."""
    folder = out / "runs" / request.key
    _prepare(folder, request)
    started, clock = dt.datetime.now(dt.UTC), time.perf_counter()
    error = ""
    try:
        _work(request, folder)
        measurement: Measurement | None = _read_measurement(folder)
    except WorkerError as failure:
        error, measurement = str(failure), None
    result = RunResult(
        request=request,
        status="error",
        started=started.isoformat(timespec="seconds"),
        wall_seconds=time.perf_counter() - clock,
        measurement=measurement,
        error=error,
        log_tail=_tail(folder / "log.txt") if error else "",
        folder=f"runs/{request.key}",
    )
    if measurement is not None:
        result = _score(result, measurement, scenario, folder)
    files.write_json(folder / "result.json", result)
    return result


def _prepare(folder: Path, request: RunRequest) -> None:
    """Empty the run's folder, so that nothing of an earlier run can be taken for this one's result."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageError(
            f"cannot write into '{folder}': {error.strerror}", "Name another folder with --out"
        ) from error
    files.write_json(folder / "request.json", request)


def _work(request: RunRequest, folder: Path) -> None:
    """Run the worker to its end in a session of its own, so that its whole family can be ended.

    Raises
    ------
    WorkerError
        If it took too long, died, or reported a failure.
    """
    command = [sys.executable, "-P", "-m", "harness.worker", str(folder / "request.json")]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=worker_environment(request),
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(timeout=request.time_limit)
        except subprocess.TimeoutExpired as error:
            raise WorkerError(
                f"run {request.key} was ended after its time limit of {request.time_limit:g} s",
                "Raise --time-limit or take a smaller tier",
            ) from error
        finally:
            _end_session(process)
    if code == 0:
        return
    failure = folder / "failure.json"
    if failure.is_file():
        raise WorkerError(f"run {request.key} failed: {msgspec.json.decode(failure.read_bytes())['error']}")
    raise WorkerError(f"the worker of run {request.key} {_how_it_died(code)}", f"Read {folder / 'log.txt'}")


def _how_it_died(code: int) -> str:
    if code >= 0:
        return f"exited with code {code} and left no result"
    name = signal.Signals(-code).name
    hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End the worker and whatever it left running in its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # all of it has ended already
        return
    finally:
        process.wait()


def worker_environment(request: RunRequest) -> dict[str, str]:
    """Environment variables of a worker: this process's, with threads, backend and device fixed before any import."""
    fixed = dict.fromkeys(environment.THREAD_VARIABLES, str(request.threads))
    fixed |= {
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "agg",
    }
    # spinning OpenMP threads made small torch steps four times slower beside other work, and gain nothing measurable without
    fixed["OMP_WAIT_POLICY"] = "PASSIVE"
    if request.backend != "numpy":
        fixed["KERAS_BACKEND"] = request.backend
    if request.device == "cpu":
        fixed["CUDA_VISIBLE_DEVICES"] = ""
    # a worker must import the very code that started it, whatever the working folder holds
    inherited = os.environ.get("PYTHONPATH", "")
    fixed["PYTHONPATH"] = os.pathsep.join(part for part in (str(_PACKAGE_ROOT), inherited) if part)
    return {**os.environ, **fixed}


def _read_measurement(folder: Path) -> Measurement:
    path = folder / "measurement.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Measurement)
    except (OSError, msgspec.MsgspecError) as error:
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
def _one_at_a_time(waiting: Callable[[], None]) -> Iterator[None]:
    """Hold this machine's measuring lock: two workers at once would time each other."""
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
