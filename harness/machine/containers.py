"""What the control groups of this process (those of a container, or of a job of a cluster) allow, in version 2."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What may be used."""

    memory_bytes: int | None = None
    """Least limit of memory, bytes; None without one."""
    memory_left: int | None = None
    """Bytes that may still be used within the limits; cached files that the kernel can drop count as free."""
    cores: float | None = None
    """Least limit of CPU, cores; None without one."""
    killed: int = 0
    """How many processes the kernel has ended because a limit of memory was reached."""


def allowance(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Allowance:
    """Return what the control groups that are mounted at `root` allow; `own` holds the process's own group, a line ``0::/path``."""
    path = next((line[3:] for line in _lines(own) if line.startswith("0::")), "/")
    below = Path(path.lstrip("/"))
    limits: list[int] = []
    left: list[int] = []
    cores: list[float] = []
    killed = 0
    # a group's folder and those above it: each may limit it
    for folder in (root / part for part in (below, *below.parents)):
        events, used = _table(folder / "memory.events"), _table(folder / "memory.stat")
        killed = max(killed, events.get("oom_kill", 0))
        for limit in _numbers(folder / "memory.max"):
            held = sum(_numbers(folder / "memory.current")) - used.get("inactive_file", 0)
            limits.append(limit)
            left.append(max(0, limit - held))
        match _numbers(folder / "cpu.max"):
            case [quota, period]:
                cores.append(quota / period)
    return Allowance(
        memory_bytes=min(limits, default=None),
        memory_left=min(left, default=None),
        cores=min(cores, default=None),
        killed=killed,
    )


def usable_cores() -> float:
    """Return how many cores this process may use: those that it is bound to, within the limit of its control groups."""
    bound = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(float(bound), allowance().cores or bound)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:  # no control groups, or not this controller
        return []


def _numbers(file: Path) -> list[int]:
    """Return the numbers in a file of the kernel; none where it says ``max`` or is not there."""
    words = " ".join(_lines(file)).split()
    return [int(word) for word in words] if words and words[0] != "max" else []


def _table(file: Path) -> dict[str, int]:
    """Return a file of the kernel that holds a name and a number a line."""
    return {name: int(number) for name, number in (line.split() for line in _lines(file))}
