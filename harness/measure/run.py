"""What a scenario's `measure` function receives: it opens stages, stores predictions, records the rest."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import typing

import numpy as np

from harness.errors import unknown
from harness.measure import given, keeping, memory
from harness.measure.predicted import alignment, digest, pairs, sort, wrong_images
from harness.measure.runtime import Clock, ForeignCpu
from harness.measure.settings import Settings
from harness.measure.trace import since_start
from harness.measure.trajectory import Trajectories
from harness.records import (
    GIVEN,
    MOST,
    DatasetUse,
    Figure,
    IdentityCheck,
    Measured,
    Metric,
    RunRequest,
    StageResult,
    finite,
)
from harness.records.metrics import find

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from harness.records import Value


class Device(typing.Protocol):
    """How stages wait for, and ask about, an accelerator."""

    def synchronise(self) -> None:
        """Wait until queued work is done."""

    def reset_peak(self) -> None:
        """Make the memory in use now the peak."""

    def peak_bytes(self) -> tuple[int | None, int | None]:
        """Highest (allocated, reserved) bytes since the reset."""


class StageCounter(typing.Protocol):
    """What counts the work of stages: `harness.measure.work.Work`."""

    def stage(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Count the body as a stage of its own."""
        ...


RESERVED_STAGES = ("", "imports", "total")


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
        `harness.data.load`.
    device : Device
        The accelerator, or a stand-in that does nothing.
    work : StageCounter, optional
        Counts the work of each stage; a run that is measured has none.
    settings : callable
        Reads how the frameworks are set, `harness.machine.environment.numerics`; asked at the end of each stage.
    threads : callable
        Reads how many threads each library's pool has, `harness.machine.environment.thread_pools`; asked at the end of each stage.
    earlier : Kept, optional
        What earlier attempts at this run finished; nothing is kept for a later one without it.
    declared : sequence of Metric
        What the scenario declares that it records.
    """

    def __init__(
        self,
        request: RunRequest,
        options: Mapping[str, typing.Any],
        load: Callable[[str], typing.Any],
        device: Device,
        work: StageCounter | None = None,
        settings: Callable[[], Mapping[str, str]] = dict,
        threads: Callable[[], Mapping[str, int]] = dict,
        earlier: keeping.Kept | None = None,
        declared: Sequence[Metric] = (),
    ) -> None:
        self.request = request
        self.options = dict(options)
        self.stages: list[StageResult] = []
        self.metrics: dict[str, Measured] = {}
        self.identities: list[IdentityCheck] = []
        self.figures: list[Figure] = []
        self.arrays: dict[str, NDArray[typing.Any]] = {}
        self.prediction_sets: dict[str, dict[str, NDArray[typing.Any]]] = {}
        self.weights: dict[str, str] = {}
        self.shared_weights = given.Weights(request)
        self.settings = Settings(settings)
        self.datasets: dict[str, DatasetUse] = {}
        self.problems: list[str] = []
        self.uncounted: tuple[str, ...] = ()
        self.trajectories = Trajectories()
        self.resumed: list[str] = []
        self.foreign_cpu = ForeignCpu()
        self._load = load
        self._device = device
        self._work = work
        self._open_stage = ""
        self._threads, self._threads_before = threads, dict(threads())
        self._earlier = earlier or keeping.Kept()
        self._declared = declared

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

    @property
    def within(self) -> str:
        """Name of the stage that is open; empty if none is."""
        return self._open_stage

    def dataset(self, name: str) -> typing.Any:  # noqa: ANN401 - the data layer lies above this one
        """Load a data set and note how it was found.

        Parameters
        ----------
        name : str
            mnist-excerpt, kmnist-excerpt, mnist or kmnist.

        Returns
        -------
        harness.data.Dataset
            ``train`` and ``test``, each with ``images`` uint8 (n, 28, 28) and ``labels`` uint8 (n,).
        """
        loaded = self._load(name)
        self.datasets[name] = loaded.use
        return loaded

    def keeper(self, name: str, seconds: float = 0.0) -> keeping.Keeper:
        """Return where something long keeps what it has so far, to go on from there if this run has to be done again.

        Parameters
        ----------
        name : str
            A plain file name, unique within the run.
        seconds : float
            How long to wait between two writes.

        Notes
        -----
        A run that used what an earlier attempt kept says so: its total time and memory are not known, nor are those
        of the stage that was open, and its other times are never judged.
        """
        return keeping.Keeper(
            self._earlier, name, seconds, lambda: self.resumed.append(self._open_stage or name)
        )

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
            If a stage is open already, or the name is empty, reserved or was used.
        """
        if self._open_stage:
            raise ValueError(f"stage '{name}' opened within stage '{self._open_stage}'; stages do not nest")
        if name in RESERVED_STAGES:
            raise ValueError(f"a stage cannot be called '{name}'; the harness's own metrics have that name")
        if any(done.name == name for done in self.stages):
            raise ValueError(f"stage '{name}' was measured already; give each stage a name of its own")
        self._open_stage = name
        handle = Stage()
        handle.images = images
        memory.settle()
        resets = memory.reset_peak()
        self._device.reset_peak()
        start, began = memory.resident_bytes(), since_start()
        counting = self._work.stage(name) if self._work else contextlib.nullcontext()
        try:
            with counting:
                clock = Clock(self._device.synchronise)
                yield handle
                wall, cpu = clock.read()
        finally:
            self._open_stage = ""
        if name in self.resumed:
            return  # the rest of it was measured, which would pass for all of it
        allocated, reserved = self._device.peak_bytes()
        self.stages.append(
            StageResult(
                name=name,
                seconds=wall,
                cpu_seconds=cpu,
                start_bytes=start,
                peak_bytes=memory.peak_bytes() if resets else None,
                began_seconds=began,
                images=handle.images,
                device_allocated_bytes=allocated,
                device_reserved_bytes=reserved,
                threads_changed=self._threads_changed(),
            )
        )
        self.settings.note(name)

    def _threads_changed(self) -> dict[str, int]:
        """Return the pools whose number of threads the code has set to another than asked for; what a library chose itself stays out."""
        usual = self._threads_before
        return {
            name: count
            for name, count in self._threads().items()
            if count not in {self.request.threads, usual.get(name)}
        }

    def predictions(
        self,
        labels: ArrayLike,
        predicted: ArrayLike,
        *,
        probabilities: ArrayLike | None = None,
        name: str = "test",
        indices: tuple[ArrayLike, ArrayLike] | None = None,
        images: ArrayLike | None = None,
        weights: Iterable[ArrayLike] | None = None,
    ) -> None:
        """Store labels and predictions of the same images, rows, texts or signals, in the same order, to be scored after the run.

        Parameters
        ----------
        labels : array
            What is true decides what is predicted: integers (n,), classes from 0 to 255; integers or booleans (n, k), 1 where a row has a
            label; floating numbers (n,) or (n, k), real values.
        predicted : array
            Of the same kind and shape. Where labels are no real values, floating numbers of shape (n, classes) or (n, k) are taken as
            probabilities: the largest, or each of at least one half, is predicted.
        probabilities : floats of shape (n, classes) or (n, k), optional
            For the loss, and for scores that need them.
        name : str
            Name of the set; ``test`` is the one whose metrics have plain names.
        indices : two integer arrays of shape (n,), optional
            Which image each label belongs to, and which each prediction. Where a pipeline knows both, the
            identity ``<name>.alignment`` says whether every pair is of one image.
        images : uint8 array of shape (n, h, w) or (n, h, w, 3), optional
            The images; the first 200 that are predicted wrongly are kept, for the report.
        weights : iterable of arrays, optional
            All that was learned and made these predictions; only their hash is kept. Where it is another run's too, a gate
            holds both against each other image by image. Give them outside stages.

        Raises
        ------
        ValueError
            If labels and predictions differ in length or kind, there are none, classes lie outside 0 to 255, real values are not finite,
            probabilities are no distributions, images are no such array, weights hold anything but numbers, or the name was used.

        Notes
        -----
        Probabilities that are not finite, as a diverged training gives, are kept out and named among the
        run's problems: its predictions are scored, its loss is missing.
        """
        if name in self.prediction_sets:
            raise ValueError(f"prediction set '{name}' was stored already")
        stored = pairs(labels, predicted, probabilities, name)
        if "probabilities" in stored and not np.isfinite(stored["probabilities"]).all():
            del stored["probabilities"]
            self.problems.append(f"probabilities of set '{name}' are not finite: it has no loss")
        if indices is not None:
            self.identity(alignment(*indices, len(stored["labels"]), name))
        if images is not None:
            if sort(stored) != "classes":
                raise ValueError(
                    f"images of set '{name}' are kept where a class is wrong, and it holds {sort(stored)}"
                )
            stored |= wrong_images(images, stored["labels"], stored["predicted"], name)
        if weights is not None:
            self.weights[name] = digest(self.shared_weights.keep(name, weights), name)
        self.prediction_sets[name] = stored

    def predict_given(
        self, predict: Callable[[list[NDArray[typing.Any]]], ArrayLike], name: str = "test"
    ) -> None:
        """Predict a stored set's images with another run's weights, if the run was given some; call it outside stages.

        Parameters
        ----------
        predict : callable
            Takes arrays as `predictions` was given them for the set; returns the class of each image, (n,) integers.
        name : str
            The set; what is predicted becomes the set ``<name>-given``.
        """
        arrays = self.shared_weights.given(name)
        if arrays is not None:
            labels = self.prediction_sets[name]["labels"]
            self.predictions(labels, predict(arrays), name=f"{name}{GIVEN}", weights=arrays)

    def record(self, name: str, value: ArrayLike) -> None:
        """Record a declared metric that cannot be scored from predictions, e.g. stored bytes or a loss over training.

        A value that is not finite, or whose square would not be, is kept out and named among the run's problems: it can
        never pass. The same value may be recorded again, another one may not.

        Parameters
        ----------
        name : str
            Metric that the scenario declares in `metrics`.
        value : number or array
            In the declared unit.

        Raises
        ------
        UnknownNameError
            If the scenario declares no such metric, with the nearest name.
        ValueError
            If the name was recorded with another value, or is one that the harness scores.
        """
        metric = find(self._declared, name)
        if metric is None:
            raise unknown("metric", name, (declared.name for declared in self._declared))
        if metric.score:
            raise ValueError(
                f"metric '{name}' is scored from the predictions after the run, and cannot be recorded"
            )
        plain = typing.cast("Value", np.asarray(value, np.float64).tolist())
        if not finite(plain):
            self.problems.append(f"metric '{name}' is not finite, or beyond {MOST:g}")
            return
        measured = Measured.of(metric, plain)
        if self.metrics.setdefault(name, measured) != measured:
            raise ValueError(f"metric '{name}' was recorded already, as {self.metrics[name]}")

    def trajectory(self, loss: ArrayLike, name: str = "train", *, dtype: str = "float32") -> None:
        """Follow a training: give every step's loss, or all of them at once. Only a run that counts its work looks at them.

        Parameters
        ----------
        loss : number or (n,) array
            Next losses of the training; a framework's tensor on any device too. The first 8 are kept.
        name : str
            The training, where a run has more than one.
        dtype : str
            Precision that the training is meant to compute in: float64, float32, float16 or bfloat16. How much losses may differ
            follows from it.

        Raises
        ------
        ValueError
            If the losses have more than one dimension, or `dtype` is unknown or another one than before.
        """
        if self._work is not None:
            problem = self.trajectories.add(name, loss, dtype)
            self.problems += [problem] if problem else []

    def identity(self, *checks: IdentityCheck) -> None:
        """Record numerical identities; one that does not hold fails the run."""
        for check in checks:
            if np.isfinite(check.error) and np.isfinite(check.tolerance):
                self.identities.append(check)
                continue
            # JSON has no infinity: the largest number and no tolerance stand for it, and do not hold
            told = f"error {check.error} or tolerance {check.tolerance} is not finite"
            broken = dataclasses.replace(check, error=sys.float_info.max, tolerance=0.0, detail=told)
            self.identities.append(broken)

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
            If the name was used, or a series holds anything but numbers.
        """
        if any(figure.name == name for figure in self.figures):
            raise ValueError(f"figure '{name}' was stored already")
        arrays = {f"{name}/{index}": np.asarray(values) for index, values in enumerate(series.values())}
        if any(array.dtype.kind not in "biuf" for array in arrays.values()):
            raise ValueError(f"figure '{name}' has a series that is no array of numbers")
        self.arrays |= arrays
        figure = Figure(
            name=name,
            kind=kind,
            title=title,
            caption=caption,
            x=x,
            y=y,
            series=tuple(series),
            rows=tuple(rows),
            columns=tuple(columns),
        )
        self.figures.append(figure)
