"""The child process: load the scenario, run its stages, measure, write the result file. Started as ``python -m harness.worker FILE LIFELINE``."""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import traceback
import typing
from pathlib import Path

import msgspec

from harness import data
from harness.errors import HarnessError
from harness.machine import environment, imports, processes, variables
from harness.measure import accelerators, keeping, memory
from harness.measure.predicted import sort
from harness.measure.run import Run
from harness.measure.runtime import Clock, calibrate
from harness.measure.trace import since_start
from harness.records import Failure, Measurement, RunRequest, StageResult
from harness.sources import catalogue
from harness.store import files, project

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Scenario


def main(argv: Sequence[str]) -> int:
    """Do the run that the request file names; leave ``measurement.json``, or ``failure.json`` and exit code 1."""
    folder = Path(argv[0]).parent
    if argv[1:]:
        end_with_runner(int(argv[1]), folder)
    request = None
    try:
        request = msgspec.json.decode(Path(argv[0]).read_bytes(), type=RunRequest)
        measure(request, folder)
    except Exception as error:  # noqa: BLE001 - whatever a scenario raises becomes a message in one place
        traceback.print_exc()
        # what the harness can explain (no data, no device) would only fail again
        failure = Failure(_explain(error, request), lasting=isinstance(error, HarnessError))
        files.write_json(folder / "failure.json", failure)
        return 1
    return 0


def end_with_runner(lifeline: int, folder: Path) -> None:
    """End this process and its session as soon as the runner is gone, even by SIGKILL.

    Only the runner can write to the pipe `lifeline`, and it never does: the pipe reads as ended when the runner is dead.
    """

    def wait() -> None:
        os.read(lifeline, 1)
        # the run's folder is temporary too on a worker of a cluster
        for temporary in (Path(tempfile.gettempdir()), folder.parent):
            processes.remove_scratch(temporary)
        processes.end_session(os.getsid(0), os.environ.get(processes.MARK, ""))

    os.set_inheritable(lifeline, False)
    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _explain(error: Exception, request: RunRequest | None) -> str:
    if isinstance(error, HarnessError):
        return str(error)
    own = request is not None and not catalogue.is_built_in(request.scenario)
    if isinstance(error, ModuleNotFoundError) and request is not None and own and request.scenario_paths:
        return str(catalogue.not_found(error, Path(request.scenario_paths[0])))
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"({Path(place.filename).name}, line {place.lineno})"
    if isinstance(error, MemoryError):
        return f"out of memory: {error} {where}. Use a smaller tier or another machine"
    if accelerators.out_of_memory(error):
        return accelerators.explain_out_of_memory(error, where, request)
    try:
        text = str(error)
    except Exception as another:  # noqa: BLE001 - whatever its own code raises
        text = f"its text cannot be had ({type(another).__name__})"
    # a surrogate, as of a file name that is no UTF-8, cannot be stored
    return f"{type(error).__name__}: {text.encode(errors='backslashreplace').decode()} {where}"


def measure(request: RunRequest, folder: Path) -> None:
    """Run the stages and write what was measured into `folder`."""
    # now: libraries set variables of their own when they are imported
    inherited = variables.recorded(os.environ)
    scenario, imported = _import_stage(request)
    calibration = calibrate()
    earlier = keeping.Kept(folder / keeping.FOLDER, lambda: _identity(scenario, request))
    run = _execute(scenario, request, earlier, folder)
    foreign = run.foreign_cpu.cores()
    if request.purpose == "measure" and not run.resumed:
        # what is still held when `measure` has returned: what a run leaks shows here, below the peaks of its stages too
        memory.settle()
        left = memory.resident_bytes()
        if left is not None and imported.peak_bytes is not None:
            run.record(memory.LEFT, max(0, left - imported.peak_bytes))
    problems = list(run.problems)
    if run.resumed:
        parts = ", ".join(run.resumed)
        message = "time and memory of these parts, and the total, are not known"
        problems.append(f"it went on from an earlier attempt ({parts}): {message}")
    measurement = Measurement(
        request=request,
        scenario_version=scenario.version,
        options=run.options,
        metrics=run.metrics,
        stages=(imported, *run.stages),
        identities=tuple(run.identities),
        predictions=tuple(name for name, stored in run.prediction_sets.items() if sort(stored) == "classes"),
        others=tuple(name for name, stored in run.prediction_sets.items() if sort(stored) != "classes"),
        noun=scenario.noun,
        figures=tuple(run.figures),
        datasets=tuple(run.datasets.values()),
        environment=inherited | _environment(request) | run.settings.by_stage(),
        problems=tuple(problems),
        uncounted=run.uncounted,
        trajectories=run.trajectories.kept,
        foreign_cpu=None if foreign is None else round(foreign, 3),
        calibration_seconds=calibration,
        weights=run.weights,
        imported=imports.outside_installations() if request.code else {},
        resumed=tuple(run.resumed),
    )
    sets = {
        f"{name}/{part}": array
        for name, stored in run.prediction_sets.items()
        for part, array in stored.items()
    }
    files.write_npz(folder / "predictions.npz", sets)
    files.write_npz(folder / "arrays.npz", run.arrays)
    run.shared_weights.write(folder)
    files.write_json(folder / "measurement.json", measurement)
    earlier.discard()


