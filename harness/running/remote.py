"""What runs inside a Dask worker: take a packed task, try the run in a fresh process, send back what it left.

Tasks and replies are MessagePack of plain records, checked on arrival; only bytes cross the network as Dask's own payload.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing
from pathlib import Path

import msgspec

from harness.errors import HarnessError, LastingError
from harness.machine import processes
from harness.measure import given
from harness.records import Attempt, RunRequest  # noqa: TC001 - msgspec reads the annotations
from harness.records.version import __version__
from harness.running import runner
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Callable

LEFT = ("measurement.json", "predictions.npz", "arrays.npz", given.FILE, "log.txt")
"""Files of a run that travel back; no other name is ever written on arrival."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run for a worker that may share nothing with the runner but its code."""

    version: str
    """Version of the harness that asks."""
    request: RunRequest
    """What to run."""
    scenario_files: dict[str, bytes]
    """Absolute path on the runner's machine -> content, of files that declare further scenarios."""
    alone: bool
    """Whether to hold the machine's measuring lock."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a run left on a worker."""

    attempt: Attempt
    """How it went."""
    left: dict[str, bytes]
    """File name -> content."""


def pack(request: RunRequest, *, alone: bool) -> bytes:
    """Pack a run with the scenario files that it needs."""
    sources = {path: Path(path).read_bytes() for path in request.scenario_paths}
    return msgspec.msgpack.encode(
        Task(version=__version__, request=request, scenario_files=sources, alone=alone)
    )


def unpack(packed: bytes, folder: Path) -> Attempt:
    """Write what a run left into its folder and return how it went.

    Raises
    ------
    StorageError
        If the reply is damaged, or the folder cannot be written.
    """
    reply = files.decode(packed, Reply, "a worker's reply", packed=True)
    for name in LEFT:
        if name in reply.left:
            files.write_bytes(folder / name, reply.left[name])
    return reply.attempt


def attempt(packed: bytes) -> bytes:
    """Try on this worker a run that `pack` packed, and return what `unpack` reads; a Dask task.

    A failure is part of it, never an exception: Dask must not repeat what the harness repeats.
    """
    with processes.scratch() as scratch:
        try:
            attempted = _attempt(files.decode(packed, Task, "the task", packed=True), scratch)
        except HarnessError as error:
            attempted = runner.untried(str(error), lasting=isinstance(error, LastingError))
        paths = [scratch / "run" / name for name in LEFT]
        left = {path.name: path.read_bytes() for path in paths if path.is_file()}
    return msgspec.msgpack.encode(Reply(attempt=attempted, left=left))


def _attempt(task: Task, scratch: Path) -> Attempt:
    import distributed

    if task.version != __version__:
        message = f"the worker has version {__version__} of report-harness, the runner {task.version}"
        raise LastingError(message, "Install the same version on both")
    request = dataclasses.replace(task.request, scenario_paths=_placed(task.scenario_files, scratch))
    with runner.one_at_a_time() if task.alone else contextlib.nullcontext():
        attempted = runner.attempt(request, scratch / "run", _called_off())
    place = {"executor": "dask", "worker": str(distributed.get_worker().address)}
    return dataclasses.replace(attempted, place=attempted.place | place, concurrent=not task.alone)


def _placed(sources: dict[str, bytes], scratch: Path) -> tuple[str, ...]:
    """Return where scenario files lie here: at the same path if it holds the same file, else in a copy."""
    paths = []
    for index, (path, content) in enumerate(sources.items()):
        try:
            same = Path(path).read_bytes() == content
        except OSError:
            same = False
        copy = scratch / "scenarios" / str(index) / Path(path).name
        if not same:
            files.write_bytes(copy, content)
        paths.append(path if same else str(copy))
    return tuple(paths)


def _called_off() -> Callable[[], bool]:
    """Return what to ask whether the scheduler freed this task, as it does when the runner left or was interrupted, or is itself gone."""
    import distributed

    worker = distributed.get_worker()
    key = worker.get_current_task()
    # a worker that lost its scheduler closes, and waits for half a minute for what it runs
    closing = {distributed.core.Status.closing, distributed.core.Status.closed}

    def called_off() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state != "executing" or worker.status in closing

    return called_off
