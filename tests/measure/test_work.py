"""Counts of work without any framework: what is the scenario's own code, calls and rounds, bytes, and what is not counted."""

from __future__ import annotations

import functools
import importlib.util
import sys
import textwrap
import threading
import typing
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from harness.measure.run import Run
from harness.measure.work import Work, stored_bytes
from harness.measure.work_python import PIPELINES, OwnCode, PythonWork, own_code
from harness.records import Measured, Metric, RunRequest
from harness.scenarios import BUILT_IN
from tests.measure.test_run import Accelerator, load

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from numpy.typing import NDArray

    from tests.conftest import Harness

OWN = """
import dataclasses

@dataclasses.dataclass
class Pair:
    a: int
    b: int

def step(x):
    return x + 1

def calling(n):
    x = 0
    for _ in range(n):
        x = step(x)
    return x

def inline(n):
    x = 0
    for _ in range(n):
        x = x + 1
    return x

def comprehension(n):
    return [i for i in range(n)]

def generator(n):
    yield from range(n)

def made(n):
    return [Pair(i, i) for i in range(n)]
"""


def module(folder: Path, body: str = OWN, name: str = "own") -> ModuleType:
    """Write a module into a folder and import it from there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(body))
    spec = importlib.util.spec_from_file_location(f"probe_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Return a user's module in a folder of its own."""
    found = module(tmp_path_factory.mktemp("own"))
    yield found
    del sys.modules[found.__name__]


def count(own: ModuleType, action: Callable[[], object]) -> dict[str, int]:
    """Count what an action does in the folder of a module."""
    assert own.__file__ is not None
    work = PythonWork([Path(own.__file__).parent])
    work.start()
    try:
        action()
    finally:
        work.stop()
    return work.read()


# -- calls and rounds ----------------------------------------------------------------------


@hypothesis.given(st.integers(0, 50), st.integers(0, 50))
def test_calls_and_rounds_are_exact(own: ModuleType, n: int, m: int) -> None:
    """A loop of n rounds that calls and one of m that does not count as n + 2 calls and n + m rounds."""

    def action() -> None:
        own.calling(n)
        own.inline(m)

    assert count(own, action) == {"calls": n + 2, "rounds": n + m}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("comprehension", {"calls": 1, "rounds": 9}),
        ("made", {"calls": 1, "rounds": 9}),
        ("inline", {"calls": 1, "rounds": 9}),
    ],
)
def test_a_comprehension_is_a_loop_and_generated_code_is_nobodys(
    own: ModuleType, name: str, expected: dict[str, int]
) -> None:
    """Every Python version counts a comprehension's rounds, none its frame; a dataclass's own methods are no calls."""
    assert count(own, lambda: getattr(own, name)(9)) == expected


def test_a_generator_counts_each_time_it_goes_on(own: ModuleType) -> None:
    """Five values take six calls: the sixth finds the end."""
    assert count(own, lambda: list(own.generator(5)))["calls"] == 6


