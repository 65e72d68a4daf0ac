"""Counts of work without any framework: bytes, what the scenario records, and what is not counted."""

from __future__ import annotations

import typing

from harness.measure.run import Run
from harness.measure.work import Work
from harness.records import Metric, RunRequest
from tests.measure.test_run import Accelerator, load

if typing.TYPE_CHECKING:
    from tests.conftest import Harness


def counted_run(**recorded: float | list[float]) -> Run:
    """Count a run of two stages that records these values of kind work."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0, purpose="count")
    work = Work()
    declared = (
        *(Metric(name, kind="work", better="lower") for name in recorded),
        Metric("inputs", kind="size"),
        Metric("ranks", kind="size", unit="B"),
    )
    run = Run(request, {}, load, Accelerator(), work, declared=declared)
    with work:
        for name in ("first", "second"):
            with run.stage(name):
                sum(range(100))
        for name, value in recorded.items():
            run.record(name, value)
        run.record("inputs", 785)
        run.record("ranks", [1, 2])
        run.predictions([0, 1], [0, 0])
    work.record(run)
    return run


def test_without_a_framework_only_what_is_stored_and_recorded_is_counted() -> None:
    """There are no steps, samples, FLOPs or calls, none of them is 0, and a sentence says so."""
    run = counted_run()
    counts = {name: metric.value for name, metric in run.metrics.items() if metric.kind == "work"}
    assert counts == {"work.stored_bytes": 4 + 3}  # two labels and predictions, and what is a size in bytes
    assert any(line.startswith("NumPy") for line in run.uncounted)


def test_what_a_scenario_records_of_kind_work_is_a_count_of_the_protocol() -> None:
    """Steps of a pipeline that nothing counts are judged too, in neither direction; a count of that name stays."""
    run = counted_run(optimiser_steps=7, stored_bytes=99, epoch_steps=[3, 4])
    found = {name: metric for name, metric in run.metrics.items() if name.startswith("work.")}
    assert found.keys() == {"work.optimiser_steps", "work.stored_bytes"}
    steps = found["work.optimiser_steps"]
    assert (steps.value, steps.better) == (7, "none")
    assert found["work.stored_bytes"].value == 4 + 3


LOOKS = """
import sys

def measure(run):
    with run.stage("look"):
        run.record("watched", float("harness.measure.work" in sys.modules))
    guess(run)

SCENARIO = declare(measure, metrics=(Metric("watched"),))
"""


def test_a_plain_run_carries_no_counter(harness: Harness) -> None:
    """A measured worker has not even imported the counters; the counting one has."""
    arguments = ("run", "probe", "--scenarios", harness.scenario(LOOKS), "--out", "out", "--count")
    assert harness(*arguments).code == 0
    job = harness.job("out")
    assert [run["metrics"]["watched"]["value"] for run in job["results"]] == [0.0]
    assert [run["metrics"]["watched"]["value"] for run in job["counted"]] == [1.0, 1.0]
    assert not [name for name in job["results"][0]["metrics"] if name.startswith("work.")]
    counted = [name for name in job["counted"][0]["metrics"] if "work" not in name]
    assert not [name for name in counted if name.endswith((".seconds", "_bytes"))]
