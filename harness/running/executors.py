"""Where workers run, and what happens to what they leave: scored, stored, and repeated once where that may mend it."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
import typing
import uuid

from harness.errors import WorkerError
from harness.machine import environment
from harness.running import plans, remote, runner
from harness.sources.catalogue import find
from harness.store import files, masking

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    import distributed

    from harness.records import Attempt, RunRequest, RunResult, Scenario

SLOT, CARD = "run", "GPU"
"""Dask resources: what a run takes, and what one on a card takes besides."""
CONNECT_SECONDS = 20
RETURN_SECONDS = 60
"""How long a cluster without any worker is waited for: a nanny starts a worker that died anew."""
WAITING = 2
"""Runs submitted for every slot, those that run there included."""


class Executor(typing.Protocol):
    """Somewhere workers run."""

    def attempt(self, requests: Iterable[RunRequest], out: Path) -> Iterator[tuple[RunRequest, Attempt]]:
        """Try each run once and yield it when what it left lies in ``runs/<key>`` below `out`, in any order."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Local:
    """Workers on this machine, one measured worker at a time."""

    waiting: Callable[[str], None] = lambda _holder: None
    """Called before a wait for another job's worker on this machine."""

    def attempt(self, requests: Iterable[RunRequest], out: Path) -> Iterator[tuple[RunRequest, Attempt]]:
        """Try the runs one after the other."""
        for request in requests:
            with runner.one_at_a_time(self.waiting, out):
                yield request, runner.attempt(request, out / "runs" / request.key)


@dataclasses.dataclass(frozen=True, slots=True)
class Dask:
    """Workers of a Dask cluster; several runs at once on one machine give up their runtime and keep the rest."""

    client: distributed.Client
    """Connected client."""

    def attempt(self, requests: Iterable[RunRequest], out: Path) -> Iterator[tuple[RunRequest, Attempt]]:
        """Try the runs wherever a slot is free.

        Raises
        ------
        WorkerError
            If the scheduler is gone, or no worker has a slot for a run.
        """
        import distributed

        left, pool = collections.deque(requests), distributed.as_completed()
        tries: dict[str, RunRequest] = {}

        def submit() -> None:
            """Keep a few runs waiting for every slot; the scheduler need not hold the rest."""
            slots = self._slots(out)
            while left and len(tries) < WAITING * max(sum(slots.values()), 1):
                request = left.popleft()
                key = f"{uuid.uuid4().hex}-{request.key}"
                tries[key] = request
                task = remote.pack(request, alone=max(slots.values(), default=0) == 1)
                needs = _needed(request)
                pool.add(
                    self.client.submit(remote.attempt, task, key=key, retries=0, pure=False, resources=needs)
                )

        self._check_slots(left, out)
        try:
            submit()
            for future in pool:
                request = tries.pop(future.key)
                attempted = self._received(future, request, out)
                future.release()
                yield request, attempted
                submit()
        finally:
            # what still runs notices it and ends itself: see `remote`
            self.client.cancel(list(pool.futures), force=True)

    def _check_slots(self, requests: Iterable[RunRequest], out: Path) -> None:
        """Raise WorkerError if no worker has what a run needs: Dask would wait for ever."""
        if not self._workers(out):
            with contextlib.suppress(TimeoutError):
                self.client.wait_for_workers(1, timeout=RETURN_SECONDS)
        offers = [worker["resources"] for worker in self._workers(out)]
        for request in requests:
            needed = _needed(request)
            if not any(all(offer.get(name, 0) >= 1 for name in needed) for offer in offers):
                words = " ".join(f"{name}=1" for name in needed)
                address = self.client.scheduler.address if self.client.scheduler else "ADDRESS"
                message = f"none of {len(offers)} workers offers {words}, which run {request.key} needs"
                raise WorkerError(message, f'Type: dask worker {address} --nthreads 1 --resources "{words}"')

    def _slots(self, out: Path) -> dict[str, int]:
        """Return how many runs may meet on each machine."""
        slots = collections.Counter[str]()
        for worker in self._workers(out):
            slots[worker["host"]] += int(worker["resources"].get(SLOT, 0))
        return slots

    def _workers(self, out: Path) -> list[dict[str, typing.Any]]:
        try:
            return list(self.client.scheduler_info(n_workers=-1)["workers"].values())
        except OSError as error:
            raise WorkerError("the Dask scheduler is gone", _kept(out)) from error

    def _received(self, future: distributed.Future[bytes], request: RunRequest, out: Path) -> Attempt:
        """Put what a run left into its folder; a worker that died, or a reply that cannot be read, is a failed attempt."""
        from concurrent.futures import CancelledError

        folder = out / "runs" / request.key
        runner.clear(folder)
        files.write_json(folder / "request.json", request)
        try:
            attempted = remote.unpack(future.result(), folder)
        except CancelledError as error:
            raise WorkerError("the Dask scheduler is gone, or dropped the runs", _kept(out)) from error
        except Exception as error:  # noqa: BLE001 - Dask passes on whatever happened on the other machine
            return runner.untried(masking.masked(f"the Dask worker failed: {error!r}"))
        late = max(self._slots(out).values(), default=0) > 1
        return dataclasses.replace(attempted, concurrent=attempted.concurrent or late)


