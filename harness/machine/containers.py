"""What the control groups of this process (those of a container, or of a job of a cluster) allow, in versions 1 and 2."""

from __future__ import annotations

import dataclasses
import os
import sys
import typing
from pathlib import Path

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

_UNLIMITED = 2**60
"""From here on a limit of memory, bytes, is none: version 1 of control groups writes a huge number instead."""


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
    """Return what the control groups of this process allow.

    Parameters
    ----------
    root : Path
        Where control groups are mounted: version 2, or version 1 with a folder a controller.
    own : Path
        The process's own groups.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:  # no control groups: macOS, or none mounted
        return Allowance()
    limits: list[tuple[int, int]] = []
    cores: list[float] = []
    killed = 0
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for folder in _with_parents(root / controllers if controllers else root, path):
            found = (*_numbers(folder / "memory.max"), *_numbers(folder / "memory.limit_in_bytes"))
            limits += [(limit, max(0, limit - _used(folder))) for limit in found if limit < _UNLIMITED]
            cores += _share(_numbers(folder / "cpu.max"))
            cores += _share(_numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us"))
            events = _table(folder / "memory.events") | _table(folder / "memory.oom_control")
            killed = max(killed, events.get("oom_kill", 0))
    return Allowance(
        memory_bytes=min((limit for limit, _ in limits), default=None),
        memory_left=min((left for _, left in limits), default=None),
        cores=min(cores, default=None),
        killed=killed,
    )


def usable_cores() -> float:
    """Return how many cores this process may use: those that it is bound to, within the limit of its control groups."""
    bound = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(float(bound), allowance().cores or bound)


def _used(folder: Path) -> int:
    """Return the bytes that a group uses and the kernel cannot drop."""
    used = sum(_numbers(folder / "memory.current") + _numbers(folder / "memory.usage_in_bytes"))
    table = _table(folder / "memory.stat")
    return used - table.get("total_inactive_file", table.get("inactive_file", 0))


def _with_parents(root: Path, path: str) -> list[Path]:
    """List a group's folder and those above it, up to the root: each may limit it."""
    below = Path(path.lstrip("/"))
    return [root / part for part in (below, *below.parents)]


def _numbers(file: Path) -> list[int]:
    """Return the numbers in a file of the kernel; none where it says ``max`` or is not there."""
    try:
        words = file.read_text().split()
    except OSError:
        return []
    return [int(word) for word in words] if words and words[0] != "max" else []


def _table(file: Path) -> dict[str, int]:
    """Return a file of the kernel that holds a name and a number a line."""
    try:
        lines = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdecimal()}


def _share(numbers: Sequence[int]) -> list[float]:
    """Return quota over period as cores; a quota of -1 is none."""
    return [numbers[0] / numbers[1]] if len(numbers) == 2 and numbers[0] > 0 and numbers[1] > 0 else []
