"""A job as results of airspeed velocity (asv), so that `asv publish` draws it over commits and `asv compare` reads it.

asv takes lower as better for everything, so a share that improves upwards is written as what is missing to 1 (accuracy as its error
rate), and other metrics that improve upwards are left out. The files are asv's results of version 2, written without asv.
"""

from __future__ import annotations

import datetime as dt
import json
import platform
import re
import statistics
import typing
from pathlib import Path

from harness.errors import HarnessError, RevisionError, StorageError
from harness.judging.statistics import t_quantile
from harness.machine import environment
from harness.store import files, git
from harness.store.table import Series, headlines

if typing.TYPE_CHECKING:
    from harness.records import Job

RESULTS_VERSION = 2
BENCHMARKS_VERSION = 2
MACHINE_VERSION = 1
COLUMNS = (
    "result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b",
    "stats_q_25", "stats_q_75", "stats_number", "stats_repeat", "samples",
)  # fmt: skip
_COMMIT = re.compile("[0-9a-f]{7,64}")
_UNITS = {"s": "seconds", "B": "bytes", "": "share"}
_HARDWARE = ("os", "arch", "cpu", "cores")

Plain = dict[str, typing.Any]


def write(job: Job, results: Path, machine: str = "", repository: Path = Path()) -> list[Path]:
    """Write a job's short and paper runs into an asv results folder, beside whatever it holds already.

    Parameters
    ----------
    job : Job
        What was run.
    results : Path
        asv's ``results_dir``; made if missing.
    machine : str
        Name of the machine for asv; this computer's, as asv itself names it, if empty.
    repository : Path
        A folder inside the checkout that asv is configured for; commit dates come from it.

    Returns
    -------
    list of Path
        ``benchmarks.json``, ``machine.json`` and one results file for each backend and device.

    Raises
    ------
    HarnessError
        If the job has no runs of these tiers, no clean commit that the repository knows, or was measured on another machine and none
        is named.
    StorageError
        If `results` is not asv's, is another project's, of an unknown version, or cannot be written.
    """
    chosen = [
        series for series in headlines(job) if series.system.tier != "smoke" and _lower_is_better(series)
    ]
    if not chosen:
        raise HarnessError(
            "the run has no finished runs of a tier above smoke", "Type: harness run --tier short"
        )
    _refuse_other_machine(job, machine)
    date = _commit_milliseconds(job.commit, repository)
    refuse_other_project(results, repository)
    named = machine or platform.node()
    if re.search(r"[/\\]|^\.*$", named):
        raise HarnessError(f"'{named}' cannot name a machine", "Name it with --machine, without slashes")
    benchmarks = _load(results / "benchmarks.json", BENCHMARKS_VERSION)
    if benchmarks is None:
        if results.is_dir() and any(results.iterdir()):
            raise StorageError(
                f"'{results}' holds files but no benchmarks.json, so it is no results folder of asv",
                "Name the results_dir of asv.conf.json with --results",
            )
        benchmarks = {"version": BENCHMARKS_VERSION}
    contents = {
        results / "benchmarks.json": benchmarks | {_name(series): _benchmark(series) for series in chosen}
    }
    if not (results / named / "machine.json").exists():
        contents[results / named / "machine.json"] = _hardware(job, named) | {"version": MACHINE_VERSION}
    for backend, device in sorted({(series.system.backend, series.system.device) for series in chosen}):
        ours = [
            series for series in chosen if (series.system.backend, series.system.device) == (backend, device)
        ]
        head = _head(job, named, backend, device, date)
        name = f"{job.commit[:8]}-{head['env_name']}.json"
        if not files.is_plain_name(
            name
        ):  # what a damaged or foreign job holds must not lead out of the folder
            what = f"the run's Python, backend or device make no file name: '{name}'"
            raise HarnessError(what, "Look at its run.json: nothing that was run here looks so")
        old = _load(results / named / name, RESULTS_VERSION) or {}
        head["results"] = {**old.get("results", {}), **{_name(s): _result(s, job) for s in ours}}
        contents[results / named / name] = head
    for path, content in contents.items():
        files.write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return list(contents)


def _lower_is_better(series: Series) -> bool:
    """Whether asv can draw a metric: it improves downwards, or is a share that can be written as what is missing to 1."""
    unit_free = series.kind == "accuracy" and series.better == "higher" and series.unit == ""
    return series.better == "lower" or (unit_free and all(0 <= value <= 1 for value in series.values))


def _name(series: Series) -> str:
    metric = series.metric
    if series.better == "higher":
        metric = "error_rate" if metric == "accuracy" else f"one_minus_{metric}"
    return f"harness.{series.system.scenario}.{series.system.tier}.{series.system.variant}.{metric}"


