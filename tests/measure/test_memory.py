"""Peaks of real processes: of a stage, not of its parent and not of the stage before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing
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


def measured(body: str, *, fat_parent: bool = False) -> dict[str, typing.Any]:
    """Run `body` between the head and the report in a process of its own."""
    code = CHILD + body + REPORT
    arguments = ["-c", FAT_PARENT, code] if fat_parent else ["-c", code]
    done = subprocess.run(
        [sys.executable, *arguments], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
        timeout=TIME_LIMIT,
    )  # fmt: skip
    return typing.cast("dict[str, typing.Any]", json.loads(done.stdout))


def test_peak_of_a_stage_is_seen_within_five_percent() -> None:
    """200 MiB that live only within the stage are its growth above imports, to 5%."""
    found = measured("with run.stage('fit'):\n    data = allocate(200)\n    del data\n")
    assert found["fit.above_imports_bytes"] == pytest.approx(200 * MIB, rel=0.05)
    assert found["fit.peak_bytes"] == pytest.approx(found["before"] + 200 * MIB, rel=0.05)
    assert found["total.above_imports_bytes"] == found["fit.above_imports_bytes"]


def test_peak_is_not_inherited_from_a_fat_parent() -> None:
    """A parent that touched 500 MiB does not show in its child's stages."""
    body = "with run.stage('fit'):\n    data = allocate(100)\n"
    found = measured(body, fat_parent=True)
    assert found["fit.above_imports_bytes"] == pytest.approx(100 * MIB, rel=0.05)
    assert found["fit.peak_bytes"] < 250 * MIB


def test_peak_is_not_inherited_from_an_earlier_stage() -> None:
    """A stage after one that took and freed 300 MiB shows its own 50 MiB; the total keeps the higher."""
    body = (
        "with run.stage('fat'):\n    data = allocate(300)\n    del data\n"
        "with run.stage('thin'):\n    data = allocate(50)\n"
    )
    found = measured(body)
    assert found["fat.above_imports_bytes"] == pytest.approx(300 * MIB, rel=0.05)
    assert found["thin.above_imports_bytes"] == pytest.approx(50 * MIB, rel=0.1)
    assert found["total.above_imports_bytes"] == found["fat.above_imports_bytes"]


def test_many_small_freed_objects_do_not_stay_in_the_next_stage() -> None:
    """50,000 freed arrays of 4 KiB leave the process before the next stage: trimming is for that."""
    body = (
        "with run.stage('many'):\n    data = [np.ones(4096, np.uint8) for _ in range(50_000)]\n"
        "del data\n"
        "with run.stage('after'):\n    pass\n"
    )
    found = measured(body)
    assert found["many.above_imports_bytes"] > 190 * MIB
    assert found["after.above_imports_bytes"] < 20 * MIB


def test_what_is_held_over_counts_in_the_next_stage() -> None:
    """Memory that an earlier stage left alive is part of the next one's peak, and of its start."""
    body = "with run.stage('load'):\n    data = allocate(100)\nwith run.stage('idle'):\n    pass\n"
    found = measured(body)
    assert found["idle.above_imports_bytes"] == pytest.approx(100 * MIB, rel=0.1)
    assert found["starts"][1] == pytest.approx(found["before"] + 100 * MIB, rel=0.1)


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
