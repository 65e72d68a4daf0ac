"""Limits of a run, provoked for real: memory, and what temporary files are left."""

from __future__ import annotations

import os
import tempfile
import typing
from pathlib import Path

import psutil
import pytest

from harness.machine import processes

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished, Harness

pytestmark = pytest.mark.slow


def test_a_run_that_exceeds_its_memory_is_ended(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """A run above its limit, with its children, is reported as out of memory with its peak, not repeated, and the rest goes on."""
    body = """
    import subprocess, sys

    def measure(run):
        if run.seed == 0:
            subprocess.run([sys.executable, "-c", "held = b'x' * 2**29; import time; time.sleep(600)"])
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
    processes.remove_scratch(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["harness-run-new", "other"]


@pytest.mark.parametrize("detached", [False, True])
def test_a_process_that_outlives_its_run_is_named_and_ended(
    run_probe: Callable[..., Finished], harness: Harness, *, detached: bool
) -> None:
    """What a run leaves running makes it an error with the command, also from a session of its own; other runs go on."""
    body = f"""
    import subprocess, sys, tempfile
    from pathlib import Path

    def measure(run):
        guess(run)
        (Path(tempfile.mkdtemp()) / "big").write_bytes(b"x" * 1000)
        Path(f"was{{run.seed}}").write_text(tempfile.gettempdir())
        print("x" * 10**6)
        if run.seed == 1:
            left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(601)"], start_new_session={detached})
            open("left", "w").write(str(left.pid))

    SCENARIO = declare(measure)
    """
    done = run_probe(body, "--seeds", "3")
    assert done.code == 2
    assert len(done.out + done.err) < 5000
    first, second, third = harness.job("out")["results"]
    assert (first["status"], second["status"], third["status"]) == ("ok", "error", "ok")
    assert second["attempts"] == 1
    assert "left 1 process running" in second["error"]
    assert "time.sleep(601)" in second["error"]
    # each run had a folder for temporary files of its own, which went with it
    was = {Path((harness.folder / f"was{seed}").read_text()) for seed in range(3)}
    assert len(was) == 3
    assert not any(folder.exists() for folder in was)
    left = int((harness.folder / "left").read_text())
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE


def test_a_helper_that_ends_with_its_run_is_no_leftover(run_probe: Callable[..., Finished]) -> None:
    """A process that sees its run end, and ends too, is waited for: multiprocessing has such helpers."""
    body = """
    import multiprocessing, os, subprocess, sys

    def measure(run):
        guess(run)
        multiprocessing.get_context("spawn").Semaphore(1)
        reading, writing = os.pipe()
        os.set_inheritable(reading, True)
        wait = "import sys, time; sys.stdin.read(); time.sleep(0.3)"
        subprocess.Popen([sys.executable, "-c", wait], stdin=reading)

    SCENARIO = declare(measure)
    """
    done = run_probe(body)
    assert done.code == 0, done.out + done.err


def test_what_a_run_still_holds_at_its_end_is_measured(
    run_probe: Callable[..., Finished], harness: Harness
) -> None:
    """Memory that a run leaves behind counts, though a stage's passing peak was higher; what it freed does not."""
    body = """
    KEPT = []

    def measure(run):
        with run.stage("work"):
            passing = np.ones(2**23)
            del passing
            if run.seed == 1:
                KEPT.append(np.ones(2**20))
        guess(run)

    SCENARIO = declare(measure)
    """
    assert run_probe(body, "--seeds", "2").code == 0
    clean, leaking = (result["metrics"] for result in harness.job("out")["results"])
    grown = leaking["total.left_bytes"]["value"] - clean["total.left_bytes"]["value"]
    assert grown == pytest.approx(8 * 2**20, abs=2**20)
    assert clean["total.above_imports_bytes"]["value"] > 60 * 2**20
    assert clean["total.left_bytes"]["value"] < 8 * 2**20
