"""A few kills of the soaks: the long ones are tox environments of their own."""

from __future__ import annotations

import pytest

from tests import soak

pytestmark = pytest.mark.system


@pytest.mark.parametrize("words", [("--seed", "3"), ("--seed", "2", "--cluster")])
def test_jobs_that_are_killed(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    """Two random kills of local jobs, and of parts of a cluster, lose nothing."""
    monkeypatch.setattr(soak, "RUNS", 4)  # after the kills there is little left to wait for
    assert soak.main(["--kills", "2", *words]) == 0
