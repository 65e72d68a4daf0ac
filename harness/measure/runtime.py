"""Wall and CPU time of stages, other processes' CPU use, and a fixed calibration kernel."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import psutil

Synchronise = Callable[[], None]


class Clock:
    """Wall and CPU seconds since its creation; the device is synchronised on both sides."""

    def __init__(self, synchronise: Synchronise) -> None:
        self._synchronise = synchronise
        synchronise()
        self._cpu = time.process_time()
        self._wall = time.perf_counter()

    def read(self) -> tuple[float, float]:
        """Return (wall, CPU) seconds; CPU counts every thread of this process."""
        self._synchronise()
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


class ForeignCpu:
    """CPU use of everything but this process and its children, over the stretches that are watched."""

    def __init__(self) -> None:
        self._wall = self._foreign = 0.0

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the body, e.g. one stage."""
        wall, foreign = time.perf_counter(), _busy_seconds() - _own_seconds()
        try:
            yield
        finally:
            self._wall += time.perf_counter() - wall
            self._foreign += _busy_seconds() - _own_seconds() - foreign

    def cores(self) -> float:
        """Return other processes' mean CPU use in cores; 0 below half a second in all, where clock ticks hide it."""
        return max(0.0, self._foreign / self._wall) if self._wall >= 0.5 else 0.0


def _own_seconds() -> float:
    """CPU seconds of this process and of the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    waiting = times.idle + getattr(times, "iowait", 0.0)
    # Linux counts guest time within user time already
    counted_twice = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - waiting - counted_twice)


def calibrate(repeats: int = 5) -> float:
    """Time a fixed mix of interpreter work and a float32 product; the fastest of `repeats`, in seconds.

    The same on every machine and version, so that two machines' or two days' times can be set in relation.
    """
    matrix = np.linspace(-1, 1, 256 * 256, dtype=np.float32).reshape(256, 256)
    fastest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        _ = sum(i * i for i in range(20_000))
        for _ in range(8):
            _ = matrix @ matrix
        fastest = min(fastest, time.perf_counter() - start)
    return fastest
