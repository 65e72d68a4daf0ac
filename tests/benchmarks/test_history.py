"""What the loop over past commits refuses, each by one sentence with the next step; and the proof of whose harness is measured."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import typing

import pytest

from benchmarks import history, proof
from harness.errors import RevisionError, StorageError
from harness.export import asv

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.conftest import Suite


def test_commits_of_a_range(suite: Suite) -> None:
    """A range is its first-parent commits, oldest first, and an open end is what is checked out; one name is that commit."""
    first, second, third = suite.commits
    assert history.commits(suite.folder, f"{first}..") == [second, third]
    assert history.commits(suite.folder, f"{second}..main") == [third]
    assert history.commits(suite.folder, "main~1") == [second]
    with pytest.raises(RevisionError, match="holds no commit"):
        history.commits(suite.folder, f"{third}..{first}")
    with pytest.raises(RevisionError, match="'v9' names no commit here"):
        history.commits(suite.folder, "v9..HEAD")


def test_results_of_another_project(suite: Suite, tmp_path: Path) -> None:
    """A results folder whose commits are all foreign, or whose files are no results, is not written into."""
    top = tmp_path / "clone"
    suite.git("clone", "-q", suite.folder.as_uri(), str(top))
    asv.refuse_other_project(top / history.RESULTS, top)
    place = top / history.RESULTS / "machine"
    place.mkdir(parents=True)
    (place / "machine.json").write_text("{}")
    (place / "0000-env.json").write_text('{"commit_hash": "' + "0" * 40 + '"}')
    with pytest.raises(StorageError, match="holds results of 1 commits, none of which is in this checkout"):
        asv.refuse_other_project(top / history.RESULTS, top)
    (place / "ours-env.json").write_text('{"commit_hash": "' + suite.commits[1] + '"}')
    asv.refuse_other_project(top / history.RESULTS, top)
    (place / "broken-env.json").write_text("[]")
    with pytest.raises(StorageError, match=r"broken-env\.json is no result of asv"):
        asv.refuse_other_project(top / history.RESULTS, top)


def test_a_commit_without_harness_is_refused(suite: Suite, tmp_path: Path) -> None:
    """A commit that has no harness is not measured with whatever else can be imported; no result and no worktree is left."""
    top = tmp_path / "clone"
    suite.git("clone", "-q", suite.folder.as_uri(), str(top))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.history", "--commits", suite.commits[0], "--quick"], cwd=top,
        env={**suite.environment, "PYTHONPATH": str(top)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"benchmarks.history: commit {suite.commits[0][:10]} ")
    assert "Name later commits" in done.stderr
    assert not (top / ".asv").exists()


def test_asv_fails_when_another_harness_comes_first(suite: Suite) -> None:
    """The real asv ends with an error rather than a result if its processes import another harness than the one to measure."""
    done = suite.run(
        "asv", "--config", "benchmarks/asv.conf.json", "run", "-E", f"existing:{sys.executable}", "--quick", "--dry-run",
        "-b", "mark", ASV_PYTHONPATH=str(suite.folder), **{proof.VARIABLE: os.sep},
    )  # fmt: skip
    assert done.returncode != 0
    assert "harness was imported from" in done.stdout + done.stderr


def test_a_scenario_runs_the_harness_that_asv_imports(suite: Suite) -> None:
    """The worker's harness is the measuring process's own, wherever it is: a changed copy is what runs."""
    copy = suite.folder.parent / "changed"
    shutil.copytree(suite.folder, copy, ignore=shutil.ignore_patterns(".git", ".asv", "__pycache__"))
    init = copy / "harness" / "__init__.py"
    init.write_text(init.read_text() + "\nraise SystemExit('changed')\n")
    code = (
        "import sys, benchmarks.asv_scenarios as s, benchmarks.proof as p, pathlib;"
        f"p.folder = lambda: pathlib.Path({str(copy)!r}); s.measure('kmnist_svd_logreg', 'o-ma')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=suite.folder, env=suite.environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 1
    assert "exited with code 1: changed" in done.stderr
