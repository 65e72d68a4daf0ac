"""Peaks of real processes: of a stage, not of its parent and not of the stage before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.measure import memory
from tests.conftest import TIME_LIMIT

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20

pytestmark = pytest.mark.skipif(
    not memory.reset_peak(), reason="NOT TESTED: this system does not let a process reset its peak"
)

CHILD = """
import json, sys
import numpy as np
from harness.measure import memory
from harness.measure.accelerators import NoAccelerator
from harness.measure.run import Run
from harness.measure.stages import stage_metrics
from harness.records import RunRequest, StageResult

def allocate(mib):
    return np.ones(mib * 2**20, np.uint8)

request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
run = Run(request, {}, lambda name: None, NoAccelerator())
before = memory.resident_bytes()
imports = StageResult(name="imports", seconds=0.0, cpu_seconds=0.0, peak_bytes=before)
"""
REPORT = """
found = stage_metrics([imports, *run.stages])
report = {name: measured.value for name, measured in found.items()}
report["starts"] = [stage.start_bytes for stage in run.stages]
report |= {"before": before}
print(json.dumps(report))
"""
FAT_PARENT = """
import subprocess, sys
fat = bytearray(b"x") * (500 * 2**20)
print(subprocess.run([sys.executable, "-c", sys.argv[1]], capture_output=True, text=True, check=True).stdout)
"""


STAGES = """
with run.stage("fat"):
    data = allocate(300)
    del data
with run.stage("thin"):
    data = allocate(50)
    del data
with run.stage("load"):
    data = allocate(100)
with run.stage("idle"):
    pass
del data
with run.stage("many"):
    data = [np.ones(4096, np.uint8) for _ in range(50_000)]
del data
with run.stage("after"):
    pass
"""


def test_peaks_are_those_of_their_own_stage() -> None:
    """What lives only within a stage is its growth above imports, to 5%; neither the 500 MiB of the parent nor an earlier stage shows.

    What a stage leaves alive is part of the next one's start and peak. 50,000 freed arrays leave the process: trimming is for that.
    """
    done = subprocess.run(
        [sys.executable, "-c", FAT_PARENT, CHILD + STAGES + REPORT], env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True, timeout=TIME_LIMIT,
    )  # fmt: skip
    values = json.loads(done.stdout)
    above = {name: values[f"{name}.above_imports_bytes"] for name in ("fat", "thin", "idle", "many", "after")}
    assert above["fat"] == values["total.above_imports_bytes"] == pytest.approx(300 * MIB, rel=0.05)
    assert values["fat.peak_bytes"] == pytest.approx(values["before"] + 300 * MIB, rel=0.05)
    assert above["thin"] == pytest.approx(50 * MIB, rel=0.1)
    assert values["thin.peak_bytes"] < 250 * MIB
    assert above["idle"] == pytest.approx(100 * MIB, rel=0.1)
    assert values["starts"][3] == pytest.approx(values["before"] + 100 * MIB, rel=0.1)
    assert above["many"] > 190 * MIB
    assert above["after"] < 20 * MIB


def test_reset_brings_the_peak_down_to_what_is_resident() -> None:
    """After a reset the peak is what is resident now, and never less than that."""
    data = bytearray(b"x") * (64 * MIB)
    high = memory.peak_bytes()
    del data
    memory.settle()
    assert memory.reset_peak()
    now, peak = memory.resident_bytes(), memory.peak_bytes()
    assert high is not None
    assert now is not None
    assert peak is not None
    assert peak == pytest.approx(now, rel=0.05)
    assert peak < high


def test_a_system_without_proc_measures_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the files of /proc each reading is None and a reset is refused, instead of a wrong number."""
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "missing" / "clear_refs")
    assert memory.resident_bytes() is None
    assert memory.peak_bytes() is None
    assert memory.reset_peak() is False
