"""Wall and CPU time of stages, other processes' CPU use, and a fixed calibration kernel."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

import numpy as np
import psutil

from harness.machine import processes

Synchronise = Callable[[], None]


class Clock:
    """Wall and CPU seconds since its creation; the device is synchronised on both sides."""

    def __init__(self, synchronise: Synchronise) -> None:
        self._synchronise = synchronise
        synchronise()
        self._others = _other_seconds()
        self._cpu = time.process_time()
        self._wall = time.perf_counter()

    def read(self) -> tuple[float, float]:
        """Return (wall, CPU) seconds; CPU counts every thread of this process and of its helper processes."""
        self._synchronise()
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return wall, cpu + max(0.0, _other_seconds() - self._others)


class ForeignCpu:
    """CPU use of everything but this process and its children, since the creation of this object."""

    def __init__(self) -> None:
        self._wall, self._foreign = time.perf_counter(), _busy_seconds() - _own_seconds()

    def cores(self) -> float | None:
        """Return other processes' mean CPU use in cores; None within the first ticks of the machine's clock, which hide it."""
        # the machine counts in ticks, at the start and at the end: so much may be this process's own
        unsure = 2 / os.sysconf("SC_CLK_TCK")
        wall = time.perf_counter() - self._wall
        foreign = _busy_seconds() - _own_seconds() - self._foreign
        return max(0.0, (foreign - unsure) / wall) if wall > unsure else None


def _own_seconds() -> float:
    """CPU seconds of this process and of its helper processes."""
    times = os.times()
    return times.user + times.system + _other_seconds()


def _other_seconds() -> float:
    """CPU seconds of the helper processes of this one (joblib, spawn, DataLoader): those that it has waited for, and those that run.

    Those that run belong to the session that a worker leads; a process that leads none, as in a notebook, counts only what it has waited for.
    """
    times = os.times()
    seconds = times.children_user + times.children_system
    if os.getsid(0) != os.getpid():
        return seconds
    for pid in processes.members(os.getpid()):
        with contextlib.suppress(psutil.Error):
            if pid != os.getpid():
                seconds += sum(psutil.Process(pid).cpu_times()[:4])
    return seconds


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