def _kept(out: Path) -> str:
    return f"What was finished is kept. Type: {plans.go_on(out)}"


def _needed(request: RunRequest) -> dict[str, float]:
    """Return the resources of a run."""
    return {SLOT: 1.0, **({CARD: 1.0} if request.device == "cuda" else {})}


@contextlib.contextmanager
def opened(
    name: str,
    *,
    scheduler: str = "",
    workers: int | None = None,
    waiting: Callable[[str], None] = lambda _holder: None,
) -> Iterator[Executor]:
    """Open the executor ``local`` or ``dask`` for a while.

    Parameters
    ----------
    scheduler : str
        Address of a Dask scheduler; without one a cluster on this machine is started.
    workers : int, optional
        Workers of that cluster, 1 by default: more of them run at once and give up runtime.
    waiting : callable
        Called before the local executor waits for another job.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    WorkerError
        If the scheduler does not answer, or an option does not belong to the executor.
    """
    if name == "local":
        if scheduler or workers is not None:
            message = "--scheduler and --workers belong to --executor dask"
            raise WorkerError(message, "Add --executor dask, or remove them")
        yield Local(waiting)
        return
    try:
        import dask
        import distributed
    except ModuleNotFoundError as error:
        raise environment.missing_extra("distributed", str(error.name)) from error
    if scheduler and workers is not None:
        raise WorkerError("a scheduler has its own workers", "Remove --workers or --scheduler")
    # the harness repeats what failed, once; and nothing may tune the allocator whose use is measured
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.nanny.pre-spawn-environ": {}}
    # what a site sets is for its own clusters: encryption, life times and preloads would keep one of this machine from working
    defaults = {} if scheduler else dask.config.merge(*dask.config.defaults)
    with dask.config.set(defaults), dask.config.set(settings), contextlib.ExitStack() as stack:
        address: typing.Any = scheduler or stack.enter_context(_cluster(workers or 1))
        try:
            client = stack.enter_context(distributed.Client(address, timeout=CONNECT_SECONDS))
        except (OSError, ValueError) as error:
            message = f"no Dask scheduler answers at '{scheduler}': {error}"
            raise WorkerError(message, "Start one: dask scheduler, or leave --scheduler out") from error
        yield Dask(client)


def _cluster(workers: int) -> distributed.LocalCluster:
    """Start a cluster on this machine; more than one worker share no card."""
    import distributed

    resources = {SLOT: 1, **({CARD: 1} if workers == 1 else {})}
    try:
        return distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, resources=resources, memory_limit=0, dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )  # fmt: skip
    except (OSError, RuntimeError) as error:
        message = f"a Dask cluster of this machine did not start: {error}"
        raise WorkerError(message, "Leave --executor dask out") from error


def run_all(
    executor: Executor, requests: Iterable[RunRequest], scenarios: Mapping[str, Scenario], out: Path
) -> Iterator[RunResult]:
    """Do runs, whose keys differ, and yield each result as it is stored in ``runs/<key>`` below `out`; a failure never stops the rest.

    Failures that a repeat may mend are repeated once, after the rest.

    Raises
    ------
    StorageError
        If results cannot be written.
    UnknownNameError
        If a run is of a scenario that is not declared: a plan may come from elsewhere.
    """
    requests = tuple(requests)
    for request in requests:
        find(scenarios, request.scenario)

    def stored(result: RunResult) -> RunResult:
        """Write ``result.json`` after everything else of its run: where it is, the run has ended and all its files are whole."""
        files.write_json(out / result.folder / "result.json", result)
        return result

    failed: dict[str, RunResult] = {}
    for request, attempted in executor.attempt(requests, out):
        result = stored(runner.collect(attempted, request, scenarios[request.scenario], out))
        if result.status == "ok" or attempted.lasting:
            yield result
        else:
            failed[request.key] = result
    for request, attempted in executor.attempt([result.request for result in failed.values()], out):
        again = runner.collect(attempted, request, scenarios[request.scenario], out)
        yield stored(dataclasses.replace(again, attempts=2, earlier_error=failed[request.key].error))
