"""Environment variables that change memory or time: what a worker does with them, and which kinds of metric they forbid comparing.

`TABLE` is the only list of them. Workers are started by it, runs record by it, `harness doctor` and every comparison answer from it.
docs/portable.md says what each row was measured to change.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import os
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from harness.records import Kind

Treatment = typing.Literal["set", "default", "removed", "kept"]
MEASURED: tuple[Kind, ...] = ("memory", "runtime")
FRAMEWORKS = ("torch", "tensorflow", "jax")


THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
"""Variables that hold the number of threads."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """A variable, or a family of them."""

    name: str
    """Its name; ``*`` stands for any ending."""
    treatment: Treatment
    """``set``: a worker always gets `value`; ``default``: it gets `value` unless the user set another; ``removed``: a worker never has it;
    ``kept``: a worker inherits it."""
    why: str
    """What it changes."""
    value: str = ""
    """Value that a worker gets; empty where the run decides."""
    forbids: tuple[Kind, ...] = MEASURED
    """Kinds of metric that may be compared only where it is equal on both sides."""
    libraries: tuple[str, ...] = ()
    """Libraries that read it: a run that imported none of them is not affected. Empty if any program may."""


TABLE = (
    Variable(
        "TF_ENABLE_ONEDNN_OPTS",
        "default",
        "TensorFlow turns oneDNN on by itself only on some CPUs; without it memory is 1.7 times as large",
        "1",
        libraries=("tensorflow",),
    ),
    *(Variable(name, "set", "threads, recorded as such") for name in THREADS),
    Variable("PYTHONHASHSEED", "set", "order of sets", "0"),
    Variable("TF_NUM_INTEROP_THREADS", "set", "threads of TensorFlow", "1"),
    Variable("TF_CPP_MIN_LOG_LEVEL", "set", "messages of TensorFlow", "2"),
    Variable("MPLBACKEND", "set", "windows that no worker can open", "agg"),
    Variable("MATPLOTLIBRC", "set", "a user's settings of figures, such as text drawn by TeX", os.devnull),
    Variable(
        "GOMP_SPINCOUNT",
        "set",
        "threads that spin for long make small torch steps four times slower next to other work; this short a spin costs nothing alone",
        "20000",
    ),
    Variable("PYTHONTRACEMALLOC", "removed", "notes every allocation: more memory, times up to 20-fold"),
    Variable("PYTHONMALLOC*", "removed", "another allocator, or checks of it"),
    Variable("PYTHONDEVMODE", "removed", "debug hooks of the allocator"),
    Variable("PYTHONDEBUG", "removed", "output of the parser"),
    Variable("PYTHONDUMPREFS*", "removed", "list of objects that are alive at the end"),
    Variable("PYTHONVERBOSE", "removed", "a line for each import"),
    Variable("PYTHONINSPECT", "removed", "a prompt at the end"),
    Variable("PYTHONPROFILEIMPORTTIME", "removed", "a line for each import"),
    Variable("PYTHONASYNCIODEBUG", "removed", "checks in event loops"),
    Variable("PYTHONNODEBUGRANGES", "removed", "smaller code objects"),
    Variable("PYTHONPERFSUPPORT", "removed", "code written for a profiler"),
    Variable("PYTHON_PERF_JIT_SUPPORT", "removed", "code written for a profiler"),
    Variable(
        "MALLOC_*",
        "removed",
        "arenas, thresholds and padding of the C library's allocator; Dask's nannies set one of them",
    ),
    Variable("PYTHONOPTIMIZE", "kept", "asserts and docstrings left out"),
    Variable("PYTHON_GIL", "kept", "threads that run at once"),
    Variable("PYTHON_JIT", "kept", "compiled bytecode"),
    Variable("PYTHON_CPU_COUNT", "kept", "number of cores that libraries see"),
    Variable("COVERAGE_PROCESS_*", "kept", "coverage measured in the worker"),
    Variable("COV_CORE_*", "kept", "coverage measured in the worker"),
    Variable("LD_PRELOAD", "kept", "another allocator, or hooks in any library"),
    Variable("LD_AUDIT", "kept", "hooks in any library"),
    Variable("GLIBC_TUNABLES", "kept", "allocator and CPU features of the C library"),
    Variable("_RJEM_*", "kept", "settings of jemalloc"),
    Variable("TCMALLOC_*", "kept", "settings of tcmalloc"),
    Variable("MIMALLOC_*", "kept", "settings of mimalloc"),
    Variable("ONEDNN_MAX_CPU_ISA", "kept", "instructions that oneDNN uses", libraries=FRAMEWORKS),
    Variable("DNNL_MAX_CPU_ISA", "kept", "instructions that oneDNN uses", libraries=FRAMEWORKS),
    Variable("ONEDNN_*", "kept", "caches and output of oneDNN", libraries=FRAMEWORKS),
    Variable("DNNL_*", "kept", "caches and output of oneDNN", libraries=FRAMEWORKS),
    Variable("OPENBLAS_CORETYPE", "kept", "instructions that OpenBLAS uses", forbids=("runtime",)),
    Variable("OPENBLAS_L2_SIZE", "kept", "block sizes of OpenBLAS", forbids=("runtime",)),
    Variable("OPENBLAS_*", "kept", "memory and threads of OpenBLAS"),
    Variable("MKL_*", "kept", "instructions, memory and threads of MKL"),
    Variable("NPY_DISABLE_CPU_FEATURES", "kept", "instructions that NumPy uses", forbids=("runtime",)),
    Variable("NPY_*", "kept", "huge pages and threads of NumPy"),
    Variable(
        "ATEN_CPU_CAPABILITY",
        "kept",
        "instructions that torch uses",
        forbids=("runtime",),
        libraries=("torch",),
    ),
    Variable("OMP_*", "kept", "threads of OpenMP: waiting, places, stacks"),
    Variable("GOMP_*", "kept", "threads of OpenMP"),
    Variable("KMP_DUPLICATE_LIB_OK", "kept", "nothing; scikit-learn sets it when it is imported", forbids=()),
    Variable("KMP_INIT_AT_FORK", "kept", "nothing; scikit-learn sets it when it is imported", forbids=()),
    Variable("KMP_*", "kept", "threads of OpenMP"),
    Variable("LRU_CACHE_CAPACITY", "kept", "torch's cache of oneDNN kernels", libraries=("torch",)),
    Variable("THP_MEM_ALLOC_ENABLE", "kept", "large pages for torch", libraries=("torch",)),
    Variable("PYTORCH_*", "kept", "torch's allocators", libraries=("torch",)),
    Variable("XLA_*", "kept", "compilation and allocation by XLA", libraries=("tensorflow", "jax")),
    Variable("TF_XLA_FLAGS", "kept", "compilation by XLA", libraries=("tensorflow",)),
    Variable("TF_GPU_*", "kept", "TensorFlow's GPU allocator and threads", libraries=("tensorflow",)),
    Variable("TF_CPU_*", "kept", "TensorFlow's CPU allocator", libraries=("tensorflow",)),
    Variable("TF_FORCE_GPU_ALLOW_GROWTH", "kept", "TensorFlow's GPU allocator", libraries=("tensorflow",)),
    Variable(
        "TF_DETERMINISTIC_OPS", "kept", "other kernels", forbids=("runtime",), libraries=("tensorflow",)
    ),
    Variable("TF_CUDNN_*", "kept", "other kernels", libraries=("tensorflow",)),
    Variable(
        "CUDA_LAUNCH_BLOCKING", "kept", "every kernel waited for", forbids=("runtime",), libraries=FRAMEWORKS
    ),
    Variable(
        "CUDA_MODULE_LOADING", "kept", "kernels loaded at once or when they are used", libraries=FRAMEWORKS
    ),
    Variable(
        "CUDA_DEVICE_MAX_CONNECTIONS", "kept", "queues of the GPU", forbids=("runtime",), libraries=FRAMEWORKS
    ),
    Variable("CUBLAS_WORKSPACE_CONFIG", "kept", "workspace of cuBLAS", libraries=FRAMEWORKS),
    Variable(
        "NVIDIA_TF32_OVERRIDE", "kept", "rounding on the GPU", forbids=("runtime",), libraries=FRAMEWORKS
    ),
    Variable(
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
        "kept",
        "rounding on the GPU",
        forbids=("runtime",),
        libraries=("torch",),
    ),
)
"""The first row that fits a name holds."""


@functools.cache
def row_of(name: str) -> Variable | None:
    """Return the row of the table for a variable; None if nothing is known of it."""
    return next((row for row in TABLE if fnmatch.fnmatchcase(name, row.name)), None)


def for_worker(inherited: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the variables that a worker gets.

    Parameters
    ----------
    inherited : mapping
        Variables of this process.
    threads : int
        Threads of the run.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if (row := row_of(name)) is None or row.treatment != "removed"
    }
    own = {row.name: row.value or str(threads) for row in TABLE if row.treatment == "set"}
    defaults = {row.name: row.value for row in TABLE if row.treatment == "default" and not kept.get(row.name)}
    return kept | own | defaults


def recorded(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that forbid a comparison with one that does not have them, in alphabetical order.

    A worker has no removed ones. A process that measures by `harness_check` may have any.
    """
    return {
        name: value
        for name, value in sorted(variables.items())
        if value
        and (row := row_of(name)) is not None
        and row.treatment != "set"
        and row.forbids
        and not (row.treatment == "default" and value == row.value)
    }


def forbids(name: str, kind: Kind, libraries: Collection[str]) -> bool:
    """Whether a variable must be equal on both sides before a kind of metric may be compared.

    Parameters
    ----------
    name : str
        Name of the variable.
    kind : str
        Kind of metric.
    libraries : collection of str
        Libraries that the runs imported.
    """
    row = row_of(name)
    if row is None or kind not in row.forbids:
        return False
    return not row.libraries or any(library in libraries for library in row.libraries)
