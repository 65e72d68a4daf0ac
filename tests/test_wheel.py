"""The built wheel works outside the checkout: it carries templates and baselines, and is typed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import typing
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import TIME_LIMIT

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=TIME_LIMIT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into a new environment that sees this one's libraries, and return its scripts folder."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    # an editable install of the checkout in those libraries comes after the wheel on the path
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return folder / "bin"


def outside(scripts: Path, folder: Path, cache: Path) -> dict[str, str]:
    """Return the variables of a command that knows nothing of the checkout, and finds git."""
    git = Path(shutil.which("git") or "").parent
    return {"PATH": f"{scripts}:{git}", "HARNESS_CACHE": str(cache), "HOME": str(folder), "COLUMNS": "200"}


def run(scripts: Path, folder: Path, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed package's command in a folder outside the checkout."""
    command = [str(scripts / "python"), "-P", "-m", "harness", *arguments]
    return subprocess.run(
        command, cwd=folder, env=outside(scripts, folder, cache), capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )  # fmt: skip


def test_the_wheel_carries_what_it_needs(wheel: Path) -> None:
    """Templates, baselines, starter files, embedded images and the type marker are in; tests and other data are not."""
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("harness/py.typed", "harness/session/starter/numpy.py.txt"):
        assert wanted in names
    assert any(name.startswith("harness/_baselines/kmnist_svd_logreg/o-ma/smoke/") for name in names)
    # every file of a baseline, the predictions beside it too
    stored = {str(path.relative_to(ROOT)) for path in (ROOT / "baselines").rglob("*") if path.is_file()}
    assert {
        name.removeprefix("harness/_") for name in names if name.startswith("harness/_baselines/")
    } == stored
    assert any(name.startswith("harness/report/templates/") for name in names)
    assert not [
        name
        for name in names
        if name.startswith(("tests/", "reports/", "benchmarks/"))
        or (name.endswith((".gz", ".npy")) and not name.startswith("harness/data/embedded/"))
    ]
    assert len([name for name in names if name.startswith("harness/data/embedded/")]) == 13
    (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    told = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()
    assert "License-Expression: MIT AND CC-BY-SA-4.0 AND CC-BY-SA-3.0" in told
    assert "License-File: harness/data/embedded/LICENCE.md" in told


def test_the_wheel_runs_outside_the_checkout(installed: Path, tmp_path: Path, cache: Path) -> None:
    """A run from the installed wheel finds its own baselines, writes its report, and is the wheel's code."""
    where = [str(installed / "python"), "-P", "-c", "import harness; print(harness.__file__)"]
    imported = subprocess.run(where, cwd=tmp_path, env={}, capture_output=True, text=True, check=True).stdout
    assert str(installed.parent) in imported
    done = run(installed, tmp_path, cache, "run", "kmnist_svd_logreg", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    job: dict[str, typing.Any] = json.loads((tmp_path / "out" / "run.json").read_text())
    places = {item["place"] for item in job["comparisons"][0]["judgements"] if item["against"] == "baseline"}
    assert all("_baselines" in place for place in places)
    assert places
    assert (tmp_path / "out" / "index.html").stat().st_size > 10_000


def test_accepting_never_writes_into_the_package(installed: Path, tmp_path: Path, cache: Path) -> None:
    """A baseline accepted into the installed package's folder is refused, and nothing is written there."""
    for words in (
        ["init", "-q"],
        ["-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qm", "x", "--allow-empty"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    for arguments in (
        ("run", "kmnist_svd_logreg", "--out", "out", "--seeds", "5", "--no-count"),
        ("baseline", "propose", "out", "--reason", "test", "--who", "T"),
    ):
        done = run(installed, tmp_path, cache, *arguments)
        assert done.returncode == 0, done.stderr
    (package,) = installed.parent.glob("lib/python*/site-packages/harness/_baselines")
    before = {path: path.stat().st_mtime_ns for path in package.rglob("*")}
    done = run(installed, tmp_path, cache, "baseline", "accept", "out", "--baselines", str(package))
    assert done.returncode == 2
    assert "belongs to an installed package" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in package.rglob("*")} == before


def test_pytest_finds_the_plugin(installed: Path, tmp_path: Path, cache: Path) -> None:
    """Installing the wheel installs the plugin: a variant is an item, judged against the wheel's own baselines, and fails by its verdicts alone.

    What those verdicts are is this machine's affair: nobody knows how much memory it adds.
    """
    chosen = ("-m", "harness(scenario='kmnist_svd_logreg', variant='o-ma')", "-p", "no:cacheprovider")
    command = [str(installed / "python"), "-P", "-m", "pytest", "--harness", "--harness-out", "out", *chosen]
    done = subprocess.run(
        command, cwd=tmp_path, env=outside(installed, tmp_path, cache), capture_output=True, text=True, timeout=TIME_LIMIT,
        check=False,
    )  # fmt: skip
    job: dict[str, typing.Any] = json.loads((tmp_path / "out" / "run.json").read_text())
    (judged,) = (comparison["judgements"] for comparison in job["comparisons"])
    places = {item["place"] for item in judged if item["against"] == "baseline"}
    assert places
    assert all(place.startswith(str(installed.parent)) and "_baselines" in place for place in places)
    verdicts = {item["verdict"] for item in judged if item["gated"]}
    assert verdicts & {"PASS", "REGRESSED", "IMPROVED"}
    assert verdicts.isdisjoint({"REGRESSED", "ERROR", "NO_BASELINE"})
    fails = bool(verdicts & {"REGRESSED", "IMPROVED", "INCONCLUSIVE"})
    assert done.returncode == (1 if fails else 0), done.stdout + done.stderr
    assert f"1 {'failed' if fails else 'passed'}" in done.stdout
    told = [line for line in done.stdout.splitlines() if line.startswith("kmnist_svd_logreg:o-ma[smoke]: ")]
    assert "identity PASS" in told[-1]
    assert "baseline PASS" in told[-1]
    assert f"Report: {tmp_path / 'out' / 'index.html'}" in done.stdout
