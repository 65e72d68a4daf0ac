"""Resident memory of this process, stage by stage.

`ru_maxrss` is inherited from the parent on Linux and never falls, so peaks come from ``VmHWM``, reset before
each stage through ``/proc/self/clear_refs`` (proc(5)). Freed memory is returned first by ``malloc_trim``;
without it a stage would start from its predecessor's peak.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import typing
from pathlib import Path

if typing.TYPE_CHECKING:
    from collections.abc import Callable

LEFT = "total.left_bytes"
"""Metric: resident memory above imports after the run, collected and trimmed."""
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@functools.cache
def _trimmer() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except AttributeError:  # musl has no malloc_trim
        return None
    return trim


def _status_bytes(field: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:  # no /proc
        return None
    for line in lines:
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None


def settle() -> None:
    """Collect garbage and return freed memory to the system."""
    gc.collect()
    trim = _trimmer()
    if trim is not None:
        trim(0)


def resident_bytes() -> int | None:
    """Resident memory now, in bytes; None where the system does not tell."""
    return _status_bytes("VmRSS")


def reset_peak() -> bool:
    """Make the present resident memory the peak; False where that is not possible."""
    try:
        _CLEAR_REFS.write_text("5")
    except OSError:
        return False
    return True


def peak_bytes() -> int | None:
    """Highest resident memory since the last reset, in bytes; None where the system does not tell."""
    return _status_bytes("VmHWM")
