"""What a job will cost, before it starts: time, memory and disk, from stored runs of the same, else from the baseline.

Nothing is guessed: what was never run, and has no baseline, is said to be unknown, with the time limit that ends it at the latest.
"""

from __future__ import annotations

import dataclasses
import statistics
import typing

from harness.judging import baselines, jobs
from harness.store import stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from harness.errors import HarnessError
    from harness.records import Baseline, RunRequest, RunResult

    Key = tuple[str, str, str, str, str, str]

PEAK, SECONDS = "total.peak_bytes", "total.seconds"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run takes."""

    seconds: float | None = None
    """From its start to its end; None where only a baseline tells that was made without times."""
    memory_bytes: float | None = None
    """Highest resident memory; None if it was not measured."""
    disk_bytes: float | None = None
    """What it leaves below the job's folder; None where only a baseline tells."""
    known_from: str
    """Where this was seen."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The runs of one variant in one tier, for one purpose."""

    request: RunRequest
    """The first of them."""
    runs: int
    """How many."""
    cost: Cost | None
    """What each takes; None if nothing is known."""


def forecast(
    requests: Sequence[RunRequest], folders: Iterable[Path], roots: Sequence[Path], here: dict[str, str],
    passed_over: dict[Path, HarnessError],
) -> list[Forecast]:  # fmt: skip
    """Say what each group of equal requests will cost.

    Parameters
    ----------
    requests : sequence of RunRequest
        Every run of the job.
    folders : iterable of Path
        Stored jobs, oldest first: the newest that ran the same decides.
    roots : sequence of Path
        Folders with baselines.
    here : dict
        Environment of this machine: of several baselines the nearest is taken.
    passed_over : dict
        Gets every folder whose job cannot be read, with the reason.

    Raises
    ------
    BaselineError
        If a baseline is damaged.
    """
    grouped: dict[Key, list[RunRequest]] = {}
    for request in requests:
        grouped.setdefault(_key(request), []).append(request)
    seen = _seen(folders, grouped.keys(), passed_over)
    return [
        Forecast(request=same[0], runs=len(same), cost=seen.get(key) or _from_baseline(same[0], roots, here))
        for key, same in grouped.items()
    ]


def _key(request: RunRequest) -> Key:
    return (request.scenario, request.variant, request.tier, request.backend, request.device, request.purpose)


def _seen(
    folders: Iterable[Path], wanted: typing.Collection[Key], passed_over: dict[Path, HarnessError]
) -> dict[Key, Cost]:
    """Return what the newest job that finished such runs tells of them."""
    found: dict[Key, Cost] = {}
    for folder in folders:
        for job in jobs.readable([folder], passed_over):
            done: dict[Key, list[RunResult]] = {}
            for result in (*stored.of(job.results, "measure"), *job.counted):
                if result.status == "ok" and _key(result.request) in wanted:
                    done.setdefault(_key(result.request), []).append(result)
            found |= {key: _of_runs(runs, folder) for key, runs in done.items()}
    return found


def _of_runs(runs: Sequence[RunResult], folder: Path) -> Cost:
    sizes = [_size(folder / run.folder) for run in runs if run.folder and (folder / run.folder).is_dir()]
    return Cost(
        seconds=statistics.median(run.wall_seconds for run in runs),
        memory_bytes=_highest(run.metrics[PEAK].value for run in runs if PEAK in run.metrics),
        disk_bytes=statistics.median(sizes) if sizes else None,
        known_from=f"{len(runs)} run{'s' * (len(runs) != 1)} in {folder}",
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _highest(values: Iterable[typing.Any]) -> float | None:
    return max((float(value) for value in values if isinstance(value, (int, float))), default=None)


def _from_baseline(request: RunRequest, roots: Sequence[Path], here: dict[str, str]) -> Cost | None:
    """Return what a baseline of the same backend and device tells; it holds no counting runs."""
    if request.purpose != "measure":
        return None
    asked = {**here, "backend": request.backend, "device": request.device}
    found = baselines.find(roots, request.scenario, request.variant, request.tier, asked)
    if found is None or not _same_program(found.nearest[0], request):
        return None
    kept, path = found.nearest
    return Cost(
        seconds=statistics.median(kept.metrics[SECONDS].values) if SECONDS in kept.metrics else None,
        memory_bytes=_highest(kept.metrics[PEAK].values) if PEAK in kept.metrics else None,
        known_from=f"baseline of {len(kept.seeds)} runs, {kept.date}, without starting Python: {path}",
    )


def _same_program(kept: Baseline, request: RunRequest) -> bool:
    told = (kept.environment.get("backend"), kept.environment.get("device"))
    return told == (request.backend, request.device)
