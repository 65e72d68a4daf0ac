"""The commits between two, along first parents; what is no such line is one sentence."""

from __future__ import annotations

import typing

import pytest

from harness.errors import RevisionError
from harness.running.sides import revisions

if typing.TYPE_CHECKING:
    from tests.running.sides.conftest import Repository


def test_a_line_follows_first_parents(repository: Repository) -> None:
    """Both ends are in it, oldest first; commits of a merged branch are not."""
    first = repository.git("rev-parse", "HEAD~1")
    second = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "-qb", "topic")
    repository.commit({"topic.py": ""})
    repository.git("checkout", "-q", "main")
    third = repository.commit({"main.py": ""})
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
    merge = repository.git("rev-parse", "HEAD")
    assert revisions.line(repository.folder, first, "main") == [first, second, third, merge]
    assert revisions.line(repository.folder, "main~1", "main") == [third, merge]


def test_what_is_no_line(repository: Repository) -> None:
    """One commit twice, two turned round, two branches, a shallow clone and an unknown name say what to type instead."""
    repository.git("checkout", "-qb", "topic", "HEAD~1")
    repository.commit({"topic.py": ""})
    for old, new, words in (
        ("main", "main", "are one commit"),
        ("main", "main~1", "Turn them round: main~1..main"),
        ("topic", "main", "'main' does not build on 'topic'. Name commits of one branch"),
        ("mian", "main", "Did you mean 'main'"),
    ):
        with pytest.raises(RevisionError, match=words):
            revisions.line(repository.folder, old, new)
    repository.git("clone", "-q", "--depth", "1", "-b", "main", f"file://{repository.folder}", "../clone")
    with pytest.raises(RevisionError, match="shallow clone"):
        revisions.line(repository.folder.parent / "clone", "HEAD~1", "HEAD")
