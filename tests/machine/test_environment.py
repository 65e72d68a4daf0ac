"""Fingerprints, the fields that must match, and versions, commits and extras as they really are."""

from __future__ import annotations

import subprocess
import sys
import types
import typing

import pytest

from harness.errors import MissingExtraError
from harness.machine import environment

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Kind

HOME = {
    "backend": "numpy", "device": "cpu", "os": "Linux", "arch": "x86_64", "threads": "2", "python": "3.11.7",
    "numpy": "2.1.0", "cpu": "A", "cpu_flags": "avx2", "cores": "2", "blas": "openblas 0.3 x2", "load": "0.1",
}  # fmt: skip
KINDS: tuple[Kind, ...] = ("accuracy", "memory", "runtime", "work", "identity", "size")


@pytest.mark.parametrize("field", sorted(HOME.keys() - {"load"}))
def test_every_compared_field_changes_the_fingerprint(field: str) -> None:
    """Eight hexadecimal digits that change with each field that any kind compares."""
    mark = environment.fingerprint(HOME)
    assert len(mark) == 8
    assert int(mark, 16) >= 0
    assert environment.fingerprint({**HOME, field: "other"}) != mark


def test_what_no_kind_compares_leaves_the_fingerprint_alone() -> None:
    """Load, kernel and the order of fields are no part of it."""
    backwards = dict(reversed({**HOME, "load": "9.9", "kernel": "6.1"}.items()))
    assert environment.fingerprint(backwards) == environment.fingerprint(HOME)


@pytest.mark.parametrize(
    ("field", "value", "forbidden"),
    [
        ("backend", "torch", {"accuracy", "memory", "runtime", "work", "size"}),
        ("threads", "4", {"memory", "runtime"}),
        ("numpy", "2.2.0", {"runtime"}),
        ("numpy", "3.0.0", {"memory", "runtime"}),
        ("python", "3.11.9", {"runtime"}),
        ("python", "3.12.0", {"memory", "runtime"}),
        ("cpu", "B", {"runtime"}),
        ("load", "9.9", set()),
        ("torch", "2.6.0", {"memory", "runtime"}),
    ],
)
def test_which_kinds_a_field_forbids(field: str, value: str, forbidden: set[str]) -> None:
    """Accuracy needs the same program, memory the same major versions, runtime the same build and machine."""
    assert all(environment.differences(kind, HOME, dict(HOME)) == [] for kind in KINDS)
    ours = {**HOME, field: value}
    told = {kind: environment.differences(kind, ours, HOME) for kind in KINDS}
    assert {kind for kind, found in told.items() if found} == forbidden
    for kind in forbidden:
        assert told[typing.cast("Kind", kind)] == [f"{field}: {value}, not {HOME.get(field, 'none')}"]


def test_large_pages_forbid_comparing_memory_where_both_sides_know_them() -> None:
    """Memory of a system that hands out large pages is another; older records do not say, and keep their fingerprint."""
    always, madvise = {**HOME, "huge_pages": "always"}, {**HOME, "huge_pages": "madvise"}
    told = {kind: environment.differences(kind, always, madvise) for kind in KINDS}
    assert {kind for kind, found in told.items() if found} == {"memory"}
    assert told["memory"] == ["huge_pages: always, not madvise"]
    assert environment.differences("memory", always, HOME) == []
    assert environment.differences("memory", HOME, always) == []
    assert environment.fingerprint(always) == environment.fingerprint(HOME)


def test_the_cpu_matters_for_memory_where_a_framework_was_imported() -> None:
    """Frameworks choose kernels and layouts by the CPU; NumPy's memory was the same on every kind of machine."""
    other = {**HOME, "cpu_flags": "avx2 avx512f"}
    assert environment.differences("memory", other, HOME) == []
    for library in ("torch", "tensorflow", "jax"):
        ours, theirs = {**other, library: "2.0"}, {**HOME, library: "2.0"}
        assert environment.differences("memory", ours, theirs) == ["cpu_flags: avx2 avx512f, not avx2"]


