"""Fingerprint of machine, libraries, threads and device; which fields must match for which kind of metric."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import sys
import typing
from pathlib import Path

import psutil

from harness.errors import MissingExtraError, RevisionError
from harness.machine import variables
from harness.store import git

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.records import DatasetUse, Kind

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "tensorflow", "keras", "jax")
_MODULES = {"scikit-learn": "sklearn"}
EXTRAS: dict[str, tuple[str, ...]] = {
    "torch": ("torch",),
    "tensorflow": ("tensorflow", "keras"),
    "keras": ("keras",),
    "jax": ("jax",),
}
"""Extra -> packages a worker imports before the first stage."""

Precision = typing.Literal["exact", "major"]
_SAME_PROGRAM: tuple[tuple[str, Precision], ...] = (("backend", "exact"), ("device", "exact"))
_SAME_MAJOR: tuple[tuple[str, Precision], ...] = tuple((name, "major") for name in LIBRARIES)
_SAME_BUILD: tuple[tuple[str, Precision], ...] = tuple((name, "exact") for name in LIBRARIES)
MUST_MATCH: dict[Kind, tuple[tuple[str, Precision], ...]] = {
    "accuracy": _SAME_PROGRAM,
    "identity": (),
    "size": _SAME_PROGRAM,
    "work": _SAME_PROGRAM,
    "trajectory": _SAME_PROGRAM,
    "memory": (
        *_SAME_PROGRAM, ("os", "exact"), ("arch", "exact"), ("threads", "exact"), ("python", "major"),
        *_SAME_MAJOR, ("huge_pages", "exact"), ("tracing", "exact"), ("cpu_flags", "exact"),
    ),
    "runtime": (
        *_SAME_PROGRAM, ("os", "exact"), ("arch", "exact"), ("threads", "exact"), ("python", "exact"),
        *_SAME_BUILD,
        ("cpu", "exact"), ("cpu_flags", "exact"), ("cores", "exact"), ("blas", "exact"), ("gpu", "exact"),
        ("executor", "exact"), ("tracing", "exact"),
    ),
}  # fmt: skip
"""Which environment fields must match, and how exactly, before a kind of metric may be compared.

``major`` means the first number of a library's version, and the first two of Python's."""

_FRAMEWORKS_ONLY = (("memory", "cpu_flags"),)
"""Kinds and fields that matter only where a deep-learning framework was imported: NumPy's memory does not depend on the CPU."""
COMPARED = tuple(sorted({name for rules in MUST_MATCH.values() for name, _ in rules}))
"""Every field that some kind of metric compares."""

_LATER = ("executor", "tracing")
"""Fields that fingerprints gained later: where they are absent, a fingerprint stays what it was."""
_WHERE_KNOWN = ("huge_pages",)
"""Fields that older records lack: compared where both sides have them, and no part of a fingerprint."""


