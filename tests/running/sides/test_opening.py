"""Both commits are checked out beside each other, the user's repository stays as it was, and each obstacle is one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.errors import RevisionError
from harness.running.sides import opened
from tests.running.sides.conftest import Repository, probe
from tests.running.test_resume import until

SLEEPS = """
import time
from pathlib import Path
from harness.running.sides import opened

with opened("HEAD~1", (), Path.cwd()) as sides:
    print(sides.base.code, flush=True)
    time.sleep(600)
"""
MEASURES = {"harness/worker.py": "", "harness/measure/memory.py": "", "harness/judging/compare.py": ""}


def state(repository: Repository) -> dict[str, object]:
    """Return everything about a repository that a comparison must leave alone."""
    watched = ("HEAD", "ORIG_HEAD", "index", "config", "logs/HEAD", "packed-refs")
    paths = [repository.folder / ".git" / name for name in watched]
    found: dict[str, object] = {path.name: path.read_bytes() for path in paths if path.exists()}
    found["index time"] = (repository.folder / ".git" / "index").stat().st_mtime_ns
    listed = [path for path in repository.folder.rglob("*") if "objects" not in path.parts]
    return found | {"files": sorted(listed), "refs": repository.git("for-each-ref")}


def places(tmp_path: Path) -> list[Path]:
    """List the places that hold worktrees."""
    return [path for path in (tmp_path / "user cache" / "sides").iterdir() if path.is_dir()]


@pytest.mark.parametrize("detached", [False, True])
def test_two_worktrees_that_leave_no_trace(repository: Repository, tmp_path: Path, *, detached: bool) -> None:
    """Each side is its commit, at a path as long as the other's; afterwards the repository is byte for byte what it was."""
    if detached:
        repository.git("checkout", "-q", "--detach")
    hook = repository.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/hooked'\n")
    hook.chmod(0o755)
    before = state(repository)
    with opened("HEAD~1", ("bench/probe.py",), repository.folder) as sides:
        assert repository.worktrees() == [f"worktree {sides.base.code}", f"worktree {sides.head.code}"]
        assert Path(sides.base.code, "helper.py").read_text() == "RIGHT = 90\n"
        assert Path(sides.head.code, "helper.py").read_text() == "RIGHT = 80\n"
        assert len(sides.base.code) == len(sides.head.code)
        assert (sides.base.commit, sides.head.commit) == tuple(
            repository.git("rev-parse", name) for name in ("HEAD~1", "HEAD")
        )
        assert sides.base.scenario_paths == (f"{sides.base.code}/bench/probe.py",)
        assert sides.head.scenario_paths == (f"{sides.head.code}/bench/probe.py",)
        assert (sides.code_changed, sides.dependencies_changed, sides.notes) == ((), (), ())
        assert list(Path(sides.base.code).glob("__pycache__/helper.*.pyc")), "the first run would compile"
        Path(sides.head.code, "helper.py").write_text("changed by a run")
    assert state(repository) == before
    assert places(tmp_path) == []
    assert not (tmp_path / "hooked").exists()