def test_what_watches_a_process_forbids_comparing_memory_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A traced process is named as such, and is not compared with one that is not; nothing active leaves no field."""
    import tracemalloc

    monkeypatch.setattr(sys, "gettrace", lambda: None)
    monkeypatch.setattr(sys, "getprofile", lambda: None)
    before = environment.tracing()
    tracemalloc.start()
    try:
        active = environment.tracing()
    finally:
        tracemalloc.stop()
    assert "tracemalloc" in active["tracing"]
    assert environment.tracing() == before
    ours = {**HOME, **active}
    told = {kind: environment.differences(kind, ours, HOME) for kind in KINDS}
    assert {kind for kind, found in told.items() if found} == {"memory", "runtime"}
    assert environment.fingerprint(ours) != environment.fingerprint(HOME)


def test_this_machine_describes_itself() -> None:
    """Machine fields are texts, none empty but possibly the flags, and agree with the interpreter."""
    found = environment.machine()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert (int(found["cores"]) >= 1, float(found["ram_gib"]) > 0) == (True, True)
    assert all(isinstance(value, str) and value for name, value in found.items() if name != "cpu_flags")


def test_versions_are_those_of_imported_libraries() -> None:
    """NumPy is imported here and has its version; a library that is not imported is absent."""
    import numpy as np

    found = environment.loaded_libraries()
    assert (np.ones((2, 2)) @ np.ones((2, 2))).sum() == 8
    assert " x" in environment.blas()  # and how many threads it uses
    assert found["numpy"] == np.__version__
    assert set(found) <= set(environment.LIBRARIES)
    assert "tensorflow" not in found


def test_a_module_of_another_distribution_tells_its_own_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """tensorflow-cpu brings tensorflow without a distribution of that name: the module tells its version."""
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    module = types.ModuleType("jax")
    module.__version__ = "9.8.7"  # type: ignore[attr-defined]
    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setitem(sys.modules, "jax", module)
    assert environment.loaded_libraries()["jax"] == "9.8.7"


def git(folder: Path, *words: str) -> str:
    """Run git in a folder."""
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_commit_is_clean_dirty_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside git there is no commit; inside it is the head, marked once a tracked file differs."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert environment.git_commit() == ""
    git(tmp_path, "init", "-q")
    assert environment.git_commit() == ""
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "start")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert environment.git_commit() == head
    (tmp_path / "untracked").write_text("1")
    assert environment.git_commit() == head
    assert environment.git_commit(paths=["a", str(tmp_path / "a"), "/elsewhere/probe.py"]) == head
    assert environment.git_commit(paths=["a", "untracked"]) == f"{head}+dirty"
    (tmp_path / "a").write_text("2")
    assert environment.git_commit() == f"{head}+dirty"
    monkeypatch.setenv("PATH", str(tmp_path))  # without the git program too
    assert environment.git_commit() == ""


def test_a_missing_extra_names_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra whose package is absent is one error with the exact command."""
    monkeypatch.setitem(environment.EXTRAS, "torch", ("no_such_package_here",))
    assert environment.missing_packages(["torch"]) == [("torch", "no_such_package_here")]
    with pytest.raises(
        MissingExtraError, match=r"'no_such_package_here' is not installed.*report-harness\[torch\]"
    ):
        environment.import_extras(["torch"])


def test_a_broken_package_is_not_called_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package that is there but lacks a dependency of its own keeps its own error."""
    (tmp_path / "broken_package_here.py").write_text("import its_missing_dependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(environment.EXTRAS, "torch", ("broken_package_here",))
    with pytest.raises(ModuleNotFoundError, match="its_missing_dependency"):
        environment.import_extras(["torch"])
    assert environment.missing_packages(["torch"]) == []
