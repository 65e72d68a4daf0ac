"""Noise of the machine: what the gate's rule makes of samples whose noise is known, and one real measurement of each workload."""

from __future__ import annotations

import os
import typing

import numpy as np
import pytest

from harness.cli import main
from harness.errors import WorkerError
from harness.judging.gate import rules
from harness.session import noise

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray


def samples(sd: float, runs: int = 80) -> NDArray[np.float64]:
    """Draw wall times about 1 s with lognormal noise, all of it spent computing, (runs, 2)."""
    wall = np.random.default_rng(1).lognormal(0, sd, runs)
    return np.stack([wall, wall], axis=1)


def test_a_silent_machine_needs_the_first_look() -> None:
    """Without noise a 10% slowdown alarms at 7 pairs and is confirmed in every gate; the same program is cleared in every one."""
    still = np.full((20, 2), 0.5)
    found = noise.power(still, 1.10, trials=20)
    assert (found.pairs, found.failed, found.cleared) == (7, 1.0, 0.0)
    same = noise.power(still, 1.0, trials=20)
    assert (same.pairs, same.failed, same.cleared) == (None, 0.0, 1.0)


def test_more_noise_needs_more_pairs() -> None:
    """2.4% of noise needs 7 pairs, as the docs' tables say; 6% more; at 40% the last look is not enough."""
    quiet, middling, loud = (noise.power(samples(sd), 1.10, trials=100) for sd in (0.024, 0.06, 0.4))
    assert quiet.pairs == 7
    assert middling.pairs is not None
    assert 7 < middling.pairs <= 30
    assert loud.pairs is None
    assert quiet.failed > 0.95
    assert loud.failed < 0.5


def test_on_a_loud_machine_cpu_time_tells() -> None:
    """Where the wall time waits for other processes by 40% and the CPU time is steady, a 30% slowdown is found by its CPU time."""
    loud = samples(0.4)
    loud[:, 1] = samples(0.02, 160)[80:, 1]
    by_cpu, by_wall = (noise.power(runs, 1.3, trials=60) for runs in (loud, samples(0.4)))
    assert by_cpu.failed > by_wall.failed + 0.1
    assert noise.power(loud, 1.0, trials=60).failed == 0


def test_shares_grow_with_pairs_and_slowdown() -> None:
    """More looks and larger slowdowns are seen more often; the same seed gives the same answer."""
    small, large = (noise.power(samples(0.15), slowdown, trials=60) for slowdown in (1.10, 1.5))
    for found in (small, large):
        shares = [found.alarmed[look] for look in sorted(rules.RUNTIME_SCREEN)]
        assert shares == sorted(shares)
        assert found.failed + found.cleared <= 1
        assert found.failed <= shares[-1]
    assert large.alarmed[40] > small.alarmed[40]
    assert noise.power(samples(0.15), 1.10, trials=60) == small


def test_a_false_flag_that_the_confirm_round_clears_was_an_alarm() -> None:
    """An unchanged loud program alarms about as often as docs/error-rates.md says, .056 of gates with 11% of noise, and hardly ever fails."""
    same = noise.power(samples(0.11), 1.0, trials=400)
    assert 0.02 < same.alarmed[40] < 0.1
    assert same.alarmed[40] + same.cleared > 1  # most of them are cleared on fresh pairs, and count as both
    assert same.failed < 0.01
    told = "\n".join(noise.described(samples(0.11), 0.0))
    assert f"of 400 gates of an unchanged program, {same.alarmed[40]:.1%} want a second look" in told


def test_the_description_says_what_is_needed() -> None:
    """A quiet sample names pairs for 10%; a loud one says that 40 are not enough, and goes on to what they are enough for."""
    told = "\n".join(noise.described(np.repeat(samples(0.02, 20), 2, axis=0), 0.0, trials=40))
    assert "here a 10% slowdown needs 7 pairs" in told
    assert "20 pairs of fresh processes" in told
    assert "the same program against itself: 1.000 times" in told
    assert "disturbed" not in told
    told = "\n".join(noise.described(samples(0.4, 40), 0.7, trials=40))
    assert "here a 10% slowdown is seen within 40 pairs in" in told
    assert "disturbed: other processes used 0.7 cores" in told
    assert "here a 20% slowdown" in told


def test_the_kernel_is_timed_in_fresh_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value is a positive time, in pairs; each comes from a process of its own; what one that fails said is in the message."""
    runs, _ = noise.measure(1)
    assert runs.shape == (2, 2)
    assert (runs > 0).all()
    monkeypatch.setattr(noise, "_ONCE", "import os; print(os.getpid(), 1)")
    processes = set(noise.measure(2)[0][:, 0])
    assert len(processes) == 4
    assert os.getpid() not in processes
    monkeypatch.setattr(noise, "_ONCE", "raise SystemExit('no kernel')")
    with pytest.raises(WorkerError, match="no kernel"):
        noise.measure(1)


def test_the_command_measures_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It times as many pairs as asked and says what a 10% slowdown needs; fewer than 7 decide nothing and are refused."""
    monkeypatch.setattr(noise, "measure", lambda pairs, _: (np.ones((2 * pairs, 2)), 0.0))
    assert main(["doctor", "--noise", "--pairs", "9"]) == 0
    told = capsys.readouterr().out
    assert "kernel: 9 pairs of fresh processes" in told
    assert "here a 10% slowdown needs 7 pairs" in told
    assert main(["doctor", "--noise", "--pairs", "6"]) == 2
