"""Both commits are checked out beside each other, the user's repository stays as it was, and each obstacle is one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import typing
from pathlib import Path

import psutil
import pytest

from harness.errors import RevisionError, StorageError
from harness.running.sides import opened
from tests.running.sides.conftest import Repository, probe
from tests.running.test_resume import until

if typing.TYPE_CHECKING:
    from collections.abc import Callable

SLEEPS = """
import time
from pathlib import Path
from harness.running.sides import opened

with opened("HEAD~1", (), Path.cwd()) as sides:
    print(sides.base_code, flush=True)
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
        assert repository.worktrees() == [f"worktree {sides.base_code}", f"worktree {sides.head_code}"]
        assert Path(sides.base_code, "helper.py").read_text() == "RIGHT = 90\n"
        assert Path(sides.head_code, "helper.py").read_text() == "RIGHT = 80\n"
        assert len(sides.base_code) == len(sides.head_code)
        assert (sides.base_commit, sides.head_commit) == tuple(
            repository.git("rev-parse", name) for name in ("HEAD~1", "HEAD")
        )
        assert sides.base_scenario_paths == (f"{sides.base_code}/bench/probe.py",)
        assert sides.head_scenario_paths == (f"{sides.head_code}/bench/probe.py",)
        assert (sides.code_changed, sides.dependencies_changed, sides.notes) == ((), (), ())
        assert list(Path(sides.base_code).glob("__pycache__/helper.*.pyc")), "the first run would compile"
        Path(sides.head_code, "helper.py").write_text("changed by a run")
    assert state(repository) == before
    assert places(tmp_path) == []
    assert not (tmp_path / "hooked").exists()


def test_a_job_that_fails_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    """An error of the body passes through unchanged."""
    with pytest.raises(NotImplementedError, match="mine"), opened("HEAD", (), repository.folder):
        raise NotImplementedError("mine")
    assert (repository.worktrees(), places(tmp_path)) == ([], [])