def _benchmark(series: Series) -> Plain:
    """Declare a metric as asv declares a ``track_`` benchmark without parameters."""
    turned = ", as 1 minus the value" if series.better == "higher" else ""
    return {
        "name": _name(series),
        "code": f"harness run {series.system.scenario}:{series.system.variant} --tier {series.system.tier}  # {series.metric}{turned}",
        "params": [],
        "param_names": [],
        "type": "track",
        "unit": _UNITS.get(series.unit, series.unit),
        "version": f"scenario version {series.system.version}",
        "timeout": 60.0,
    }


def _result(series: Series, job: Job) -> list[typing.Any]:
    """Lay out one metric in the order of `COLUMNS`: the median, and the runs as samples if there are several."""
    samples = [1 - value if series.better == "higher" else value for value in series.values]
    created = int(dt.datetime.fromisoformat(job.created).timestamp() * 1000)
    row: list[typing.Any] = [
        [statistics.median(samples)],
        [],
        f"scenario version {series.system.version}",
        created,
    ]
    runs = len(samples)
    if runs == 1:
        return row
    # the 99% t interval of the mean: asv compares these where it has too few samples for its rank test
    half, middle = (
        t_quantile(0.995, runs - 1) * statistics.stdev(samples) / runs**0.5,
        statistics.mean(samples),
    )
    first, _, third = statistics.quantiles(samples, n=4, method="inclusive")
    return [*row, None, [middle - half], [middle + half], [first], [third], [1], [runs], [samples]]


def _head(job: Job, machine: str, backend: str, device: str, date: int) -> Plain:
    python = job.environment.get("python", "")
    return {
        "version": RESULTS_VERSION,
        "commit_hash": job.commit,
        "env_name": f"harness-py{'.'.join(python.split('.')[:2])}-{backend}-{device}",
        "date": date,
        "params": {**_hardware(job, machine), "python": python, "backend": backend, "device": device},
        "python": python,
        "requirements": {},
        "env_vars": {},
        "result_columns": list(COLUMNS),
        "results": {},
        "durations": {},
    }


def _hardware(job: Job, machine: str) -> Plain:
    here = job.environment
    system = f"{here.get('os', '')} {here.get('kernel', '')}".strip()
    fields = {"arch": "arch", "cpu": "cpu", "num_cpu": "cores", "ram": "ram_gib"}
    return {"machine": machine, "os": system, **{ours: here.get(name, "") for ours, name in fields.items()}}


def _refuse_other_machine(job: Job, machine: str) -> None:
    here = environment.machine()
    other = [
        f"{name}: {job.environment.get(name, 'unknown')}, not {here[name]}"
        for name in _HARDWARE
        if job.environment.get(name) != here[name]
    ]
    if other and not machine:
        raise HarnessError(
            f"the run was measured on another machine ({'; '.join(other)})", "Name that one with --machine"
        )


def refuse_other_project(results: Path, checkout: Path) -> None:
    """See that what lies in asv's results folder is of the checkout's project.

    Raises
    ------
    StorageError
        If it holds results, and none of a commit that the checkout knows; or if one cannot be read.
    """
    held = set()
    for path in results.glob("*/*.json"):
        if path.name != "machine.json":
            try:
                held.add(str(json.loads(path.read_bytes())["commit_hash"]))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise StorageError(f"{path} is no result of asv: {error!r}", "Move it away") from error
    if held and not any(_known(checkout, commit) for commit in held):
        raise StorageError(
            f"'{results}' holds results of {len(held)} commits, none of which is in this checkout",
            "If the clone is shallow, type: git fetch --unshallow; else move another project's folder away",
        )


def _known(checkout: Path, commit: str) -> bool:
    try:
        git.text(checkout, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
    except RevisionError:
        return False
    return True


def _load(path: Path, version: int) -> Plain | None:
    """Read one of asv's files; None if it does not exist."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: {error}", "Restore it, or name another folder") from error
    written = content.get("version") if isinstance(content, dict) else None
    if written != version:
        raise StorageError(
            f"{path} is of version {written}, known is {version}", "Use asv 0.6, or name another folder"
        )
    return typing.cast("Plain", content)


def _commit_milliseconds(commit: str, repository: Path) -> int:
    """Return when a commit was made, in milliseconds since 1970, as asv counts."""
    if not commit or commit.endswith("+dirty"):
        state = "changed files that no commit holds" if commit else "no commit"
        raise HarnessError(
            f"the run was made with {state}; asv orders results by commit", "Commit and run again"
        )
    # git would take a word with a dash for an option, some of which write files
    if not _COMMIT.fullmatch(commit):
        raise HarnessError(f"'{commit}' of the run is no commit", "Look at its run.json")
    git.top(repository, "Type it in the checkout that asv is configured for")
    step = "Type it in that checkout; if it is shallow, first: git fetch --unshallow"
    try:
        shown = git.text(repository, "show", "-s", "--format=%ct", "--end-of-options", commit, "--")
    except RevisionError as error:
        raise HarnessError(
            f"commit {commit[:8]} of the run is not in the checkout around '{repository}'", step
        ) from error
    return int(shown.split()[-1]) * 1000