def compared(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that any kind of metric compares, inherited variables among them."""
    return {name: value for name, value in environment.items() if name in COMPARED or variables.row_of(name)}


def fingerprint(environment: Mapping[str, str]) -> str:
    """Hash the fields that any kind of metric compares: 8 hexadecimal digits."""
    absent = {name for name in _LATER if name not in environment}
    fields = sorted({*COMPARED, *compared(environment)} - {*_WHERE_KNOWN} - absent)
    text = "\n".join(f"{name}={environment.get(name, '')}" for name in fields)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def differences(kind: Kind, ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Name the fields that forbid comparing `kind`, each as ``field: ours, not theirs``."""
    return [f"{name}: {a}, not {b}" for name, a, b in differing(kind, ours, theirs)]


def differing(kind: Kind, ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the fields that forbid comparing `kind`, with both values."""
    fields = []
    known = {*ours, *theirs}
    inherited = sorted(name for name in known if variables.forbids(name, kind, known))
    for name, precision in (*MUST_MATCH[kind], *((name, "exact") for name in inherited)):
        if (kind, name) in _FRAMEWORKS_ONLY and known.isdisjoint(variables.FRAMEWORKS):
            continue
        if name in _WHERE_KNOWN and not (name in ours and name in theirs):
            continue
        a, b = ours.get(name, "none"), theirs.get(name, "none")
        parts = {"exact": None, "major": 2 if name == "python" else 1}[precision]
        if a.split(".")[:parts] != b.split(".")[:parts]:
            fields.append((name, a, b))
    return fields


def other_data(ours: Iterable[DatasetUse], theirs: Iterable[DatasetUse]) -> list[str]:
    """Name the data sets whose content differs, or that one side alone read."""
    a, b = ({(use.name, use.sha256) for use in uses} for uses in (ours, theirs))
    return [f"data set {name}: other content" for name in sorted({name for name, _ in a ^ b})]


@functools.cache
def _cpu() -> tuple[str, str]:
    """Return (model, the vector instruction flags that change numerical kernels)."""
    model, flags = platform.processor() or "unknown", ""
    for line in _text("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            model = value.strip()
        if key.strip() in {"flags", "Features"}:
            wanted = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
            flags = " ".join(flag for flag in wanted if flag in value.split())
            break
    return model, flags


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def git_commit(folder: str = ".", paths: Iterable[str] = ()) -> str:
    """Commit of the git checkout around `folder`; empty outside git.

    It ends with ``+dirty`` if tracked files differ, one of the scenario files `paths` in the checkout is not tracked, or git cannot say.
    """
    try:
        return git.commit(folder, paths)
    except RevisionError:
        return ""


def machine() -> dict[str, str]:
    """Describe machine and interpreter; cheap, needs no framework."""
    model, flags = _cpu()
    # with "always" memory comes in pages of 2 MiB unasked: `kmnist_svd_logreg:o-ma` then takes 26.4 MiB instead of 22.8
    pages = re.search(
        r"\[(\w+)\]", _text("/sys/kernel/mm/transparent_hugepage/enabled")
    )  # always [madvise] never
    return {
        "os": platform.system(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "cpu": model,
        "cpu_flags": flags,
        "cores": str(psutil.cpu_count() or 0),
        "ram_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        **({"huge_pages": pages[1]} if pages else {}),
        "load": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
    }


def loaded_libraries() -> dict[str, str]:
    """Return versions of the numerical libraries that this process has imported."""
    from importlib import metadata

    versions = {}
    for name in LIBRARIES:
        module = sys.modules.get(_MODULES.get(name, name))
        if _MODULES.get(name, name) in sys.modules:
            try:
                versions[name] = metadata.version(name)
            except (
                metadata.PackageNotFoundError
            ):  # another distribution brings the module, e.g. tensorflow-cpu
                versions[name] = str(getattr(module, "__version__", "unknown"))
    return versions


def blas() -> str:
    """BLAS libraries in this process with version and thread count."""
    import threadpoolctl

    pools = threadpoolctl.threadpool_info()
    names = {f"{pool['internal_api']} {pool['version']} x{pool['num_threads']}" for pool in pools}
    return ", ".join(sorted(names)) or "unknown"


def thread_pools() -> dict[str, int]:
    """Return how many threads each numerical library in this process would use."""
    import threadpoolctl

    counts = {
        f"{pool['internal_api']} {Path(pool['filepath']).name}": int(pool["num_threads"])
        for pool in threadpoolctl.threadpool_info()
    }
    torch = sys.modules.get("torch")
    return counts | ({"torch": int(torch.get_num_threads())} if torch is not None else {})


def numerics() -> dict[str, str]:
    """Return the settings that decide how the loaded frameworks round, as they stand: TF32, determinism, precision, mixed precision.

    They are recorded so that two runs can be told apart; but for `tracing`, no kind of metric is refused for them, and fingerprints leave
    them out.
    """
    settings = tracing()
    for framework, read in _NUMERICS.items():
        if sys.modules.get(framework) is not None:
            settings |= {
                f"{framework}_{name}": str(value) for name, value in read(sys.modules[framework]).items()
            }
    return settings


def tracing() -> dict[str, str]:
    """Return what watches this process and costs it memory or time: tracers, profilers, Python's development mode; empty if nothing does."""
    active = {
        "tracemalloc": (module := sys.modules.get("tracemalloc")) is not None and module.is_tracing(),
        "sys.settrace": sys.gettrace() is not None,
        "sys.setprofile": sys.getprofile() is not None,
        "development mode": sys.flags.dev_mode,
    }
    names = [name for name, on in active.items() if on]
    if sys.version_info >= (3, 12):
        names += filter(None, map(sys.monitoring.get_tool, range(6)))
    return {"tracing": ", ".join(names)} if names else {}


def _torch_numerics(torch: typing.Any) -> dict[str, object]:  # noqa: ANN401 - a module that may not be installed
    def known(read: Callable[[], object]) -> object:
        """Read a setting; torch refuses to where its old and new names for it were both used, which is worth knowing too."""
        try:
            return read()
        except RuntimeError:
            return "mixed"

    backends = torch.backends
    casts = [kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
    return {
        "tf32_matmul": known(lambda: backends.cuda.matmul.allow_tf32),
        "tf32_cudnn": known(lambda: backends.cudnn.allow_tf32),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": backends.cudnn.benchmark,
        "cudnn_deterministic": backends.cudnn.deterministic,
        "matmul_precision": known(torch.get_float32_matmul_precision),
        "autocast": ", ".join(f"{kind}: {torch.get_autocast_dtype(kind)}" for kind in casts) or "off",
    }


def _tensorflow_numerics(tensorflow: typing.Any) -> dict[str, object]:  # noqa: ANN401
    # TensorFlow has no public way to ask for op determinism, only one to switch it on
    config = sys.modules.get("tensorflow.python.framework.config")
    deterministic = getattr(config, "is_op_determinism_enabled", lambda: "unknown")
    return {
        "tf32": tensorflow.config.experimental.tensor_float_32_execution_enabled(),
        "deterministic": deterministic(),
    }


_NUMERICS: dict[str, Callable[[typing.Any], dict[str, object]]] = {
    "torch": _torch_numerics,
    "keras": lambda keras: {
        "dtype_policy": keras.config.dtype_policy().name,
        "floatx": keras.config.floatx(),
    },
    "tensorflow": _tensorflow_numerics,
    "jax": lambda jax: {
        "matmul_precision": jax.config.jax_default_matmul_precision or "default",
        "x64": jax.config.jax_enable_x64,
    },
}


def import_extras(needs: Iterable[str]) -> None:
    """Import the packages of the extras that a scenario needs.

    Raises
    ------
    MissingExtraError
        If one is not installed, with the command that installs it.
    """
    import importlib

    for extra in needs:
        for package in EXTRAS[extra]:
            try:
                importlib.import_module(package)
            except ModuleNotFoundError as error:
                if error.name != package:
                    raise
                raise missing_extra(extra, package) from error


def missing_extra(extra: str, package: str) -> MissingExtraError:
    """Build the error for a package that is not installed."""
    return MissingExtraError(
        f"package '{package}' is not installed", f"Type: python -m pip install 'report-harness[{extra}]'"
    )


def missing_packages(needs: Iterable[str]) -> list[tuple[str, str]]:
    """List (extra, package) pairs that cannot be imported here, without importing them."""
    from importlib.util import find_spec

    return [(extra, package) for extra in needs for package in EXTRAS[extra] if find_spec(package) is None]
