"""Fixtures: a user's repository with two commits whose helper module differs, far from any other checkout."""

from __future__ import annotations

import os
import subprocess
import textwrap
import typing

import pytest

from tests.conftest import HEAD

if typing.TYPE_CHECKING:
    from pathlib import Path

PROBE = "import helper\n\ndef measure(run):\n    guess(run, helper.RIGHT)\n\nSCENARIO = declare(measure, version={})\n"


class Repository:
    """A git repository whose commits a test makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "T")
        self.git("config", "user.email", "t@example.org")

    def git(self, *words: str) -> str:
        """Run git here and return what it prints."""
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, files: dict[str, str]) -> None:
        """Write files without committing them."""
        for name, content in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(content)

    def commit(self, files: dict[str, str]) -> str:
        """Write files, commit everything and return the commit."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-qm", "next", "--allow-empty")
        return self.git("rev-parse", "HEAD")

    def worktrees(self) -> list[str]:
        """List the worktrees that git knows of besides the main one."""
        lines = self.git("worktree", "list", "--porcelain").splitlines()
        return [line for line in lines if line.startswith("worktree ")][1:]


def probe(version: int = 1) -> str:
    """Return a scenario file that scores as many images right as the module `helper` says."""
    return HEAD + textwrap.dedent(PROBE.format(version))


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache and every other checkout out of it."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "user cache"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a repository, at a path with a space, whose commits have 90 and then 80 images right."""
    made = Repository(tmp_path / "their project")
    made.commit({"helper.py": "RIGHT = 90\n", "bench/probe.py": probe()})
    made.commit({"helper.py": "RIGHT = 80\n"})
    return made
