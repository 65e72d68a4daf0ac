"""The sweep of the autoencoder's source, killed half-way, goes on from the settings it has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing

import pytest

from harness.sources.mnist_autoencoder.published import SWEEP_BATCHES, SWEEP_DENSE, SWEEP_EPOCHS
from tests.conftest import SMALLER, TIME_LIMIT, one_thread

if typing.TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.keras
ENOUGH = 3
"""Settings that are finished when it is killed."""


@pytest.mark.slow
def test_a_killed_sweep_trains_only_what_is_missing(cache: Path, tmp_path: Path) -> None:
    """After SIGKILL of everything, --resume takes the finished settings as they were and trains the others."""
    environment = {name: value for name, value in os.environ.items() if name != "HARNESS_DATA"}
    environment["HARNESS_CACHE"] = str(cache)
    (tmp_path / "smaller.py").write_text(SMALLER)
    words = one_thread("run", "smaller:sweep", "--scenarios", "smaller.py", "--no-count", "--out", "out")
    command = [sys.executable, "-m", "harness", *words]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + TIME_LIMIT
    while len(finished := sorted(tmp_path.glob("out/runs/*/kept/fit_*.npz"))) < ENOUGH:
        assert process.poll() is None, "the sweep ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = {path.stem for path in finished}

    resume = [sys.executable, "-m", "harness", "run", "--resume", "out"]
    done = subprocess.run(
        resume, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads((tmp_path / "out" / "run.json").read_text())["results"]
    resumed, stages = (result["measurement"][name] for name in ("resumed", "stages"))
    fits = {stage["name"] for stage in stages if stage["name"].startswith("fit_")}
    assert before <= set(resumed)
    assert not fits & set(resumed)
    assert len(fits) + len(resumed) == len(fits | set(resumed))
    # every setting has its numbers, wherever it was trained
    axes = {"dense": SWEEP_DENSE, "epochs": SWEEP_EPOCHS, "batch": SWEEP_BATCHES}
    for name in (f"{axis}{value}" for axis, values in axes.items() for value in values):
        assert result["metrics"][f"{name}.training_seconds"]["value"] > 0
        assert 0 < result["metrics"][f"{name}.validation_accuracy"]["value"] <= 1
    assert not list(tmp_path.glob("out/runs/*/kept"))