def test_a_call_from_a_hook(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What git sets for hooks, such as the index of a commit in the making, decides nothing here; an error of the body leaves nothing."""
    # a shallow clone that holds both commits is enough
    repository.git("clone", "-q", "--depth", "2", f"file://{repository.folder}", "../clone")
    monkeypatch.setenv("GIT_DIR", str(repository.folder / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository.folder / "no index"))
    for folder in (repository.folder, tmp_path / "clone"):
        with opened("HEAD~1", (), folder) as sides:
            assert Path(sides.base.code, "helper.py").read_text() == "RIGHT = 90\n"
    with pytest.raises(NotImplementedError, match="mine"), opened("HEAD", (), repository.folder):
        raise NotImplementedError("mine")
    for name in ("GIT_DIR", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    assert (repository.worktrees(), places(tmp_path)) == ([], [])


def start(repository: Repository) -> subprocess.Popen[str]:
    """Open the sides in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", SLEEPS], cwd=repository.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip


def told(process: subprocess.Popen[str]) -> Path:
    """Wait until the sides are open and return base's folder."""
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_end_in_the_middle_of_a_checkout(repository: Repository, tmp_path: Path, number: int) -> None:
    """Ctrl-C removes a worktree that is half there; after a SIGKILL the next gate does, and ends the git that goes on."""
    (repository.folder / ".git" / "info").mkdir(exist_ok=True)
    (repository.folder / ".git" / "info" / "attributes").write_text("helper.py filter=slow\n")
    repository.git(
        "config",
        "filter.slow.smudge",
        f"cd '{tmp_path}'; touch started; until [ -e go ]; do sleep 0.1; done; cat",
    )
    process = start(repository)
    until((tmp_path / "started").exists, "git never started to check out")
    process.send_signal(number)
    process.communicate(timeout=240)
    assert len(repository.worktrees()) == (1 if number == signal.SIGKILL else 0)
    repository.git("config", "--remove-section", "filter.slow")
    with opened("HEAD", (), repository.folder) as sides:
        assert len(repository.worktrees()) == 2
        commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        assert not [words for words in commands if sides.base.code in words]
    assert (repository.worktrees(), places(tmp_path)) == ([], [])
    (tmp_path / "go").touch()


@pytest.mark.slow
def test_a_killed_gate_and_a_second_one(repository: Repository, tmp_path: Path) -> None:
    """Two gates at once have places of their own; what a killed one left goes with the next, which has its place again."""
    process = start(repository)
    first = told(process)
    with opened("HEAD~1", (), repository.folder) as second:
        assert first.is_dir()
        assert Path(second.base.code) != first
        assert len(repository.worktrees()) == 4
        process.kill()
        process.communicate(timeout=240)
    assert len(repository.worktrees()) == 2
    with opened("HEAD~1", (), repository.folder) as again:
        assert Path(again.base.code) == first
        assert len(repository.worktrees()) == 2
    assert (repository.worktrees(), places(tmp_path)) == ([], [])


def test_a_checkout_that_another_repository_left(repository: Repository, tmp_path: Path) -> None:
    """Leftovers go even if their repository is gone."""
    other = Repository(tmp_path / "other")
    other.commit({"a": ""})
    other.commit({"a": "1"})
    process = start(other)
    left = told(process)
    process.kill()
    process.communicate(timeout=240)
    (tmp_path / "other").rename(tmp_path / "gone")
    with opened("HEAD", (), repository.folder):
        assert not left.exists()


def test_scenario_files_inside_and_outside(repository: Repository, tmp_path: Path) -> None:
    """What commits hold comes from each commit; other files serve both sides as they are, and that is said."""
    repository.commit({"bench/new.py": probe()})
    repository.write({"untracked.py": probe()})
    (tmp_path / "outside.py").write_text(probe())
    named = ("bench/probe.py", "new.py", "../untracked.py", str(tmp_path / "outside.py"))
    with opened("HEAD~1", ("probe.py", *named[1:]), repository.folder / "bench") as sides:
        base, head = Path(sides.base.code), Path(sides.head.code)
        as_it_is = (str(repository.folder / "untracked.py"), str(tmp_path / "outside.py"))
        assert sides.base.scenario_paths == (str(base / "bench" / "probe.py"), *as_it_is)
        assert sides.head.scenario_paths == (
            str(head / "bench" / "probe.py"), str(head / "bench" / "new.py"), *as_it_is
        )  # fmt: skip
        assert [note.split("'")[1] for note in sides.notes[:3]] == [
            "untracked.py",
            as_it_is[1],
            "bench/new.py",
        ]
        assert "both sides use" in sides.notes[0]
        assert "base has no scenario file" in sides.notes[2]
        assert "relative paths lead from there" in sides.notes[3]


def test_a_past_commit_as_head(repository: Repository) -> None:
    """It needs no clean checkout, one worktree serves both sides if they are one commit, and it borrows no file from later commits."""
    first, second = (repository.git("rev-parse", name) for name in ("HEAD~1", "HEAD"))
    repository.commit({"bench/later.py": probe()})
    repository.write({"helper.py": "RIGHT = 10\n", "bench/mine.py": probe()})
    named = ("bench/probe.py", "bench/later.py", "bench/mine.py")
    with opened(first, named, repository.folder, head=first) as sides:
        assert repository.worktrees() == [f"worktree {sides.head.code}"]
        assert sides.base.code == sides.head.code
        assert (sides.base.commit, sides.head.commit) == (first, first)
        assert Path(sides.head.code, "helper.py").read_text() == "RIGHT = 90\n"
        assert sides.head.scenario_paths == (
            f"{sides.head.code}/bench/probe.py", str(repository.folder / "bench/mine.py")
        )  # fmt: skip
    with opened(first, named, repository.folder, head=second) as sides:
        helpers = [Path(code, "helper.py").read_text() for code in (sides.base.code, sides.head.code)]
        assert helpers == ["RIGHT = 90\n", "RIGHT = 80\n"]
    assert repository.worktrees() == []


def test_a_project_in_a_folder_of_its_repository(repository: Repository) -> None:
    """Runs import from the folder that holds the project file nearest to the working folder."""
    repository.commit({"services/net/pyproject.toml": "[project]\n", "services/net/bench/b.py": ""})
    with opened("HEAD", (), repository.folder / "services" / "net" / "bench") as sides:
        assert sides.base.code == str(sides.base.top / "services" / "net")
    with (
        pytest.raises(RevisionError, match=r"base .* has no folder 'services/net'.* Name a later commit"),
        opened("HEAD~1", (), repository.folder / "services" / "net"),
    ):
        pass
    assert repository.worktrees() == []


@pytest.mark.parametrize("prefix", ["", "src/"])
def test_changes_of_what_measures(repository: Repository, prefix: str) -> None:
    """Where the repository holds the harness, changed files that measure are named; in any other one there are none."""
    repository.commit({f"{prefix}harness/measure/{name}.py": "" for name in "ab"})
    repository.commit({f"{prefix}harness/measure/a.py": "1"})
    with opened("HEAD~1", (), repository.folder) as sides:
        assert (sides.holds_harness, sides.code_changed) == (False, ())
    repository.commit({f"{prefix}{name}": "" for name in MEASURES})
    repository.commit({f"{prefix}{name}": "1" for name in MEASURES})
    with opened("HEAD~1", (), repository.folder) as sides:
        assert sides.holds_harness
        assert sides.code_changed == (f"{prefix}harness/measure/memory.py", f"{prefix}harness/worker.py")


PROJECT = """
[project]
dependencies = ["numpy>=1.26", "rich"]
[project.optional-dependencies]
torch = ["torch[cuda]>=2.6"]
[dependency-groups]
dev = ["ruff", {include-group = "test"}]
"""
REQUIREMENTS = "# what CI installs\nnumpy==2.0.0  # pinned\n-r other.txt\n"


def test_what_a_reader_must_know(repository: Repository) -> None:
    """Requirements that stand on one side alone, lock files, submodules and a comparison with itself are said; the rest is not."""
    same = {"environment.yml": "x", "requirements-dev.txt": "ruff\n"}
    files = {"pyproject.toml": PROJECT, "requirements.txt": REQUIREMENTS, "uv.lock": "1", **same}
    repository.commit(files)
    changed = {
        "pyproject.toml": PROJECT.replace(">=1.26", ">=2.0").replace("[cuda]", "").replace('"ruff"', '"ruff>=1"'),
        "requirements.txt": REQUIREMENTS.replace("2.0.0", "2.1.0").replace("CI", "we"),
        "uv.lock": "2", ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ../x\n',
    }  # fmt: skip
    repository.commit(changed)
    with opened("HEAD~1", (), repository.folder) as sides:
        project, listed = sides.dependencies_changed
        base, _, head = project.removeprefix("pyproject.toml: ").partition("; ")
        assert base == "numpy>=1.26, ruff (dev), torch[cuda]>=2.6 (torch) in base alone"
        assert head == "numpy>=2.0, ruff>=1 (dev), torch>=2.6 (torch) in head alone"
        assert listed == "requirements.txt: numpy==2.0.0 in base alone; numpy==2.1.0 in head alone"
        for note, word in zip(sides.notes, ("submodules", "uv.lock"), strict=True):
            assert word in note
    repository.git("tag", "same")
    repository.commit({"pyproject.toml": "[project\n"})
    with opened("same", (), repository.folder) as sides:
        assert "in head alone" in sides.dependencies_changed[0]
        assert "unreadable content" in sides.dependencies_changed[0]
    with opened("HEAD", (), repository.folder) as sides:
        assert "'HEAD' is HEAD itself" in sides.notes[0]


def test_a_base_that_is_ahead_is_said(repository: Repository) -> None:
    """A base with commits that HEAD lacks is named with their number and the command for the merge base; an ancestor is not."""
    merge_base = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "-qb", "docs")
    repository.commit({"README.md": "hello"})
    with opened("main", (), repository.folder) as sides:
        assert sides.notes == ()
    repository.git("checkout", "-q", "main")
    repository.commit({"helper.py": "RIGHT = 95"})
    repository.commit({"helper.py": "RIGHT = 96"})
    repository.git("checkout", "-q", "docs")
    with opened("main", (), repository.folder) as sides:
        (note,) = sides.notes
    assert note.startswith("base 'main' has 2 commits that HEAD lacks: ")
    assert note.endswith(f"--against {merge_base[:12]}")
    repository.git("checkout", "-q", "--orphan", "other")
    repository.commit({"README.md": "another history"})
    with opened("main", (), repository.folder) as sides:
        assert "no common commit is known here" in sides.notes[0]


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("mian", ["'mian' names no commit", "Did you mean 'main'?", "git fetch"]),
        ("--upload-pack=x", ["'--upload-pack=x' names no commit"]),
        ("", ["'' names no commit"]),
        ("HEAD:helper.py", ["'HEAD:helper.py' names no commit"]),
        ("0" * 40, [f"'{'0' * 40}' names no commit"]),
    ],
)
def test_what_names_no_commit(repository: Repository, ref: str, words: list[str]) -> None:
    """One sentence says what is wrong and what to do."""
    with pytest.raises(RevisionError) as caught, opened(ref, (), repository.folder):
        pass
    assert all(word in str(caught.value) for word in words)


