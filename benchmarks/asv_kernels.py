"""The kernels under asv: time and peak memory of each way, and how far the results differ.

asv runs every benchmark in a process of its own, so torch and TensorFlow never meet. The data is loaded once for all classes.
"""

from __future__ import annotations

import hashlib
import typing

from benchmarks import kernels, pairs
from harness.errors import MissingExtraError
from harness.measure import memory

if typing.TYPE_CHECKING:
    from benchmarks.pairs import Data, Pair

OURS, WAYS = ["ours"], ["ours", "plain"]


class _Kernel:
    """One kernel; asv sees its subclasses, such as `StackedLogreg` and `Im2col`, one for each name."""

    kernel: str
    version: str
    params: tuple[list[str]] = (WAYS,)
    param_names = ("way",)
    timeout = 600.0
    pair: Pair

    def __init_subclass__(cls) -> None:
        """Let results be incomparable when the kernel's body changed, and not when this file did."""
        cls.version = hashlib.sha256(kernels.body(cls.kernel).encode()).hexdigest()

    def setup_cache(self) -> Data:
        """Load the data, once for all kernels."""
        return pairs.load()

    def setup(self, data: Data, way: str = "ours") -> None:
        """Set a kernel up, or skip it (asv: n/a) where its framework is not installed."""
        try:
            self.pair = kernels.make(self.kernel, data)
        except MissingExtraError as error:
            raise NotImplementedError(str(error)) from error
        called = self.pair.way(way)
        if called is None:
            message = f"kernel {self.kernel} has no way called {way}"
            raise NotImplementedError(message)
        self.call = called

    def time_call(self, _: Data, way: str) -> None:  # noqa: ARG002 - asv passes what setup took
        """Time one call."""
        self.call()

    def peakmem_call(self, _: Data, way: str) -> None:  # noqa: ARG002
        """Measure the process's peak, imports and set-up included."""
        self.call()

    def track_added_bytes(self, _: Data, way: str) -> float:  # noqa: ARG002
        """Measure what one call adds to the memory that set-up left; not a number where the system does not tell."""
        memory.settle()
        before, reset = memory.resident_bytes(), memory.reset_peak()
        self.call()
        peak = memory.peak_bytes()
        return float(peak - before) if reset and peak is not None and before is not None else float("nan")

    def track_difference(self, _: Data, way: str) -> float:  # noqa: ARG002
        """Measure how far the results of both ways differ, or the one way's from what must hold."""
        return self.pair.difference()

    track_added_bytes.unit = "bytes"  # type: ignore[attr-defined]
    track_difference.unit = "largest difference"  # type: ignore[attr-defined]
    track_difference.params = (OURS,)  # type: ignore[attr-defined]


for _name in set(kernels.NAMES) - {"stacked_logreg_float32"}:
    _members = {
        "__module__": __name__,
        "kernel": _name,
        "params": (OURS if _name in kernels.JUDGING else WAYS,),
    }
    _class = "".join(map(str.capitalize, _name.split("_")))
    globals()[_class] = type(_class, (_Kernel,), _members)
