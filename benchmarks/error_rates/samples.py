"""Real repeated runs as data: collected by ``python -m benchmarks.error_rates collect``, read by the tables.

One file for each variant and mode below `data/`. Mode ``seeds`` gives every run a seed of its own; ``same`` repeats seed 0, so that only
what differs between processes is left.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import tempfile
import typing
from pathlib import Path

import numpy as np

from harness.errors import HarnessError
from harness.machine import environment
from harness.running import executors
from harness.session import choosing
from harness.sources.catalogue import load_all
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from harness.records import RunRequest, RunResult, Scenario, Tier

    Floats = NDArray[np.float64]

SCHEMA = 1
FOLDER = Path(__file__).parent / "data"
CHOSEN = ("kmnist_svd_logreg", "tinyconvnet_svd", "mnist_interpolation")
"""NumPy, torch and Keras: their default variants in the smoke tier."""
KINDS = ("runtime", "memory", "accuracy")
FEWEST = 20
"""Runs below which a file is not resampled: it would show little but itself."""
Mode = typing.Literal["same", "seeds"]
MODES: tuple[Mode, ...] = ("same", "seeds")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric of consecutive runs."""

    kind: str
    """runtime, memory or accuracy."""
    unit: str
    """Unit; empty for a share or a loss."""
    better: str
    """Direction in which it improves."""
    values: list[float]
    """One value a run, in the order of the runs."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Repeated runs of one variant."""

    schema: int
    """Version of the file's layout."""
    scenario: str
    """Scenario."""
    variant: str
    """Variant."""
    tier: str
    """Tier."""
    mode: Mode
    """same: one seed again and again; seeds: another one each time."""
    machine: dict[str, str]
    """Environment of the first run."""
    commit: str
    """Commit that ran."""
    date: str
    """UTC day of the first run."""
    command: str
    """Command that collected them."""
    seeds: list[int]
    """Seed of each run."""
    disturbed: list[bool]
    """Whether other processes used the machine during a run."""
    constant: dict[str, float]
    """Metrics that had one value in every run."""
    metrics: dict[str, Series]
    """The others that every run has."""

    @property
    def name(self) -> str:
        """Name of the file without its ending."""
        return f"{self.scenario}--{self.variant}--{self.tier}--{self.mode}"

    def quiet(self, metric: str) -> Floats:
        """Values of the runs that nothing disturbed, (runs,)."""
        values = np.asarray(self.metrics[metric].values, np.float64)
        return np.asarray(values[~np.asarray(self.disturbed, bool)])


# -- reading -----------------------------------------------------------------------------------


def load(folder: Path | None = None) -> list[Samples]:
    """Read every file of samples in a folder, by default those that are committed, by name.

    Raises
    ------
    StorageError
        If one cannot be read.
    """
    found = []
    for path in sorted((folder or FOLDER).glob("*.json")):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise files.storage_error(path, error, "read") from error
        found.append(files.decode(content, Samples, str(path), "Collect it again"))
    return found


# -- collecting --------------------------------------------------------------------------------


def collect(
    names: Sequence[str],
    *,
    runs: int,
    out: Path,
    tier: Tier = "smoke",
    modes: Sequence[Mode] = MODES,
    paths: Sequence[str] = (),
    told: Callable[[str], object] = print,
) -> list[Path]:
    """Run variants again and again in fresh processes and write what they measured after every round.

    In each round every variant runs once in every mode, so that what the machine does over an hour meets all of them.

    Parameters
    ----------
    names : sequence of str
        ``SCENARIO[:VARIANT]``.
    runs : int
        Runs of each variant and mode.
    out : Path
        Folder for the files.
    tier : str
        Tier.
    modes : sequence of str
        same, seeds, or both.
    paths : sequence of str
        Files that declare further scenarios.
    told : callable
        Called with one line after each round.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    HarnessError
        If a run fails: samples with a hole would not be consecutive.
    """
    scenarios = load_all(paths)
    selection = choosing.select(scenarios, names, tier)
    settings = choosing.Settings(tier=tier, scenario_paths=tuple(paths))
    done: dict[tuple[str, str, Mode], list[RunResult]] = {}
    written: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="collect-") as scratch:
        for index in range(runs):
            for mode, request in _round(selection, settings, modes, index):
                (result,) = executors.run_all(executors.Local(), [request], scenarios, Path(scratch))
                if result.status != "ok":
                    raise HarnessError(
                        f"run {request.key} failed: {result.error}", "Mend it and collect again"
                    )
                done.setdefault((request.scenario, request.variant, mode), []).append(result)
            written = [_write(out, mode, results, names) for (_, _, mode), results in done.items()]
            disturbed = sum(result.disturbed for results in done.values() for result in results)
            told(f"round {index + 1} of {runs}, {disturbed} runs disturbed so far")
    return written


def _round(
    selection: Sequence[tuple[Scenario, str]], settings: choosing.Settings, modes: Sequence[Mode], index: int
) -> Iterator[tuple[Mode, RunRequest]]:
    for mode in modes:
        first = index if mode == "seeds" else 0
        for request in choosing.requests(selection, dataclasses.replace(settings, first_seed=first)):
            yield mode, dataclasses.replace(request, repeat=index if mode == "same" else 0)


def _write(out: Path, mode: Mode, results: Sequence[RunResult], names: Sequence[str]) -> Path:
    """Write one file: one line for each metric, so that a difference can be read."""
    first = results[0]
    request, measurement = first.request, first.measurement
    head = {
        "schema": SCHEMA,
        "scenario": request.scenario,
        "variant": request.variant,
        "tier": request.tier,
        "mode": mode,
        "machine": measurement.environment if measurement else {},
        "commit": environment.git_commit(),
        "date": dt.datetime.fromisoformat(first.started).strftime("%Y-%m-%d"),
        "command": f"python -m benchmarks.error_rates collect {' '.join(names)} --runs {len(results)}",
        "seeds": [result.request.seed for result in results],
        "disturbed": [result.disturbed for result in results],
    }
    found = _series(results)
    varying = {name: series for name, series in found.items() if len(set(series["values"])) > 1}
    head["constant"] = {name: series["values"][0] for name, series in found.items() if name not in varying}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    series = [f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in varying.items()]
    text = "{\n" + ",\n".join([*lines, '"metrics": {\n' + ",\n".join(series) + "\n}"]) + "\n}\n"
    path = out / f"{request.scenario}--{request.variant}--{request.tier}--{mode}.json"
    files.write_text(path, text)
    return path


def _series(results: Sequence[RunResult]) -> dict[str, dict[str, typing.Any]]:
    """Gather the numbers of every run; times and scores to six significant digits."""
    found = {}
    for name, measured in results[0].metrics.items():
        values = [result.metrics[name].value for result in results if name in result.metrics]
        numbers = [_rounded(value, measured.kind) for value in values if not isinstance(value, list)]
        if measured.kind in KINDS and len(numbers) == len(results):
            found[name] = {
                "kind": measured.kind, "unit": measured.unit, "better": measured.better, "values": numbers
            }  # fmt: skip
    return found


def _rounded(value: float, kind: str) -> float:
    return value if kind == "memory" else float(f"{value:.6g}")
