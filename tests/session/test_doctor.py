"""The doctor: what it finds here, and what it calls broken."""

from __future__ import annotations

import dataclasses
import json
import os
import typing

import msgspec
import pytest

from harness.judging import baselines
from harness.machine import environment, variables
from harness.records import Baseline, BaselineMetric
from harness.session import doctor
from harness.store import git

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Harness

REAL = {
    **environment.machine(),
    "backend": "numpy",
    "device": "cpu",
    "threads": "2",
    "numpy": doctor.installed("numpy"),
    "blas": "x",
    **variables.recorded(variables.for_worker(os.environ, threads=2)),
}
"""What a worker would record here."""


def baseline(**changed: str) -> Baseline:
    """Return a baseline of this machine, some fields of its environment changed."""
    metric = BaselineMetric(values=[0.9] * 5, unit="", kind="accuracy", better="higher")
    return Baseline(
        schema=1, scenario="probe", scenario_version=1, variant="default", tier="smoke", who="Z", reason="r", date="2030-01-01",
        commit="c", seeds=(0, 1, 2, 3, 4), environment=REAL | changed, datasets=(), metrics={"accuracy": metric},
    )  # fmt: skip


def test_everything_is_looked_at(harness: Harness) -> None:
    """Each topic has its lines, versions are those installed, and nothing here is broken."""
    done = harness("doctor")
    assert done.code == 0
    topics = ("machine\n", "packages\n", "data\n", "folders\n", "git\n", "baselines\n")
    for told in (*topics, "/proc/self/clear_refs", "memory limit"):
        assert told in done.out
    for name in ("numpy", "scipy"):
        assert any(line.split() == [name, doctor.installed(name)] for line in done.out.splitlines())
    assert "this folder is no checkout" in done.out
    assert "travels in the package: complete" in done.out


def test_no_framework_is_imported(harness: Harness) -> None:
    """Versions are read from metadata: the doctor is quick, and beside torch TensorFlow would abort."""
    done = harness("doctor", PYTHONPROFILEIMPORTTIME="1")
    assert done.code == 0
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.err.splitlines()}
    assert "harness.session.doctor" in imported
    assert not imported & {"torch", "tensorflow", "keras", "jax"}


def test_a_missing_extra_is_only_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the packages that are not there and the command that installs them."""
    monkeypatch.setitem(doctor.EXTRAS, "jax", ("numpy", "no-such-package"))
    (found,) = (finding for finding in doctor.examine() if finding.name == "extra jax")
    assert not found.wrong
    assert found.text.startswith(f"numpy {doctor.installed('numpy')}; no-such-package not installed")
    assert found.text.endswith("python -m pip install 'report-harness[jax]'")


def test_a_cache_that_cannot_be_written_is_broken(harness: Harness) -> None:
    """A file where the cache's folder should be is named, and the exit code is 2."""
    (harness.folder / "file").write_text("")
    done = harness("doctor", HARNESS_CACHE=str(harness.folder / "file" / "cache"))
    assert done.code == 2
    (line,) = (line for line in done.out.splitlines() if "BROKEN" in line)
    assert line.split()[0] == "cache"
    assert "cannot be written" in line


def test_a_folder_yet_to_be_made_is_fine(tmp_path: Path) -> None:
    """Results are written below folders that do not exist yet; looking leaves nothing behind."""
    assert doctor._unwritable(tmp_path / "a" / "b") == ""
    assert list(tmp_path.iterdir()) == []


# -- baselines -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ("accuracy: yes", "memory: yes", "runtime: yes")),
        ({"cpu": "B"}, ("accuracy: yes", "memory: yes", f"runtime: no (cpu: {REAL['cpu']}, not B)")),
        ({"numpy": "1.0"}, ("accuracy: yes", "memory: no (numpy: ", "runtime: no (numpy: ")),
        ({"torch": "0.1"}, ("accuracy: yes", "memory: no (torch: ", "runtime: no (torch: ")),
        ({"blas": "y", "gpu": "z", "device": "cuda"}, ("accuracy: yes", "memory: yes", "runtime: yes")),
    ],
)  # fmt: skip
def test_what_a_baseline_can_judge_here(changed: dict[str, str], told: tuple[str, ...]) -> None:
    """Each kind of metric says yes, or the fields that differ; what only a run knows is no obstacle yet."""
    found = doctor.comparable(baseline(**changed))
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))


@pytest.mark.parametrize("known", [True, False])
def test_memory_of_another_machine_is_measured_here_if_the_commit_is_known(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Doctor says whether a gate can measure memory again, and if not why."""
    harness.repository()
    monkeypatch.chdir(harness.folder)
    commit = git.text(harness.folder, "rev-parse", "HEAD") if known else "c" * 40
    found = doctor.comparable(dataclasses.replace(baseline(arch="another"), commit=commit))
    assert ("a gate measures it here at commit" in found[1]) == known
    assert ("names no commit" in found[1]) == (not known)


def test_baselines_are_counted_and_damage_is_named(harness: Harness) -> None:
    """Files are grouped by what they can judge here; a damaged one and damaged waivers are broken, with their paths."""
    root = harness.folder / "baselines"
    path = baselines.write(baseline(), root)
    done = harness("doctor")
    assert done.code == 0
    assert f"in {root.resolve()}" in done.out
    assert "accuracy: yes; memory: yes; runtime: yes; probe smoke (1)" in done.out
    plain = msgspec.json.decode(path.read_bytes())
    path.with_name("00000000.json").write_text(json.dumps({**plain, "seeds": [0, 0, 1, 2, 3]}))
    done = harness("doctor")
    assert (done.code, "names a seed twice" in done.out) == (2, True)
    path.with_name("00000000.json").unlink()
    (root / "waivers.json").write_text("[]")
    done = harness("doctor")
    assert (done.code, "BROKEN: waivers baselines/waivers.json is damaged" in done.out) == (2, True)
    missing = harness("doctor", "--baselines", "nowhere")
    assert (missing.code, "there is no baselines folder 'nowhere'" in missing.out) == (2, True)
