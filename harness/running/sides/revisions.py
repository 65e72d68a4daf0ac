"""From what a user types after ``--against`` to two commits of a clean checkout, or to one sentence that says why not."""

from __future__ import annotations

import difflib
import typing

from harness.errors import RevisionError
from harness.store import git
from harness.store.git import PROJECT_FILES

if typing.TYPE_CHECKING:
    from pathlib import Path

CHANGES_SHOWN = 5


def top_of(folder: Path) -> Path:
    """Return the top folder of the git checkout around a folder.

    Raises
    ------
    RevisionError
        If there is none, or git refuses to work in it.
    """
    return git.top(folder, "Go to your checkout, or leave --against out: stored baselines need no git")


def project_of(folder: Path, top: Path) -> Path:
    """Return where the project around a folder begins, relative to the checkout: the nearest folder with a project file."""
    inside = folder.resolve()
    between = [inside, *inside.parents][: len(inside.relative_to(top).parts) + 1]
    having = (place for place in between if any((place / name).is_file() for name in PROJECT_FILES))
    return next(having, top).relative_to(top)


def head_of(top: Path) -> str:
    """Return the commit that is checked out.

    Raises
    ------
    RevisionError
        If nothing was ever committed.
    """
    try:
        return git.text(top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except RevisionError as error:
        message = f"the repository in '{top}' has no commit"
        raise RevisionError(message, "Commit first: the sides of a comparison are commits") from error


def commit_of(top: Path, ref: str) -> str:
    """Return the commit that a branch, tag, hash or expression such as ``HEAD~1`` names.

    Raises
    ------
    RevisionError
        If it names none, with the nearest name, or with how to fetch what a shallow clone lacks.
    """
    try:
        return git.text(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except RevisionError as error:
        if git.text(top, "rev-parse", "--is-shallow-repository") == "true":
            step = "Type: git fetch --unshallow, or in GitHub Actions give actions/checkout 'fetch-depth: 0'"
            message = f"'{ref}' names no commit that this shallow clone holds"
            raise RevisionError(message, step) from error
        step = "Type: git fetch, then git branch --all or git tag to see what there is"
        kinds = ("refs/heads", "refs/tags", "refs/remotes")
        known = sorted(git.text(top, "for-each-ref", "--format=%(refname:short)", *kinds).splitlines())
        # the same name on a remote, else the one spelled most alike
        near = [name for name in known if name.endswith(f"/{ref}")]
        near += difflib.get_close_matches(ref, known, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise RevisionError(f"'{ref}' names no commit here", hint + step) from error


def line(top: Path, old: str, new: str) -> list[str]:
    """List the commits from an old one to a new one along first parents, both included, oldest first.

    Raises
    ------
    RevisionError
        If either is unknown, both are the same, or the new one does not build on the old one.
    """
    first, last = commit_of(top, old), commit_of(top, new)
    if first == last:
        message = f"'{old}' and '{new}' are one commit, {first[:12]}"
        raise RevisionError(message, "Name an older and a newer one: OLD..NEW")
    between = git.text(top, "rev-list", "--first-parent", "--reverse", f"{first}..{last}", "--").split()
    if not int(git.text(top, "rev-list", "--count", f"{last}..{first}", "--")):
        return [first, *between]
    what = f"'{new}' does not build on '{old}'"
    if git.text(top, "rev-parse", "--is-shallow-repository") == "true":
        raise RevisionError(f"{what} in this shallow clone", "Type: git fetch --unshallow")
    branches = "Name commits of one branch; git merge-base OLD NEW shows where two began"
    raise RevisionError(what, branches if between else f"Turn them round: {new}..{old}")


def refuse_changes(top: Path) -> None:
    """See that what is checked out is what HEAD says: a commit is compared, so what is in no commit would be left out.

    Raises
    ------
    RevisionError
        If tracked files differ, naming the first of them.
    """
    changed = git.changes(top)
    if changed:
        shown = ", ".join(changed[:CHANGES_SHOWN])
        more = f" and {len(changed) - CHANGES_SHOWN} more" if len(changed) > CHANGES_SHOWN else ""
        message = f"tracked files differ from HEAD: {shown}{more}"
        raise RevisionError(message, "Commit them, or type: git stash; commits are what is compared")
