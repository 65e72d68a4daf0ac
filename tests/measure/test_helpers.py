"""CPU time of helper processes is a run's own, whether they have ended or wait for more work."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import TIME_LIMIT

PROGRAM = """
import json, subprocess, sys, time
from harness.measure import runtime
BURN = "import time\\nwhile time.process_time() < {seconds}: pass\\nprint('done', flush=True); input()"
clock, before = runtime.Clock(lambda: None), runtime._own_seconds()
waits = subprocess.Popen([sys.executable, "-c", BURN.format(seconds=0.6)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
waits.stdout.readline()
alive = (clock.read()[1], runtime._own_seconds() - before)
waits.communicate(b"\\n")
print(json.dumps([*alive, clock.read()[1], runtime._own_seconds() - before]))
"""


def measured(*, leads: bool) -> list[float]:
    """Return CPU seconds by the stage's clock, and this process's own, while a helper waits and after its end."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, start_new_session=leads, capture_output=True, text=True, timeout=TIME_LIMIT, check=True
    )
    return [float(seconds) for seconds in json.loads(done.stdout)]


def test_a_worker_s_helpers_are_its_own() -> None:
    """A process that leads its session, as a worker does, counts helpers that still live; nothing is counted twice when they end."""
    alive, own_alive, ended, own_ended = measured(leads=True)
    assert min(alive, own_alive, ended, own_ended) >= 0.55
    assert max(ended - alive, own_ended - own_alive) < 0.5


def test_other_programs_of_a_session_are_not() -> None:
    """A process that leads no session has programs of others in it: it counts what it has waited for."""
    alive, own_alive, ended, own_ended = measured(leads=False)
    assert max(alive, own_alive) < 0.55
    assert min(ended, own_ended) >= 0.55
