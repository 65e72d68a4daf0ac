"""Calls of git that leave the user's repository as it is: no hook, pager, prompt or refreshed index; what it refuses is one error."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import typing
from pathlib import Path

from harness.errors import RevisionError

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

_QUIET = (
    "--no-pager",
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "submodule.recurse=false"),
)
_SETTINGS = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
"""What git sets for its hooks: with these a call from a hook would work on another folder, or on the index of a commit in the making."""
PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
"""Files that mark the folder of a project."""

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REMOTE = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^@/]+@)?|(?:[\w.-]+@)?(?=[\w.-]+:(?!/)))(?P<host>[\w.-]+)(?::\d+(?=/)|:|)(?P<path>[/\w.~+-]+)"
)


def text(folder: str | os.PathLike[str], *words: str, seconds: float = 60.0) -> str:
    """Return what a git command prints in a folder, without the white space around it; it may take so many seconds.

    Raises
    ------
    RevisionError
        If git is not installed, refuses, or takes too long; it says what git said.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK} | _SETTINGS
    what = f"git {words[0]} failed in '{folder}'"
    try:
        # in a session of its own, where Ctrl-C cannot end it halfway through a clean-up
        done = subprocess.run(
            ["git", "-C", os.fspath(folder), *_QUIET, *words], capture_output=True, timeout=seconds, check=False,
            env=environment, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        why = f"the program git cannot be started: {error.strerror}"
        raise RevisionError(why, "Install it, e.g. apt install git") from error
    except subprocess.TimeoutExpired as error:
        raise RevisionError(f"{what}: it took more than {seconds:g} s", "Try it by hand") from error
    if done.returncode != 0:
        lines = [line.strip() for line in os.fsdecode(done.stderr).splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal: ", "error: "))]
        reason = (
            (fatal or lines or ["it does not say why"])[0].removeprefix("fatal: ").removeprefix("error: ")
        )
        raise RevisionError(f"{what}: {reason}", "Try it by hand")
    return os.fsdecode(done.stdout).strip()


def top(folder: Path, step: str) -> Path:
    """Return the top folder of the checkout around a folder.

    Raises
    ------
    RevisionError
        If there is none, with the next step `step`, or git refuses to work in it.
    """
    try:
        return Path(text(folder, "rev-parse", "--show-toplevel"))
    except RevisionError as error:
        raise _no_checkout(folder, error, step) from error


def _no_checkout(folder: Path, error: RevisionError, step: str) -> RevisionError:
    """Say why a folder is no checkout, with what to do about it."""
    if "dubious ownership" in error.what:
        place = shlex.quote(str(checkout(folder) or folder.resolve()))
        return RevisionError(
            error.what, f"If you trust it, type: git config --global --add safe.directory {place}"
        )
    if "not a git repository" in error.what or "must be run in a work tree" in error.what:
        return RevisionError(f"'{folder}' is not in a git checkout", step)
    return error


def checkout(folder: Path) -> Path | None:
    """Return the innermost folder around a folder that holds ``.git``; None without one."""
    here = folder.resolve()
    return next((place for place in (here, *here.parents) if (place / ".git").exists()), None)


def refusal(folder: Path) -> RevisionError | None:
    """Return why git does not work in the checkout around a folder; None where it does, and where there is no checkout."""
    if checkout(folder) is None:
        return None
    try:
        text(folder, "rev-parse", "--git-dir")
    except RevisionError as error:
        return _no_checkout(folder, error, "Try it by hand")
    return None


def paths(folder: str | os.PathLike[str], *words: str) -> list[str]:
    """Return the paths that a git command prints with ``-z``."""
    return [path for path in text(folder, *words).split("\0") if path]


def commit(folder: str | os.PathLike[str], files: Iterable[str] = ()) -> str:
    """Return the commit of the checkout around a folder, with ``+dirty`` if tracked files differ or git cannot say.

    It is dirty too if one of `files`, those that are run, lies in the checkout and is not tracked.

    Raises
    ------
    RevisionError
        If there is no checkout, or no commit yet.
    """
    head = text(folder, "rev-parse", "--verify", "HEAD")
    try:
        return f"{head}+dirty" if changes(folder) or _untracked(folder, files) else head
    except RevisionError:
        return f"{head}+dirty"


def _untracked(folder: str | os.PathLike[str], files: Iterable[str]) -> bool:
    """Return whether a file lies in a checkout and no commit holds it."""
    resolved = [Path(file).resolve() for file in files]
    if not resolved:
        return False
    checkout = Path(text(folder, "rev-parse", "--show-toplevel")).resolve()
    inside = {str(file.relative_to(checkout)) for file in resolved if file.is_relative_to(checkout)}
    if not inside:
        return False
    literal = [f":(literal){file}" for file in inside]
    return not inside <= set(paths(checkout, "ls-files", "--recurse-submodules", "-z", "--", *literal))


def changes(folder: str | os.PathLike[str]) -> list[str]:
    """List the tracked files of a checkout that differ from its commit, relative to its top."""
    found = paths(folder, "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
    return [entry.split(maxsplit=1)[1] for entry in found]


def worktrees(top: Path) -> list[str]:
    """List the folders of a repository's worktrees, the main one first."""
    lines = text(top, "worktree", "list", "--porcelain").splitlines()
    return [line.removeprefix("worktree ") for line in lines if line.startswith("worktree ")]


def parents(folder: str | os.PathLike[str], commits: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return commits and what lies between them, each with its parents, parents before children (``rev-list --topo-order``).

    Texts that are no full hash, and commits that git does not know here, are left out.

    Raises
    ------
    RevisionError
        If there is no checkout.
    """
    hashes = [commit for commit in dict.fromkeys(commits) if _HASH.fullmatch(commit)]
    known = (
        text(folder, "rev-list", "--no-walk=unsorted", "--ignore-missing", *hashes).split() if hashes else []
    )
    if not known:
        return {}
    try:
        below = [f"{base}^@" for base in text(folder, "merge-base", "--octopus", *known).split()]
    except RevisionError:  # no commit is behind all of them
        below = []
    listed = text(folder, "rev-list", "--topo-order", "--reverse", "--parents", *known, "--not", *below)
    return {commit: tuple(above) for commit, *above in map(str.split, listed.splitlines())}


def web(folder: str | os.PathLike[str]) -> str:
    """Return the address before the hash at which the remote shows a commit; empty where it has none.

    Only host and path are taken from the remote's address: it may hold a password.
    """
    try:
        names = text(folder, "remote").split() or [""]
        remote = text(folder, "remote", "get-url", "origin" if "origin" in names else names[0])
    except RevisionError:
        return ""
    found = _REMOTE.fullmatch(remote)
    if found is None:
        return ""
    page = "commits" if found["host"] == "bitbucket.org" else "commit"
    return f"https://{found['host']}/{found['path'].strip('/').removesuffix('.git')}/{page}/"