def test_a_call_from_a_hook(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """What git sets for hooks, such as the index of a commit in the making, decides nothing here."""
    monkeypatch.setenv("GIT_DIR", str(repository.folder / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository.folder / "no index"))
    with opened("HEAD~1", (), repository.folder) as sides:
        assert Path(sides.base_code, "helper.py").read_text() == "RIGHT = 90\n"


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
def test_ctrl_c_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    """An interrupted gate removes its worktrees, from disk and from the repository."""
    process = start(repository)
    assert told(process).is_dir()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert "KeyboardInterrupt" in err
    assert (repository.worktrees(), places(tmp_path)) == ([], [])


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
        assert not [words for words in commands if sides.base_code in words]
    assert (repository.worktrees(), places(tmp_path)) == ([], [])
    (tmp_path / "go").touch()


@pytest.mark.slow
def test_a_killed_gate_and_a_second_one(repository: Repository, tmp_path: Path) -> None:
    """Two gates at once have places of their own; what a killed one left goes with the next, which has its place again."""
    process = start(repository)
    first = told(process)
    with opened("HEAD~1", (), repository.folder) as second:
        assert first.is_dir()
        assert Path(second.base_code) != first
        assert len(repository.worktrees()) == 4
        process.kill()
        process.communicate(timeout=240)
    assert len(repository.worktrees()) == 2
    with opened("HEAD~1", (), repository.folder) as again:
        assert Path(again.base_code) == first
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
        base, head = Path(sides.base_code), Path(sides.head_code)
        as_it_is = (str(repository.folder / "untracked.py"), str(tmp_path / "outside.py"))
        assert sides.base_scenario_paths == (str(base / "bench" / "probe.py"), *as_it_is)
        assert sides.head_scenario_paths == (
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
        assert repository.worktrees() == [f"worktree {sides.head_code}"]
        assert sides.base_code == sides.head_code
        assert (sides.base_commit, sides.head_commit) == (first, first)
        assert Path(sides.head_code, "helper.py").read_text() == "RIGHT = 90\n"
        assert sides.head_scenario_paths == (
            f"{sides.head_code}/bench/probe.py", str(repository.folder / "bench/mine.py")
        )  # fmt: skip
    with opened(first, named, repository.folder, head=second) as sides:
        helpers = [Path(code, "helper.py").read_text() for code in (sides.base_code, sides.head_code)]
        assert helpers == ["RIGHT = 90\n", "RIGHT = 80\n"]
    assert repository.worktrees() == []


def test_a_project_in_a_folder_of_its_repository(repository: Repository) -> None:
    """Runs import from the folder that holds the project file nearest to the working folder."""
    repository.commit({"services/net/pyproject.toml": "[project]\n", "services/net/bench/b.py": ""})
    with opened("HEAD", (), repository.folder / "services" / "net" / "bench") as sides:
        assert sides.base_code == str(sides.base_top / "services" / "net")
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


def test_what_a_reader_must_know(repository: Repository) -> None:
    """Dependencies, lock files, submodules, large files and a comparison with itself are said."""
    repository.commit({"requirements.txt": "numpy>=1.26", "uv.lock": "1"})
    modules = '[submodule "x"]\n\tpath = x\n\turl = ../x\n'
    more = {".gitmodules": modules, "data/.gitattributes": "*.npz filter=lfs -text\n"}
    repository.commit({"requirements.txt": "numpy>=2", "uv.lock": "2", **more})
    with opened("HEAD~1", (), repository.folder) as sides:
        assert sides.dependencies_changed == ("numpy (requirements.txt): >=1.26 in base, >=2 in head",)
        for note, word in zip(sides.notes, ("uv.lock", "submodules", "Git LFS"), strict=True):
            assert word in note
    repository.git("tag", "same")
    with opened("same", (), repository.folder) as sides:
        assert "'same' is HEAD itself" in sides.notes[0]


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


def unknown(ref: str) -> Callable[[Repository], tuple[Path, str]]:
    """Ask for a REF that does not exist."""
    return lambda repository: (repository.folder, ref)


def no_checkout(repository: Repository) -> tuple[Path, str]:
    """Ask in a folder above the repository."""
    return repository.folder.parent, "HEAD"


def in_git_folder(repository: Repository) -> tuple[Path, str]:
    """Ask in the repository's own folder."""
    return repository.folder / ".git", "HEAD"


def no_commit(repository: Repository) -> tuple[Path, str]:
    """Ask before the first commit."""
    return Repository(repository.folder.parent / "new").folder, "HEAD"


def remote(repository: Repository) -> tuple[Path, str]:
    """Ask for a branch that only the remote has, as after a CI checkout."""
    repository.git("branch", "release")
    repository.git("clone", "-q", ".", "../clone")
    return repository.folder.parent / "clone", "release"


def shallow(repository: Repository) -> tuple[Path, str]:
    """Ask for a commit that a shallow clone lacks."""
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.folder}", "../clone")
    return repository.folder.parent / "clone", "HEAD~1"


def dirty(repository: Repository) -> tuple[Path, str]:
    """Change seven tracked files."""
    repository.commit({f"{number} a.py": "" for number in range(7)})
    repository.write({f"{number} a.py": "1" for number in range(7)})
    return repository.folder, "HEAD"


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (unknown("mian"), ["'mian' names no commit", "Did you mean 'main'?", "git fetch"]),
        (unknown("--upload-pack=x"), ["'--upload-pack=x' names no commit"]),
        (unknown(""), ["'' names no commit"]),
        (unknown("HEAD:helper.py"), ["'HEAD:helper.py' names no commit"]),
        (unknown("0" * 40), [f"'{'0' * 40}' names no commit"]),
        (remote, ["'release' names no commit", "Did you mean 'origin/release'?"]),
        (shallow, ["'HEAD~1' names no commit that this shallow clone holds", "git fetch --unshallow", "fetch-depth: 0"]),
        (no_checkout, ["is not in a git checkout", "leave --against out"]),
        (in_git_folder, ["is not in a git checkout"]),
        (no_commit, ["has no commit", "Commit first"]),
        (dirty, ["differ from HEAD: 0 a.py, 1 a.py, 2 a.py, 3 a.py, 4 a.py and 2 more", "git stash"]),
    ],
)  # fmt: skip
def test_what_cannot_be_compared(
    repository: Repository, prepare: Callable[[Repository], tuple[Path, str]], words: list[str]
) -> None:
    """One sentence says what is wrong and what to do."""
    folder, ref = prepare(repository)
    with pytest.raises(RevisionError) as caught, opened(ref, (), folder):
        pass
    for word in words:
        assert word in str(caught.value)


def test_a_shallow_clone_that_holds_both(repository: Repository) -> None:
    """Depth two is enough for the commit before."""
    repository.git("clone", "-q", "--depth", "2", f"file://{repository.folder}", "../clone")
    with opened("HEAD~1", (), repository.folder.parent / "clone") as sides:
        assert Path(sides.base_code, "helper.py").read_text() == "RIGHT = 90\n"


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


def test_a_cache_that_cannot_be_written(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the cache folder should be is one error that names it."""
    monkeypatch.setenv("HARNESS_CACHE", str(repository.folder / "helper.py"))
    with (
        pytest.raises(StorageError, match=r"helper\.py.*a file is where a folder"),
        opened("HEAD", (), repository.folder),
    ):
        pass
