"""What a scenario's `measure` function receives: it opens stages, stores predictions, and records what is not scored."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import typing

import numpy as np

from harness.measure import memory
from harness.measure.runtime import Clock
from harness.records import DatasetUse, Figure, IdentityCheck, Measured, RunRequest, StageResult, finite

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from harness.records import Direction, Kind, Value


class LoadedData(typing.Protocol):
    """A data set as `harness.datasets.load` gives it."""

    @property
    def use(self) -> DatasetUse:
        """How it was found."""


class Device(typing.Protocol):
    """How stages wait for, and ask about, an accelerator."""

    def synchronise(self) -> None:
        """Wait until queued work is done."""

    def reset_peak(self) -> None:
        """Make the memory in use now the peak."""

    def peak_bytes(self) -> tuple[int | None, int | None]:
        """Highest (allocated, reserved) bytes since the reset."""


class Stage:
    """Handle of a stage in progress."""

    def __init__(self) -> None:
        self.images: int | None = None
        """Images processed; set it to get a rate."""


class Run:
    """One run in progress.

    Parameters
    ----------
    request : RunRequest
        What is run: tier, seed, device, backend, threads.
    options : mapping
        The tier's options with the variant's laid over them.
    load : callable
        `harness.datasets.load`.
    device : Device
        The accelerator, or a stand-in that does nothing.
    """

    def __init__(
        self,
        request: RunRequest,
        options: Mapping[str, typing.Any],
        load: Callable[[str], typing.Any],
        device: Device,
    ) -> None:
        self.request = request
        self.options = dict(options)
        self.stages: list[StageResult] = []
        self.metrics: dict[str, Measured] = {}
        self.identities: list[IdentityCheck] = []
        self.figures: list[Figure] = []
        self.arrays: dict[str, NDArray[typing.Any]] = {}
        self.prediction_sets: dict[str, dict[str, NDArray[typing.Any]]] = {}
        self.datasets: dict[str, DatasetUse] = {}
        self.problems: list[str] = []
        self._load = load
        self._device = device
        self._open_stage = ""

    @property
    def seed(self) -> int:
        """Sample index; give it to every generator."""
        return self.request.seed

    @property
    def device(self) -> str:
        """Device asked for: cpu or cuda."""
        return self.request.device

    @property
    def backend(self) -> str:
        """Backend asked for."""
        return self.request.backend

    def dataset(self, name: str) -> typing.Any:  # noqa: ANN401 - the data layer lies above this one
        """Load a data set and note how it was found.

        Parameters
        ----------
        name : str
            digits, mnist or kmnist.

        Returns
        -------
        harness.datasets.Dataset
            ``train`` and ``test``, each with ``images`` uint8 (n, 28, 28) and ``labels`` uint8 (n,).
        """
        loaded = self._load(name)
        self.datasets[name] = loaded.use
        return loaded

    @contextlib.contextmanager
    def stage(self, name: str, images: int | None = None) -> Iterator[Stage]:
        """Measure the body as a stage: wall and CPU time, peak memory.

        Parameters
        ----------
        name : str
            Stage name, unique within the run; metrics are called ``<name>.seconds`` and so on.
        images : int, optional
            Images processed, for the rate; may be set on the handle instead.

        Raises
        ------
        ValueError
            If a stage is open already or the name was used.
        """
        if self._open_stage:
            raise ValueError(f"stage '{name}' opened within stage '{self._open_stage}'; stages do not nest")
        if any(done.name == name for done in self.stages):
            raise ValueError(f"stage '{name}' was measured already; give each stage a name of its own")
        self._open_stage = name
        handle = Stage()
        handle.images = images
        memory.settle()
        resets = memory.reset_peak()
        self._device.reset_peak()
        start = memory.resident_bytes()
        clock = Clock(self._device.synchronise)
        try:
            yield handle
        finally:
            self._open_stage = ""
        wall, cpu = clock.read()
        allocated, reserved = self._device.peak_bytes()
        self.stages.append(
            StageResult(
                name=name,
                seconds=wall,
                cpu_seconds=cpu,
                start_bytes=start,
                peak_bytes=memory.peak_bytes() if resets else None,
                images=handle.images,
                device_allocated_bytes=allocated,
                device_reserved_bytes=reserved,
            )
        )

    def predictions(
        self,
        labels: ArrayLike,
        predicted: ArrayLike,
        *,
        probabilities: ArrayLike | None = None,
        name: str = "test",
    ) -> None:
        """Store labels and predictions of the same images, in the same order; the harness scores them after the run.

        Parameters
        ----------
        labels, predicted : integers of shape (n,)
            Classes from 0.
        probabilities : floats of shape (n, classes), optional
            For the loss.
        name : str
            Name of the set; ``test`` is the one whose metrics have plain names.

        Raises
        ------
        ValueError
            If shapes do not pair up, classes lie outside 0 to 255, or the name was used.
        """
        if name in self.prediction_sets:
            raise ValueError(f"prediction set '{name}' was stored already")
        stored = {"labels": _classes(labels, "labels"), "predicted": _classes(predicted, "predictions")}
        if stored["labels"].shape != stored["predicted"].shape or stored["labels"].ndim != 1:
            shapes = f"{stored['labels'].shape} and {stored['predicted'].shape}"
            raise ValueError(
                f"labels and predictions of set '{name}' have shapes {shapes}; they must pair up"
            )
        if probabilities is not None:
            stored["probabilities"] = np.asarray(probabilities, np.float32)
            if stored["probabilities"].shape[:1] != stored["labels"].shape:
                raise ValueError(f"probabilities of set '{name}' do not pair up with its labels")
        self.prediction_sets[name] = stored

    def record(
        self,
        name: str,
        value: ArrayLike,
        *,
        unit: str = "",
        kind: Kind = "accuracy",
        better: Direction = "none",
    ) -> None:
        """Record a metric that cannot be scored from predictions, e.g. stored bytes or a loss over training.

        A value that is not finite is kept out and named among the run's problems: it can never pass.

        Parameters
        ----------
        name : str
            Metric name.
        value : number or array
            In `unit`.
        unit, kind, better
            See `harness.records.Measured`.
        """
        plain = typing.cast("Value", np.asarray(value, np.float64).tolist())
        if not finite(plain):
            self.problems.append(f"metric '{name}' is not finite")
            return
        self.metrics[name] = Measured(value=plain, unit=unit, kind=kind, better=better)

    def identity(self, *checks: IdentityCheck) -> None:
        """Record numerical identities; one that does not hold fails the run."""
        for check in checks:
            if np.isfinite(check.error):
                self.identities.append(check)
            else:
                self.identities.append(
                    dataclasses.replace(check, error=sys.float_info.max, detail="error is not finite")
                )

    def figure(
        self,
        name: str,
        kind: typing.Literal["lines", "images", "heatmap", "scatter", "bars"],
        series: Mapping[str, ArrayLike],
        *,
        title: str,
        caption: str,
        x: str = "",
        y: str = "",
        rows: Sequence[str] = (),
        columns: Sequence[str] = (),
    ) -> None:
        """Store the arrays of a figure for the report; see `harness.records.Figure` for shapes by kind.

        Raises
        ------
        ValueError
            If the name was used.
        """
        if any(figure.name == name for figure in self.figures):
            raise ValueError(f"figure '{name}' was stored already")
        labels = tuple(series)
        self.arrays |= {f"{name}/{index}": np.asarray(series[label]) for index, label in enumerate(labels)}
        figure = Figure(
            name=name,
            kind=kind,
            title=title,
            caption=caption,
            x=x,
            y=y,
            series=labels,
            rows=tuple(rows),
            columns=tuple(columns),
        )
        self.figures.append(figure)


def _classes(values: ArrayLike, what: str) -> NDArray[np.uint8]:
    classes = np.asarray(values)
    if classes.dtype.kind not in "iu" or (classes.size and not 0 <= classes.min() <= classes.max() <= 255):
        raise ValueError(f"{what} must be whole numbers from 0 to 255, found dtype {classes.dtype}")
    return classes.astype(np.uint8)


def stage_metrics(stages: Iterable[StageResult]) -> dict[str, Measured]:
    """Turn stages into metrics ``<stage>.seconds``, ``.cpu_seconds``, ``.images_per_second``, ``.peak_bytes``, ``.above_imports_bytes``.

    ``total.*`` are the sum of times and the highest peaks over all stages but ``imports``; above imports means above the
    resident memory at the end of the stage ``imports``. Where peaks could not be read, memory metrics are absent.
    """
    done = list(stages)
    imported = next((stage.peak_bytes for stage in done if stage.name == "imports"), None)
    work = [stage for stage in done if stage.name != "imports"]
    metrics: dict[str, Measured] = {}
    for stage in work:
        metrics |= _one_stage(stage, imported)
    total = StageResult(
        name="total",
        seconds=sum(stage.seconds for stage in work),
        cpu_seconds=sum(stage.cpu_seconds for stage in work),
        peak_bytes=_highest(stage.peak_bytes for stage in work),
        device_allocated_bytes=_highest(stage.device_allocated_bytes for stage in work),
        device_reserved_bytes=_highest(stage.device_reserved_bytes for stage in work),
    )
    return metrics | _one_stage(total, imported)


def _highest(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return max(known, default=None)


def _one_stage(stage: StageResult, imported: int | None) -> dict[str, Measured]:
    def seconds(value: float) -> Measured:
        return Measured(value=value, unit="s", kind="runtime", better="lower")

    def size(value: int) -> Measured:
        return Measured(value=float(value), unit="B", kind="memory", better="lower")

    found = {"seconds": seconds(stage.seconds), "cpu_seconds": seconds(stage.cpu_seconds)}
    if stage.images is not None and stage.seconds > 0:
        rate = stage.images / stage.seconds
        found["images_per_second"] = Measured(value=rate, unit="1/s", kind="runtime", better="higher")
    if stage.peak_bytes is not None:
        found["peak_bytes"] = size(stage.peak_bytes)
        if imported is not None:
            found["above_imports_bytes"] = size(max(0, stage.peak_bytes - imported))
    if stage.device_allocated_bytes is not None:
        found["device_allocated_bytes"] = size(stage.device_allocated_bytes)
    if stage.device_reserved_bytes is not None:
        found["device_reserved_bytes"] = size(stage.device_reserved_bytes)
    return {f"{stage.name}.{metric}": measured for metric, measured in found.items()}
