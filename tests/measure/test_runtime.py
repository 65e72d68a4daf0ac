"""Clocks that wait for the device, and foreign CPU use seen in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import types
import typing

import numpy as np
import psutil
import pytest

from harness.measure import runtime
from tests.conftest import TIME_LIMIT

if typing.TYPE_CHECKING:
    from collections.abc import Callable


def spin(seconds: float) -> None:
    """Compute for so many seconds of CPU time, however long that takes beside others."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))


def test_a_busy_process_is_seen() -> None:
    """Another process that computes all the time is far above the tenth of a core that disturbs."""
    command = [sys.executable, "-c", "print('up', flush=True)\nwhile True: pass"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        foreign = runtime.ForeignCpu()
        time.sleep(1.2)
        seen = foreign.cores() or 0.0
        child.kill()
    assert seen > 0.3


@pytest.fixture
def pass_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """Let seconds pass, so many of them computed by others; no others do."""
    now = {"wall": 0.0, "busy": 0.0}
    monkeypatch.setattr(runtime, "time", types.SimpleNamespace(perf_counter=lambda: now["wall"]))
    monkeypatch.setattr(runtime, "_busy_seconds", lambda: now["busy"])
    monkeypatch.setattr(runtime, "_own_seconds", lambda: 0.0)

    def pass_by(wall: float, busy: float) -> None:
        now["wall"] += wall
        now["busy"] += busy

    return pass_by


@pytest.mark.parametrize("wall", [0.2, 0.4, 0.5, 60.0])
def test_a_short_run_is_told_as_a_long_one_is(pass_by: Callable[[float, float], None], wall: float) -> None:
    """Half a core of others is above the tenth that disturbs in a run of any length: no length is excused."""
    foreign = runtime.ForeignCpu()
    pass_by(wall, wall / 2)
    assert foreign.cores() == pytest.approx(0.5 - 0.02 / wall)


def test_what_the_clock_cannot_tell_is_unknown(pass_by: Callable[[float, float], None]) -> None:
    """Within two ticks nothing is known; two ticks that may be this process's own are nobody else's."""
    foreign = runtime.ForeignCpu()
    pass_by(0.015, 0.01)
    assert foreign.cores() is None
    pass_by(0.185, 0.01)
    assert foreign.cores() == 0.0


def busy_seconds() -> float:
    """CPU seconds that all processes of this machine have used, own ones too."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def test_own_work_is_not_foreign() -> None:
    """Own work, in the interpreter, in BLAS threads and in children waited for, is subtracted.

    However busy others are, all CPU time less half of our own bounds what may be called foreign.
    """
    foreign, busy, wall, cpu = runtime.ForeignCpu(), busy_seconds(), time.perf_counter(), os.times()
    spin(0.5)
    matrix = np.ones((400, 400))
    for _ in range(20):
        matrix @ matrix
    subprocess.run([sys.executable, "-c", "sum(range(5_000_000))"], check=True)
    took, now = time.perf_counter() - wall, os.times()
    worked = sum(now[:4]) - sum(cpu[:4])
    assert worked > 0.2
    assert (foreign.cores() or 0.0) * took <= busy_seconds() - busy - 0.5 * worked + 0.05


def test_clock_counts_wall_and_cpu() -> None:
    """Sleep is wall time and no CPU time; work is both."""
    clock = runtime.Clock(lambda: None)
    time.sleep(0.2)
    wall, cpu = clock.read()
    assert wall >= 0.2
    assert cpu < 0.15
    clock = runtime.Clock(lambda: None)
    spin(0.2)
    wall, cpu = clock.read()
    assert 0.2 <= cpu <= wall + 0.1  # the two clocks tick apart


def test_clock_waits_for_the_device_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work queued before the stage is waited for outside its time, work queued in it inside."""
    now = {"wall": 0.0, "cpu": 0.0}
    clocks = {"perf_counter": lambda: now["wall"], "process_time": lambda: now["cpu"]}
    monkeypatch.setattr(runtime, "time", types.SimpleNamespace(**clocks))

    def pass_by(wall: float, cpu: float) -> None:
        now["wall"] += wall
        now["cpu"] += cpu

    queued = iter([(100.0, 10.0), (3.0, 0.25)])
    clock = runtime.Clock(lambda: pass_by(*next(queued)))
    pass_by(2.0, 0.5)
    assert clock.read() == (5.0, 0.75)
    assert not list(queued)


HELPED = """
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


@pytest.mark.parametrize("leads", [True, False])
def test_helper_processes_are_a_worker_s_own(*, leads: bool) -> None:
    """A process that leads its session, as a worker does, counts helpers that still live, and nothing twice when they end.

    One that leads none has programs of others in its session: it counts what it has waited for.
    """
    done = subprocess.run(
        [sys.executable, "-c", HELPED], start_new_session=leads, capture_output=True, text=True, timeout=TIME_LIMIT, check=True
    )  # fmt: skip
    # CPU seconds by the stage's clock, and this process's own, while a helper waits and after its end
    alive, own_alive, ended, own_ended = json.loads(done.stdout)
    assert min(ended, own_ended) >= 0.55
    if leads:
        assert min(alive, own_alive) >= 0.55
        assert max(ended - alive, own_ended - own_alive) < 0.5
    else:
        assert max(alive, own_alive) < 0.55
