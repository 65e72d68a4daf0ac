"""Resident memory over a run's time, looked at from outside: the worker is neither stopped nor asked."""

from __future__ import annotations

import contextlib
import os
import time

import psutil

from harness.machine import processes
from harness.records import MemoryTrace

STARTED = "HARNESS_STARTED"
"""Environment variable: when the runner started the worker, by the clock that all processes of a machine share, seconds."""
INTERVAL = 0.05
"""Seconds between two looks at the beginning of a run."""
MOST_SAMPLES = 120
"""Samples that are kept, however long a run is: when they are this many, of each two the higher one stays."""


class Watch:
    """Samples the resident memory of a process and of its helpers, ever less often, so that a run of hours leaves no more than one of seconds.

    A look lists the machine's processes: about 0.2 ms of another core, twenty times a second at most. It takes no lock of the watched process
    and does not touch its peak. At most `most` samples are kept, an even number.
    """

    def __init__(self, most: int = MOST_SAMPLES) -> None:
        self.started, self.interval = time.monotonic(), INTERVAL
        self._most = most
        self._samples: list[tuple[float, int, int]] = []

    def __call__(self, pid: int) -> float:
        """Sample a process; return the seconds until the next look. One that has ended is passed over."""
        with contextlib.suppress(psutil.Error):
            resident = psutil.Process(pid).memory_info().rss
            self.note(time.monotonic() - self.started, resident, processes.helper_bytes(pid))
        return self.interval

    def note(self, seconds: float, resident: int, helpers: int = 0) -> None:
        """Keep a sample; nothing of a process that has just ended, which holds nothing."""
        if not resident:
            return
        self._samples.append((round(seconds, 3), resident, helpers))
        if len(self._samples) >= self._most:
            pairs = zip(self._samples[::2], self._samples[1::2], strict=True)
            self._samples = [
                (*max(pair, key=lambda sample: sample[1])[:2], max(sample[2] for sample in pair))
                for pair in pairs
            ]
            self.interval *= 2

    def trace(self) -> MemoryTrace | None:
        """Return what was seen; None if nothing was."""
        if not self._samples:
            return None
        seconds, resident, helpers = zip(*self._samples, strict=True)
        return MemoryTrace(
            seconds=seconds, resident_bytes=resident, helper_bytes=helpers if any(helpers) else ()
        )


def since_start() -> float | None:
    """Return the seconds since the runner started this process; None where no runner did."""
    started = os.environ.get(STARTED)
    return None if started is None else round(time.monotonic() - float(started), 3)
