"""Fingerprint of machine, libraries, threads and device; which fields must match for which kind of metric."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
import sys
import typing
from pathlib import Path

import psutil

from harness.errors import MissingExtraError

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.records import Kind

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "tensorflow", "keras", "jax")
_MODULES = {"scikit-learn": "sklearn"}
EXTRAS: dict[str, tuple[str, ...]] = {
    "torch": ("torch",),
    "tensorflow": ("tensorflow", "keras"),
    "keras": ("keras",),
    "jax": ("jax",),
}
"""Extra -> packages a worker imports before the first stage."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)

Precision = typing.Literal["exact", "major"]
_SAME_PROGRAM: tuple[tuple[str, Precision], ...] = (("backend", "exact"), ("device", "exact"))
_SAME_MAJOR: tuple[tuple[str, Precision], ...] = tuple((name, "major") for name in LIBRARIES)
_SAME_BUILD: tuple[tuple[str, Precision], ...] = tuple((name, "exact") for name in LIBRARIES)
MUST_MATCH: dict[Kind, tuple[tuple[str, Precision], ...]] = {
    "accuracy": _SAME_PROGRAM,
    "identity": (),
    "size": _SAME_PROGRAM,
    "work": _SAME_PROGRAM,
    "memory": (
        *_SAME_PROGRAM, ("os", "exact"), ("arch", "exact"), ("threads", "exact"), ("python", "major"),
        *_SAME_MAJOR,
    ),
    "runtime": (
        *_SAME_PROGRAM, ("os", "exact"), ("arch", "exact"), ("threads", "exact"), ("python", "exact"),
        *_SAME_BUILD,
        ("cpu", "exact"), ("cpu_flags", "exact"), ("cores", "exact"), ("blas", "exact"), ("gpu", "exact"),
        ("executor", "exact"),
    ),
}  # fmt: skip
"""Which environment fields must match, and how exactly, before a kind of metric may be compared.

``major`` means the first number of a library's version, and the first two of Python's."""

_LATER = ("executor",)
"""Fields that fingerprints gained later: where they are absent, a fingerprint stays what it was."""


def fingerprint(environment: Mapping[str, str]) -> str:
    """Hash the fields that any kind of metric compares: 8 hexadecimal digits."""
    known = {name for rules in MUST_MATCH.values() for name, _ in rules}
    fields = sorted(known - {name for name in _LATER if name not in environment})
    text = "\n".join(f"{name}={environment.get(name, '')}" for name in fields)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def differences(kind: Kind, ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Name the fields that forbid comparing `kind`, each as ``field: ours, not theirs``."""
    found = []
    for name, precision in MUST_MATCH[kind]:
        a, b = ours.get(name, "none"), theirs.get(name, "none")
        if _reduce(name, a, precision) != _reduce(name, b, precision):
            found.append(f"{name}: {a}, not {b}")
    return found


def _reduce(name: str, version: str, precision: Precision) -> str:
    if precision == "exact":
        return version
    return ".".join(version.split(".")[: 2 if name == "python" else 1])


@functools.cache
def _cpu() -> tuple[str, str]:
    """Return (model, the vector instruction flags that change numerical kernels)."""
    model, flags = platform.processor() or "unknown", ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return model, flags
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            model = value.strip()
        if key.strip() in {"flags", "Features"}:
            wanted = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
            flags = " ".join(flag for flag in wanted if flag in value.split())
            break
    return model, flags


def _governor() -> str:
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return "unknown"


def git_commit(folder: str = ".") -> str:
    """Commit of the git checkout around `folder`; empty outside git.

    It ends with ``+dirty`` if tracked files differ or git cannot say.
    """

    def git(*words: str) -> str | None:
        try:
            command = ["git", "-C", folder, *words]
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if not commit:
        return ""
    return commit if git("status", "--porcelain", "--untracked-files=no") == "" else f"{commit}+dirty"


def machine() -> dict[str, str]:
    """Describe machine and interpreter; cheap, needs no framework."""
    model, flags = _cpu()
    return {
        "os": platform.system(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "cpu": model,
        "cpu_flags": flags,
        "cores": str(psutil.cpu_count() or 0),
        "ram_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "governor": _governor(),
        "load": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
        "python": platform.python_version(),
    }


def loaded_libraries() -> dict[str, str]:
    """Return versions of the numerical libraries that this process has imported."""
    return {name: _version(name) for name in LIBRARIES if _MODULES.get(name, name) in sys.modules}


def _version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # another distribution brings the module, e.g. tensorflow-cpu
        return str(getattr(sys.modules[_MODULES.get(name, name)], "__version__", "unknown"))


def blas() -> str:
    """BLAS libraries in this process with version and thread count."""
    import threadpoolctl

    pools = threadpoolctl.threadpool_info()
    found = {f"{pool['internal_api']} {pool['version']} x{pool['num_threads']}" for pool in pools}
    return ", ".join(sorted(found)) or "unknown"


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