def test_where_nothing_can_be_compared(repository: Repository) -> None:
    """Outside a checkout, before the first commit, with changes, and in a clone that lacks the commit: one sentence with the way out."""
    above = repository.folder.parent
    repository.git("branch", "release")
    repository.git("clone", "-q", ".", "../clone")
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.folder}", "../shallow")
    repository.commit({f"{number} a.py": "" for number in range(7)})
    repository.write({f"{number} a.py": "1" for number in range(7)})
    for folder, ref, told in (
        (above / "clone", "release", r"'release' names no commit.*Did you mean 'origin/release'\?"),
        (above / "shallow", "HEAD~1", r"this shallow clone holds.*git fetch --unshallow.*fetch-depth: 0"),
        (above, "HEAD", r"is not in a git checkout.*leave --against out"),
        (repository.folder / ".git", "HEAD", r"is not in a git checkout"),
        (Repository(above / "new").folder, "HEAD", r"has no commit.*Commit first"),
        (
            repository.folder,
            "HEAD",
            r"differ from HEAD: 0 a\.py, 1 a\.py, 2 a\.py, 3 a\.py, 4 a\.py and 2 more.*git stash",
        ),
    ):
        with pytest.raises(RevisionError, match=told), opened(ref, (), folder):
            pass


def test_git_that_is_missing_or_distrusts(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, and where git distrusts the owner of a folder (as in containers), the next step is named."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with (
        pytest.raises(RevisionError, match=r"dubious ownership.*safe\.directory"),
        opened("HEAD", (), repository.folder),
    ):
        pass
    monkeypatch.setenv("PATH", str(repository.folder))
    with (
        pytest.raises(RevisionError, match=r"git cannot be started.*Install it"),
        opened("HEAD", (), repository.folder),
    ):
        pass
