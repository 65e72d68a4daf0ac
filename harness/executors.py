"""Where workers run, and what happens to what they leave: scored, stored, and repeated once where that may mend it."""

from __future__ import annotations

import dataclasses
import typing

from harness import files, runner

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from harness.records import Attempt, RunRequest, RunResult, Scenario


class Executor(typing.Protocol):
    """Somewhere workers run."""

    def attempt(self, requests: Iterable[RunRequest], out: Path) -> Iterator[tuple[RunRequest, Attempt]]:
        """Try each run once and yield it when what it left lies in ``runs/<key>`` below `out`, in any order."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Local:
    """Workers on this machine, one measured worker at a time."""

    waiting: Callable[[], None] = lambda: None
    """Called before a wait for another job's worker on this machine."""

    def attempt(self, requests: Iterable[RunRequest], out: Path) -> Iterator[tuple[RunRequest, Attempt]]:
        """Try the runs one after the other."""
        for request in requests:
            with runner.one_at_a_time(self.waiting):
                yield request, runner.attempt(request, out / "runs" / request.key)


def run_all(
    executor: Executor, requests: Iterable[RunRequest], scenarios: Mapping[str, Scenario], out: Path
) -> Iterator[RunResult]:
    """Do runs and yield each result as it is stored; failures that a repeat may mend are repeated once, after the rest.

    Parameters
    ----------
    executor : Executor
        Where workers run.
    requests : iterable of RunRequest
        What to run; their keys differ.
    scenarios : mapping
        Scenarios by name.
    out : Path
        Folder of the job; each run writes into ``runs/<key>``.

    Yields
    ------
    RunResult
        Also for a run that failed; a failure never stops the rest.

    Raises
    ------
    StorageError
        If results cannot be written.
    """
    failed: dict[str, RunResult] = {}
    for request, attempted in executor.attempt(requests, out):
        result = _stored(runner.collect(attempted, request, scenarios[request.scenario], out), out)
        if result.status == "ok" or attempted.lasting:
            yield result
        else:
            failed[request.key] = result
    for request, attempted in executor.attempt([result.request for result in failed.values()], out):
        again = runner.collect(attempted, request, scenarios[request.scenario], out)
        earlier = failed[request.key].error
        yield _stored(dataclasses.replace(again, attempts=2, earlier_error=earlier), out)


def _stored(result: RunResult, out: Path) -> RunResult:
    """Write ``result.json`` after everything else of its run: where it is, the run has ended and all its files are whole."""
    files.write_json(out / result.folder / "result.json", result)
    return result
