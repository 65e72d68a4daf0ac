"""What the harness itself costs, measured as whole processes: start, overhead of a run, the smoke job, the grid with its memory."""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
EMPTY = """
import harness

def measure(run):
    with run.stage("nothing"):
        run.predictions([0, 1], [0, 1])

SCENARIO = harness.Scenario(
    name="empty", version=1, source=harness.Source(slug="empty", title="Empty"), measure=measure,
    variants=(harness.Variant(name="default"),), tiers={"smoke": {}}, gated=("accuracy",),
)
"""
GRID = """
import sys, time
import numpy as np
from harness import datasets
from harness.measure import memory
from harness.pipelines import kmnist_svd_logreg as pipeline
name, pairs = sys.argv[1], [tuple(map(int, pair.split("-"))) for pair in sys.argv[2:]]
data = datasets.load(name)
start = time.perf_counter()
for first, second in pairs:
    training, test = (pipeline.select_pair(np.asarray(s.images), np.asarray(s.labels), first, second) for s in (data.train, data.test))
    assert len(pipeline.grid(training, test, seed=0)) == 90
print(time.perf_counter() - start, memory.peak_bytes())
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """One cost of the harness."""

    name: str
    """What was done."""
    value: float
    """Median, in `unit`."""
    unit: str
    """s or MiB."""
    allowed: float
    """What the project allows."""
    detail: str
    """How it was measured."""


def _harness(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness", *arguments]


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def listing() -> list[Cost]:
    """Time `harness list`."""
    value = statistics.median(_seconds(_harness("list")) for _ in range(ROUNDS))
    return [Cost("harness list", value, "s", 0.4, f"median of {ROUNDS} processes")]


def overhead() -> list[Cost]:
    """Time what a run adds: worker's wall time less its stages, less an interpreter that imports NumPy, run beside it."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "empty.py")
        scenario.write_text(EMPTY)
        values = []
        for index in range(ROUNDS):
            out = Path(folder, f"out{index}")
            subprocess.run(
                _harness("run", "empty", "--scenarios", str(scenario), "--out", str(out)),
                check=True,
                capture_output=True,
            )
            (result,) = json.loads((out / "run.json").read_text())["results"]
            stages = sum(stage["seconds"] for stage in result["measurement"]["stages"])
            values.append(result["wall_seconds"] - stages - _seconds([sys.executable, "-c", "import numpy"]))
    detail = f"an empty scenario: run less its stages less `python -c 'import numpy'`, median of {ROUNDS}"
    return [Cost("harness per run", statistics.median(values), "s", 0.3, detail)]


def smoke() -> list[Cost]:
    """Time the main job, for the two SVD scenarios and for all five, report included."""
    svd = ("kmnist_svd_logreg", "tinyconvnet_svd")
    with tempfile.TemporaryDirectory() as folder:
        two = _seconds(_harness("run", *svd, "--out", f"{folder}/two"))
        five = _seconds(_harness("run", "--out", f"{folder}/five"))
    return [
        Cost("smoke job of the two SVD scenarios", two, "s", 30.0, "one process, report included"),
        Cost("smoke job of all five scenarios", five, "s", 90.0, "one process, report included"),
    ]


def grid(name: str, *pairs: str, allowed: float) -> list[Cost]:
    """Time the whole grid in a process of its own and read its peak memory."""
    done = subprocess.run(
        [sys.executable, "-c", GRID, name, *pairs], check=True, capture_output=True, text=True
    )
    seconds, peak = (float(word) for word in done.stdout.split())
    what = f"90 settings of {' and '.join(pairs)} on {name}"
    return [
        Cost(f"grid: {what}", seconds, "s", allowed, "one process"),
        Cost(f"grid: {what}", peak / 2**20, "MiB", 1536.0, "VmHWM of that process, imports included"),
    ]


def grid_on_kmnist() -> list[Cost]:
    """Run both pairs' grids on the KMNIST data that is here."""
    return grid("kmnist", "0-6", "2-6", allowed=180.0)


def grid_at_full_size() -> list[Cost]:
    """Run one pair's grid on MNIST 0 and 6, as many images as a full KMNIST pair."""
    return grid("mnist", "0-6", allowed=float("inf"))


ALL = (listing, overhead, smoke, grid_on_kmnist, grid_at_full_size)
