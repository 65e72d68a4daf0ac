"""What `harness init` writes works as it stands, from nothing to a loss that is caught."""

from __future__ import annotations

import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
import types
import typing
from importlib import metadata
from pathlib import Path

import pytest

from harness.errors import UnknownNameError
from harness.records.version import __version__
from harness.session import starter
from tests.conftest import TIME_LIMIT, git
from tests.test_workflows import action, parsed

if typing.TYPE_CHECKING:
    from tests.conftest import Harness


def step(
    harness: Harness, name: str, steps: list[dict[str, typing.Any]] | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does, of the written workflow by default, with the program of this environment."""
    if steps is None:
        workflow = parsed((harness.folder / ".github" / "workflows" / "my_scenario.yml").read_text())
        steps = workflow["jobs"]["gate"]["steps"]
    (script,) = (found["run"] for found in steps if found.get("name") == name)
    environment = {
        **harness.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{harness.environment['PATH']}",
        "GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "octocat", "GITHUB_STEP_SUMMARY": str(harness.folder / "reports" / "step.md"), **variables,
    }  # fmt: skip
    shutil.rmtree(harness.folder / "reports", ignore_errors=True)
    (harness.folder / "reports").mkdir()
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=harness.folder, env=environment,
        capture_output=True, text=True, timeout=TIME_LIMIT, check=False,
    )  # fmt: skip


@pytest.mark.system
def test_from_nothing_to_a_caught_loss(harness: Harness) -> None:
    """Green while there is no baseline; the proposed one is accepted; green with it; red when a branch learns worse, with annotation and summary."""
    assert harness("init", "--framework", "sklearn").code == 0
    harness.repository()
    first = step(harness, "Gate", BASE="")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "::notice title=No baseline yet::" in first.stdout
    proposed = step(harness, "Propose the first baseline")
    assert proposed.returncode == 0, proposed.stdout + proposed.stderr
    assert "harness baseline accept reports/first" in (harness.folder / "reports" / "step.md").read_text()
    assert harness("baseline", "accept", "reports/first").code == 0
    harness.commit("baseline")
    assert not git(harness.folder, "status", "--porcelain"), "reports are ignored"
    # once by the action's step in place of the workflow's
    output = harness.folder.parent / "output"
    names = dict.fromkeys(("SCENARIO", "TIER", "SEEDS", "AGAINST"), "")
    held = step(harness, "Gate", action()["runs"]["steps"], **names, GITHUB_OUTPUT=str(output))
    assert output.read_text().splitlines() == ["exit-code=0", "outcome=passed"], held.stdout + held.stderr
    git(harness.folder, "switch", "-qc", "worse")
    scenario = harness.folder / "my_scenario.py"
    scenario.write_text(scenario.read_text().replace("max_iter=200", "C=1e-5"))
    harness.commit("tidy up")
    caught = step(harness, "Gate", BASE=git(harness.folder, "rev-parse", "main"))
    assert caught.returncode == 1, caught.stdout + caught.stderr
    assert "::error title=REGRESSED my_scenario%3Adefault accuracy::" in caught.stdout
    assert "worse" in (harness.folder / "reports" / "step.md").read_text()
    assert (harness.folder / "reports" / "gate" / "index.html").exists()


@pytest.mark.system
@pytest.mark.parametrize("kind", list(starter.FRAMEWORKS))
def test_the_written_test_passes(harness: Harness, kind: str) -> None:
    """For each framework the scenario runs and learns, as the test next to it says, from another folder too."""
    assert harness("init", "project", "--framework", kind).code == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "project/test_my_scenario.py", "-p", "no:cacheprovider"],
        cwd=harness.folder, env=harness.environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", list(starter.FRAMEWORKS))
def test_each_project_is_declared_soundly(harness: Harness, kind: str) -> None:
    """The configuration names the scenario, so that it is listed without a word, and no framework is imported for that."""
    assert harness("init", "--name", "mine", "--framework", kind).code == 0
    done = harness("list")
    assert done.code == 0, done.err
    assert "mine (version 1)" in done.out


def test_the_framework_is_the_installed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch goes before Keras, Keras before scikit-learn; an unknown name gets the nearest."""
    here = {"keras", "sklearn", "numpy"}
    spec = importlib.machinery.ModuleSpec("x", None)
    monkeypatch.setattr(starter, "find_spec", lambda name: spec if name in here else None)
    assert starter.framework() == "keras"
    here.add("torch")
    assert starter.framework() == "torch"
    here.difference_update({"torch", "keras"})
    assert starter.framework() == "sklearn"
    with pytest.raises(UnknownNameError, match="Did you mean 'sklearn'"):
        starter.write(Path("nowhere"), "mine", kind="sklern")


AT = "report-harness[torch] @"


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        (None, f"report-harness[torch]=={__version__}"),
        (
            {"url": "https://x.org/h.git", "vcs_info": {"commit_id": "abc"}},
            f"{AT} git+https://x.org/h.git@abc",
        ),
        ({"url": "https://x.org/h.whl", "archive_info": {}}, f"{AT} https://x.org/h.whl"),
        # a file that no other machine has is replaced by what is to be edited, a checkout by its remote and commit
        ({"url": "file:///nowhere/h.whl", "archive_info": {}}, f"{AT} {starter.NOWHERE}"),
        ({"url": "CHECKOUT", "dir_info": {"editable": True}}, f"{AT} git+https://host.org/we/harness@COMMIT"),
    ],
)
def test_jobs_install_from_where_this_harness_came(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, origin: dict[str, typing.Any] | None, says: str
) -> None:
    """An index, a repository with its commit, or an address."""
    harness.repository()
    git(harness.folder, "remote", "add", "origin", "git@host.org:we/harness.git")
    commit = git(harness.folder, "rev-parse", "HEAD")
    text = origin and json.dumps(origin).replace("CHECKOUT", harness.folder.as_uri())
    installed = types.SimpleNamespace(read_text=lambda name: {"direct_url.json": text}[name])
    monkeypatch.setattr(metadata, "distribution", lambda _: installed)
    assert starter.requirement("torch") == says.replace("COMMIT", commit)


def test_what_is_there_stays(tmp_path: Path) -> None:
    """A .gitignore keeps its lines and gets those that it lacks, GitLab's file stays, and other files are refused."""
    (tmp_path / ".gitignore").write_text("*.log\nreports/")
    (tmp_path / ".gitlab-ci.yml").write_text("theirs: {}\n")
    assert tmp_path / ".gitlab-ci.yml" not in starter.write(tmp_path, "mine", kind="numpy")
    assert (tmp_path / ".gitignore").read_text() == "*.log\nreports/\n.cache/\n__pycache__/\n.pytest_cache/\n"
    assert (tmp_path / ".gitlab-ci.yml").read_text() == "theirs: {}\n"
    assert starter._ignored(tmp_path / ".gitignore") == []


def test_init_overwrites_nothing(harness: Harness) -> None:
    """A second init names the file that is there already; next to [tool.harness] no harness.toml is written: no command works with both."""
    (harness.folder / "pyproject.toml").write_text("[tool.harness]\nseeds = 3\n")
    done = harness("init")
    assert done.code == 2
    assert "configures the harness already" in done.err
    assert not (harness.folder / "harness.toml").exists()
    (harness.folder / "pyproject.toml").unlink()
    assert harness("init").code == 0
    again = harness("init")
    assert again.code == 2
    assert "exists already" in again.err
