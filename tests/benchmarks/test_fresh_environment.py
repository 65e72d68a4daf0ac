"""asv's own environments with the suite's commands: one environment, in which only the project is installed again per commit."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import typing
import zipfile

import pytest

from tests.benchmarks.conftest import ROOT, Suite

if typing.TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
METADATA = """Metadata-Version: 2.1
Name: {name}
Version: 1.0
"""
EXTRAS = """Requires-Dist: heavy>=1
Provides-Extra: torch
Provides-Extra: tensorflow
Requires-Dist: heavy; extra == 'torch'
Requires-Dist: heavy; extra == 'tensorflow'
"""
WHEEL = """Wheel-Version: 1.0
Root-Is-Purelib: true
Tag: py3-none-any
"""
BACKEND = f'''
import pathlib, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    place = "report_harness-1.0.dist-info"
    files = {{
        "harness/__init__.py": pathlib.Path("harness/__init__.py").read_text(),
        f"{{place}}/METADATA": """{METADATA.format(name="report-harness")}{EXTRAS}""",
        f"{{place}}/WHEEL": """{WHEEL}""",
    }}
    files[f"{{place}}/RECORD"] = "".join(f"{{name}},,\\n" for name in (*files, f"{{place}}/RECORD"))
    with zipfile.ZipFile(pathlib.Path(wheel_directory, "report_harness-1.0-py3-none-any.whl"), "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    return "report_harness-1.0-py3-none-any.whl"
'''
"""Builds the project's wheel in the isolated environment that pip makes for it, and has nothing to download."""
BENCHMARKS = """
import os
import harness, heavy

def track_mark():
    return harness.MARK

def track_heavy():
    return os.stat(heavy.__file__).st_ino
"""


def heavy(folder: Path) -> None:
    """Write a wheel that stands for torch."""
    place = "heavy-1.0.dist-info"
    with zipfile.ZipFile(folder / "heavy-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("heavy.py", "")
        wheel.writestr(f"{place}/METADATA", METADATA.format(name="heavy"))
        wheel.writestr(f"{place}/WHEEL", WHEEL)
        wheel.writestr(
            f"{place}/RECORD", f"heavy.py,,\n{place}/METADATA,,\n{place}/WHEEL,,\n{place}/RECORD,,\n"
        )


def configuration() -> str:
    """Return the suite's configuration without what the tiny project does not need."""
    text = (ROOT / "benchmarks" / "asv.conf.json").read_text()
    content = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    del content["matrix"]
    return json.dumps(content)


def test_only_the_project_is_installed_again(suite: Suite, tmp_path: Path) -> None:
    """Two commits of a project with a heavy dependency: each is measured by its own code, the dependency stays the very same file."""
    pytest.importorskip("virtualenv", reason="FRESH ENVIRONMENTS WERE NOT TESTED: install virtualenv")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    heavy(wheels)
    project = dataclasses.replace(suite, folder=tmp_path / "project")
    project.folder.mkdir()
    files = {
        "pyproject.toml": PROJECT, "backend.py": BACKEND, "benchmarks/__init__.py": "", "benchmarks/both.py": BENCHMARKS,
        "benchmarks/asv.conf.json": configuration(), ".gitignore": ".asv/\n__pycache__/\n",
    }  # fmt: skip
    for name, content in files.items():
        (project.folder / name).parent.mkdir(exist_ok=True)
        (project.folder / name).write_text(content)
    project.git("init", "-q")
    (project.folder / "harness").mkdir()
    for mark in range(3):
        (project.folder / "harness" / "__init__.py").write_text(f"MARK = {mark}\n")
        project.git("add", "-A")
        project.git("commit", "-q", "-m", f"commit {mark}")
    links = " ".join(part for part in (str(wheels), os.environ.get("PIP_FIND_LINKS", "")) if part)
    command = ("asv", "--config", "benchmarks/asv.conf.json", "run", "HEAD~2..HEAD", "--quick", "-v")
    done = project.run(*command, PIP_FIND_LINKS=links)
    printed = done.stdout + done.stderr
    if re.search(
        r"Could not find a version|NewConnectionError|Temporary failure in name resolution", printed
    ):
        pytest.skip("FRESH ENVIRONMENTS WERE NOT TESTED: pip reaches no registry")
    assert done.returncode == 0, printed
    found = [
        json.loads(path.read_text())["results"]
        for path in (project.folder / ".asv").glob("results/*/*-*.json")
    ]
    assert sorted(each["both.track_mark"][0][0] for each in found) == [1, 2]
    assert len({each["both.track_heavy"][0][0] for each in found}) == 1
    assert printed.count("Successfully uninstalled report-harness") == 1
    assert "uninstalled heavy" not in printed
