"""Fixtures: a repository of this suite with two commits whose `harness` differs, and asv in it, with a home of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from tests.conftest import TIME_LIMIT

ROOT = Path(__file__).resolve().parent.parent.parent
MARK = '''"""Which commit's harness is measured."""

import harness


def track_mark():
    """Return what the commit wrote into its harness."""
    return harness.MARK
'''


@dataclasses.dataclass(frozen=True)
class Suite:
    """A checkout of the suite."""

    folder: Path
    environment: dict[str, str]
    commits: tuple[str, str, str]
    """An empty one, and those whose harness says 1 and 2."""

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a Python module here."""
        return subprocess.run(
            [sys.executable, "-m", *words], cwd=self.folder, env={**self.environment, **variables}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=TIME_LIMIT, check=False,
        )  # fmt: skip

    def asv(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run asv with the suite's own configuration."""
        path = str(self.folder)
        return self.run("asv", "--config", "benchmarks/asv.conf.json", *words, ASV_PYTHONPATH=path)

    def git(self, *words: str) -> str:
        """Run git here and return what it prints."""
        done = subprocess.run(["git", *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True)  # fmt: skip
        return done.stdout.strip()

    def benchmarks(self) -> dict[str, dict[str, typing.Any]]:
        """Return what asv found, by name."""
        found = json.loads((self.folder / ".asv" / "results" / "benchmarks.json").read_text())
        return {name: declared for name, declared in found.items() if name != "version"}

    def results(self) -> dict[str, dict[str, typing.Any]]:
        """Return the values of every result file by commit and benchmark."""
        found = {}
        for path in (self.folder / ".asv" / "results").glob("*/*-existing-*.json"):
            content = json.loads(path.read_text())
            found[content["commit_hash"]] = {name: row[0] for name, row in content["results"].items()}
        return found


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Suite:
    """Copy harness and benchmarks into a repository; a detached commit is checked out."""
    folder = tmp_path_factory.mktemp("suite") / "checkout"
    home = tmp_path_factory.mktemp("home")
    for name in ("harness", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".gitignore").write_text(".asv/\n__pycache__/\n")
    (folder / "benchmarks" / "mark.py").write_text(MARK)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "HOME": str(home), "HARNESS_CACHE": str(cache), "PYTHONPATH": str(folder), "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "T",
        "GIT_CONFIG_KEY_1": "user.email", "GIT_CONFIG_VALUE_1": "t@example.org",
    }  # fmt: skip
    environment.pop("HARNESS_DATA", None)
    made = Suite(folder, environment, ("", "", ""))
    made.git("init", "-q", "-b", "main")
    commits = []
    init = folder / "harness" / "__init__.py"
    text = init.read_text()
    for index in range(3):
        if index:
            init.write_text(f"{text}\nMARK = {index}\n")
            made.git("add", "-A")
        made.git("commit", "-q", "--allow-empty", "-m", f"commit {index}")
        commits.append(made.git("rev-parse", "HEAD"))
    made.git("checkout", "-q", "--detach")
    done = made.asv("machine", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return dataclasses.replace(made, commits=(commits[0], commits[1], commits[2]))
