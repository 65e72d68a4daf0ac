"""What a worker makes of inherited environment variables, and which of them forbid a comparison."""

from __future__ import annotations

import os
import typing

import pytest

from harness.machine import environment, variables
from harness.records import RunRequest
from harness.running import runner

if typing.TYPE_CHECKING:
    from harness.records import Kind
    from tests.conftest import Harness

HOME = {"backend": "numpy", "device": "cpu", "os": "Linux", "numpy": "2.4.6"}
PYTHON = (
    "PYTHONTRACEMALLOC",
    "PYTHONMALLOC",
    "PYTHONMALLOCSTATS",
    "PYTHONDEVMODE",
    "PYTHONINSPECT",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONNODEBUGRANGES",
)
GLIBC = ("MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_PERTURB_")


def worker(**inherited: str) -> dict[str, str]:
    """Return the variables of a worker with two threads."""
    return variables.for_worker(inherited, threads=2)


@pytest.mark.parametrize("name", [*PYTHON, *GLIBC])
def test_debug_switches_and_allocator_settings_reach_no_worker(name: str) -> None:
    """They are dropped, so that a run with them is compared with one that had none."""
    assert worker(**{name: "1"}) == worker()


@pytest.mark.parametrize(
    "name", ["PATH", "PYTHONPATH", "PYTHONUTF8", "MALLOCATION", "TF_CLI_CONFIG_FILE", "KMP_INIT_AT_FORK"]
)
def test_what_changes_no_measurement_is_left_alone(name: str) -> None:
    """Other variables are inherited as they are, and are not recorded."""
    assert worker(**{name: "x"}) == worker() | {name: "x"}
    assert variables.recorded({name: "x"}) == {}


def test_threads_hashes_and_spinning_are_the_harness_own() -> None:
    """What a user set of them is replaced, the number of threads by the run's."""
    found = worker(
        OMP_NUM_THREADS="7", TF_NUM_INTRAOP_THREADS="7", PYTHONHASHSEED="random", GOMP_SPINCOUNT="0"
    )
    assert found == worker()
    assert {found[name] for name in variables.THREADS} == {"2"}
    assert (found["PYTHONHASHSEED"], found["GOMP_SPINCOUNT"]) == ("0", "20000")
    assert variables.recorded(found) == {}


@pytest.mark.parametrize(("setting", "kept"), [(None, "1"), ("", "1"), ("1", "1"), ("0", "0")])
def test_onednn_is_on_unless_the_user_says_otherwise(setting: str | None, kept: str) -> None:
    """TensorFlow then computes alike on CPUs for which it would choose differently; a user's own 0 wins, is recorded and must match."""
    found = worker(**({} if setting is None else {"TF_ENABLE_ONEDNN_OPTS": setting}))
    assert found["TF_ENABLE_ONEDNN_OPTS"] == kept
    assert variables.recorded(found) == ({} if kept == "1" else {"TF_ENABLE_ONEDNN_OPTS": "0"})


@pytest.mark.parametrize(
    ("name", "libraries", "forbidden"),
    [
        ("LD_PRELOAD", (), {"memory", "runtime"}),
        ("GLIBC_TUNABLES", (), {"memory", "runtime"}),
        ("OPENBLAS_CORETYPE", (), {"runtime"}),
        ("OPENBLAS_L2_SIZE", (), {"runtime"}),
        ("OPENBLAS_MAIN_FREE", (), {"memory", "runtime"}),
        ("XLA_FLAGS", ("tensorflow", "keras"), {"memory", "runtime"}),
        ("XLA_FLAGS", ("torch",), set()),
        ("PYTORCH_CUDA_ALLOC_CONF", ("torch",), {"memory", "runtime"}),
        ("PYTORCH_CUDA_ALLOC_CONF", (), set()),
        ("ONEDNN_MAX_CPU_ISA", ("tensorflow",), {"memory", "runtime"}),
        ("ONEDNN_MAX_CPU_ISA", (), set()),
    ],
)
def test_an_inherited_variable_must_match_where_something_reads_it(
    name: str, libraries: tuple[str, ...], forbidden: set[str]
) -> None:
    """The difference names the variable and both values, on either side, and changes the fingerprint."""
    plain = HOME | dict.fromkeys(libraries, "1.0")
    other = plain | variables.recorded(worker(**{name: "x"}))
    kinds = typing.cast("tuple[Kind, ...]", tuple(environment.MUST_MATCH))
    assert {kind for kind in kinds if environment.differences(kind, other, plain)} == forbidden
    for kind in kinds:
        if kind in forbidden:
            assert environment.differences(kind, other, plain) == [f"{name}: x, not none"]
            assert environment.differences(kind, plain, other) == [f"{name}: none, not x"]
    assert environment.fingerprint(other) != environment.fingerprint(plain)
    assert environment.compared(other)[name] == "x"


def test_every_row_says_something_once() -> None:
    """No name has two rows, each is found by its own name, and only rows that a worker sets have a value."""
    names = [row.name for row in variables.TABLE]
    assert len(set(names)) == len(names)
    for row in variables.TABLE:
        assert variables.row_of(row.name.replace("*", "X")) is row
        assert row.why
        assert not row.value or row.treatment in {"set", "default"}


def test_a_worker_gets_what_the_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner applies the table to its own variables."""
    monkeypatch.setenv("PYTHONTRACEMALLOC", "10")
    monkeypatch.setenv("LD_BIND_NOW", "1")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    found = runner.worker_environment(
        RunRequest(scenario="probe", variant="default", tier="smoke", seed=0, threads=3)
    )
    assert "PYTHONTRACEMALLOC" not in found
    assert found["TF_ENABLE_ONEDNN_OPTS"] == "1"
    assert (found["OMP_NUM_THREADS"], found["OMP_WAIT_POLICY"], found["LD_BIND_NOW"]) == ("3", "PASSIVE", "1")
    assert os.environ["PYTHONTRACEMALLOC"] == "10"


LOOKS = """
import os, tracemalloc

def measure(run):
    os.environ["KMP_BLOCKTIME"] = "1"  # as libraries do when they are imported
    run.record("traced", float(tracemalloc.is_tracing() or "MALLOC_ARENA_MAX" in os.environ))
    guess(run)

SCENARIO = declare(measure, metrics=(Metric("traced"),))
"""


@pytest.mark.slow
def test_a_run_says_what_it_inherited(harness: Harness) -> None:
    """Its worker is not traced though the runner is, and its record names the variable that it did inherit."""
    arguments = ("run", "probe", "--scenarios", harness.scenario(LOOKS), "--out", "out", "--no-count")
    inherited = {
        "PYTHONTRACEMALLOC": "1",
        "MALLOC_ARENA_MAX": "1",
        "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
    }
    assert harness(*arguments, **inherited).code == 0
    (run,) = harness.job("out")["results"]
    assert run["metrics"]["traced"]["value"] == 0
    known = run["measurement"]["environment"]
    assert known["GLIBC_TUNABLES"] == inherited["GLIBC_TUNABLES"]
    assert not {"PYTHONTRACEMALLOC", "MALLOC_ARENA_MAX", "KMP_BLOCKTIME", "tracing"} & known.keys()
