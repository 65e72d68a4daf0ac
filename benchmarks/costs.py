"""What the harness itself costs, measured as whole processes: start, overhead of a run, the smoke job, the grid with its memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import typing
from pathlib import Path

from benchmarks import kernels

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
from harness import data as datasets
from harness.measure import memory
from harness.sources.kmnist_svd_logreg import pipeline
name, pairs = sys.argv[1], [tuple(map(int, pair.split("-"))) for pair in sys.argv[2:]]
data = datasets.load(name)
start = time.perf_counter()
for first, second in pairs:
    training, test = (pipeline.select_pair(np.asarray(s.images), np.asarray(s.labels), first, second) for s in (data.train, data.test))
    assert len(list(pipeline.grid(training, test, seed=0))) == 90
print(time.perf_counter() - start, memory.peak_bytes())
"""


FEATURES = """
import numpy as np
from harness import data as datasets
from harness.measure import memory
from harness.sources.mnist_autoencoder import pipeline
images = np.asarray(datasets.load("mnist").train.images)
encoder = pipeline.build_autoencoder().encoder
features = pipeline.encode(encoder, images, "float16")
peak, rows = memory.peak_bytes(), np.linspace(0, len(images) - 1, 64).astype(int)
anew = pipeline.encode(encoder, images[rows], "float32")
difference = np.abs(features[rows].astype(np.float32) - anew).max() / np.abs(anew).max()
labels = np.asarray(datasets.load("mnist").train.labels)
data, head = pipeline.divide(images, labels, seed=0), pipeline.build_classifier(encoder).head
done = pipeline.train_head(head, features, data, epochs=2, batch=256, rng=np.random.default_rng(0))
print(len(images), features.nbytes, peak, difference, np.finfo(np.float16).eps, done.steps[-1].share_outside)
"""
HISTORY = """
import dataclasses, datetime as dt, pathlib, random, sys
from harness import records
from harness.store import files
request = records.RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
start, draw = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), random.Random(0)
for day in range(int(sys.argv[2])):
    metrics = {f"m{index}": records.Measured(value=draw.gauss(1, 0.1) + (day > 500), better="lower") for index in range(int(sys.argv[3]))}
    result = records.RunResult(request=request, status="ok", started="", wall_seconds=1.0, metrics=metrics)
    created = (start + dt.timedelta(days=day)).isoformat()
    commit = f"{day:08d}" + "0" * 32
    job = records.Job(schema=1, created=created, command="", version="", commit=commit, environment={}, results=(result,), comparisons=())
    files.write_json(pathlib.Path(sys.argv[1], "reports", f"{day:06d}", "run.json"), job)
"""


class Cost(typing.NamedTuple):
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
    """Time the main job, for the two SVD scenarios and for all five, report included; then its report alone, which must come out the same."""
    svd = ("kmnist_svd_logreg", "tinyconvnet_svd")
    with tempfile.TemporaryDirectory() as folder:
        two = _seconds(_harness("run", *svd, "--out", f"{folder}/two"))
        five = _seconds(_harness("run", "--out", f"{folder}/five"))
        page = Path(folder, "five", "index.html")
        written = page.read_bytes()
        rendered = _seconds(_harness("report", f"{folder}/five"))
        differing = 0.0 if page.read_bytes() == written else 1.0
    same = "the report that the job wrote against the one rendered from run.json"
    return [
        Cost("smoke job of the two SVD scenarios", two, "s", 30.0, "one process, report included"),
        Cost("smoke job of all five scenarios", five, "s", 90.0, "one process, report included"),
        Cost("rendering of that job's report", rendered, "s", 10.0, "`harness report`: one process, five scenarios with all figures"),
        Cost("pages that differ when rendered again", differing, "", 0.0, same),
    ]  # fmt: skip


def training() -> list[Cost]:
    """Train the Keras scenarios on real data and tell the share of time that steps waited for their input."""
    names = ("mnist_autoencoder", "mnist_interpolation", "digits1000_cnn")
    with tempfile.TemporaryDirectory() as folder:
        command = _harness("run", *names, "--tier", "short", "--out", folder)
        subprocess.run(command, check=True, capture_output=True)
        found = json.loads(Path(folder, "run.json").read_text())["results"]
    how = "share of the loop's wall time; tier short, one run"
    return [
        Cost(f"outside the training step: {result['request']['scenario']}, {metric.partition('.')[0]}", 100 * measured["value"], "%", 10.0, how)
        for result in found
        for metric, measured in result["metrics"].items()
        if metric.endswith(".share_outside")
    ]  # fmt: skip


def features() -> list[Cost]:
    """Compute the features of MNIST's 60,000 training images once, at the scenario's precision, and hold some against the encoder."""
    done = subprocess.run(
        [sys.executable, "-c", FEATURES], check=True, capture_output=True, text=True, env={**os.environ, **kernels.ENVIRONMENT}
    )  # fmt: skip
    images, held, peak, difference, allowed, outside = (float(word) for word in done.stdout.split())
    what = f"float16 features of {images:,.0f} images"
    return [
        Cost(f"{what}: array", held / 1e9, "GB", 1.6, "its bytes"),
        Cost(f"{what}: process", peak / 1e9, "GB", float("inf"), "VmHWM, imports and batches included"),
        Cost(f"{what}: difference", difference, "", allowed, "64 of them against the encoder run anew, over the largest; float16's unit is allowed"),
        Cost("outside the training step: the head on them", 100 * outside, "%", 10.0, "share of the loop's wall time; 48,000 images"),
    ]  # fmt: skip


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


def history(commits: int = 1000, metrics: int = 50) -> list[Cost]:
    """Time `harness history` over stored jobs of one system, each metric with one step."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", HISTORY, folder, str(commits), str(metrics)], check=True)
        start = time.perf_counter()
        done = subprocess.run(_harness("history", "--metric", "*"), check=True, capture_output=True, text=True, cwd=folder)  # fmt: skip
        value = time.perf_counter() - start
    step = f"from {501:08d}"
    lines = done.stdout.splitlines()
    missed = sum(
        not any(f" m{index}: " in line and step in line for line in lines) for index in range(metrics)
    )
    detail = f"of {metrics} metrics with a step of 10 sd at commit 501 each"
    return [
        Cost(f"harness history: {commits:,} commits x {metrics} metrics", value, "s", 5.0, "one process, reading every run.json included"),
        Cost("steps that it missed", missed, "", 0.0, detail),
    ]  # fmt: skip


def grid_on_kmnist() -> list[Cost]:
    """Run both pairs' grids on the KMNIST data that is here."""
    return grid("kmnist", "0-6", "2-6", allowed=180.0)


def grid_at_full_size() -> list[Cost]:
    """Run one pair's grid on MNIST 0 and 6, as many images as a full KMNIST pair."""
    return grid("mnist", "0-6", allowed=float("inf"))


ALL = (listing, overhead, smoke, training, features, grid_on_kmnist, grid_at_full_size, history)
