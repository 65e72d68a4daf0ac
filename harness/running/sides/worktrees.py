"""Two worktrees beside each other for as long as a gate needs them; what a killed gate left goes with the next.

They lie in the user's cache folder, below a name that only the repository decides, so that a resumed job finds its code at the
paths that its finished runs name; a second gate of one repository at the same time takes the next number. Both paths are of
equal length, and both folders are compiled beforehand: neither may make one side faster or larger.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import typing

import psutil

from harness.data.cache import cache_folder
from harness.errors import RevisionError
from harness.store import files, git, locks

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SIDES = ("base", "head")
"""Folder names, of equal length."""
CHECKOUT_SECONDS = 1800.0


@contextlib.contextmanager
def checked_out(top: Path, commits: Mapping[str, str]) -> Iterator[dict[str, Path]]:
    """Check out a commit for each side, or for one alone, give the top folder by side, and remove all at the end, also after Ctrl-C.

    Raises
    ------
    RevisionError
        If git cannot check one out.
    StorageError
        If the cache folder cannot be written.
    """
    with contextlib.ExitStack() as holding:
        place = _claim(top, holding)
        _discard(top, place)
        try:
            yield {side: _add(top, place / side, commit) for side, commit in commits.items()}
        finally:
            _discard(top, place)


def _claim(top: Path, holding: contextlib.ExitStack) -> Path:
    """Hold the first free place of a repository, after those that nobody holds have been emptied."""
    root = cache_folder().resolve() / "sides"
    name = hashlib.sha256(os.fsencode(top)).hexdigest()[:12]
    try:
        root.mkdir(parents=True, exist_ok=True)
        for left in [folder for folder in root.iterdir() if folder.is_dir()]:
            with _held(left) as free:
                if free:
                    _discard(top, left)
        places = (root / f"{name}-{number}" for number in itertools.count())
        return next(place for place in places if holding.enter_context(_held(place)))
    except OSError as error:
        raise files.storage_error(root, error) from error


@contextlib.contextmanager
def _held(place: Path) -> Iterator[bool]:
    """Hold a place if no other gate does, and say so. The lock lies beside it and stays: a removed one could be held twice."""
    import filelock

    with contextlib.ExitStack() as holding:
        try:
            holding.enter_context(locks.held(place.with_name(f"{place.name}.lock"), 0.0))
        except filelock.Timeout:
            yield False
        else:
            yield True


def _add(top: Path, folder: Path, commit: str) -> Path:
    """Check out one commit, and compile it: the first run of a side must not measure that."""
    try:
        git.text(top, "worktree", "add", "--quiet", "--detach", str(folder), commit, seconds=CHECKOUT_SECONDS)
    except RevisionError as error:
        step = "Free some space, or set HARNESS_CACHE to a folder that can be written; where the checkout itself cannot, gate in a clone of it"
        raise RevisionError(f"commit {commit[:10]} cannot be checked out: {error.what}", step) from error
    # what does not compile says so when it is imported
    command = [sys.executable, "-W", "ignore", "-P", "-m", "compileall", "-q", "-q", str(folder)]
    subprocess.run(
        command, check=False, capture_output=True, stdin=subprocess.DEVNULL, start_new_session=True
    )
    return folder


def _discard(top: Path, place: Path) -> None:
    """Remove the worktrees in a place from disk and from the repository, whatever state they are in."""
    listed = git.worktrees(top)
    for folder in (place / side for side in SIDES):
        _end_checkout(folder)
        # what cannot be removed now is in the way of the next gate, which says so
        shutil.rmtree(folder, ignore_errors=True)
        if str(folder) in listed:
            # twice: a checkout that was cut short is still locked
            git.text(top, "worktree", "remove", "--force", "--force", str(folder))
    with contextlib.suppress(OSError):
        place.rmdir()


def _end_checkout(folder: Path) -> None:
    """End the git that a killed gate left checking out: it would write into the next one's worktree, or remove it."""
    for process in psutil.process_iter(["cmdline"]):
        if str(folder) in (process.info["cmdline"] or ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait()
