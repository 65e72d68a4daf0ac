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
from harness.store import files, project

if typing.TYPE_CHECKING:
    from collections.abc import Callable

MOST_CODE = 16 << 20
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
    tops: dict[str, str]
    """Scenario file -> top folder of its project."""
    modules: dict[str, bytes]
    """Path -> content of what those files may import; `MOST_CODE` bytes at most, else only what lies next to them."""
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
    paths = [Path(path) for path in request.scenario_paths]
    modules = {file for path in paths for file in project.code(path)}
    if sum(file.stat().st_size for file in modules) > MOST_CODE:
        modules = {file for path in paths for file in path.parent.glob("*.py")}
    task = Task(
        version=__version__,
        request=request,
        scenario_files={str(path): path.read_bytes() for path in paths},
        tops={str(path): str(project.upwards(path.parent)[-1]) for path in paths},
        modules={str(file): file.read_bytes() for file in modules},
        alone=alone,
    )
    return msgspec.msgpack.encode(task)


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
    request = dataclasses.replace(task.request, scenario_paths=_placed(task, scratch))
    with runner.one_at_a_time() if task.alone else contextlib.nullcontext():
        attempted = runner.attempt(request, scratch / "run", _called_off())
    place = {"executor": "dask", "worker": str(distributed.get_worker().address)}
    return dataclasses.replace(attempted, place=attempted.place | place, concurrent=not task.alone)


def _placed(task: Task, scratch: Path) -> tuple[str, ...]:
    """Return where scenario files lie here: at the same path if it holds the same file, else in a copy of their project's code."""
    paths = []
    for index, (path, content) in enumerate(task.scenario_files.items()):
        try:
            same = Path(path).read_bytes() == content
        except OSError:
            same = False
        if same:
            paths.append(path)
            continue
        top, copy = Path(task.tops[path]), scratch / "scenarios" / str(index)
        files.write_bytes(copy / project.SHARED_FILE, b"")  # the copy's top is then known without git
        for name, code in (task.modules | task.scenario_files).items():
            if Path(name).is_relative_to(top) and ".." not in Path(name).parts:
                files.write_bytes(copy / Path(name).relative_to(top), code)
        paths.append(str(copy / Path(path).relative_to(top)))
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
