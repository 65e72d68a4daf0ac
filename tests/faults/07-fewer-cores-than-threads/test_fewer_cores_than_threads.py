"""uxlfoundation/oneTBB#190, kubernetes/kubernetes#67577: more threads than the cores that a container or a binding leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import typing

import pytest

from harness.machine import containers
from tests.conftest import TIME_LIMIT

if typing.TYPE_CHECKING:
    from tests.conftest import Harness


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("taskset") is None, reason="NOT RUN: taskset is not installed")
def test_threads_that_share_a_core_are_said(harness: Harness) -> None:
    """A run, and its plan, bound to one core say that two threads share it and what to type; with one thread nothing is said."""
    name = harness.scenario("SCENARIO = declare(guess)")
    core = str(min(os.sched_getaffinity(0)))
    for command in (("plan", "probe"), ("run", "probe", "--no-count", "--out", "out", "--threads", "2")):
        words = ["taskset", "-c", core, sys.executable, "-m", "harness", *command, "--scenarios", name]
        done = subprocess.run(
            words,
            cwd=harness.folder,
            env=harness.environment,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=True,
        )
        assert (
            "warning: 2 threads share 1 core here, so times are long and uneven. Type: --threads 1"
            in done.stderr
        )
    assert (
        "threads share" not in harness("run", "probe", "--scenarios", name, "--no-count", "--out", "one").err
    )


def test_a_quota_counts_as_the_cores_that_it_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a core of a container is half a core, whatever the machine has; without a limit it is what the process is bound to."""
    monkeypatch.setattr(containers, "allowance", lambda: containers.Allowance(cores=0.5))
    assert containers.usable_cores() == 0.5
    monkeypatch.setattr(containers, "allowance", containers.Allowance)
    assert containers.usable_cores() == len(os.sched_getaffinity(0))
