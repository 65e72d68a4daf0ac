"""Limits of a run, provoked for real: memory, and what temporary files are left."""

from __future__ import annotations

import os
import tempfile
import typing
from pathlib import Path

from harness import processes

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.conftest import Finished, Harness


def test_a_run_that_exceeds_its_memory_is_ended(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """A run above its limit is reported as out of memory with its peak, not repeated, and the rest goes on."""
    body = """
    import time

    def measure(run):
        if run.seed == 0:
            held = np.ones(2**26)
            time.sleep(600)
        guess(run)

    SCENARIO = declare(measure)
    """
    done = run_probe(body, "--seeds", "2", "--memory-limit", "400")
    assert done.code == 2
    ended, kept = harness.job("out")["results"]
    assert (ended["attempts"], kept["status"]) == (1, "ok")
    assert "out of memory" in ended["error"]
    peak = int(ended["error"].partition("it held ")[2].partition(" MiB")[0])
    assert 400 < peak < 900
    assert "--memory-limit" in ended["error"]


def test_a_child_counts_too(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """Memory that a run's child holds counts against the limit."""
    body = """
    import subprocess, sys

    def measure(run):
        subprocess.run([sys.executable, "-c", "held = b'x' * 2**29; import time; time.sleep(600)"])

    SCENARIO = declare(measure)
    """
    assert run_probe(body, "--memory-limit", "400").code == 2
    assert "out of memory" in harness.job("out")["results"][0]["error"]


def test_temporary_files_go_with_the_run(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """Each run has a folder for temporary files of its own, removed afterwards, also when the worker dies."""
    body = """
    import os, tempfile
    from pathlib import Path

    def measure(run):
        folder = Path(tempfile.mkdtemp())
        (folder / "big").write_bytes(b"x" * 1000)
        Path(f"was{run.seed}").write_text(tempfile.gettempdir())
        guess(run)
        if run.seed == 1:
            os._exit(3)

    SCENARIO = declare(measure)
    """
    assert run_probe(body, "--seeds", "2").code == 2
    was = [Path((harness.folder / f"was{seed}").read_text()) for seed in range(2)]
    assert was[0] != was[1]
    assert not any(folder.exists() for folder in was)


def test_only_its_own_folders_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that was not made for a run is never removed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    processes.remove_scratch(tmp_path)
    assert tmp_path.is_dir()
    with processes.scratch() as folder:
        (folder / "file").touch()
    assert not folder.exists()


def test_what_a_lost_machine_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old folder that nobody holds goes; one that is held, or new, or not a run's stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = ("harness-run-lost", "harness-run-new", "other")
    for name in names:
        (tmp_path / name).mkdir()
    with processes.scratch() as held:
        for folder in (tmp_path / "harness-run-lost", tmp_path / "other", held):
            os.utime(folder, (0, 0))
        with processes.scratch():
            assert held.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["harness-run-new", "other"]
