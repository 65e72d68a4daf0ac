"""Memory over time: what a run holds is seen from outside, with the stages' marks, in few samples however long it is."""

from __future__ import annotations

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.stages import helper_metrics
from harness.measure.trace import MOST_SAMPLES, STARTED, Watch, since_start
from harness.records import MemoryTrace, StageResult

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished, Harness

MIB = 2**20
BODY = """
import time

def measure(run):
    with run.stage("lean"):
        time.sleep(0.4)
    with run.stage("fat"):
        held = np.ones(96 * 2**20, np.uint8)
        time.sleep(0.6)
    del held
    guess(run)

SCENARIO = declare(measure)
"""


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=2000), st.sampled_from([4, 10, MOST_SAMPLES]))
def test_a_long_run_leaves_few_samples_and_its_highest(resident: list[int], most: int) -> None:
    """However many looks there were, fewer than `most` samples stay, in order, the highest of all among them."""
    watch = Watch(most)
    for number, held in enumerate(resident):
        watch.note(number / 8, held)
    trace = watch.trace()
    assert trace is not None
    assert len(trace.seconds) == len(trace.resident_bytes) < most
    assert list(trace.seconds) == sorted(set(trace.seconds))
    assert max(trace.resident_bytes) == max(resident)
    assert watch.interval >= 0.05 * len(resident) / most / 2


def test_a_process_that_is_gone_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sample is made up for a process that has ended; one that no runner started does not know its own time."""
    monkeypatch.delenv(STARTED, raising=False)
    assert since_start() is None
    watch = Watch()
    watch(2**22 + 1)  # above the largest number that Linux gives a process
    watch.note(1.0, 0)
    assert watch.trace() is None


HELPED = """
import subprocess, sys

HELPER = "held = bytearray(b'x') * (96 << 20); print(flush=True); input()"

def hold():
    helper = subprocess.Popen([sys.executable, "-c", HELPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    helper.stdout.readline()
    time.sleep(0.5)
    helper.communicate(b"\\n")

import time

def measure(run):
    if run.options["when"] == "before":
        hold()
    with run.stage("train"):
        if run.options["when"] == "within":
            hold()
    guess(run)

VARIANTS = tuple(Variant(name=name, doc="d", options={"when": name}) for name in ("before", "within"))
SCENARIO = declare(measure, variants=VARIANTS)
"""


@pytest.mark.slow
def test_memory_of_helper_processes_is_a_metric_and_a_note(
    run_probe: Callable[..., Finished], harness: Harness
) -> None:
    """What a stage's helper process holds is in no peak but a metric and a note that names the variant; outside stages it is neither."""
    done = run_probe(HELPED, "probe:within")
    assert done.code == 0, done.err
    before, within = (result["metrics"] for result in harness.job("out")["results"])
    assert "total.helper_bytes" not in before
    assert 96 * MIB < within["total.helper_bytes"]["value"] < 150 * MIB
    assert within["total.peak_bytes"]["value"] < before["total.peak_bytes"]["value"] + 50 * MIB
    (note,) = [line for line in done.out.splitlines() if line.startswith("Note")]
    assert "helper processes of probe:within held up to" in note
    assert "helper processes of probe:within" in (harness.folder / "out" / "index.html").read_text()


@pytest.mark.parametrize(("later", "held"), [(0, None), (20 * MIB, 20.0 * MIB)])
def test_a_helper_that_ends_as_a_stage_begins_is_not_the_stages(later: int, held: float | None) -> None:
    """The first look within a stage may tell of what was there before it: one that decodes a data set for the first time."""
    seconds, helpers = (1.2, 1.366, 1.5), (31 * MIB, 34 * MIB, later)
    trace = MemoryTrace(seconds=seconds, resident_bytes=(500 * MIB,) * 3, helper_bytes=helpers)
    stage = StageResult(name="train", seconds=13.0, cpu_seconds=13.0, began_seconds=1.36)
    values = {name: metric.value for name, metric in helper_metrics(trace, [stage]).items()}
    assert values == ({} if held is None else {"total.helper_bytes": held})


def test_a_run_tells_its_memory_over_time(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """What a stage holds is seen between that stage's marks, and not before; the stage's own peak lies no lower."""
    done = run_probe(BODY)
    assert done.code == 0, done.err
    (result,) = harness.job("out")["results"]
    imports, lean, fat = result["measurement"]["stages"]
    seen = list(zip(result["memory"]["seconds"], result["memory"]["resident_bytes"], strict=True))

    def during(stage: dict[str, typing.Any]) -> list[int]:
        end = stage["began_seconds"] + stage["seconds"]
        return [held for at, held in seen if stage["began_seconds"] <= at <= end]

    assert imports["began_seconds"] < lean["began_seconds"] < fat["began_seconds"] < result["wall_seconds"]
    assert max(during(fat)) > max(during(lean)) + 80 * MIB
    assert max(during(fat)) <= fat["peak_bytes"] + MIB
