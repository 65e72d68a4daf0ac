"""Counts of work, by stage and in total: optimiser steps, samples, FLOPs, stored bytes; no clock, no noise.

No worker that measures imports this module. What cannot be counted is said in `Run.uncounted`, and no zero stands for it.
docs/work.md says by which means each count is taken.
"""

from __future__ import annotations

import collections
import contextlib
import sys
import typing

import numpy as np

from harness.measure.predicted import SHOWN
from harness.measure.work_keras import KerasWork
from harness.measure.work_torch import TorchWork

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from harness.measure.run import Run
    from harness.records import Measured

    Counts = dict[str, int]

PREFIX = "work."
"""What the name of every count begins with: ``work.<stage>.<count>``, ``work.<name>`` of what a scenario records itself."""
COUNTS = ("optimiser_steps", "samples", "flops")
"""What a stage's work is counted in."""
NO_COUNTER = {
    "tensorflow": "TensorFlow: FLOPs are not counted",
    "jax": "JAX: FLOPs are not counted",
}
ALWAYS = (
    "NumPy and SciPy: no FLOPs, steps or samples, but what the scenario itself records of kind work",
    "code outside stages, and child processes: not counted",
)


class FrameworkCounter(typing.Protocol):
    """Counts one framework's work from its creation until it is closed."""

    def read(self) -> Counts:
        """Return the counts so far."""
        ...

    def uncounted(self) -> list[str]:
        """Say what this counter could not see."""
        ...

    def close(self) -> None:
        """Take every hook out again."""
        ...


class Work:
    """Counts the work of a run's stages, between entering and leaving it."""

    def __init__(self) -> None:
        self._frameworks: dict[str, FrameworkCounter] = {}
        self._keras: KerasWork | None = None
        self._late: list[str] = []
        self._stages: dict[str, Counts] = {}

    def __enter__(self) -> typing.Self:
        self._attach()
        return self

    def __exit__(self, *exception: object) -> None:
        for counter in self._frameworks.values():
            counter.close()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the body as a stage of its own."""
        self._attach()
        before = self._read()
        yield
        after = self._read()
        self._stages[name] = {count: after[count] - before[count] for count in before}
        self._late += [
            f"{library}: not counted in stage '{name}', which imported it" for library in self._new()
        ]

    def _new(self) -> list[str]:
        # a module can be None there: Keras's backends hide TensorFlow so
        loaded = (name for name in ("keras", "torch") if sys.modules.get(name) is not None)
        return [name for name in loaded if name not in self._frameworks]

    def _attach(self) -> None:
        """Begin to count in frameworks that were imported since; Keras first, as torch asks whether it is at work."""
        for name in self._new():
            if name == "keras":
                self._keras = self._frameworks[name] = KerasWork()
            else:
                self._frameworks[name] = TorchWork(lambda: self._keras is not None and self._keras.active)

    def _read(self) -> Counts:
        """Sum the counts over the counters that there are; what none of them counts is absent, not 0."""
        summed = collections.Counter[str]()
        for counter in self._frameworks.values():
            summed.update(counter.read())
        return dict(summed)

    def record(self, run: Run) -> None:
        """Record ``work.<stage>.<count>``, ``work.total.<count>`` and ``work.stored_bytes`` in a run that has ended.

        The total is the sum of the stages, as that of the times is: what a scenario does outside them (a cache that the
        first run fills) may differ from run to run. What the scenario itself recorded of kind work (steps and epochs of a
        pipeline in NumPy) becomes a count too: no direction is better, it is the protocol.
        """
        size = stored_bytes(run.prediction_sets, run.metrics)
        declared = {name: metric.value for name, metric in run.metrics.items() if metric.kind == "work"}
        total = collections.Counter[str]()
        for counts in self._stages.values():
            total.update(counts)
        for stage, counts in {**self._stages, "total": total}.items():
            for name in (count for count in COUNTS if count in counts):
                run.record(f"{PREFIX}{stage}.{name}", counts[name])
        run.record(f"{PREFIX}stored_bytes", size)
        for name, value in declared.items():
            if f"{PREFIX}{name}" not in run.metrics and not isinstance(value, list):
                run.record(f"{PREFIX}{name}", value)
        uncounted = [line for counter in self._frameworks.values() for line in counter.uncounted()]
        # Keras imports frameworks that it does not compute with
        loaded = {run.backend} if self._keras else {run.backend, *sys.modules}
        uncounted += [line for name, line in NO_COUNTER.items() if name in loaded]
        run.uncounted = (*uncounted, *self._late, *ALWAYS)


def stored_bytes(
    predictions: Mapping[str, Mapping[str, NDArray[typing.Any]]], metrics: Mapping[str, Measured]
) -> float:
    """Bytes of what a run stores: its prediction arrays, and every size in bytes that it recorded, each once.

    Pictures of wrong predictions are left out: a worse run is no more work.
    """
    every = (part for stored in predictions.values() for part in stored.items())
    arrays = sum(array.nbytes for name, array in every if name not in SHOWN)
    sizes = [metric.value for metric in metrics.values() if metric.kind == "size" and metric.unit == "B"]
    return float(arrays + sum(float(np.sum(size)) for size in sizes))
