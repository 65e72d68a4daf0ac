"""casperdcl/git-fame#81, actions/checkout#1048: in a container the checkout belongs to another user, and git refuses it."""

from __future__ import annotations

import typing

import pytest

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

REFUSED = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
"""What git's own tests set to make it take a folder for another user's."""


@pytest.mark.slow
def test_a_commit_that_git_keeps_back_is_missed(harness: Harness) -> None:
    """A run says that it records no commit, why, and the command that mends it; `doctor` calls it broken, not a folder without checkout."""
    name = harness.scenario("SCENARIO = declare(guess)")
    harness.repository()
    done = harness("run", "probe", "--scenarios", name, "--out", "out", "--no-count", **REFUSED)
    assert done.code == 0
    assert harness.job("out")["commit"] == ""
    mended = f"git config --global --add safe.directory {harness.folder}"
    (warning,) = [line for line in done.err.splitlines() if "warning" in line]
    assert "no commit is recorded" in warning
    assert warning.endswith(mended)
    examined = harness("doctor", **REFUSED)
    assert examined.code == 2
    assert mended in examined.out
    assert "warning" not in harness("run", "probe", "--scenarios", name, "--out", "again", "--no-count").err
