"""The child process: load the scenario, run its stages, measure, write the result file. Started as ``python -m harness.worker FILE LIFELINE``."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
import traceback
import typing
from pathlib import Path

import msgspec

from harness import datasets, environment, files, processes, scenarios
from harness.errors import HarnessError
from harness.measure import memory
from harness.measure.run import Run
from harness.measure.runtime import Clock, calibrate
from harness.records import Failure, Measurement, RunRequest, StageResult

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Scenario


class NoAccelerator:
    """Stands in for a device that needs no waiting, or whose memory is not measured."""

    def synchronise(self) -> None:
        """Do nothing."""

    def reset_peak(self) -> None:
        """Do nothing."""

    def peak_bytes(self) -> tuple[None, None]:
        """Return nothing measured."""
        return None, None


class TorchCuda:
    """The current CUDA device through torch."""

    def __init__(self) -> None:
        import torch

        if not torch.cuda.is_available():
            raise HarnessError(
                "device 'cuda' was asked for, but torch sees no CUDA device", "Use --device cpu"
            )
        self._cuda = torch.cuda

    def synchronise(self) -> None:
        """Wait until queued kernels are done."""
        self._cuda.synchronize()

    def reset_peak(self) -> None:
        """Free cached blocks and make the memory in use the peak."""
        self._cuda.empty_cache()
        self._cuda.reset_peak_memory_stats()

    def peak_bytes(self) -> tuple[int, int]:
        """Highest (allocated, reserved) bytes since the reset."""
        return self._cuda.max_memory_allocated(), self._cuda.max_memory_reserved()


def main(argv: Sequence[str]) -> int:
    """Do the run that the request file names; leave ``measurement.json``, or ``failure.json`` and exit code 1."""
    folder = Path(argv[0]).parent
    if argv[1:]:
        end_with_runner(int(argv[1]), folder)
    try:
        measure(msgspec.json.decode(Path(argv[0]).read_bytes(), type=RunRequest), folder)
    except Exception as error:  # noqa: BLE001 - whatever a scenario raises becomes a message in one place
        traceback.print_exc()
        # what the harness can explain (no data, no device) would only fail again
        lasting = isinstance(error, HarnessError)
        files.write_json(folder / "failure.json", Failure(_explain(error), lasting))
        return 1
    return 0


def end_with_runner(lifeline: int, folder: Path) -> None:
    """End this process and its session as soon as the runner is gone, even by SIGKILL.

    Parameters
    ----------
    lifeline : int
        Descriptor of a pipe that only the runner can write to, and never does: it reads as ended when the runner is dead.
    folder : Path
        Folder of the run; on a worker of a cluster it is temporary too.
    """

    def wait() -> None:
        os.read(lifeline, 1)
        for temporary in (Path(tempfile.gettempdir()), folder.parent):
            processes.remove_scratch(temporary)
        processes.end_session(os.getsid(0))

    os.set_inheritable(lifeline, False)
    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _explain(error: Exception) -> str:
    if isinstance(error, HarnessError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory: {error} ({Path(place.filename).name}, line {place.lineno}). Use a smaller tier or another machine"
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"


def measure(request: RunRequest, folder: Path) -> None:
    """Run the stages and write what was measured into `folder`."""
    scenario, imported = _import_stage(request)
    calibration = calibrate()
    run = _execute(scenario, request)
    if imported.peak_bytes is None:
        # all that such a system tells; never set beside a stage's peak
        run.record("process.peak_bytes", memory.total_peak_bytes(), unit="B", kind="memory", better="lower")
    measurement = Measurement(
        request=request,
        scenario_version=scenario.version,
        options=run.options,
        metrics=run.metrics,
        stages=(imported, *run.stages),
        identities=tuple(run.identities),
        predictions=tuple(run.prediction_sets),
        figures=tuple(run.figures),
        datasets=tuple(run.datasets.values()),
        environment=_environment(request),
        problems=tuple(run.problems),
        foreign_cpu=round(run.foreign_cpu.cores(), 3),
        calibration_seconds=calibration,
    )
    sets = {
        f"{name}/{part}": array
        for name, stored in run.prediction_sets.items()
        for part, array in stored.items()
    }
    files.write_npz(folder / "predictions.npz", sets)
    files.write_npz(folder / "arrays.npz", run.arrays)
    files.write_json(folder / "measurement.json", measurement)


def _import_stage(request: RunRequest) -> tuple[Scenario, StageResult]:
    """Import what the scenario needs and take its memory as the floor of every later stage."""
    resets = memory.reset_peak()
    start = memory.resident_bytes()
    clock = Clock(lambda: None)
    scenario = scenarios.find(scenarios.load_all(request.scenario_paths), request.scenario)
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
        name="imports", seconds=wall, cpu_seconds=cpu, start_bytes=start, peak_bytes=floor
    )


def _execute(scenario: Scenario, request: RunRequest) -> Run:
    options = {**scenario.tiers[request.tier], **scenario.variant(request.variant).options}
    run = Run(request, options, _load, _accelerator(request))
    scenario.measure(run)
    return run


def _accelerator(request: RunRequest) -> NoAccelerator | TorchCuda:
    """Pick what stages wait for; TensorFlow and JAX hand every result back as an array, so there is nothing to wait for."""
    if request.device != "cuda":
        return NoAccelerator()
    if request.backend not in _GPU_NAMES:
        return TorchCuda()
    if not _GPU_NAMES[request.backend]():
        raise HarnessError(
            f"device 'cuda' was asked for, but {request.backend} sees no GPU", "Use --device cpu"
        )
    return NoAccelerator()


def _tensorflow_gpus() -> list[str]:
    tf = sys.modules["tensorflow"]
    details = tf.config.experimental.get_device_details
    return [str(details(gpu).get("device_name", gpu.name)) for gpu in tf.config.list_physical_devices("GPU")]


def _jax_gpus() -> list[str]:
    return [device.device_kind for device in sys.modules["jax"].devices() if device.platform == "gpu"]


_GPU_NAMES = {"tensorflow": _tensorflow_gpus, "jax": _jax_gpus}
"""By backend other than torch: names of the GPUs that it sees. Only the run's own framework may be imported."""


def _load(name: str) -> datasets.Dataset:
    """Load a data set; a child decodes what is not decoded yet, or the first run's memory would differ from every later one's."""
    if not datasets.is_decoded(name):
        # what fails there fails again below, with its error
        subprocess.run([sys.executable, "-P", "-m", "harness.datasets", name], check=False)
    return datasets.load(name)


def _environment(request: RunRequest) -> dict[str, str]:
    found = environment.machine() | environment.loaded_libraries()
    found |= {"blas": environment.blas(), "threads": str(request.threads)}
    found |= {"device": request.device, "backend": request.backend}
    if request.device == "cuda" and request.backend in _GPU_NAMES:
        found |= {"gpu": _GPU_NAMES[request.backend]()[0]}
    elif request.device == "cuda":
        torch = sys.modules["torch"]
        found |= {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
