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
_RUNTIME: tuple[Kind, ...] = ("runtime",)
_TORCH, _TENSORFLOW = ("torch",), ("tensorflow",)


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


def _set(names: str, why: str, value: str = "") -> list[Variable]:
    return [Variable(name, "set", why, value) for name in names.split()]


def _removed(names: str, why: str) -> list[Variable]:
    return [Variable(name, "removed", why) for name in names.split()]


def _kept(
    names: str, why: str, forbids: tuple[Kind, ...] = MEASURED, libraries: tuple[str, ...] = ()
) -> list[Variable]:
    return [Variable(name, "kept", why, "", forbids, libraries) for name in names.split()]


_ONEDNN = "TensorFlow turns oneDNN on by itself only on some CPUs; without it memory is 1.7 times as large"
_SPIN = "threads that spin for long make small torch steps four times slower next to other work; this short a spin costs nothing alone"
_MALLOC = "arenas, thresholds and padding of the C library's allocator; Dask's nannies set one of them"
TABLE = (
    Variable("TF_ENABLE_ONEDNN_OPTS", "default", _ONEDNN, "1", libraries=_TENSORFLOW),
    *_set(
        "OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS BLIS_NUM_THREADS", "threads, recorded as such"
    ),
    *_set("NUMEXPR_NUM_THREADS VECLIB_MAXIMUM_THREADS TF_NUM_INTRAOP_THREADS", "threads, recorded as such"),
    *_set("PYTHONHASHSEED", "order of sets", "0"),
    *_set("TF_NUM_INTEROP_THREADS", "threads of TensorFlow", "1"),
    *_set("TF_CPP_MIN_LOG_LEVEL", "messages of TensorFlow", "2"),
    *_set("MPLBACKEND", "windows that no worker can open", "agg"),
    *_set("MATPLOTLIBRC", "a user's settings of figures, such as text drawn by TeX", os.devnull),
    *_set("GOMP_SPINCOUNT", _SPIN, "20000"),
    *_removed("PYTHONTRACEMALLOC", "notes every allocation: more memory, times up to 20-fold"),
    *_removed("PYTHONMALLOC*", "another allocator, or checks of it"),
    *_removed("PYTHONDEVMODE", "debug hooks of the allocator"),
    *_removed("PYTHONDEBUG", "output of the parser"),
    *_removed("PYTHONDUMPREFS*", "list of objects that are alive at the end"),
    *_removed("PYTHONVERBOSE PYTHONPROFILEIMPORTTIME", "a line for each import"),
    *_removed("PYTHONINSPECT", "a prompt at the end"),
    *_removed("PYTHONASYNCIODEBUG", "checks in event loops"),
    *_removed("PYTHONNODEBUGRANGES", "smaller code objects"),
    *_removed("PYTHONPERFSUPPORT PYTHON_PERF_JIT_SUPPORT", "code written for a profiler"),
    *_removed("MALLOC_*", _MALLOC),
    *_kept("PYTHONOPTIMIZE", "asserts and docstrings left out"),
    *_kept("PYTHON_GIL", "threads that run at once"),
    *_kept("PYTHON_JIT", "compiled bytecode"),
    *_kept("PYTHON_CPU_COUNT", "number of cores that libraries see"),
    *_kept("COVERAGE_PROCESS_* COV_CORE_*", "coverage measured in the worker"),
    *_kept("LD_PRELOAD", "another allocator, or hooks in any library"),
    *_kept("LD_AUDIT", "hooks in any library"),
    *_kept("GLIBC_TUNABLES", "allocator and CPU features of the C library"),
    *_kept("_RJEM_* TCMALLOC_* MIMALLOC_*", "settings of another allocator: jemalloc, tcmalloc, mimalloc"),
    *_kept("ONEDNN_* DNNL_*", "instructions that oneDNN uses, its caches and output", libraries=FRAMEWORKS),
    *_kept("OPENBLAS_CORETYPE", "instructions that OpenBLAS uses", _RUNTIME),
    *_kept("OPENBLAS_L2_SIZE", "block sizes of OpenBLAS", _RUNTIME),
    *_kept("OPENBLAS_*", "memory and threads of OpenBLAS"),
    *_kept("MKL_*", "instructions, memory and threads of MKL"),
    *_kept("NPY_DISABLE_CPU_FEATURES", "instructions that NumPy uses", _RUNTIME),
    *_kept("NPY_*", "huge pages and threads of NumPy"),
    *_kept("ATEN_CPU_CAPABILITY", "instructions that torch uses", _RUNTIME, _TORCH),
    *_kept("OMP_*", "threads of OpenMP: waiting, places, stacks"),
    *_kept("GOMP_*", "threads of OpenMP"),
    *_kept("KMP_DUPLICATE_LIB_OK KMP_INIT_AT_FORK", "nothing; scikit-learn sets it when it is imported", ()),
    *_kept("KMP_*", "threads of OpenMP"),
    *_kept("LRU_CACHE_CAPACITY", "torch's cache of oneDNN kernels", libraries=_TORCH),
    *_kept("THP_MEM_ALLOC_ENABLE", "large pages for torch", libraries=_TORCH),
    *_kept("PYTORCH_*", "torch's allocators", libraries=_TORCH),
    *_kept("XLA_*", "compilation and allocation by XLA", libraries=("tensorflow", "jax")),
    *_kept("TF_XLA_FLAGS", "compilation by XLA", libraries=_TENSORFLOW),
    *_kept("TF_GPU_*", "TensorFlow's GPU allocator and threads", libraries=_TENSORFLOW),
    *_kept("TF_CPU_*", "TensorFlow's CPU allocator", libraries=_TENSORFLOW),
    *_kept("TF_FORCE_GPU_ALLOW_GROWTH", "TensorFlow's GPU allocator", libraries=_TENSORFLOW),
    *_kept("TF_DETERMINISTIC_OPS", "other kernels", _RUNTIME, _TENSORFLOW),
    *_kept("TF_CUDNN_*", "other kernels", libraries=_TENSORFLOW),
    *_kept("CUDA_LAUNCH_BLOCKING", "every kernel waited for", _RUNTIME, FRAMEWORKS),
    *_kept("CUDA_MODULE_LOADING", "kernels loaded at once or when they are used", libraries=FRAMEWORKS),
    *_kept("CUDA_DEVICE_MAX_CONNECTIONS", "queues of the GPU", _RUNTIME, FRAMEWORKS),
    *_kept("CUBLAS_WORKSPACE_CONFIG", "workspace of cuBLAS", libraries=FRAMEWORKS),
    *_kept("NVIDIA_TF32_OVERRIDE", "rounding on the GPU", _RUNTIME, FRAMEWORKS),
    *_kept("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "rounding on the GPU", _RUNTIME, _TORCH),
)
"""The first row that fits a name holds."""


@functools.cache
def row_of(name: str) -> Variable | None:
    """Return the row of the table for a variable; None if nothing is known of it."""
    return next((row for row in TABLE if fnmatch.fnmatchcase(name, row.name)), None)


def for_worker(inherited: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the variables that a worker with so many threads gets in place of those of this process."""
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
    """Whether a variable must be equal on both sides before a kind of metric may be compared, for runs that imported these libraries."""
    row = row_of(name)
    if row is None or kind not in row.forbids:
        return False
    return not row.libraries or any(library in libraries for library in row.libraries)
