"""What a worker makes of inherited environment variables, and which of them forbid a comparison."""

from __future__ import annotations

import typing

import pytest

from harness.machine import environment, variables

if typing.TYPE_CHECKING:
    from harness.records import Kind
    from tests.conftest import Harness

HOME = {"backend": "numpy", "device": "cpu", "os": "Linux", "numpy": "2.4.6"}
DEBUGGING = "PYTHONTRACEMALLOC PYTHONMALLOC PYTHONMALLOCSTATS PYTHONDEVMODE PYTHONINSPECT PYTHONPROFILEIMPORTTIME PYTHONNODEBUGRANGES"
GLIBC = "MALLOC_ARENA_MAX MALLOC_TRIM_THRESHOLD_ MALLOC_TOP_PAD_ MALLOC_PERTURB_"


def worker(**inherited: str) -> dict[str, str]:
    """Return the variables of a worker with two threads."""
    return variables.for_worker(inherited, threads=2)


def test_debug_switches_and_allocator_settings_reach_no_worker() -> None:
    """They are dropped, so that a run with them is compared with one that had none."""
    assert worker(**dict.fromkeys(f"{DEBUGGING} {GLIBC}".split(), "1")) == worker()


def test_what_changes_no_measurement_is_left_alone() -> None:
    """Other variables are inherited as they are, and are not recorded."""
    names = "PATH PYTHONPATH PYTHONUTF8 MALLOCATION TF_CLI_CONFIG_FILE KMP_INIT_AT_FORK"
    inherited = dict.fromkeys(names.split(), "x")
    assert worker(**inherited) == worker() | inherited
    assert variables.recorded(inherited) == {}


def test_threads_hashes_and_spinning_are_the_harness_own() -> None:
    """What a user set of them is replaced, the number of threads by the run's."""
    own = {
        "OMP_NUM_THREADS": "7",
        "TF_NUM_INTRAOP_THREADS": "7",
        "PYTHONHASHSEED": "random",
        "GOMP_SPINCOUNT": "0",
    }
    found = worker(**own)
    assert found == worker()
    threads = {value for name, value in found.items() if name.endswith(("_NUM_THREADS", "INTRAOP_THREADS"))}
    assert threads == {"2"}
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
    """Each row is found by its own name, and only rows that a worker sets have a value."""
    for row in variables.TABLE:
        assert variables.row_of(row.name.replace("*", "X")) is row
        assert not row.value or row.treatment in {"set", "default"}


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
    tunables = "glibc.malloc.tcache_count=0"
    inherited = {"PYTHONTRACEMALLOC": "1", "MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": tunables}
    assert harness(*arguments, **inherited).code == 0
    (run,) = harness.job("out")["results"]
    assert run["metrics"]["traced"]["value"] == 0
    known = run["measurement"]["environment"]
    assert known["GLIBC_TUNABLES"] == tunables
    assert not {"PYTHONTRACEMALLOC", "MALLOC_ARENA_MAX", "KMP_BLOCKTIME", "tracing"} & known.keys()
