"""A command in a session of its own: started, watched over its limits, and ended with all that it left running.

A pipe is the command's lifeline: the operating system closes it when this process dies, however it dies, and a worker that reads its
end ends itself and its session (`harness.worker`). No process outlives its runner, and nothing has to poll for it.

A process that a command leaves running would disturb every later measurement: it is found by its session, or, if it made a session of
its own, by a variable in its environment; it is ended, and the command has failed. One that cleared its environment too is not found.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import time
import typing
import uuid
from pathlib import Path

import psutil

from harness.errors import LastingError, StorageError, WorkerError
from harness.store import locks

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MARK = "HARNESS_PROCESS"
"""Environment variable that every process of a command inherits, with a value that only they have."""
LEAVE_SECONDS = 2.0
"""How long what a finished command started may still run: helpers, such as multiprocessing's, end when they see that it is gone."""
POLL_SECONDS = 0.2
"""How often a limit on memory and a call-off are looked at; neither is where it is not asked for."""
_SCRATCH, _HELD, _NEWBORN_SECONDS = "harness-run-", ".held", 60.0
_SHOWN = 160
_STARTING_SECONDS = 0.1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What ends a command before its own end."""

    name: str
    """How messages call the command."""
    seconds: float
    """Wall time it may take, seconds."""
    memory_bytes: int | None = None
    """Resident memory that its session may hold, bytes; None sets no limit."""
    called_off: Callable[[], bool] | None = None
    """Asked time and again whether the result is still wanted at all; None means it always is."""


def supervise(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    limits: Limits,
    folder: str | None = None,
    watch: Callable[[int], float] | None = None,
) -> int:
    """Run a command to its end, with the lifeline's descriptor as its last argument; nothing that it started is left.

    Parameters
    ----------
    command, environment, log, folder
        Program and arguments, all its environment variables, the file for what it prints, its working folder.
    limits : Limits
        What ends it early.
    watch : callable, optional
        Called time and again with the number of the command's own process; returns the seconds until it wants the next look.

    Returns
    -------
    int
        Its exit code; the negative number of the signal that killed it.

    Raises
    ------
    LastingError
        If it exceeded a limit, or ended well and left a process running.
    WorkerError
        If it was called off.
    """
    mark = uuid.uuid4().hex
    # the reading end of a pipe whose writing end only this process holds
    reading, writing = os.pipe()
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, str(reading)], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**environment, MARK: mark}, cwd=folder, start_new_session=True, pass_fds=(reading,),
            )  # fmt: skip
            try:
                code = _wait(process, limits, watch)
                if code == 0:
                    _refuse_leftovers(process.pid, mark, limits.name)
                return code
            finally:
                end_session(process.pid, mark)
                process.wait()
    finally:
        os.close(reading)
        os.close(writing)


def _wait(process: subprocess.Popen[bytes], limits: Limits, watch: Callable[[int], float] | None) -> int:
    """Wait for the end of a command; raise where a limit is passed, or it was called off."""
    deadline, most = time.monotonic() + limits.seconds, limits.memory_bytes
    limited = most is not None or limits.called_off is not None
    polled = time.monotonic() + POLL_SECONDS if limited else deadline
    while (left := deadline - time.monotonic()) > 0:
        pause = min(left, watch(process.pid) if watch else left, max(polled - time.monotonic(), 0.0))
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=pause)
        if not limited or time.monotonic() < polled:
            continue
        if limits.called_off is not None and limits.called_off():
            step = "Type: harness run --resume DIR, or harness gate --resume DIR"
            raise WorkerError(f"{limits.name} was called off", step)
        if most is not None and (held := resident_bytes(process.pid)) > most:
            message = f"{limits.name} was ended out of memory: it held {held / 2**20:.0f} MiB, its limit is {most / 2**20:.0f} MiB"
            raise LastingError(message, "Raise --memory-limit or take a smaller tier")
        polled = time.monotonic() + POLL_SECONDS
    message = f"{limits.name} was ended after its time limit of {limits.seconds:g} s"
    raise LastingError(message, "Raise --time-limit or take a smaller tier")


def _refuse_leftovers(session: int, mark: str, name: str) -> None:
    """Raise LastingError if something still runs that a finished command started; what is about to end may do so."""
    deadline = time.monotonic() + LEAVE_SECONDS
    while left := _commands(session, mark):
        if time.monotonic() > deadline:
            message = f"{name} left {len(left)} process{'es' * (len(left) > 1)} running, ended now: {', '.join(left)}"
            raise LastingError(message, "End and wait for what a stage starts before it ends")
        time.sleep(POLL_SECONDS / 10)


def _commands(session: int, mark: str) -> list[str]:
    """Return the commands of what runs in a session or carries its mark; what has ended and was not waited for does not run."""
    commands = []
    for pid in {*members(session), *_marked(mark)}:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                commands.append(f"'{' '.join(process.cmdline()) or process.name()}'"[:_SHOWN])
    return sorted(commands)


def _marked(mark: str) -> list[int]:
    """List the processes whose environment has a mark, whatever session they are in."""
    pids = []
    for process in psutil.process_iter():
        # other users' processes do not tell, and none of theirs is ours
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                pids.append(process.pid)
    return pids


def resident_bytes(session: int) -> int:
    """Sum the resident memory of a session's processes, bytes; a page that two of them share counts twice."""
    total = 0
    for pid in members(session):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += psutil.Process(pid).memory_info().rss
    return total


def helper_bytes(leader: int) -> int:
    """Sum the resident memory of the processes that the leader of a session has started, bytes.

    Shared pages count for each of them. One that has only just been started is left out: until it runs its own program it has its parent's pages.
    """
    total, newborn = 0, time.time() - _STARTING_SECONDS
    for pid in members(leader):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if pid != leader and process.create_time() < newborn:
                total += process.memory_info().rss
    return total


def members(session: int) -> list[int]:
    """List the processes of a session, those in process groups of their own too."""
    pids = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == session:
                pids.append(pid)
    return pids


def end_session(session: int, mark: str = "") -> None:
    """Kill every process of a session, and every one that carries a mark, this one last if it belongs to them."""
    for pid in sorted({*members(session), *(_marked(mark) if mark else ())}, key=os.getpid().__eq__):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def how_it_died(code: int) -> str:
    """Say what an exit code means."""
    if code >= 0:
        return f"exited with code {code} and left no result"
    name = signal.Signals(-code).name
    hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder for one run's temporary files, and remove it with all that is in it.

    It lies in the system's folder, not in the run's: sockets that multiprocessing puts there allow no more than 107 characters.
    What a machine that went down left behind is removed on the way.
    """
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=_SCRATCH))
    try:
        with locks.held(folder / _HELD):
            yield folder
    finally:
        remove_scratch(folder)


def _sweep() -> None:
    """Remove the folders of runs whose runner is gone: nobody holds their lock; new ones may not be locked yet."""
    import filelock

    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        # another user's folder, or one that its runner just removes
        with contextlib.suppress(OSError, StorageError, filelock.Timeout):
            if time.time() - folder.stat().st_mtime > _NEWBORN_SECONDS:
                with locks.held(folder / _HELD, 0.0):
                    remove_scratch(folder)


def remove_scratch(folder: Path) -> None:
    """Remove a folder that `scratch` made, and nothing else."""
    if folder.name.startswith(_SCRATCH):
        shutil.rmtree(folder, ignore_errors=True)