def test_threads_count_too_and_nothing_counts_after_the_end(own: ModuleType) -> None:
    """Four threads' calls add up, and calls after the end leave the counts alone."""

    def action() -> None:
        threads = [threading.Thread(target=own.calling, args=(25,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert count(own, action) == {"calls": 4 * 26, "rounds": 100}
    assert sys.gettrace() is None
    assert threading.gettrace() is None


def test_others_code_is_not_counted(own: ModuleType, tmp_path: Path) -> None:
    """A library that works hard on the scenario's behalf adds nothing."""
    other = module(tmp_path / "elsewhere", name="other")
    try:
        assert count(own, lambda: (other.calling(30), own.step(1))) == {"calls": 1, "rounds": 0}
    finally:
        del sys.modules[other.__name__]


def test_installed_packages_below_the_folder_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment beside a scenario's file is not the scenario."""
    site = tmp_path / ".venv" / "lib" / "site-packages"
    monkeypatch.setattr("site.getsitepackages", lambda: [str(site)])
    mine, theirs = module(tmp_path, name="mine"), module(site, name="theirs")
    code = OwnCode([tmp_path])
    assert code.holds(mine.step.__code__)
    assert not code.holds(theirs.step.__code__)


# -- whose code ------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", BUILT_IN, ids=lambda scenario: scenario.name)
def test_a_built_in_scenario_owns_the_pipelines(scenario: typing.Any) -> None:
    """What the pipelines do counts, their shared code too; the harness's own adapters and measures do not."""
    roots = own_code(scenario.measure, ())
    assert roots == [PIPELINES]
    code = OwnCode(roots)
    assert not code.holds(scenario.measure.__code__)
    assert not code.holds(stored_bytes.__code__)


def test_a_file_owns_its_folder(own: ModuleType) -> None:
    """A user's scenario counts with all of its folder, also behind a partial."""
    assert own.__file__ is not None
    folder = Path(own.__file__).parent.resolve()
    assert own_code(own.calling, [own.__file__])[1:] == [folder]
    assert own_code(functools.partial(own.calling, 3), ())[1:] == [folder]


def test_an_installed_module_owns_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario behind an entry point owns its package, or its single file: the folder holds everybody's."""
    site = tmp_path.resolve() / "site-packages"
    monkeypatch.setattr("site.getsitepackages", lambda: [str(site)])
    single, packaged = module(site, name="single"), module(site / "their_package" / "deep", name="inner")
    assert own_code(single.calling, ())[1:] == [site / "single.py"]
    assert own_code(packaged.calling, ())[1:] == [site / "their_package"]
    code = OwnCode([site / "single.py"])
    assert code.holds(single.step.__code__)
    assert not code.holds(packaged.step.__code__)


# -- a run's metrics -----------------------------------------------------------------------------


def test_stored_bytes_are_arrays_and_sizes_once() -> None:
    """Prediction arrays count by their bytes, sizes by their value; counts, other units and kinds do not."""
    arrays: dict[str, dict[str, NDArray[typing.Any]]] = {
        "test": {"labels": np.zeros(10, np.uint8), "probabilities": np.zeros((10, 3), np.float32)}
    }
    metrics = {
        "stored.bytes": Measured(value=100.0, unit="B", kind="size"),
        "ranks.bytes": Measured(value=[1.0, 2.0], unit="B", kind="size"),
        "classes": Measured(value=7.0, kind="size"),
        "peak": Measured(value=5.0, unit="B", kind="memory"),
    }
    assert stored_bytes(arrays, metrics) == 10 + 120 + 100 + 3


def counted_run(own: ModuleType) -> Run:
    """Count a run of two stages, and a call outside them."""
    assert own.__file__ is not None
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0, purpose="count")
    work = Work([Path(own.__file__).parent])
    run = Run(request, {}, load, Accelerator(), work)
    with work:
        for name, rounds in (("first", 3), ("second", 5)):
            with run.stage(name):
                own.calling(rounds)
        own.inline(7)
        run.predictions([0, 1], [0, 0])
    work.record(run)
    return run


def test_counts_are_by_stage_and_of_the_whole_run(own: ModuleType) -> None:
    """Stages have their own counts, which the total sums up; what lies between them is not counted."""
    found = {name: metric.value for name, metric in counted_run(own).metrics.items()}
    assert found == {
        "work.first.calls": 4, "work.first.rounds": 3, "work.second.calls": 6, "work.second.rounds": 5,
        "work.total.calls": 10, "work.total.rounds": 8, "work.stored_bytes": 4,
    }  # fmt: skip


def test_what_a_scenario_records_of_kind_work_is_a_count_of_the_protocol(own: ModuleType) -> None:
    """Steps of a pipeline that nothing counts are judged too, in neither direction; a count of that name stays."""
    assert own.__file__ is not None
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0, purpose="count")
    work = Work([Path(own.__file__).parent])
    declared = (
        *(Metric(name, kind="work") for name in ("optimiser_steps", "train.calls", "epoch_steps")),
        Metric("inputs", kind="size"),
    )
    run = Run(request, {}, load, Accelerator(), work, declared=declared)
    with work:
        with run.stage("train"):
            own.calling(3)
        run.record("optimiser_steps", 7)
        run.record("train.calls", 99)
        run.record("epoch_steps", [3, 4])
        run.record("inputs", 785)
    work.record(run)
    found = {name: metric for name, metric in run.metrics.items() if name.startswith("work.")}
    assert {"work.optimiser_steps", "work.train.calls"} <= found.keys()
    assert not {"work.inputs", "work.epoch_steps"} & found.keys()
    steps = found["work.optimiser_steps"]
    assert (steps.value, steps.better) == (7, "none")
    assert found["work.train.calls"].value == 4


def test_what_no_counter_sees_is_said_and_never_zero(own: ModuleType) -> None:
    """Without a framework there are no steps, samples or FLOPs, and a sentence says so."""
    run = counted_run(own)
    assert not [name for name in run.metrics if name.endswith(("steps", "samples", "flops"))]
    assert any(line.startswith("NumPy") for line in run.uncounted)
    assert {metric.kind for metric in run.metrics.values()} == {"work"}
    assert {metric.better for metric in run.metrics.values()} == {"lower"}


LOOKS = """
import sys, threading

def measure(run):
    watching = sys.version_info >= (3, 12) and sys.monitoring.get_tool(4) is not None
    tracing = sys.gettrace() is not None or threading.gettrace() is not None or sys.getprofile() is not None
    with run.stage("look"):
        run.record("watched", float(watching or tracing or "harness.measure.work" in sys.modules))
    guess(run)

SCENARIO = declare(measure, metrics=(Metric("watched"),))
"""


def test_a_plain_run_carries_no_counter(harness: Harness) -> None:
    """A measured worker has no trace function and has not even imported the counters; the counting one has."""
    arguments = ("run", "probe", "--scenarios", harness.scenario(LOOKS), "--out", "out", "--count")
    assert harness(*arguments).code == 0
    job = harness.job("out")
    assert [run["metrics"]["watched"]["value"] for run in job["results"]] == [0.0]
    assert [run["metrics"]["watched"]["value"] for run in job["counted"]] == [1.0, 1.0]
    assert not [name for name in job["results"][0]["metrics"] if name.startswith("work.")]
    assert not [
        name
        for name in job["counted"][0]["metrics"]
        if name.endswith((".seconds", "_bytes")) and "work" not in name
    ]
