"""Limits of containers, and users without a home."""

from __future__ import annotations

import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from harness.cli import plan
from harness.data import cache
from harness.errors import StorageError
from harness.machine import containers
from tests.conftest import TIME_LIMIT

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("own", "files", "found"),
    [
        ("0::/\n", {}, (None, None)),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/b/cpu.max": "max 100000\n"}, (None, None)),
        ("0::/a/b\n", {"a/b/memory.max": "2000\n", "a/memory.max": "1000\n", "memory.max": "max\n"}, (1000, None)),
        ("0::/a\n", {"a/cpu.max": "150000 100000\n"}, (None, 1.5)),
        ("0::/\n", {"memory.max": "4096\n", "cpu.max": "200000 100000\n"}, (4096, 2.0)),
    ],
)  # fmt: skip
def test_limits_of_control_groups(
    tmp_path: Path, own: str, files: dict[str, str], found: tuple[typing.Any, ...]
) -> None:
    """The tightest limit of the group and those above it; what limits nothing is none."""
    write(tmp_path, {**{f"root/{name}": text for name, text in files.items()}, "own": own})
    allowed = containers.allowance(tmp_path / "root", tmp_path / "own")
    assert (allowed.memory_bytes, allowed.cores) == found


def write(root: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    """Where the kernel tells none there is no limit."""
    assert containers.allowance(tmp_path, tmp_path / "none") == containers.Allowance()


def test_what_is_left_of_a_limit(tmp_path: Path) -> None:
    """Of memory within the limit, cached files that the kernel can drop are free; processes that it ended are counted."""
    write(
        tmp_path,
        {
            "own": "0::/a\n", "root/a/memory.max": "1000\n", "root/a/memory.current": "900\n", "root/memory.max": "5000\n",
            "root/memory.current": "4700\n", "root/a/memory.stat": "anon 600\ninactive_file 300\n",
            "root/a/memory.events": "low 0\noom 3\noom_kill 2\n",
        },
    )  # fmt: skip
    assert containers.allowance(tmp_path / "root", tmp_path / "own") == containers.Allowance(
        memory_bytes=1000, memory_left=300, killed=2
    )


def test_a_plan_goes_by_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a container may still use is the memory that is free, however much the machine has."""
    monkeypatch.setattr(containers, "allowance", lambda: containers.Allowance(memory_left=5 << 20))
    assert any("memory unknown of 5 MiB free" in line for line in plan._whole([]))


HOMELESS = """
import os, sys
import filelock, platformdirs
from harness.data import cache
os.setgroups([]); os.setgid(54321); os.setuid(54321)
for name in ("HOME", "XDG_CACHE_HOME", "HARNESS_CACHE"):
    os.environ.pop(name, None)
os.environ.update(dict(word.split("=", 1) for word in sys.argv[1:]))
print(cache.cache_folder())
with cache.machine_lock("x.lock"):
    print(*cache.cache_folder().iterdir())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="NOT RUN: only root can become an unknown user")
@pytest.mark.parametrize("home", [(), ("HOME=/",), ("HOME=/nonexistent",), ("HOME=/root",)])
def test_a_user_without_a_home(home: tuple[str, ...]) -> None:
    """An unknown user, one without a home, and one whose home cannot be written get a folder of their own."""
    command = [sys.executable, "-c", HOMELESS, *home]
    done = subprocess.run(
        command, cwd="/", env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, timeout=TIME_LIMIT, check=True
    )  # fmt: skip
    folder = Path("/tmp/report-harness-54321")  # noqa: S108
    assert done.stdout.splitlines() == [str(folder), str(folder / "x.lock")]
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "x.lock").unlink()
    folder.rmdir()


def test_a_temporary_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that others can enter might be anybody's: the variable to set is named."""
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54322)
    folder = Path("/tmp/report-harness-54322")  # noqa: S108
    folder.mkdir()
    folder.chmod(0o777)
    try:
        with pytest.raises(StorageError, match=r"is open to other users\. Set HARNESS_CACHE"):
            cache.cache_folder()
    finally:
        folder.rmdir()