def _identity(scenario: Scenario, request: RunRequest) -> str:
    """Write down what must be the same before what an earlier attempt kept is used: request, code, libraries."""
    package = Path(environment.__file__).parent.parent
    # the scenario files, and what they may import from their project
    beside = sorted({file for path in request.scenario_paths for file in project.code(Path(path))})
    code = hashlib.sha256()
    for path in (*sorted(package.rglob("*.py")), *beside):
        code.update(path.read_bytes())
    libraries = msgspec.json.encode(environment.loaded_libraries(), order="sorted").decode()
    return f"{msgspec.json.encode(request).decode()} {scenario.version} {code.hexdigest()} {libraries}"


def _import_stage(request: RunRequest) -> tuple[Scenario, StageResult]:
    """Import what the scenario needs and take its memory as the floor of every later stage."""
    resets = memory.reset_peak()
    start, began = memory.resident_bytes(), since_start()
    clock = Clock(lambda: None)
    scenario = catalogue.find(catalogue.load_all(request.scenario_paths), request.scenario)
    # the backend first: Keras imports it, and would name a missing one less well
    environment.import_extras((*({request.backend} & set(environment.EXTRAS)), *scenario.needs))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(request.threads)
    wall, cpu = clock.read()
    # what imports left behind never dies: without this every later collection would walk a framework's objects again
    memory.settle()
    gc.freeze()
    # the floor is what stays resident after the imports, not their passing peak
    memory.reset_peak()
    floor = memory.resident_bytes() if resets else None
    return scenario, StageResult(
        name="imports",
        seconds=wall,
        cpu_seconds=cpu,
        start_bytes=start,
        peak_bytes=floor,
        began_seconds=began,
    )


def _execute(scenario: Scenario, request: RunRequest, earlier: keeping.Kept, folder: Path) -> Run:
    options = {**scenario.tiers[request.tier], **scenario.variant(request.variant).options}
    if request.purpose == "count":
        return _count(scenario, request, options)
    if request.purpose != "measure":
        return _profile(scenario, request, options, folder)
    run = Run(
        request, options, _load, accelerators.of(request), settings=environment.numerics,
        threads=environment.thread_pools, earlier=earlier, declared=scenario.metrics,
    )  # fmt: skip
    scenario.measure(run)
    return run


def _count(scenario: Scenario, request: RunRequest, options: dict[str, typing.Any]) -> Run:
    """Run the stages and count their work."""
    # imported here: no counter may be near a run that is measured
    from harness.measure.work import Work

    work = Work()
    run = Run(request, options, _load, accelerators.of(request), work, declared=scenario.metrics)
    with work:
        scenario.measure(run)
    work.record(run)
    return run


def _profile(scenario: Scenario, request: RunRequest, options: dict[str, typing.Any], folder: Path) -> Run:
    """Run the stages under a profiler; what it saw lies in the run's folder afterwards."""
    # imported here: no profiler may be near a run that is measured
    from harness.measure import profiling

    profile = profiling.Profile(request.purpose, Path(request.code) if request.code else Path.cwd())
    run = Run(request, options, _load, accelerators.of(request), profile, declared=scenario.metrics)
    profile.run(lambda: scenario.measure(run))
    files.write_json(folder / profiling.FILE, profile.sites)
    return run


def _load(name: str) -> data.Dataset:
    """Load a data set; a child decodes what is not decoded yet, or the first run's memory would differ from every later one's."""
    if not data.is_decoded(name):
        # what fails there fails again below, with its error
        subprocess.run([sys.executable, "-P", "-m", "harness.data", name], check=False)
    return data.load(name)


def _environment(request: RunRequest) -> dict[str, str]:
    return {
        **environment.machine(),
        **environment.loaded_libraries(),
        "blas": environment.blas(),
        "threads": str(request.threads),
        "device": request.device,
        "backend": request.backend,
        **environment.numerics(),
        **accelerators.environment(request),
        **({"imported_from": str(Path(environment.__file__).parent.parent)} if request.code else {}),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
