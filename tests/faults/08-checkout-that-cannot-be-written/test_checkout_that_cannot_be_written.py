"""akitaonrails/ai-jail#101: a repository that is mounted read-only into a container."""

from __future__ import annotations

import typing

import pytest

if typing.TYPE_CHECKING:
    from tests.conftest import Harness


@pytest.mark.slow
def test_where_git_cannot_add_a_worktree(harness: Harness) -> None:
    """A gate against a commit says what git says, and that a clone can be gated where the checkout itself cannot be written."""
    name = harness.scenario("SCENARIO = declare(guess)")
    harness.repository()
    # a file in its place keeps git from making the folder, for root too
    (harness.folder / ".git" / "worktrees").write_text("")
    done = harness("gate", "probe", "--scenarios", name, "--against", "HEAD", "--out", "../gate")
    assert done.code == 2
    assert "cannot be checked out" in done.err
    assert "gate in a clone of it" in done.err
