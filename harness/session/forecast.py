"""What a job will cost, before it starts: time, memory and disk, from stored runs of the same, else from the baseline.

Nothing is guessed: what was never run, and has no baseline, is said to be unknown, with the time limit that ends it at the latest.
"""

from __future__ import annotations

import statistics
import typing

from harness.judging import baselines, jobs
from harness.store import stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from harness.errors import HarnessError
    from harness.records import RunRequest, RunResult

    Key = tuple[str, str, str, str, str, str]

PEAK, SECONDS = "total.peak_bytes", "total.seconds"


class Cost(typing.NamedTuple):
    """What one run takes; None where it is not known."""

    known_from: str
    """Where this was seen."""
    seconds: float | None = None
    """From its start to its end."""
    memory_bytes: float | None = None
    """Highest resident memory."""
    disk_bytes: float | None = None
    """What it leaves below the job's folder."""


class Forecast(typing.NamedTuple):
    """The runs of one variant in one tier, for one purpose."""

    request: RunRequest
    """The first of them."""
    runs: int
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
    """
    grouped: dict[Key, list[RunRequest]] = {}
    for request in requests:
        grouped.setdefault(_key(request), []).append(request)
    seen = _seen(folders, grouped.keys(), passed_over)
    return [
        Forecast(same[0], len(same), seen.get(key) or _from_baseline(same[0], roots, here))
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
    folders = [folder / run.folder for run in runs if run.folder and (folder / run.folder).is_dir()]
    sizes = [sum(path.stat().st_size for path in one.rglob("*") if path.is_file()) for one in folders]
    return Cost(
        f"{len(runs)} run{'s' * (len(runs) != 1)} in {folder}",
        statistics.median(run.wall_seconds for run in runs),
        _highest(run.metrics[PEAK].value for run in runs if PEAK in run.metrics),
        statistics.median(sizes) if sizes else None,
    )


def _highest(values: Iterable[typing.Any]) -> float | None:
    return max((float(value) for value in values if isinstance(value, (int, float))), default=None)


def _from_baseline(request: RunRequest, roots: Sequence[Path], here: dict[str, str]) -> Cost | None:
    """Return what a baseline of the same backend and device tells; it holds no counting runs."""
    if request.purpose != "measure":
        return None
    program = {"backend": request.backend, "device": request.device}
    found = baselines.find(roots, request.scenario, request.variant, request.tier, {**here, **program})
    if found is None or not program.items() <= found.nearest[0].environment.items():
        return None
    kept, path = found.nearest
    return Cost(
        f"baseline of {len(kept.seeds)} runs, {kept.date}, without starting Python: {path}",
        statistics.median(kept.metrics[SECONDS].values) if SECONDS in kept.metrics else None,
        _highest(kept.metrics[PEAK].values) if PEAK in kept.metrics else None,
    )
